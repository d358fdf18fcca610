# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of the managed host, its settings and how it is started. Private to this collection.

Its socket is asked, and neither the command line nor a library: what root's client has been told (another context, a
store of credentials) leads nobody to another engine, and an answer takes milliseconds.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

SOCKET = "/run/docker.sock"
SETTINGS = "/etc/docker/daemon.json"
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
# What compose gives each container that it makes, and no image: one that somebody starts by hand from an image of ours
# has the project's name from that.
NUMBER_LABEL = "com.docker.compose.container-number"
WORKING_DIR = "com.docker.compose.project.working_dir"
NAMESPACE = "com.docker.stack.namespace"
OPENRC_SETTINGS = Path("/etc/conf.d/docker")
OPENRC_VARIABLE = "DOCKER_OPTS"
# Where the service of OpenRC writes what the engine says, by the names in its settings, and where without any.
OPENRC_LOGS = ("DOCKER_ERRFILE", "DOCKER_LOGFILE")
OPENRC_LOG = "/var/log/docker.log"
# What the engine takes over while it runs (docs.docker.com, dockerd, "Configuration reload behavior").
RELOADABLE = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
# Flags whose key in the file is another word.
KEYS = {
    "H": "hosts",
    "D": "debug",
    "l": "log-level",
    "G": "group",
    "b": "bridge",
    "s": "storage-driver",
    "g": "data-root",
    "graph": "data-root",
    "host": "hosts",
    "label": "labels",
    "log-opt": "log-opts",
    "storage-opt": "storage-opts",
    "exec-opt": "exec-opts",
    "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors",
    "default-ulimit": "default-ulimits",
    "default-address-pool": "default-address-pools",
    "add-runtime": "runtimes",
    "feature": "features",
    "authorization-plugin": "authorization-plugins",
}
FLAG = re.compile(r"--?([A-Za-z][a-z0-9-]*)(?:=(.*))?", re.DOTALL)
NUMBER = re.compile(r"\d+")
# Seconds in which one that ends again and again has ended.
LATELY = 3600
# Bytes at the end of a log in which its last words are.
LOG_END = 16_384

Run = Callable[[list[str]], tuple[int, str, str]]


class EngineProblem(Exception):
    """What is wrong, for the user."""


# ---- The engine, asked ----


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask_bytes(
    address: str, path: str = SOCKET, timeout: float = 60, method: str = "GET", most: int | None = None
) -> bytes | None:
    """What the engine answers, or nothing when none listens there, it refuses, or it is more than `most` bytes."""
    connection = _Connection(path, timeout)
    try:
        connection.request(method, address)
        answer = connection.getresponse()
        body = answer.read() if most is None else answer.read(most + 1)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status in (200, 204) and (most is None or len(body) <= most) else None


def ask(address: str, path: str = SOCKET, timeout: float = 60) -> Any:
    """The same, read as JSON."""
    body = ask_bytes(address, path, timeout)
    try:
        return None if body is None else json.loads(body)
    except ValueError:
        return None


