# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its tarball installs it, called from an empty folder, by somebody with a home of their own.

pytest tests/installed --hosts=ansible://inception --ansible-inventory=INVENTORY, on a fresh machine; each test goes on
where the one before ended.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class User:
    """Somebody who has installed the collection."""

    home: Path
    folder: Path
    inventory: Path

    @property
    def collection(self) -> Path:
        return self.home / ".ansible/collections/ansible_collections/fortytwo/inception"

    def call(self, *command: str, fails: bool = False) -> str:
        """What a command prints, from the empty folder, with nothing in the environment that Ansible listens to."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            # The home is not the account's, as in an execution environment.
            env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.home), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def playbook(self, name: str, *arguments: str, fails: bool = False) -> str:
        return self.call("ansible-playbook", "-i", str(self.inventory), name, *arguments, fails=fails)


def digests(folder: Path) -> dict[str, str]:
    """Of all files but what Python itself keeps of the plugins that it has read."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changed(output: str) -> list[int]:
    return [int(number) for number in re.findall(r"changed=(\d+)", output)]


@pytest.fixture(scope="module")
def user(host: Any) -> Iterator[User]:
    # A short path: below it are sockets. With a space, since somebody has one.
    place = Path(tempfile.mkdtemp(prefix="installed "))
    try:
        yield install(place, host.ansible.get_variables())
    finally:
        shutil.rmtree(place)


def install(place: Path, known: dict[str, Any]) -> User:
    found = User(place / "home", place / "empty", place / "my hosts.yml")
    for folder in (found.home, found.folder):
        folder.mkdir()
    way = {
        name: known[name] for name in ("ansible_host", "ansible_port", "ansible_user", "ansible_ssh_private_key_file")
    }
    trust = f"-o StrictHostKeyChecking=accept-new -o 'UserKnownHostsFile=\"{place}/known_hosts\"'"
    own = {"ansible_ssh_common_args": trust, "inception_login": known["inception_login"]}
    found.inventory.write_text(yaml.safe_dump({"inception": {"hosts": {"wil": {**way, **own}}}}), encoding="utf-8")
    found.call("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(place))
    [tarball] = place.glob("*.tar.gz")
    # What it depends on came with the package ansible; --force, since the virtual environment knows this checkout too.
    found.call("ansible-galaxy", "collection", "install", "--offline", "--force", str(tarball))
    return found


@pytest.fixture(scope="module")
def installed(user: User) -> dict[str, str]:
    """The collection's files as they were before anything was called."""
    return digests(user.collection)


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("docker", "has no user wil, who is to use Docker: the role fortytwo.inception.host comes before"),
        (
            "base_image",
            "has no Docker engine that runs: the roles fortytwo.inception.host and fortytwo.inception.docker",
        ),
        ("stack", "nothing is known of a base image: the roles fortytwo.inception.host, fortytwo.inception.docker and"),
    ],
)
def test_a_role_alone_names_those_before_it(user: User, installed: dict[str, str], role: str, told: str) -> None:
    """Without facts, before anything was changed."""
    output = user.playbook(str(alone(user, role)), fails=True)
    assert told in " ".join(output.split())
    assert output.count("[ERROR]") == 1
    assert changed(output) == [0]


def test_the_role_host_works_alone(user: User) -> None:
    assert changed(user.playbook(str(alone(user, "host")))) != [0]
    assert changed(user.playbook(str(alone(user, "host")))) == [0]


def alone(user: User, role: str) -> Path:
    """A playbook that calls a role as a stranger would."""
    called = {"ansible.builtin.include_role": {"name": f"fortytwo.inception.{role}"}}
    play = {"hosts": "inception", "become": True, "gather_facts": False, "tasks": [called]}
    playbook = user.inventory.parent / f"{role}.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    return playbook


def test_the_second_deployment_changes_nothing(user: User) -> None:
    first = user.playbook("fortytwo.inception.deploy")
    assert changed(first) != [0]
    # Whoever has no Makefile is told of none.
    assert f"ansible-playbook fortytwo.inception.ssh -i '{user.inventory}'" in first
    assert not re.search(r"(?<!-C inception )\bmake (credentials|ssh|deploy|rotate)", first)
    assert changed(user.playbook("fortytwo.inception.deploy")) == [0]


def test_the_login_is_reached_by_the_script(user: User) -> None:
    user.playbook("fortytwo.inception.ssh")
    script = user.home / ".local/state/fortytwo.inception/ssh/wil.sh"
    assert user.call("sh", str(script), "id", "-un").split() == ["wil"]


def test_status_is_shown_line_by_line(user: User) -> None:
    assert re.search(
        r'^\s+"inception-mariadb-1 .*\(healthy\)', user.playbook("fortytwo.inception.status"), re.MULTILINE
    )


def test_results_are_where_they_were_called_for(user: User) -> None:
    user.playbook("fortytwo.inception.export")
    assert (user.folder / "export/wil/srcs/docker-compose.yml").is_file()
    user.playbook("fortytwo.inception.evaluate")
    assert (user.folder / "reports/index.html").is_file()
    user.playbook("fortytwo.inception.host", "-e", "host_login=zoe")
    assert (user.folder / "evaluated/group_vars/vms.yml").is_file()
    assert {path.name for path in user.folder.iterdir()} == {"export", "reports", "evaluated"}


def test_the_secrets_are_rotated_and_the_stack_is_removed(user: User, host: Any) -> None:
    assert "fortytwo.inception.ssh" in user.playbook("fortytwo.inception.rotate", "-e", "rotate_secrets=wp_salt")
    refused = user.playbook("fortytwo.inception.remove", fails=True)
    assert "ansible-playbook fortytwo.inception.remove" in refused
    assert "-e inception_yes=true" in refused
    user.playbook("fortytwo.inception.remove", "-e", "inception_yes=true")
    assert not host.file("/home/wil/inception").exists


def test_nothing_was_written_into_the_collection(user: User, installed: dict[str, str]) -> None:
    assert len(installed) > 200
    assert digests(user.collection) == installed
