# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions and the small parts of _qemu; no machine is started here."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _qemu

X86 = _qemu.ARCHS["x86_64"]
SSH = {"host_address": "127.0.0.1", "host_port": 2222, "guest_port": 22}
HTTPS = {"host_address": "127.0.0.1", "host_port": 8443, "guest_port": 443}


def config(**changes: Any) -> dict[str, Any]:
    return {
        **_qemu.DEFAULTS,
        "boot": "kernel",
        "forwarded_ports": [SSH, HTTPS],
        "name": "wil",
        "ssh_public_key": "ssh-ed25519 AAAA wil",
        "uuid": "11111111-2222-3333-4444-555555555555",
        **changes,
    }


FRESH = {"exists": False, "has_disk": False, "running": False, "defined_differs": True, "running_differs": True}
STOPPED = {"exists": True, "has_disk": True, "running": False, "defined_differs": False, "running_differs": True}
RUNNING = {"exists": True, "has_disk": True, "running": True, "defined_differs": False, "running_differs": False}
CHANGED = {**RUNNING, "defined_differs": True, "running_differs": True}


@pytest.mark.parametrize(
    ("state", "situation", "steps"),
    [
        ("present", FRESH, ["create"]),
        ("present", STOPPED, []),
        ("present", RUNNING, []),
        ("present", CHANGED, ["define"]),
        ("started", FRESH, ["create", "start"]),
        ("started", STOPPED, ["start"]),
        ("started", RUNNING, []),
        ("started", CHANGED, ["define", "stop", "start"]),
        # Defined by an earlier "present" while it ran.
        ("started", {**RUNNING, "running_differs": True}, ["stop", "start"]),
        # An earlier run was interrupted before the disk was there.
        ("started", {**FRESH, "exists": True, "defined_differs": False}, ["create", "start"]),
        ("stopped", FRESH, []),
        ("stopped", STOPPED, []),
        ("stopped", RUNNING, ["stop"]),
        ("stopped", CHANGED, ["stop"]),
        ("restarted", FRESH, ["create", "start"]),
        ("restarted", STOPPED, ["start"]),
        ("restarted", RUNNING, ["stop", "start"]),
        ("restarted", CHANGED, ["define", "stop", "start"]),
        ("reset", FRESH, ["create", "start"]),
        ("reset", STOPPED, ["start"]),
        ("reset", RUNNING, ["reset"]),
        ("reset", CHANGED, ["define", "reset"]),
        ("absent", FRESH, []),
        ("absent", STOPPED, ["remove"]),
        ("absent", RUNNING, ["kill", "remove"]),
    ],
)
def test_plan(state: str, situation: dict[str, bool], steps: list[str]) -> None:
    assert _qemu.plan(state, **situation) == steps


@pytest.mark.parametrize(
    ("old", "asked", "memory"),
    [
        ({}, {}, 2048),
        ({}, {"memory": 4096}, 4096),
        ({"memory": 1024}, {"memory": None}, 1024),
        ({"memory": 1}, {"memory": 2}, 2),
    ],
)
def test_merge_config(old: dict[str, Any], asked: dict[str, Any], memory: int) -> None:
    assert _qemu.merge_config(old, asked)["memory"] == memory


def test_defaults_are_not_shared() -> None:
    assert _qemu.merge_config({}, {}) == _qemu.DEFAULTS
    assert _qemu.merge_config({}, {"cpus": 7}) != _qemu.DEFAULTS


@pytest.mark.parametrize(
    ("changes", "old", "words"),
    [
        ({}, {}, []),
        ({"memory": 10}, {}, ["inception_vm_memory"]),
        ({"cpus": 0}, {}, ["inception_vm_cpus"]),
        ({"disk_size": 0}, {}, ["inception_vm_disk"]),
        ({"disk_size": 10}, {"disk_size": 20}, ["inception_vm_disk", "20 GiB", "only grows"]),
        (
            {"forwarded_ports": [{**SSH, "host_port": 70000, "setting": "inception_vm_ssh_port"}]},
            {},
            ["inception_vm_ssh_port", "70000"],
        ),
        (
            {"forwarded_ports": [{**SSH, "setting": "a_port"}, {**HTTPS, "host_port": 2222, "setting": "b_port"}]},
            {},
            ["a_port", "b_port", "2222"],
        ),
    ],
)
def test_config_problems(changes: dict[str, Any], old: dict[str, Any], words: list[str]) -> None:
    problems = "; ".join(_qemu.config_problems(config(**changes), old))
    assert bool(problems) == bool(words)
    for word in words:
        assert word in problems


