# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a stand-in for QEMU that has a process, a monitor and an ssh greeting, but no machine."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _qemu
from ansible_collections.fortytwo.inception.plugins.modules import qemu_vm

from tests.unit.programs import python_program

# The first line as pip writes it: the path of the Python may have spaces.
FAKE_QEMU = r"""import json, os, re, socket, sys, threading, time
argv = sys.argv
value = lambda name: argv[argv.index(name) + 1]
if "--version" in argv:
    print("QEMU emulator version 9.9"); sys.exit(0)
behaviour = open(os.path.join(os.path.dirname(__file__), "../behaviour")).read().split()
if "broken" in behaviour:
    print("qemu: could not set up host forwarding", file=sys.stderr); sys.exit(1)
monitor = socket.socket(socket.AF_UNIX); monitor.bind("qmp.sock"); monitor.listen(5)
ports = re.findall(r"hostfwd=tcp:([0-9.]+):(\d+)-:22", value("-netdev"))
ssh = None
if ports and "panic" not in behaviour and "silent" not in behaviour:
    ssh = socket.socket(); ssh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ssh.bind((ports[0][0], int(ports[0][1]))); ssh.listen(5)
open("qemu.pid", "w").write(str(os.getpid()))
last = "Kernel panic - not syncing: no init" if "panic" in behaviour else "login:"
print("Linux version 6\n" + last, flush=True)
def greet():
    while True:
        connection, _ = ssh.accept(); connection.sendall(b"SSH-2.0-fake\r\n"); connection.close()
if ssh:
    threading.Thread(target=greet, daemon=True).start()
threading.Timer(50, os._exit, [9]).start()
while True:
    connection, _ = monitor.accept()
    file = connection.makefile("rwb")
    file.write(b'{"QMP": {}}\n'); file.flush()
    for line in file:
        command = json.loads(line)["execute"]
        open("commands", "a").write(command + "\n")
        file.write(b'{"event": "NOISE"}\n{"return": {}}\n'); file.flush()
        if "dies" in behaviour:
            os._exit(1)
        if command == "system_powerdown" and "deaf" not in behaviour:
            os._exit(0)
"""

FAKE_QEMU_IMG = r"""#!/bin/sh
echo "$*" >> "{log}"
case "$1" in
  info) for last; do :; done; size=4294967296; [ "$last" = disk.qcow2 ] && size=21474836480
    echo "{{\"virtual-size\": $size, \"format\": \"qcow2\"}}" ;;
  create) for last; do before=$file; file=$last; done; : > "$before" ;;
esac
"""

FAKE_KEYSCAN = """#!/bin/sh
for last; do host=$last; done
echo "[$host]:1 ssh-ed25519 AAAAhostkey"
"""


