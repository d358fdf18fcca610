# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack on a swarm, with a docker that is a table of answers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, ClassVar

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _swarm


class Engine:
    """Secrets and services, kept as Swarm keeps them."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.values: dict[str, bytes | None] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, list[dict[str, str]]] = {}
        self.nodes: list[dict[str, Any]] = [
            {"ID": str(number), "Spec": {"Availability": "active"}, "Status": {"State": "ready"}} for number in range(3)
        ]
        self.said: list[list[str]] = []

    def run(self, words: list[str], data: bytes | None) -> tuple[int, str, str]:
        self.said.append(words)
        match words[1:3]:
            case ["secret", "ls"]:
                return 0, "\n".join(self.secrets), ""
            case ["secret", "inspect"]:
                return 0, json.dumps([self.secrets[name] for name in words[3:]]), ""
            case ["secret", "create"]:
                labels = dict(word.split("=", 1) for word in words if "=" in word)
                self.secrets[words[-2]] = {"Spec": {"Name": words[-2], "Labels": labels}}
                self.values[words[-2]] = data
                return 0, "", ""
            case ["secret", "rm"]:
                for name in words[3:]:
                    del self.secrets[name]
                return 0, "", ""
            case ["service", "ls"]:
                return 0, "\n".join(self.services), ""
            case ["service", "inspect"]:
                return 0, json.dumps([self.services[name] for name in words[3:]]), ""
            case ["service", "ps"]:
                return 0, "\n".join(map(json.dumps, self.tasks.get(words[-1], []))), ""
            case ["service", "scale"]:
                return self.scale(*words[-1].split("="))
            case ["service", "logs"]:
                return 0, "the last words\n", ""
            case ["node", "ls"]:
                return 0, "\n".join(str(one["ID"]) for one in self.nodes), ""
            case ["node", "inspect"]:
                return 0, json.dumps(self.nodes), ""
        return 1, "", f"no answer to {words}"

    def scale(self, name: str, number: str) -> tuple[int, str, str]:
        """As Swarm does: one comes to the node with the fewest, and goes from the one with the most."""
        tasks = self.tasks[name]
        hosts = [node["Description"]["Hostname"] for node in self.nodes]
        there = Counter(one["Node"] for one in tasks if one["DesiredState"] == "Running")
        while there.total() < int(number):
            there[min(hosts, key=lambda host: there[host])] += 1
        while there.total() > int(number):
            there[max(hosts, key=lambda host: there[host])] -= 1
        self.tasks[name] = [task("Running") | {"Node": host} for host in there.elements()]
        self.services[name]["Spec"]["Mode"]["Replicated"]["Replicas"] = int(number)
        return 0, "", ""


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def secrets(engine: Engine) -> _swarm.Secrets:
    return _swarm.Secrets(_swarm.Docker(engine.run), "inception")


@pytest.fixture
def stack(engine: Engine) -> _swarm.Stack:
    return _swarm.Stack(_swarm.Docker(engine.run), "inception")


class TestSecrets:
    def test_a_new_value_is_another_secret(self, engine: Engine, secrets: _swarm.Secrets) -> None:
        assert secrets.named({"word": b"one"}, make=True) == ({"word": "inception-word-1"}, ["inception-word-1"])
        assert secrets.named({"word": b"one"}, make=True) == ({"word": "inception-word-1"}, [])
        assert secrets.named({"word": b"two"}, make=True)[0] == {"word": "inception-word-2"}
        assert secrets.named({"word": b"one"}, make=True)[0] == {"word": "inception-word-1"}
        assert engine.values["inception-word-2"] == b"two"

    def test_no_word_of_docker_s_has_a_value(self, engine: Engine, secrets: _swarm.Secrets) -> None:
        secrets.named({"word": b"very-secret"}, make=True)
        assert "very-secret" not in json.dumps(engine.said)

    def test_equal_values_do_not_show(self, engine: Engine, secrets: _swarm.Secrets) -> None:
        """Each digest has a salt of its own."""
        secrets.named({"one": b"same", "other": b"same"}, make=True)
        digests = {one["Spec"]["Labels"][_swarm.DIGEST_LABEL] for one in engine.secrets.values()}
        assert len(digests) == 2

    def test_check_mode_makes_none(self, engine: Engine, secrets: _swarm.Secrets) -> None:
        assert secrets.named({"word": b"one"}, make=False) == ({"word": "inception-word-1"}, ["inception-word-1"])
        assert engine.secrets == {}

    def test_the_way_back_keeps_its_secret(self, engine: Engine, secrets: _swarm.Secrets) -> None:
        for value in (b"one", b"two", b"three"):
            secrets.named({"word": value}, make=True)

        def spec(name: str) -> dict[str, Any]:
            return {"TaskTemplate": {"ContainerSpec": {"Secrets": [{"SecretName": name}]}}}

        service = {"Spec": spec("inception-word-3"), "PreviousSpec": spec("inception-word-2")}
        assert secrets.remove_unused([service]) == ["inception-word-1"]
        assert set(engine.secrets) == {"inception-word-2", "inception-word-3"}


def wanted(**services: Any) -> dict[str, Any]:
    return {
        "services": {
            name: {"image": image, "networks": {"net": None}, "deploy": {"replicas": 2}}
            for name, image in services.items()
        },
        "networks": {"net": {"driver": "overlay"}},
        "volumes": {},
        "secrets": {},
    }


def running(name: str, content: str, replicas: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "Spec": {
            "Name": f"inception_{name}",
            "Labels": {_swarm.CONTENT_LABEL: content},
            "Mode": {"Replicated": {"Replicas": replicas}},
        },
        **more,
    }


class TestPlan:
    def test_what_is_new_changed_and_gone(self) -> None:
        whole = _swarm.with_secrets(wanted(new="a:1", other="b:1", same="c:1"), {})
        same = running("same", whole["services"]["same"]["deploy"]["labels"][_swarm.CONTENT_LABEL])
        there = [same, running("other", "0"), running("gone", "0")]
        plan = _swarm.plan(whole["services"], there, {"same": _swarm.fingerprint(same)}, "inception")
        assert plan.lines() == ["add new", "change other", "remove gone"]

    def test_what_somebody_changed_by_hand_is_put_right(self) -> None:
        whole = _swarm.with_secrets(wanted(same="c:1"), {})
        content = whole["services"]["same"]["deploy"]["labels"][_swarm.CONTENT_LABEL]
        noted = {"same": _swarm.fingerprint(running("same", content))}
        assert _swarm.plan(whole["services"], [running("same", content)], noted, "inception").empty
        scaled = _swarm.plan(whole["services"], [running("same", content, replicas=1)], noted, "inception")
        assert scaled.lines() == ["put right same"]

    def test_a_secret_or_a_volume_of_another_name_is_a_change(self) -> None:
        stack = wanted(one="a:1")
        stack["services"]["one"]["secrets"] = [{"source": "word"}]
        stack["services"]["one"]["volumes"] = [{"type": "volume", "source": "data"}]
        stack["volumes"] = {"data": {"name": "a"}}
        first = _swarm.content_of("one", stack, {"word": "w-1"})
        assert first != _swarm.content_of("one", stack, {"word": "w-2"})
        stack["volumes"] = {"data": {"name": "b"}}
        assert first != _swarm.content_of("one", stack, {"word": "w-1"})


def task(state: str, desired: str = "Running", error: str = "") -> dict[str, str]:
    return {"ID": "1", "Node": "two", "CurrentState": f"{state} 3 seconds ago", "DesiredState": desired, "Error": error}


class TestDeploying:
    @pytest.mark.parametrize(
        "said",
        [
            "failed to create service: network inception_a not found",
            "failed to update service inception_a: Error response from daemon: rpc error: update out of sequence",
            "failed to process the request: node lost leader status",
            "Error response from daemon: rpc error: code = Unknown desc = The swarm does not have a leader.",
        ],
        ids=["a network on its way out", "Swarm's own notes meanwhile", "another leader", "none yet"],
    )
    def test_what_passes_is_tried_again(
        self, engine: Engine, stack: _swarm.Stack, monkeypatch: pytest.MonkeyPatch, said: str
    ) -> None:
        answers = [(1, "", said), (0, "", "")]
        monkeypatch.setattr(_swarm, "PAUSE", 0)
        stack.docker.run = lambda words, data: answers.pop(0)
        stack.deploy("stack.json")
        assert answers == []

    def test_what_is_created_is_not_created_twice(self, stack: _swarm.Stack) -> None:
        """Without a leader nobody says whether it was taken."""
        answers = [(1, "", "node lost leader status"), (0, "", "")]
        stack.docker.run = lambda words, data: answers.pop(0)
        with pytest.raises(_swarm.SwarmProblem, match="lost leader status"):
            stack.docker.say("secret", "create", "word", "-")
        assert len(answers) == 1

    def test_another_failure_is_told_at_once(self, stack: _swarm.Stack) -> None:
        stack.docker.run = lambda words, data: (1, "", "no such thing")
        with pytest.raises(_swarm.SwarmProblem, match="docker stack deploy: no such thing"):
            stack.deploy("stack.json")


class TestWaiting:
    def test_until_all_are_there(self, engine: Engine, stack: _swarm.Stack) -> None:
        engine.services = {"inception_site": running("site", "0")}
        engine.tasks = {"inception_site": [task("Running"), task("Starting"), task("Shutdown", "Shutdown")]}
        assert stack.waiting_for({"site": "0"}) == (["site 1/2"], [])
        engine.tasks = {"inception_site": [task("Running"), task("Running"), task("Failed", "Shutdown", "x")]}
        assert stack.waiting_for({"site": "0"}) == ([], [])

    def test_one_that_the_update_is_still_at(self, engine: Engine, stack: _swarm.Stack) -> None:
        engine.services = {"inception_site": running("site", "0", UpdateStatus={"State": "updating"})}
        engine.tasks = {"inception_site": [task("Running"), task("Running")]}
        assert stack.waiting_for({"site": "0"}) == (["site 2/2"], [])

    def test_nobody_waits_for_what_comes_later(self, engine: Engine, stack: _swarm.Stack) -> None:
        """Seen on three nodes: WordPress found no database, and the proxy that would have helped waited for it."""
        engine.services = {
            name: running(name.removeprefix("inception_"), "0") for name in ("inception_a", "inception_b")
        }
        engine.tasks = {"inception_a": [task("Running"), task("Running")], "inception_b": [task("Starting")]}
        assert stack.waiting_for({"a": "0"}) == ([], [])
        assert stack.waiting_for({"a": "0"}, ["b"]) == (["b 0/2"], [])

    def test_before_the_next_member_all_others_are_well(self) -> None:
        """One of them may be away: with another one less there would be no majority."""
        whole = {"x-members": ["data-3", "data-2", "data-1"]}
        assert _swarm.with_those(whole, ["data-3"]) == ["data-3", "data-2", "data-1"]
        assert _swarm.with_those(whole, ["site"]) == []
        assert _swarm.with_those({}, ["site"]) == []

    def test_one_that_gave_way_is_told_with_its_last_words(self, engine: Engine, stack: _swarm.Stack) -> None:
        status = {"State": "rollback_completed", "Message": "rollback completed"}
        engine.services = {"inception_site": running("site", "0", UpdateStatus=status)}
        engine.tasks = {"inception_site": [task("Running"), task("Failed", "Shutdown", "task: non-zero exit (1)")]}
        with pytest.raises(_swarm.SwarmProblem) as failure:
            stack.wait(_swarm.with_secrets(wanted(site="new:1"), {})["services"], 5)
        assert str(failure.value).splitlines() == [
            "site: the new one was not well, and Swarm went back to the former (rollback completed)",
            "  on two: task: non-zero exit (1)",
            "  | the last words",
        ]

    def test_what_it_said_is_asked_before_swarm_removes_it(
        self, engine: Engine, stack: _swarm.Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When Swarm goes back, the container that failed is gone, and with it its words."""

        def goes_back(_seconds: float) -> None:
            status = {"State": "rollback_completed", "Message": "rollback completed"}
            engine.services = {"inception_site": running("site", "0", UpdateStatus=status)}
            engine.tasks = {"inception_site": [task("Running"), task("Shutdown", "Shutdown")]}

        engine.services = {"inception_site": running("site", "0", UpdateStatus={"State": "updating"})}
        engine.tasks = {"inception_site": [task("Running"), task("Failed", "Shutdown", "task: non-zero exit (1)")]}
        monkeypatch.setattr(_swarm.time, "sleep", goes_back)
        with pytest.raises(_swarm.SwarmProblem, match=r"on two: task: non-zero exit \(1\)\n  \| the last words"):
            stack.wait(_swarm.with_secrets(wanted(site="new:1"), {})["services"], 5)
        assert ["docker", "service", "logs", "--raw", "--tail", "5", "1"] in engine.said

    def test_one_that_ends_again_and_again_is_given_up_where_there_is_a_way_back(
        self, engine: Engine, stack: _swarm.Stack
    ) -> None:
        """Elsewhere it may become well yet: what it needs comes."""
        engine.services = {"inception_site": running("site", "0")}
        engine.tasks = {
            "inception_site": [
                {**task("Failed", "Shutdown", "task: non-zero exit (1)"), "ID": str(number)} for number in range(3)
            ]
        }
        services = _swarm.with_secrets(wanted(site="new:1"), {})["services"]
        with pytest.raises(_swarm.SwarmProblem, match=r"^site ended 3 times\n  on two: task: non-zero exit \(1\)"):
            stack.wait(services, 60, endings=3)
        with pytest.raises(_swarm.SwarmProblem, match=r"^site 0/2 after 0 s"):
            stack.wait(services, 0, endings=4)

    def test_who_wants_the_former_one_again_has_it(self, engine: Engine, stack: _swarm.Stack) -> None:
        status = {"State": "rollback_completed", "Message": "rollback completed"}
        engine.services = {"inception_site": running("site", "0", UpdateStatus=status)}
        engine.tasks = {"inception_site": [task("Running"), task("Running")]}
        assert stack.waiting_for({"site": "0"}) == ([], [])

    def test_of_a_service_on_every_node_there_is_one_for_each_that_is_there(self, engine: Engine) -> None:
        service: dict[str, Any] = {"Spec": {"Mode": {"Global": {}}}}
        engine.nodes[0]["Status"] = {"State": "down"}
        engine.nodes[1]["Spec"] = {"Availability": "drain"}
        assert _swarm.wanted_number(service, engine.nodes) == 1


