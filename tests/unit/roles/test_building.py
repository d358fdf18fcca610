# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployed project builds what is missing or was changed by hand, and nothing else: its tools/build.sh."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import rendering
from tests.unit.programs import python_program

# `docker compose build` gives each image the label that it was told; `docker image inspect` reads it.
DOCKER = """\
import os, pathlib, sys
here = pathlib.Path(__file__).parent / "images"
here.mkdir(exist_ok=True)
argv = sys.argv[1:]
if argv[:2] == ["compose", "build"]:
    for service in argv[2:]:
        name = "CONTENT_OF_" + service.upper().replace("-", "_")
        (here / service).write_text(os.environ[name])
        with open(here.parent / "built", "a") as file:
            file.write(service + "\\n")
elif argv[:2] == ["image", "inspect"]:
    path = here / argv[-1].split(":")[0]
    if not path.exists():
        sys.exit("no such image")
    print(path.read_text())
else:
    sys.exit("not foreseen: " + " ".join(argv))
"""


class Project:
    """A rendered project, and a docker for it."""

    def __init__(self, folder: Path, collections: Path) -> None:
        self.folder = folder / "inception"
        for path, text in rendering.project("debian-package", str(collections)).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        python_program(folder / "docker", DOCKER)
        self.built_file = folder / "built"
        self.images = folder / "images"
        self.path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    def build(self) -> list[str]:
        """What is built by it, sorted."""
        self.built_file.unlink(missing_ok=True)
        subprocess.run(
            ["sh", "srcs/tools/build.sh"],
            cwd=self.folder,
            env={**os.environ, "PATH": self.path},
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(self.built_file.read_text().split()) if self.built_file.exists() else []

    def requirements(self, name: str) -> Path:
        return self.folder / "srcs/requirements" / name


@pytest.fixture
def project(tmp_path: Path, collections_path: Path) -> Project:
    return Project(tmp_path, collections_path)


SERVICES = sorted([*rendering.MANDATORY, *(name for name in rendering.BONUS if name != "mail")])


def test_everything_is_built_once(project: Project) -> None:
    assert project.build() == SERVICES
    assert project.build() == []


def test_what_was_delivered_is_not_built(project: Project, collections_path: Path) -> None:
    """The label that the control node gives an image is the one that this script compares."""
    sys.path.insert(0, str(collections_path))
    from ansible_collections.fortytwo.inception.plugins.module_utils import _images

    project.images.mkdir()
    for service in SERVICES:
        [folder] = (project.folder / "srcs/requirements").glob(f"**/{service}")
        (project.images / service).write_text(_images.content_of_folder(str(folder)))
    assert project.build() == []


def edit_two(project: Project) -> None:
    project.requirements("nginx/Dockerfile").write_text("FROM debian:bookworm\n")
    (project.images / "static").unlink()


def draft(project: Project) -> None:
    project.requirements("draft").mkdir()
    project.requirements("draft/Dockerfile").write_text("FROM debian:bookworm\n")


def lose_all(project: Project) -> None:
    for path in project.images.iterdir():
        path.unlink()


EDITS: dict[str, tuple[Callable[[Project], object], list[str]]] = {
    "a configuration": (
        lambda project: (project.requirements("nginx/conf/pages.conf")).write_text("# mine\n"),
        ["nginx"],
    ),
    "a file more": (lambda project: project.requirements("mariadb/conf/more.cnf").write_text(""), ["mariadb"]),
    "a file less": (lambda project: project.requirements("bonus/ftp/.dockerignore").unlink(), ["ftp"]),
    "an image gone": (lambda project: (project.images / "redis").unlink(), ["redis"]),
    "an image of other files": (lambda project: (project.images / "redis").write_text("0" * 64), ["redis"]),
    "two of them": (edit_two, ["nginx", "static"]),
    "everything gone": (lose_all, SERVICES),
    "only a date": (lambda project: os.utime(project.requirements("nginx/Dockerfile"), (0, 0)), []),
    "a folder that is no service": (draft, []),
    "the settings": (lambda project: (project.folder / "srcs/.env").write_text("HTTPS_PORT=8443\n"), []),
}


@pytest.mark.parametrize("edit", EDITS)
def test_only_what_is_missing_or_changed_is_built(edit: str, project: Project) -> None:
    project.build()
    change, built = EDITS[edit]
    change(project)
    assert project.build() == built
    assert project.build() == []


def test_the_compose_file_takes_the_digest_that_the_script_hands_on(project: Project) -> None:
    compose = (project.folder / "srcs/docker-compose.yml").read_text()
    named = set(re.findall(r"inception\.content: \"\$\{CONTENT_OF_([A-Z0-9_]+):-\}\"", compose))
    assert named == {service.upper() for service in SERVICES}
