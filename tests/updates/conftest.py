# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario updates, and a mirror on it."""

from __future__ import annotations

import pytest

from tests.faults.bench import Bench
from tests.faults.conftest import bench
from tests.updates.mirror import BY_ITSELF, Mirror

__all__ = ["bench", "mirror"]


@pytest.fixture(scope="session")
def mirror(bench: Bench) -> Mirror:
    """With nothing newer on it, and all that Debian's own has newer brought. It stays until the machine goes."""

    made = Mirror(bench)
    made.begin()
    done = bench.deploy(BY_ITSELF)
    assert done.status == 0, done.output[-3000:]
    bench.root("inception update")
    return made
