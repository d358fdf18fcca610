# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario updates."""

from __future__ import annotations

from tests.faults.conftest import bench

__all__ = ["bench"]
