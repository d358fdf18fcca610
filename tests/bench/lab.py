# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the benchmark, as Ansible reaches them: those of scenario `fleet`, or one that a user names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import testinfra

from tests.verify.support import ROOT, Site, Stack, read_settings

# Bounds a command that hangs, and nothing else.
TIMEOUT = 3600


class Failed(Exception):
    """A part of the benchmark could not be done."""


def setting(name: str, default: int) -> int:
    """A number of the environment."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or int(value) == 0:
        sys.exit(f"{name} is {value!r}, and has to be a whole number from 1 on, for example {name}={default}")
    return int(value)


def run(*command: str, environment: dict[str, str] | None = None, show: bool = False) -> str:
    """The output of a command; with `show`, people see it at once too. One that fails says what it said."""
    said = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                said.append(line)
                if show:
                    print(line, end="", flush=True)
            status = process.wait(TIMEOUT)
        except BaseException:
            process.terminate()
            process.wait(TIMEOUT)
            raise
    output = "".join(said)
    if status != 0:
        raise Failed(f"{' '.join(command)} ended with {status}:\n{output[-5000:]}")
    return output


@dataclass(frozen=True)
class Lab:
    """An inventory and the hosts in it that are measured; the first one is where the site is."""

    inventory: Path
    hosts: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    # People see what it says while it runs.
    def playbook(self, path: Path | str, *arguments: str, hosts: tuple[str, ...] = ()) -> str:
        return run(
            "ansible-playbook", "--inventory", str(self.inventory), "--limit", ",".join(hosts or self.hosts[:1]),
            str(path), *arguments, environment=self.environment, show=True,
        )  # fmt: skip

    def deploy(self, *hosts: str) -> str:
        return self.playbook("playbooks/deploy.yml", hosts=hosts)

    def using(self, collections: Path) -> Lab:
        """The same machines, deployed to by the collection that is in another folder."""
        return replace(self, environment={**self.environment, "ANSIBLE_COLLECTIONS_PATH": str(collections)})

    def visit(self, port: str | None, ca: Path) -> tuple[Stack, Site]:
        """The stack of the first machine, and a stranger who comes through its forwarded port."""
        # testinfra reads Ansible's configuration as Ansible does.
        os.environ.update(self.environment)
        host = testinfra.get_host(f"ansible://{self.hosts[0]}?ansible_inventory={self.inventory.resolve()}")
        stack = Stack(host, read_settings(host.ansible.get_variables(), port))
        ca.write_text(stack.root("cat %s/secrets/ca.crt", stack.settings.project), encoding="utf-8")
        return stack, Site(stack.settings, ca)

    def rest(self) -> None:
        """All but the first machine stop their containers: what is measured next has the processors for itself."""
        if len(self.hosts) > 1:
            run(
                "ansible", ":".join(self.hosts[1:]), "--inventory", str(self.inventory), "--module-name", "command",
                "--args", "systemctl stop docker.socket docker.service", environment=self.environment,
            )  # fmt: skip


def wordpress_org(folder: Path, playbook: str) -> None:
    """The stand-in for wordpress.org of scenario archive: served to the machines (mirror), or taken away."""
    variables = f"--extra-vars=molecule_ephemeral_directory={folder}"
    environment = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
    run(
        "ansible-playbook", "--inventory", str(folder / "inventory"), f"molecule/archive/{playbook}.yml",
        variables, environment=environment,
    )  # fmt: skip


@contextmanager
def fleet(*, stand_in: bool = False) -> Generator[Lab, None, None]:
    """Eight fresh system containers, gone in the end."""
    folder = ephemeral("fleet")
    try:
        run("molecule", "destroy", "--scenario-name", "fleet")
        run("molecule", "create", "--scenario-name", "fleet")
        if stand_in:
            wordpress_org(folder, "mirror")
        yield Lab(
            folder / "inventory",
            ("one", "two", "three", "four", "five", "six", "seven", "eight"),
            {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)},
        )
    finally:
        if stand_in:
            wordpress_org(folder, "mirror_gone")
        run("molecule", "destroy", "--scenario-name", "fleet")


def changed(recap: str) -> int:
    """The sum of changed= in a recap."""
    return sum(map(int, re.findall(r"changed=(\d+)", recap)))


_EPHEMERAL = """
import sys
from molecule.config import Config
print(Config(sys.argv[1]).scenario.ephemeral_directory)
"""


def ephemeral(scenario: str) -> Path:
    """The scenario's own folder, where molecule writes its inventory and its configuration."""
    output = run(sys.executable, "-c", _EPHEMERAL, str(ROOT / f"molecule/{scenario}/molecule.yml"))
    return Path(output.strip().splitlines()[-1])
