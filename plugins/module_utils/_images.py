# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by their content: which files one was made of, and one that is the same wherever it is loaded.
Private to this collection: it may change without notice."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

# Of the files that an image was made of. The project's tools/build.sh makes the same digest with sha256sum.
CONTENT_LABEL = "inception.content"
# Of a base image that came from no registry: the digest of its file system.
BASE_LABEL = "inception.base"
# Where it was built, if not on the machine that it is on.
BUILDER_LABEL = "inception.builder"
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"

EPOCH = "1970-01-01T00:00:00Z"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BLOCK = 1 << 20
TAG_LENGTH = 12


class ImageProblem(Exception):
    """Something is wrong with an image or its archive; the message is for the user."""


# ---- What an image is made of ----


def line_of(path: str, digest: str) -> bytes:
    """As sha256sum prints it; a strange name is marked and escaped."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{digest}  ./{escaped}".encode("utf-8", "surrogateescape")


def digest_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def content_of_lines(lines: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(line + b"\n" for line in sorted(lines))).hexdigest()


def content_of_files(files: Mapping[str, bytes]) -> str:
    """A digest of a build context, by its paths and what is in them."""
    return content_of_lines(line_of(path, hashlib.sha256(data).hexdigest()) for path, data in files.items())


def content_tag(content: str, base: str) -> str:
    """A short digest of a build context and of the image it is built on: equal content, equal tag."""
    return hashlib.sha256(f"{content} {base}".encode()).hexdigest()[:TAG_LENGTH]


def content_of_folder(folder: str) -> str:
    """The same of a folder on this machine. No link is followed: its owner may be somebody else than who asks."""

    def lines() -> Iterator[bytes]:
        for root, dummy, names in os.walk(folder):
            for name in names:
                path = os.path.join(root, name)
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
                except OSError:
                    # A link, a socket, or gone by now.
                    continue
                with open(descriptor, "rb") as file:
                    if stat.S_ISREG(os.fstat(descriptor).st_mode):
                        yield line_of(os.path.relpath(path, folder), digest_of(file))

    return content_of_lines(lines())


def is_emulated(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """Whether this machine's processor is a program (QEMU without KVM)."""
    try:
        text = Path(cpuinfo).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any("QEMU TCG" in line for line in text.splitlines() if line.startswith("model name"))


# ---- Programs ----


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """A pipe that was asked for."""
    if stream is None:
        raise ImageProblem("a program has no pipe")
    return stream


def feed(argv: list[str], write: Callable[[IO[bytes]], None]) -> tuple[int, str]:
    """Runs a program that reads what is written; its exit code, and what it said. Of what fails it sees no end."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        there, said = pipe(process.stdin), pipe(process.stdout)
        try:
            # One that ends early says why.
            with contextlib.suppress(BrokenPipeError):
                write(there)
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                there.close()
        text = said.read().decode(errors="replace")
    return process.returncode, text


# ---- An archive that is loaded as the same image everywhere ----


@contextlib.contextmanager
def _program(argv: list[str], source: Any) -> Iterator[IO[bytes]]:
    """What a program makes of a file."""
    with subprocess.Popen(argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        made, told = pipe(process.stdout), pipe(process.stderr)
        try:
            yield made
        finally:
            made.close()
        said = told.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise ImageProblem(f"{argv[0]} failed: {said[-300:] or process.returncode}")


@contextlib.contextmanager
def unpacked(path: str) -> Iterator[IO[bytes]]:
    """A file as it was before it was compressed."""
    with open(path, "rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic.startswith(b"\x28\xb5\x2f\xfd"):
            if not shutil.which("zstd"):
                raise ImageProblem(f"{path} is compressed by zstd, and there is no program zstd here")
            # The program reads where the system is, and not where Python's buffer is.
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            with _program(["zstd", "--decompress", "--stdout", "--quiet"], file) as stream:
                yield stream
            return
        if magic.startswith(b"\x1f\x8b"):
            yield gzip.GzipFile(fileobj=file)  # type: ignore[misc]
        elif magic.startswith(b"\xfd7zXZ\x00"):
            with lzma.open(file) as stream:
                yield stream
        elif magic.startswith(b"BZh"):
            with bz2.open(file) as stream:
                yield stream
        else:
            yield file


class Packed:
    """Takes a stream, and writes it compressed: by zstd where that is, else by gzip; Docker 23 and later read both."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.digest = hashlib.sha256()
        self.size = 0

    def take(self, source: IO[bytes]) -> str:
        """The digest of what was taken."""
        with open(self.path, "wb") as file:
            if shutil.which("zstd"):
                with subprocess.Popen(
                    ["zstd", "--quiet", "--stdout", "-3", "--threads=0"], stdin=subprocess.PIPE, stdout=file
                ) as process:
                    there = pipe(process.stdin)
                    self._copy(source, there)
                    there.close()
                if process.returncode != 0:
                    raise ImageProblem(f"zstd could not write {self.path}; is there room?")
            else:
                with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0, filename="") as target:
                    self._copy(source, target)
        return f"sha256:{self.digest.hexdigest()}"

    def _copy(self, source: IO[bytes], target: Any) -> None:
        while block := source.read(BLOCK):
            self.digest.update(block)
            self.size += len(block)
            target.write(block)


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def base_config(diff_id: str, architecture: str, command: list[str]) -> bytes:
    """The configuration of a base image. It tells no time, so that equal content is an equal image."""
    told = {
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": {"Cmd": command, "Env": [f"PATH={PATH}"], "Labels": {BASE_LABEL: diff_id}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": EPOCH, "created_by": "fortytwo.inception.base_image"}],
    }
    if architecture == "arm64":
        told["variant"] = "v8"
    return json.dumps(told, sort_keys=True).encode()


