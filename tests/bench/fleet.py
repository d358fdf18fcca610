# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a deployment that changes nothing takes, on one machine and on several at once."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.bench.lab import Failed, Lab

SIZES = (1, 2, 4)


def changed(recap: str) -> int:
    """The sum of changed= in a recap."""
    return sum(map(int, re.findall(r"changed=(\d+)", recap)))


def measure(lab: Lab, rounds: int) -> dict[str, Any]:
    """Seconds of each round by the number of machines, which run in turn."""
    again: dict[int, list[float]] = {size: [] for size in SIZES}
    started = time.monotonic()
    lab.deploy(*lab.hosts)
    cold = time.monotonic() - started
    for _ in range(rounds):
        for size in SIZES:
            started = time.monotonic()
            output = lab.deploy(*lab.hosts[:size])
            again[size].append(time.monotonic() - started)
            if changed(output) != 0:
                raise Failed(f"a second deployment changed something:\n{output[-3000:]}")
    lab.rest()
    return {"cold": {len(lab.hosts): cold}, "again": again}
