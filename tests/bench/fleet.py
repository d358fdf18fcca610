# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment takes on one machine and on several at once: cold, by who builds the images; and again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.deploy import host_seconds
from tests.bench.lab import Failed, Lab, changed, fleet, run

# By who builds: how many machines at once, each time other ones. First those that the aims are about.
GROUPS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("control_node", (1, 2, 4)),
    ("managed_host", (1, 2, 4)),
    ("control_node", (8,)),
    # The first of them, for the others.
    ("inventory", (2, 4)),
)
# As molecule names the containers (molecule/fleet/molecule.yml).
MACHINE = "inception-fleet-{}"


def busy_seconds() -> float:
    """What this computer's processors have worked since it began: the machines, the control node, and all else."""
    user, nice, system, dummy, dummy, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


@contextmanager
def measured(hosts: tuple[str, ...], found: dict[str, Any]) -> Iterator[None]:
    """Notes what the block costs: seconds on the clock, of each machine's processors, and of the control node's."""
    before = {host: host_seconds(MACHINE.format(host)) for host in hosts}
    wall, busy = time.monotonic(), busy_seconds()
    yield
    wall, busy = time.monotonic() - wall, busy_seconds() - busy
    hosts_worked = {host: host_seconds(MACHINE.format(host)) - before[host] for host in hosts}
    found |= {"wall": wall, "managed_hosts": hosts_worked, "control_node": busy - sum(hosts_worked.values())}


def deploy(lab: Lab, hosts: tuple[str, ...], builder: str) -> tuple[dict[str, Any], int]:
    """What it cost, and how much it changed."""
    found: dict[str, Any] = {}
    setting = f"--extra-vars=inception_builder={hosts[0] if builder == 'inventory' else builder}"
    with measured(hosts, found):
        output = lab.playbook("playbooks/deploy.yml", setting, hosts=hosts)
    return found, changed(output)


def one_size(lab: Lab, hosts: tuple[str, ...], builder: str, rounds: int) -> list[dict[str, Any]]:
    """The cold deployment, by a control node that has nothing either; and the rounds of those that change nothing."""
    shutil.rmtree(lab.inventory.parent / "cache", ignore_errors=True)
    costs = []
    for number in range(1 + rounds):
        cost, changes = deploy(lab, hosts, builder)
        if number and changes:
            raise Failed(f"deployment {number + 1} to {', '.join(hosts)} changed {changes} things, and should none")
        costs.append(cost)
        show(len(hosts), builder, "again" if number else "cold", cost)
    return costs


def measure(rounds: int) -> Iterator[dict[str, Any]]:
    """Cold by builder and number of machines; what changes nothing by number, whoever built. As far as it is."""
    cold: dict[str, dict[int, dict[str, Any]]] = {builder: {} for builder, _ in GROUPS}
    again: dict[int, list[dict[str, Any]]] = {}
    for builder, sizes in GROUPS:
        with fleet() as lab:
            rest = lab.hosts
            for size in sizes:
                hosts, rest = rest[:size], rest[size:]
                cold[builder][size], *others = one_size(lab, hosts, builder, rounds if builder == "control_node" else 1)
                again.setdefault(size, others)
                # What is measured next has the processors for itself.
                run("docker", "stop", *map(MACHINE.format, hosts))
                walls = {size: [cost["wall"] for cost in costs] for size, costs in again.items()}
                yield {"cold": cold, "again": walls, "worked": again}


def show(size: int, builder: str, what: str, cost: dict[str, Any]) -> None:
    """A line at once: what was measured is not lost when the rest is cut off."""
    hosts = ", ".join(f"{seconds:.1f}" for seconds in cost["managed_hosts"].values())
    print(
        f"{size} at once, {builder}, {what}: {cost['wall']:.1f} s; "
        f"processors: control node {cost['control_node']:.1f} s, managed hosts {hosts} s",
        flush=True,
    )
