# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's own stack that a cluster takes over, with an engine, rsync and systemd that are tables of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _from_one, _history, _lease, _places
from ansible_collections.fortytwo.inception.plugins.module_utils._from_one import (
    BEGUN,
    ENDED,
    ENDING,
    KEPT,
    STATE,
    Container,
    Move,
    MoveProblem,
)
from ansible_collections.fortytwo.inception.plugins.modules import swarm_stack

ORDER = {"nginx": "wordpress", "wordpress": "mariadb", "mariadb": "", "redis": ""}


class Machine:
    """What runs there, and what was said to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = str(root / "home/wil/inception")
        self.running = dict.fromkeys(ORDER, True)
        self.there = set(ORDER)
        self.policy = dict.fromkeys(ORDER, "unless-stopped")
        self.networks: dict[str, dict[str, Any]] = {"inception_a": {}, "inception_b": {}}
        self.volumes = {"inception_mariadb", "inception_wordpress"}
        self.held: str = ""
        self.units: dict[str, str] = {}
        self.said: list[list[str]] = []
        self.fails: dict[str, tuple[int, str]] = {}

    def told(self, name: str) -> dict[str, Any]:
        labels = {
            "com.docker.compose.service": name,
            "com.docker.compose.project.working_dir": f"{self.project}/srcs",
            "com.docker.compose.depends_on": f"{ORDER[name]}:service_healthy:false" if ORDER[name] else "",
        }
        ports = {"443/tcp": [{"HostPort": "443"}]} if name == "nginx" else {}
        return {
            "Id": name,
            "Config": {"Labels": labels},
            "State": {"Running": self.running[name]},
            "HostConfig": {"PortBindings": ports},
        }

    def run(self, words: list[str], given: str) -> tuple[int, str, str]:
        self.said.append(words)
        for beginning, (code, errors) in self.fails.items():
            if " ".join(words).startswith(beginning):
                return code, "", errors
        names = [word for word in words if word in ORDER]
        match words:
            case ["docker", "ps", *_]:
                return 0, "\n".join(self.there), ""
            case ["docker", "inspect", *_]:
                return 0, json.dumps([self.told(name) for name in names]), ""
            case ["docker", "update", policy, *_]:
                self.policy |= dict.fromkeys(names, policy.partition("=")[2])
            case ["docker", "stop", *_]:
                self.running |= dict.fromkeys(names, False)
            case ["docker", "start", *_]:
                self.running |= dict.fromkeys(names, True)
            case ["docker", "rm", *_]:
                self.there -= set(names)
            case ["docker", "network", "ls", *_]:
                return 0, "\n".join(self.networks), ""
            case ["docker", "network", "inspect", *which]:
                return 0, json.dumps([{"Name": one, "Containers": self.networks[one]} for one in which]), ""
            case ["docker", "network", "rm", *which]:
                self.networks = {name: one for name, one in self.networks.items() if name not in which}
            case ["docker", "volume", "ls", *_]:
                return 0, "\n".join(self.volumes), ""
            case ["docker", "volume", "rm", *which]:
                self.volumes -= set(which)
            case ["nft", *_]:
                self.held = given
            case ["systemctl", "show", *_]:
                return 0, self.units.get(words[-1], "inactive") + "\n", ""
            case ["setpriv", *_]:
                return 0, ">f+++++++++ index.php\n.d..t...... ./\n", ""
        return 0, "", ""

    def of(self, *beginning: str) -> list[list[str]]:
        return [words for words in self.said if words[: len(beginning)] == list(beginning)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    project = Path(found.project)
    (project / "secrets").mkdir(parents=True)
    (project / "secrets/db_password.txt").write_text("secret")
    (project / "srcs").mkdir()
    (project / "Makefile").write_text("all:\n")
    (project / "srcs/docker-compose.yml").write_text("services: {}\n")
    (project / "notes.txt").write_text("its owner's")
    (tmp_path / "home/wil/data/wordpress").mkdir(parents=True)
    (tmp_path / "home/wil/data/mariadb").mkdir()
    ours = tmp_path / "var/lib/fortytwo.inception"
    (ours / "history").mkdir(parents=True)
    (ours / "history/history.json").write_text("[]")
    (ours / "backup").mkdir()
    (ours / "backup/settings.json").write_text("{}")
    files = ["Makefile", "srcs/docker-compose.yml"]
    (ours / "wil.json").write_text(json.dumps({"path": found.project, "files": files}))
    for unit in ("inception-resume.service", "inception-health.timer", "inception-health.service"):
        (tmp_path / _from_one.UNITS / "timers.target.wants").mkdir(parents=True, exist_ok=True)
        (tmp_path / _from_one.UNITS / unit).write_text("")
    (tmp_path / _from_one.UNITS / "timers.target.wants/inception-health.timer").symlink_to("../inception-health.timer")
    (tmp_path / "usr/local/sbin").mkdir(parents=True)
    (tmp_path / _from_one.PROGRAM).write_text("")
    return found


@pytest.fixture
def move(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    monkeypatch.setattr(_from_one, "PATIENCE", 0.0)
    monkeypatch.setattr(_from_one, "PAUSE", 0.0)
    return Move(
        "inception",
        machine.project,
        str(tmp_path / "home/wil/data"),
        "/var/lib/fortytwo.inception/wil.json",
        "/shared",
        ["wordpress"],
        1000,
        1000,
        tmp_path,
        machine.run,
    )


def test_visitors_first_and_the_database_last() -> None:
    machine = Machine(Path("/nowhere"))
    turns = _from_one.in_turns(Container.of(machine.told(name)) for name in ORDER)
    assert [sorted(one.service for one in turn) for turn in turns] == [["nginx"], ["redis", "wordpress"], ["mariadb"]]


def test_who_waits_for_one_another_ends_all_the_same() -> None:
    pair = [
        Container(name, name, True, False, frozenset({other}), frozenset(), frozenset()) for name, other in ("ab", "ba")
    ]
    assert _from_one.in_turns(pair) == [pair]


def test_the_files_are_read_by_their_owner(move: Move, machine: Machine) -> None:
    """Who could put a link to somebody else's file there while root looks."""
    assert move.copy() == 1
    (words,) = machine.of("setpriv")
    assert words[1:5] == ["--reuid=1000", "--regid=1000", "--clear-groups", "rsync"]
    assert words[-2:] == [f"{move.data_dir}/wordpress/", "/shared/wordpress/"]


