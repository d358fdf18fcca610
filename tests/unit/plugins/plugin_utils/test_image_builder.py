# SPDX-License-Identifier: GPL-3.0-or-later
"""Images built on the control node: each once, whoever else wants it, and a failure in a few lines."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _image_build as image_build
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.module_utils._image_build import Base, Wanted
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_builder as image_builder
from ansible_collections.fortytwo.inception.plugins.plugin_utils._image_builder import Builder

from tests.unit.plugins.plugin_utils.test_image_store import archive, layer

BASE = Base("debian:bookworm", "sha256:01", "/base.image.tar")


class Tool:
    """Notes what it builds, and takes its time."""

    place = "the control node"
    at_once = 4

    def __init__(self, fails: str = "") -> None:
        self.built: list[str] = []
        self.bases = 0
        self.fails = fails

    def bring_base(self, base: Base) -> None:
        self.bases += 1

    def build(self, wanted: Wanted, base: Base, path: Path) -> None:
        time.sleep(0.1)
        if wanted.service == self.fails:
            raise images.ImageProblem("".join(f"step {number}\n" for number in range(99)) + "E: no package ngnix\n")
        self.built.append(wanted.service)
        archive(path, [layer(b"base"), layer(wanted.service.encode())])


def wanted(*names: str) -> list[Wanted]:
    return [
        Wanted(name, f"{name}:1", f"content of {name}", {"Dockerfile": b"FROM debian:bookworm\n"}) for name in names
    ]


def test_what_is_there_is_not_built(tmp_path: Path) -> None:
    tool = Tool()
    builder = Builder(tmp_path, "amd64", tool, lambda line: None)
    found, built = builder.provide(wanted("nginx", "redis"), BASE)
    assert ([one.name for one in found], built) == (["nginx:1", "redis:1"], ["nginx", "redis"])
    found, built = builder.provide(wanted("nginx", "ftp"), BASE)
    assert ([one.name for one in found], built) == (["nginx:1", "ftp:1"], ["ftp"])
    assert (sorted(tool.built), tool.bases) == (["ftp", "nginx", "redis"], 2)


def test_several_hosts_have_it_built_once(tmp_path: Path) -> None:
    tool = Tool()
    results = []

    def one_host() -> None:
        builder = Builder(tmp_path, "amd64", tool, lambda line: None)
        results.append(builder.provide(wanted("nginx", "redis"), BASE))

    hosts = [threading.Thread(target=one_host) for _ in range(4)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(30)
    assert sorted(tool.built) == ["nginx", "redis"]
    assert [[one.name for one in found] for found, dummy in results] == [["nginx:1", "redis:1"]] * 4
    assert sorted(name for dummy, built in results for name in built) == ["nginx", "redis"]


def test_what_is_in_the_store_needs_no_tool(tmp_path: Path) -> None:
    Builder(tmp_path, "amd64", Tool(), lambda line: None).provide(wanted("nginx"), BASE)
    found, built = Builder(tmp_path, "amd64", None, lambda line: None).provide(wanted("nginx"), BASE)
    assert ([one.name for one in found], built) == (["nginx:1"], [])


def test_a_build_that_fails_tells_its_last_lines_and_leaves_nothing(tmp_path: Path) -> None:
    builder = Builder(tmp_path, "amd64", Tool(fails="nginx"), lambda line: None)
    with pytest.raises(images.ImageProblem) as error:
        builder.provide(wanted("nginx"), BASE)
    assert str(error.value).startswith("The image of nginx was not built:\n")
    assert str(error.value).endswith("  E: no package ngnix")
    assert len(str(error.value).splitlines()) == 9
    assert builder.store.find("nginx:1") is None
    assert not [path for path in builder.store.folder.iterdir() if path.name.startswith("tmp")]


def test_without_room_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_build, "ROOM", 1 << 60)
    tool = Tool()
    with pytest.raises(images.ImageProblem, match=r"has room for \d+ MB, and building wants"):
        Builder(tmp_path, "amd64", tool, lambda line: None).provide(wanted("nginx"), BASE)
    assert tool.built == []


def test_an_image_bears_the_labels_by_which_it_is_found(tmp_path: Path) -> None:
    found, dummy = Builder(tmp_path, "amd64", Tool(), lambda line: None).provide(wanted("nginx"), BASE)
    for word in ("com.docker.compose.service", "content of nginx", "the control node"):
        assert word in found[0].config


def test_a_context_is_readable_by_all_whatever_the_umask(tmp_path: Path) -> None:
    image_build.write_context(tmp_path, {"Dockerfile": b"x", "conf/a/b.conf": b"y"})
    assert stat.S_IMODE((tmp_path / "conf/a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "conf/a/b.conf").stat().st_mode) == 0o644


def test_a_context_is_what_the_project_has_there() -> None:
    service = {"name": "nginx", "image": "nginx:1", "content": "c", "context": "requirements/nginx"}
    files = [
        {"path": "srcs/requirements/nginx/Dockerfile", "content": "FROM debian:bookworm\n"},
        {"path": "srcs/requirements/nginx/site/a.png", "content": "AAE=", "encoding": "base64"},
        {"path": "srcs/requirements/nginx-more/Dockerfile", "content": "other"},
    ]
    assert image_build.wanted_of(service, files).files == {
        "Dockerfile": b"FROM debian:bookworm\n",
        "site/a.png": b"\x00\x01",
    }


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("debian", "docker.io/library/debian"),
        ("bitnami/minideb", "docker.io/bitnami/minideb"),
        ("registry.example.org/debian", "registry.example.org/debian"),
        ("localhost:5000/debian", "localhost:5000/debian"),
    ],
)
def test_a_name_is_completed_as_docker_does(name: str, whole: str) -> None:
    assert image_builder.qualified(name) == whole
