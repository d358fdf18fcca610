# SPDX-License-Identifier: GPL-3.0-or-later
"""`make evaluate` on our own deployed stack, on the same stack broken while it runs, and on several projects at once.

pytest tests/evaluate --hosts=ansible://inception --ansible-inventory=INVENTORY
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.verify.support import ROOT, Secret, Settings, Stack, leaks, read_settings

# What no program decides on this machine: a container cannot be rebooted, and these four want a person or a sign-in.
NOT_HERE = {4, 55, 59, 60, 61}


@dataclass(frozen=True)
class Run:
    """What an evaluation printed and wrote."""

    code: int
    output: str
    seconds: float
    folder: Path

    def document(self, host: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / f"{host}.json").read_text(encoding="utf-8"))
        return read

    def found(self, host: str, *verdicts: str) -> set[int]:
        return {one["id"] for one in self.document(host)["results"] if one["verdict"] in verdicts}


Evaluate = Callable[..., Run]


@pytest.fixture(scope="module")
def settings(host: Any) -> Settings:
    return read_settings(host.ansible.get_variables(), None)


@pytest.fixture(scope="module")
def stack(host: Any, settings: Settings) -> Stack:
    """The history of a project is read by git, which whoever cloned it has."""
    found = Stack(host, settings)
    found.root("sh -c %s", "command -v git || apt-get install --quiet --yes git")
    return found


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> dict[str, Secret]:
    return stack.secrets()


@pytest.fixture
def evaluate(host: Any, settings: Settings, tmp_path: Path) -> Evaluate:
    """evaluate({name: variables}, *settings) evaluates so many projects of the one machine."""
    known = host.ansible.get_variables()
    kept = {key: value for key, value in known.items() if key.startswith("ansible_") and isinstance(value, str | int)}
    ssh = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o ConnectTimeout=5"
    own = {"evaluate_https_port": settings.forwarded_port, "ansible_ssh_common_args": ssh}

    def run(hosts: dict[str, dict[str, Any]], *arguments: str) -> Run:
        inventory, folder = tmp_path / "inventory.yml", tmp_path / f"reports-{len(list(tmp_path.iterdir()))}"
        listed = {name: {**kept, "inception_login": settings.login, **own, **more} for name, more in hosts.items()}
        inventory.write_text(yaml.safe_dump({"evaluated": {"hosts": listed}}), encoding="utf-8")
        command = ["ansible-playbook", "--inventory", str(inventory), "playbooks/evaluate.yml", "-vv"]
        start = time.monotonic()
        ended = subprocess.run(
            [*command, "-e", f"evaluate_report_dir={folder}", *arguments],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(ended.returncode, ended.stdout + ended.stderr, time.monotonic() - start, folder)

    return run


def test_our_own_stack_passes(evaluate: Evaluate, stack: Stack, secrets: dict[str, Secret]) -> None:
    """From the clean-out to another port: nothing fails, nothing is doubtful, and little is left to decide."""
    stack.wait_healthy()
    run = evaluate({"wil": {}}, "-e", '{"evaluate_depth": "runtime", "evaluate_clean_out": true}')
    outcome = run.document("wil")["outcome"]
    wrong = [one for one in run.document("wil")["results"] if one["verdict"] in ("fail", "warning")]
    assert wrong == [], run.output[-3000:]
    assert set(outcome["undetermined"]) <= NOT_HERE
    assert run.code == 0
    print(f"\n{outcome['decided']} of {outcome['total']} items decided in {run.seconds:.0f} s")
    print(f"undetermined: {outcome['undetermined']}")
    pictures = {shot["item"] for shot in run.document("wil")["screenshots"]}
    assert {41, 47, 48, 49} <= pictures
    written = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    assert leaks(secrets, {**written, "the output": run.output.encode()}) == []
    bill = json.loads(written["wil.cdx.json"])
    assert {"nginx", "wordpress", "mariadb", "redis"} < {one["name"] for one in bill["components"]}
    assert all(len(one["components"]) > 50 for one in bill["components"])


BREAKS = [
    (
        "another program on port 80",
        "systemd-run --unit=evaluated python3 -m http.server 80",
        "systemctl stop evaluated",
        {30, 40},
    ),
    ("a service that is down", "docker stop inception-mariadb-1", "docker start inception-mariadb-1", {35, 52}),
    ("a crash", "kill -KILL $(docker inspect --format '{{.State.Pid}}' inception-redis-1) && sleep 5", "", {35}),
]


@pytest.mark.parametrize(("broken", "mended", "items"), [entry[1:] for entry in BREAKS], ids=[e[0] for e in BREAKS])
def test_what_is_broken_while_it_runs_is_found(
    host: Any, stack: Stack, settings: Settings, broken: str, mended: str, items: set[int]
) -> None:
    """Each by its items, and by no other."""
    stack.login("make")
    stack.wait_healthy()
    wanted = {"step": "look", "login": settings.login, "domain": settings.domain, "project": settings.project}
    kinds = {name: name for name in ("nginx", "wordpress", "mariadb", "redis", "ftp", "static", "adminer")}
    wanted["services"] = json.dumps(kinds)
    stack.root("sh -c %s", broken)
    try:
        # A value is quoted, never its name: Ansible knows no quotes before the sign.
        arguments = " ".join(f"{name}={shlex.quote(value)}" for name, value in wanted.items())
        told = host.ansible("fortytwo.inception.evaluate_stack", arguments)
    finally:
        if mended:
            stack.root("sh -c %s", mended)
    # Ansible 2.19 writes no `failed` to where testinfra reads it.
    assert "results" in told, told
    assert {one["id"] for one in told["results"] if one["verdict"] == "fail"} == items


# A way in which people break a copy of the project, and the item that finds it.
HOSTED = r"s/^services:/services:\n  more:\n    image: more:1\n    network_mode: host/"
COPIES: dict[str, tuple[str, set[int]]] = {
    "sound": ("true", set()),
    "endless": ("echo 'tail -f /dev/null' >> srcs/requirements/nginx/tools/entrypoint.sh", {15}),
    "hosted": (f"sed -i '{HOSTED}' srcs/docker-compose.yml", {9}),
    "newest": ("sed -i 's/^FROM .*/FROM debian:trixie/' srcs/requirements/mariadb/Dockerfile", {13, 33}),
    "undocumented": ("rm README.md", {21}),
}


def test_five_projects_and_a_machine_that_is_gone(evaluate: Evaluate, stack: Stack, settings: Settings) -> None:
    """Each has its own verdict; what is wrong with one, or cannot be reached, is nothing to the others."""
    hosts: dict[str, dict[str, Any]] = {}
    for name, (change, _) in COPIES.items():
        folder = f"/home/{settings.login}/{name}"
        stack.login(f"rm -rf {folder} && cp -r . {folder} && rm -rf {folder}/secrets && cd {folder} && {change}")
        hosts[name] = {"evaluate_project": folder}
    one = evaluate({"sound": hosts["sound"]})
    assert one.code == 0, one.output[-3000:]
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    run = evaluate({**hosts, "gone": gone})
    assert run.code != 0
    for name, (_, items) in COPIES.items():
        assert items <= run.found(name, "fail"), name
    assert run.found("sound", "fail") == set()
    assert run.document("gone")["outcome"]["status"] == "error"
    assert "cannot be reached" in run.document("gone")["error"]
    assert (run.folder / "index.html").read_text(encoding="utf-8").count('<li class="') == 6
    print(f"\nread depth: one project {one.seconds:.1f} s, five and one that is gone {run.seconds:.1f} s")


def test_a_folder_is_put_there(evaluate: Evaluate, stack: Stack, settings: Settings, tmp_path: Path) -> None:
    """From the control node; and never over one that is not empty."""
    source, folder = tmp_path / "source", f"/home/{settings.login}/put"
    (source / "srcs").mkdir(parents=True)
    (source / "Makefile").write_text("all:\n", encoding="utf-8")
    (source / "outside").symlink_to("/etc/shadow")
    stack.login(f"rm -rf {folder}")
    given = {"evaluate_source": str(source), "evaluate_project": folder}
    run = evaluate({"put": given})
    assert 6 in run.found("put", "pass", "fail", "warning")
    assert stack.login(f"ls -A {folder}").split() == ["Makefile", "outside", "srcs"]
    assert stack.login(f"readlink {folder}/outside").strip() == "/etc/shadow"
    assert stack.login(f"stat -c %U {folder}/Makefile").strip() == settings.login
    again = evaluate({"put": given})
    assert "is not empty" in again.document("put")["error"]


def test_nothing_is_put_through_a_link(
    evaluate: Evaluate, stack: Stack, settings: Settings, host: Any, tmp_path: Path
) -> None:
    """Root unpacked a stranger's files into any empty folder that the login had led it to, and gave that away."""
    source, elsewhere, folder = tmp_path / "source", "/root/elsewhere", f"/home/{settings.login}/linked"
    source.mkdir()
    (source / "Makefile").write_text("all:\n", encoding="utf-8")
    host.check_output(f"rm -rf {elsewhere} && mkdir -m 700 {elsewhere}")
    stack.login(f"rm -rf {folder} && ln -s {elsewhere} {folder}")
    for project in (folder, f"{folder}/project"):
        run = evaluate({"linked": {"evaluate_source": str(source), "evaluate_project": project}})
        assert "is a symbolic link" in run.document("linked")["error"], run.output[-3000:]
        assert host.check_output(f"ls -A {elsewhere}; stat -c %U {elsewhere}") == "root"


def test_a_repository_is_cloned(evaluate: Evaluate, stack: Stack, settings: Settings, host: Any) -> None:
    """From a URL, which makes item 4 a pass; it belongs to the login then."""
    repository, folder = "/root/repository", f"/home/{settings.login}/cloned"
    stack.login(f"rm -rf {folder}")
    host.check_output("command -v git || { apt-get -qq update && apt-get -qq install git; }")
    host.check_output(
        f"rm -rf {repository} && git init --quiet {repository} && cd {repository} && touch Makefile && git add . "
        "&& git -c user.name=wil -c user.email=wil@example.org commit --quiet --message=first"
    )
    run = evaluate({"cloned": {"evaluate_source": f"file://{repository}", "evaluate_project": folder}})
    assert 4 in run.found("cloned", "pass"), run.output[-3000:]
    assert stack.login(f"ls -A {folder}").split() == [".git", "Makefile"]
    assert stack.login(f"stat -c %U {folder} {folder}/Makefile").split() == [settings.login] * 2
    # The login may work in it.
    assert stack.login(f"git -C {folder} log --format=%s").strip() == "first"
