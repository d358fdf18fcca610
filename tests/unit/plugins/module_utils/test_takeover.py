# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to do follows from what runs, and is done in the order that the descriptions name."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _takeover
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import GivenUp, Stack, Wish
from ansible_collections.fortytwo.inception.plugins.module_utils._takeover import Plan, Service, Takeover, in_order

ROOT = Path(__file__).resolve().parents[4]
DESCRIBED: dict[str, Any] = {
    "db": {"image": "db:1", "environment": {"DB_PORT": "3306"}},
    "site": {"image": "site:1", "environment": {"DB_PORT": "3306"}, "depends_on": {"db": {}}},
    "door": {"image": "door:1", "depends_on": {"site": {}}, "networks": {"in": None, "door-site": {"aliases": ["x"]}}},
}
SERVICES = [
    Service("db", env=("DB_PORT",)),
    Service("site", update_order="start_first", talks_to=("db",)),
    Service("door", update_order="hold_connections", tcp_ports=(443,)),
]


def told(
    name: str, service: str, *, hash: str = "h", status: str = "running", health: str = "healthy", **more: Any
) -> Any:
    """A container as docker inspect tells of it."""
    environment = more.get("env", DESCRIBED.get(service, {}).get("environment") or {})
    networks = more.get("networks", ["p_in", "p_door-site"] if service == "door" else [])
    return {
        "Id": name,
        "Name": f"/{name}",
        "Created": more.get("created", "1"),
        "State": {"Status": status, "Health": {"Status": health}, "Pid": 0, "StartedAt": more.get("started", "")},
        "RestartCount": more.get("restarts", 0),
        "Config": {
            "Image": more.get("image", f"{service}:1"),
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "Labels": {
                "com.docker.compose.service": service,
                "com.docker.compose.config-hash": hash,
                "com.docker.compose.oneoff": more.get("oneoff", "False"),
            },
        },
        "NetworkSettings": {"Networks": {key: {} for key in networks}},
    }


WELL = [told("p-db-1", "db"), told("p-site-1", "site"), told("p-door-1", "door")]


