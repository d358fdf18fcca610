# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a deployment takes, beside a bare shell script that does the same by hand.

In one run, on two fresh system containers. Prints a table and writes docs/bench/deploy.json. Seconds are wall time;
the ratios are what counts, since machines differ.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "docs/bench/deploy.json"
SCENARIO = "bench"
# Bounds a run that hangs, and nothing else.
TIMEOUT = 1800


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """The output of a command; one that fails ends the benchmark with what it said."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-5000:]}")
    return done.stdout


def timed(*command: str, environment: dict[str, str] | None = None) -> tuple[float, str]:
    """Seconds and output of a command."""
    started = time.monotonic()
    output = run(*command, environment=environment)
    return time.monotonic() - started, output


def molecule(*command: str) -> None:
    run("molecule", *command, "--scenario-name", SCENARIO)


def ephemeral() -> Path:
    """The scenario's own folder, where molecule writes its inventory and its configuration."""
    output = run(sys.executable, "-c", FIND_EPHEMERAL, str(ROOT / "molecule/bench/molecule.yml"))
    return Path(output.strip().splitlines()[-1])


FIND_EPHEMERAL = """
import sys
from molecule.config import Config
print(Config(sys.argv[1]).scenario.ephemeral_directory)
"""


def changed(output: str) -> int:
    """The sum of changed= in a recap."""
    return sum(map(int, re.findall(r"changed=(\d+)", output)))


def main() -> None:
    folder = ephemeral()
    ansible = {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder),
    }
    playbook = ("ansible-playbook", "--inventory", str(folder / "inventory"), "--limit", "ansible")
    figures: dict[str, Any] = {}
    try:
        molecule("destroy")
        molecule("create")
        # Cold means that the base image is built too.
        shutil.rmtree(folder / "cache", ignore_errors=True)
        figures["deploy_cold"], output = timed(*playbook, "playbooks/deploy.yml", environment=ansible)
        assert changed(output) > 0, "a cold deployment changes something"

        run(*playbook, "playbooks/export.yml", "--extra-vars", f"export_dir={folder}/project", environment=ansible)
        archive = f"{folder}/project.tar.gz"
        run("tar", "--create", "--gzip", "--exclude=.git", "--file", archive, "--directory", f"{folder}/project", ".")
        way = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
        figures["by_hand_cold"], _ = timed(
            "tests/bench/by_hand.sh", archive, f"{folder}/by_hand",
            *way, "-i", f"{folder}/id_ed25519", "-p", "2325", "root@127.0.0.1",
        )  # fmt: skip

        rounds = []
        for _ in range(5):
            seconds, output = timed(*playbook, "playbooks/deploy.yml", environment=ansible)
            assert changed(output) == 0, f"a second deployment changes nothing:\n{output[-3000:]}"
            rounds.append(seconds)
        figures["deploy_again"] = sorted(rounds)
        figures["check_again"], output = timed(*playbook, "playbooks/deploy.yml", "--check", environment=ansible)
        assert changed(output) == 0, "a rehearsal on a finished machine predicts no change"
    finally:
        molecule("destroy")

    figures["ratio_cold"] = figures["deploy_cold"] / figures["by_hand_cold"]
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"processors": os.cpu_count(), "architecture": platform.machine()},
        "seconds": figures,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    again = figures["deploy_again"]
    print(f"a cold deployment              {figures['deploy_cold']:7.1f} s")
    print(f"the same by hand               {figures['by_hand_cold']:7.1f} s   ratio {figures['ratio_cold']:.2f}")
    print(
        f"a second deployment, changed=0 {again[len(again) // 2]:7.1f} s   of five: {again[0]:.1f} to {again[-1]:.1f} s"
    )
    print(f"a rehearsal (--check) then     {figures['check_again']:7.1f} s")
    print(f"written to {RESULT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
