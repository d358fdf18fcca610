# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty projects that want to harm whoever evaluates them, at depth runtime, six at a time, beside two good ones: the
good ones' reports are complete and right, each hostile one has an end and a report, and the control node tells nothing.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hostile.projects import PROJECTS, SKELETON
from tests.past.machine import KEY, ROOT, Machine, copy

GOOD = ("good-one", "good-two")
AT_ONCE = 6
BATCHES = [list(PROJECTS)[at : at + AT_ONCE] for at in range(0, len(PROJECTS), AT_ONCE)]
# A container cannot be rebooted, and these want a person or a sign-in.
NOT_HERE = {4, 55, 59, 60, 61}
# Seconds: of a make, and generously of a batch.
MAKE, ALL = 120, 2400


@dataclass(frozen=True)
class Canary:
    """What only the control node has: a file, and what a port of it answers. `asked` counts who came."""

    word: str
    file: Path
    port: int
    asked: list[str]


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    word = f"canary{secrets.token_hex(16)}"
    file = tmp_path_factory.mktemp("canary") / "file"
    file.write_text(word, encoding="utf-8")
    asked: list[str] = []

    class Told(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.client_address[0]} {self.path}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(word.encode())

        def log_message(self, *_words: Any) -> None:
            """Not on the screen."""

    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Told) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Canary(word, file, server.server_address[1], asked)
        server.shutdown()


@pytest.fixture(scope="module")
def good() -> Iterator[dict[str, Machine]]:
    """Our own stack, twice."""
    with contextlib.ExitStack() as stack:
        machines = {name: stack.enter_context(copy("docker")) for name in GOOD}
        for name, machine in machines.items():
            done = machine.playbook("deploy")
            assert done.code == 0, f"{name}: {done.output[-3000:]}"
        yield machines


def lay_out(machine: Machine, script: str, canary: Canary) -> None:
    text = f"set -e; mkdir ~/inception; cd ~/inception\n{SKELETON}\n{script}"
    for name, value in (("CANARY_FILE", canary.file), ("CANARY_PORT", canary.port)):
        text = text.replace(name, str(value))
    machine.shell(
        "sysctl -qw net.ipv4.ip_unprivileged_port_start=0; cat >/root/lay-out <<'LAYOUT'\n" + text + "\nLAYOUT"
    )
    machine.shell("su wil -s /bin/bash -c 'HOME=/home/wil bash -s' </root/lay-out")


def evaluate(machines: dict[str, Machine], folder: Path) -> str:
    inventory = folder / "inventory.yml"
    ssh = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o ForwardAgent=no"
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": KEY,
        "ansible_ssh_common_args": ssh,
        "ansible_python_interpreter": "/usr/bin/python3",
        "inception_login": "wil",
    }
    hosts = {name: {**common, "ansible_host": machine.address} for name, machine in machines.items()}
    inventory.write_text(yaml.safe_dump({"evaluated": {"hosts": hosts}}), encoding="utf-8")
    settings = {
        "evaluate_depth": "runtime",
        "evaluate_make_timeout": MAKE,
        "evaluate_report_dir": str(folder / "reports"),
    }
    done = subprocess.run(
        [
            *(ROOT / ".venv/bin/python", "-P", "-m", "ansible", "playbook", "-i", inventory, "--forks", "10"),
            *("playbooks/evaluate.yml", "-e", json.dumps(settings)),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=ALL,
        check=False,
    )
    return done.stdout + done.stderr


def left_here(folder: Path) -> str:
    """Processes of the evaluation that are still on the control node."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(one for one in listed if str(folder) in one or "chrom" in one.lower())


@pytest.mark.parametrize("names", BATCHES, ids=[" ".join(names) for names in BATCHES])
def test_hostile_projects_harm_nobody(
    names: list[str], good: dict[str, Machine], canary: Canary, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        hostile = {name: stack.enter_context(copy("docker")) for name in names}
        for name, machine in hostile.items():
            lay_out(machine, PROJECTS[name], canary)
        begin = time.monotonic()
        output = evaluate({**hostile, **good}, tmp_path)
        print(f"\n{len(names)} hostile projects and {len(good)} good ones in {time.monotonic() - begin:.0f} s")
        documents = {
            name: json.loads((tmp_path / "reports" / f"{name}.json").read_text(encoding="utf-8"))
            for name in (*hostile, *good)
        }
        for name in good:
            wrong = [one for one in documents[name]["results"] if one["verdict"] in ("fail", "warning")]
            assert wrong == [], f"{name}: {wrong}"
            assert set(documents[name]["outcome"]["undetermined"]) <= NOT_HERE, name
            assert [one["service"] for one in documents[name]["images"] if one["packages"] > 50], name
        for name, machine in hostile.items():
            outcome = documents[name]["outcome"]
            print(f"{name}: {outcome['status']} {documents[name]['error'] or ''}"[:200])
            assert outcome["status"] != "passed", name
            left = machine.shell("pgrep -fc '^hostile-left' || true").strip()
            assert left == "0", f"{name}: {left} processes are left"
            ran = machine.shell("grep -c '^0$' /tmp/hostile-ran 2>/dev/null || true").strip()
            assert ran in ("", "0"), f"{name}: something of it ran as root"
        written = {path.name: path.read_bytes() for path in (tmp_path / "reports").iterdir()}
        told = [
            name for name, content in {**written, "output": output.encode()}.items() if canary.word.encode() in content
        ]
        assert told == []
        assert [one for one in canary.asked if one.startswith("127.")] == []
        assert "\033]0;owned" not in output
        assert left_here(tmp_path) == ""