class Engine(Takeover):
    """A machine without Docker: what is asked is answered from a list, and what is done is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, containers: list[Any], steps: dict[str, str] | None) -> None:
        stack = Stack(Wish("/", [], {}, "auto", True, 1, 1))
        stack.project, stack.described, stack.told = "p", DESCRIBED, {}
        stack.network_names = {"in": "p_in", "door-site": "p_door-site"}
        stack.secret_files = {}
        super().__init__(stack, SERVICES, 1)
        self.calls: list[str] = []
        self.hashes: dict[str, str] = {}
        self.there = containers
        lines = "".join(f" DRY-RUN MODE -  Container {name}  {step}\n" for name, step in (steps or {}).items())

        def run(argv: list[str], **_options: Any) -> Any:
            return subprocess.CompletedProcess(argv, 0 if steps is not None else 1, "", lines)

        monkeypatch.setattr(_takeover.subprocess, "run", run)
        monkeypatch.setattr(_takeover, "at_work", lambda pids: set())
        monkeypatch.setattr(_takeover.time, "sleep", lambda seconds: None)

        def ask(*argv: str, check: bool = True) -> str:
            if argv[0] == "ps":
                return " ".join(one["Id"] for one in self.there)
            if argv[0] == "inspect":
                return json.dumps(self.there)
            if argv[:3] == ("compose", "config", "--hash"):
                return "".join(f"{name} {self.hashes.get(name, 'h')}\n" for name in argv[3].split(","))
            if argv[0] == "image":
                return "".join(f"id of {name}\n" for name in argv[4:])
            self.calls.append(" ".join(argv))
            return ""

        monkeypatch.setattr(stack, "ask", ask)
        monkeypatch.setattr(stack, "start", lambda: self.calls.append("up"))

    def start(self, names: list[str], recreate: str, scale: dict[str, int] | None = None, seconds: int = 0) -> None:
        self.calls.append(f"start {' '.join(names)} {recreate}{f' {scale}' if scale else ''}")

    @contextmanager
    def held(self, ports: Any) -> Iterator[None]:
        self.calls.append(f"hold {sorted(ports)}")
        yield
        self.calls.append("let in")


def plan_of(monkeypatch: pytest.MonkeyPatch, containers: list[Any], steps: dict[str, str] | None) -> Plan:
    return Engine(monkeypatch, containers, steps).plan()


def without(*names: str) -> list[Any]:
    return [one for one in WELL if one["Id"] not in names]


# name: what runs, what compose would do (None: it cannot say), and what there is to do.
PLANS: dict[str, tuple[list[Any], dict[str, str] | None, list[str]]] = {
    "all is well": (WELL, {}, []),
    "another configuration": (WELL, {"p-site-1": "Recreate"}, ["replace site"]),
    "another image": ([*without("p-db-1"), told("p-db-1", "db", image="db:0")], {}, ["replace db"]),
    "one was removed": (without("p-site-1"), {}, ["start site"]),
    "one was stopped": ([*without("p-site-1"), told("p-site-1", "site", status="exited")], {}, ["start site"]),
    "one hangs": (
        [*without("p-door-1"), told("p-door-1", "door", health="unhealthy")],
        {},
        ["start p-door-1 anew, which is not well"],
    ),
    "one was paused": ([*without("p-db-1"), told("p-db-1", "db", status="paused")], {}, ["wake p-db-1"]),
    "one is not healthy yet": ([*without("p-db-1"), told("p-db-1", "db", health="starting")], {}, ["wait for db"]),
    "a network was cut": (
        [*without("p-door-1"), told("p-door-1", "door", networks=["p_in"])],
        {},
        ["connect p-door-1 to p_door-site"],
    ),
    "a service that is described no more": ([*WELL, told("old-1", "old")], {}, ["remove old-1"]),
    "cut off after the start of a successor": (
        [*WELL, told("p-site-2", "site", hash="new", created="2")],
        {"p-site-1": "Recreate"},
        ["remove p-site-1"],
    ),
    "cut off while the successor starts": (
        [*WELL, told("p-site-2", "site", hash="new", created="2", health="starting")],
        {},
        ["replace site", "wait for site"],
    ),
    "cut off between the making of a container and its name": (
        [*WELL, told("12ab_p-door-1", "door", status="created", hash="new", created="2")],
        {"p-door-1": "Recreate"},
        ["replace door", "remove 12ab_p-door-1"],
    ),
    "nothing runs, and a name in between is left": (
        [*without("p-door-1"), told("12ab_p-door-1", "door", status="created")],
        {},
        ["start door", "remove 12ab_p-door-1"],
    ),
    "one of a trial is none of the stack's": ([*WELL, told("site-run-1", "site", oneoff="True")], {}, []),
    "no plan": (WELL, None, ["whatever compose finds, which made no plan"]),
}


@pytest.mark.parametrize("name", PLANS)
def test_what_there_is_to_do(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    containers, steps, lines = PLANS[name]
    plan = plan_of(monkeypatch, containers, steps)
    assert plan.lines() == lines
    assert plan.empty is (not lines)


# As compose tells of a secret: versions differ.
MOUNTS: dict[str, dict[str, str]] = {
    "with its path": {"source": "tls_certificate", "target": "/run/secrets/tls_certificate"},
    "by its name": {"source": "tls_certificate", "target": "tls_certificate"},
    "without a target": {"source": "tls_certificate"},
}


@pytest.mark.parametrize("mount", MOUNTS.values(), ids=MOUNTS)
def test_another_certificate_is_another_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mount: dict[str, str]
) -> None:
    """What a container was bound to stays there for it, whatever the name stands for now."""
    certificate = tmp_path / "tls.crt"
    certificate.write_text("new")
    engine = Engine(monkeypatch, WELL, {})
    engine.services["door"] = Service("door", files={"tls_certificate": "tls.crt"})
    monkeypatch.setitem(DESCRIBED["door"], "secrets", [mount])
    engine.stack.secret_files = {"tls_certificate": str(certificate)}
    inside = tmp_path / "inside"
    inside.write_text("old")
    real = _takeover.os.stat
    monkeypatch.setattr(
        _takeover.os, "stat", lambda path, **more: real(inside if str(path).startswith("/proc/") else path, **more)
    )
    [door] = [one for one in engine.containers() if one.service == "door"]
    running = _takeover.read_running({**told("p-door-1", "door"), "State": {"Status": "running", "Pid": 7}})
    assert engine._reads_older_files(running)
    assert not engine._reads_older_files(door)
    certificate.unlink()
    certificate.hardlink_to(inside)
    assert not engine._reads_older_files(running)


def carried_out(monkeypatch: pytest.MonkeyPatch, containers: list[Any], steps: dict[str, str]) -> list[str]:
    engine = Engine(monkeypatch, containers, steps)
    engine.take(engine.plan())
    return engine.calls


def test_each_gives_way_as_its_description_says(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = carried_out(monkeypatch, WELL, {"p-site-1": "Recreate", "p-door-1": "Recreate"})
    assert calls == [
        "start site never {'site': 2}",
        "stop --time 120 p-site-1",
        "rm --force p-site-1",
        "hold [443]",
        "stop p-door-1",
        "start door always",
        "let in",
        "up",
    ]


NOW = "2026-11-29T21:59:01.901587557Z"
CAREFULLY = ["start site never {'site': 2}", "stop --time 120 p-site-1", "rm --force p-site-1", "up"]


class TestAfterTheMachinesStart:
    """Each container began a moment ago; a deployment, an update or what was cut off goes on at once."""

    @pytest.fixture
    def engine(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        names = {"p-db-1": "db", "p-site-1": "site", "p-door-1": "door"}
        there = [told(name, service, health="starting", started=NOW) for name, service in names.items()]
        engine = Engine(monkeypatch, there, {"p-site-1": "Recreate"})
        self.clock = _takeover.seconds(NOW)
        monkeypatch.setattr(_takeover.time, "time", lambda: self.clock)
        monkeypatch.setattr(_takeover.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(_takeover.time, "sleep", lambda seconds: self.later(engine, seconds))
        return engine

    def later(self, engine: Engine, seconds: float) -> None:
        self.clock += seconds
        if self.clock > _takeover.seconds(NOW) + 5 and not hasattr(engine, "hangs"):
            engine.there = WELL

    def test_they_are_awaited_and_then_give_way_as_ever(self, engine: Engine) -> None:
        engine.take(engine.when_started(engine.plan()))
        assert engine.calls == CAREFULLY

    def test_one_that_hangs_is_not_awaited_for_ever(self, engine: Engine) -> None:
        engine.hangs = True
        engine.when_started(engine.plan())
        assert self.clock - _takeover.seconds(NOW) == pytest.approx(_takeover.STARTS_SECONDS, abs=2)

    @pytest.mark.parametrize(
        "other",
        [
            {"restarts": 3},
            {"started": "2026-11-29T21:40:00Z"},
            {"started": ""},
            {"health": "unhealthy"},
            {"health": ""},
            {"status": "exited"},
            {"status": "paused"},
        ],
    )
    def test_who_is_not_about_to_be_well_is_not_awaited(self, engine: Engine, other: dict[str, Any]) -> None:
        engine.hangs = True
        engine.there = [told("p-site-1", "site", **{"health": "starting", "started": NOW, **other})]
        before = self.clock
        engine.when_started(engine.plan())
        assert self.clock == before


def test_what_shares_a_value_changes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"DB_PORT": "3300"}
    containers = [told("p-db-1", "db", env=old), told("p-site-1", "site", env=old), *without("p-db-1", "p-site-1")]
    calls = carried_out(monkeypatch, containers, {"p-db-1": "Recreate", "p-site-1": "Recreate"})
    assert calls == ["hold [443]", "stop p-door-1", "up", "let in", "up"]


def giving(monkeypatch: pytest.MonkeyPatch, containers: list[Any], steps: dict[str, str]) -> Engine:
    """A machine whose site has another port, by which the door asks for it."""
    engine = Engine(monkeypatch, containers, steps)
    described = {**DESCRIBED, "site": {**DESCRIBED["site"], "environment": {"SITE_PORT": "2"}}}
    described["door"] = {**DESCRIBED["door"], "environment": {"SITE_PORT": "2"}}
    engine.stack.described = described
    engine.services["site"] = Service("site", update_order="start_first", talks_to=("db",), env=("SITE_PORT",))
    engine.services["door"] = Service("door", update_order="hold_connections", talks_to=("site",), tcp_ports=(443,))
    start = engine.start

    def started(names: list[str], *more: Any, **named: Any) -> None:
        start(names, *more, **named)
        if names == ["site"]:
            new = told("p-site-2", "site", hash="new", created="2", env={"SITE_PORT": "2"})
            engine.there = [*engine.there, new]

    monkeypatch.setattr(engine, "start", started)
    return engine


GIVER = told("p-site-1", "site", env={"SITE_PORT": "1"})
USER = told("p-door-1", "door", env={"SITE_PORT": "1"})
AFTER_THE_DOOR = [
    "hold [443]",
    "stop p-door-1",
    "rm --force p-door-1",
    # Two of the site, both as they are.
    "start door never {'site': 2}",
    "let in",
    "stop --time 120 p-site-1",
    "rm --force p-site-1",
    "up",
]


def test_who_gives_a_value_to_the_door_starts_while_that_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visitors wait for the door alone; the former one answers until there is a door that knows the new one."""
    engine = giving(monkeypatch, [GIVER, USER, told("p-db-1", "db")], {"p-site-1": "Recreate", "p-door-1": "Recreate"})
    engine.take(engine.plan())
    assert engine.calls == ["start site never {'site': 2}", *AFTER_THE_DOOR]