class TestSpreading:
    """Swarm moves nothing that runs."""

    @pytest.fixture
    def crowd(self, engine: Engine) -> Engine:
        """Two copies on one node, one on another, none on the third."""
        for node, name in zip(engine.nodes, ("one", "two", "three"), strict=True):
            node |= {"Description": {"Hostname": name}, "Spec": {"Availability": "active", "Role": "manager"}}
        engine.services = {"inception_site": running("site", "0", 3)}
        self.put(engine, "two", "two", "three")
        return engine

    @staticmethod
    def put(engine: Engine, *nodes: str) -> None:
        gone = task("Running", "Shutdown") | {"Node": "two"}
        engine.tasks = {"inception_site": [gone, *(task("Running") | {"Node": node} for node in nodes)]}

    def test_who_has_more_than_its_share(self, crowd: Engine, stack: _swarm.Stack) -> None:
        assert stack.crowded() == {"site": 1}
        self.put(crowd, "two", "two", "two")
        assert stack.crowded() == {"site": 2}
        self.put(crowd, "one", "two", "three")
        assert stack.crowded() == {}

    @pytest.mark.parametrize(
        "there", [{"Status": {"State": "down"}}, {"Spec": {"Availability": "drain", "Role": "worker"}}]
    )
    def test_of_two_nodes_one_has_two_of_three(self, crowd: Engine, stack: _swarm.Stack, there: dict[str, Any]) -> None:
        crowd.nodes[0] |= there
        assert stack.crowded() == {}

    def test_what_belongs_to_one_node_stays(self, crowd: Engine, stack: _swarm.Stack) -> None:
        crowd.services["inception_site"]["Spec"]["TaskTemplate"] = {"Placement": {"Constraints": ["node.labels.x==y"]}}
        assert stack.crowded() == {}
        crowd.services = {"inception_site": running("site", "0", 1)}
        assert stack.crowded() == {}
        crowd.services = {"inception_site": {"Spec": {"Name": "inception_site", "Labels": {}, "Mode": {"Global": {}}}}}
        assert stack.crowded() == {}

    def test_more_come_and_then_the_crowd_goes(
        self, crowd: Engine, stack: _swarm.Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_swarm.time, "sleep", lambda _seconds: None)
        stack.spread("site", 1, _swarm.with_secrets(wanted(site="new:1"), {})["services"], 5)
        scaled = [words[-1] for words in crowd.said if words[1:3] == ["service", "scale"]]
        assert scaled == ["inception_site=4", "inception_site=3"]
        assert stack.crowded() == {}
        assert sorted(one["Node"] for one in crowd.tasks["inception_site"]) == ["one", "three", "two"]


