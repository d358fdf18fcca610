# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of Alpine's facts, and the stand-in mirror that is generated from it."""