def test_a_run_that_was_cut_off_in_between_goes_on_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    new = told("p-site-2", "site", hash="new", created="2", env={"SITE_PORT": "2"})
    there = [GIVER, new, USER, told("p-db-1", "db")]
    engine = giving(monkeypatch, there, {"p-site-1": "Recreate", "p-door-1": "Recreate"})
    engine.take(engine.plan())
    assert engine.calls == AFTER_THE_DOOR


def test_where_the_door_is_away_nobody_waits_for_the_end_of_a_former_one(monkeypatch: pytest.MonkeyPatch) -> None:
    new = told("p-site-2", "site", hash="new", created="2", env={"SITE_PORT": "2"})
    engine = giving(monkeypatch, [GIVER, new, told("p-db-1", "db")], {"p-site-1": "Recreate"})
    engine.take(engine.plan())
    gone = ["stop --time 120 p-site-1", "rm --force p-site-1"]
    assert engine.calls == ["start door never {'site': 2}", *gone, "up"]


BOTH_AGAIN = {"p-site-1": "Recreate", "p-door-1": "Recreate"}
STOPPED_DOOR = told("p-door-1", "door", status="exited")


class TestCutOffBehindTheDoor:
    """The new door is there, and the former one of what it waits for is, too: compose would make another new door."""

    @pytest.fixture
    def engine(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        new = told("p-site-2", "site", hash="new", created="2", env={"SITE_PORT": "2"})
        door = {**told("p-door-1", "door"), "Image": "id of door:1"}
        engine = giving(monkeypatch, [GIVER, new, door, told("p-db-1", "db")], BOTH_AGAIN)
        engine.stack.described["door"].setdefault("environment", {})
        return engine

    def test_it_stays(self, engine: Engine) -> None:
        engine.take(engine.plan())
        assert engine.calls == ["stop --time 120 p-site-1", "rm --force p-site-1", "up"]

    @pytest.mark.parametrize("other", ["another hash", "another image", "no hash"])
    def test_another_one_goes(self, engine: Engine, other: str) -> None:
        if other == "another image":
            engine.there[2] = {**engine.there[2], "Image": "id of before"}
        else:
            engine.hashes["door"] = {"another hash": "other", "no hash": ""}[other]
        plan = engine.plan()
        assert [one.name for one in plan.outdated["door"]] == ["p-door-1"]


def test_who_was_held_is_let_in_where_somebody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, wanted in ((WELL, [""]), (without("p-door-1"), []), ([*without("p-door-1"), STOPPED_DOOR], [])):
        engine = Engine(monkeypatch, there, {})
        rules: list[str] = []
        monkeypatch.setattr(engine, "_nft", rules.append)
        engine.let_in()
        assert rules == wanted


@pytest.mark.parametrize("other", ["a service that nothing runs of", "another setting", "a value that the site uses"])
def test_where_more_than_that_changes_all_of_it_does_at_once(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    there, steps = [GIVER, USER], {"p-site-1": "Recreate", "p-door-1": "Recreate"}
    if other != "a service that nothing runs of":
        there, steps = [*there, told("p-db-1", "db", env={"DB_PORT": "3300"})], {**steps, "p-db-1": "Recreate"}
    engine = giving(monkeypatch, there, steps)
    if other == "a value that the site uses":
        # Both may work beside their former ones, and each new one would look for a value that is not there yet.
        engine.services["db"] = Service("db", update_order="start_first", env=("DB_PORT",))
        engine.stack.described["site"]["environment"]["DB_PORT"] = "3306"
    engine.take(engine.plan())
    assert engine.calls == ["hold [443]", "stop p-door-1", "up", "let in", "up"]


def test_a_value_of_ones_own_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    containers = [told("p-site-1", "site", env={"DB_PORT": "3306", "MORE": "1"}), *without("p-site-1")]
    assert carried_out(monkeypatch, containers, {"p-site-1": "Recreate"})[0] == "start site never {'site': 2}"


def test_who_waits_for_what_is_unwell_has_no_visitors_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    containers = [told("p-db-1", "db", health="unhealthy"), *without("p-db-1")]
    assert carried_out(monkeypatch, containers, {"p-db-1": "Recreate", "p-site-1": "Recreate"}) == ["up"]


def test_the_former_one_goes_when_everybody_knows_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, WELL, {"p-site-1": "Recreate"})
    monkeypatch.setattr(_takeover.time, "sleep", lambda seconds: engine.calls.append(f"wait {seconds}"))
    engine.beside("site", [one for one in engine.containers() if one.service == "site"])
    begun, waited, *gone = engine.calls
    assert begun == "start site never {'site': 2}"
    assert [call for call in gone if "p-site-1" in call]
    config = (ROOT / "roles/stack/templates/requirements/nginx/conf/nginx.conf").read_text()
    (kept,) = re.findall(r"resolver 127\.0\.0\.11 valid=(\d+)s", config)
    # NGINX counts whole seconds: what is kept for one is known for nearly two.
    assert float(waited.removeprefix("wait ")) >= int(kept) + 1


@pytest.mark.parametrize(
    ("more", "code", "first"),
    [
        ({"image": "site:0"}, 0, "start site never {'site': 2}"),
        ({"image": "site:0"}, 1, "hold [443]"),
        # Only another setting: nothing of its files is another one, and it is not asked.
        ({"env": {"DB_PORT": "3306", "MORE": "1"}}, None, "start site never {'site': 2}"),
    ],
)
def test_one_that_cannot_work_beside_the_old_one_takes_its_place_while_visitors_wait(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], code: int | None, first: str
) -> None:
    containers = [{**told("p-site-1", "site", **more), "Image": "id of " + more.get("image", "site:1")}]
    engine = Engine(monkeypatch, [*containers, *without("p-site-1")], {"p-site-1": "Recreate"})
    engine.services["site"] = Service("site", update_order="start_first", beside=("same", "files"))
    asked: list[str] = []

    def follow(argv: list[str], *_more: Any) -> tuple[str, int]:
        asked.append(" ".join(argv))
        return "", code or 0

    monkeypatch.setattr(engine.stack, "follow", follow)
    engine.take(engine.plan())
    assert engine.calls[0] == first
    if code:
        assert engine.calls == ["hold [443]", "stop p-door-1", "up", "let in", "up"]
    run = "timeout 1 docker compose run --rm --no-deps --no-TTY --entrypoint same site files"
    assert asked == ([] if code is None else [run])


