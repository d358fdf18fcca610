# SPDX-License-Identifier: GPL-3.0-or-later
"""The module service_secrets, with a stand-in for docker."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _containers
from ansible_collections.fortytwo.inception.plugins.modules import service_secrets

HARD = 'it\'s 4 "big" $HOME \\ `secret` #1 100%'
DOCKER = """\
#!/bin/sh
echo "$@" >>"$0.called"
case $1 in
    ps) cat "$0.ids" ;;
    inspect) cat "$0.json"; [ ! -e "$0.gone" ] || exit 1 ;;
    exec) exec sh "$0.accept" "$3" ;;
esac
"""
SERVICES = {"db": ["root", "user"], "site": ["user"]}


class Machine:
    """A folder of secrets and a docker."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        self.secrets.mkdir(mode=0o700)
        self.docker = folder / "bin" / "docker"
        self.docker.parent.mkdir()
        self.docker.write_text(DOCKER)
        self.docker.chmod(0o755)
        self.accept('cat >>"$0.$1"')
        self.containers(("db-1", "db", 1, True), ("site-1", "site", 1, True))
        self.put("root.txt", "old-root")
        self.put("user.txt", HARD)

    def put(self, name: str, value: str) -> None:
        (self.secrets / name).write_text(value)
        (self.secrets / name).chmod(0o400)

    def accept(self, script: str) -> None:
        """What the command does, with the name of the container in $1."""
        Path(f"{self.docker}.accept").write_text(f"{script}\n")

    def containers(self, *some: tuple[str, str, int, bool], env: dict[str, list[str]] | None = None) -> None:
        told = [
            {
                "Name": f"/{name}",
                "State": {"Running": running},
                "Config": {
                    "Labels": {
                        "com.docker.compose.service": service,
                        "com.docker.compose.container-number": str(number),
                        "com.docker.compose.oneoff": str("-run-" in name),
                    },
                    "Env": (env or {}).get(name),
                },
            }
            for name, service, number, running in some
        ]
        Path(f"{self.docker}.json").write_text(json.dumps(told))
        Path(f"{self.docker}.ids").write_text("".join(f"{name}\n" for name, *_ in some))

    def told(self, container: str) -> str:
        path = Path(f"{self.docker}.accept.{container}")
        return path.read_text() if path.exists() else ""

    def called(self) -> str:
        return Path(f"{self.docker}.called").read_text()

    def options(self, state: str, *secrets: str, **more: Any) -> dict[str, Any]:
        given = {"path": str(self.secrets), "state": state, "services": SERVICES, "secrets": list(secrets)}
        return {**given, **more}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    tmp_path.chmod(0o755)
    found = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{found.docker.parent}:{os.environ['PATH']}")
    return found


@pytest.mark.parametrize(
    ("files", "state", "lines"),
    [
        ({}, "both", ["accept root old-root", f"accept user {HARD}"]),
        ({"user.txt.next": "new"}, "both", ["accept root old-root", f"accept user {HARD}", "accept user new"]),
        ({"user.txt.previous": "older"}, "both", ["accept user older", "accept root old-root", f"accept user {HARD}"]),
        ({"user.txt.next": "new"}, "aborted", ["accept root old-root", f"accept user {HARD}", "refuse user new"]),
        (
            {"user.txt.previous": "older"},
            "aborted",
            ["accept user older", "accept root old-root", f"accept user {HARD}"],
        ),
        (
            {"user.txt.previous": "older"},
            "finalized",
            ["accept root old-root", f"accept user {HARD}", "refuse user older"],
        ),
        ({}, "finalized", ["accept root old-root", f"accept user {HARD}"]),
        # Of a secret that is not turned, only the current value is told.
        ({"root.txt.next": "new"}, "both", ["accept root old-root", f"accept user {HARD}"]),
    ],
)
def test_what_a_service_is_told(
    run_module: Any, machine: Machine, files: dict[str, str], state: str, lines: list[str]
) -> None:
    for name, value in files.items():
        machine.put(name, value)
    result = run_module(service_secrets, machine.options(state, "user"))
    assert machine.told("db-1").splitlines() == lines
    assert machine.told("site-1").splitlines() == [line for line in lines if " user " in line]
    assert (result["changed"], result["told"], result["said"]) == (False, ["db", "site"], {})
    assert not [value for value in ("old-root", HARD, "older") if value in machine.called() + json.dumps(result)]