def test_ports_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = {**SSH, "host_port": other.getsockname()[1], "setting": "inception_vm_ssh_port"}
        (problem,) = _qemu.ports_taken([port], [])
        assert "inception_vm_ssh_port" in problem
        assert str(port["host_port"]) in problem
        # The same port is no problem when it is our own running machine that holds it.
        assert _qemu.ports_taken([port], _qemu.plain_ports([port])) == []
    assert _qemu.ports_taken([{**SSH, "host_port": _qemu.free_port("127.0.0.1")}], []) == []


@pytest.mark.parametrize(
    ("available", "held", "ok"),
    [(4096, 0, True), (1000, 0, False), (1000, 2048, True)],
)
def test_room_for_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, available: int, held: int, ok: bool) -> None:
    monkeypatch.setattr(_qemu, "available_memory", lambda: available)
    problems = _qemu.room_problems(config(), str(tmp_path), new_disk=False, held_memory=held)
    assert (problems == []) == ok
    assert ok or "inception_vm_memory" in problems[0]


def test_room_for_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = type("Usage", (), {"free": 2**30})
    monkeypatch.setattr(_qemu.shutil, "disk_usage", lambda path: usage if path == str(tmp_path) else None)
    (problem,) = _qemu.room_problems(config(memory=1), str(tmp_path / "not" / "yet"), new_disk=True, held_memory=0)
    assert "inception_vm_disk" in problem
    assert _qemu.room_problems(config(memory=1), str(tmp_path), new_disk=False, held_memory=0) == []


