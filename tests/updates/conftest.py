# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario updates, and a mirror on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.bench import Bench
from tests.faults.conftest import bench
from tests.updates.mirror import Mirror

__all__ = ["bench", "mirror"]


@pytest.fixture(scope="module")
def mirror(bench: Bench) -> Iterator[Mirror]:
    """With nothing newer on it, and everything that Debian's own mirror has newer brought."""
    made = Mirror(bench)
    made.begin()
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]
    bench.root("inception update")
    yield made
    made.end()
