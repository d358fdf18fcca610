# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the scenario's machine: each past gets one of its own, and it goes with the test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PATTERN = os.environ.get("INCEPTION_PAST_MACHINE", "inception-past")
KEY = os.environ.get("INCEPTION_PAST_KEY", "")
WITH_DOCKER = f"{PATTERN}:docker"
# For people who look at the output, not for the verdict.
BOOT_PATIENCE = 120
FINGERPRINT = (Path(__file__).parent / "fingerprint.sh").read_text()
LISTED = re.compile(r"changed=(\d+)")


def run(*command: str, text: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Outcome:
    """What a playbook said."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return sum(int(number) for number in LISTED.findall(self.output))

    @property
    def failure(self) -> list[str]:
        """The lines from the failure on."""
        lines = self.output.splitlines()
        first = next((at for at, line in enumerate(lines) if re.search(r"FAILED|failed:|fatal:|UNREACHABLE", line)), 0)
        return lines[first:]


@dataclass(frozen=True)
class Machine:
    """A system container that is reached by ssh, as a server is."""

    name: str
    address: str
    folder: Path

    def shell(self, script: str, check: bool = True) -> str:
        # A session of its own: what is started in it goes on. Its docker is the machine's, whatever a past tells it.
        engine = "DOCKER_HOST=unix:///run/docker.sock"
        return run(
            "docker",
            "exec",
            "-i",
            "--env",
            engine,
            self.name,
            "bash",
            "-euo",
            "pipefail",
            "-s",
            text=script,
            check=check,
        )

    def fingerprint(self) -> str:
        return self.shell(FINGERPRINT)

    def playbook(self, name: str, settings: dict[str, Any] | None = None) -> Outcome:
        """As somebody calls it who has an inventory and our ansible.cfg."""
        inventory = self.folder / "hosts.yml"
        host = {
            "ansible_host": self.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": KEY,
            "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR",
            "ansible_python_interpreter": "/usr/bin/python3",
            "inception_login": "wil",
            "stack_ca_destination": str(self.folder / "ca.crt"),
            **(settings or {}),
        }
        inventory.write_text(yaml.safe_dump({"inception": {"hosts": {"wil": host}}}))
        collections = self.folder / "collections/ansible_collections/fortytwo"
        collections.mkdir(parents=True, exist_ok=True)
        if not (collections / "inception").exists():
            (collections / "inception").symlink_to(ROOT)
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
            "INCEPTION_FAILURES_DIR": str(self.folder / "failures"),
        }
        for name_of in [one for one in environment if one.startswith(("ANSIBLE_STDOUT", "ANSIBLE_CALLBACK"))]:
            del environment[name_of]
        python = str(ROOT / ".venv/bin/python")
        command = [python, "-P", "-m", "ansible", "playbook", "-i", str(inventory), f"playbooks/{name}.yml"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        return Outcome(done.returncode, done.stdout + done.stderr)


def options_of(pattern: dict[str, Any]) -> list[str]:
    """What makes docker run a container like this one."""
    config, host = pattern["Config"], pattern["HostConfig"]
    found = ["--cgroupns", host["CgroupnsMode"], "--hostname", config["Hostname"], "--volume", "/var/lib/docker"]
    for option, values in (
        ("--cap-add", host["CapAdd"]),
        ("--security-opt", host["SecurityOpt"]),
        ("--device-cgroup-rule", host["DeviceCgroupRules"]),
        ("--tmpfs", host["Tmpfs"]),
        ("--env", config["Env"]),
    ):
        for value in values or ():
            found += [option, value]
    return found


@contextmanager
def copy(kind: str) -> Iterator[Machine]:
    """A machine like the pattern, fresh or with Docker; it is removed in the end."""
    pattern = json.loads(run("docker", "inspect", PATTERN))[0]
    image = pattern["Config"]["Image"] if kind == "fresh" else WITH_DOCKER
    name = run("docker", "run", "--detach", *options_of(pattern), image, *pattern["Config"]["Cmd"]).strip()
    try:
        with tempfile.TemporaryDirectory(prefix="inception-past-") as folder:
            public = run("ssh-keygen", "-y", "-f", KEY)
            script = "mkdir -p -m 700 /root/.ssh; cat >/root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys"
            run("docker", "exec", "-i", name, "sh", "-c", script, text=public)
            machine = Machine(
                name, json.loads(run("docker", "inspect", name))[0]["NetworkSettings"]["IPAddress"], Path(folder)
            )
            wait_for(machine, kind)
            yield machine
    finally:
        run("docker", "rm", "--force", "--volumes", name)


def wait_for(machine: Machine, kind: str) -> None:
    wanted = "systemctl is-active multi-user.target"
    if kind == "docker":
        wanted += " && docker info"
    deadline = time.monotonic() + BOOT_PATIENCE
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["docker", "exec", machine.name, "sh", "-c", f"({wanted}) >/dev/null 2>&1 && echo well"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == "well":
            return
        time.sleep(0.5)
    raise AssertionError(f"{machine.name} did not boot")