class Lab:
    """Stand-ins on the PATH, an image, and the arguments of one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behaviour = folder / "behaviour"
        self.img_log = folder / "qemu-img.log"
        self.state = folder / "vm"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.behave("")
        python_program(self.bin / "qemu-system-x86_64", FAKE_QEMU)
        self._script("qemu-img", FAKE_QEMU_IMG.format(log=self.img_log))
        self._script("ssh-keyscan", FAKE_KEYSCAN)
        for name in ("root.qcow2", "vmlinuz", "initrd"):
            (folder / name).write_text(name)
        self.port = _qemu.free_port("127.0.0.1")

    def _script(self, name: str, content: str) -> None:
        path = self.bin / name
        path.write_text(content)
        path.chmod(0o755)

    def behave(self, words: str) -> None:
        self.behaviour.write_text(words)

    def args(self, state: str = "started", **changes: Any) -> dict[str, Any]:
        args = {
            "name": "wil",
            "state": state,
            "state_dir": str(self.state),
            "cache_dir": str(self.folder / "cache"),
            "image": {
                name: str(self.folder / file)
                for name, file in (("disk", "root.qcow2"), ("kernel", "vmlinuz"), ("initrd", "initrd"))
            },
            "memory": 512,
            "cpus": 1,
            "forwarded_ports": [{"host_port": self.port, "guest_port": 22, "setting": "inception_vm_ssh_port"}],
            "ssh_public_key": "ssh-ed25519 AAAA wil",
            "accelerator": "tcg",
            "isolation": "none",
            "timeout": 60,
        }
        args.update(changes)
        return {key: value for key, value in args.items() if value is not None}

    def snapshot(self) -> dict[str, bytes]:
        if not self.state.exists():
            return {}
        return {
            path.name: path.read_bytes() for path in self.state.iterdir() if path.is_file() and path.name != "commands"
        }

    def commands(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.state / "commands").read_text().split()
        return []


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    monkeypatch.setenv("PATH", f"{lab.bin}:/usr/bin:/bin")
    monkeypatch.setattr(_qemu.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(_qemu, "OWN_FILES", (*_qemu.OWN_FILES, "commands"))
    yield lab
    _qemu.Machine(str(lab.state)).kill()


RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def run(run_module: RunModule) -> RunModule:
    def call(args: dict[str, Any], check: bool = False) -> dict[str, Any]:
        return run_module(qemu_vm, args, check=check, diff=True)

    return call


def test_a_network_of_its_own_that_cannot_be_given(
    lab: Lab, run: RunModule, module_failed: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu_vm._qemu_network, "obstacle", lambda _ports: "the package slirp4netns is missing")
    with pytest.raises(
        module_failed, match=r"vm_isolation\): required, but the package slirp4netns is missing; .*auto"
    ):
        run(lab.args(isolation="required"))
    assert not lab.state.exists()
    found = run(lab.args(isolation="auto"))["vm"]
    assert (found["isolated"], found["isolation_reason"]) == (False, "the package slirp4netns is missing")
    # One that runs from before there was a choice goes on running.
    machine = _qemu.Machine(str(lab.state))
    for later in _qemu.LATER_KEYS:
        del machine.run["config"][later]
    _qemu.write_json(machine.path("run.json"), machine.run)
    assert run(lab.args(isolation="none", image=None))["actions"] == ["define"]


def test_life_of_a_machine(lab: Lab, run: RunModule) -> None:
    first = run(lab.args())
    assert first["changed"] is True
    assert first["actions"] == ["create", "start"]
    assert first["vm"]["state"] == "running"
    assert first["vm"]["accelerator"] == "tcg"
    assert first["vm"]["ssh_port"] == lab.port
    assert first["diff"]["before"]["state"] == "absent"
    assert first["diff"]["after"]["state"] == "running"
    assert (lab.state / "known_hosts").read_text() == f"[127.0.0.1]:{lab.port} ssh-ed25519 AAAAhostkey\n"
    # The image is never written to, and the machine does not need the cache any more.
    (lab.folder / "root.qcow2").unlink()
    assert (lab.state / "base.img").read_text() == "root.qcow2"

    second = run(lab.args(image=None))
    assert (second["changed"], second["actions"], second["vm"]["pid"]) == (False, [], first["vm"]["pid"])
    assert second["diff"]["before"] == second["diff"]["after"]

    stopped = run(lab.args("stopped"))
    assert (stopped["actions"], stopped["vm"]["state"]) == (["stop"], "stopped")
    assert "system_powerdown" in lab.commands()
    assert run(lab.args("stopped"))["changed"] is False

    again = run(lab.args(image=None))
    assert again["actions"] == ["start"]
    assert (lab.state / "serial.log.1").exists()
    restarted = run(lab.args("restarted", image=None))
    assert restarted["actions"] == ["stop", "start"]
    assert restarted["vm"]["pid"] != again["vm"]["pid"]
    reset = run(lab.args("reset", image=None))
    assert (reset["actions"], reset["vm"]["pid"]) == (["reset"], restarted["vm"]["pid"])
    assert "system_reset" in lab.commands()

    gone = run(lab.args("absent"))
    assert (gone["actions"], gone["vm"]["state"]) == (["kill", "remove"], "absent")
    assert not lab.state.exists()
    assert run(lab.args("absent"))["changed"] is False


def test_present_does_not_start(lab: Lab, run: RunModule) -> None:
    result = run(lab.args("present"))
    assert (result["actions"], result["vm"]["state"], result["vm"]["pid"]) == (["create"], "stopped", None)
    assert run(lab.args("present"))["changed"] is False


def test_stopped_needs_no_machine(lab: Lab, run: RunModule) -> None:
    assert run({"name": "wil", "state": "stopped", "state_dir": str(lab.state)})["changed"] is False
    assert not lab.state.exists()


@pytest.mark.parametrize("changes", [{"memory": 768}, {"cpus": 2}, {"disk_size": 30}, {"kernel_arguments": "quiet"}])
def test_a_change_restarts_a_running_machine(lab: Lab, run: RunModule, changes: dict[str, Any]) -> None:
    first = run(lab.args())
    changed = run(lab.args(**changes))
    assert changed["actions"] == ["define", "stop", "start"]
    assert changed["vm"]["pid"] != first["vm"]["pid"]
    assert run(lab.args(**changes))["changed"] is False
    assert ("resize -q disk.qcow2 30G" in lab.img_log.read_text()) == ("disk_size" in changes)
    # What is not given stays as it is.
    assert run(lab.args(memory=None, cpus=None))["changed"] is False


def test_a_changed_port_keeps_the_host_key(lab: Lab, run: RunModule) -> None:
    run(lab.args())
    port = _qemu.free_port("127.0.0.1")
    run(lab.args(forwarded_ports=[{"host_port": port, "guest_port": 22}]))
    assert (lab.state / "known_hosts").read_text() == f"[127.0.0.1]:{port} ssh-ed25519 AAAAhostkey\n"


def test_present_leaves_a_change_for_the_next_start(lab: Lab, run: RunModule) -> None:
    pid = run(lab.args())["vm"]["pid"]
    result = run(lab.args("present", memory=768))
    assert (result["actions"], result["vm"]["pid"]) == (["define"], pid)
    assert run(lab.args(memory=768))["actions"] == ["stop", "start"]


CHECKED = [
    ("present", "fresh", True),
    ("present", "running", False),
    ("started", "fresh", True),
    ("started", "stopped", True),
    ("started", "running", False),
    ("stopped", "fresh", False),
    ("stopped", "stopped", False),
    ("stopped", "running", True),
    ("restarted", "running", True),
    ("reset", "running", True),
    ("absent", "fresh", False),
    ("absent", "stopped", True),
    ("absent", "running", True),
]


@pytest.mark.parametrize(("state", "before", "changed"), CHECKED)
def test_check_mode_says_and_does_nothing(lab: Lab, run: RunModule, state: str, before: str, changed: bool) -> None:
    if before != "fresh":
        run(lab.args("started" if before == "running" else "present"))
    files, commands = lab.snapshot(), lab.commands()
    result = run(lab.args(state), check=True)
    assert result["changed"] is changed
    assert (lab.snapshot(), lab.commands()) == (files, commands)
    assert (_qemu.Machine(str(lab.state)).pid() is not None) == (before == "running")
    assert not (lab.folder / "cache").exists()


def test_check_mode_needs_neither_qemu_nor_image(lab: Lab, run: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (lab.folder / "root.qcow2").unlink()
    assert run(lab.args(), check=True)["changed"] is True


@pytest.mark.parametrize("check", [False, True])
def test_a_taken_port_names_its_setting_before_anything_is_done(
    lab: Lab, run: RunModule, module_failed: type[Exception], check: bool
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", lab.port))
        other.listen(1)
        with pytest.raises(
            module_failed, match=rf"inception_vm_ssh_port\): port {lab.port} .* taken by another program"
        ):
            run(lab.args(), check=check)
    assert not lab.state.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": 10}, "inception_vm_memory"),
        ({"memory": 99999999}, "inception_vm_memory.*available"),
        ({"cpus": 0}, "inception_vm_cpus"),
        ({"disk_size": 2}, "inception_vm_disk.*image's 4 GiB"),
        ({"image": None}, "image: the machine has no disk yet"),
        ({"image": {"disk": "/nowhere/root.qcow2"}}, "/nowhere/root.qcow2 is not there"),
    ],
)
def test_bad_values(
    lab: Lab, run: RunModule, module_failed: type[Exception], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(module_failed, match=message):
        run(lab.args(**changes))
    assert not (lab.state / "disk.qcow2").exists()


def test_a_panic_ends_with_the_serial_log(lab: Lab, run: RunModule, module_failed: type[Exception]) -> None:
    lab.behave("panic")
    with pytest.raises(module_failed, match=r"(?s)gave up.*serial\.log:\nLinux version 6\nKernel panic - not syncing"):
        run(lab.args())
    assert _qemu.Machine(str(lab.state)).pid() is None
    lab.behave("")
    assert run(lab.args())["actions"] == ["start"]


def test_a_qemu_that_ends_early(lab: Lab, run: RunModule, module_failed: type[Exception]) -> None:
    lab.behave("dies silent")
    with pytest.raises(module_failed, match=r"(?s)QEMU ended while the machine was starting.*Linux version 6"):
        run(lab.args())


def test_the_last_words_of_a_qemu_on_a_busy_machine(
    lab: Lab, run: RunModule, module_failed: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_qemu, "KEEP_SERIAL", "import time\ntime.sleep(2)\n" + _qemu.KEEP_SERIAL)
    lab.behave("dies silent")
    with pytest.raises(module_failed, match=r"(?s)QEMU ended while the machine was starting.*Linux version 6"):
        run(lab.args())


def test_a_qemu_that_does_not_start(lab: Lab, run: RunModule, module_failed: type[Exception]) -> None:
    lab.behave("broken")
    with pytest.raises(module_failed, match=r"(?s)did not start.*could not set up host forwarding"):
        run(lab.args())


def test_a_machine_that_is_too_slow_is_left_running(lab: Lab, run: RunModule, module_failed: type[Exception]) -> None:
    lab.behave("silent")
    with pytest.raises(module_failed, match=r"(?s)within 1 s \(option timeout\); it is left running.*login:"):
        run(lab.args(timeout=1))
    assert _qemu.Machine(str(lab.state)).pid() is not None


def test_a_deaf_machine(lab: Lab, run: RunModule, module_failed: type[Exception]) -> None:
    lab.behave("deaf")
    run(lab.args())
    with pytest.raises(module_failed, match="did not switch itself off within 1 s"):
        run(lab.args("stopped", timeout=1))
    assert run(lab.args("stopped", timeout=1, force_stop=True))["vm"]["state"] == "stopped"


def test_a_stale_process_id_is_no_machine(lab: Lab, run: RunModule) -> None:
    run(lab.args("present"))
    # After a restart of the computer: the number is someone else's, here the test's own.
    (lab.state / "qemu.pid").write_text(str(os.getpid()))
    assert run(lab.args("stopped"))["changed"] is False
    assert run(lab.args())["actions"] == ["start"]


def test_absent_refuses_what_is_not_the_machines(lab: Lab, run: RunModule, module_failed: type[Exception]) -> None:
    run(lab.args())
    (lab.state / "thesis.odt").write_text("years")
    with pytest.raises(module_failed, match=r"thesis\.odt"):
        run(lab.args("absent"))
    assert (lab.state / "thesis.odt").exists()
    assert _qemu.Machine(str(lab.state)).pid() is not None


def test_absent_removes_a_folder_that_only_has_a_key(lab: Lab, run: RunModule) -> None:
    lab.state.mkdir()
    (lab.state / "id_ed25519").write_text("key")
    assert run(lab.args("absent"))["changed"] is True
    assert not lab.state.exists()


def test_a_key_is_handed_over_once(lab: Lab, run: RunModule) -> None:
    run(lab.args("present"))
    result = run(lab.args("present", ssh_public_key="ssh-ed25519 BBBB other"))
    assert result["changed"] is False
    assert "ssh_public_key differs" in str(result["warnings"])


def test_documentation_and_arguments_agree() -> None:
    import yaml

    documented = yaml.safe_load(qemu_vm.DOCUMENTATION)["options"]
    spec = qemu_vm.argument_spec()
    assert set(documented) == set(spec)
    for name, option in spec.items():
        for key in ("type", "default", "choices", "required", "elements"):
            assert documented[name].get(key) == option.get(key), (name, key)
