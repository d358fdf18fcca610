# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of an upgrade need of a live machine."""

from __future__ import annotations

from tests.verify.conftest import (
    ca,
    pytest_configure,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    settings,
    site,
    stack,
)

__all__ = [
    "ca",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
    "settings",
    "site",
    "stack",
]