def pairs(argv: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for option, value in zip(argv, [*argv[1:], ""], strict=True):
        if option.startswith("-"):
            found.setdefault(option, []).append(value)
    return found


def test_argv_of_a_direct_kernel_start() -> None:
    argv = _qemu.build_argv("/usr/bin/qemu", config(cpus=3, memory=1024), X86, "tcg")
    options = pairs(argv)
    assert argv[0] == "/usr/bin/qemu"
    assert options["-accel"] == ["tcg,thread=multi,tb-size=1024"]
    assert options["-cpu"] == ["max"]
    assert options["-smp"] == ["3"]
    assert options["-m"] == ["1024"]
    assert options["-netdev"] == ["user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8443-:443"]
    assert options["-sandbox"] == ["on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    # QEMU would start a process for that, and be ended by its sandbox.
    assert "-daemonize" not in argv
    assert options["-kernel"] == ["vmlinuz"]
    (line,) = options["-append"]
    assert "root=/dev/vda rw console=ttyS0" in line
    assert "systemd.hostname=wil" in line
    assert {"panic=10", "systemd.condition_needs_update=no"} <= set(line.split())
    key = line.split("ssh.authorized_keys.root:")[1].split()[0]
    assert base64.b64decode(key) == b"ssh-ed25519 AAAA wil\n"


@pytest.mark.parametrize(("accelerator", "cpu", "mitigations"), [("kvm", "host", False), ("tcg", "max", True)])
def test_argv_of_an_accelerator(accelerator: str, cpu: str, mitigations: bool) -> None:
    argv = _qemu.build_argv("qemu", config(), X86, accelerator)
    assert pairs(argv)["-cpu"] == [cpu]
    assert ("mitigations=off" in pairs(argv)["-append"][0]) == mitigations


def test_argv_of_a_cloud_image() -> None:
    argv = _qemu.build_argv("qemu", config(boot="disk"), X86, "tcg")
    assert "-kernel" not in argv
    assert any("fat:seed" in value and "label=CIDATA" in value for value in pairs(argv)["-drive"])


def test_argv_on_arm() -> None:
    argv = _qemu.build_argv("qemu", config(), _qemu.ARCHS["aarch64"], "kvm")
    assert pairs(argv)["-machine"] == ["virt"]
    assert "console=ttyAMA0" in pairs(argv)["-append"][0]


def test_seed_is_json_that_cloud_init_reads_as_yaml() -> None:
    files = _qemu.seed_files(config())
    assert set(files) == set(_qemu.SEED_FILES)
    head, body = files["user-data"].split("\n", 1)
    assert head == "#cloud-config"
    assert json.loads(body)["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA wil"]
    assert json.loads(files["meta-data"])["local-hostname"] == "wil"


def test_tail_is_the_readable_end(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"".join(b"line %d\r\n" % n for n in range(1000)) + b"same\nsame\n\x1b[0;32mOK\x1b[0m \xff\n")
    lines = _qemu.tail(str(log)).split("\n")
    assert len(lines) == _qemu.SERIAL_TAIL_LINES
    assert lines[-3:-1] == ["line 999", "same"]
    assert all(line.isprintable() for line in lines)
    assert _qemu.tail(str(tmp_path / "none")) == ""


def test_place_links_or_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "cached"
    source.write_text("image")
    _qemu.place(str(source), str(tmp_path / "linked"))
    assert os.path.samefile(source, tmp_path / "linked")

    def refuse(*_: Any) -> None:
        raise OSError(18, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    _qemu.place(str(source), str(tmp_path / "copied"))
    assert (tmp_path / "copied").read_text() == "image"
    assert not os.path.samefile(source, tmp_path / "copied")


# --- The accelerator


def fake(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'QEMU emulator version 9.9'; exit 0; }}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def serial_of(command: str) -> str:
    """Shell text that finds the file of -serial file:... and runs a command with it."""
    return f'for word in "$@"; do case "$word" in file:*) serial=${{word#file:}};; esac; done\n{command}'


@pytest.mark.parametrize(
    ("body", "answer", "reason"),
    [
        (serial_of('echo "[0.0] Linux version 6" > "$serial"; exec sleep 20'), "kvm", "started"),
        (serial_of("exec sleep 20"), "tcg", "no kernel spoke"),
        (
            serial_of('echo "Probing EDD (edd=off to disable)... ok" > "$serial"; exec sleep 20'),
            "tcg",
            "no kernel spoke",
        ),
        ("echo 'KVM internal error. Suberror: 1' >&2; exec sleep 20", "tcg", "KVM internal error"),
        ("echo 'failed to set MSR' >&2; exit 134", "tcg", "failed to set MSR"),
    ],
)
def test_probe_and_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, answer: str, reason: str
) -> None:
    binary = fake(tmp_path / "qemu", body)
    cache = tmp_path / "cache"
    monkeypatch.setattr(_qemu, "kvm_device", lambda: "open")
    probe = _qemu.probe_kvm
    monkeypatch.setattr(_qemu, "probe_kvm", lambda *a: probe(*a, deadline=1.0))
    ask: Any = lambda wanted="auto", **more: _qemu.choose_accelerator(  # noqa: E731
        wanted, binary, X86, {"kernel": "vmlinuz"}, str(cache), **more
    )
    assert ask(may_probe=False) == ("unknown", "not asked yet")
    assert not cache.exists()
    accelerator, why = ask()
    assert accelerator == answer
    assert reason in why
    # Remembered: no second guest is started.
    monkeypatch.setattr(_qemu, "probe_kvm", lambda *a: pytest.fail("asked again"))
    assert ask() == (accelerator, why)
    assert ask(may_probe=False) == (accelerator, why)
    if answer == "tcg":
        with pytest.raises(_qemu.VmError, match=reason):
            ask("kvm")
    # Another kernel: asked again.
    monkeypatch.setattr(_qemu.platform, "release", lambda: "0.0.0-other")
    monkeypatch.setattr(_qemu, "probe_kvm", lambda *a: (True, "now it works"))
    assert ask() == ("kvm", "now it works")


def test_probe_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    binary = fake(tmp_path / "qemu", f"echo $$ > '{pid}'; exec sleep 20")
    assert _qemu.probe_kvm(binary, X86, {"kernel": "k"}, deadline=0.5)[0] is False
    assert not os.path.exists(f"/proc/{pid.read_text().strip()}")


@pytest.mark.parametrize(
    ("wanted", "device", "answer"), [("tcg", "open", "tcg"), ("auto", "there is no /dev/kvm", "tcg")]
)
def test_nothing_to_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, device: str, answer: str
) -> None:
    monkeypatch.setattr(_qemu, "kvm_device", lambda: device)
    monkeypatch.setattr(_qemu, "probe_kvm", lambda *a: pytest.fail("asked"))
    assert _qemu.choose_accelerator(wanted, "qemu", X86, {}, str(tmp_path))[0] == answer


