# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario owner, and what its proxy was asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.faults.conftest import bench

__all__ = ["bench"]

PROXY = "inception-owner-proxy"


@pytest.fixture
def asked() -> Callable[[], list[str]]:
    """Whom the proxy was asked for, since it began."""

    def read() -> list[str]:
        done = subprocess.run(["docker", "logs", PROXY], check=True, capture_output=True, text=True)
        return [line for line in done.stdout.splitlines() if line.strip()]

    return read
