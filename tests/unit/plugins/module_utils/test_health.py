# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found, when it begins and when it is over, and what is remembered; without a machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _health, _history
from ansible_collections.fortytwo.inception.plugins.module_utils._health import Engine, Finding, Memory, Store, note
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import read_container

FULL = Finding("disk /", "the disk of / is 91 % full", "make room", 1)
ILL = Finding("health nginx", "nginx is unhealthy", "look")


def words(known: list[Any]) -> list[str]:
    return [one.what for one in known]


def test_it_is_told_once_when_it_begins_and_once_when_it_is_over() -> None:
    memory, told = Memory(), []
    for look in range(20):
        begun, over = note(memory, [FULL] if 3 <= look < 10 else [])
        told += [(look, "begun", word) for word in words(begun)] + [(look, "over", word) for word in words(over)]
    assert told == [(3, "begun", FULL.what), (14, "over", FULL.what)]


def test_one_that_comes_and_goes_is_told_once() -> None:
    memory, told = Memory(), []
    for look in range(40):
        begun, over = note(memory, [FULL] if look % 3 else [])
        told += words(begun) + words(over)
    assert told == [FULL.what]


def test_one_that_has_to_last_is_none_at_the_first_look() -> None:
    memory = Memory()
    assert note(memory, [ILL]) == ([], [])
    assert note(memory, []) == ([], [])
    assert note(memory, [ILL]) == ([], [])
    assert words(note(memory, [ILL])[0]) == [ILL.what]


def test_while_somebody_is_at_work_nothing_begins_and_nothing_is_over() -> None:
    memory = Memory()
    note(memory, [ILL])
    for _look in range(20):
        assert note(memory, None) == ([], [])
    assert words(note(memory, [ILL])[0]) == [ILL.what]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lasting", tmp_path / "passing")


def test_it_is_remembered(store: Store) -> None:
    memory = store.load()
    note(memory, [FULL])
    memory.waiting = [_health.Waiting("mail", "subject", "text")]
    store.save(memory)
    assert store.load() == memory


def test_on_a_full_disk_it_is_remembered_until_the_next_start(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = store.load()
    note(memory, [])
    store.save(memory)
    note(memory, [FULL])
    write = _history.write

    def full(path: Path, content: Any) -> None:
        if path.parent.name == "lasting":
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(_history, "write", full)
    store.save(memory)
    assert store.load().begun


def test_after_a_start_the_seconds_of_the_one_before_say_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = store.load()
    memory.ahead, memory.ends = 5.0, {"container": [[1.0, 2.0]]}
    note(memory, [FULL])
    store.save(memory)
    monkeypatch.setattr(_health, "boot", lambda: "another one")
    found = store.load()
    assert (found.ahead, found.ends) == (None, {})
    # But what was told stays told.
    assert found.begun


@pytest.mark.parametrize("text", ["", "[]", "{", '{"known": {"x": {}}}', '{"nothing": 1}'])
def test_a_memory_that_is_damaged_is_none(store: Store, text: str) -> None:
    for place in store.places:
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    assert store.load().known == {}


@pytest.mark.parametrize(
    ("used", "known", "found"),
    [(84, False, False), (85, False, True), (83, True, True), (81, True, False)],
)
def test_a_disk_is_full_until_it_is_clearly_less(
    used: int, known: bool, found: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_health, "fullness", lambda place: (used, 100, 5))
    findings = list(_health.look_at_disks([str(tmp_path)], [f"disk {tmp_path}"] if known else []))
    assert bool(findings) == found


def test_many_small_files_fill_a_disk_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_health, "fullness", lambda place: (20, 100, 95))
    (found,) = _health.look_at_disks([str(tmp_path), str(tmp_path / "no such"), str(tmp_path)], [])
    assert "95 % of the files" in found.what


def test_fullness_is_what_df_says() -> None:
    said = os.popen("df --output=pcent,iavail / | tail -1").read().split()
    assert abs(_health.fullness("/")[0] - int(said[0].rstrip("%"))) <= 1


def clock(memory: Memory, wall: float, since_start: float) -> list[str]:
    return [one.what for one in _health.look_at_clock(memory, wall, since_start)]


def test_a_clock_that_jumps_is_told_for_an_hour() -> None:
    memory = Memory()
    assert clock(memory, 1000.0, 100.0) == []
    assert clock(memory, 1061.0, 160.0) == []
    assert clock(memory, 8000.0, 220.0) == ["the clock jumped by +6879 s"]
    assert clock(memory, 8060.0, 280.0) == ["the clock jumped by +6879 s"]
    assert clock(memory, 8060.0 + 3600, 280.0 + 3600) == []


