# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images of an evaluated project are made of."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _sbom
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import images

STATUS = "".join(
    f"Package: p{number}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n" for number in range(30)
)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A project of three services, two of one image; the files of each image."""
    every = {"/usr/lib/os-release": "ID=debian\nVERSION_ID=12\n", _sbom.DPKG: STATUS}
    of = {"nginx": "sha256:1", "static": "sha256:1", "mariadb": "sha256:2"}
    containers = {service: {"Id": service, "Image": image} for service, image in of.items()}
    monkeypatch.setattr(images, "containers_of", lambda project: containers)
    monkeypatch.setattr(images, "inspected", lambda kind, names: [{"Id": name, "Config": {"Env": 1}} for name in names])
    monkeypatch.setattr(_sbom, "file_of", lambda container: lambda path: every.get(path, ""))
    return every


def told() -> dict[str, tuple[Any, int, str]]:
    found = images.images("/home/wil/inception")
    return {one["service"]: (one["image"], len(one["inside"]["packages"]), one["inside"]["problem"]) for one in found}


@pytest.mark.usefixtures("files")
def test_each_image_once_and_nothing_of_its_settings() -> None:
    nothing = {"RepoTags": None, "Architecture": None, "Created": None}
    assert told() == {
        "mariadb": ({"Id": "sha256:2", **nothing}, 30, ""),
        "nginx": ({"Id": "sha256:1", **nothing}, 30, ""),
    }


def test_an_image_without_a_list_says_so(files: dict[str, str]) -> None:
    del files[_sbom.DPKG]
    assert {problem for dummy, dummy, problem in told().values()} == {
        "its image has neither dpkg's nor apk's list of packages"
    }


@pytest.mark.usefixtures("files")
def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_PACKAGES", 40)
    assert {service: one[1:] for service, one in told().items()} == {
        "mariadb": (30, ""),
        "nginx": (0, "the project's images have more than 40 packages"),
    }
    monkeypatch.setattr(images, "MOST_IMAGES", 1)
    assert set(told()) == {"mariadb"}


def test_what_is_no_package_is_left_out(files: dict[str, str]) -> None:
    files[_sbom.DPKG] = STATUS + "Package: <script>\nStatus: install ok installed\nVersion: 1\n\n"
    assert told()["nginx"][1] == 30
