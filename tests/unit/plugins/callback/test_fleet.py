# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of several hosts after a deployment."""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.callback import fleet as plugin
from ansible_collections.fortytwo.inception.plugins.callback.fleet import FAILED, LOOK, TAKE, UNREACHABLE, Fleet

OLD, NEW = {"number": 4, "version": "9aa0127b"}, {"number": 5, "version": "4f1c2d3e"}


def looked_at(*hosts: str) -> Fleet:
    fleet = Fleet()
    for host in hosts:
        fleet.saw(host, LOOK, {"deployed": True, "runs": OLD})
    return fleet


def test_a_canary_that_gave_way() -> None:
    fleet = looked_at("one", "two", "three")
    fleet.saw("one", TAKE, {"failed": True, "runs": OLD})
    fleet.lost("one", FAILED)
    assert fleet.lines()[1:] == ["  9aa0127b  failed       1: one", "  9aa0127b  not begun    2: two three"]


def test_a_batch_in_which_one_failed() -> None:
    fleet = looked_at("one", "two", "three", "four")
    for host in ("one", "three"):
        fleet.saw(host, TAKE, {"number": 5, "runs": NEW})
    fleet.lost("two", UNREACHABLE)
    fleet.lost("three", FAILED)
    assert fleet.lines()[1:] == [
        "  4f1c2d3e  deployed     1: one",
        "  4f1c2d3e  not well     1: three",
        "  9aa0127b  unreachable  1: two",
        "  9aa0127b  not begun    1: four",
    ]


def test_they_stand_as_they_were_asked_and_not_as_they_answered() -> None:
    fleet = Fleet()
    for host in ("one", "two", "three", "one"):
        fleet.asks(host)
    for host in ("three", "one", "two"):
        fleet.saw(host, LOOK, {"deployed": True, "runs": OLD})
    assert fleet.lines()[1:] == ["  9aa0127b  not begun    3: one two three"]


def test_a_fresh_one_runs_nothing() -> None:
    fleet = Fleet()
    fleet.saw("one", LOOK, {"deployed": False, "runs": {}})
    fleet.lost("one", FAILED)
    assert fleet.lines()[1:] == ["  nothing   failed       1: one"]


def test_what_other_modules_say_is_nothing_to_it() -> None:
    fleet = looked_at("one")
    fleet.saw("one", TAKE, {"changed": True})
    fleet.saw("one", "community.docker.docker_compose_v2", {"runs": NEW, "number": 5})
    assert fleet.lines()[1:] == ["  9aa0127b  not begun    1: one"]


def test_a_hundred_fit_on_a_screen() -> None:
    fleet = looked_at(*(f"machine-{number:03}.example.org" for number in range(100)))
    lines = fleet.lines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= plugin.WIDTH