def test_one_that_goes_back_too() -> None:
    memory = Memory()
    clock(memory, 10000.0, 100.0)
    assert clock(memory, 6460.0, 160.0) == ["the clock jumped by -3600 s"]


@pytest.mark.parametrize(
    ("unset", "container", "up", "found"),
    [(True, False, 7200.0, 1), (True, False, 60.0, 0), (True, True, 7200.0, 0), (False, False, 7200.0, 0)],
)
def test_a_clock_that_nobody_sets(
    unset: bool, container: bool, up: float, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_health, "clock_is_unset", lambda: unset)
    monkeypatch.setattr(_health, "is_container", lambda: container)
    assert len(clock(Memory(), up, up)) == found


def told(service: str, restarts: int = 0, status: str = "running", health: str = "healthy") -> dict[str, Any]:
    return {
        "Id": f"id of {service}",
        "Name": f"/inception-{service}-1",
        "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": {
            "Status": status,
            "StartedAt": "",
            # Of one that runs, as Docker says.
            "ExitCode": 0,
            "Pid": 1,
            "Health": {"Status": health, "FailingStreak": 0, "Log": []},
        },
        "RestartCount": restarts,
    }


def engine(*all_told: dict[str, Any]) -> Engine:
    found: dict[str, list[Any]] = {}
    for one in all_told:
        container = read_container(one)
        found.setdefault(container.service, []).append(container)
    return Engine(found, {one["Id"]: one for one in all_told})


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(Engine, "log", lambda self, container: "mariadb: No space left on device")
    monkeypatch.setattr(_engine, "last_exit", lambda container: 3)
    now = [1000.0]
    monkeypatch.setattr(_health, "uptime", lambda: now[0])
    return now


def containers(memory: Memory, *all_told: dict[str, Any]) -> list[Finding]:
    return list(_health.look_at_containers(engine(*all_told), ["nginx"], memory))


def test_one_that_ends_again_and_again(at: list[float]) -> None:
    memory = Memory()
    assert containers(memory, told("nginx", restarts=7)) == []
    for ends in (8, 9):
        at[0] += 60
        assert containers(memory, told("nginx", restarts=ends)) == []
    at[0] += 60
    (found,) = containers(memory, told("nginx", restarts=10))
    assert found.what == "nginx ends and starts again: 3 times in 15 minutes, exit code 3"
    # What its log says is behind it is told, but nothing of the log.
    assert "a disk of the managed host is full" in found.todo
    for _look in range(16):
        at[0] += 60
        last = containers(memory, told("nginx", restarts=10))
    assert last == []


def test_one_that_ends_now_and_then_is_none(at: list[float]) -> None:
    memory = Memory()
    for ends in range(20):
        assert containers(memory, told("nginx", restarts=ends)) == []
        at[0] += 500


@pytest.mark.parametrize(
    ("container", "what"),
    [
        (told("nginx", health="unhealthy"), "nginx is unhealthy"),
        (told("nginx", status="paused"), "nginx is paused"),
        (told("nginx", status="exited"), "nginx does not run"),
        (told("another"), "nginx does not run"),
    ],
)
def test_one_that_is_not_well(at: list[float], container: dict[str, Any], what: str) -> None:
    assert [one.what for one in containers(Memory(), container)] == [what]


def test_while_one_of_two_is_well_the_service_is(at: list[float]) -> None:
    ill = {**told("nginx", health="unhealthy"), "Id": "other"}
    assert containers(Memory(), ill, told("nginx")) == []


def test_frames_of_a_log() -> None:
    frame = b"\x01\0\0\0" + (6).to_bytes(4, "big") + b"hello\n"
    assert _health.clean_frames(frame * 2 + b"\x01\0") == "hello\nhello\n"


def test_a_message_is_a_line_and_what_to_do() -> None:
    memory = Memory()
    begun, dummy = note(memory, [FULL, Finding("x", "a name\nBcc: other@example.org", "look", 1)])
    subject, text = _health.worded(begun, [], "wil.42.fr", "here")
    assert subject == "[wil.42.fr] the disk of / is 91 % full, and 1 more"
    assert "What to do: make room." in text
    subject, text = _health.worded(begun[1:], [], "wil.42.fr", "here")
    assert "\n" not in subject


def test_what_people_are_shown() -> None:
    memory = Memory()
    assert _health.shown(memory) == ["health: not looked at yet"]
    note(memory, [])
    assert _health.shown(memory)[0].startswith("health: all is well")
    note(memory, [FULL])
    lines = _health.shown(memory)
    assert lines[0] == f"health: WARNING (looked at {memory.looked_at})"
    assert lines[1].startswith("  the disk of / is 91 % full (since 20")
    assert lines[2].strip() == "make room"
    memory.looked -= _health.SILENT_SECONDS + 60
    assert any("has not looked at itself since" in line for line in _health.shown(memory))
