# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a stack: a slow service is waited for, a broken one is told of in a few lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _ports, _stack_start
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import SCREEN_LINES, screen
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    GivenUp,
    Patience,
    Stack,
    Wish,
    at_work,
    be_gentle,
    build_failure,
    build_step,
    failed_last,
    said,
    start_failure,
    told,
    warnings,
)

from tests.unit.programs import python_program

BUILD = """\
#1 [mariadb internal] load build definition from Dockerfile
#1 DONE 0.0s
#7 [nginx 2/6] RUN apt-get update  && apt-get install --yes ngnix
#5 [mariadb 2/6] RUN apt-get update
#7 0.512 Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB]
#5 0.6 Hit:1 http://deb.debian.org/debian bookworm InRelease
#7 2.701 Reading package lists...
#7 3.113 E: Unable to locate package ngnix
#5 ERROR: context canceled
#7 ERROR: process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100
------
 > [nginx 2/6] RUN apt-get update  && apt-get install --yes ngnix:
3.113 E: Unable to locate package ngnix
------
failed to solve: process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100
"""


def test_a_build_tells_its_failed_step_and_the_last_words_of_it() -> None:
    service, failure = build_failure(BUILD)
    shown = screen(failure)
    assert service == "nginx"
    assert "Failed step: RUN apt-get update  && apt-get install --yes ngnix" in shown
    assert "  E: Unable to locate package ngnix" in shown
    assert "Likely: there is no package ngnix" in shown
    assert "Hit:1" not in shown


def test_a_build_that_fails_in_no_step_tells_its_last_lines() -> None:
    service, failure = build_failure(
        "target nginx: failed to solve: failed to read dockerfile: open Dockerfile: no such file\n"
    )
    assert service == "nginx"
    assert "failed to read dockerfile" in screen(failure)


def test_a_step_of_a_build_is_named() -> None:
    assert build_step(BUILD) == "nginx 2/6 RUN apt-get update  && apt-get install --yes ngnix"
    assert build_step("\n".join(BUILD.splitlines()[:6])) == "mariadb 2/6 RUN apt-get update"
    assert build_step("") == ""


def test_what_docker_refuses_is_told_without_the_progress() -> None:
    output = (
        " Container inception-mariadb-1  Running\n Container inception-nginx-1  Starting\n"
        'time="2026" level=warning msg="No memory limit support"\n'
        "Error response from daemon: driver failed programming connectivity on endpoint inception-nginx-1 (4f):"
        " Bind for 0.0.0.0:443 failed: port is already allocated\n"
    )
    service, failure = start_failure(output, ["mariadb", "nginx"], "inception")
    assert service == "nginx"
    assert "Running" not in screen(failure)
    assert "Next:   `docker ps --filter publish=443`" in screen(failure)


def test_a_warning_is_told_once_for_all_containers() -> None:
    line = " ! {} Your kernel does not support memory limit capabilities or the cgroup is not mounted.\n"
    assert len(warnings(line.format("nginx") + line.format("mariadb") + " Container inception-nginx-1  Started\n")) == 1
    assert warnings(" Container inception-nginx-1  Started\n") == []


def test_a_log_that_repeats_itself_says_nothing_new() -> None:
    first = said("2026-11-27 10:00:01 connection 17 refused by 172.18.0.3\n\n")
    assert first == said("2026-11-27 10:00:16 connection 18 refused by 172.18.0.3\n")
    assert first != said("2026-11-27 10:00:16 installing the theme\n")