def test_what_hangs_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    containers = [*without("p-door-1"), told("p-door-1", "door", health="unhealthy")]
    assert carried_out(monkeypatch, containers, {}) == ["stop --time 120 p-door-1", "rm --force p-door-1", "up"]


def test_a_successor_that_is_not_well_goes_and_the_old_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, list(WELL), {"p-site-1": "Recreate"})

    def start(names: list[str], *_more: Any) -> None:
        engine.there.append(told("p-site-2", "site", hash="new"))
        raise GivenUp(_takeover.Failure(what="site did not become healthy"), "site")

    monkeypatch.setattr(engine, "start", start)
    with pytest.raises(GivenUp) as failure:
        engine.take(engine.plan())
    assert failure.value.failure.what.startswith("The new site did not start beside the old one.")
    assert engine.calls == ["rm --force p-site-2"]


def test_services_stand_behind_those_that_they_wait_for() -> None:
    assert in_order(["door", "db", "site"], DESCRIBED) == ["db", "site", "door"]
    assert in_order(["door", "db"], DESCRIBED) == ["db", "door"]


def test_no_room_is_told_before_anything_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, WELL, {})
    engine.services["db"] = Service("db", starts_alone=True)
    monkeypatch.setattr(_takeover, "free_memory", lambda: 10 << 20)
    with pytest.raises(GivenUp) as failure:
        engine.try_out(Plan(absent=["db"]))
    assert "10 MiB are available, and 256 MiB are needed" in failure.value.failure.what


