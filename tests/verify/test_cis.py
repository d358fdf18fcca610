# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIS Docker Benchmark 1.6: what it asks of the daemon (2), its files (3), images (4) and containers (5).

Each item is looked at, or waived with a reason. An item that holds for every machine is one line here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.verify.support import Stack

Container = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What is looked at."""

    stack: Stack
    info: dict[str, Any]
    daemon: dict[str, Any]
    containers: dict[str, Container]
    images: dict[str, dict[str, Any]]
    limits: dict[str, dict[str, Any]]

    def each(self, wrong: Callable[[Container], Any]) -> list[str]:
        """The services whose containers have something wrong, with what it is."""
        found = {name: wrong(container) for name, container in self.containers.items()}
        return [f"{name}: {what}" for name, what in found.items() if what]

    def host(self, key: str, good: tuple[Any, ...]) -> list[str]:
        """The services whose HostConfig has something else there."""
        return self.each(lambda one: repr(one["HostConfig"][key]) if one["HostConfig"][key] not in good else "")

    def files(self, wanted: str, *paths: str) -> list[str]:
        """What has another owner or more rights than that, of what is there: owner, group, the most of its mode."""
        owner, group, most = wanted.split()
        told = self.stack.root("sh -c %s", f"stat -c '%n %U %G %a' {' '.join(paths)} 2>/dev/null || true")
        lines = [line.split() for line in told.splitlines()]
        return [
            " ".join(line) for line in lines if line[1] != owner or line[2] != group or int(line[3], 8) & ~int(most, 8)
        ]


def _mounts(container: Container) -> set[str]:
    return {mount["Source"] for mount in container["Mounts"]}


SENSITIVE = {"/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr", "/run", "/var/run"}
DAEMON_FILES = "/etc/default/docker /etc/conf.d/docker"
UNITS = "/lib/systemd/system/docker.service /etc/systemd/system/docker.service /lib/systemd/system/docker.socket"

ITEMS: dict[str, Callable[[Seen], list[str]]] = {
    "2.3 the daemon's log level is info": lambda s: [
        s.daemon[k] for k in ("log-level",) if s.daemon.get(k, "info") != "info"
    ],
    "2.4 Docker may change iptables": lambda s: ["iptables: false"] if s.daemon.get("iptables") is False else [],
    "2.5 no insecure registry": lambda s: [
        one for one in s.info["RegistryConfig"]["InsecureRegistryCIDRs"] if one not in ("127.0.0.0/8", "::1/128")
    ],
    "2.6 aufs is not used": lambda s: ["aufs"] if s.info["Driver"] == "aufs" else [],
    # Published ports are its own too: it keeps them from others.
    "2.7 the daemon listens on no port": lambda s: [
        one
        for one in [
            *s.daemon.get("hosts", []),
            *s.stack.root("sh -c %s", "tr '\\0' '\\n' </proc/$(cat /run/docker.pid)/cmdline").split(),
        ]
        if "tcp:" in one
    ],
    "2.10 the default cgroup": lambda s: s.host("CgroupParent", ("",)),
    "2.11 the base device's size is not changed": lambda s: [
        one for one in s.daemon.get("storage-opts", []) if "basesize" in one
    ],
    "2.15 live restore": lambda s: [] if s.info["LiveRestoreEnabled"] else ["off"],
    "2.16 no userland proxy": lambda s: [] if s.daemon.get("userland-proxy") is False else ["on"],
    "2.17 Docker's own seccomp profile": lambda s: (
        [] if any("name=seccomp,profile=builtin" in one for one in s.info["SecurityOptions"]) else ["another, or none"]
    ),
    "2.18 nothing experimental": lambda s: ["on"] if s.info["ExperimentalBuild"] else [],
    "3.1-3.4 the units are root's, 644": lambda s: s.files("root root 644", *UNITS.split()),
    "3.5, 3.6 /etc/docker is root's, 755": lambda s: s.files("root root 755", "/etc/docker"),
    "3.15, 3.16 the socket is root's and docker's, 660": lambda s: s.files("root docker 660", "/run/docker.sock"),
    "3.17, 3.18 daemon.json is root's, 644": lambda s: s.files("root root 644", "/etc/docker/daemon.json"),
    "3.19-3.22 its defaults are root's, 644": lambda s: s.files("root root 644", *DAEMON_FILES.split()),
    "3.23, 3.24 containerd's socket is root's, 660": lambda s: s.files(
        "root root 660", "/run/containerd/containerd.sock"
    ),
    "4.1 an image has a user": lambda s: [
        name for name, one in s.images.items() if one["Config"].get("User", "") in ("", "0", "root") and name != "echo"
    ],
    "4.9 no ADD": lambda s: [
        path
        for path, text in s.stack.files().items()
        if path.endswith("Dockerfile") and re.search(rb"(?m)^ADD\b", text)
    ],
    "5.1 no swarm": lambda s: (
        [s.info["Swarm"]["LocalNodeState"]] if s.info["Swarm"]["LocalNodeState"] != "inactive" else []
    ),
    "5.2 AppArmor, where the kernel has it": lambda s: (
        s.each(lambda one: one["AppArmorProfile"] in ("", "unconfined"))
        if any("apparmor" in one for one in s.info["SecurityOptions"])
        else []
    ),
    "5.4 no capability": lambda s: s.host("CapDrop", (["ALL"],)) + s.host("CapAdd", (None, [])),
    "5.5 not privileged": lambda s: s.host("Privileged", (False,)),
    "5.6 no sensitive folder of the machine": lambda s: s.each(lambda one: sorted(_mounts(one) & SENSITIVE)),
    "5.7 no sshd": lambda s: [
        name for name in s.containers if any("sshd" in process.args for process in s.stack.processes(name))
    ],
    "5.10 not the machine's network": lambda s: s.each(lambda one: one["HostConfig"]["NetworkMode"] == "host"),
    "5.11 memory is limited": lambda s: [name for name, one in s.limits.items() if int(one["memory"]) <= 0],
    "5.13 the root file system is read-only": lambda s: s.host("ReadonlyRootfs", (True,)),
    "5.16 not the machine's processes": lambda s: s.host("PidMode", ("",)),
    "5.17 not the machine's shared memory": lambda s: s.host("IpcMode", ("private", "shareable")),
    "5.18 no device": lambda s: s.host("Devices", (None, [])),
    "5.19 the default limits": lambda s: s.host("Ulimits", (None, [])),
    "5.20 no shared propagation": lambda s: s.each(
        lambda one: [mount["Source"] for mount in one["Mounts"] if mount.get("Propagation") in ("shared", "rshared")]
    ),
    "5.21 not the machine's name": lambda s: s.host("UTSMode", ("",)),
    "5.22 seccomp is on": lambda s: s.each(
        lambda one: [opt for opt in one["HostConfig"]["SecurityOpt"] if "unconfined" in opt]
    ),
    "5.25 no cgroup of its own choice": lambda s: s.host("CgroupParent", ("",)),
    "5.26 no privilege can be gained": lambda s: s.each(
        lambda one: "no-new-privileges:true" not in one["HostConfig"]["SecurityOpt"]
    ),
    "4.6, 5.27 the health is checked": lambda s: s.each(lambda one: "Health" not in one["State"]),
    "5.29 the number of processes is limited": lambda s: [
        name for name, one in s.limits.items() if int(one["pids"]) <= 0
    ],
    "5.30 not in docker0": lambda s: s.each(lambda one: "bridge" in one["NetworkSettings"]["Networks"]),
    "5.31 not the machine's users": lambda s: s.host("UsernsMode", ("",)),
    "5.32 Docker's socket is not handed in": lambda s: s.each(
        lambda one: [path for path in _mounts(one) if "docker.sock" in path or "containerd" in path]
    ),
}

WAIVED = {
    "2.1 the daemon as no root": "the exercise wants the login's own data folders; in the containers nobody is root",
    "2.2 no traffic between containers of docker0": "none of ours is there (5.30), and what others do there is theirs",
    "2.8 default limits of processes": "they would be for the containers of others too; ours have theirs (5.11, 5.29)",
    "2.9 user namespaces": "the volumes would be somebody else's, and nobody in a container is root (4.1)",
    "2.12 a plugin that authorizes": "the login alone is in the group docker: root's power (docs/security.md)",
    "2.13 logs elsewhere": "one machine; the logs are bounded there",
    "2.14 no new privileges by default": "it would be for the containers of others too; each of ours has it (5.26)",
    "3.7-3.14 registries' and TLS's certificates": "there are none: the daemon listens on no port (2.7)",
    "4.2-4.5, 4.7, 4.10-4.12 the build": "our own images, of signed packages: tests/verify/test_images.py",
    "4.8 no setuid program": "test_the_image_runs_as_nobody_special looks for them in each container",
    "5.3 SELinux": "neither Debian nor Alpine has it on; AppArmor is 5.2",
    "5.8 no port below 1024": "the exercise wants 443, and FTP has 21; that takes no privilege there",
    "5.9 only ports that are needed": "tests/verify/test_reach.py compares all of them",
    "5.12 a share of the processor": "a limit in its place, where the kernel enforces one (deploy.resources)",
    "5.14 ports on one address": "the site is for everybody",
    "5.15 five attempts to start again": "the exercise wants a container that crashes started again, always",
    "5.23, 5.24 docker exec without privileges and as nobody special": "what a person types, and nothing of ours",
    "5.28 the newest image": "a tag is a digest of what it was built from; updates are a deployment's",
}


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Seen:
    containers = stack.containers()
    images = json.loads(stack.root("docker image inspect " + " ".join(one["Image"] for one in containers.values())))
    services = stack.config()["services"]
    return Seen(
        stack=stack,
        info=json.loads(stack.root("docker info --format %s", "{{json .}}")),
        daemon=json.loads(stack.root("cat /etc/docker/daemon.json")),
        containers=containers,
        images=dict(zip(containers, images, strict=True)),
        limits={name: services[name]["deploy"]["resources"]["limits"] for name in containers},
    )


@pytest.mark.parametrize("item", ITEMS)
def test_cis(seen: Seen, item: str) -> None:
    """What is wrong with the item, of all that it looks at: nothing."""
    assert ITEMS[item](seen) == []


def numbers(items: Iterator[str]) -> set[str]:
    """The numbers at the beginning of items, with those of spans such as 3.1-3.4."""
    found: set[str] = set()
    for item in items:
        for part in re.match(r"[\d., -]+", item.replace(", ", ","))[0].strip().split(","):  # type: ignore[index]
            first, _, last = part.partition("-")
            section, begin = map(int, first.split("."))
            end = int(last.split(".")[1]) if last else begin
            found |= {f"{section}.{number}" for number in range(begin, end + 1)}
    return found


def test_each_item_is_looked_at_or_waived() -> None:
    """All of the sections 2 to 5, and none as both."""
    looked, waived = numbers(iter(ITEMS)), numbers(iter(WAIVED))
    most = {2: 18, 3: 24, 4: 12, 5: 32}
    assert looked | waived == {f"{section}.{one}" for section, last in most.items() for one in range(1, last + 1)}
    assert not looked & waived