def test_kvm_wanted_without_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_qemu, "kvm_device", lambda: "there is no /dev/kvm")
    with pytest.raises(_qemu.VmError, match="there is no /dev/kvm"):
        _qemu.choose_accelerator("kvm", "qemu", X86, {}, str(tmp_path))


# --- Files of the machine


def test_a_process_id_that_belongs_to_someone_else(tmp_path: Path) -> None:
    machine = _qemu.Machine(str(tmp_path))
    machine.define(config())
    (tmp_path / "qemu.pid").write_text(f"{os.getpid()}\n")
    assert machine.pid() is None
    machine.kill()
    assert not (tmp_path / "qemu.pid").exists()


@pytest.mark.parametrize("content", ["", "x", "-1", "0", "99999999"])
def test_a_process_id_that_is_none(tmp_path: Path, content: str) -> None:
    machine = _qemu.Machine(str(tmp_path))
    machine.define(config())
    (tmp_path / "qemu.pid").write_text(content)
    assert machine.pid() is None


def test_definition_is_private_and_complete(tmp_path: Path) -> None:
    machine = _qemu.Machine(str(tmp_path / "vm"))
    machine.define(config())
    assert stat.S_IMODE(os.stat(tmp_path / "vm" / "config.json").st_mode) == 0o600
    assert _qemu.Machine(str(tmp_path / "vm")).config == config()
    assert [entry.name for entry in (tmp_path / "vm").iterdir()] == ["config.json"]


def test_foreign_files(tmp_path: Path) -> None:
    machine = _qemu.Machine(str(tmp_path))
    assert _qemu.Machine(str(tmp_path / "none")).foreign_files() == []
    (tmp_path / "seed").mkdir()
    for name in ("config.json", "disk.qcow2", "disk.qcow2.new", "id_ed25519", "seed/user-data"):
        (tmp_path / name).write_text("")
    assert machine.foreign_files() == []
    (tmp_path / "thesis.odt").write_text("")
    (tmp_path / "seed" / "photo.jpg").write_text("")
    assert machine.foreign_files() == ["seed/photo.jpg", "thesis.odt"]


