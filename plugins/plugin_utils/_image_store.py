# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Built images on the control node, as they are carried: each layer once, compressed, in parts named by their digest.

    parts/<sha256>          some MB of a compressed layer
    layers/<sha256>.json    a layer's parts, by the digest that the layer has when it is unpacked
    images/<name>.json      an image's configuration and its layers

Whoever is cut off leaves whole files behind, which the next one takes.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images

PART = 8 << 20
BLOCK = 1 << 20
# An image that nobody has asked for in so many days goes.
DAYS_KEPT = 30
# Of an image's configuration, what says how a container is run; what else there is differs from tool to tool.
RUN_KEYS = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Healthcheck",
    "Shell", "OnBuild",
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A layer by the digest of what is in it, and its parts with their sizes."""

    diff_id: str
    parts: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        return sum(size for dummy, size in self.parts)


@dataclass(frozen=True)
class Image:
    """An image that can be carried."""

    name: str
    config: str
    layers: tuple[Layer, ...]


def normal_config(told: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """An image's configuration, the same whichever tool has built it."""
    run = {key: value for key, value in (told.get("config") or {}).items() if key in RUN_KEYS and value}
    run["Labels"] = {**(run.get("Labels") or {}), **labels}
    kept = {key: told[key] for key in ("architecture", "variant", "os", "created", "rootfs") if told.get(key)}
    steps = [
        {key: step[key] for key in ("created", "created_by", "empty_layer") if key in step}
        for step in told.get("history") or []
    ]
    return json.dumps({**kept, "config": run, "history": steps}, sort_keys=True)


def labelled(config: str, labels: Mapping[str, str]) -> str:
    """A configuration with more labels: the same image is carried to several projects."""
    told = json.loads(config)
    told["config"]["Labels"] |= labels
    return json.dumps(told, sort_keys=True)


def as_it_was(source: IO[bytes]) -> IO[bytes]:
    """A layer as it was before containerd's store compressed it."""
    packed = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    return gzip.GzipFile(fileobj=source) if packed else source  # type: ignore[return-value]


class Store:
    """A folder of images for one architecture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / kind / name.replace(":", "-").replace("/", "_")

    def prepare(self) -> None:
        for kind in ("parts", "layers", "images", "locks"):
            (self.folder / kind).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Nobody else makes it meanwhile."""
        self.prepare()
        with open(self._path("locks", name), "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # ---- what is there ----

    def find(self, name: str) -> Image | None:
        """An image that is there with all that belongs to it."""
        path = self._path("images", f"{name}.json")
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            layers = tuple(self.layer(diff_id) for diff_id in told["layers"])
        except (OSError, ValueError, KeyError):
            return None
        if any(layer is None for layer in layers):
            return None
        os.utime(path)
        return Image(name, told["config"], tuple(layer for layer in layers if layer))

    def layer(self, diff_id: str) -> Layer | None:
        try:
            told = json.loads(self._path("layers", f"{diff_id}.json").read_text(encoding="utf-8"))
            parts = tuple((str(digest), int(size)) for digest, size in told)
            there = all(self.part(digest).stat().st_size == size for digest, size in parts)
        except (OSError, ValueError, TypeError):
            return None
        return Layer(diff_id, parts) if there else None

    def layers(self) -> list[str]:
        """The digests of all layers that are whole."""
        names = (path.stem for path in (self.folder / "layers").glob("*.json"))
        ids = (name.replace("-", ":", 1) for name in names)
        return sorted(diff_id for diff_id in ids if self.layer(diff_id))

    def part(self, digest: str) -> Path:
        return self.folder / "parts" / digest

    # ---- what is added ----

    def add(self, name: str, archive: Path, labels: Mapping[str, str]) -> Image:
        """An image out of an archive as `docker save` and buildah write it."""
        self.prepare()
        told = images.manifest_of(str(archive))
        config = json.loads(told["config"])
        diff_ids = config["rootfs"]["diff_ids"]
        if len(diff_ids) != len(told["layers"]):
            raise images.ImageProblem(f"{archive}: {len(diff_ids)} layers are named, and {len(told['layers'])} there")
        with tarfile.open(archive) as file:
            for diff_id, member in zip(diff_ids, told["layers"], strict=True):
                if self.layer(diff_id) is None:
                    source = file.extractfile(member)
                    if source is None:
                        raise images.ImageProblem(f"{archive}: the layer {member} is not there")
                    self._add_layer(diff_id, as_it_was(source))
        described = {"config": normal_config(config, labels), "layers": diff_ids}
        self._write(self._path("images", f"{name}.json"), json.dumps(described).encode())
        found = self.find(name)
        if found is None:
            raise images.ImageProblem(f"{name} could not be written into {self.folder}; is there room?")
        return found

    def _write(self, path: Path, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(data)
        os.replace(file.name, path)

    def _add_layer(self, diff_id: str, source: IO[bytes]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            packed = Path(folder) / "layer"
            digest = images.Packed(str(packed)).take(source)
            if digest != diff_id:
                raise images.ImageProblem(f"a layer is {digest}, and was to be {diff_id}")
            parts = []
            with open(packed, "rb") as file:
                while data := file.read(PART):
                    name = hashlib.sha256(data).hexdigest()
                    self._write(self.part(name), data)
                    parts.append([name, len(data)])
        self._write(self._path("layers", f"{diff_id}.json"), json.dumps(parts).encode())

    # ---- what goes ----

    def prune(self, now: float | None = None) -> None:
        """Images that nobody has asked for in a while, and what belongs to none."""
        limit = (time.time() if now is None else now) - DAYS_KEPT * 86400
        layers: set[str] = set()
        for path in (self.folder / "images").glob("*.json"):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                continue
            layers |= {self._path("layers", f"{one}.json").name for one in json.loads(path.read_text())["layers"]}
        parts: set[str] = set()
        for path in (self.folder / "layers").glob("*.json"):
            # One that was just made may be somebody's whose image is not there yet.
            if path.name not in layers and path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                continue
            parts |= {digest for digest, dummy in json.loads(path.read_text())}
        for path in (self.folder / "parts").iterdir():
            if path.name not in parts and path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)


def free(folder: Path) -> int:
    """Bytes that there is room for."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
