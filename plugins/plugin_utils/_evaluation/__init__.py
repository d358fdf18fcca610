# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the evaluation does on the control node: parsers, the project, the sheet with its checks, the report.

Private to this collection: it may change without notice.
"""
