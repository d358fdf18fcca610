# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images on the control node, into a store from which they are carried to managed hosts.

The tool is Docker where it answers and has buildx, else buildah, which needs no daemon and no root and has a storage of
its own; or another machine of the inventory (the action plugin image_build).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from ansible_collections.fortytwo.inception.plugins.module_utils import _image_build as image_build
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.module_utils._image_build import Base, Docker, Wanted, write_context
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_store as image_store

BUILDAH = "/usr/bin/buildah"


class Tool(Protocol):
    """What builds. It says where, and how many images at once at most."""

    place: str
    at_once: int

    def bring_base(self, base: Base) -> None: ...

    def build(self, wanted: Wanted, base: Base, archive: Path) -> None: ...


class Buildah:
    """buildah with a storage of its own."""

    place = image_build.CONTROL_NODE
    at_once = image_build.AT_ONCE

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
        said = image_build.output_of(self._argv(*argv))
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
        self.cache = folder
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
            with ThreadPoolExecutor(max(1, min(self.tool.at_once, os.cpu_count() or 1))) as pool:
                done = list(pool.map(building, missing))
            built = [one.service for one, was_built in zip(missing, done, strict=True) if was_built]
            self.store.prune()
        found = [self.store.find(one.image) for one in all_wanted]
        return [image for image in found if image], built

    def _check_room(self) -> None:
        room = image_store.free(self.store.folder)
        if room < image_build.ROOM:
            raise images.ImageProblem(
                f"{self.store.folder} has room for {room >> 20} MB, and building wants {image_build.ROOM >> 20} MB"
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
                    raise image_build.not_built(wanted.service, error) from None
                self.store.add(wanted.image, archive, wanted.labels(tool.place))
            self.tell(f"built {wanted.service}")
            return True


def cached_base(cache: Path, digest: str) -> Path | None:
    """The archive of a base image that the control node has."""
    archives = sorted((cache / "base").glob("*.image.tar"))
    return next((path for path in archives if images.base_digest_of(str(path)) == digest), None)


def tool(folder: Path) -> Tool | None:
    """What can build here."""
    return Docker.found() or (Buildah(folder / "builder") if shutil.which(BUILDAH) else None)