# What a look finds: seconds since the last one, seconds of Docker's answer, what is new, whether something is at work.
Look = tuple[float, float, set[str], bool]
# The looks, and whether it is over then.
PATIENT: dict[str, tuple[list[Look], bool]] = {
    "nothing for long": ([(0, 0.05, {"a"}, False), (61, 0.05, set(), False), (61, 0.05, set(), False)], True),
    "not for so long": ([(0, 0.05, {"a"}, False), (61, 0.05, set(), False), (50, 0.05, set(), False)], False),
    "another word": ([(0, 0.05, {"a"}, False), (61, 0.05, {"b"}, False), (61, 0.05, set(), False)], False),
    "the same word": ([(0, 0.05, {"a"}, False), (61, 0.05, {"a"}, False), (61, 0.05, {"a"}, False)], True),
    "a slow machine": ([(0, 2.0, {"a"}, False), *[(60, 2.0, set(), False)] * 10], False),
    "a slow machine, for ever": ([(0, 2.0, {"a"}, False), *[(60, 2.0, set(), False)] * 21], True),
    "at work": ([(0, 0.05, {"a"}, True), *[(60, 0.05, set(), True)] * 20], False),
    "at work for a third": ([(0, 0.05, {"a"}, True), *[(2, 0.05, set(), look % 3 == 0) for look in range(300)]], False),
    "seldom at work": ([(0, 0.05, {"a"}, True), *[(2, 0.05, set(), look % 10 == 0) for look in range(80)]], True),
}


@pytest.mark.parametrize("name", PATIENT)
def test_patience_ends_when_nothing_goes_on(name: str) -> None:
    looks, over = PATIENT[name]
    patience, now, ended = Patience(120), 0.0, False
    for passed, answer, signs, busy in looks:
        now += passed
        ended = patience.look(now, answer, signs, busy)
    assert ended is over


def test_a_service_that_says_something_else_each_time_says_nothing() -> None:
    patience = Patience(120)
    over = [patience.look(float(look), 0.05, {f"word {look}"}, False) for look in range(6000)]
    assert not any(over[:5000])
    assert over[-1]


def processes(folder: Path, *told: tuple[int, str, int]) -> Path:
    """A /proc: number, state and parent of each process."""
    for number, state, parent in told:
        (folder / str(number)).mkdir()
        (folder / str(number) / "stat").write_text(f"{number} (a (strange) name) {state} {parent} 1 1")
    (folder / "self").mkdir()
    return folder


def test_what_computes_in_a_container_is_seen(tmp_path: Path) -> None:
    proc = processes(
        tmp_path,
        (1, "S", 0),
        (10, "S", 1),
        # A container whose first process has a child and a grandchild, and one that computes itself.
        *((20, "S", 10), (21, "S", 20), (22, "D", 21)),
        (30, "R", 10),
        # A container that waits; beside it, a health check of Docker's is at work.
        *((40, "S", 10), (41, "S", 40), (49, "R", 10), (50, "R", 49)),
    )
    assert at_work([20, 30, 40, 0, 99], proc) == {20, 30}
    assert at_work([], proc) == set()


def test_this_very_process_is_one() -> None:
    assert at_work([os.getpid()]) == {os.getpid()}


# ---- A whole start, with a program in Docker's place ----

DOCKER = """\
import json, pathlib, sys
here = pathlib.Path(__file__).parent
script = json.loads((here / "script.json").read_text())
argv = " ".join(sys.argv[1:])
with open(here / "asked", "a") as file:
    file.write(argv + "\\n")
for part, answers in script.items():
    if part in argv:
        count = here / ("count-" + "".join(letter for letter in part if letter.isalnum()))
        number = int(count.read_text()) if count.exists() else 0
        count.write_text(str(number + 1))
        answer = answers[min(number, len(answers) - 1)]
        print(answer["out"], end="")
        print(answer.get("err", ""), end="", file=sys.stderr)
        sys.exit(answer.get("rc", 0))
sys.exit("not foreseen: " + argv)
"""


def container(service: str, status: str = "running", health: str = "healthy", **state: Any) -> dict[str, Any]:
    checks = [{"Output": state.pop("check", "")}]
    return {
        "Id": service * 4,
        "Name": f"/inception-{service}-1",
        "RestartCount": state.pop("restarts", 0),
        "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": {
            "Status": status,
            "StartedAt": "2026-11-27T10:00:00Z",
            "ExitCode": 0,
            "Pid": 0,
            "Health": {"Status": health, "FailingStreak": 9 if health == "unhealthy" else 0, "Log": checks},
            **state,
        },
    }