def test_a_promotion_that_was_killed_between_its_steps(run_module: Any, machine: Machine) -> None:
    """The previous file is the current one still, under a second name."""
    machine.put("user.txt.next", "new")
    (machine.secrets / "user.txt.previous").hardlink_to(machine.secrets / "user.txt")
    run_module(service_secrets, machine.options("both", "user"))
    assert machine.told("site-1").splitlines() == [f"accept user {HARD}", "accept user new"]


def test_only_who_learns_a_secret_is_told(run_module: Any, machine: Machine) -> None:
    assert run_module(service_secrets, machine.options("both", "root"))["told"] == ["db"]
    assert machine.told("site-1") == ""
    assert run_module(service_secrets, machine.options("both", "none"))["told"] == []


def test_what_a_service_says(run_module: Any, machine: Machine) -> None:
    machine.accept("cat >/dev/null; echo changed; echo twice")
    result = run_module(service_secrets, machine.options("both", "root"))
    assert (result["changed"], result["said"]) == (True, {"db": ["changed", "twice"]})


def test_the_first_one_that_runs_is_told(run_module: Any, machine: Machine) -> None:
    # One that somebody runs beside it (docker compose run) is not the service.
    machine.containers(
        ("db-3", "db", 3, True), ("db-1", "db", 1, False), ("db-2", "db", 2, True), ("db-run-0a1b", "db", 1, True)
    )
    Path(f"{machine.docker}.gone").touch()
    run_module(service_secrets, machine.options("both", "root"))
    assert machine.told("db-2") != ""
    assert machine.told("db-1") + machine.told("db-3") + machine.told("db-run-0a1b") == ""


def test_check_mode(run_module: Any, machine: Machine) -> None:
    assert run_module(service_secrets, machine.options("both", "user"), check=True)["told"] == ["db", "site"]
    assert machine.told("db-1") == ""


def test_a_failure_is_told_without_a_value(run_module: Any, module_failed: Any, machine: Machine) -> None:
    machine.put("user.txt.next", "new-value")
    machine.accept("cat >&2; exit 3")
    with pytest.raises(module_failed) as failure:
        run_module(service_secrets, machine.options("both", "user"))
    assert failure.value.msg.splitlines()[0] == "db: accept root <secret>"
    assert failure.value.result["told"] == ["db"]
    said = json.dumps(failure.value.result)
    assert not [value for value in ("old-root", "$HOME", "new-value") if value in said]


NO_BEGINNING = "OCI runtime exec failed: exec failed: unable to start container process: "
LOST = f"{NO_BEGINNING}waiting for init preliminary setup: read init-p: connection reset by peer: unknown"


def test_a_command_that_never_began_is_begun_again(
    run_module: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_containers, "PAUSE", 0)
    machine.accept(f'[ -e "$0.lost" ] || {{ touch "$0.lost"; echo "{LOST}"; exit 126; }}; cat >>"$0.$1"')
    assert run_module(service_secrets, machine.options("finalized", "user"))["told"] == ["db", "site"]
    assert machine.told("db-1") == f"accept root old-root\naccept user {HARD}\n"
    assert machine.called().count("exec --interactive db-1") == 2
    assert machine.called().count("exec --interactive site-1") == 1


def test_a_command_that_never_begins(
    run_module: Any, module_failed: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_containers, "PAUSE", 0)
    machine.accept(f'echo "{LOST}"; exit 126')
    with pytest.raises(module_failed, match=r"^db: OCI runtime exec failed"):
        run_module(service_secrets, machine.options("finalized", "user"))
    assert machine.called().count("exec --interactive") == _containers.BEGINNINGS


