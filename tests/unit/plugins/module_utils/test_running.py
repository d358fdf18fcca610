# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that is stopped and started by compose, or on a swarm: what is asked of either, and when."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _as_owner,
    _backup,
    _history,
    _program,
    _renewal,
    _restore,
    _running,
    _swarm,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store

STACK: dict[str, Any] = {
    "services": {
        "mariadb": {"image": "mariadb:1", "deploy": {"replicas": 1}, "secrets": [{"source": "word", "target": "word"}]},
        "wordpress": {"image": "wordpress:1", "deploy": {"replicas": 3}},
        "nginx": {"image": "nginx:1", "deploy": {"mode": "global"}},
    },
    "networks": {},
    "volumes": {},
    "secrets": {"word": "word.txt"},
    "x-turns": [["mariadb"], ["wordpress"], ["nginx"]],
    "x-commands": {},
}


class Nodes:
    """A swarm of two nodes that starts and ends at once what it is told, unless it is told to hang."""

    def __init__(self) -> None:
        self.deployed: list[dict[str, Any]] = []
        self.services: dict[str, Any] = {}
        self.secrets: list[str] = []
        self.away: set[str] = set()
        self.hangs: set[str] = set()
        self.words: list[list[str]] = []

    def count(self, name: str) -> int:
        deploy = self.services[name]["deploy"]
        if deploy.get("mode") == "global":
            return 0 if (deploy.get("placement") or {}).get("constraints") else 2
        return int(deploy["replicas"])

    def told(self, name: str) -> dict[str, Any]:
        deploy = self.services[name]["deploy"]
        mode = {"Global": {}} if deploy.get("mode") == "global" else {"Replicated": {"Replicas": deploy["replicas"]}}
        return {"Spec": {"Name": f"inception_{name}", "Labels": deploy["labels"], "Mode": mode}}

    def run(self, words: list[str], data: bytes | None) -> tuple[int, str, str]:
        self.words.append(words)
        match words[1:3]:
            case ["stack", "deploy"]:
                stack = json.loads(Path(words[-2]).read_text())
                self.deployed.append(stack)
                self.services |= stack["services"]
                return 0, "", ""
            case ["service", "ls"]:
                return 0, "\n".join(self.services), ""
            case ["service", "inspect"]:
                return 0, json.dumps([self.told(name) for name in words[3:]]), ""
            case ["service", "ps"]:
                name = words[-1].removeprefix("inception_")
                state, wanted = ("Running", "Running") if self.count(name) else ("Shutdown", "Shutdown")
                if name in self.hangs:
                    state = "Running"
                tasks = [
                    {"ID": f"{name}{one}", "Node": f"node{one}", "CurrentState": f"{state} now", "DesiredState": wanted}
                    for one in range(self.count(name) or 1)
                ]
                return 0, "\n".join(map(json.dumps, tasks)), ""
            case ["service", "logs"]:
                return 0, "", ""
            case ["secret", "ls"]:
                return 0, "", ""
            case ["secret", "create"]:
                self.secrets.append(words[-2])
                return 0, "", ""
            case ["node", "ls"]:
                return 0, "node0\nnode1", ""
            case ["node", "inspect"]:
                return 0, json.dumps([self.node(name) for name in ("node0", "node1")]), ""
        return 1, "", f"no answer to {words}"

    def node(self, name: str) -> dict[str, Any]:
        state = "down" if name in self.away else "ready"
        return {
            "Spec": {"Availability": "active", "Role": "manager", "Labels": {"inception_node": name}},
            "Description": {"Hostname": name},
            "Status": {"State": state, "Addr": "192.0.2.1"},
        }


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    found = Nodes()
    monkeypatch.setattr(_running, "run_docker", found.run)
    monkeypatch.setattr(_running.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(_swarm.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(_renewal, "read", lambda root, name: b"value" if name == "word.txt" else None)
    return found


@pytest.fixture
def swarm(tmp_path: Path) -> _running.Swarm:
    return _running.Swarm("inception", "/home/wil/inception", STACK, str(tmp_path / "cluster"), 60)


class TestSwarm:
    def test_nothing_is_left_of_what_is_held(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        assert swarm.up() == ""
        assert swarm.down() == ""
        assert {name: nodes.count(name) for name in nodes.services} == {"mariadb": 0, "wordpress": 0, "nginx": 0}

    def test_who_takes_data_runs_alone(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        assert swarm.down() == ""
        assert swarm.up("mariadb") == ""
        assert {name: nodes.count(name) for name in nodes.services} == {"mariadb": 1, "wordpress": 0, "nginx": 0}

    def test_all_come_in_their_turns_and_of_several_one_is_first(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        assert swarm.down() == ""
        del nodes.deployed[:]
        assert swarm.up() == ""
        assert [sorted(one["services"]) for one in nodes.deployed] == [
            ["mariadb"],
            ["mariadb", "wordpress"],
            ["mariadb", "wordpress"],
            ["mariadb", "nginx", "wordpress"],
            ["mariadb", "nginx", "wordpress"],
        ]
        assert [one["services"]["wordpress"]["deploy"]["replicas"] for one in nodes.deployed[1:]] == [1, 3, 3, 3]
        assert {name: nodes.count(name) for name in nodes.services} == {"mariadb": 1, "wordpress": 3, "nginx": 2}

    def test_the_next_make_cluster_finds_nothing_to_put_right(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        swarm.down()
        swarm.up()
        noted = json.loads(Path(swarm.folder, _running.NOTED).read_text())
        names, dummy = _swarm.Secrets(_swarm.Docker(nodes.run), "inception").named({"word": b"value"}, make=False)
        whole = _swarm.with_secrets(STACK, names)
        there = [nodes.told(name) for name in nodes.services]
        assert _swarm.plan(whole["services"], there, noted, "inception").empty

    def test_no_word_of_docker_s_has_a_value(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        swarm.up()
        assert nodes.secrets == ["inception-word-1"]
        assert "value" not in json.dumps(nodes.words)
        assert Path(swarm.folder, _running.STACK).stat().st_mode & 0o777 == 0o600

    def test_what_does_not_end_is_told(
        self, nodes: Nodes, swarm: _running.Swarm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_running, "ENDS_SECONDS", -1.0)
        nodes.hangs = {"wordpress"}
        assert "wordpress did not end" in swarm.down()

    def test_of_a_node_that_is_away_nobody_waits_for_the_end(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        """A restore was refused then, unless it went meanwhile: the site is not kept away for it."""
        nodes.hangs, nodes.away = {"mariadb"}, {"node0"}
        assert swarm.down() == ""

    def test_a_secret_without_a_file_is_told(
        self, nodes: Nodes, swarm: _running.Swarm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_renewal, "read", lambda root, name: None)
        assert swarm.up() == "/home/wil/inception/secrets has nothing for word"
        assert nodes.deployed == []

    def test_with_a_node_away_nothing_is_begun(self, nodes: Nodes, swarm: _running.Swarm) -> None:
        assert swarm.refusal() == ""
        nodes.away = {"node1"}
        assert "node1 cannot be reached, and may still write" in swarm.refusal()

    def test_members_stay_and_the_one_that_is_here_takes_data(
        self, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ended, each would wait for the others to say who has the newest; and nobody writes to them any more."""
        one = STACK["services"]["mariadb"]
        services = {f"mariadb-{number}": one for number in (1, 2, 3)}
        stack = {**STACK, "services": {**services, "nginx": STACK["services"]["nginx"]}}
        stack |= {"x-members": sorted(services, reverse=True), "x-turns": [sorted(services), ["nginx"]]}
        swarm = _running.Swarm("inception", "/home/wil/inception", stack, str(tmp_path / "cluster"), 60)
        assert swarm.has_members("mariadb")
        assert not swarm.has_members("nginx")
        held = dict.fromkeys(services, 1) | {"nginx": 0}
        assert swarm.down() == ""
        assert {name: nodes.count(name) for name in nodes.services} == held
        # It is not well at once.
        here = iter(["", "", "mmm"])
        monkeypatch.setattr(_running.Swarm, "container", lambda self, name: next(here))
        assert swarm.up("mariadb") == ""
        assert next(here, "asked until then") == "asked until then"
        assert {name: nodes.count(name) for name in nodes.services} == held
        del nodes.deployed[:]
        assert swarm.up() == ""
        assert sorted(nodes.deployed[0]["services"]) == sorted(services)
        assert nodes.count("nginx") == 2

    def test_no_member_that_is_well_is_told(
        self, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack = {**STACK, "services": {"mariadb-1": STACK["services"]["mariadb"]}, "x-members": ["mariadb-1"]}
        monkeypatch.setattr(_running.Swarm, "container", lambda self, name: "")
        swarm = _running.Swarm("inception", "/home/wil/inception", stack, str(tmp_path / "cluster"), -1)
        assert swarm.up("mariadb").startswith("mariadb is not well")


@pytest.mark.parametrize(
    ("running", "labels"),
    [
        (
            _running.Compose("inception"),
            [
                "label=com.docker.compose.project=inception",
                "label=com.docker.compose.service=mariadb",
                "label=com.docker.compose.oneoff=False",
            ],
        ),
        (
            _running.Swarm("inception", "/p", STACK, "/c"),
            ["label=com.docker.swarm.service.name=inception_mariadb"],
        ),
    ],
    ids=["one machine", "a cluster"],
)
def test_a_container_is_found_by_its_labels(
    running: _running.Running, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(words: list[str], **dummy: Any) -> SimpleNamespace:
        asked.append(words)
        return SimpleNamespace(returncode=0, stdout="abc\n")

    monkeypatch.setattr(_running.subprocess, "run", run)
    assert running.container("mariadb") == "abc"
    assert asked[0][asked[0].index("--filter") + 1 :: 2] == labels


MEMBERS = {**STACK, "x-members": ["mariadb-3", "mariadb-2", "mariadb-1"]}


@pytest.mark.parametrize(
    ("here", "found"),
    [
        ({"inception_mariadb-3": "ccc"}, "ccc"),
        ({"inception_mariadb-3": "ccc", "inception_mariadb-1": "aaa"}, "aaa"),
        ({}, ""),
    ],
    ids=["the one that is here", "the one that is written to", "none"],
)
def test_a_member_that_is_well_says_the_data(here: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that gets its data, or was cut off, has not all that was acknowledged. Others are asked as ever."""
    running = _running.Swarm("inception", "/p", MEMBERS, "/c")

    def listed(label: str, well: bool = False) -> str:
        name = label.rpartition("=")[2]
        assert well == name.startswith("inception_mariadb")
        return {**here, "inception_nginx": "nnn"}.get(name, "")

    monkeypatch.setattr(_running, "listed", listed)
    assert running.container("mariadb") == found
    assert running.container("nginx") == "nnn"
    if not found:
        with pytest.raises(BackupProblem, match=r"no member of mariadb that is well.*ps inception_mariadb-1 inception"):
            _running.the_container(running, "mariadb")


def test_who_is_well_is_asked_of_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(words: list[str], **dummy: Any) -> SimpleNamespace:
        asked.append(words)
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(_running.subprocess, "run", run)
    assert _running.Swarm("inception", "/p", MEMBERS, "/c").container("mariadb") == ""
    assert [words[-4:] for words in asked] == [
        ["--filter", f"label=com.docker.swarm.service.name=inception_mariadb-{one}", "--filter", "health=healthy"]
        for one in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("running", "todo"),
    [
        (_running.Compose("inception"), "`make up` starts it"),
        (_running.Swarm("inception", "/p", STACK, "/c"), "`docker service ps inception_mariadb` says why"),
    ],
    ids=["one machine", "a cluster"],
)
def test_a_service_that_does_not_run_says_what_to_do(
    running: _running.Running, todo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_running, "listed", lambda *labels, well=False: "")
    with pytest.raises(BackupProblem, match="mariadb does not run") as told:
        _running.the_container(running, "mariadb")
    assert todo in str(told.value)


# ---- What is deployed, as the history has it ----

SERVICES = [
    {"name": "mariadb", "volumes": [{"name": "mariadb"}], "backup": {"dump": ["dump"], "load": ["load"]}},
    {"name": "wordpress", "volumes": [{"name": "wordpress"}]},
]
ENV = b'LOGIN_UID=1000\nLOGIN_GID=1000\nDATA_DIR="/home/wil/data"\nDOMAIN=wil.42.fr\n'


def deployed(root: Path, cluster: dict[str, Any] | None, stack: dict[str, Any] = STACK) -> _history.History:
    history = _history.History(root / "var/lib/fortytwo.inception/history")
    files = {"srcs/.env": _history.File(ENV, 0o644)}
    plan: dict[str, Any] = {"root": "/home/wil/inception", "project": "inception", "services": SERVICES}
    if cluster is not None:
        files[_running.STACK_FILE] = _running.packed_stack(stack)
        plan["cluster"] = cluster
    history.add(_history.Entry(1, "now", "wil", "deployment", digest="1"), files, plan)
    return history


CLUSTER = {"shared_dir": "/shared", "shared": ["wordpress"], "timeout": 60}


def test_each_folder_is_where_its_machine_has_it(tmp_path: Path) -> None:
    alone = _backup.Stack.deployed(deployed(tmp_path / "one", None))
    shared = _backup.Stack.deployed(deployed(tmp_path / "many", CLUSTER))
    names = ("wordpress", "mariadb", "secrets")
    assert [alone.home(name) for name in names] == ["/home/wil/data", "/home/wil/data", "/home/wil/inception"]
    assert [shared.home(name) for name in names] == ["/shared", "/home/wil/data", "/home/wil/inception"]
    assert alone.homes == ["/home/wil/data", "/home/wil/inception"]
    assert shared.homes == ["/home/wil/data", "/home/wil/inception", "/shared"]
    assert alone.running == _running.Compose("inception", "/home/wil/inception", 1000, 1000)
    assert shared.running == _running.Swarm(
        "inception", "/home/wil/inception", STACK, str(tmp_path / "many/var/lib/fortytwo.inception/cluster"), 60
    )


def test_what_goes_back_knows_how_without_the_history(tmp_path: Path) -> None:
    """The journal of a restore has all that it takes, also in a cluster, and that of one machine is as it was."""
    alone = _backup.Stack.deployed(deployed(tmp_path / "one", None))
    shared = _backup.Stack.deployed(deployed(tmp_path / "many", CLUSTER))
    assert alone.told() == {"root": "/home/wil/inception", "data": "/home/wil/data", "uid": 1000, "gid": 1000}
    assert isinstance(_running.of(alone.told()), _running.Compose)
    assert _running.of(json.loads(json.dumps(shared.told()))) == shared.running


class Swarmlike:
    """Something that runs, and writes down what it is asked for."""

    def __init__(self, said: str = "") -> None:
        self.said, self.asked = said, list[str]()

    def down(self) -> str:
        self.asked.append("down")
        return self.said

    def up(self, *services: str) -> str:
        self.asked.append("up")
        return ""


@pytest.mark.parametrize(
    ("told", "given_back"),
    [({}, True), ({"cluster": {"stack": STACK}}, False)],
    ids=["one machine", "a cluster"],
)
def test_what_was_put_aside_comes_back_when_nobody_writes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], given_back: bool
) -> None:
    """In a cluster, what does not stop may be on another node: the next look tries again."""
    store, back = Store(tmp_path), list[Any]()
    store.make()
    place = {
        "root": "/home/wil/inception",
        "data": "/home/wil/data",
        "uid": 1,
        "gid": 1,
        "pairs": [],
        "homes": ["/shared"],
    }
    _history.write(store.journal, {**place, **told})
    runs = Swarmlike("it hangs")
    monkeypatch.setattr(_running, "of", lambda told: runs)
    monkeypatch.setattr(_as_owner, "give_back", lambda *of: back.append(of))
    removed: list[str] = []
    monkeypatch.setattr(_as_owner, "remove", lambda uid, gid, *paths: removed.extend(paths))
    if given_back:
        assert _restore.take_back(store) is True
        assert "/shared/.former" in removed
    else:
        with pytest.raises(BackupProblem, match="it hangs"):
            _restore.take_back(store)
    assert bool(back) is given_back
    assert store.journal.exists() is not given_back


@pytest.mark.parametrize("command", sorted(_program.IN_A_CLUSTER))
def test_what_a_cluster_does_in_another_way_is_refused_there_alone(tmp_path: Path, command: str) -> None:
    assert _program.elsewhere(command, deployed(tmp_path / "one", None)) == ""
    said = _program.elsewhere(command, deployed(tmp_path / "many", CLUSTER))
    assert said.startswith(f"this is a node of a cluster, where {command} is not the machine's own: ")
    assert "{" not in said


@pytest.mark.parametrize("command", ["backup", "restore", "backups", "history", "status", "health", "trial", "key"])
def test_what_a_cluster_has_is_not(tmp_path: Path, command: str) -> None:
    assert _program.elsewhere(command, deployed(tmp_path, CLUSTER)) == ""