def test_all_ends_in_order_and_nobody_starts_it_again(move: Move, machine: Machine) -> None:
    assert move.end()
    assert not any(machine.running.values())
    assert set(machine.policy.values()) == {"no"}
    assert machine.networks == {}
    assert move.phase() == ENDED
    # Who comes meanwhile is held before anybody ends, and the last look at the files is when all have.
    order = [words[0] if words[0] in ("nft", "setpriv") else words[1] for words in machine.said]
    assert order.index("nft") < order.index("update") < order.index("setpriv")
    assert max(number for number, word in enumerate(order) if word == "stop") < order.index("setpriv")
    assert "443 timeout" in machine.held
    assert _lease.Lease(move.root / _places.LEASE).holder() is None
    # And once.
    machine.said.clear()
    assert not move.end()
    assert not machine.of("docker", "stop")


def test_what_fails_starts_it_again(move: Move, machine: Machine) -> None:
    """All that ran, and nothing else: the site is as it was, with what looks after it."""
    machine.running["redis"] = False
    machine.fails["setpriv"] = (23, "rsync: cannot open\n")
    with pytest.raises(MoveProblem, match=r"could not be copied to the cluster's files: rsync: cannot open"):
        move.end()
    assert machine.running == {"nginx": True, "wordpress": True, "mariadb": True, "redis": False}
    assert machine.policy["nginx"] == "unless-stopped"
    assert set(machine.networks) == {"inception_a", "inception_b"}
    assert move.phase() == BEGUN
    assert machine.held == "flush set inet inception held\n"
    for word in ("disable", "enable"):
        assert machine.of("systemctl", word) == [["systemctl", word, "--now", "inception-health.timer"]]


def test_what_was_cut_off_is_gone_on_with(move: Move, machine: Machine) -> None:
    """Killed when visitors had been sent away: where it then fails, those run again that ran before."""
    move.note(ENDING, ["nginx", "wordpress", "mariadb"])
    machine.running |= {"nginx": False, "redis": False}
    assert move.phase() == ENDING
    machine.fails["setpriv"] = (23, "no")
    with pytest.raises(MoveProblem):
        move.end()
    assert machine.running == {"nginx": True, "wordpress": True, "mariadb": True, "redis": False}
    move.note(ENDING, ["nginx", "wordpress", "mariadb"])
    machine.running["nginx"] = False
    machine.fails.clear()
    assert move.end()
    assert move.phase() == ENDED


def test_who_went_back_begins_anew(move: Move, machine: Machine) -> None:
    move.end()
    machine.running = dict.fromkeys(ORDER, True)
    assert move.phase() == BEGUN
    assert move.end()


