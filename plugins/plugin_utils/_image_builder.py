# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images on the control node, into a store from which they are carried to managed hosts.

The tool is Docker where it answers and has buildx, else buildah, which needs no daemon and no root. No name of the
user's own images is taken for one of ours, nor the other way round: in Docker ours have names of their own and go when
they are built, and buildah has a storage of its own.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_store as image_store

BUILDAH = "/usr/bin/buildah"
# Built images, their layers and what is between take less; a builder with less room is none.
ROOM = 3 << 30
# A Docker that has not answered after so many seconds is none.
ANSWERS = 10.0
# So many are built at once, at most.
AT_ONCE = 4


@dataclass(frozen=True)
class Wanted:
    """An image to be built: its name, and the files of its build context."""

    service: str
    image: str
    content: str
    files: Mapping[str, bytes]

    def labels(self, builder: str) -> dict[str, str]:
        """Those by which it is known on the managed host; the first two are what compose gives it there."""
        return {
            images.PROJECT_LABEL: "inception",
            images.SERVICE_LABEL: self.service,
            images.CONTENT_LABEL: self.content,
            images.BUILDER_LABEL: builder,
        }


def wanted_of(service: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> Wanted:
    """From what stack_services returns."""
    prefix = f"srcs/{service['context']}/"
    return Wanted(
        service["name"],
        service["image"],
        service["content"],
        {
            file["path"][len(prefix) :]: base64.b64decode(file["content"])
            if file.get("encoding") == "base64"
            else file["content"].encode()
            for file in files
            if file["path"].startswith(prefix)
        },
    )


def write_context(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        # Whatever the user's umask: an image's files are read by others.
        path.chmod(0o644)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    folder.chmod(0o755)


@dataclass(frozen=True)
class Base:
    """The image that all others are built on: its name, its digest, and its archive where it came from no registry."""

    reference: str
    digest: str
    archive: str


class Tool(Protocol):
    """What builds."""

    def bring_base(self, base: Base) -> None: ...

    def build(self, wanted: Wanted, base: Base, archive: Path) -> None: ...


class Docker:
    """The user's Docker. Its cache keeps the layers for the next time; the names are gone by then."""

    SPACE = "inception-builder"

    def __init__(self, docker: str) -> None:
        self.docker = docker

    @classmethod
    def found(cls) -> Docker | None:
        """Where it answers within seconds, and has buildx."""
        docker = shutil.which("docker")
        if not docker:
            return None
        for argv in (["version", "--format", "{{.Server.Version}}"], ["buildx", "version"]):
            try:
                done = subprocess.run(
                    [docker, *argv], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=ANSWERS
                )
            except (OSError, subprocess.TimeoutExpired):
                return None
            if done.returncode != 0:
                return None
        return cls(docker)

    def _base(self, base: Base) -> str:
        """The name of the base image here; one of a registry has its digest for a name."""
        if base.archive:
            return f"{self.SPACE}/base:{base.digest.rpartition(':')[2][:12]}"
        return f"{base.reference.rpartition(':')[0]}@{base.digest}"

    def bring_base(self, base: Base) -> None:
        name = self._base(base)
        with contextlib.suppress(images.ImageProblem):
            image_store.output_of([self.docker, "image", "inspect", name])
            return
        if not base.archive:
            image_store.output_of([self.docker, "pull", "--quiet", name])
            return
        with subprocess.Popen(
            [self.docker, "load", "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                images.rename(base.archive, name, process.stdin)
            process.communicate()
        if process.returncode != 0:
            raise images.ImageProblem("the control node's Docker could not load the base image")

    def build(self, wanted: Wanted, base: Base, archive: Path) -> None:
        name = f"{self.SPACE}/{wanted.image}"
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder) / "context"
            context.mkdir()
            write_context(context, wanted.files)
            image_store.output_of(
                [
                    *(self.docker, "buildx", "build", "--progress", "plain", "--load", "--provenance=false"),
                    *("--build-context", f"{base.reference}=docker-image://{self._base(base)}"),
                    *("--tag", name, str(context)),
                ]
            )
        image_store.output_of([self.docker, "save", "--output", str(archive), name])
        image_store.output_of([self.docker, "image", "rm", "--force", name])


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _argv(self, *argv: str) -> list[str]:
        return [BUILDAH, "--root", str(self.folder / "storage"), "--runroot", str(self._run_folder()), *argv]

    def _run_folder(self) -> Path:
        """What does not outlive a boot."""
        runtime = Path("/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR") or self.folder)
        return runtime / "fortytwo.inception-builder"

    def run(self, *argv: str, log: Path | None = None) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        said = image_store.output_of(self._argv(*argv))
        if log:
            log.write_text(said, encoding="utf-8")
        return said

    def base_is(self, base: Base) -> bool:
        with contextlib.suppress(images.ImageProblem, ValueError, KeyError, TypeError):
            told = json.loads(self.run("inspect", "--type", "image", local(base.reference)))
            return base.digest in (
                told["Docker"]["config"]["Labels"].get(images.BASE_LABEL),
                told.get("FromImageDigest"),
            )
        return False

    def bring_base(self, base: Base) -> None:
        if self.base_is(base):
            return
        if base.archive:
            self.run("pull", "--quiet", f"docker-archive:{base.archive}")
            return
        name, dummy, dummy = base.reference.rpartition(":")
        pulled = f"{qualified(name)}@{base.digest}"
        self.run("pull", "--quiet", f"docker://{pulled}")
        self.run("tag", pulled, local(base.reference))

    def build(self, wanted: Wanted, base: Base, archive: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder) / "context"
            context.mkdir()
            write_context(context, wanted.files)
            self.run(
                "bud", "--format", "docker", "--isolation", "chroot", "--layers", "--pull-never",
                "--identity-label=false", "--build-context", f"{base.reference}=docker-image://{local(base.reference)}",
                "--tag", wanted.image, str(context),
            )  # fmt: skip
        self.run("push", "--quiet", local(wanted.image), f"docker-archive:{archive}:{wanted.image}")


def local(name: str) -> str:
    """How buildah calls what came from no registry."""
    return f"localhost/{name}"


def qualified(name: str) -> str:
    """An image's name with its registry, as Docker completes it."""
    first = name.partition("/")[0]
    if "/" in name and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name if '/' in name else f'library/{name}'}"


class Builder:
    """Builds what is not in the store, each image once, whoever else wants it."""

    def __init__(self, folder: Path, architecture: str, tool: Tool | None, tell: Callable[[str], None]) -> None:
        self.store = image_store.Store(folder / "images" / architecture)
        self.tool = tool
        self.tell = tell

    def provide(self, all_wanted: Sequence[Wanted], base: Base) -> tuple[list[image_store.Image], list[str]]:
        """The images, and which of them were built now."""
        missing = [one for one in all_wanted if self.store.find(one.image) is None]
        built: list[str] = []
        if missing and self.tool:
            self._check_room()
            with self.store.locked("base"):
                self.tool.bring_base(base)
            building = functools.partial(self._built, self.tool, base)
            with ThreadPoolExecutor(max(1, min(AT_ONCE, os.cpu_count() or 1))) as pool:
                done = list(pool.map(building, missing))
            built = [one.service for one, was_built in zip(missing, done, strict=True) if was_built]
            self.store.prune()
        found = [self.store.find(one.image) for one in all_wanted]
        return [image for image in found if image], built

    def _check_room(self) -> None:
        room = image_store.free(self.store.folder)
        if room < ROOM:
            raise images.ImageProblem(
                f"{self.store.folder} has room for {room >> 20} MB, and building wants {ROOM >> 20} MB"
            )

    def _built(self, tool: Tool, base: Base, wanted: Wanted) -> bool:
        with self.store.locked(wanted.image):
            # Somebody else may have built it while this one waited.
            if self.store.find(wanted.image):
                return False
            self.tell(f"building {wanted.service}")
            self.store.prepare()
            with tempfile.TemporaryDirectory(dir=self.store.folder) as folder:
                archive = Path(folder) / "image.tar"
                try:
                    tool.build(wanted, base, archive)
                except images.ImageProblem as error:
                    told = "\n".join(f"  {line}" for line in last_lines(str(error), 8))
                    raise images.ImageProblem(f"The image of {wanted.service} was not built:\n{told}") from None
                self.store.add(wanted.image, archive, wanted.labels("the control node"))
            self.tell(f"built {wanted.service}")
            return True


def tool(folder: Path) -> Tool | None:
    """What can build here."""
    return Docker.found() or (Buildah(folder / "builder") if shutil.which(BUILDAH) else None)
