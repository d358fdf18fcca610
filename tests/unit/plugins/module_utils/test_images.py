# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by their content: the digest of a folder, and a base image that is the same wherever it is made."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _images
from ansible_collections.fortytwo.inception.plugins.modules import image_archive

# As the project's tools/build.sh has it.
BY_SHELL = "find . -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum | cut -d ' ' -f 1"

FILES: dict[str, bytes] = {
    "Dockerfile": b"FROM debian:bookworm\n",
    ".dockerignore": b"*.md\n",
    "conf/site.conf": b"listen 443;\n",
    "conf/a name with spaces": b"",
    "conf/a\\strange\nname": b"x",
    "conf/été": b"\x00\xff",
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_the_project_s_shell_and_both_functions_make_the_same_digest(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    done = subprocess.run(BY_SHELL, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    assert _images.content_of_folder(str(folder)) == _images.content_of_files(FILES) == done.stdout.strip()


def link(folder: Path) -> None:
    (folder / "Dockerfile").unlink()
    (folder / "Dockerfile").symlink_to("/etc/passwd")


CHANGES: dict[str, Callable[[Path], object]] = {
    "another word": lambda folder: (folder / "conf/site.conf").write_text("listen 444;\n"),
    "one more": lambda folder: (folder / "conf/more.conf").write_text(""),
    "one less": lambda folder: (folder / ".dockerignore").unlink(),
    "another name": lambda folder: (folder / "Dockerfile").rename(folder / "Containerfile"),
    "moved": lambda folder: (folder / "conf/site.conf").rename(folder / "site.conf"),
    "a link in its place": link,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_another_digest(change: str, tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    before = _images.content_of_folder(str(folder))
    CHANGES[change](folder)
    assert _images.content_of_folder(str(folder)) != before


def test_another_date_or_what_is_no_file_makes_none(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    before = _images.content_of_folder(str(folder))
    os.utime(folder / "Dockerfile", (0, 0))
    # Nobody waits for a writer.
    os.mkfifo(folder / "conf/pipe")
    (folder / "conf/loop").symlink_to(folder)
    assert _images.content_of_folder(str(folder)) == before


def root_file_system() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in ("bin/sh", "etc/os-release"):
            _images.add_bytes(archive, name, name.encode() * 1000)
    return data.getvalue()


def compressed(way: str, data: bytes) -> bytes:
    if way == "zstd":
        return subprocess.run(["zstd", "--quiet", "--stdout"], input=data, capture_output=True, check=True).stdout
    return {"plain": lambda: data, "gzip": lambda: gzip.compress(data), "xz": lambda: lzma.compress(data)}[way]()


@pytest.mark.parametrize("way", ["plain", "gzip", "xz", "zstd"])
def test_equal_files_are_an_equal_image(way: str, tmp_path: Path) -> None:
    tree = root_file_system()
    (tmp_path / "tree").write_bytes(compressed(way, tree))
    made = []
    for number in range(2):
        target = tmp_path / f"{number}.image.tar"
        digest = _images.pack_base(str(tmp_path / "tree"), str(target), "debian:bookworm", "amd64", ["bash"])
        assert digest == f"sha256:{hashlib.sha256(tree).hexdigest()}" == _images.base_digest_of(str(target))
        made.append(target.read_bytes())
        time.sleep(0.01)
    assert made[0] == made[1]
    told = json.loads(_images.manifest_of(str(target))["config"])
    assert told["rootfs"]["diff_ids"] == [digest]
    assert told["config"]["Labels"] == {"inception.base": digest}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.image.tar", "1.image.tar", "tree"]


def layer_of(image: Path) -> dict[str, tuple[dict[str, Any], bytes]]:
    """What each member of an image's file system is, and has in it."""
    layer = image.with_suffix(".layer")
    with tarfile.open(image) as archive:
        layer.write_bytes(archive.extractfile("layer.tar").read())  # type: ignore[union-attr]
    with _images.unpacked(str(layer)) as stream, tarfile.open(fileobj=stream, mode="r|") as tree:
        found = {}
        for one in tree:
            file = tree.extractfile(one) if one.isreg() else None
            told = {**one.get_info(), "size": 0, "chksum": 0, "pax": dict(one.pax_headers)}
            found[one.name] = (told, file.read() if file else b"")
    layer.unlink()
    return found


def test_a_file_has_another_text(tmp_path: Path) -> None:
    """All the rest is as it was: links, owners, rights, what else is told of it."""
    with tarfile.open(tmp_path / "tree", "w:gz", format=tarfile.PAX_FORMAT) as tree:
        for name, kind, link in (
            ("./etc", tarfile.DIRTYPE, ""),
            ("./etc/apk", tarfile.REGTYPE, ""),
            ("./bin/sh", tarfile.SYMTYPE, "/bin/busybox"),
            ("./bin/su", tarfile.REGTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode, member.uid, member.mtime = kind, link, 0o4750, 7, 1234567
            member.size = 3 if kind == tarfile.REGTYPE else 0
            member.pax_headers = {"SCHILY.xattr.user.x": "y"}
            tree.addfile(member, io.BytesIO(b"old") if member.size else None)
    plain, other = tmp_path / "plain.tar", tmp_path / "other.tar"
    args = ("alpine:3.23", "amd64", ["/bin/sh"])
    former = _images.pack_base(str(tmp_path / "tree"), str(plain), *args)
    digest = _images.pack_base(str(tmp_path / "tree"), str(other), *args, {"etc/apk": "another\n"})
    assert digest == _images.base_digest_of(str(other)) != former
    before, after = layer_of(plain), layer_of(other)
    told = [{name: one for name, (one, dummy) in image.items()} for image in (before, after)]
    assert told[0] == told[1]
    assert {name: text for name, (dummy, text) in after.items() if text} == {
        "./etc/apk": b"another\n",
        "./bin/su": b"old",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.tar", "plain.tar", "tree"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "tree").write_bytes(root_file_system())
    with pytest.raises(_images.ImageProblem, match="no file etc/apk/repositories"):
        _images.pack_base(
            str(tmp_path / "tree"), str(tmp_path / "image.tar"), "a:1", "amd64", ["sh"], {"etc/apk/repositories": ""}
        )
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


BROKEN: dict[str, bytes] = {
    "cut off": gzip.compress(root_file_system())[:60],
    "cut off xz": lzma.compress(root_file_system())[:60],
    "gzip that is none": gzip.compress(b"")[:10] + b"\xff" * 60,
    "zstd that is none": b"\x28\xb5\x2f\xfd" + b"x" * 60,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_system_leaves_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "tree").write_bytes(BROKEN[name])
    with pytest.raises(_images.ImageProblem, match=r"tree|zstd"):
        _images.pack_base(str(tmp_path / "tree"), str(tmp_path / "image.tar"), "debian:bookworm", "amd64", ["bash"])
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_the_module_packs_once(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "tree").write_bytes(gzip.compress(root_file_system()))
    options = {
        "src": str(tmp_path / "tree"),
        "dest": str(tmp_path / "image.tar"),
        "reference": "debian:bookworm",
        "architecture": "amd64",
        "command": ["bash"],
    }
    assert run_module(image_archive, options, check=True)["changed"]
    assert not (tmp_path / "image.tar").exists()
    first = run_module(image_archive, options)
    assert first["changed"]
    assert run_module(image_archive, options) == {**first, "changed": False}
    # Another name, and a file system that is newer, make another one.
    assert run_module(image_archive, {**options, "reference": "mine:1"})["changed"]
    later = time.time() + 10
    os.utime(tmp_path / "tree", (later, later))
    assert run_module(image_archive, {**options, "reference": "mine:1"})["changed"]


def test_the_module_says_what_is_wrong(run_module: Any, module_failed: Any, tmp_path: Path) -> None:
    with pytest.raises(module_failed, match="is no file; for example"):
        run_module(
            image_archive,
            {
                "src": str(tmp_path / "none"),
                "dest": str(tmp_path / "image.tar"),
                "reference": "debian:bookworm",
                "architecture": "amd64",
                "command": ["bash"],
            },
        )


@pytest.mark.parametrize(
    ("text", "emulated"),
    [
        ("model name\t: QEMU TCG CPU version 2.5+\n", True),
        ("model name\t: Intel(R) Xeon(R) Processor\nflags\t: QEMU TCG\n", False),
        ("", False),
    ],
)
def test_an_emulated_processor_says_so(text: str, emulated: bool, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert _images.is_emulated(str(tmp_path / "cpuinfo")) is emulated
    assert _images.is_emulated(str(tmp_path / "none")) is False
