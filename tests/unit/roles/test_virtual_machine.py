# SPDX-License-Identifier: GPL-3.0-or-later
"""What a built image has already is what the roles would install in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment


def variables(repository: Path, role: str, name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((repository / "roles" / role / name).read_text())
    return read


def prepared(repository: Path, **settings: str) -> set[str]:
    """The packages of a built image, by the settings that they depend on."""
    text = variables(repository, "vm", "vars/main.yml")["__vm_prepared_packages"]
    found = set(NativeEnvironment().from_string(text).render(settings))
    return found | set(variables(repository, "vm", "defaults/main.yml")["vm_packages"])


def test_an_image_has_what_the_roles_install(repository: Path) -> None:
    host = variables(repository, "host", "vars/debian.yml")
    docker = variables(repository, "docker", "vars/debian.yml")
    wanted = {*host["__host_packages"], host["__host_clock_package"], *host["__host_updates_packages"]}
    wanted |= {*docker["__docker_packages"], *docker["__docker_packages_by_distribution"]["Debian"]}
    bootstrap = (repository / "roles/inception/tasks/bootstrap.yml").read_text()
    wanted |= set(re.findall(r"(?<=--no-install-recommends )[^;]+", bootstrap)[0].split())
    assert wanted - prepared(repository, inception_docker_source="distribution", vm_release="trixie") == set()


@pytest.mark.parametrize(
    "settings",
    [
        # Docker's own packages do not go together with Debian's.
        {"inception_docker_source": "docker", "vm_release": "trixie"},
        # Debian had none of these names yet.
        {"inception_docker_source": "distribution", "vm_release": "bookworm"},
    ],
)
def test_an_image_has_no_engine_that_would_be_in_the_way(repository: Path, settings: dict[str, str]) -> None:
    assert {one for one in prepared(repository, **settings) if "docker" in one} == set()


@pytest.mark.parametrize(
    ("family", "source", "address", "fits"),
    [
        ("debian", "cloud", "https://cloud.debian.org/x.qcow2", True),
        ("alpine", "auto", "https://cloud.debian.org/x.qcow2", True),
        ("alpine", "bootstrap", "https://cloud.debian.org/x.qcow2", True),
        ("alpine", "cloud", "https://cloud.debian.org/x.qcow2", False),
        ("alpine", "cloud", "https://dl-cdn.alpinelinux.org/alpine/v3.23/releases/cloud/x.qcow2", True),
    ],
)
def test_an_image_of_another_family_is_refused(
    repository: Path, family: str, source: str, address: str, fits: bool
) -> None:
    tasks = yaml.safe_load((repository / "roles/vm/tasks/check.yml").read_text())
    [said] = [one["ansible.builtin.assert"] for one in tasks if "cloud image" in one["name"]]
    given = {"inception_vm_family": family, "inception_vm_image_source": source, "vm_cloud_image_url": address}
    assert NativeEnvironment().from_string("{{ " + said["that"] + " }}").render(given) is fits
    assert "vm_cloud_image_url" in said["fail_msg"]
    assert "https://dl-cdn.alpinelinux.org" in said["fail_msg"]


def test_an_image_of_alpine_is_another_by_what_makes_it(repository: Path) -> None:
    """The name of its folder has the digest of its recipe and of the script; Debian's stays what it was."""
    read = variables(repository, "vm", "vars/main.yml")
    assert "__vm_alpine_digest" in read["__vm_built_image"]
    assert "build-alpine.sh" in read["__vm_alpine_digest"]
    assert "__vm_alpine_recipe" in read["__vm_alpine_digest"]
    assert set(variables(repository, "vm", "defaults/main.yml")["vm_alpine_packages"]) >= {
        "openrc",
        "openssh",
        "e2fsprogs-extra",
    }