class Server:
    """Something that listens, takes note of who comes, and greets from a moment on."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.came: list[socket.socket] = []

    def knock(self) -> _qemu.Knock:
        return _qemu.Knock("127.0.0.1", self.socket.getsockname()[1])

    def accept(self) -> int:
        """How many have come so far."""
        self.socket.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                self.came.append(self.socket.accept()[0])
        return len(self.came)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    for connection in (made.socket, *made.came):
        connection.close()


def test_a_server_that_says_nothing_yet_is_knocked_at_once(server: Server) -> None:
    """Accepted, as QEMU accepts each connection. OpenSSH shuts out who comes and leaves twenty times."""
    with server.knock() as knock:
        for _ in range(20):
            assert not knock.answered(0.01)
        assert server.accept() == 1
        server.came[0].sendall(b"SSH-2.0-fake\r\n")
        assert knock.answered(5)


def test_a_server_that_ends_the_connection_is_knocked_again(server: Server) -> None:
    with server.knock() as knock:
        assert not knock.answered(0.01)
        assert server.accept() == 1
        server.came[0].close()
        assert not knock.answered(5)
        assert not knock.answered(0.01)
        assert server.accept() == 2


def test_a_guest_that_began_anew_is_knocked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.knock() as knock:
        assert not knock.answered(0.01)
        monkeypatch.setattr(_qemu.Knock, "LAST", 0.0)
        assert not knock.answered(0.01)
    assert server.accept() == 2


def test_something_else_and_nobody_are_no_ssh_server(server: Server) -> None:
    with server.knock() as knock:
        knock.answered(0.01)
        server.accept()
        server.came[0].sendall(b"HTTP/1.1 200\r\n")
        assert not knock.answered(5)
    assert not _qemu.Knock("127.0.0.1", _qemu.free_port("127.0.0.1")).answered(0.2)


KEYSCAN = """#!/bin/sh
echo once >>"$0.asked"
[ "$(wc -l <"$0.asked")" -ge {answers} ] || {{ echo "$6: Connection closed by remote host" >&2; exit 1; }}
echo "[127.0.0.1]:22 ssh-ed25519 AAAAhostkey"
"""


def keyscan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: int) -> None:
    (tmp_path / "ssh-keyscan").write_text(KEYSCAN.format(answers=answers))
    (tmp_path / "ssh-keyscan").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(_qemu, "KEY_PAUSE", 0.0)


def test_a_server_that_sends_us_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyscan(tmp_path, monkeypatch, answers=6)
    assert _qemu.scan_host_keys("127.0.0.1", 22, 60) == ["ssh-ed25519 AAAAhostkey"]


def test_a_key_that_is_never_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyscan(tmp_path, monkeypatch, answers=1000)
    with pytest.raises(_qemu.VmError, match=r"could not be read from 127.0.0.1 port 22 in 0 s: .*Connection closed"):
        _qemu.scan_host_keys("127.0.0.1", 22, 0)


# --- The wait for ssh


def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words_of_second: Any) -> float:
    """How long a machine that never greets was waited for, with an hour's clock and what it says in each second."""
    clock = [0.0]

    def pass_by(seconds: float) -> None:
        clock[0] += seconds
        with open(tmp_path / "serial.log", "a") as file:
            file.write(words_of_second(clock[0]))

    monkeypatch.setattr(_qemu.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(_qemu.time, "sleep", pass_by)
    monkeypatch.setattr(_qemu.Knock, "answered", lambda *_: False)
    monkeypatch.setattr(_qemu.Machine, "pid", lambda _: 1)
    machine = object.__new__(_qemu.Machine)
    machine.dir = str(tmp_path)
    ports = [{"host_address": "127.0.0.1", "host_port": 2222, "guest_port": 22}]
    machine.run = {"config": {"forwarded_ports": ports}}
    machine.config = {}
    with pytest.raises(_qemu.VmError, match="did not answer"):
        machine.wait_for_ssh(60)
    return clock[0]


def test_a_machine_that_says_nothing_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 60 <= waiting(tmp_path, monkeypatch, lambda _: "") < 62


def test_a_slow_machine_is_waited_for_while_it_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 149 <= waiting(tmp_path, monkeypatch, lambda now: "word\n" if now < 90 else "") < 152


def test_a_machine_that_talks_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 240 <= waiting(tmp_path, monkeypatch, lambda _: "word\n") < 242


@pytest.mark.parametrize(
    ("stat", "ending"),
    [
        ("7 (qemu-system-x86) R 1 7 7 0 -1", True),
        ("7 (qemu-system-x86) D 1 7 7 0 -1", True),
        # All that it had is given back; only its end was not asked for yet.
        ("7 (qemu-system-x86) Z 1 7 7 0 -1", False),
        ("7 (kworker/0:1) I 2 0 0 0 -1", False),
        ("7 (odd) name) S 1 7 7 0 -1", False),
    ],
)
def test_a_machine_on_its_way_out_still_holds_its_ports(tmp_path: Path, stat: str, ending: bool) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text(stat)
    assert _qemu.is_ending(7, str(tmp_path)) is ending


def test_a_process_that_is_gone_is_not_on_its_way_out(tmp_path: Path) -> None:
    assert not _qemu.is_ending(7, str(tmp_path))