def last_exit(container: str) -> int | None:
    """With what one ended last: the state of one that runs again says 0. Of the last 256 events of the engine."""
    now = time.time()
    filters = quote(json.dumps({"container": [container], "event": ["die"]}))
    body = ask_bytes(f"/events?since={now - LATELY:.6f}&until={now:.6f}&filters={filters}", timeout=10)
    try:
        return int(json.loads((body or b"").splitlines()[-1])["Actor"]["Attributes"]["exitCode"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def version(text: str) -> tuple[int, ...]:
    """The first numbers of a version: 26.1.5+dfsg1 is (26, 1, 5)."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()


@dataclass(frozen=True)
class Container:
    """A container as the engine lists it."""

    name: str
    running: bool
    project: str
    working_dir: str
    ports: frozenset[tuple[str, int]]
    stack: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Container:
        labels = told.get("Labels") or {}
        return cls(
            name=str((told.get("Names") or [told.get("Id", "")])[0]).lstrip("/"),
            running=told.get("State") in ("running", "paused", "restarting"),
            project=labels.get(PROJECT, "") if NUMBER_LABEL in labels else "",
            working_dir=labels.get(WORKING_DIR, ""),
            ports=frozenset(
                (port["Type"], port["PublicPort"])
                for port in told.get("Ports") or []
                if port.get("PublicPort") and port.get("IP") not in ("127.0.0.1", "::1")
            ),
            stack=labels.get(NAMESPACE, ""),
        )

    def is_of(self, project_dir: str, stack: str = "") -> bool:
        """Whether compose made it from a project in this folder: a name is nobody's alone. Or it is of our swarm's."""
        if stack and self.stack == stack:
            return True
        return bool(self.project) and (
            self.working_dir == project_dir or self.working_dir.startswith(f"{project_dir}/")
        )


def containers(path: str = SOCKET) -> list[Container]:
    return [Container.of(told) for told in ask("/containers/json?all=1", path) or []]


# ---- How it is started ----


def flag_settings(arguments: Iterable[str]) -> dict[str, str]:
    """The settings that a command line of dockerd gives, by their keys in daemon.json; a flag alone is true."""
    found: dict[str, str] = {}
    words = list(arguments)
    for number, word in enumerate(words):
        match = FLAG.fullmatch(word)
        if match is None:
            continue
        name, value = match[1], match[2]
        if value is None:
            following = words[number + 1] if number + 1 < len(words) else "-"
            value = "true" if following.startswith("-") else following
        found[KEYS.get(name, name)] = value
    return found


def variables_of(text: str) -> dict[str, str]:
    """The values of a file of variables, as systemd and a shell read it."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
            try:
                found[name] = " ".join(shlex.split(value, comments=True))
            except ValueError:
                found[name] = value
    return found


def expanded(words: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """A unit's command with its variables: alone one becomes several words, in braces a part of one."""
    found: list[str] = []
    for word in words:
        if alone := re.fullmatch(r"\$([A-Za-z_]\w*)", word):
            found += variables.get(alone[1], "").split()
        else:
            found.append(re.sub(r"\$\{(\w+)\}", lambda name: variables.get(name[1], ""), word))
    return found


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return ""


@dataclass(frozen=True)
class Unit:
    """What starts the engine: its command, and how systemd finds it."""

    command: tuple[str, ...] = ()
    loaded: str = ""
    active: str = ""

    @property
    def settings(self) -> dict[str, str]:
        return flag_settings(self.command[1:])


def unit_from(properties: str) -> Unit:
    """The unit from what systemctl show says of it."""
    said = dict(line.partition("=")[::2] for line in properties.splitlines())
    match = re.search(r"argv\[\]=(.*?) ; ignore_errors=", said.get("ExecStart", ""))
    variables = variables_of("\n".join(shlex.split(said.get("Environment", ""))))
    for path in re.findall(r"(/\S+) \(ignore_errors=", properties):
        variables |= variables_of(_text(path))
    command = expanded(match[1].split(), variables) if match else []
    return Unit(tuple(command), said.get("LoadState", ""), said.get("ActiveState", ""))


def unit(run: Run, systemd: bool) -> Unit:
    """How the engine will be started the next time."""
    if not systemd:
        options = variables_of(_text(OPENRC_SETTINGS)).get(OPENRC_VARIABLE, "")
        return Unit(("/usr/bin/dockerd", *options.split()), "loaded" if OPENRC_SETTINGS.exists() else "not-found")
    wanted = "--property=ExecStart,EnvironmentFiles,Environment,LoadState,ActiveState"
    return unit_from(run(["systemctl", "show", "docker.service", wanted])[1])


def openrc_log() -> str:
    """What the engine said lately, where OpenRC starts it."""
    variables = variables_of(_text(OPENRC_SETTINGS))
    path = next((variables[name] for name in OPENRC_LOGS if variables.get(name)), OPENRC_LOG)
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_END))
            return log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def complaint(lines: Iterable[str]) -> str:
    """The last line in which the engine says what is wrong."""
    said = [line for line in lines if re.search(r"level=(error|fatal)|failed to start daemon|unable to", line)]
    return said[-1] if said else ""


# ---- Its settings ----


def read_settings(text: str | None, path: str = SETTINGS) -> dict[str, Any]:
    """What daemon.json says; an empty one is as good as none."""
    if text is None or not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise EngineProblem(f"{path} is no JSON ({error}); mend it, or move it away") from None
    if not isinstance(found, dict):
        raise EngineProblem(f"{path} is no JSON object; mend it, or move it away")
    return found


@dataclass(frozen=True)
class Wanted:
    """What a deployment wants of the engine's settings."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    # Those that the user named; of the others, what would be felt by somebody else is left alone.
    own: frozenset[str] = frozenset()
    may_restart: bool = False


@dataclass(frozen=True)
class Plan:
    """What becomes of the settings."""

    changes: Mapping[str, Any]
    skipped: Mapping[str, str]
    # Keys that want a restart, and containers of others that would not live through it.
    restart: tuple[str, ...] = ()
    harmed: tuple[str, ...] = ()
    # Keys by which an engine that has containers would no longer know them, nor their images.
    moved: tuple[str, ...] = ()
    # What the file says, and the engine does not do yet.
    reload: bool = False
    # The kernel has lost the rules of the engine, which writes them only when it starts.
    repair: bool = False

    @property
    def pending(self) -> bool:
        return bool(self.changes or self.restart or self.reload or self.repair)


PROXY, PROXY_PATH = "userland-proxy", "userland-proxy-path"
# Where the engine looks for its proxy.
PROXY_FOLDERS = (
    "/usr/local/libexec/docker:/usr/libexec/docker:/usr/local/lib/docker:/usr/lib/docker"
    ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
)


def with_proxy_path(wanted: Wanted, present: Mapping[str, Any], flags: Mapping[str, str]) -> Wanted:
    """An engine since 25.0 reads a file again that wants its proxy only where it says which program that is."""
    if wanted.settings.get(PROXY) is not True or PROXY in flags:
        return wanted
    path = shutil.which("docker-proxy", path=PROXY_FOLDERS)
    if path is None or PROXY_PATH in {**present, **flags, **wanted.settings}:
        return wanted
    return replace(wanted, settings={**wanted.settings, PROXY_PATH: path}, own=wanted.own | {PROXY_PATH})


IN_FORCE = {"live-restore": "LiveRestoreEnabled", "log-driver": "LoggingDriver"}

CONTAINERD = "containerd-snapshotter"


def moved(changes: Mapping[str, Any], info: Mapping[str, Any]) -> frozenset[str]:
    """The keys by which the engine would look for its images and containers elsewhere from its next start on."""
    found = {
        key
        for key, name in (("data-root", "DockerRootDir"), ("storage-driver", "Driver"))
        if key in changes and str(changes[key]).rstrip("/") != info.get(name)
    }
    # Where the settings do not say, each release has a default of its own.
    of_containerd = (changes.get("features") or {}).get(CONTAINERD)
    if of_containerd is not None and of_containerd != ("io.containerd.snapshotter" in str(info.get("DriverStatus"))):
        found.add("features")
    return frozenset(found)


def plan(
    present: Mapping[str, Any],
    wanted: Wanted,
    flags: Mapping[str, str],
    info: Mapping[str, Any] | None,
    others: Iterable[str],
    repair: bool = False,
) -> Plan:
    """Which keys to change, given daemon.json, the unit's flags, what the engine says, and who else uses it."""
    others = tuple(sorted(others))
    wanted = with_proxy_path(wanted, present, flags)
    changes: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    swarm = ((info or {}).get("Swarm") or {}).get("LocalNodeState", "inactive") not in ("", "inactive")
    for key, value in wanted.settings.items():
        if key in flags:
            skipped[key] = "the service of the engine gives it as a flag"
        elif key == "live-restore" and value and swarm:
            skipped[key] = "the engine is part of a swarm, which does without"
        elif present.get(key) == value:
            continue
        elif key not in wanted.own and key in present:
            skipped[key] = "its owner chose another value"
        elif key not in wanted.own and key not in RELOADABLE and others:
            skipped[key] = f"it would restart the engine, on which others' containers run ({', '.join(others)})"
        else:
            changes[key] = value
    kept = {key: value for key, value in wanted.settings.items() if key not in skipped}
    stale = [
        key
        for key, name in IN_FORCE.items()
        if key in kept and info is not None and name in info and info[name] != kept[key]
    ]
    elsewhere = moved(changes, info or {}) if info is not None else frozenset()
    restart = tuple(sorted({*changes, *stale} - RELOADABLE | elsewhere)) if info is not None else ()
    survive = bool((info or {}).get("LiveRestoreEnabled"))
    return Plan(
        changes,
        skipped,
        restart,
        harmed=others if restart and not survive and not wanted.may_restart else (),
        moved=tuple(sorted(elsewhere)) if (info or {}).get("Containers") else (),
        reload=bool(set(stale) & RELOADABLE),
        repair=repair,
    )


def rules_are_gone(run: Run, settings: Mapping[str, Any]) -> bool:
    """Whether a running engine has none of its rules in the kernel, as after a reload of the machine's own."""
    if str(settings.get("iptables", True)).lower() == "false":
        return False
    # Those of iptables, in either of its kinds, and those of an engine that uses nftables itself.
    for command in (
        ["iptables", "--wait", "-t", "nat", "-S", "DOCKER"],
        ["nft", "list", "table", "ip", "docker-bridges"],
    ):
        try:
            if run(command)[0] == 0:
                return False
        except OSError:
            continue
    return True


def process(name: str = "dockerd", proc: Path = Path("/proc")) -> int | None:
    """The process of the engine of this machine, and of no container on it."""
    for one in proc.iterdir():
        if not NUMBER.fullmatch(one.name):
            continue
        try:
            if (one / "comm").read_text().strip() == name and os.readlink(one / "ns/pid") == os.readlink(
                proc / "self/ns/pid"
            ):
                return int(one.name)
        except OSError:
            continue
    return None
