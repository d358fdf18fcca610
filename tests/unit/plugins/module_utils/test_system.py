# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own updates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _system as system


@pytest.mark.parametrize(
    ("running", "modules", "newest"),
    [
        ("6.1.0-28-amd64", ["6.1.0-28-amd64", "6.1.0-31-amd64"], "6.1.0-31-amd64"),
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-10-amd64"], "6.1.0-10-amd64"),
        ("6.12.57+deb13-amd64", ["6.12.57+deb13-amd64", "6.12.63+deb13-amd64"], "6.12.63+deb13-amd64"),
        ("6.1.0-31-amd64", ["6.1.0-28-amd64", "6.1.0-31-amd64"], ""),
        ("6.1.0-28-cloud-amd64", ["6.1.0-28-cloud-amd64", "6.1.0-31-amd64"], ""),
        ("6.12.8-0-virt", ["6.12.8-0-virt"], ""),
        ("5.15.0", [], ""),
    ],
)
def test_a_newer_kernel_of_the_same_flavor_wants_a_reboot(running: str, modules: list[str], newest: str) -> None:
    assert system.newer_kernel(running, modules) == newest


def reasons(root: Path, running: str = "6.1.0-28-amd64", container: bool = False) -> list[str]:
    return list(system.reboot_reasons(root, container=container, running=running))


def test_a_reboot_is_needed_for_what_asked_for_it_or_a_kernel(tmp_path: Path) -> None:
    assert reasons(tmp_path) == []
    (tmp_path / "lib/modules/6.1.0-28-amd64").mkdir(parents=True)
    assert reasons(tmp_path) == []
    (tmp_path / "lib/modules/6.1.0-31-amd64").mkdir()
    assert reasons(tmp_path) == ["kernel 6.1.0-31-amd64 is installed, and 6.1.0-28-amd64 runs"]
    # Alpine removes the kernel that runs.
    assert reasons(tmp_path, "6.12.8-0-virt") == ["kernel 6.12.8-0-virt runs, which is not installed any more"]
    # A container has none of its own.
    assert reasons(tmp_path, container=True) == []
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reboot-required").touch()
    assert reasons(tmp_path) == ["a package wants it"]
    (tmp_path / "run/reboot-required.pkgs").write_text("linux-image-6.1.0-31-amd64\ndbus\ndbus\n")
    assert reasons(tmp_path) == ["dbus, linux-image-6.1.0-31-amd64 wants it"]


def test_an_engine_that_goes_on_as_it_was_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, exe, space in (
        ("self", "/usr/bin/python3", "mnt:[1]"),
        ("10", "/usr/sbin/dockerd", "mnt:[1]"),
        ("11", "/usr/bin/containerd (deleted)", "mnt:[1]"),
        # Another program, and an engine in a container.
        ("12", "/usr/bin/dbus-daemon (deleted)", "mnt:[1]"),
        ("13", "/usr/sbin/dockerd (deleted)", "mnt:[2]"),
    ):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "exe").symlink_to(exe)
        (tmp_path / pid / "ns/mnt").symlink_to(space)
    # One that ends while it is looked at.
    (tmp_path / "14").mkdir()
    (tmp_path / "14/exe").symlink_to("/usr/sbin/dockerd (deleted)")
    assert system.replaced(tmp_path) == ["containerd"]
    monkeypatch.setattr(system, "replaced", lambda: ["docker"])
    monkeypatch.setattr(system, "waiting", list)
    # With the words of what starts services there.
    for program, order in (("systemctl", "systemctl restart docker"), ("rc-service", "rc-service docker restart")):
        monkeypatch.setattr(shutil, "which", lambda name, program=program: name if name == program else None)
        said = system.status()[1]
        assert said.startswith(f"docker was updated and goes on as it was: as root `{order}`")


APT = """\
Inst docker.io [26.1.5+dfsg1-9] (26.1.5+dfsg1-9+deb13u1 Debian-Security:13/stable-security [amd64])
Inst linux-image-6.12.63+deb13-amd64 (6.12.63-1 Debian-Security:13/stable-security [amd64])
Inst tzdata [1] (2 Debian:13/stable [all])
"""
# As Docker's own repository calls itself.
DOCKER_S_OWN = """\
Inst containerd.io [2.1.5-1~debian.13~trixie] (2.2.0-2~debian.13~trixie Docker CE:trixie [amd64])
Inst docker-ce-cli [5:28.5.2-1~debian.13~trixie] (5:29.0.1-1~debian.13~trixie Docker CE:trixie [amd64]) []
Inst docker-ce [5:28.5.2-1~debian.13~trixie] (5:29.0.1-1~debian.13~trixie Docker CE:trixie [amd64])
Inst docker.io [26.1.5] (26.1.6 Debian-Security:13/stable-security [amd64])
Inst tzdata [1] (2 Debian:13/stable [all])
"""


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, program: str = "apt-get") -> list[str]:
    place = folder / program
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(shutil, "which", lambda name: str(place) if name == program else None)
    monkeypatch.setattr(system, "reboot_reasons", lambda: ["dbus wants it"])
    monkeypatch.setattr(system, "replaced", list)
    return system.status()


def test_what_waits_in_docker_s_own_repository_is_told_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = told(tmp_path, monkeypatch, f"cat <<'EOF'\n{DOCKER_S_OWN}EOF")
    assert said[0].startswith("the machine's updates: 5 wait, of Docker and the kernel: containerd.io 2.2.0-2")
    assert "`apt-get install --only-upgrade containerd.io docker-ce-cli docker-ce`" in said[1]


def test_apk_says_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "(1/2) Upgrading docker (28.3.3-r3 -> 28.3.3-r4)\n(2/2) Upgrading tzdata (2025b-r0 -> 2025c-r0)\n"
    said = told(tmp_path, monkeypatch, f"printf '%s' '{lines}'", "apk")
    assert said[0] == "the machine's updates: 2 wait, of Docker and the kernel: docker 28.3.3-r4"
    assert len(said) == 2


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (
            f"cat <<'EOF'\n{APT}EOF",
            "the machine's updates: 3 wait, of Docker and the kernel: docker.io 26.1.5+dfsg1-9+deb13u1, "
            "linux-image-6.12.63+deb13-amd64 6.12.63-1",
        ),
        ("true", "the machine's updates: none waits"),
        ("exit 100", "the machine's updates: its package manager does not say what is newer"),
    ],
)
def test_the_status_names_docker_and_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, line: str
) -> None:
    assert told(tmp_path, monkeypatch, script) == [line, "a reboot is needed: dbus wants it"]