@pytest.mark.parametrize(
    ("code", "said", "never"),
    [
        (126, LOST, True),
        (128, f"{NO_BEGINNING}error executing setns process: exit status 1: unknown", True),
        # Answers: what is not there, or may not be run, and what a program that ran says itself.
        (126, f'{NO_BEGINNING}exec: "accept": permission denied: unknown', False),
        (127, f'{NO_BEGINNING}exec: "accept": executable file not found in $PATH: unknown', False),
        (126, "sh: accept: Permission denied", False),
        (1, LOST, False),
        (0, LOST, False),
        (None, "", False),
    ],
)
def test_what_never_began(code: int | None, said: str, never: bool) -> None:
    assert _containers.never_began(code, said) is never


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (lambda m: m.accept("cat >/dev/null; exit 3"), "db: its command accept ended with 3"),
        (lambda m: m.accept("cat >/dev/null; echo no; exit 3"), "db: no"),
        (lambda m: m.accept("exec sleep 30"), "db: it did not answer within 1 s"),
        (lambda m: m.containers(("site-1", "site", 1, True)), "db does not run"),
        (lambda m: m.containers(), "db does not run"),
        (lambda m: (m.secrets / "root.txt").unlink(), "secrets: 'root' has no value"),
        (lambda m: m.put("root.txt", ""), "root.txt is empty"),
        (lambda m: m.put("root.txt", "with a newline\n"), "ends with a newline"),
        (
            lambda m: ((m.secrets / "root.txt").unlink(), (m.secrets / "root.txt").symlink_to("/etc/passwd")),
            "symbolic link",
        ),
        (lambda m: m.secrets.chmod(0o777), "others than its owner can replace"),
        (lambda m: m.secrets.rename(m.secrets.parent / "away"), "does not exist"),
    ],
)
def test_problems(run_module: Any, module_failed: Any, machine: Machine, arrange: Any, said: str) -> None:
    (machine.secrets / "root.txt").chmod(0o600)
    arrange(machine)
    with pytest.raises(module_failed) as failure:
        run_module(service_secrets, machine.options("both", "user", timeout=1))
    assert said in failure.value.msg
    assert machine.told("site-1") == ""


@pytest.fixture
def swarm(machine: Machine) -> Machine:
    """Its containers have their image's labels too, and Swarm's own say whose they are."""
    machine.containers(("site.2.abc", "site", 1, True))
    path = Path(f"{machine.docker}.json")
    told = json.loads(path.read_text())
    told[0]["Config"]["Labels"] = {
        "com.docker.compose.service": "another",
        "com.docker.stack.namespace": "inception",
        "com.docker.swarm.service.name": "inception_site",
    }
    path.write_text(json.dumps(told))
    # What the container runs: its own secrets and its own command.
    inside = machine.docker.parent / "inside"
    inside.mkdir()
    for name, value in (("user", HARD), ("salt", "one\ntwo\n")):
        (inside / name).write_text(value)
    accept = machine.docker.parent / "accept"
    accept.write_text(
        f'#!/bin/sh\ncat >"{machine.docker}.accept.site.2.abc"\n[ ! -e "{inside}/says" ] || cat "{inside}/user"\n'
    )
    accept.chmod(0o755)
    script = DOCKER.replace(
        'exec sh "$0.accept" "$3"',
        f'shift 4; script=$(echo "$1" | sed "s,/run/secrets,{inside},g"); shift; exec sh -c "$script" "$@"',
    )
    machine.docker.write_text(script)
    return machine


IN_A_SWARM: dict[str, Any] = {"swarm": True, "path": None, "services": {"site": ["user", "salt"]}}


def test_of_a_swarm_the_one_that_is_here_takes_what_it_has(run_module: Any, swarm: Machine) -> None:
    """It may be on any node, and the files are on one: no value comes to it, or leaves it."""
    result = run_module(service_secrets, swarm.options("finalized", "user", **IN_A_SWARM))
    assert swarm.told("site.2.abc").splitlines() == [f"accept user {HARD}", "accept salt one", "accept salt two"]
    assert (result["changed"], result["told"], result["said"]) == (False, ["site"], {})
    assert "label=com.docker.stack.namespace=inception" in swarm.called()
    assert "compose" not in swarm.called()
    assert HARD not in swarm.called()


def test_of_a_swarm_nothing_is_shown_of_what_it_says(run_module: Any, swarm: Machine) -> None:
    (swarm.docker.parent / "inside/says").touch()
    result = run_module(service_secrets, swarm.options("finalized", "user", **IN_A_SWARM))
    assert result["changed"]
    assert result["said"] == {"site": ["site took them into use."]}


def test_of_a_swarm_a_secret_that_it_has_not_is_none(run_module: Any, module_failed: Any, swarm: Machine) -> None:
    (swarm.docker.parent / "inside/salt").unlink()
    with pytest.raises(module_failed, match="site: its command accept ended with 1"):
        run_module(service_secrets, swarm.options("finalized", "user", **IN_A_SWARM))
    assert swarm.told("site.2.abc") == ""


def test_of_a_swarm_who_is_not_here_is_said(run_module: Any, module_failed: Any, swarm: Machine) -> None:
    Path(f"{swarm.docker}.ids").write_text("")
    with pytest.raises(module_failed, match="site does not run"):
        run_module(service_secrets, swarm.options("finalized", "user", **IN_A_SWARM))
