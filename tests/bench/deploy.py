# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment costs, beside a bare shell script that does the same by hand, and beside an earlier commit.

In one run, on fresh system containers that are gone in the end. Seconds are wall time, which other work on the
computer spoils; the processor seconds beside them, of the control node and of the managed host, tell what was done.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.lab import Failed, Lab, changed, ephemeral, run

SCENARIO = "bench"
ROUNDS = 5
# As molecule names the containers (molecule/bench/molecule.yml).
MACHINE = "inception-bench-{}"
SHELL_PORT = "2325"


@dataclass(frozen=True)
class Cost:
    """Seconds of one deployment: on the clock, and of the processors of both sides."""

    wall: float
    control_node: float
    managed_host: float

    def text(self) -> str:
        processors = f"control node {self.control_node:6.1f} s, managed host {self.managed_host:6.1f} s"
        return f"{self.wall:7.1f} s   processors: {processors}"


def host_seconds(container: str) -> float:
    """What the processors have worked for a container since it began, by the engine's own figure."""
    answer = run(
        "curl", "--silent", "--fail", "--unix-socket", "/run/docker.sock",
        f"http://docker/containers/{container}/stats?stream=false&one-shot=true",
    )  # fmt: skip
    return float(json.loads(answer)["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def control_seconds() -> float:
    """What the processors have worked for the commands that this program has called so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def measured(host: str, costs: list[Cost]) -> Iterator[None]:
    """Adds what the block costs."""
    container = MACHINE.format(host)
    wall, control, managed = time.monotonic(), control_seconds(), host_seconds(container)
    yield
    costs.append(Cost(time.monotonic() - wall, control_seconds() - control, host_seconds(container) - managed))


@dataclass(frozen=True)
class Deployed:
    """A collection that deploys to a machine of its own."""

    lab: Lab
    playbook: Path

    def cold(self) -> Cost:
        costs: list[Cost] = []
        with measured(self.lab.hosts[0], costs):
            output = self.lab.playbook(self.playbook)
        if changed(output) == 0:
            raise Failed("a cold deployment changed nothing")
        return costs[0]

    def again(self, *arguments: str) -> Cost:
        costs: list[Cost] = []
        with measured(self.lab.hosts[0], costs):
            output = self.lab.playbook(self.playbook, *arguments)
        if changed(output) != 0:
            raise Failed(f"a second deployment changed something:\n{output[-3000:]}")
        return costs[0]


def checkout(revision: str, folder: Path) -> Path:
    """A commit of the collection, where Ansible finds it; returns its playbook."""
    copy = folder / "ansible_collections/fortytwo/inception"
    copy.mkdir(parents=True)
    with subprocess.Popen(["git", "archive", revision], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "--extract", "--directory", copy], stdin=archive.stdout, check=True)
    if archive.returncode != 0:
        raise Failed(f"--against: git knows no commit {revision}; for example: --against HEAD~1")
    return copy / "playbooks/deploy.yml"


def by_hand(lab: Lab, folder: Path) -> Cost:
    """The finished project of the first machine, deployed to another one by a shell script."""
    lab.playbook("playbooks/export.yml", "--extra-vars", f"export_dir={folder}/project")
    archive = f"{folder}/project.tar.gz"
    run("tar", "--create", "--gzip", "--exclude=.git", "--file", archive, "--directory", f"{folder}/project", ".")
    way = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
    costs: list[Cost] = []
    with measured("shell", costs):
        run(
            "tests/bench/by_hand.sh", archive, f"{folder}/by_hand",
            *way, "-i", f"{folder}/id_ed25519", "-p", SHELL_PORT, "root@127.0.0.1", show=True,
        )  # fmt: skip
    return costs[0]


def rounds_of(deployed: dict[str, Deployed]) -> dict[str, list[Cost]]:
    """Deployments that change nothing, in turn, so that what else the computer does meets both alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in deployed}
    for _ in range(ROUNDS):
        for name, each in deployed.items():
            costs[name].append(each.again())
    return costs


def against(ours: list[Cost], former: list[Cost]) -> dict[str, float]:
    """The ratio of the medians, by the clock and by the processors."""
    return {
        key: statistics.median(asdict(cost)[key] for cost in ours)
        / statistics.median(asdict(cost)[key] for cost in former)
        for key in asdict(ours[0])
    }


def measure(revision: str | None) -> dict[str, Any]:
    """The figures of the part `deploy`; with a revision, those of that commit and the ratios too."""
    folder = ephemeral(SCENARIO)
    environment = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
    lab = Lab(folder / "inventory", ("ansible",), environment)
    deployed = {"ours": Deployed(lab, Path("playbooks/deploy.yml"))}
    try:
        run("molecule", "destroy", "--scenario-name", SCENARIO)
        run("molecule", "create", "--scenario-name", SCENARIO)
        # What an earlier benchmark left would make this one's first deployment a warm one.
        for left in ("cache", "former", "project", "by_hand"):
            shutil.rmtree(folder / left, ignore_errors=True)
        if revision:
            there = Lab(lab.inventory, ("former",), environment).using(folder / "former")
            deployed["former"] = Deployed(there, checkout(revision, folder / "former"))
        colds = {}
        for name, each in deployed.items():
            # Cold means that the base image is built too.
            shutil.rmtree(folder / "cache", ignore_errors=True)
            colds[name] = each.cold()
        script = by_hand(lab, folder)
        again = rounds_of(deployed)
        check = deployed["ours"].again("--check")
    finally:
        run("molecule", "destroy", "--scenario-name", SCENARIO)
    found: dict[str, Any] = {
        "seconds": {
            "deploy_cold": colds["ours"].wall,
            "by_hand_cold": script.wall,
            "deploy_again": sorted(cost.wall for cost in again["ours"]),
            "check_again": check.wall,
            "ratio_cold": colds["ours"].wall / script.wall,
        },
        "costs": {
            "by_hand_cold": asdict(script),
            "check_again": asdict(check),
            **{
                name: {"cold": asdict(colds[name]), "again": [asdict(cost) for cost in again[name]]}
                for name in deployed
            },
        },
    }
    if revision:
        found["against"] = {
            "commit": run("git", "rev-parse", "--short", revision).strip(),
            "cold": against([colds["ours"]], [colds["former"]]),
            "again": against(again["ours"], again["former"]),
        }
    print(f"by hand                        {script.text()}")
    for name in deployed:
        print(f"{name}: a cold deployment")
        print(f"                               {colds[name].text()}")
        print(f"{name}: a second one, changed=0, each of {ROUNDS}")
        for cost in again[name]:
            print(f"                               {cost.text()}")
    print(f"check mode                     {check.text()}")
    for kind in ("cold", "again") if revision else ():
        ratios = ", ".join(f"{key} {value:.2f}" for key, value in found["against"][kind].items())
        print(f"{kind}, against {found['against']['commit']}: {ratios} times")
    return found