class TestCommands:
    """What a service says is done before and after it is replaced."""

    WHOLE: ClassVar[dict[str, Any]] = {
        "services": {
            "site": {
                "image": "site:2",
                "user": "1000:1000",
                "volumes": [
                    {"type": "volume", "source": "files", "target": "/srv"},
                    {"type": "tmpfs", "target": "/tmp"},
                ],
                "deploy": {
                    "update_config": {"order": "start-first", "parallelism": 1, "monitor": "15s"},
                    "rollback_config": {"order": "start-first", "parallelism": 1},
                },
            }
        },
        "volumes": {"files": {"driver_opts": {"device": "/shared/files"}}},
        "x-commands": {"site": {"beside": ["cmp", "-s", "a", "b"], "after_update": ["bring"]}},
    }

    @pytest.mark.parametrize(("code", "good"), [(0, True), (1, False)])
    def test_a_container_of_the_new_image_says_whether_it_works_beside(self, code: int, good: bool) -> None:
        said: list[list[str]] = []

        def run(words: list[str], data: bytes | None) -> tuple[int, str, str]:
            said.append(words)
            return code, "", ""

        stack = _swarm.Stack(_swarm.Docker(run), "inception")
        assert stack.works_beside(self.WHOLE, "site") is good
        assert said[0][-6:] == ["--entrypoint", "cmp", "site:2", "-s", "a", "b"]
        assert "/shared/files:/srv:ro" in said[0]

    def test_one_that_was_not_asked_has_not_said_so(self) -> None:
        stack = _swarm.Stack(_swarm.Docker(lambda words, data: (125, "", "no such image")), "inception")
        with pytest.raises(_swarm.SwarmProblem, match="site: cmp -s a b: no such image"):
            stack.works_beside(self.WHOLE, "site")

    def test_one_that_does_not_is_replaced_at_once(self) -> None:
        deploy = _swarm.at_once(self.WHOLE, ["site"])["services"]["site"]["deploy"]
        assert deploy["update_config"] == {"order": "stop-first", "parallelism": 0, "monitor": "15s"}
        assert deploy["rollback_config"] == {"order": "stop-first", "parallelism": 0}
        assert _swarm.at_once(self.WHOLE, []) == self.WHOLE

    def test_what_fails_afterwards_is_told(self) -> None:
        def run(words: list[str], data: bytes | None) -> tuple[int, str, str]:
            return (0, "abc\n", "") if words[1] == "ps" else (1, "", "no room")

        assert _swarm.Stack(_swarm.Docker(run), "inception").finish(self.WHOLE) == ["site: bring: no room"]


