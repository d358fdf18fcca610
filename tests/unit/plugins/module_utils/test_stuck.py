# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes no progress is told from who is slow; the containers and what they do are made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _stuck
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import Container, read_container
from ansible_collections.fortytwo.inception.plugins.module_utils._stuck import Quiet, Watch

EVERY = 60.0


def container(service: str = "nginx", health: str = "healthy", started: str = "today") -> Container:
    return read_container(
        {
            "Id": f"id of {service}",
            "Name": f"/inception-{service}-1",
            "Config": {"Labels": {"com.docker.compose.service": service}},
            "State": {"Status": "running", "StartedAt": started, "ExitCode": 0, "Pid": 7, "Health": {"Status": health}},
        }
    )


class Machine:
    """Time passes when somebody sleeps or asks; `answer` is how long the engine takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.answer = 1000.0, 0.01
        self.known: dict[str, Quiet] = {}
        self.busy: Callable[[int], bool] = lambda number: False
        self.words: Callable[[], str] = lambda: "waiting"
        self.looks = 0
        self.labels: dict[str, dict[str, str]] = {}
        monkeypatch.setattr(_stuck, "at_work", self.at_work)

    def at_work(self, pids: Any) -> set[int]:
        self.looks += 1
        return set(pids) if self.busy(self.looks) else set()

    def log(self, _container: Container) -> str:
        self.now += self.answer
        return self.words()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def look(self, *containers: Container) -> list[str]:
        found = Watch(self.known, lambda: self.now, self.log, self.sleep).look(containers, self.labels)
        self.now += EVERY
        return [one.service for one in found]

    def looked(self, times: int, *containers: Container) -> int:
        """After how many looks one was found, or 0."""
        return next((time for time in range(1, times + 1) if self.look(*containers)), 0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


ILL = container(health="unhealthy")


def test_one_that_was_well_and_does_nothing_for_five_minutes(machine: Machine) -> None:
    machine.look(container())
    assert machine.looked(20, ILL) == 6


def test_one_that_was_never_well_is_not_restarted(machine: Machine) -> None:
    """It would be started again and again; a deployment gives it up."""
    assert machine.looked(60, ILL) == 0


def test_one_that_was_started_again_has_to_be_well_first(machine: Machine) -> None:
    machine.look(container())
    machine.looked(6, ILL)
    assert machine.looked(60, replace(ILL, started="later")) == 0


def test_one_that_computes_or_waits_for_a_disk_is_slow(machine: Machine) -> None:
    machine.look(container())
    machine.busy = lambda number: number % 2 == 0
    assert machine.looked(60, ILL) == 0


def test_one_that_does_so_now_and_then_only_is_not(machine: Machine) -> None:
    machine.look(container())
    machine.busy = lambda number: number % 10 == 0
    assert machine.looked(20, ILL) == 6


def test_one_that_says_something_new_is_slow(machine: Machine) -> None:
    machine.look(container())
    words = iter("abcdefghijklmnopqrstuvwxyz" * 3)
    said: list[str] = []

    def log() -> str:
        said.append(f"step {next(words) * (len(said) + 1)}")
        return "\n".join(said)

    machine.words = log
    assert machine.looked(60, ILL) == 0


def test_one_that_says_the_same_with_another_time_is_not(machine: Machine) -> None:
    machine.look(container())
    machine.words = lambda: f"{machine.now:.0f} still waiting"
    assert machine.looked(20, ILL) == 6


def test_on_a_slow_machine_it_takes_longer(machine: Machine) -> None:
    machine.look(container())
    machine.answer = 1.0
    assert machine.looked(20, ILL) > 10


def test_one_that_is_well_between_begins_anew(machine: Machine) -> None:
    machine.look(container())
    for _time in range(10):
        assert machine.looked(5, ILL) == 0
        machine.look(container())


def test_who_waits_for_another_one_that_is_not_well_is_left(machine: Machine) -> None:
    database = container("mariadb", "unhealthy")
    machine.labels = {ILL.id: {_stuck.DEPENDS_LABEL: "mariadb:service_healthy:false,redis:service_healthy:false"}}
    machine.look(container(), container("mariadb"))
    for _time in range(5):
        assert machine.look(ILL, database) == []
    assert machine.look(ILL, database) == ["mariadb"]


def test_one_that_is_gone_is_forgotten(machine: Machine) -> None:
    machine.look(container(), container("mariadb"))
    machine.look(container())
    assert list(machine.known) == [ILL.id]


@pytest.mark.parametrize(
    ("before", "now", "may"),
    [([], 100.0, True), ([1.0, 2.0], 100.0, True), ([1.0, 2.0, 3.0], 100.0, False), ([1.0, 2.0, 3.0], 86402.5, True)],
)
def test_how_often_a_day(before: list[float], now: float, may: bool) -> None:
    assert _stuck.may_be_restarted(before, now) == may
