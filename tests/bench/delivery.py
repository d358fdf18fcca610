# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to deploy cold to one machine and to several at once, by who builds the images."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.deploy import host_seconds
from tests.bench.lab import Failed, Lab, changed, fleet

SIZES = (1, 2, 4)
# Each machine its own, the control node, or the first machine for the others.
BUILDERS = ("managed_host", "control_node", "one")
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


def cold(lab: Lab, hosts: tuple[str, ...], builder: str) -> dict[str, Any]:
    """A deployment to fresh machines by a control node that has nothing either; the one after it changes nothing."""
    shutil.rmtree(lab.inventory.parent / "cache", ignore_errors=True)
    found: dict[str, Any] = {}
    setting = f"--extra-vars=inception_builder={builder}"
    with measured(hosts, found):
        lab.playbook("playbooks/deploy.yml", setting, hosts=hosts)
    if changed(lab.playbook("playbooks/deploy.yml", setting, hosts=hosts)) != 0:
        raise Failed("a second deployment changed something")
    return found


def measure() -> dict[str, Any]:
    """By builder and number of machines; each on machines of its own, which are gone then."""
    found: dict[str, dict[int, dict[str, Any]]] = {builder: {} for builder in BUILDERS}
    for size in SIZES:
        for builder in BUILDERS:
            if (builder, size) == ("one", 1):
                continue
            with fleet() as lab:
                found[builder][size] = cold(lab, lab.hosts[:size], builder)
    print("builder        machines     clock   control node   managed hosts (seconds of processors)")
    for builder, sizes in found.items():
        for size, cost in sizes.items():
            hosts = ", ".join(f"{seconds:.0f}" for seconds in cost["managed_hosts"].values())
            print(f"{builder:14} {size:8} {cost['wall']:7.0f} s {cost['control_node']:12.0f} s   {hosts}")
    return {"cold": found}
