# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles ask of a host, as hosts have it; on machines it is compared with Ansible's own (tests/verify)."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _facts

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = {"Debian": "13", "Ubuntu": "24.04", "Alpine": "3.20"}


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


DEBIAN = 'NAME="Debian GNU/Linux"\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nID=debian\n'
ALPINE = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.23.4\nPRETTY_NAME="Alpine Linux v3.23"\n'


def test_debian_with_systemd(tmp_path: Path) -> None:
    root = machine(
        tmp_path, {"etc/os-release": DEBIAN, "usr/bin/apt-get": "", "run/systemd/system/x": "", "sbin/openrc": ""}
    )
    assert _facts.facts(root) == {
        "ansible_architecture": platform.machine(),
        "ansible_distribution": "Debian",
        "ansible_distribution_major_version": "13",
        "ansible_distribution_release": "trixie",
        "ansible_distribution_version": "13",
        "ansible_hostname": platform.node().split(".")[0],
        "ansible_kernel": platform.release(),
        "ansible_os_family": "Debian",
        "ansible_pkg_mgr": "apt",
        "ansible_python_version": platform.python_version(),
        "ansible_service_mgr": "systemd",
        "ansible_virtualization_tech_guest": [],
    }


def test_alpine_with_openrc_whose_names_are_in_the_other_place(tmp_path: Path) -> None:
    found = _facts.facts(machine(tmp_path, {"usr/lib/os-release": ALPINE, "sbin/apk": "", "sbin/openrc": ""}))
    assert found["ansible_os_family"] == found["ansible_distribution"] == "Alpine"
    assert (found["ansible_distribution_version"], found["ansible_distribution_major_version"]) == ("3.23.4", "3")
    assert (found["ansible_pkg_mgr"], found["ansible_service_mgr"]) == ("apk", "openrc")


@pytest.mark.parametrize(
    "files",
    [
        {".dockerenv": ""},
        {"run/.containerenv": ""},
        {"run/systemd/container": "lxc"},
        {"proc/1/environ": "TERM=linux\0container=lxc\0"},
    ],
)
def test_a_container(files: dict[str, str], tmp_path: Path) -> None:
    assert _facts.facts(machine(tmp_path, files))["ansible_virtualization_tech_guest"] == ["container"]


def test_what_only_looks_like_a_container(tmp_path: Path) -> None:
    root = machine(tmp_path, {"proc/1/environ": "my_container=lxc\0"})
    assert _facts.facts(root)["ansible_virtualization_tech_guest"] == []


def unfit(text: str, root: Path, architectures: tuple[str, ...] = (), pythons: tuple[str, ...] = ()) -> list[str]:
    found = _facts.facts(machine(root, {"etc/os-release": text}))
    return list(_facts.unfit(found, SUPPORTED, architectures, pythons, "2.19.0"))


@pytest.mark.parametrize(
    "text",
    [DEBIAN, DEBIAN.replace("13", "14"), ALPINE, "ID=ubuntu\nVERSION_ID='24.04'\n", "ID=ubuntu\nVERSION_ID=26.04\n"],
)
def test_what_is_supported(text: str, tmp_path: Path) -> None:
    assert unfit(text, tmp_path, (platform.machine(),), (PYTHON,)) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (DEBIAN.replace("13", "12"), "Debian 12"),
        # What will be Debian's next has no version yet.
        (DEBIAN.replace('VERSION_ID="13"\n', ""), "Debian"),
        ("ID=ubuntu\nVERSION_ID=22.04\n", "Ubuntu 22.04"),
        (ALPINE.replace("3.23", "3.9"), "Alpine 3.9.4"),
        ('NAME="Fedora Linux"\nID=fedora\nVERSION_ID=41\n', "Fedora Linux 41"),
        ('NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n', "Linux Mint 22"),
        ("", "an unknown system"),
        ('ID="debian\n"""\nNAME\n', "Debian"),
    ],
)
def test_what_is_not_supported(text: str, named: str, tmp_path: Path) -> None:
    [sentence] = unfit(text, tmp_path)
    assert sentence.startswith(f"{named} is not supported; use a host with Debian 13, Ubuntu 24.04, Alpine 3.20 or ")


def test_an_architecture_and_a_python_that_are_not(tmp_path: Path) -> None:
    architecture, python = unfit(DEBIAN, tmp_path, ("sparc64",), ("2.7", "3.0"))
    assert architecture == f"the architecture {platform.machine()} is not supported; use a host with one of sparc64"
    assert f"ansible-core 2.19.0 does not support its Python {platform.python_version()} (it does 2.7, 3.0)" in python
    assert python.endswith("ansible_python_interpreter: /usr/bin/python2.7")


def test_whatever_it_is_where_nothing_is_asked() -> None:
    assert list(_facts.unfit(_facts.facts(), {}, (), (), "2.19.0")) == []