class TestMembers:
    """One that gives way to members, and comes back where they do not become well."""

    WHOLE: ClassVar[dict[str, Any]] = {
        "services": {
            f"db-{number}": {
                "image": "db:2",
                "user": "1000",
                "environment": {"MEMBER": f"db-{number}"},
                "volumes": [{"type": "volume", "source": "db", "target": "/data"}],
            }
            for number in (1, 2, 3)
        },
        "volumes": {"db": {"driver_opts": {"device": "/here/db"}}},
        "x-members": ["db-3", "db-2", "db-1"],
        "x-commands": {
            f"db-{number}": {"before_members": ["form"], "without_members": ["void"]} for number in (1, 2, 3)
        },
    }
    FORMER: ClassVar[dict[str, Any]] = {"services": {"db": {"deploy": {"labels": {_swarm.CONTENT_LABEL: "a"}}}}}

    def docker(self, said: list[str], failing: str = "") -> _swarm.Docker:
        services = {"inception_db-1", "inception_db-2", "inception_site"}

        def run(words: list[str], data: bytes | None) -> tuple[int, str, str]:
            text = " ".join(words[1:])
            said.append(text)
            if failing and failing in text:
                return 1, "", "one cannot be so"
            if text.startswith("service rm"):
                services.discard(words[-1])
            answers = {
                "service ls": "\n".join(sorted(services)),
                "service inspect": json.dumps([{"Spec": {"Name": name}} for name in sorted(services)]),
                "node inspect": json.dumps([{"Spec": {"Labels": {"inception_member": "2"}}}]),
                "ps --quiet": "abc\n",
            }
            return 0, answers.get(" ".join(words[1:3]), ""), ""

        return _swarm.Docker(run)

    def test_before_it_ends_it_gives_its_data_another_form(self) -> None:
        said: list[str] = []
        _swarm.Stack(self.docker(said), "inception").prepare(self.WHOLE, "db")
        assert said == ["ps --quiet --filter label=com.docker.swarm.service.name=inception_db", "exec abc form"]
        _swarm.Stack(self.docker(said), "inception").prepare(self.WHOLE, "site")
        assert len(said) == 2

    def test_where_that_cannot_be_it_goes_on(self) -> None:
        stack = _swarm.Stack(self.docker([], "exec"), "inception")
        with pytest.raises(_swarm.SwarmProblem, match=r"db runs as before.*\n  \| one cannot be so"):
            stack.prepare(self.WHOLE, "db")

    def test_the_way_back_ends_the_members_and_tells_them_so_before_the_former_starts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        stack = _swarm.Stack(self.docker(said), "inception")
        monkeypatch.setattr(stack, "wait", lambda wanted, timeout: said.append(f"wait {sorted(wanted)}"))
        stack.go_back(self.FORMER, self.WHOLE, "/former.json", 1)
        told = [one for one in said if one.split()[0] in ("run", "stack", "wait") or one.startswith("service rm")]
        assert sorted(told[:2]) == ["service rm inception_db-1", "service rm inception_db-2"]
        assert told[2].endswith("--env MEMBER=db-2 --volume /here/db:/data:rw --entrypoint void db:2")
        assert told[3].startswith("stack deploy")
        assert "--prune" in told[3]
        assert told[4:] == ["wait ['db']"]

    def test_members_that_could_not_be_told_are_no_reason_to_start_it(self) -> None:
        said: list[str] = []
        with pytest.raises(_swarm.SwarmProblem, match="db-2: void: one cannot be so"):
            _swarm.Stack(self.docker(said, "run --rm"), "inception").go_back(self.FORMER, self.WHOLE, "/f", 1)
        assert not [one for one in said if one.startswith("stack deploy")]