def out(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"out": json.dumps(containers)}


CONFIG = {
    "name": "inception",
    "services": {
        "mariadb": {"build": {"context": "mariadb"}, "image": "mariadb:1"},
        "nginx": {"build": {"context": "nginx"}, "image": "nginx:1", "depends_on": {"mariadb": {}}},
    },
}
UNHEALTHY = {"out": "", "err": "dependency failed to start: container inception-mariadb-1 is unhealthy\n", "rc": 1}
SCRIPT: dict[str, list[dict[str, Any]]] = {
    "compose config": [{"out": json.dumps(CONFIG)}],
    "image ls": [{"out": "mariadb:1\nnginx:1\n"}],
    "compose ps": [{"out": "a table\n"}],
    "ps --all": [{"out": "mariadb nginx\n"}],
    "logs": [{"out": "", "err": "ready\n"}],
    "compose --ansi never up": [{"out": ""}],
    "inspect": [out(container("mariadb"), container("nginx"))],
}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    python_program(tmp_path / "docker", DOCKER)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(_stack_start, "PAUSE", 0.01)
    monkeypatch.setattr(_stack_start, "ANSWER", 60.0)
    return tmp_path


def started(docker: Path, patience: float = 0.5, timeout: float = 60, **script: list[dict[str, Any]]) -> Stack:
    (docker / "script.json").write_text(
        json.dumps(SCRIPT | {name.replace("_", " "): told for name, told in script.items()})
    )
    stack = Stack(Wish(str(docker), [], {}, "auto", True, patience, timeout))
    stack.read()
    stack.build(stack.missing())
    stack.start()
    return stack


def asked(docker: Path, part: str) -> int:
    return sum(part in line for line in (docker / "asked").read_text().splitlines())