def test_nothing_ends_while_somebody_is_at_work(move: Move, machine: Machine) -> None:
    _lease.Lease(move.root / _places.LEASE).take("other", "anna", "an update")
    with pytest.raises(MoveProblem, match=r"an update by anna.*; nothing was changed") as failed, move.alone():
        move.end()
    assert failed.value.runs
    assert all(machine.running.values())
    _lease.Lease(move.root / _places.LEASE).release("other")
    machine.units["inception-backup.service"] = "activating"
    with pytest.raises(MoveProblem, match=r"inception-backup\.service is at work; nothing was ended"):
        move.end()
    assert all(machine.running.values())
    assert machine.of("systemctl", "enable")


def test_a_stranger_in_its_network_is_named(move: Move, machine: Machine) -> None:
    """By it the network would stay, and the swarm could not make its own."""
    machine.networks["inception_b"] = {"x": {"Name": "theirs"}}
    with pytest.raises(MoveProblem, match=r"theirs is in the network inception_b.*disconnect inception_b theirs"):
        move.end()
    assert all(machine.running.values())


def test_only_what_the_one_needed_goes(move: Move, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / STATE).parent.mkdir(parents=True)
    with pytest.raises(MoveProblem, match="has not ended yet"):
        move.clear()
    move.end()
    assert move.clear()
    assert machine.there == set()
    assert machine.volumes == {"inception_mariadb"}
    project, kept = Path(machine.project), tmp_path / KEPT
    assert sorted(path.name for path in project.iterdir()) == ["notes.txt", "secrets"]
    assert (project / "secrets/db_password.txt").read_text() == "secret"
    assert (kept / "project/srcs/docker-compose.yml").read_text() == "services: {}\n"
    assert (kept / "history/history.json").exists()
    # The cluster's backups go on from there.
    assert (tmp_path / "var/lib/fortytwo.inception/backup/settings.json").exists()
    assert json.loads((kept / "wil.json").read_text())["path"] == machine.project
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home/wil/data/wordpress.before-cluster").is_dir()
    assert (tmp_path / "home/wil/data/mariadb").is_dir()
    assert not (tmp_path / _from_one.PROGRAM).exists()
    assert not [*(tmp_path / _from_one.UNITS).rglob("inception-*")]
    assert not (tmp_path / STATE).exists()
    # And once.
    assert not move.there
    assert not move.clear()


def test_what_was_cut_off_while_it_went_goes_on(
    move: Move, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each thing that is moved, or taken away."""
    move.end()
    rename, left = _from_one.os.rename, [0]

    def cut(source: Any, target: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(_from_one.os, "rename", cut)
    for number in range(10):
        left[0] = number
        try:
            assert move.clear()
            break
        except KeyboardInterrupt:
            assert move.there
    kept = tmp_path / KEPT
    found = {path.name for path in kept.rglob("*")}
    assert {"wil.json", "history.json", "Makefile", "docker-compose.yml"} <= found
    assert not (tmp_path / STATE).exists()


def test_the_look_at_a_machine_without_any_says_nothing(tmp_path: Path) -> None:
    assert _from_one.phase(tmp_path) == BEGUN
    assert _history.read(tmp_path / STATE) == {}


def test_whether_the_site_runs_is_said(move: Move, machine: Machine) -> None:
    """It does, unless its networks are going: without them no container starts."""
    machine.fails["docker network rm"] = (1, "error while removing network")
    with pytest.raises(MoveProblem, match="error while removing network") as failed:
        move.end()
    assert not failed.value.runs
    assert move.phase() == ENDING
    machine.fails = {"docker stop": (1, "no")}
    machine.running = dict.fromkeys(ORDER, True)
    with pytest.raises(MoveProblem) as failed:
        move.end()
    assert failed.value.runs
    assert all(machine.running.values())


def test_nobody_waits_in_vain(move: Move, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Visitors are held while the swarm's services start, and let in when they are well, or given up."""
    monkeypatch.setattr(Move, "told", lambda told: move)
    monkeypatch.setattr(swarm_stack.signal, "signal", lambda *_: None)
    with swarm_stack.taking_over({}):
        assert all(machine.running.values())
    lease, told = _lease.Lease(move.root / _places.LEASE), {"project": "inception"}

    def given_up() -> None:
        with swarm_stack.leased(told), swarm_stack.taking_over(told):
            assert not any(machine.running.values())
            assert "443 timeout" in machine.held
            # Nobody else begins something meanwhile.
            assert (lease.holder() or pytest.fail("free")).what == "taking the site over into a cluster"
            raise ValueError("not well")

    with pytest.raises(ValueError, match="not well"):
        given_up()
    assert machine.held == "flush set inet inception held\n"
    assert lease.holder() is None
