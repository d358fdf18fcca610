# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images by a Docker that is not the one they are for: the control node's, or another managed host's.
Private to this collection: it may change without notice.

No name of the user's own images is taken for one of ours, nor the other way round: ours have names of their own and go
when they are built.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines

# Built images, their layers and what is between take less; a builder with less room is none.
ROOM = 3 << 30
# A Docker that has not answered after so many seconds is none.
ANSWERS = 10.0
# So many are built at once, at most.
AT_ONCE = 4
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
CONTROL_NODE = "the control node"


def output_of(argv: list[str], **options: Any) -> str:
    """What a program says; a failure has its last lines."""
    done = subprocess.run(
        argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", **options,
    )  # fmt: skip
    if done.returncode != 0:
        raise images.ImageProblem(done.stdout)
    return done.stdout


def proxies_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Each in both ways of writing: BuildKit takes any of the two, and Docker's client adds its own in both."""
    small = {name: environment[name] for name in PROXIES if name in environment}
    return small | {name.upper(): value for name, value in small.items()}


@dataclass(frozen=True)
class Wanted:
    """An image to be built: its name, and the files of its build context."""

    service: str
    image: str
    content: str
    files: Mapping[str, bytes]

    def labels(self, builder: str) -> dict[str, str]:
        """Those by which it is known on the managed host; with the project's (_image_store.labelled)."""
        return {
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


class Docker:
    """The user's Docker. Its cache keeps the layers for the next time; the names are gone by then."""

    SPACE = "inception-builder"
    place = CONTROL_NODE
    at_once = AT_ONCE

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

    def base_name(self, base: Base) -> str:
        """The name of the base image here; one of a registry has its digest for a name."""
        if not base.archive:
            return f"{base.reference.rpartition(':')[0]}@{base.digest}"
        # Where it is deployed too, it is there already.
        label = f'{{{{index .Config.Labels "{images.BASE_LABEL}"}}}}'
        with contextlib.suppress(images.ImageProblem):
            if output_of([self.docker, "image", "inspect", "--format", label, base.reference]).strip() == base.digest:
                return base.reference
        return f"{self.SPACE}/base:{base.digest.rpartition(':')[2][:12]}"

    def has_base(self, base: Base) -> bool:
        with contextlib.suppress(images.ImageProblem):
            output_of([self.docker, "image", "inspect", self.base_name(base)])
            return True
        return False

    def bring_base(self, base: Base) -> None:
        if self.has_base(base):
            return
        name = self.base_name(base)
        if not base.archive:
            output_of([self.docker, "pull", "--quiet", name])
            return
        code, said = images.feed(
            [self.docker, "load", "--quiet"], lambda stream: images.rename(base.archive, name, stream)
        )
        if code != 0:
            raise images.ImageProblem(f"the base image could not be loaded: {said[-300:]}")

    def name_of(self, image: str) -> str:
        """How an image that is built is called here, as long as it is here."""
        return f"{self.SPACE}/{image}"

    def make(self, wanted: Wanted, base: Base) -> None:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder) / "context"
            context.mkdir()
            write_context(context, wanted.files)
            proxies = proxies_of(os.environ)
            output_of(
                [
                    *(self.docker, "buildx", "build", "--progress", "plain", "--load", "--provenance=false"),
                    # Those of whoever builds here; no image keeps one of them.
                    *(word for name in proxies for word in ("--build-arg", name)),
                    *("--build-context", f"{base.reference}=docker-image://{self.base_name(base)}"),
                    *("--tag", self.name_of(wanted.image), str(context)),
                ],
                env=os.environ | proxies,
            )

    def save(self, image: str, stream: Any, known: Collection[str] = ()) -> None:
        """An image as an archive, without layers that are known where it goes; its name is gone here then."""
        name = self.name_of(image)
        with subprocess.Popen(
            [self.docker, "save", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            saved, told = images.pipe(process.stdout), images.pipe(process.stderr)
            # Where it fails, it says why in place of an archive.
            with contextlib.suppress(tarfile.ReadError):
                copy_without(saved, stream, known)
            said = told.read().decode(errors="replace")
        if process.returncode != 0:
            raise images.ImageProblem(f"docker save: {said.strip()[-300:]}")
        output_of([self.docker, "image", "rm", "--force", name])

    def build(self, wanted: Wanted, base: Base, archive: Path) -> None:
        self.make(wanted, base)
        with open(archive, "wb") as file:
            self.save(wanted.image, file)


def not_built(service: str, error: Exception) -> images.ImageProblem:
    told = "\n".join(f"  {line}" for line in last_lines(str(error), 8))
    return images.ImageProblem(f"The image of {service} was not built:\n{told}")


def copy_without(source: IO[bytes], target: Any, known: Collection[str]) -> None:
    """An archive of `docker save` without layers, each known by the digest that its file is named by."""
    left_out = {f"blobs/sha256/{digest.rpartition(':')[2]}" for digest in known}
    with tarfile.open(fileobj=source, mode="r|") as archive, tarfile.open(fileobj=target, mode="w|") as copy:
        for member in archive:
            if member.name not in left_out:
                copy.addfile(member, archive.extractfile(member) if member.isreg() else None)