def test_what_a_build_computes_gives_way_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    engine, step, site = "/system.slice/docker.service", "/system.slice/docker-build.scope", "/docker/nginx"
    runner = "runc\0run\0--bundle\0/var/lib/docker/buildkit/executor/abc\0"
    for number, parent, line, cgroup in (
        (1, 0, "init\0", "/init.scope"),
        (10, 1, "dockerd\0", engine),
        (20, 10, runner, engine),
        (21, 20, "sh\0-c\0apt-get install", step),
        (22, 21, "dpkg\0", step),
        (30, 1, "containerd-shim\0", engine),
        (31, 30, "nginx\0", site),
    ):
        place = proc / str(number)
        place.mkdir(parents=True)
        (place / "stat").write_text(f"{number} (x) S {parent} 0 0")
        (place / "cmdline").write_text(line)
        (place / "cgroup").write_text(f"0::{cgroup}\n")
        (cgroups / cgroup.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (cgroups / cgroup.lstrip("/") / "cpu.weight").write_text("100")
    niced: dict[int, int] = {}
    monkeypatch.setattr(os, "setpriority", lambda which, number, nice: niced.update({number: nice}))
    assert sorted(be_gentle(proc, cgroups)) == [20, 21, 22]
    assert niced == {20: 10, 21: 10, 22: 10}
    weights = {one: (cgroups / one.lstrip("/") / "cpu.weight").read_text() for one in (engine, step, site)}
    assert weights == {engine: "100", step: "10", site: "100"}


def test_what_is_well_is_started_once(docker: Path) -> None:
    started(docker)
    assert asked(docker, "never up") == 1
    assert asked(docker, "plain build") == 0


def test_a_slow_service_that_was_called_unhealthy_is_waited_for(docker: Path) -> None:
    slow = [out(container("mariadb", health="unhealthy"))] * 3
    up: dict[str, Any] = {"compose --ansi never up": [UNHEALTHY, {"out": ""}]}
    stack = started(
        docker,
        patience=30,
        inspect=[*slow, out(container("mariadb")), out(container("mariadb"), container("nginx"))],
        **up,
    )
    assert asked(docker, "never up") == 2
    assert stack.warnings == []


def failed(docker: Path, **script: Any) -> tuple[GivenUp, str]:
    with pytest.raises(GivenUp) as error:
        started(docker, **script)
    shown = told(error.value, docker / "failures", "wil")
    assert len(shown.splitlines()) <= SCREEN_LINES
    return error.value, shown


def test_a_broken_service_tells_its_check_and_its_log(docker: Path) -> None:
    error, shown = failed(
        docker,
        inspect=[out(container("mariadb"), container("nginx", health="unhealthy", check="curl: (7) refused"))],
        logs=[{"out": "", "err": 'nginx: [emerg] unknown directive "lisen" in /tmp/nginx.conf:12\n'}],
    )
    assert error.service == "nginx"
    assert "nginx did not become healthy" in shown
    assert "Its health check said last:\n  curl: (7) refused" in shown
    assert "Likely: a mistake in NGINX's settings: /tmp/nginx.conf:12" in shown
    [file] = (docker / "failures").iterdir()
    assert shown.splitlines()[-1] == f"All of it: {file} on wil"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "==== inception-nginx-1: running unhealthy" in file.read_text()


def test_checks_that_docker_does_not_count_yet_are_counted(docker: Path) -> None:
    """In the start period of ten minutes, its streak stays 0."""
    fails = [{"ExitCode": 0, "Output": ""}, *[{"ExitCode": 1, "Output": "denied"}] * 3]
    failing = container("nginx", health="starting", Health={"Status": "starting", "FailingStreak": 0, "Log": fails})
    error, shown = failed(docker, inspect=[out(container("mariadb"), failing)])
    assert error.service == "nginx"
    assert "3 checks failed" in shown
    assert [failed_last(fails[:number]) for number in range(5)] == [0, 0, 1, 2, 3]
    assert failed_last([*fails, {"ExitCode": 0}]) == 0


def test_what_crashes_again_and_again_is_given_up(docker: Path) -> None:
    crashed = [out(container("mariadb", "restarting", "", restarts=number, ExitCode=1)) for number in range(9)]
    error, shown = failed(docker, patience=60, inspect=crashed, logs=[{"out": "", "err": "Cannot allocate memory\n"}])
    assert error.service == "mariadb"
    assert "mariadb starts and ends again: exit code 1, 4 times." in shown
    assert "waiting for it: nginx" in shown
    assert "Likely: the memory" in shown


def test_of_one_that_runs_again_the_last_end_is_told(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's state of it says 0 by then."""
    monkeypatch.setattr(_engine, "last_exit", lambda container: 3)
    crashed = [out(container("mariadb", "running", "starting", restarts=number, ExitCode=0)) for number in range(9)]
    error, shown = failed(docker, patience=60, inspect=crashed, logs=[{"out": "", "err": "worn out\n"}])
    assert error.service == "mariadb"
    assert "mariadb starts and ends again: exit code 3, 4 times." in shown


def test_the_one_that_the_others_wait_for_is_told_of(docker: Path) -> None:
    error, _ = failed(
        docker, inspect=[out(container("nginx", health="unhealthy"), container("mariadb", health="unhealthy"))]
    )
    assert error.service == "mariadb"


TAKEN = {"out": "", "err": "Error: Bind for 0.0.0.0:443 failed: port is already allocated\n", "rc": 1}
WHO_HAS_IT = "ps --quiet --filter publish=443/tcp --filter publish=443/udp"


def test_a_taken_port_ends_it_at_once(docker: Path) -> None:
    taken: dict[str, Any] = {WHO_HAS_IT: [{"out": "another\n"}]}
    _, shown = failed(docker, **{"compose --ansi never up": [TAKEN]}, **taken)
    assert "Likely: another container holds the port 443" in shown
    assert asked(docker, "never up") == 1


class TestAPortThatDockerHoldsForNobody:
    """Its power failed while NGINX was started, and at its next start Docker knows two endpoints and one container."""

    @pytest.fixture
    def script(self, docker: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setattr(_ports.shutil, "which", lambda name: None)
        (docker / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{docker}/asked\n')
        (docker / "systemctl").chmod(0o755)
        held = {"compose --ansi never up": [TAKEN, {"out": ""}], WHO_HAS_IT: [{"out": ""}]}
        away = {"out": "", "err": "Cannot connect", "rc": 1}
        return {**held, "info --format": [{"out": "true\n"}], "version --format": [away, {"out": "26.1.5\n"}]}

    def test_docker_is_started_anew_and_all_is_well(self, docker: Path, script: dict[str, Any]) -> None:
        stack = started(docker, **script)
        assert asked(docker, "restart docker") == 1
        assert stack.warnings == [_ports.RETOLD.format(port="443")]

    def test_not_where_others_would_end_with_it(self, docker: Path, script: dict[str, Any]) -> None:
        _, shown = failed(docker, **{**script, "info --format": [{"out": "false\n"}]})
        assert asked(docker, "restart docker") == 0
        assert "if it names none, `systemctl restart docker`" in shown

    def test_once_is_enough(self, docker: Path, script: dict[str, Any]) -> None:
        failed(docker, **{**script, "compose --ansi never up": [TAKEN]})
        assert asked(docker, "restart docker") == 1

    def test_a_docker_that_does_not_come_back_is_told(
        self, docker: Path, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_ports, "ANSWER_SECONDS", -1.0)
        failed(docker, **{**script, "version --format": [{"out": "", "rc": 1}]})

    def test_on_alpine_too(self, docker: Path, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_ports.shutil, "which", lambda name: f"{docker}/systemctl")
        started(docker, **script)
        assert asked(docker, "docker restart") == 1

    @pytest.mark.parametrize(
        "words", ["address already in use", "Bind for 0.0.0.0:443 failed", "port is already allocated", ""]
    )
    def test_other_words_are_no_reason(self, docker: Path, script: dict[str, Any], words: str) -> None:
        failed(docker, **{**script, "compose --ansi never up": [{"out": "", "err": f"Error: {words}\n", "rc": 1}]})
        assert asked(docker, "restart docker") == 0


def test_a_build_that_fails_ends_it(docker: Path) -> None:
    error, shown = failed(
        docker, **{"image ls": [{"out": "mariadb:1\n"}], "progress plain build nginx": [{"out": BUILD, "rc": 17}]}
    )
    assert error.service == "nginx"
    assert "E: Unable to locate package ngnix" in shown
    assert asked(docker, "never up") == 0


def test_docker_that_is_gone_is_told_of(docker: Path) -> None:
    gone = {"out": "", "err": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n", "rc": 1}
    _, shown = failed(docker, **{"ps --all": [gone]}, **{"compose --ansi never up": [gone]})
    assert "Likely: Docker does not run" in shown


def test_it_ends_in_any_case(docker: Path) -> None:
    _, shown = failed(
        docker, patience=3600, timeout=0.3, inspect=[out(container("mariadb"), container("nginx", health="starting"))]
    )
    assert "nginx is still not well after 0 min (starting)" in shown


def test_the_proxy_of_the_machine_is_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the caller's, however that is written; without a word, the caller's stays."""
    callers = dict.fromkeys(("HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy"), "http://caller:1")
    monkeypatch.setattr(os, "environ", {**callers, "PATH": os.environ["PATH"]})
    monkeypatch.setattr(_stack_start, "PROXY", tmp_path / "proxy.json")
    _stack_start.settle_environment()
    assert os.environ["HTTP_PROXY"] == "http://caller:1"
    said = {"http_proxy": "http://10.0.0.1:3128", "https_proxy": "http://10.0.0.1:3128", "no_proxy": "localhost"}
    (tmp_path / "proxy.json").write_text(json.dumps(said))
    _stack_start.settle_environment()
    assert {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")} == said
    (tmp_path / "proxy.json").write_text("[half")
    _stack_start.settle_environment()
    assert os.environ["no_proxy"] == "localhost"
