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
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hostile.projects import PROJECTS, SKELETON, VIRTUAL
from tests.past.machine import KEY, ROOT, Machine, copy

GOOD = ("good-one", "good-two")
AT_ONCE = 6
BATCHES = [list(PROJECTS)[at : at + AT_ONCE] for at in range(0, len(PROJECTS), AT_ONCE)]
# Nothing was cloned or cleaned out, a container cannot be rebooted, and these want a person or a sign-in.
NOT_HERE = {4, 7, 8, 55, 59, 60, 61}
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


def project_of(script: str, canary: Canary) -> str:
    """What the login does in an empty home to have the project there."""
    text = f"set -e; mkdir ~/inception; cd ~/inception\n{SKELETON}\n{script}"
    for name, value in (("CANARY_FILE", canary.file), ("CANARY_PORT", canary.port)):
        text = text.replace(name, str(value))
    return text


def lay_out(machine: Machine, script: str, canary: Canary) -> None:
    text = project_of(script, canary)
    machine.shell(
        "sysctl -qw net.ipv4.ip_unprivileged_port_start=0; cat >/root/lay-out <<'LAYOUT'\n" + text + "\nLAYOUT"
    )
    machine.shell("su wil -s /bin/bash -c 'HOME=/home/wil bash -s' </root/lay-out")


def playbook(
    name: str, *arguments: str | Path, state: Path | None = None, temporary: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    return subprocess.run(
        [*(ROOT / ".venv/bin/python", "-P", "-m", "ansible", "playbook", f"playbooks/{name}.yml"), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, **({"XDG_STATE_HOME": str(state)} if state else {})},
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=ALL,
        check=False,
    )


def evaluate(machines: dict[str, Machine], folder: Path, more: Path | None = None) -> tuple[str, str]:
    """The output, and what was left running. `more` is a folder of virtual machines: their inventories and state."""
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
    others: list[str | Path] = ["-i", more / "inventory"] if more else []
    arguments: list[str | Path] = ["-i", inventory, *others, "--forks", "10", "-e", json.dumps(settings)]
    # The browser's user, who is nobody, has to get into it.
    with tempfile.TemporaryDirectory(prefix="hostile-", dir="/var/tmp") as temporary:
        Path(temporary).chmod(0o711)
        done = playbook("evaluate", *arguments, state=more, temporary=Path(temporary))
        left = left_here(folder, Path(temporary))
    return done.stdout + done.stderr, left


def reports(folder: Path, names: list[str]) -> dict[str, Any]:
    return {name: json.loads((folder / "reports" / f"{name}.json").read_text(encoding="utf-8")) for name in names}


def left_here(*folders: Path) -> str:
    """Processes of the evaluation that are still on the control node: its folders are in their words, or a browser's
    home is in one. Somebody else's browser is none of them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            known = words + (process / "environ").read_bytes() * (b"chrom" in words.lower())
            if any(str(folder).encode() in known for folder in folders):
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


@pytest.fixture(scope="module")
def virtual(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Path]:
    """A folder with two virtual machines, as make host and a first make evaluate make them, with their projects."""
    folder = tmp_path_factory.mktemp("virtual")
    inventory = folder / "inventory"
    for login in VIRTUAL:
        done = playbook(
            "host", "-i", "localhost,", "-e", json.dumps({"host_login": login, "host_inventory": str(inventory)})
        )
        assert done.returncode == 0, done.stdout[-3000:]
    try:
        done = playbook("evaluate", "-i", inventory, "-e", f"evaluate_report_dir={folder}/first", state=folder)
        assert done.stdout.count("unreachable=0") > len(VIRTUAL), done.stdout[-3000:]
        for login, script in VIRTUAL.items():
            on_virtual(folder, login, project_of(script, canary))
        yield folder
    finally:
        done = playbook("destroy", "-i", inventory, "-e", "inception_yes=true", state=folder)
        assert done.returncode == 0, done.stdout[-3000:]


def on_virtual(folder: Path, login: str, script: str) -> str:
    """What a shell of the login says."""
    told = yaml.safe_load((folder / f"inventory/host_vars/{login}.yml").read_text(encoding="utf-8"))
    key = folder / f"fortytwo.inception/vm/{login}/id_ed25519"
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    port = str(told["inception_vm_ssh_port"])
    done = subprocess.run(
        ["ssh", *options, "-i", key, "-p", port, f"{login}@127.0.0.1", "bash -s"],
        input=script,
        capture_output=True,
        text=True,
        timeout=ALL,
        check=True,
    )
    return done.stdout


def looked_at_good(documents: dict[str, Any]) -> None:
    for name in GOOD:
        wrong = [one for one in documents[name]["results"] if one["verdict"] in ("fail", "warning")]
        assert wrong == [], f"{name}: {wrong}"
        assert set(documents[name]["outcome"]["undetermined"]) <= NOT_HERE, name
        assert [one["service"] for one in documents[name]["images"] if one["packages"] > 50], name


def looked_at_control_node(folder: Path, output: str, left: str, canary: Canary) -> None:
    """No report and no line tells anything of it, nobody asked it, and nothing goes on."""
    written = {path.name: path.read_bytes() for path in (folder / "reports").iterdir()}
    told = [name for name, content in {**written, "output": output.encode()}.items() if canary.word.encode() in content]
    assert told == []
    assert canary.asked == []
    assert "\033]0;owned" not in output
    assert left == ""


@pytest.mark.parametrize("names", BATCHES, ids=[" ".join(names) for names in BATCHES])
def test_hostile_projects_harm_nobody(
    names: list[str], good: dict[str, Machine], canary: Canary, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        hostile = {name: stack.enter_context(copy("docker")) for name in names}
        for name, machine in hostile.items():
            lay_out(machine, PROJECTS[name], canary)
        begin = time.monotonic()
        output, left = evaluate({**hostile, **good}, tmp_path)
        print(f"\n{len(names)} hostile projects and {len(good)} good ones in {time.monotonic() - begin:.0f} s")
        documents = reports(tmp_path, [*hostile, *good])
        looked_at_good(documents)
        for name, machine in hostile.items():
            outcome = documents[name]["outcome"]
            print(f"{name}: {outcome['status']} {documents[name]['error'] or ''}"[:200])
            assert outcome["status"] != "passed", name
            there = machine.shell("pgrep -fc '^hostile-left' || true").strip()
            assert there == "0", f"{name}: {there} processes are left"
            ran = machine.shell("grep -c '^0$' /tmp/hostile-ran 2>/dev/null || true").strip()
            assert ran in ("", "0"), f"{name}: something of it ran as root"
        looked_at_control_node(tmp_path, output, left, canary)


def test_hostile_projects_in_virtual_machines(
    good: dict[str, Machine], virtual: Path, canary: Canary, tmp_path: Path
) -> None:
    """Root there, they reach no port of the control node, and fill no disk of it by their console."""
    output, left = evaluate(good, tmp_path, virtual)
    documents = reports(tmp_path, [*VIRTUAL, *good])
    looked_at_good(documents)
    for name in VIRTUAL:
        print(f"{name}: {documents[name]['outcome']['status']} {documents[name]['error'] or ''}"[:200])
        assert documents[name]["outcome"]["status"] != "passed", name
    looked_at_control_node(tmp_path, output, left, canary)
    size = sum(path.stat().st_size for path in (virtual / "fortytwo.inception/vm").glob("*/serial.log*"))
    assert size <= 2 * len(VIRTUAL) * (4 << 20)