# name: what runs, and whether the new is tried.
NEWS: dict[str, tuple[dict[str, Any], bool]] = {
    "only another place": ({"id": "id of site:1"}, False),
    "another image": ({"id": "id of site:0", "image": "site:0"}, True),
    "another image of the same name": ({"id": "id of another"}, True),
    "another setting": ({"id": "id of site:1", "env": {"DB_PORT": "1"}}, True),
}


@pytest.mark.parametrize("name", NEWS)
def test_what_is_tried(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    more, tried = NEWS[name]
    engine = Engine(monkeypatch, [], {})
    engine.services["site"] = Service("site", trial=("check",))
    found: list[str] = []
    monkeypatch.setattr(engine, "_run_trial", lambda service: found.append(service.name))
    running = _takeover.read_running({**told("p-site-1", "site", **more), "Image": more["id"]})
    engine.try_out(Plan(outdated={"site": [running]}))
    assert found == (["site"] if tried else [])


def finished(monkeypatch: pytest.MonkeyPatch, output: str, code: int) -> Engine:
    """A site whose database has something to do after its update, and what that said."""
    engine = Engine(monkeypatch, WELL, {})
    engine.services["db"] = Service("db", after_update=("upgrade", "--now"))

    def follow(argv: list[str], *_more: Any) -> tuple[str, int]:
        engine.calls.append(" ".join(argv))
        return output, code

    monkeypatch.setattr(engine.stack, "follow", follow)
    monkeypatch.setattr(engine.stack, "tell", lambda line: engine.calls.append(f"told: {line}"))
    engine.finish()
    return engine


def test_what_is_wanted_after_an_update_runs_in_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = finished(monkeypatch, "its tables are new\n", 0)
    assert engine.calls == ["timeout 1 docker exec p-db-1 upgrade --now", "told: db: its tables are new"]
    assert engine.stack.warnings == []


def test_what_fails_after_an_update_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = finished(monkeypatch, "no right to do so\n", 2)
    [warning] = engine.stack.warnings
    assert warning.startswith("db: `upgrade --now` failed after its update: no right to do so")


def test_where_nothing_runs_nothing_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, [told("p-db-1", "db", status="exited")], {})
    engine.services["db"] = Service("db", after_update=("upgrade",))
    monkeypatch.setattr(engine.stack, "follow", lambda *_: pytest.fail("there is no container to run it in"))
    engine.finish()
