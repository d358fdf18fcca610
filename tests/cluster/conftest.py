# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of scenario cluster, runs of its playbook, and who looks at the site meanwhile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests.verify.support import ROOT

PATIENCE = 1800
NODES = ("one", "two", "three")
PORTS = {"one": 8501, "two": 8502, "three": 8503}
ADDRESSES = {"one": "172.29.42.11", "two": "172.29.42.12", "three": "172.29.42.13"}
# What a visitor waits for, at most.
ANSWER_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """What became of a playbook."""

    status: int
    output: str

    def told(self) -> str:
        """What is said of the failure and after it."""
        found = re.search(r"^(?:failed|fatal): ", self.output, re.MULTILINE)
        return self.output[found.start() :] if found else ""


@dataclass(frozen=True)
class Cluster:
    """The inventory of the scenario, and a folder for what the tests add to it."""

    inventory: Path
    folder: Path

    def root(self, name: str, command: str) -> str:
        machine = testinfra.get_host(f"ansible://{name}?ansible_inventory={self.inventory}")
        done = machine.run(command)
        assert done.rc == 0, f"{name}: {command}: {done.stderr}"
        return str(done.stdout).strip()

    def outside(self, *words: str) -> str:
        """The build machine's own Docker, which has the nodes for containers."""
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=PATIENCE)
        return done.stdout.strip()

    def container(self, name: str, service: str) -> str:
        """Of a service on a node, or nothing."""
        return self.root(name, f"docker ps --quiet --filter name=inception_{service}[.] | head -1")

    def inside(self, name: str, service: str, command: str) -> str:
        return self.root(name, f"docker exec -i {self.container(name, service)} {command}")

    def page(self, name: str, path: str = "/", timeout: int = ANSWER_SECONDS, **headers: str) -> tuple[int, str]:
        """The status and the body of an answer by this node; 0 where there was none."""
        port = PORTS[name]
        words = ["curl", "--silent", "--insecure", "--max-time", str(timeout), "--write-out", "\n%{http_code}"]
        for key, value in headers.items():
            words += ["--header", f"{key}: {value}"]
        way = ["--resolve", f"wil.42.fr:{port}:127.0.0.1", f"https://wil.42.fr:{port}{path}"]
        done = subprocess.run([*words, *way], capture_output=True, text=True, check=False, timeout=timeout + 10)
        body, dummy, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def run(self, *arguments: str, inventory: Path | None = None, variables: Mapping[str, Any] | None = None) -> Run:
        """As a user calls it, with the repository's own configuration."""
        more = [f"--extra-vars={json.dumps(variables)}"] if variables else []
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                f"--inventory={inventory or self.inventory}",
                "playbooks/cluster.yml",
                *more,
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

    def settled(self, seconds: int = 300) -> None:
        """Until every service has all its containers, and every copy of the files is whole."""
        command = (
            "docker node ls --format '{{.Status}}' | sort -u | tr '\\n' ' ';"
            " docker service ls --format '{{.Replicas}}' | awk -F '[/ ]' '$1 != $2 {print \"waits\"}';"
            " gluster volume heal inception info | awk '/^Number of entries:/ && $4 != 0 {print \"heals\"}'"
        )
        until(lambda: self.root("one", command) == "Ready", seconds, "the cluster is not settled")


def until(good: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took."""
    begin = time.monotonic()
    while not good():
        assert time.monotonic() < begin + seconds, what
        time.sleep(0.2)
    return time.monotonic() - begin


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    return Cluster(inventory, tmp_path_factory.mktemp("cluster"))


@dataclass
class Visitors:
    """Who looks at nodes all the time, and what each got: the statuses by the node."""

    cluster: Cluster
    nodes: tuple[str, ...]
    seen: dict[str, Counter[int]] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Visitors:
        for node in self.nodes:
            self.seen[node], self.longest[node] = Counter(), 0.0
            thread = threading.Thread(target=self._look, args=(node,), daemon=True)
            thread.start()
            self.threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def _look(self, node: str) -> None:
        well = time.monotonic()
        while not self.over.is_set():
            status, dummy = self.cluster.page(node, "/?asked=now", Cookie="asked_by=test")
            self.seen[node][status] += 1
            now = time.monotonic()
            if status == 200:
                well = now
            self.longest[node] = max(self.longest[node], now - well)
            time.sleep(0.1)


@pytest.fixture
def visitors(cluster: Cluster) -> Callable[..., Visitors]:
    return lambda *nodes: Visitors(cluster, nodes or NODES)
