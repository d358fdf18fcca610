# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario backup."""

from __future__ import annotations

import pytest

from tests.faults.conftest import bench

__all__ = ["bench"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: not a part of make test-backup, but of make test-backup-long")
