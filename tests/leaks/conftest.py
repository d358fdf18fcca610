# SPDX-License-Identifier: GPL-3.0-or-later
"""One search of everything, with a made-up value in each place: what it found is what the tests judge.

Scenario secrets of molecule runs it after a deployment and a rotation: pytest tests/leaks --hosts=ansible://inception
--ansible-inventory=INVENTORY, with MOLECULE_EPHEMERAL_DIRECTORY set, in which all that Ansible wrote is.
"""

from __future__ import annotations

import json
import os
import secrets as random
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.leaks.places import NOTES, Report, control_node_places, search
from tests.leaks.plants import control_node_plants, git, machine_plants, planted
from tests.leaks.search import Needle, needles, values_of
from tests.verify.conftest import (
    figure,
    pytest_configure,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    settings,
)
from tests.verify.support import PATIENCE, ROOT, Secret, Settings

__all__ = ["figure", "pytest_configure", "pytest_runtest_makereport", "pytest_terminal_summary", "settings"]

_searched = pytest.StashKey["Searched"]()


class Machine:
    """Programs on the machine that are told what to do on their standard input: nothing of it is in a command line."""

    def __init__(self, variables: dict[str, Any]) -> None:
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        address = f"{variables['ansible_user']}@{variables['ansible_host']}"
        key = ["-i", variables["ansible_ssh_private_key_file"], "-p", str(variables["ansible_port"])]
        self._ssh = ["ssh", *options, *key, address]

    def run(self, command: str, told: str = "") -> str:
        done = subprocess.run(
            [*self._ssh, command], input=told, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, f"{command!r} ended with {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout

    def program(self, name: str) -> str:
        return f"cd {shlex.quote(NOTES)} && exec python3 -m tests.leaks.{name}"

    def search(self, login: str, wanted: list[Needle]) -> Report:
        asked = [(needle.value, needle.form, needle.content.decode("latin-1")) for needle in wanted]
        told = json.dumps({"login": login, "needles": asked})
        return Report(**json.loads(self.run(self.program("places"), told)))

    @contextmanager
    def planted(self, login: str, values: dict[str, str]) -> Iterator[None]:
        """The plants go when this process ends, in whatever way."""
        command = [*self._ssh, self.program("plants")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as planting:
            assert planting.stdin
            assert planting.stdout
            print(json.dumps({"login": login, "values": values}), file=planting.stdin, flush=True)
            assert planting.stdout.readline() == "planted\n", "not everything could be planted"
            yield
            planting.stdin.close()
        assert planting.returncode == 0, "not every plant could be removed"


@dataclass
class Searched:
    """What one search of both machines found."""

    report: Report
    # How many values each secret has had since the machine was made.
    values: Counter[str]
    needles: int
    # Each plant that was there during the search.
    plants: list[str]
    # How often the watch on the machine has looked, since how many seconds, and how long it looked away at most.
    samples: int
    seconds: float
    longest: float

    @property
    def leaks(self) -> list[str]:
        found = self.report.found
        return [f"{value}, {form}: {place}: {where}" for value, form, place, where in found if value not in self.plants]

    def found_in(self, plant: str) -> dict[str, str]:
        """The places in which a plant was found, and where there."""
        return {place: where for value, _, place, where in self.report.found if value == plant}


def noted_values(machine: Machine) -> Iterator[tuple[str, Secret]]:
    """Every value that a secret has had, once; read from the machine's memory into this one's."""
    seen = set()
    for line in machine.run(f"cat {shlex.quote(NOTES)}/values.jsonl").splitlines():
        noted = json.loads(line)
        for value in values_of(noted["content"].encode("latin-1")):
            found = noted["file"].split(".")[0], Secret(value.decode("latin-1"))
            if found not in seen:
                seen.add(found)
                yield found


def search_everything(machine: Machine, login: str, ephemeral: Path) -> Searched:
    counts: Counter[str] = Counter()
    wanted = []
    for name, value in noted_values(machine):
        counts[name] += 1
        wanted += needles(f"{name}, value {counts[name]}", value.encode("latin-1"))
    on_machine, on_control_node = machine_plants(login), control_node_plants(ephemeral, ROOT)
    # Made up, and in each form another text.
    canaries = {plant: f'{random.token_hex(12)}"+ &{random.token_hex(12)}' for plant in (*on_machine, *on_control_node)}
    for plant, canary in canaries.items():
        wanted += needles(plant, canary.encode())
    # The exported project becomes what its owner makes of it.
    git(ephemeral / "watched/project", "add", ".")
    git(ephemeral / "watched/project", "commit", "--quiet", "--allow-empty", "--message=Inception")
    with (
        planted(on_control_node, {plant: canaries[plant] for plant in on_control_node}),
        machine.planted(login, {plant: canaries[plant] for plant in on_machine}),
    ):
        there = machine.search(login, wanted)
        here = search(control_node_places(ephemeral, ROOT), wanted)
    report = Report(there.found + here.found, there.searched | here.searched, there.unread + here.unread)
    noted, now = machine.run(f"cat {shlex.quote(NOTES)}/state.json && echo && date +%s.%N").splitlines()
    state = json.loads(noted)
    seconds = float(now) - state["since"]
    return Searched(report, counts, len(wanted), list(canaries), state["samples"], seconds, state["longest"])


@pytest.fixture(scope="session")
def ephemeral() -> Path:
    """The scenario's folder on the control node."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@pytest.fixture(scope="module")
def searched(host: Any, settings: Settings, ephemeral: Path, request: pytest.FixtureRequest) -> Searched:
    """The search, made once."""
    stash = request.session.stash
    if _searched not in stash:
        stash[_searched] = search_everything(Machine(host.ansible.get_variables()), settings.login, ephemeral)
    return stash[_searched]
