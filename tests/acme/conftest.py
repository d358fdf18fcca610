# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario acme, and its authority."""

from __future__ import annotations

import pytest

from tests.acme.authority import Authority
from tests.faults.bench import Bench
from tests.faults.conftest import bench

__all__ = ["authority", "bench"]


@pytest.fixture(scope="session")
def authority(bench: Bench) -> Authority:
    return Authority(bench)