def write_anew(source: IO[bytes], target: str, files: Mapping[str, str]) -> None:
    """The same root file system, with other texts in files that it has."""
    left = set(files)
    with tarfile.open(fileobj=source, mode="r|") as tree, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as made:
        for member in tree:
            name = member.name.removeprefix("./")
            if name in files and member.isreg():
                left.discard(name)
                data = files[name].encode()
                member.size = len(data)
                made.addfile(member, io.BytesIO(data))
            else:
                made.addfile(member, tree.extractfile(member) if member.isreg() else None)
    if left:
        raise ImageProblem(f"the root file system has no file {', '.join(sorted(left))}")


def pack_base(
    source: str,
    target: str,
    reference: str,
    architecture: str,
    command: list[str],
    files: Mapping[str, str] | None = None,
) -> str:
    """Writes a root file system as an image's archive, whole or not at all; its digest."""
    layer, part, tree = f"{target}.layer", f"{target}.new", f"{target}.tree"
    try:
        try:
            if files:
                with unpacked(source) as stream:
                    write_anew(stream, tree, files)
            with unpacked(tree if files else source) as stream:
                diff_id = Packed(layer).take(stream)
        except (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError) as error:
            raise ImageProblem(f"{source} could not be read: {error}") from None
        config = base_config(diff_id, architecture, command)
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
            add_bytes(archive, name, config)
            member = tarfile.TarInfo("layer.tar")
            member.size = os.path.getsize(layer)
            with open(layer, "rb") as file:
                archive.addfile(member, file)
            manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
            add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
        os.replace(part, target)
    finally:
        for path in (layer, part, tree):
            Path(path).unlink(missing_ok=True)
    return diff_id


def rename(source: str, reference: str, target: Any) -> None:
    """Writes an archive of one image to a stream, as the same image with another name."""
    with tarfile.open(source) as archive, tarfile.open(fileobj=target, mode="w|") as renamed:
        for member in archive:
            if member.name != "manifest.json":
                renamed.addfile(member, archive.extractfile(member))
        [told] = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        add_bytes(renamed, "manifest.json", json.dumps([{**told, "RepoTags": [reference]}]).encode())


def manifest_of(path: str) -> dict[str, Any]:
    """What an archive of one image says of it: its names, its layers, and its configuration."""
    try:
        with tarfile.open(path) as archive:
            [told] = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
            config = archive.extractfile(told["Config"]).read()  # type: ignore[union-attr]
    except (OSError, tarfile.TarError, KeyError, ValueError, AttributeError) as error:
        raise ImageProblem(f"{path} is no image's archive: {error}") from None
    return {"tags": told.get("RepoTags") or [], "layers": told["Layers"], "config": config}


def base_digest_of(path: str) -> str:
    """The digest of the base image in an archive of pack_base; empty for another one."""
    try:
        config = json.loads(manifest_of(path)["config"])
    except (ImageProblem, ValueError):
        return ""
    return str((config.get("config") or {}).get("Labels", {}).get(BASE_LABEL, ""))
