# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own updates: what of Docker and the kernel waits, and whether a reboot is needed.

Private to this collection; part of the machine's own program. It asks what the machine's package manager knows already.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.fortytwo.inception.plugins.module_utils._failures import clean
from ansible_collections.fortytwo.inception.plugins.module_utils._health import is_container

# Packages of Docker and of the kernel, as Debian, Ubuntu, Docker itself and Alpine call them.
OURS = re.compile(r"(docker|containerd|runc|moby|linux-(image|virt|lts|headers|base))")
# Its programs that go on when their package is replaced: Debian's starts Docker anew at the next boot only.
ENGINE = {"dockerd": "docker", "containerd": "containerd"}
REQUIRED = ("run/reboot-required", "var/run/reboot-required")
SECONDS = 60
# What apt says of packages from Docker's own repository. That has no archive of security fixes, so no daily update of
# the distribution's takes any from it.
DOCKER_S_OWN = "Docker CE:"
GO_ON = "containers go on, and who connects in that second may be refused"


@dataclass(frozen=True)
class Waiting:
    """A package that is newer, and what is said of where it comes from."""

    name: str
    version: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def waiting() -> list[Waiting] | None:
    """The packages that are newer; nothing where nobody can tell."""
    if shutil.which("apt-get"):
        argv, form = (
            ["apt-get", "-s", "-o", "Debug::NoLocking=true", "dist-upgrade"],
            r"Inst (\S+) (?:\[\S+\] )?\((\S+)(.*)",
        )
    elif shutil.which("apk"):
        argv, form = ["apk", "upgrade", "--simulate"], r"\(\d+/\d+\) Upgrading (\S+) \(\S+ -> ([^\s)]+)(.*)"
    else:
        return None
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return [Waiting(*found) for found in re.findall(rf"(?m)^{form}", done.stdout)]


def numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", release)))


def newer_kernel(running: str, modules: list[str]) -> str:
    """The newest kernel that is installed, where it is not the one that runs; of the same flavor."""
    flavor = re.sub(r"^[\d.+~-]*", "", running)
    same = [one for one in modules if re.sub(r"^[\d.+~-]*", "", one) == flavor]
    newest = max(same, key=numbers, default=running)
    return newest if numbers(newest) > numbers(running) else ""


def reboot_reasons(root: Path = Path("/"), container: bool | None = None, running: str = "") -> Iterator[str]:
    """Why the machine has to be started anew; nothing where it has not."""
    for place in REQUIRED:
        if (root / place).exists():
            packages = root / f"{place}.pkgs"
            names = sorted(set(packages.read_text(errors="replace").split())) if packages.is_file() else []
            yield f"{', '.join(map(clean, names)) or 'a package'} wants it"
            return
    # A container has its host's kernel.
    if is_container() if container is None else container:
        return
    running = running or os.uname().release
    folder = root / "lib/modules"
    modules = [one.name for one in folder.iterdir() if one.is_dir()] if folder.is_dir() else []
    if newest := newer_kernel(running, modules):
        yield f"kernel {newest} is installed, and {running} runs"
    elif modules and running not in modules:
        yield f"kernel {running} runs, which is not installed any more"


def replaced(proc: Path = Path("/proc")) -> list[str]:
    """Services of the engine whose program on the disk is another one than the one that runs."""
    found = set()
    for process in proc.glob("[0-9]*"):
        try:
            name, mark, rest = (process / "exe").readlink().name.partition(" (deleted)")
            # Not that of an engine in a container.
            ours = (process / "ns/mnt").readlink() == (proc / "self/ns/mnt").readlink()
        except OSError:
            continue
        if mark and not rest and ours and name in ENGINE:
            found.add(ENGINE[name])
    return sorted(found)


def status() -> list[str]:
    """For `make status`."""
    found = waiting()
    if found is None:
        lines = ["the machine's updates: its package manager does not say what is newer"]
    else:
        ours = [str(one) for one in found if OURS.match(one.name)]
        named = f", of Docker and the kernel: {', '.join(ours)}" if ours else ""
        lines = [f"the machine's updates: {len(found)} wait{named}"] if found else ["the machine's updates: none waits"]
        if by_hand := [one.name for one in found if DOCKER_S_OWN in one.source]:
            lines.append(
                "what waits in Docker's own repository does not come by itself: as root `apt-get install "
                f"--only-upgrade {' '.join(by_hand)}` (it starts Docker anew; {GO_ON})"
            )
    if old := replaced():
        openrc = shutil.which("rc-service")
        order = (
            " && ".join(f"rc-service {one} restart" for one in old) if openrc else f"systemctl restart {' '.join(old)}"
        )
        lines.append(
            f"{' and '.join(old)} was updated and goes on as it was: as root `{order}` (a reboot does it, too); {GO_ON}"
        )
    return [*lines, *(f"a reboot is needed: {why}" for why in reboot_reasons())]
