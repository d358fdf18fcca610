# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request costs the services that answer it, beside the stack of an earlier commit: processor time alone.

Two fresh system containers, one deployed by this collection and one by the other, asked in turn in each round, so that
what else the computer does meets both alike.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.deploy import SCENARIO, checkout
from tests.bench.lab import Lab, ephemeral, run
from tests.verify.support import PATIENCE, Site, Stack

ROUNDS = 9
# nginx ends a connection after a thousand requests.
READ_CPU = r"""
for service in nginx wordpress; do
    id=$(docker ps -q --no-trunc --filter label=com.docker.compose.service=$service)
    group=$(sed -n 's/^0:://p' /proc/$(docker inspect --format '{{.State.Pid}}' $id)/cgroup)
    sed -n 's/^usage_usec //p' /sys/fs/cgroup$group/cpu.stat
done
"""


@dataclass(frozen=True)
class Case:
    """One kind of visit, so many of them in a round."""

    name: str
    times: int
    gzip: bool = False
    signed_in: bool = False
    # A connection of its own for each.
    handshakes: bool = False
    path: str = "/"


CASES = (
    Case("a page", 900),
    Case("a compressed page", 900, gzip=True),
    Case("a handshake and a page", 200, handshakes=True),
    Case("a page that PHP makes, signed in", 40, signed_in=True),
    Case("the dashboard", 20, signed_in=True, path="/wp-admin/index.php"),
)


@dataclass(frozen=True)
class Target:
    """A deployed stack, and somebody who is signed in there."""

    stack: Stack
    visitor: Site

    def cpu(self) -> float:
        """Milliseconds of both services so far."""
        return sum(map(int, self.stack.root("sh -c %s", READ_CPU).split())) / 1000

    def cost(self, case: Case) -> float:
        """Milliseconds of a visit."""
        before = self.cpu()
        visit(self.visitor, case)
        return (self.cpu() - before) / case.times


def visit(site: Site, case: Case) -> None:
    settings = site.settings
    headers = {"Host": f"{settings.domain}:{settings.forwarded_port}"}
    if case.gzip:
        headers["Accept-Encoding"] = "gzip"
    if case.signed_in:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in site.cookies.items())
    left = case.times
    while left:
        with connected(site) as connection:
            for _ in range(1 if case.handshakes else left):
                connection.request("GET", case.path, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or len(body) < 1000:
                    raise AssertionError(f"{case.name}: {answer.status}, {len(body)} bytes")
                left -= 1


@contextlib.contextmanager
def connected(site: Site) -> Iterator[http.client.HTTPSConnection]:
    settings, context = site.settings, ssl.create_default_context(cafile=str(site.ca))
    connection = http.client.HTTPSConnection(settings.domain, settings.forwarded_port, context=context)
    raw = socket.create_connection((settings.address, settings.forwarded_port), timeout=PATIENCE)
    connection.sock = context.wrap_socket(raw, server_hostname=settings.domain)
    try:
        yield connection
    finally:
        connection.close()


def measure(revision: str) -> dict[str, Any]:
    """Milliseconds of each case in each round, ours and the other's, and the ratio of the medians."""
    folder = ephemeral(SCENARIO)
    environment = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
    lab = Lab(folder / "inventory", ("ansible",), environment)
    there = Lab(lab.inventory, ("former",), environment)
    try:
        run("molecule", "destroy", "--scenario-name", SCENARIO)
        run("molecule", "create", "--scenario-name", SCENARIO)
        shutil.rmtree(folder / "former", ignore_errors=True)
        there.using(folder / "former").playbook(checkout(revision, folder / "former"))
        lab.deploy("ansible")
        targets = {name: target(each, folder / f"{name}.crt") for name, each in (("ours", lab), ("former", there))}
        costs: dict[str, dict[str, list[float]]] = {case.name: {name: [] for name in targets} for case in CASES}
        for number in range(ROUNDS + 1):
            for case in CASES:
                # Who comes first changes from round to round.
                for name in sorted(targets, reverse=bool(number % 2)):
                    milliseconds = targets[name].cost(case)
                    # The first round makes what is kept.
                    if number:
                        costs[case.name][name].append(milliseconds)
    finally:
        run("molecule", "destroy", "--scenario-name", SCENARIO)
    ratios = {
        name: statistics.median(found["ours"]) / statistics.median(found["former"]) for name, found in costs.items()
    }
    for name, found in costs.items():
        ours, former = (statistics.median(found[one]) for one in ("ours", "former"))
        print(f"{name:36} {ours:8.3f} ms, before {former:8.3f} ms: {ratios[name]:.3f} times")
    return {"commit": run("git", "rev-parse", "--short", revision).strip(), "milliseconds": costs, "ratios": ratios}


def target(lab: Lab, ca: Path) -> Target:
    stack, site = lab.visit(None, ca)
    return Target(stack, site.sign_in(stack.settings.admin_user, stack.secrets()["wp_admin_password.txt"]))
