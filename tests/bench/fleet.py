# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment takes on one machine and on several at once: cold, its images built once and carried, and again."""

from __future__ import annotations

from typing import Any

from tests.bench.delivery import cold, measured
from tests.bench.lab import Failed, changed, fleet

SIZES = (1, 2, 4, 8)


def measure(rounds: int) -> dict[str, Any]:
    """By the number of machines, fresh each time: the cold one, and the rounds of those that change nothing."""
    found: dict[str, dict[int, Any]] = {"cold": {}, "again": {}, "worked": {}}
    for size in SIZES:
        with fleet() as lab:
            hosts = lab.hosts[:size]
            found["cold"][size] = cold(lab, hosts, "auto")
            costs: list[dict[str, Any]] = []
            for _ in range(rounds):
                cost: dict[str, Any] = {}
                with measured(hosts, cost):
                    output = lab.playbook("playbooks/deploy.yml", hosts=hosts)
                if changed(output) != 0:
                    raise Failed(f"a second deployment changed something:\n{output[-3000:]}")
                costs.append(cost)
            found["again"][size] = [cost["wall"] for cost in costs]
            found["worked"][size] = costs
        show(size, "cold", [found["cold"][size]])
        show(size, "again", costs)
    return found


def show(size: int, what: str, costs: list[dict[str, Any]]) -> None:
    for cost in costs:
        hosts = ", ".join(f"{seconds:.1f}" for seconds in cost["managed_hosts"].values())
        print(
            f"{size} at once, {what:5} {cost['wall']:7.1f} s; processors: control node {cost['control_node']:6.1f} s, "
            f"managed hosts {hosts} s",
            flush=True,
        )
