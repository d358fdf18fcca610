# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles and people's settings ask of a host, by the names and with the values of ansible.builtin.setup, which
finds much more and takes longer; the version is os-release's. Private to this collection.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# os-release's ID, what Ansible calls it, and of which family it is.
DISTRIBUTIONS = {"debian": ("Debian", "Debian"), "ubuntu": ("Ubuntu", "Debian"), "alpine": ("Alpine", "Alpine")}
PACKAGE_MANAGERS = {"/usr/bin/apt-get": "apt", "/sbin/apk": "apk"}
# What a container's manager leaves there.
CONTAINER_FILES = (".dockerenv", "run/.containerenv", "run/systemd/container")


def os_release(root: Path) -> dict[str, str]:
    for name in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        lines = (line.partition("=") for line in text.splitlines() if re.match(r"[A-Z_]+=", line))
        return {key: value.strip().strip("\"'") for key, dummy, value in lines}
    return {}


def is_container(root: Path) -> bool:
    if any((root / name).exists() for name in CONTAINER_FILES):
        return True
    try:
        return any(word.startswith(b"container=") for word in (root / "proc/1/environ").read_bytes().split(b"\0"))
    except OSError:
        return False


def service_manager(root: Path) -> str:
    if (root / "run/systemd/system").is_dir():
        return "systemd"
    return "openrc" if (root / "sbin/openrc").exists() else "service"


def facts(root: Path = Path("/")) -> dict[str, Any]:
    told = os_release(root)
    named = told.get("NAME", "an unknown system")
    distribution, family = DISTRIBUTIONS.get(told.get("ID", ""), (named, named))
    version = told.get("VERSION_ID", "")
    managers = (name for path, name in PACKAGE_MANAGERS.items() if (root / path[1:]).exists())
    return {
        "ansible_architecture": platform.machine(),
        "ansible_distribution": distribution,
        "ansible_distribution_major_version": version.partition(".")[0],
        "ansible_distribution_release": told.get("VERSION_CODENAME", ""),
        "ansible_distribution_version": version,
        "ansible_hostname": platform.node().partition(".")[0],
        "ansible_kernel": platform.release(),
        "ansible_os_family": family,
        "ansible_pkg_mgr": next(managers, "unknown"),
        "ansible_python_version": platform.python_version(),
        "ansible_service_mgr": service_manager(root),
        "ansible_virtualization_tech_guest": ["container"] if is_container(root) else [],
    }


def numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def unfit(
    found: Mapping[str, Any],
    distributions: Mapping[str, str],
    architectures: Sequence[str],
    pythons: Sequence[str],
    core: str,
) -> Iterator[str]:
    """Why nothing can be deployed here, whatever else there is."""
    name, version = found["ansible_distribution"], found["ansible_distribution_version"]
    if distributions and not (numbers(version) and numbers(version) >= numbers(distributions.get(name, "999999"))):
        supported = ", ".join(" ".join(one) for one in distributions.items())
        yield (
            f"{name} {version}".rstrip() + f" is not supported; use a host with {supported} or newer, "
            "for example Debian 13"
        )
    architecture = found["ansible_architecture"]
    if architectures and architecture not in architectures:
        yield f"the architecture {architecture} is not supported; use a host with one of {', '.join(architectures)}"
    if pythons and f"{sys.version_info.major}.{sys.version_info.minor}" not in pythons:
        yield (
            f"ansible-core {core} does not support its Python {platform.python_version()} (it does "
            f"{', '.join(pythons)}); use a newer ansible-core on the control node, or name another Python of that "
            f"host, for example ansible_python_interpreter: /usr/bin/python{pythons[0]}"
        )
