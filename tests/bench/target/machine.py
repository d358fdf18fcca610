# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that is measured: commands on it, its processes, the layers of its images. Standard library alone."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Bounds a command that hangs, and nothing else.
PATIENCE = 900

# States of a connection in /proc/<pid>/net/tcp.
ESTABLISHED, CLOSE_WAIT = "01", "08"


class Failed(Exception):
    """A command that had to succeed did not."""


def run(
    *command: str, input: bytes = b"", environment: dict[str, str] | None = None, folder: Path | None = None
) -> str:
    """The output of a command that has to succeed. What it is told on stdin is in no message."""
    done = subprocess.run(
        command,
        input=input,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        cwd=folder,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{said[-3000:]}")
    return done.stdout.decode("utf-8", "replace")


def docker(*command: str, input: bytes = b"") -> str:
    return run("docker", *command, input=input)


def pids_of(containers: Iterable[str]) -> list[int]:
    """Every process of these containers, as the machine counts them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(container in group for container in containers):
            found.append(int(folder.name))
    return found


def cpu_seconds(stat: str) -> float:
    """Of a process with its ended children, from the line of /proc/<pid>/stat."""
    fields = stat.rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def cpu(containers: Iterable[str]) -> float:
    """The processor time that these containers have used so far, in seconds."""
    total = 0.0
    for pid in pids_of(containers):
        try:
            total += cpu_seconds(Path(f"/proc/{pid}/stat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def waiting(table: str) -> int:
    """Connections that were not read, or were left by who made them, from the text of /proc/<pid>/net/tcp."""
    count = 0
    for line in table.splitlines()[1:]:
        state, queues = line.split()[3:5]
        count += state == CLOSE_WAIT or (state == ESTABLISHED and int(queues.split(":")[1], 16) > 0)
    return count


def busy(containers: list[str]) -> bool:
    """Whether one of the containers works, or has work before it."""
    for container in containers:
        pids = pids_of([container])
        try:
            if any(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "RD" for pid in pids):
                return True
            if any(waiting(Path(f"/proc/{pids[0]}/net/{table}").read_text()) for table in ("tcp", "tcp6")):
                return True
        except (FileNotFoundError, ProcessLookupError):
            # It has just ended.
            return True
    return False


def settle(containers: list[str], seconds: float = 300) -> None:
    """Wait until the containers have no work left. Visitors who do not wait for their answers leave some."""
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < 3:
        if time.monotonic() > deadline:
            raise Failed(f"the containers did not come to rest within {seconds:.0f} s")
        quiet = 0 if busy(containers) else quiet + 1
        # Looking is work too.
        time.sleep(0.1)


def proportional_bytes(rollup: str) -> int:
    """A process's share of the memory, from /proc/<pid>/smaps_rollup."""
    found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def tmpfs_bytes(pid: int) -> int:
    """What a container has in file systems in memory of its own, seen through one of its processes."""
    total = 0
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        where = before.split()[4]
        if after.split()[0] == "tmpfs" and where.split("/")[1] in ("tmp", "run", "var") and "/secrets/" not in where:
            found = os.statvfs(f"/proc/{pid}/root{where}")
            total += (found.f_blocks - found.f_bfree) * found.f_frsize
    return total


def memory(containers: dict[str, str]) -> dict[str, dict[str, int]]:
    """Bytes by service: what its processes hold (shared memory counted once in all), and its files in memory."""
    found = {}
    for service, container in containers.items():
        pids = pids_of([container])
        found[service] = {
            "processes": len(pids),
            "pss": sum(proportional_bytes(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids),
            "tmpfs": tmpfs_bytes(pids[0]),
        }
    return found


def chain_ids(layers: list[str]) -> list[str]:
    """The names of layers on top of each other, from their digests (OCI image specification)."""
    chain: list[str] = []
    for layer in layers:
        if not chain:
            chain.append(layer)
        else:
            chain.append("sha256:" + hashlib.sha256(f"{chain[-1]} {layer}".encode()).hexdigest())
    return chain


def images(names: dict[str, str]) -> dict[str, Any]:
    """Bytes on the disk of each image, and of all of them together with what they share counted once."""
    store = Path(docker("info", "--format", "{{.DockerRootDir}}/image/{{.Driver}}/layerdb").strip())
    if not store.is_dir():
        raise Failed(
            f"{store} is not there: this benchmark reads the sizes of layers where Docker's own store keeps them"
        )
    sizes: dict[str, int] = {}
    each = {}
    for service, name in names.items():
        (shown,) = json.loads(docker("image", "inspect", name))
        chain = chain_ids(shown["RootFS"]["Layers"])
        for layer in chain:
            sizes[layer] = int((store / layer.replace(":", "/") / "size").read_text())
        each[service] = sum(sizes[layer] for layer in chain)
    return {"each": each, "unique": sum(sizes.values())}


def describe() -> dict[str, Any]:
    """What the figures depend on."""
    models = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    kibibytes = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert kibibytes
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE)
    return {
        "processors": os.cpu_count(),
        "model": models[0] if models else platform.machine(),
        "memory_gib": round(int(kibibytes[1]) / 2**20),
        "kernel": platform.release(),
        "system": system[1] if system else "",
        "docker": docker("version", "--format", "{{.Server.Version}}").strip(),
        "compose": docker("compose", "version", "--short").strip(),
        "load": os.getloadavg()[0],
    }
