# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of scenario fleet, and deployments to them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests.verify.support import ROOT

PATIENCE = 1800


@dataclass(frozen=True)
class Run:
    """What became of a playbook."""

    status: int
    output: str

    def told(self) -> list[str]:
        """What is said of the failure and after it, up to the recap and behind that: without the tasks' own lines."""
        failure = self.output[re.search(r"^(?:failed|unreachable): ", self.output, re.MULTILINE).start() :]  # type: ignore[union-attr]
        return [line for line in failure.splitlines() if line.strip()]

    def table(self) -> dict[str, tuple[str, str]]:
        """Of each host the version that it runs, and what became of it."""
        lines = self.output.split("What runs where", 1)[1].splitlines()[1:]
        found: dict[str, tuple[str, str]] = {}
        for line in lines:
            if row := re.fullmatch(r"  (\S+) +(deployed|not well|failed|unreachable|not begun) +\d+: (.*)", line):
                found |= dict.fromkeys(row[3].split(), (row[1], row[2]))
        return found


@dataclass(frozen=True)
class Fleet:
    """The inventory of the scenario, and a folder for what the tests add to it."""

    inventory: Path
    folder: Path

    def machine(self, name: str) -> Any:
        return testinfra.get_host(f"ansible://{name}?ansible_inventory={self.inventory}")

    def root(self, name: str, command: str) -> str:
        done = self.machine(name).run(command)
        assert done.rc == 0, f"{name}: {command}: {done.stderr}"
        return str(done.stdout)

    def state(self, name: str) -> tuple[str, ...]:
        """All that a deployment would change: containers, history, the project's files with their times."""
        return (
            self.root(name, "docker ps --all --no-trunc --format '{{.ID}} {{.Image}} {{.Names}}' | sort"),
            self.root(name, "cat /var/lib/fortytwo.inception/history/history.json"),
            self.root(name, "find /home/wil/inception -type f -printf '%p %s %T@\\n' | sort"),
        )

    def serves(self, name: str) -> bool:
        ports = self.machine(name).ansible.get_variables()["machine_published_ports"]
        port = next(one.split(":")[1] for one in ports if one.endswith(":443"))
        argv = ("curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}")
        way = ("--resolve", f"wil.42.fr:{port}:127.0.0.1", f"https://wil.42.fr:{port}/")
        return subprocess.run([*argv, *way], capture_output=True, text=True, check=False, timeout=60).stdout == "200"

    def add(self, name: str, content: Mapping[str, Any]) -> Path:
        """One more inventory, whose variables come after those of the scenario."""
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def deploy(
        self, *arguments: str, inventories: tuple[Path, ...] = (), playbook: str = "playbooks/deploy.yml"
    ) -> Run:
        """As a user calls it, with the repository's own configuration."""
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *(f"--inventory={path}" for path in inventories or (self.inventory,)),
                playbook,
                f"--extra-vars=base_image_cache_dir={Path('~/.cache/fortytwo.inception').expanduser()}",
                *arguments,
            ],
            cwd=ROOT,
            env=os.environ
            | {
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_HOST_KEY_CHECKING": "false",
                "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o PreferredAuthentications=publickey "
                "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
                "INCEPTION_FAILURES_DIR": str(self.folder / "results"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        (self.folder / "last.log").write_text(done.stdout + done.stderr)
        return Run(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    return Fleet(inventory, tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="session")
def bad(fleet: Fleet) -> dict[str, Any]:
    """A service that brings NGINX a route which NGINX does not take: its trial finds it, after the image was built."""
    for name, text in {
        "service.yml": "about: a service of the tests\ncontributes_to: {nginx: {env: {BAD: 1}}}\n",
        "contributes_to/nginx/conf/routes/bad.conf": "location /bad { nonsense on; }\n",
    }.items():
        path = fleet.folder / "services/bad" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"inception_service_dirs": [str(fleet.folder / "services")], "inception_bonus_services": ["bad"]}