class TestTold:
    """What a person is told of a cluster."""

    def test_of_a_cluster_that_is_well_nothing_is_wrong(self) -> None:
        told = {
            "nodes": [{"name": "one", "there": True, "address": "192.0.2.11"}],
            "services": [{"name": "nginx", "well": 1, "wanted": 1, "update": "completed"}],
        }
        assert _swarm.problems(told, [{"host": "192.0.2.11", "there": True, "to_heal": 0}]) == []

    def test_what_is_wrong_is_named(self) -> None:
        told = {
            "nodes": [
                {"name": "one", "there": True, "address": "192.0.2.11"},
                {"name": "two", "there": False, "address": "192.0.2.12"},
            ],
            "services": [
                {"name": "wordpress", "well": 1, "wanted": 2, "update": "updating"},
                {"name": "redis", "well": 0, "wanted": 1, "update": ""},
            ],
        }
        copies = [
            {"host": "192.0.2.11", "there": True, "to_heal": 3},
            {"host": "192.0.2.12", "there": False, "to_heal": 0},
        ]
        assert _swarm.problems(told, copies) == [
            "two is away",
            "wordpress: 1 of 2 are well (update: updating)",
            "redis: 0 of 1 are well",
            "3 files on one are newer than on another node, where they are being brought",
            "the copy of the files on two is away",
        ]

    def test_what_runs_on_a_node_that_is_away_is_not_well(self, engine: Engine, stack: _swarm.Stack) -> None:
        """Swarm goes on to call it running, where it belongs to that node alone."""
        for node, name, state in zip(engine.nodes, ("one", "two", "three"), ("down", "ready", "ready"), strict=True):
            node |= {"Description": {"Hostname": name}, "Status": {"State": state}}
            node["Spec"] = {"Availability": "active", "Role": "manager"}
        engine.services = {"inception_database": running("database", "0", 1)}
        engine.tasks = {"inception_database": [task("Running") | {"Node": "one"}]}
        (told,) = stack.told()["services"]
        assert (told["well"], told["wanted"], told["nodes"]) == (0, 1, [])

    def test_a_node_has_its_name_of_the_inventory(self) -> None:
        node = {
            "Spec": {
                "Labels": {"inception_node": "one", "inception_data": "x"},
                "Role": "manager",
                "Availability": "drain",
            },
            "Description": {"Hostname": "abc"},
            "Status": {"State": "ready", "Addr": "0.0.0.0"},
            "ManagerStatus": {"Leader": True, "Addr": "192.0.2.11:2377"},
        }
        assert _swarm.node_told(node) == {
            "name": "one",
            "there": True,
            "availability": "drain",
            "role": "leader",
            "has_data": True,
            "address": "192.0.2.11",
        }


