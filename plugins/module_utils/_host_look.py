# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a managed host: what is there, and what of it stands in the way of a stack. Private to this collection.

Each check is a generator of sentences that name the thing, and say what to type. They only read.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _backup_state,
    _connection,
    _decided,
    _engine,
    _facts,
    _from_one,
    _history,
    _lease,
    _listeners,
    _places,
)

GIB = 1024**3
MANIFESTS = "/var/lib/fortytwo.inception"
ROOT = Path("/")
# There on a node of a cluster (the role cluster).
NODE = f"{MANIFESTS}/cluster/node.json"
BACKUP_SETTINGS = Path("/", _backup_state.BACKUP, "settings.json")
LEASE = Path("/", _places.LEASE)
RESTORE = Path("/", _backup_state.BACKUP, "restore.json")
DPKG = Path("/var/lib/dpkg/status")
DPKG_UPDATES = Path("/var/lib/dpkg/updates")
APT_LISTS = Path("/var/lib/apt/lists")
SYSTEMD = Path("/run/systemd/system")
HOSTS = Path("/etc/hosts")
RULES = "/etc/inception-firewall.nft"
TABLE = ("inet", "inception")
CLIENT = Path("/root/.docker/config.json")
ENGINE_PACKAGES = frozenset({"docker.io", "docker-ce", "moby-engine", "docker"})
OLDEST_ENGINE = (25, 0)
# What tells that a file of this name is ours: words that are in every release's.
OUR_FILES = {
    RULES: "The rules of others stay as they are",
    "/etc/systemd/system/inception-firewall.service": "Firewall of the Inception machine",
    "/etc/init.d/inception-firewall": "Firewall of the Inception machine",
    "/etc/apt/apt.conf.d/60inception-security-updates": "Security updates, every day, without a question",
    "/etc/periodic/daily/inception-security-updates": "its daily upgrade is its security update",
    "/etc/cloud/cloud.cfg.d/99_inception.cfg": "/etc/hosts names the domain of Inception",
    # An archive, which has the names of its files in it as they are.
    "/usr/local/sbin/inception": "ansible_collections/fortytwo/inception/",
    "/etc/systemd/system/inception-resume.service": "Written by fortytwo.inception",
    "/etc/systemd/system/inception-health.service": "Written by fortytwo.inception",
    "/etc/systemd/system/inception-health.timer": "Written by fortytwo.inception",
    "/etc/periodic/15min/inception-health": "Written by fortytwo.inception",
    "/etc/systemd/system/inception-update.service": "Written by fortytwo.inception",
    "/etc/systemd/system/inception-update.timer": "Written by fortytwo.inception",
    "/etc/periodic/daily/inception-update": "Written by fortytwo.inception",
    "/etc/periodic/weekly/inception-update": "Written by fortytwo.inception",
    "/etc/systemd/system/docker.service.d/inception.conf": "Written by fortytwo.inception",
}
# Free space and files that a first deployment needs, by what they are for.
ROOM = (
    ("Docker's images", 3 * GIB, 60_000),
    ("the packages", GIB // 2, 10_000),
    ("the site's data", GIB // 2, 6_000),
)
DEFAULT_POOLS: list[dict[str, Any]] = [{"Base": f"172.{second}.0.0/16", "Size": 16} for second in range(17, 32)] + [
    {"Base": "192.168.0.0/16", "Size": 20}
]


@dataclass(frozen=True)
class Asked:
    """What the deployment is about, as the module was told."""

    login: str
    domain: str
    project: str
    project_dir: str
    data_dir: str
    base_image: str = ""
    names: Sequence[str] = ()
    ports: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[str] = ()
    # Those that are the same on every node of a cluster.
    shared: Sequence[str] = ()
    networks: Sequence[str] = ()
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    docker_source: str = "distribution"
    firewall: bool = True
    open_ports: Sequence[str] = ()
    ssh_port: int = 22
    trusted_interfaces: Sequence[str] = ()
    memory_mb: int = 0
    # A node of a cluster.
    node: bool = False
    settings: _engine.Wanted = field(default_factory=_engine.Wanted)

    @property
    def manifest(self) -> str:
        return NODE if self.node else own_manifest(self.login)

    @property
    def wanted_ports(self) -> set[_listeners.Port]:
        return {
            (str(port["protocol"]), number) for port in self.ports for number in range(port["first"], port["last"] + 1)
        }


def own_manifest(login: str) -> str:
    """The file by which a deployment of the machine's own is known."""
    return f"{MANIFESTS}/{login}.json"


def text_of(path: str | Path) -> str | None:
    """The text of a file that may not be there."""
    try:
        return Path(path).read_bytes().decode("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def existing(path: str) -> str:
    """The folder where this path is, or will be made."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def dpkg_states(database: str) -> dict[str, str]:
    """What dpkg thinks of each package, in three words."""
    return dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Status: (.+)$", database, re.MULTILINE))


@dataclass
class Host:
    """What there is, read when it is wanted."""

    asked: Asked
    run: _engine.Run

    # ---- The engine ----

    @cached_property
    def info(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = _engine.ask("/info") if os.path.exists(_engine.SOCKET) else None
        return found

    @cached_property
    def containers(self) -> list[_engine.Container]:
        return _engine.containers() if self.info is not None else []

    @property
    def others(self) -> list[_engine.Container]:
        return [one for one in self.containers if not self.is_ours(one)]

    @property
    def stack(self) -> str:
        """What our stack is called in the swarm, where this host is a node of it."""
        return self.asked.project if self.asked.node and self.deployed else ""

    @cached_property
    def own(self) -> bool:
        """Whether a host that is to be a node has a stack of its own, which the cluster takes over (from_one)."""
        return self.asked.node and os.path.exists(own_manifest(self.asked.login))

    @cached_property
    def own_phase(self) -> str:
        """How far that is. Where all of it runs, nobody has begun, or somebody went back to it."""
        found = _from_one.phase(ROOT)
        ours = [one.running for one in self.containers if one.project and one.is_of(self.asked.project_dir)]
        return _from_one.BEGUN if ours and all(ours) else found

    def is_ours(self, container: _engine.Container) -> bool:
        return container.is_of(self.asked.project_dir, self.stack)

    @cached_property
    def volumes(self) -> list[dict[str, Any]]:
        return list((_engine.ask("/volumes") or {}).get("Volumes") or []) if self.info is not None else []

    @cached_property
    def networks(self) -> list[dict[str, Any]]:
        return list(_engine.ask("/networks") or []) if self.info is not None else []

    @cached_property
    def images(self) -> list[dict[str, Any]]:
        return list(_engine.ask("/images/json") or []) if self.info is not None else []

    @cached_property
    def unit(self) -> _engine.Unit:
        return _engine.unit(self.run, SYSTEMD.exists())

    @cached_property
    def engine_text(self) -> str | None:
        return text_of(_engine.SETTINGS)

    @cached_property
    def engine_settings(self) -> dict[str, Any]:
        """What the engine has been told, by its file and by its service."""
        try:
            return {**_engine.read_settings(self.engine_text), **self.unit.settings}
        except _engine.EngineProblem:
            return dict(self.unit.settings)

    @cached_property
    def plan(self) -> _engine.Plan:
        try:
            present = _engine.read_settings(self.engine_text)
        except _engine.EngineProblem:
            return _engine.Plan({}, {})
        running = [one.name for one in self.others if one.running]
        gone = self.info is not None and _engine.rules_are_gone(self.run, self.engine_settings)
        return _engine.plan(present, self.asked.settings, self.unit.settings, self.info, running, gone)

    # ---- The rest ----

    @cached_property
    def facts(self) -> dict[str, Any]:
        return _facts.facts()

    @cached_property
    def deployed(self) -> bool:
        """Whether a deployment of ours was here, as far as the project folder."""
        project = self.asked.node or os.path.exists(f"{self.asked.project_dir}/srcs/.env")
        return os.path.exists(self.asked.manifest) and project

    @cached_property
    def listeners(self) -> list[_listeners.Listener]:
        return _listeners.listeners()

    @cached_property
    def packages(self) -> dict[str, str]:
        return dpkg_states(text_of(DPKG) or "")

    @cached_property
    def missing_packages(self) -> list[str]:
        if not DPKG.exists():
            return []
        wanted = self.asked.packages.get(self.facts["ansible_distribution"], ())
        return [name for name in wanted if not self.packages.get(name, "").endswith(" installed")]

    @cached_property
    def firewall_is_on(self) -> bool:
        """By what the kernel has."""
        try:
            return self.run(["nft", "list", "table", *TABLE])[0] == 0
        except OSError:
            return False

    @cached_property
    def ssh_port(self) -> int | None:
        return _connection.ssh_port()

    @cached_property
    def engine_root(self) -> str:
        told = (self.info or {}).get("DockerRootDir") or self.engine_settings.get("data-root") or "/var/lib/docker"
        return str(told)


# ---- Names that are ours by more than the name ----


def ports_of_project(host: Host) -> set[_listeners.Port]:
    """What the containers of the login's project publish."""
    return {port for one in host.containers if host.is_ours(one) for port in one.ports}


def ours_in_project(host: Host) -> bool:
    return host.deployed or any(host.is_ours(one) for one in host.containers)


def of_project(host: Host, objects: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in objects if (one.get("Labels") or {}).get(_engine.PROJECT) == host.asked.project]


def foreign(host: Host) -> dict[str, str]:
    """What others' compose project of our name has, or has left, and in which folder that is."""
    asked = host.asked
    found: dict[str, str] = {}
    for container in host.others:
        if container.project == asked.project:
            found[f"container {container.name}"] = container.working_dir
    prefix = f"{asked.project}_"
    for volume in host.volumes:
        device = str((volume.get("Options") or {}).get("device", ""))
        mine = device.startswith(f"{asked.data_dir}/")
        is_named = volume["Name"].startswith(prefix) and volume["Name"][len(prefix) :] in asked.volumes
        if not mine and (is_named or (volume.get("Labels") or {}).get(_engine.PROJECT) == asked.project):
            found[f"volume {volume['Name']}"] = ""
    if not ours_in_project(host):
        for network in of_project(host, host.networks):
            found[f"network {network['Name']}"] = ""
    return found


def check_project(host: Host) -> Iterator[str]:
    """Others' compose project of our name."""
    asked, found = host.asked, foreign(host)
    if found:
        places = sorted({place for place in found.values() if place})
        yield (
            f"inception_project: '{asked.project}' is the name of a compose project of others' here"
            f"{' in ' + ', '.join(places) if places else ''} ({few(list(found))}), which stays as it is; "
            f"give this one another name; for example: inception_project: {asked.login}-inception"
        )


def few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def check_former_name(host: Host) -> Iterator[str]:
    """Our own project under another name, which would stay and hold the ports."""
    asked = host.asked
    names = sorted({one.project for one in host.containers if host.is_ours(one)} - {asked.project, ""})
    if names:
        yield (
            f"inception_project: this stack runs here as '{names[0]}' and would be a second one as "
            f"'{asked.project}'; "
            f"leave the name, or remove the stack first (make remove); for example: inception_project: {names[0]}"
        )


def check_other_logins(host: Host) -> Iterator[str]:
    """A stack of ours for another login: the firewall, the name and the port are there once."""
    others = sorted(path.stem for path in Path(MANIFESTS).glob("*.json") if text_of(path) is not None)
    others = [
        login for login in others if login != host.asked.login and os.path.exists(f"/home/{login}/inception/srcs")
    ]
    if others:
        yield (
            f"inception_login: this machine has the stack of {few(others)}, and carries one only; "
            f"remove that one first (make remove with inception_login: {others[0]}), or choose another machine; "
            f"for example: inception_login: {others[0]}"
        )


def check_kind(host: Host) -> Iterator[str]:
    """A node of a cluster is no machine of its own: what is there would be lost. The other way round see below."""
    if not host.asked.node and os.path.exists(NODE):
        yield (
            f"it is a node of a cluster ({NODE}), which make cluster looks after; put it into the group cluster of the "
            "inventory, or have it leave that first: docs/cluster.md"
        )


def check_taking_over(host: Host) -> Iterator[str]:
    """What of a stack of the machine's own a cluster cannot take over as it is."""
    if not host.own:
        return
    asked = host.asked
    if under_way := _history.History(_decided.HISTORY).under_way():
        yield (
            f"the {under_way.get('what', 'deployment')} of {under_way.get('since', 'before')} was cut off; bring it to "
            "its end before a cluster takes the site over: inception resume"
        )
    if (holder := _lease.Lease(LEASE).holder()) is not None:
        yield f"another one is at work on this machine: {holder.told()}; wait until that has ended"
    swarm = [one.name for one in host.containers if one.stack == asked.project]
    if (
        swarm
        and host.own_phase == _from_one.BEGUN
        and any(host.is_ours(one) and not one.stack for one in host.containers)
    ):
        yield (
            f"its own stack runs, and so does the cluster's ({few(swarm)}), so nobody knows which has the site; end "
            f"the cluster's (docker stack rm {asked.project}), or its own (make down in its project folder)"
        )
    if host.own_phase == _from_one.BEGUN:
        needed = _from_one.size_of(f"{asked.data_dir}/{name}" for name in asked.shared)
        found = _from_one.free(MANIFESTS)
        if found < needed + GIB // 4:
            yield (
                f"the website's files have {needed / GIB:.1f} GiB, which a cluster copies, and {MANIFESTS} has "
                f"{found / GIB:.1f} GiB free; free some, or give it a larger disk"
            )


def check_bare_names(host: Host) -> Iterator[str]:
    """Containers and networks of our names that are of no project of ours: compose would stumble over them."""
    asked = host.asked
    numbered = re.compile(rf"{re.escape(asked.project)}-({'|'.join(map(re.escape, asked.names))})-\d+")
    found = [
        f"container {one.name}" for one in host.others if one.project != asked.project and numbered.fullmatch(one.name)
    ]
    names = {f"{asked.project}_{name}" for name in asked.networks}
    labelled = [one["Name"] for one in of_project(host, host.networks)]
    if host.stack:
        labelled += [
            one["Name"] for one in host.networks if (one.get("Labels") or {}).get(_engine.NAMESPACE) == host.stack
        ]
    found += [f"network {one['Name']}" for one in host.networks if one["Name"] in names - {*labelled}]
    if found:
        yield (
            f"inception_project: {few(found)} {'has' if len(found) == 1 else 'have'} a name that this stack would "
            "give, and nothing is done to it; give this one's project another name; "
            f"for example: inception_project: {asked.login}-inception"
        )


def check_base_image(host: Host) -> Iterator[str]:
    """Somebody's own image under the name of the base: it would lose that name to ours. One of a registry is used."""
    name = host.asked.base_image
    if not name or host.deployed:
        return
    for image in host.images:
        labels = image.get("Labels") or {}
        if name in (image.get("RepoTags") or ()) and "inception.base" not in labels and not image.get("RepoDigests"):
            yield (
                f"base_image_reference: the image {name} here is somebody's own, and would lose its name to the base "
                f"of this stack; give it another one (docker tag {name} mine/{name} && docker image rm {name}), "
                f"or ours; for example: base_image_reference: inception-{name}"
            )


def foreign_paths(host: Host) -> list[str]:
    """What is under the names that we use, and no deployment of this collection has made."""
    asked = host.asked
    found = [path for path, words in OUR_FILES.items() if not is_ours(path, words)]
    if not os.path.exists(asked.manifest) and not host.own:
        if os.path.islink(asked.project_dir) or _entries(asked.project_dir):
            found.append(asked.project_dir)
        found += [path for path in (f"{asked.data_dir}/{name}" for name in asked.volumes) if _entries(path)]
    return found


def is_ours(path: str, words: str) -> bool:
    """Whether a file has our words, or nothing would be lost with it."""
    if os.path.isdir(path):
        return False
    found = text_of(path)
    if found is None or not found.strip():
        # A link to nothing is somebody's too: that is how systemd is told to leave a unit alone.
        return not os.path.islink(path)
    return words in found


def check_files(host: Host) -> Iterator[str]:
    """Files under the names that we use, which somebody else wrote."""
    for path in foreign_paths(host):
        if path in OUR_FILES:
            yield f"{path} is not of this collection, which would overwrite it; move it away: mv {path} {path}.before"
    if host.asked.firewall and host.firewall_is_on and text_of(RULES) is None:
        yield (
            "the kernel has a table 'inet inception' of nftables that is not of this collection, which would "
            "replace it; "
            "give that one another name where it is made (grep -r 'table inet inception' /etc), or keep our "
            "firewall off: "
            "host_firewall: false"
        )


def check_project_dir(host: Host) -> Iterator[str]:
    """The login's own project where ours goes."""
    path = host.asked.project_dir
    if path in foreign_paths(host):
        yield f"{path} is {host.asked.login}'s own and stays as it is; move it away: mv {path} {path}.before"


def check_data(host: Host) -> Iterator[str]:
    """Data of others where ours goes: a database would start from it."""
    path = host.asked.data_dir
    theirs = foreign_paths(host)
    full = [name for name in host.asked.volumes if f"{path}/{name}" in theirs]
    if full:
        yield (
            f"{path} has data that no deployment of this collection made ({few(full)}); move it away: "
            f"mv {path} {path}.before"
        )


def _entries(path: str) -> bool:
    try:
        return bool(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return os.path.exists(path)


# ---- The login and its home ----


def check_login(host: Host) -> Iterator[str]:
    login, home = host.asked.login, f"/home/{host.asked.login}"
    try:
        user = pwd.getpwnam(login)
    except KeyError:
        user = None
    if user is not None and user.pw_uid < 1000:
        yield (
            f"inception_login: '{login}' is a user of the system itself (number {user.pw_uid}); "
            "choose another one; for example: wil"
        )
        return
    try:
        found = os.stat(home)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        yield f"{home} is no folder, and the login's project goes there; move it away: mv {home} {home}.before"
    elif found.st_uid != (user.pw_uid if user else -1):
        yield (
            f"{home} belongs to number {found.st_uid}, and not to {login}"
            f"{'' if user else ', who does not exist yet'}; give it to the login "
            f"({f'chown {login}: {home}' if user else f'mv {home} {home}.before'}), or choose another login"
        )


# ---- Ports ----


# Who holds a port for a container.
DOCKER_S = {"dockerd", "docker-proxy"}


def check_ports(host: Host) -> Iterator[str]:
    """Every port of every service that somebody else holds."""
    ours = ports_of_project(host)
    theirs = {port: one.name for one in host.others for port in one.ports}
    for port in host.asked.ports:
        taken: dict[str, list[int]] = {}
        for number in range(port["first"], port["last"] + 1):
            key = (str(port["protocol"]), number)
            if key in ours:
                continue
            held = [one for one in host.listeners if one.key == key]
            if key in theirs:
                taken.setdefault(f"the container {theirs[key]}", []).append(number)
            elif held:
                names = set(_listeners.programs(one.inode for one in held).values())
                if names and names <= DOCKER_S and (host.info or {}).get("LiveRestoreEnabled"):
                    # For a container that is gone: the deployment has Docker give it back (_ports).
                    continue
                taken.setdefault(", ".join(sorted(names)) or "the kernel", []).append(number)
        for holder, numbers in taken.items():
            several = len(numbers) > 1
            yield (
                f"{port['setting']}: port{'s' if several else ''} {few(list(map(str, numbers)))} "
                f"({port['protocol']}), which the "
                f"service {port['service']} publishes, {'are' if several else 'is'} taken by {holder}; "
                f"stop that, or choose {'others' if several else 'another port'}; for example: "
                f"{other_port(host, port)}"
            )


def other_port(host: Host, port: Mapping[str, Any]) -> str:
    """Ports as many as these that nobody listens at."""
    held = {one.port for one in host.listeners} | {number for one in host.containers for dummy, number in one.ports}
    length = port["last"] - port["first"]
    beginnings = range(8000 + port["first"] % 1000, 60000, max(length + 1, 1000))
    first = next(begin for begin in beginnings if not held & set(range(begin, begin + length + 1)))
    return f"{first}-{first + length}" if length else str(first)


def check_closed(host: Host) -> Iterator[str]:
    """What answers from outside now, and would be closed by our firewall."""
    asked = host.asked
    if not asked.firewall or host.firewall_is_on:
        return
    open_ports = {port for entry in asked.open_ports for port in _listeners.read_port(entry)}
    let_in = asked.wanted_ports | open_ports | {("tcp", asked.ssh_port), ("tcp", host.ssh_port or asked.ssh_port)}
    # A service of this stack that is no longer wanted goes, and its port with it.
    let_in |= ports_of_project(host)
    inside = _listeners.addresses_of(asked.trusted_interfaces)
    found: dict[_listeners.Port, str] = {
        port: f"container {one.name}" for one in host.others for port in one.ports if one.running
    }
    # In the order of nftables and iptables; neither has to be there.
    for command in (["nft", "list", "ruleset"], ["iptables-save", "-t", "nat"]):
        try:
            code, rules, dummy = host.run(command)
        except OSError:
            continue
        if code == 0:
            found = dict.fromkeys(_listeners.redirected(rules), "a rule that leads elsewhere") | found
    heard = [
        one
        for one in host.listeners
        if not one.address.is_loopback
        and one.address not in inside
        and one.key not in let_in | found.keys() | _listeners.NO_SERVICES
    ]
    names = _listeners.programs(one.inode for one in heard)
    for one in heard:
        name = names.get(one.inode, "the kernel")
        if not (one.protocol == "udp" and name in _listeners.ASKERS):
            found.setdefault(one.key, name)
    closed = sorted(port for port in found if port not in let_in)
    if closed:
        told = [f"{_listeners.written(port)} ({found[port]})" for port in closed]
        entries = ", ".join([*map(str, asked.open_ports), *_listeners.shortened(closed)])
        yield (
            f"host_open_ports: our firewall would close what answers from outside now: {few(told, 8)}; list what "
            "shall stay "
            f"open, or keep our firewall off (host_firewall: false); for example: host_open_ports: [{entries}]"
        )


# ---- The engine ----


def check_engine_settings(host: Host) -> Iterator[str]:
    try:
        _engine.read_settings(host.engine_text)
    except _engine.EngineProblem as problem:
        yield str(problem)
    plan = host.plan
    if plan.harmed:
        yield (
            f"docker_daemon_settings: {few(plan.restart)} would restart the engine, which stops others' containers "
            f"({few(plan.harmed)}); leave the keys out, or allow it: docker_may_restart: true"
        )
    if plan.moved:
        yield (
            f"docker_daemon_settings: {few(plan.moved)} would have the engine keep its images and containers "
            "elsewhere: those that it has would be gone for it, and the site at its next start; leave the keys out, or "
            "take the containers away before (of the site: make down in its project folder), for example: "
            "docker ps --all --quiet | xargs docker rm --force"
        )


def check_engine(host: Host) -> Iterator[str]:
    """An engine that we cannot run on, by its name."""
    if "/podman/" in os.path.realpath(_engine.SOCKET):
        yield (
            f"{_engine.SOCKET} is Podman's, not Docker's; take the link away (rm {_engine.SOCKET}), and what makes it "
            "(apt-get remove podman-docker), or use another machine"
        )
    elif host.info is not None:
        yield from running_engine(host, host.info)
    elif host.unit.loaded == "masked":
        yield "the service docker is masked: its owner forbids it to start; allow it: systemctl unmask docker.service"
    elif host.unit.active == "failed":
        yield "Docker's engine does not start; see why: journalctl -u docker -n 20; mend it, and deploy again"
    if host.engine_settings.get("userns-remap"):
        yield (
            "Docker's engine maps users (userns-remap), so that the login's files are not the containers' own; "
            "this stack "
            f"needs an engine without it: remove the key from {_engine.SETTINGS} (or its flag) and restart it, or "
            "use another machine"
        )
    for key, missing, why in (
        ("ip-forward", False, "forwards no packets (ip-forward: false): nobody would reach the site"),
        (
            "iptables",
            False,
            "makes no rules (iptables: false): nobody would reach the site, and no service the network",
        ),
        ("bridge", "none", "has no network of its own (bridge: none), in which images are built"),
    ):
        if str(host.engine_settings.get(key, "")).lower() == str(missing).lower():
            yield (
                f"Docker's engine {why}; remove the key from {_engine.SETTINGS} (or its flag) and restart it, "
                "or use another machine"
            )


def running_engine(host: Host, info: Mapping[str, Any]) -> Iterator[str]:
    security = [str(option) for option in info.get("SecurityOptions") or []]
    found = _engine.version(str(info.get("ServerVersion", "")))
    if any("rootless" in option for option in security):
        yield (
            f"the engine at {_engine.SOCKET} is a rootless one, which publishes no port below 1024; "
            "this stack needs Docker's ordinary engine: move the socket's link away, and deploy again"
        )
    if found and found < OLDEST_ENGINE:
        yield (
            f"Docker {info.get('ServerVersion')} is too old: health checks at short intervals while a service starts "
            "(start_interval) came with 25.0; upgrade it with the packages of the release and restart it "
            "(systemctl restart docker; Alpine: rc-service docker restart), or use another machine"
        )
    if str(info.get("OSType", "linux")) != "linux":
        yield f"the engine at {_engine.SOCKET} runs containers of {info['OSType']}, not of Linux; use another machine"
    packaged = any(host.packages.get(name, "").endswith(" installed") for name in ENGINE_PACKAGES)
    if not host.deployed and DPKG.exists() and not packaged:
        pid = _engine.process()
        place = os.readlink(f"/proc/{pid}/exe") if pid else "another place"
        yield (
            f"Docker's engine here comes from no package ({place}), and the packages would put a second one beside it; "
            "remove it (a snap: snap remove docker), and deploy again"
        )
    forwards = text_of("/proc/sys/net/ipv4/ip_forward")
    if forwards is not None and forwards.strip() == "0":
        yield (
            "the kernel forwards no packets though Docker runs (net.ipv4.ip_forward = 0): nobody would reach a "
            "container; "
            "find who sets it (grep -r ip_forward /etc/sysctl*), and allow it: sysctl -w net.ipv4.ip_forward=1"
        )


def check_client(host: Host) -> Iterator[str]:
    """A store of credentials that root's client names, and that is not there: every build would fail."""
    try:
        client = json.loads(text_of(CLIENT) or "{}")
    except ValueError as error:
        yield f"{CLIENT} is no JSON ({error}), and the docker command of root fails; mend it, or move it away"
        return
    helpers = [client.get("credsStore"), *(client.get("credHelpers") or {}).values()]
    for name in dict.fromkeys(filter(None, helpers)):
        if shutil.which(f"docker-credential-{name}") is None:
            yield (
                f"{CLIENT} names a store of credentials that is not there (docker-credential-{name}), and every "
                "build "
                f"would fail; install it, or remove '{name}' from the file"
            )


def check_pools(host: Host) -> Iterator[str]:
    """Whether the engine has addresses left for our networks."""
    asked = host.asked
    # Nobody tells then which of them are there.
    if host.deployed and host.info is None:
        return
    mine = len(of_project(host, host.networks)) if ours_in_project(host) else 0
    needed = len(asked.networks) - mine + (1 if host.info is None else 0)
    if needed <= 0:
        return
    used = [
        ip_network(config["Subnet"], strict=False)
        for network in host.networks
        for config in (network.get("IPAM") or {}).get("Config") or []
        if ":" not in config.get("Subnet", ":")
    ]
    taken = [*used, *routes(text_of("/proc/net/route") or "")]
    pools = (host.info or {}).get("DefaultAddressPools") or host.engine_settings.get("default-address-pools")
    free = free_networks(pools_of(pools), [one for one in taken if isinstance(one, IPv4Network)], needed)
    if free < needed:
        yield (
            f"Docker has addresses for {free} more networks, and this stack has {needed}: others' networks and "
            "routes use the "
            "rest; remove networks that nobody needs (docker network prune), or give it more "
            "('default-address-pools' in "
            f"{_engine.SETTINGS})"
        )


def pools_of(told: Any) -> list[tuple[IPv4Network, int]]:
    found = []
    for pool in told if isinstance(told, list) and told else DEFAULT_POOLS:
        base, size = pool.get("Base", pool.get("base", "")), pool.get("Size", pool.get("size", 0))
        network = ip_network(base, strict=False) if ":" not in str(base) else None
        if isinstance(network, IPv4Network):
            found.append((network, max(int(size), network.prefixlen)))
    return found


def routes(table: str) -> list[IPv4Network]:
    """The networks that the machine reaches, but for all the world."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = (ip_address(bytes.fromhex(fields[at])[::-1]) for at in (1, 7))
        network = ip_network(f"{address}/{mask}", strict=False)
        if isinstance(network, IPv4Network) and network.prefixlen > 1:
            found.append(network)
    return found


def free_networks(pools: Iterable[tuple[IPv4Network, int]], taken: Sequence[IPv4Network], enough: int) -> int:
    """How many networks of the pools overlap with none that is taken; not counted further than enough."""
    free = 0
    for base, size in pools:
        for number, candidate in enumerate(base.subnets(new_prefix=size)):
            free += not any(candidate.overlaps(one) for one in taken)
            if free >= enough:
                return free
            if number > 4096:
                break
    return free


# ---- Packages ----


def check_packages(host: Host) -> Iterator[str]:
    """What the package manager would stumble over, or take from others."""
    if not host.missing_packages:
        return
    half = [name for name, state in host.packages.items() if re.search(r"half-|unpacked|reinstreq", state)]
    journal = list(DPKG_UPDATES.glob("[0-9]*")) if DPKG_UPDATES.exists() else []
    if half or journal:
        yield (
            f"the package manager was cut off{f' ({few(half)})' if half else ''}, and installs nothing until its "
            "work is done; "
            "finish it: dpkg --configure -a && apt-get -f install"
        )
        return
    theirs = {"distribution": "docker-ce", "docker": "docker.io"}[host.asked.docker_source]
    if host.packages.get(theirs, "").endswith(" installed"):
        other = {"docker-ce": "docker", "docker.io": "distribution"}[theirs]
        yield (
            f"inception_docker_source: the engine here is the package {theirs}, which the packages of "
            f"'{host.asked.docker_source}' would remove; use that one; for example: inception_docker_source: {other}"
        )
        return
    if not any(APT_LISTS.glob("*_Packages*")):
        return
    simulate = ["apt-get", "--simulate", "--yes", "--no-install-recommends", "install", *host.missing_packages]
    code, output, errors = host.run(simulate)
    removed = re.findall(r"^Remv (\S+)", output, re.MULTILINE)
    if removed:
        yield (
            f"the packages that are missing ({few(host.missing_packages)}) would remove others: {few(removed)}; "
            "remove these yourself if nobody needs them (apt-get remove), or use another machine"
        )
    elif code and re.search(r"unmet dependencies|held broken packages", output + errors):
        words = re.findall(r"^ (\S+ : .+)$", output, re.MULTILINE) or re.findall(r"^E: (.+)$", errors, re.MULTILINE)
        yield (
            f"the packages that are missing cannot be installed here: {few([w.strip() for w in words], 2)}; "
            "see with: apt-get -f install; and release what is held: apt-mark showhold"
        )


# ---- Room ----


def check_room(host: Host) -> Iterator[str]:
    """The file systems that are meant: Docker's folder, the packages', and the login's home."""
    places = (existing(host.engine_root), existing("/var/lib"), existing(os.path.dirname(host.asked.project_dir)))
    systems: dict[int, list[tuple[str, str, int, int]]] = {}
    for (what, space, files), place in zip(ROOM, places, strict=True):
        systems.setdefault(os.stat(place).st_dev, []).append((place, what, space, files))
    for parts in systems.values():
        place = min((part[0] for part in parts), key=len)
        found = os.statvfs(place)
        free, space = found.f_bavail * found.f_frsize, sum(part[2] for part in parts)
        purpose = " and ".join(part[1] for part in parts)
        if free < space:
            yield (
                f"{mount_of(place)} has {free / GIB:.1f} GiB free and {space / GIB:.1f} are needed for {purpose}; "
                "free some, "
                "or give it a larger disk (a VM of this collection: inception_vm_disk; for example: 20)"
            )
        files = sum(part[3] for part in parts)
        if found.f_files and found.f_favail < files:
            yield (
                f"{mount_of(place)} has room for {found.f_favail} more files and {files} are needed for {purpose} "
                f"(df -i {mount_of(place)}); remove small files, or use another file system"
            )
    flags = os.statvfs(places[0]).f_flag
    for flag, word in ((os.ST_NOEXEC, "noexec"), (os.ST_RDONLY, "ro")):
        if flags & flag:
            yield (
                f"{mount_of(places[0])}, where Docker keeps its images, is mounted with '{word}'; "
                f"mount it without, or move Docker's folder ('data-root' in {_engine.SETTINGS})"
            )


def mount_of(path: str) -> str:
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def check_memory(host: Host) -> Iterator[str]:
    match = re.search(r"^MemTotal:\s+(\d+) kB", text_of("/proc/meminfo") or "", re.MULTILINE)
    memory = int(match[1]) // 1024 if match else host.asked.memory_mb
    if memory < host.asked.memory_mb:
        yield (
            f"it has {memory} MiB of memory and needs 1024; "
            "give it more (a VM of this collection: inception_vm_memory; for example: 4096)"
        )


# ---- Names ----


def check_hosts(host: Host) -> Iterator[str]:
    """A line of /etc/hosts that leads the domain away from this machine, in front of ours."""
    mine = local_addresses()
    for number, line in enumerate((text_of(HOSTS) or "").splitlines(), 1):
        if line.strip() == "# BEGIN fortytwo.inception":
            return
        address, *names = line.partition("#")[0].split() or [""]
        if host.asked.domain.lower() in (name.lower() for name in names) and address not in mine:
            try:
                is_local = ip_address(address).is_loopback
            except ValueError:
                is_local = False
            if not is_local:
                yield (
                    f"inception_domain: line {number} of {HOSTS} leads {host.asked.domain} to {address}, which is "
                    "not this machine; "
                    f"take the name out of that line (sed -i.before {number}d {HOSTS} takes the line), or choose "
                    "another domain"
                )


def local_addresses() -> set[str]:
    return {str(address) for address in _listeners.addresses_of(["*"])}


# ---- Backups ----


def check_restore(host: Host) -> Iterator[str]:
    """What a restore has left half done is no stack to deploy over."""
    if RESTORE.exists():
        yield (
            "a backup is being restored, or that was cut off; wait for its end, or have the machine take it back: "
            "inception resume"
        )


# ---- All ----

ALWAYS = (
    check_restore,
    check_other_logins,
    check_kind,
    check_taking_over,
    check_project,
    check_bare_names,
    check_base_image,
    check_former_name,
    check_files,
    check_project_dir,
    check_data,
    check_ports,
    check_engine,
    check_client,
    check_engine_settings,
    check_pools,
    check_closed,
    check_hosts,
)
# A finished host needs none of these to stay what it is.
FIRST = (check_login, check_packages, check_memory, check_room)


def obstacles(host: Host) -> list[str]:
    """Everything that stands in the way, at once."""
    checks = (*ALWAYS, *(() if host.deployed else FIRST))
    return list(dict.fromkeys(sentence for check in checks for sentence in check(host)))


def decided(host: Host) -> dict[str, Any]:
    """What a deployment stays with, unless a setting says another."""
    if host.own:
        # Its images stay what they are; which packages one machine has renewed is no business of the others.
        release = _decided.found(host.asked.project_dir, own_manifest(host.asked.login))["release"]
        return {"release": release, "packages": {}}
    if not host.deployed:
        return {"release": {}}
    if host.asked.node:
        return {"release": json.loads(text_of(NODE) or "{}").get("release", {}), "packages": {}}
    return _decided.found(host.asked.project_dir, host.asked.manifest)


def found(host: Host) -> dict[str, Any]:
    """What there is, for who asks."""
    info = host.info
    return {
        "deployed": host.deployed,
        "runs": _history.History(_decided.HISTORY).runs() if host.deployed else {},
        "backed_up": BACKUP_SETTINGS.exists(),
        # Of a node: a stack of its own that the cluster is to take over, and how far that is.
        "own": {"phase": host.own_phase} if host.own else {},
        "decided": decided(host),
        "foreign": [*sorted(foreign(host)), *foreign_paths(host)],
        "ssh_port": host.ssh_port,
        "firewall": host.firewall_is_on if host.asked.firewall else None,
        "engine": None
        if info is None
        else {
            "version": info.get("ServerVersion"),
            "root": host.engine_root,
            "flags": sorted(host.unit.settings),
            "settings_pending": host.plan.pending,
            "settings_skipped": dict(host.plan.skipped),
            "containers": len(host.containers),
            "others": sorted(one.name for one in host.others),
            "projects": sorted({one.project for one in host.containers if one.project}),
        },
    }
