# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fortytwo.inception contributors
"""A QEMU machine in one folder: its files, its command line, its process, its monitor. Private to this collection."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import errno
import itertools
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.fortytwo.inception.plugins.module_utils import _qemu_network

# Everything that may stand in a machine's folder: "absent" removes these and nothing else.
OWN_FILES = (
    "base.img",
    "config.json",
    "disk.qcow2",
    "id_ed25519",
    "id_ed25519.pub",
    "initrd",
    "known_hosts",
    "known_hosts.old",
    "qemu.log",
    "qemu.pid",
    "qmp.sock",
    "run.json",
    "serial.log",
    "serial.log.1",
    "vmlinuz",
    *_qemu_network.FILES,
)
SEED_FILES = ("meta-data", "network-config", "user-data")
DEFAULTS: dict[str, t.Any] = {
    "accelerator": "auto",
    "cpus": 2,
    "disk_size": 20,
    "forwarded_ports": [],
    "isolation": "auto",
    "kernel_arguments": "",
    "memory": 2048,
    "reachable": [],
}
# A running machine shows the difference in these only after its process has been started anew.
RUNTIME_KEYS = ("accelerator", "cpus", "disk_size", "forwarded_ports", "kernel_arguments", "memory")
# A machine that was started before there were these has them from its next start on.
LATER_KEYS = ("isolation", "reachable")
TCG = "tcg,thread=multi,tb-size=1024"
SERIAL_TAIL_LINES = 30
# A guest writes on its console what it likes: the newest is kept, in two files of at most so many bytes.
SERIAL_BYTES = 4 * 2**20
KEEP_SERIAL = f"""
import os
while True:
    log = os.open("serial.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    written = 0
    while written < {SERIAL_BYTES}:
        words = os.read(0, 65536)
        if not words:
            raise SystemExit
        written += os.write(log, words)
    os.close(log)
    os.replace("serial.log", "serial.log.1")
"""
# Seconds between two looks at a guest that starts, and between two questions for its key.
PAUSE, KEY_PAUSE = 0.5, 5.0
# A guest that has written one of these comes no further by itself: its kernel, its initrd, its systemd.
HOPELESS = ("Kernel panic - not syncing", "Dropping to a shell!", "You are in emergency mode")
PROBE_SECONDS = 20.0
# How long QEMU may take until its monitor answers: files and ports are opened before.
LAUNCH_SECONDS = 60.0
LAST_WORDS_SECONDS = 10.0
# A guest that breaks out into QEMU finds a process that may start none, and become nobody else.
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
# The kernel's first line, on every architecture.
PROBED_FOR = "Linux version"
# A new guest needs about this much at once (GiB); its disk file grows later, up to disk_size.
FIRST_DISK_GIB = 4


class VmError(Exception):
    """What the user must be told."""


@dataclasses.dataclass(frozen=True)
class Arch:
    """What differs between the processors that a control node may have."""

    binary: str
    machine: str
    console: str
    early: str


ARCHS = {
    "x86_64": Arch("qemu-system-x86_64", "q35", "ttyS0", "earlyprintk=ttyS0"),
    "aarch64": Arch("qemu-system-aarch64", "virt", "ttyAMA0", "earlycon"),
}


def control_node_arch() -> Arch:
    machine = platform.machine()
    if machine not in ARCHS:
        raise VmError(f"a control node with a {machine} processor is not supported: {', '.join(sorted(ARCHS))} are")
    return ARCHS[machine]


# --- Files -----------------------------------------------------------------------------------------------------------


def write_atomic(path: str, content: str, mode: int = 0o600) -> None:
    """The old content or the new one stands there, never a half."""
    handle, aside = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def read_json(path: str) -> dict[str, t.Any]:
    """The object in a file; empty where there is no file, or one that was cut off."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: str, value: dict[str, t.Any]) -> None:
    write_atomic(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def existing_parent(path: str) -> str:
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def place(source: str, target: str) -> None:
    """A link when the cache is on the same file system, else a copy: the machine lives on when the cache is emptied."""
    aside = target + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)
    try:
        os.link(source, aside)
    except OSError:
        shutil.copyfile(source, aside)
    os.replace(aside, target)


def tail(path: str, lines: int = SERIAL_TAIL_LINES) -> str:
    """The end of a console's log, without what would garble a terminal."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200 * lines))
            raw = file.read()
    except OSError:
        return ""
    text = raw.decode("utf-8", "replace").replace("\r", "\n")
    clean = ("".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in text.split("\n"))
    return "\n".join([line for line, _same in itertools.groupby(line for line in clean if line)][-lines:])


# --- Decisions: no effects, all in tables of the tests ---------------------------------------------------------------


def merge_config(old: dict[str, t.Any], asked: dict[str, t.Any]) -> dict[str, t.Any]:
    """What was asked for, else what is defined already, else the default."""
    merged = {**DEFAULTS, **{key: value for key, value in old.items() if value is not None}}
    merged.update({key: value for key, value in asked.items() if value is not None})
    return merged


def differs(one: dict[str, t.Any], other: dict[str, t.Any], keys: t.Iterable[str] = RUNTIME_KEYS) -> list[str]:
    return [
        *(key for key in keys if one.get(key) != other.get(key)),
        *(key for key in LATER_KEYS if key in other and one.get(key) != other[key]),
    ]


def plan(
    state: str, *, exists: bool, has_disk: bool, running: bool, defined_differs: bool, running_differs: bool
) -> list[str]:
    """The steps from what is there to what is asked for; none when it is so already."""
    if state == "absent":
        return (["kill"] if running else []) + (["remove"] if exists else [])
    if state == "stopped":
        return ["stop"] if running else []
    steps = []
    if not has_disk:
        # Defines it, too.
        steps.append("create")
    elif defined_differs:
        steps.append("define")
    if state == "started" and running and running_differs:
        steps += ["stop", "start"]
    elif state == "restarted":
        steps += ["stop", "start"] if running else ["start"]
    elif state == "reset" and running:
        steps.append("reset")
    elif state in ("started", "reset") and not running:
        steps.append("start")
    return steps


def config_problems(config: dict[str, t.Any], old: dict[str, t.Any]) -> list[str]:
    """What is wrong with the values themselves, with the name of the option and of the setting behind it."""
    problems = []
    if config["memory"] < 256:
        problems.append(f"memory (setting inception_vm_memory): {config['memory']} MiB is too little, at least 256")
    if config["cpus"] < 1:
        problems.append(
            f"cpus (setting inception_vm_cpus): {config['cpus']} is not a number of processors, for example 2"
        )
    if config["disk_size"] < 1:
        problems.append(
            f"disk_size (setting inception_vm_disk): {config['disk_size']} GiB is too little, for example 20"
        )
    if old and config["disk_size"] < old.get("disk_size", 0):
        problems.append(
            f"disk_size (setting inception_vm_disk): {config['disk_size']} GiB is less than the {old['disk_size']} GiB"
            " that the machine has; a disk only grows"
        )
    seen: dict[tuple[str, int, str], dict[str, t.Any]] = {}
    for port in config["forwarded_ports"]:
        for key in ("host_port", "guest_port"):
            if not 1 <= port[key] <= 65535:
                problems.append(f"{port_label(port)}: {key} {port[key]} is outside 1 to 65535")
        key_of_port = (port["host_address"], port["host_port"], protocol(port))
        if key_of_port in seen:
            problems.append(
                f"{port_label(port)}: port {port['host_port']} is taken by {port_label(seen[key_of_port])} as well"
            )
        seen[key_of_port] = port
    return problems


def isolation_problem(obstacle: str) -> str:
    return (
        f"isolation (setting vm_isolation): required, but {obstacle}; a machine that you trust with this computer's own"
        " ports and with its networks can do without: vm_isolation: auto"
    )


def port_label(port: dict[str, t.Any]) -> str:
    setting = f" (setting {port['setting']})" if port.get("setting") else ""
    return f"forwarded_ports{setting}"


def plain_ports(ports: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Without the names of settings, which change nothing of the machine."""
    return [
        {
            **{key: port[key] for key in ("guest_port", "host_address", "host_port")},
            # A machine that was defined before there was a choice has no word of it.
            **({"protocol": "udp"} if protocol(port) == "udp" else {}),
        }
        for port in ports
    ]


def protocol(port: dict[str, t.Any]) -> str:
    return port.get("protocol") or "tcp"


def ssh_port(config: dict[str, t.Any]) -> tuple[str, int] | None:
    """Where the guest's ssh answers on the control node."""
    for port in config["forwarded_ports"]:
        if port["guest_port"] == 22 and protocol(port) == "tcp":
            return port["host_address"], port["host_port"]
    return None


def ports_taken(ports: list[dict[str, t.Any]], held: list[dict[str, t.Any]]) -> list[str]:
    """One message for each port that another program has. `held`: those that our own running machine listens on."""
    ours = {(port["host_address"], port["host_port"], protocol(port)) for port in held}
    problems = []
    for port in ports:
        address = (port["host_address"], port["host_port"])
        if (*address, protocol(port)) in ours:
            continue
        error = listening_error(address, protocol(port))
        if error is None:
            continue
        where = f"{port_label(port)}: port {address[1]} of {address[0]}"
        if error.errno == errno.EADDRINUSE:
            free = free_port(address[0])
            problems.append(f"{where} is taken by another program; end that, or choose another, for example {free}")
        elif error.errno == errno.EACCES:
            problems.append(f"{where} is for root only; choose one from 1024 up, for example 8443")
        else:
            problems.append(f"{where} cannot be listened on: {error.strerror}")
    return problems


def listening_error(address: tuple[str, int], protocol: str = "tcp", patience: float = 2.0) -> OSError | None:
    """Why one cannot listen there. A machine that has just ended may hold its port for a moment longer."""
    deadline = time.monotonic() + patience
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                if protocol == "tcp":
                    probe.listen(1)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    return error
            else:
                return None
        time.sleep(0.1)


def is_ending(number: int, proc: str = "/proc") -> bool:
    """Whether it is a QEMU on its way out: its memory is gone and its words with it, its ports and its disk are not."""
    try:
        with open(f"{proc}/{number}/stat", encoding="utf-8", errors="replace") as file:
            name, dummy, state = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name.startswith("qemu-system") and state.split()[0] not in ("Z", "X")


def free_port(address: str) -> int:
    """A port that nobody has, below those that the kernel gives to outgoing connections."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in random.sample(range(20000, 32000), 1000):
        with socket.socket(family, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            return port
    raise VmError(f"no port from 20000 to 31999 of {address} is free")


def room_problems(config: dict[str, t.Any], state_dir: str, *, new_disk: bool, held_memory: int) -> list[str]:
    """Whether the memory and the disk suffice. `held_memory`: what our running machine gives back (MiB)."""
    problems = []
    free = available_memory() + held_memory
    if config["memory"] > free:
        problems.append(
            f"memory (setting inception_vm_memory): {config['memory']} MiB asked for,"
            f" the control node has {free} MiB available"
        )
    if new_disk:
        disk = shutil.disk_usage(existing_parent(state_dir)).free / 2**30
        if disk < min(FIRST_DISK_GIB, config["disk_size"]):
            problems.append(
                f"disk_size (setting inception_vm_disk): a new machine needs {FIRST_DISK_GIB} GiB at once,"
                f" the file system of {state_dir} has {disk:.1f} GiB free"
            )
    return problems


def available_memory() -> int:
    """MiB that can be given to a machine without swapping."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 2**31


# --- The command line ------------------------------------------------------------------------------------------------


def kernel_command_line(config: dict[str, t.Any], arch: Arch, accelerator: str) -> str:
    """Host name and key travel as systemd's own kernel settings: nothing has to be written into the image."""
    # Warnings and worse on the console: without an audit daemon it would be full of audit records.
    # After a panic the machine starts again: a broken connection tells more than one that hangs.
    words = ["root=/dev/vda", "rw", f"console={arch.console}", "loglevel=5", "panic=10", "net.ifnames=0"]
    if accelerator == "tcg":
        # Guards against processor bugs that an emulated processor does not have.
        words.append("mitigations=off")
    # What systemd does at a new tree's first boot (caches of the linker, of the journal) its packages have done.
    words.append("systemd.condition_needs_update=no")
    words.append(f"systemd.hostname={config['name']}")
    if config.get("ssh_public_key"):
        key = base64.b64encode((config["ssh_public_key"].strip() + "\n").encode()).decode()
        words.append(f"systemd.set_credential_binary=ssh.authorized_keys.root:{key}")
    if config["kernel_arguments"]:
        words.append(config["kernel_arguments"])
    return " ".join(words)


def accelerator_arguments(accelerator: str) -> list[str]:
    return ["-accel", "kvm", "-cpu", "host"] if accelerator == "kvm" else ["-accel", TCG, "-cpu", "max"]


def escape(value: str) -> str:
    """A comma in a value of a QEMU option is written twice."""
    return value.replace(",", ",,")


def build_argv(
    binary: str, config: dict[str, t.Any], arch: Arch, accelerator: str, *, isolated: bool = False
) -> list[str]:
    """QEMU's command line. Its files are named relative to the machine's folder, where it is started."""
    forwards = ""
    for port, inside in zip(config["forwarded_ports"], _qemu_network.forwards(config["forwarded_ports"]), strict=True):
        outside = (bracket(port["host_address"]), port["host_port"])
        address, number = (_qemu_network.OWN, inside.port) if isolated else outside
        forwards += f",hostfwd={protocol(port)}:{address}:{number}-:{port['guest_port']}"
    argv = [binary, "-name", escape(config["name"]), "-uuid", config["uuid"], "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-machine", arch.machine, *accelerator_arguments(accelerator)]
    argv += ["-smp", str(config["cpus"]), "-m", str(config["memory"]), "-rtc", "base=utc"]
    argv += ["-drive", "if=none,id=disk0,file=disk.qcow2,format=qcow2,discard=unmap,detect-zeroes=unmap"]
    argv += ["-device", "virtio-blk-pci,drive=disk0"]
    argv += ["-netdev", f"user,id=net0{forwards}", "-device", "virtio-net-pci,netdev=net0,romfile="]
    argv += ["-device", "virtio-rng-pci"]
    # The standard output, which KEEP_SERIAL reads.
    argv += ["-chardev", "file,id=serial0,path=/proc/self/fd/1", "-serial", "chardev:serial0"]
    argv += ["-qmp", "unix:qmp.sock,server=on,wait=off", "-pidfile", "qemu.pid", "-sandbox", SANDBOX]
    if config["boot"] == "kernel":
        argv += ["-kernel", "vmlinuz", "-initrd", "initrd", "-append", kernel_command_line(config, arch, accelerator)]
    else:
        # QEMU itself makes a small FAT disk of the seed folder: no tool for ISO images is needed.
        argv += ["-drive", "if=none,id=seed0,file=fat:seed,format=vvfat,label=CIDATA,read-only=on"]
        argv += ["-device", "virtio-blk-pci,drive=seed0"]
        if arch.machine == "virt":
            argv += ["-bios", "QEMU_EFI.fd"]
    return argv


def bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def seed_files(config: dict[str, t.Any]) -> dict[str, str]:
    """The NoCloud seed of a cloud image. JSON is YAML: no quoting rules to get wrong."""
    user_data = {
        "hostname": config["name"],
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "users": [{"name": "root", "ssh_authorized_keys": [config.get("ssh_public_key") or ""]}],
    }
    return {
        "meta-data": json.dumps({"instance-id": config["uuid"], "local-hostname": config["name"]}) + "\n",
        "network-config": json.dumps({"version": 2, "ethernets": {"any": {"match": {"name": "e*"}, "dhcp4": True}}})
        + "\n",
        "user-data": "#cloud-config\n" + json.dumps(user_data) + "\n",
    }


# --- The accelerator -------------------------------------------------------------------------------------------------


def machine_key(binary: str, kvm: str) -> dict[str, str]:
    """What the remembered answer holds for: another kernel, QEMU, processor or right to use KVM is asked again."""
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    model = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    return {"kernel": platform.release(), "kvm": kvm, "probe": PROBED_FOR, "processor": model, "qemu": version}


def kvm_device(device: str = "/dev/kvm") -> str:
    if not os.path.exists(device):
        return "there is no /dev/kvm"
    if not os.access(device, os.R_OK | os.W_OK):
        return "this user may not open /dev/kvm (is it in the group kvm?)"
    return "open"


def content(path: str) -> str:
    """What was written so far, if anything."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")
    return ""


def probe_kvm(binary: str, arch: Arch, image: dict[str, str], deadline: float = PROBE_SECONDS) -> tuple[bool, str]:
    """Starts a guest under KVM and waits for its kernel's first line: boot code before it may write one, and hang."""
    with tempfile.TemporaryDirectory(prefix="qemu-probe-") as folder:
        serial = os.path.join(folder, "serial.log")
        errors = os.path.join(folder, "qemu.log")
        argv = [binary, "-nodefaults", "-no-user-config", "-display", "none", "-machine", arch.machine]
        argv += [*accelerator_arguments("kvm"), "-m", "512", "-no-reboot", "-serial", f"file:{escape(serial)}"]
        if image.get("kernel"):
            argv += ["-kernel", image["kernel"], "-append", f"console={arch.console} {arch.early} panic=-1"]
        else:
            argv += ["-drive", f"if=virtio,file={escape(image['disk'])},snapshot=on"]
        end = time.monotonic() + deadline
        with open(errors, "wb") as log:
            guest = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:
            while True:
                if PROBED_FOR in content(serial):
                    return True, "a guest started under KVM"
                if "KVM internal error" in content(errors):
                    return False, "a guest under KVM ended in a KVM internal error"
                if guest.poll() is not None:
                    words = tail(errors, 3).replace("\n", " / ")
                    return False, f"QEMU ended under KVM with code {guest.returncode}: {words}"
                if time.monotonic() > end:
                    return False, f"no kernel spoke under KVM for {deadline:.0f} s"
                time.sleep(0.1)
        finally:
            guest.kill()
            guest.wait()


def choose_accelerator(
    wanted: str, binary: str, arch: Arch, image: dict[str, str], cache_dir: str, *, may_probe: bool = True
) -> tuple[str, str]:
    """(kvm|tcg|unknown, why). Asked once a machine, then remembered in the cache folder."""
    if wanted == "tcg":
        return "tcg", "asked for"
    device = kvm_device()
    if device != "open":
        if wanted == "kvm":
            raise VmError(f"accelerator: kvm asked for, but {device}")
        return "tcg", device
    memory = os.path.join(cache_dir, "accelerator.json")
    key = machine_key(binary, device)
    remembered = read_json(memory)
    if remembered.get("key") != key or remembered.get("accelerator") not in ("kvm", "tcg"):
        if not may_probe:
            return "unknown", "not asked yet"
        works, why = probe_kvm(binary, arch, image)
        remembered = {"accelerator": "kvm" if works else "tcg", "key": key, "reason": why}
        os.makedirs(cache_dir, mode=0o755, exist_ok=True)
        write_json(memory, remembered)
    if wanted == "kvm" and remembered["accelerator"] != "kvm":
        raise VmError(f"accelerator: kvm asked for, but {remembered['reason']}")
    return str(remembered["accelerator"]), str(remembered["reason"])


# --- The monitor -----------------------------------------------------------------------------------------------------


class Qmp:
    """QEMU's monitor on its UNIX socket."""

    def __init__(self, path: str, timeout: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        # Through the folder's handle: a socket's address holds 107 bytes, a path may be longer.
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(folder)
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> Qmp:
        try:
            self._read()
            self.execute("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._socket.close()

    def _read(self) -> dict[str, t.Any]:
        line = self._file.readline()
        if not line:
            raise OSError("QEMU closed its monitor")
        answer: dict[str, t.Any] = json.loads(line)
        return answer

    def execute(self, command: str, **arguments: t.Any) -> t.Any:
        request: dict[str, t.Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._file.write(json.dumps(request).encode() + b"\n")
        self._file.flush()
        while True:
            answer = self._read()
            if "error" in answer:
                raise VmError(f"QEMU refused {command}: {answer['error'].get('desc', answer['error'])}")
            if "return" in answer:
                return answer["return"]


# --- The machine -----------------------------------------------------------------------------------------------------


class Machine:
    """One machine and all its effects. Its folder is the only place where it keeps anything."""

    def __init__(self, state_dir: str) -> None:
        self.dir = os.path.abspath(state_dir)
        self.config = read_json(self.path("config.json"))
        self.run = read_json(self.path("run.json"))
        self.keeper: int | None = None

    def path(self, name: str) -> str:
        return os.path.join(self.dir, name)

    @property
    def exists(self) -> bool:
        return os.path.isdir(self.dir)

    @property
    def has_disk(self) -> bool:
        return os.path.exists(self.path("disk.qcow2"))

    # The process

    def pid(self) -> int | None:
        """The process, if it is really this machine's: a number in a file may since belong to someone else."""
        try:
            with open(self.path("qemu.pid"), encoding="ascii") as file:
                number = int(file.read().strip())
        except (OSError, ValueError):
            return None
        return number if number > 0 and self._is_ours(number) else None

    def _is_ours(self, number: int) -> bool:
        uuid = self.config.get("uuid")
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                words = file.read().decode("utf-8", "replace").split("\0")
        except OSError:
            return False
        if words == [""]:
            return is_ending(number)
        return bool(uuid) and any(pair == ("-uuid", uuid) for pair in itertools.pairwise(words))

    def _signal(self, number: int, name: signal.Signals) -> None:
        """By a handle of the process: between the look and the signal it cannot become another one."""
        try:
            handle = os.pidfd_open(number)
        except ProcessLookupError:
            return
        try:
            if self._is_ours(number):
                signal.pidfd_send_signal(handle, name)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)

    def _gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.pid() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    # The files

    def create(self, image: dict[str, str], config: dict[str, t.Any]) -> None:
        """Folder, links to the image and the disk. The disk comes last: where it stands, all of it is there."""
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        os.chmod(self.dir, 0o700)
        place(image["disk"], self.path("base.img"))
        if config["boot"] == "kernel":
            place(image["kernel"], self.path("vmlinuz"))
            place(image["initrd"], self.path("initrd"))
        info = json.loads(self._qemu_img("info", "--output=json", "base.img"))
        least = -(-int(info["virtual-size"]) // 2**30)
        if config["disk_size"] < least:
            raise VmError(
                f"disk_size (setting inception_vm_disk): {config['disk_size']} GiB is less than the image's {least} GiB"
            )
        size = f"{config['disk_size']}G"
        self._qemu_img("create", "-q", "-f", "qcow2", "-F", info["format"], "-b", "base.img", "disk.qcow2.new", size)
        os.replace(self.path("disk.qcow2.new"), self.path("disk.qcow2"))

    def define(self, config: dict[str, t.Any]) -> None:
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        write_json(self.path("config.json"), config)
        self.config = config

    def _qemu_img(self, *arguments: str) -> str:
        try:
            done = subprocess.run(["qemu-img", *arguments], cwd=self.dir, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise VmError("qemu-img is missing: install the package qemu-utils") from error
        if done.returncode != 0:
            raise VmError(f"qemu-img {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def foreign_files(self) -> list[str]:
        """What stands in the folder and is not the machine's."""
        if not self.exists:
            return []
        found = []
        for entry in sorted(os.listdir(self.dir)):
            if entry == "seed" and not os.path.islink(self.path(entry)):
                found += [f"seed/{name}" for name in sorted(os.listdir(self.path("seed"))) if name not in SEED_FILES]
            elif entry.startswith(".new.") or (entry.endswith(".new") and entry[:-4] in OWN_FILES):
                # What an interrupted write left.
                continue
            elif entry not in OWN_FILES:
                found.append(entry)
        return found

    def remove(self) -> None:
        for name in SEED_FILES:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(os.path.join(self.dir, "seed", name))
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.rmdir(self.path("seed"))
        # The definition goes last: a removal that was interrupted can be repeated.
        for entry in sorted(os.listdir(self.dir), key=lambda name: name == "config.json"):
            os.unlink(self.path(entry))
        os.rmdir(self.dir)
        self.config, self.run = {}, {}

    # Start and stop

    def start(self, binary: str, arch: Arch, accelerator: str, reason: str) -> None:
        config = self.config
        if self._disk_gib() < config["disk_size"]:
            self._qemu_img("resize", "-q", "disk.qcow2", f"{config['disk_size']}G")
        if config["boot"] != "kernel":
            os.makedirs(self.path("seed"), mode=0o700, exist_ok=True)
            for name, content in seed_files(config).items():
                write_atomic(os.path.join(self.dir, "seed", name), content)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.path("serial.log"), self.path("serial.log.1"))
        for name in ("qemu.pid", "qmp.sock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))
        obstacle = self._isolation_obstacle()
        self._launch(build_argv(binary, config, arch, accelerator, isolated=not obstacle), isolated=not obstacle)
        self.run = {
            "accelerator": accelerator,
            "accelerator_reason": reason,
            "config": {key: config[key] for key in (*RUNTIME_KEYS, *LATER_KEYS)},
            "isolated": not obstacle,
            "isolation_reason": obstacle,
            "pid": self.pid(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        write_json(self.path("run.json"), self.run)

    def _isolation_obstacle(self) -> str:
        """Why the machine gets no network of its own; empty where it does."""
        wanted = self.config["isolation"]
        if wanted == "none":
            return "not asked for"
        obstacle = _qemu_network.obstacle(self.config["forwarded_ports"])
        if obstacle and wanted == "required":
            raise VmError(isolation_problem(obstacle))
        return obstacle

    def _launch(self, argv: list[str], *, isolated: bool) -> None:
        """Starts QEMU and waits until its monitor answers. Not by its own -daemonize: a sandbox that lets nothing be
        started would end that.
        """
        ports = _qemu_network.forwards(self.config["forwarded_ports"])
        with open(self.path("qemu.log"), "wb") as log, self._serial_keeper() as console:
            streams: dict[str, t.Any] = {"stdout": console, "stderr": log}
            if isolated:
                try:
                    namespace = _qemu_network.Namespace(self.dir, ports, self.config["reachable"])
                    process = namespace.launch(argv, **streams)
                except _qemu_network.NetworkError as error:
                    words = tail(self.path("qemu.log"), 5)
                    raise VmError(f"the machine got no network of its own: {error}\n{words}".rstrip()) from error
            else:
                process = subprocess.Popen(
                    argv, cwd=self.dir, stdin=subprocess.DEVNULL, start_new_session=True, **streams
                )
        end = time.monotonic() + LAUNCH_SECONDS
        while True:
            with contextlib.suppress(OSError), Qmp(self.path("qmp.sock")):
                # It goes on without this process.
                process.returncode = 0
                return
            if process.poll() is not None:
                raise VmError(f"QEMU did not start (code {process.returncode}):\n{tail(self.path('qemu.log'))}")
            if time.monotonic() > end:
                process.kill()
                process.wait()
                raise VmError(
                    f"QEMU's monitor did not answer within {LAUNCH_SECONDS:.0f} s:\n{tail(self.path('qemu.log'))}"
                )
            time.sleep(0.05)

    @contextlib.contextmanager
    def _serial_keeper(self) -> t.Iterator[int]:
        """The end of a pipe whose other end is written into the serial log. It ends with who writes."""
        read, write = os.pipe()
        try:
            keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", KEEP_SERIAL],
                cwd=self.dir,
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            # It goes on without this process.
            keeper.returncode = 0
            self.keeper = keeper.pid
            yield write
        finally:
            os.close(read)
            os.close(write)

    def _disk_gib(self) -> float:
        return float(json.loads(self._qemu_img("info", "--output=json", "-U", "disk.qcow2"))["virtual-size"]) / 2**30

    def wait_for_ssh(self, timeout: float) -> None:
        """Until the guest's ssh greets, or it is clear that it will not.

        The time begins anew with each word on the serial port, at most four times over.
        """
        address = ssh_port({"forwarded_ports": self.run.get("config", self.config)["forwarded_ports"]})
        if address is None:
            return
        last = time.monotonic() + 4 * timeout
        end = time.monotonic() + timeout
        written = 0
        with Knock(*address) as knock:
            while not knock.answered(PAUSE):
                self._stop_if_hopeless()
                with contextlib.suppress(OSError):
                    if (size := os.path.getsize(self.path("serial.log"))) != written:
                        written, end = size, min(time.monotonic() + timeout, last)
                if time.monotonic() > end:
                    raise VmError(
                        f"the machine's ssh did not answer on {address[0]} port {address[1]} within {timeout:.0f} s"
                        f" (option timeout); it is left running.\n{self.serial_end()}"
                    )
                time.sleep(PAUSE)

    def _stop_if_hopeless(self) -> None:
        if self.pid() is None:
            self._wait_for_last_words()
            raise VmError(
                f"QEMU ended while the machine was starting:\n{tail(self.path('qemu.log'), 5)}\n{self.serial_end()}"
            )
        end_of_log = tail(self.path("serial.log")) + tail(self.path("qemu.log"), 60)
        if hopeless := next((words for words in (*HOPELESS, "KVM internal error") if words in end_of_log), None):
            time.sleep(1)
            message = f"the machine gave up ({hopeless}); it has been switched off.\n{self.serial_end()}"
            self.kill()
            raise VmError(message)

    def _wait_for_last_words(self) -> None:
        """On a busy machine QEMU is gone before its keeper has written what it said. Of another run's, it has."""
        end = time.monotonic() + LAST_WORDS_SECONDS
        with contextlib.suppress(ChildProcessError):
            while self.keeper and os.waitpid(self.keeper, os.WNOHANG) == (0, 0) and time.monotonic() < end:
                time.sleep(0.05)

    def serial_end(self) -> str:
        path = self.path("serial.log")
        return f"The end of {path}:\n{tail(path) or '(nothing was written)'}"

    def learn_host_key(self, patience: float) -> bool:
        """The guest's host key, read once over the loopback interface; later runs only follow a changed port."""
        address = ssh_port({"forwarded_ports": self.run["config"]["forwarded_ports"]})
        if address is None:
            return False
        host = f"[{address[0]}]:{address[1]}"
        path = self.path("known_hosts")
        lines = []
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            lines = [line.split(None, 1)[1].strip() for line in file if len(line.split(None, 1)) == 2]
        if not lines:
            lines = scan_host_keys(*address, patience)
        content = "".join(f"{host} {line}\n" for line in lines)
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            if file.read() == content:
                return False
        write_atomic(path, content)
        return True

    def stop(self, timeout: float) -> None:
        """Presses the power button, again now and then: a guest that is still starting does not feel the first time."""
        end = time.monotonic() + timeout
        while self.pid() is not None:
            # The monitor goes away with the process: that is what we want.
            with contextlib.suppress(OSError), Qmp(self.path("qmp.sock")) as monitor:
                monitor.execute("system_powerdown")
            if self._gone(min(10.0, max(0.1, end - time.monotonic()))):
                break
            if time.monotonic() > end:
                raise VmError(
                    f"the machine did not switch itself off within {timeout:.0f} s (option timeout); it is left"
                    f" running, and state=absent or force_stop=true ends it hard.\n{self.serial_end()}"
                )
        self._forget_process()

    def kill(self) -> None:
        """Ends the process without asking the guest."""
        for name, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            number = self.pid()
            if number is None:
                break
            self._signal(number, name)
            if self._gone(patience):
                break
        else:
            raise VmError(f"the process {self.pid()} of the machine cannot be ended")
        self._forget_process()

    def _forget_process(self) -> None:
        for name in ("qemu.pid", "qmp.sock", "run.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))
        self.run = {}

    def reset(self) -> None:
        try:
            with Qmp(self.path("qmp.sock")) as monitor:
                monitor.execute("system_reset")
        except OSError as error:
            raise VmError(f"the machine's monitor does not answer: {error}") from error


class Knock:
    """A connection that waits for an ssh server's name. That it is accepted says nothing: QEMU accepts each.

    It stays open while it may be answered. A server that starts finds whoever gave up before still in its queue, and
    OpenSSH (from 9.8 on) shuts out for a while whoever comes and leaves that often, our next word included.
    """

    # Seconds. The guest may have begun anew meanwhile, and knows nothing of the connection.
    LAST = 60.0

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.connection: socket.socket | None = None
        self.since = 0.0

    def __enter__(self) -> Knock:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.leave()

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def answered(self, seconds: float) -> bool:
        """Whether the server has said its name, which is waited for that long at most."""
        if self.connection is None or time.monotonic() > self.since + self.LAST:
            self.leave()
            self.since = time.monotonic()
            with contextlib.suppress(OSError):
                self.connection = socket.create_connection(self.address, timeout=seconds)
        if self.connection is None:
            return False
        try:
            self.connection.settimeout(seconds)
            if self.connection.recv(4) == b"SSH-":
                return True
        except TimeoutError:
            return False
        except OSError:
            pass
        self.leave()
        return False


def scan_host_keys(host: str, port: int, patience: float) -> list[str]:
    """Lines of "type key". Asked for so many seconds: who has just begun may send us away."""
    argv = ["ssh-keyscan", "-T", "20", "-t", "ed25519", "-p", str(port), host]
    end = time.monotonic() + patience
    while True:
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise VmError("ssh-keyscan is missing: install the package openssh-client") from error
        lines = [line.split(None, 1)[1] for line in done.stdout.splitlines() if line and not line.startswith("#")]
        if lines:
            return lines
        if time.monotonic() > end:
            said = done.stderr.strip() or "nothing was said"
            raise VmError(
                f"the machine's host key could not be read from {host} port {port} in {patience:.0f} s: {said}"
            )
        time.sleep(KEY_PAUSE)