def test_a_turn_has_all_before_it_and_says_what_is_new() -> None:
    whole = {"services": {"db": 1, "cache": 2, "site": 3, "door": 4}, "x-turns": [["cache", "db"], ["site"], ["door"]]}
    plan = _swarm.Plan(added=["door"], changed=["db"])
    told = [(sorted(part["services"]), new) for part, new in _swarm.turns(whole, plan)]
    assert told == [(["cache", "db"], ["db"]), (["cache", "db", "door", "site"], ["door"])]


def members(**more: Any) -> dict[str, Any]:
    names = ["db-1", "db-2", "db-3"]
    said = {"volumes": [{"type": "volume", "source": "db"}, {"type": "tmpfs", "target": "/tmp"}]}
    return {
        "services": {**{name: dict(said) for name in names}, "way": {}, "site": {}},
        "volumes": {"db": {"name": "inception_db"}},
        "x-turns": [["cache", *names], ["way"], ["site"]],
        "x-members": list(reversed(names)),
        **more,
    }


def test_members_are_replaced_one_after_the_other() -> None:
    """The one that is written to comes last; and who is new comes with all others that are."""
    plan = _swarm.Plan(changed=["db-1", "db-2", "db-3", "site"])
    assert [new for dummy, new in _swarm.turns(members(), plan)] == [["db-3"], ["db-2"], ["db-1"], ["site"]]
    plan = _swarm.Plan(added=["db-1", "db-2", "db-3", "way"])
    assert [new for dummy, new in _swarm.turns(members(), plan)] == [["db-1", "db-2", "db-3"], ["way"]]


def test_who_has_the_folder_of_a_new_member_ends_first() -> None:
    """Of one database become three: the former would write to the same folder. Whoever else goes is not in the way."""

    def mounts(name: str, volume: str) -> dict[str, Any]:
        told = running(name, "0")
        told["Spec"]["TaskTemplate"] = {"ContainerSpec": {"Mounts": [{"Type": "volume", "Source": volume}]}}
        return told

    there = [mounts("db", "inception_db"), mounts("other", "inception_other"), mounts("site", "inception_db")]
    plan = _swarm.Plan(added=["db-1", "db-2", "db-3"], removed=["db", "other"])
    assert _swarm.in_the_way(members(), plan, there, "inception") == ["db"]
    assert _swarm.in_the_way(members(), _swarm.Plan(removed=["db"]), there, "inception") == []


def test_the_first_member_that_is_well_is_written_to() -> None:
    told = [{"name": "nginx", "well": 3}, {"name": "mariadb-2", "well": 1}, {"name": "mariadb-1", "well": 0}]
    assert _swarm.written_to(told) == "mariadb-2"
    assert _swarm.written_to([{"name": "mariadb", "well": 1}]) == ""
