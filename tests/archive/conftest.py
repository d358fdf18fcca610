# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the archive need of a live machine."""

from __future__ import annotations

from tests.upgrade.conftest import (
    ca,
    pytest_configure,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    settings,
    site,
    stack,
)
from tests.verify.conftest import secrets

__all__ = [
    "ca",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
    "secrets",
    "settings",
    "site",
    "stack",
]
