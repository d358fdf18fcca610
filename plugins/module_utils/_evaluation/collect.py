# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reading a project needs, collected from its folder. Private to this collection: it may change without notice.

The project is a stranger's: no symbolic link is followed, nothing but regular files is opened, nothing of it is run,
and everything has a limit; one that was hit is named in `limits`. Values of credentials stay on this machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.credentials import (
    holds_credentials,
    known_values,
    without_values,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.git import as_read, history
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import LINE, SCRIPT_BYTES


@dataclass(frozen=True)
class Limits:
    """How much is looked at. A real project stays far below."""

    entries: int = 10_000
    depth: int = 24
    file_bytes: int = 256 * 1024
    total_bytes: int = 8 * 1024 * 1024
    git_seconds: float = 30.0


# Each is looked for in each line.
_VALUES = 200


@dataclass
class _Walk:
    limits: Limits
    entries: list[dict[str, Any]] = field(default_factory=list)
    hit: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.hit:
            self.hit.append(text)


_TYPES = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "link"))
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def _name(name: str) -> str:
    """A name as text that harms neither a terminal nor JSON: invalid bytes and control characters are escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _walk(walk: _Walk, folder: int, parents: tuple[str, ...]) -> None:
    if len(parents) > walk.limits.depth:
        walk.note(f"folders below {walk.limits.depth} levels were not looked at")
        return
    with os.scandir(folder) as names:
        # An endless folder is cut off before it is sorted.
        found = sorted(
            (entry.name for entry, _count in zip(names, range(walk.limits.entries + 1), strict=False)), key=os.fsencode
        )
    for name in found:
        if len(walk.entries) >= walk.limits.entries:
            walk.note(f"only the first {walk.limits.entries} files and folders were looked at")
            return
        _enter(walk, folder, (*parents, name))


def _enter(walk: _Walk, folder: int, parts: tuple[str, ...]) -> None:
    name = parts[-1]
    try:
        status = os.lstat(name, dir_fd=folder)
        kind = next((label for test, label in _TYPES if test(status.st_mode)), "other")
        entry = {"path": _name("/".join(parts)), "parts": parts, "type": kind, "size": status.st_size}
        if kind == "link":
            entry["target"] = _name(os.readlink(name, dir_fd=folder))
        walk.entries.append(entry)
        if kind == "folder" and name != ".git":
            below = os.open(name, _FOLDER, dir_fd=folder)
            try:
                _walk(walk, below, parts)
            finally:
                os.close(below)
    except OSError as error:
        walk.note(f"{_name('/'.join(parts))} could not be looked at: {error.strerror}")


def _read(root: int, parts: tuple[str, ...], size: int) -> bytes | None:
    """The beginning of a regular file; its folders may not be links either. None: it is something else by now."""
    opened = [os.dup(root)]
    try:
        for part in parts[:-1]:
            opened.append(os.open(part, _FOLDER, dir_fd=opened[-1]))
        opened.append(os.open(parts[-1], _FILE, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            return None
        with os.fdopen(opened.pop(), "rb") as file:
            return file.read(size)
    except OSError:
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _order(entry: dict[str, Any]) -> tuple[int, int, str]:
    """What the sheet asks for first, so that a heap of other files does not push it out."""
    path: str = entry["path"]
    name = path.rpartition("/")[2]
    wanted = name in ("Makefile", "Dockerfile", ".env", ".gitignore") or name.endswith((".yml", ".yaml", ".sh", ".md"))
    return (0 if wanted else 1 if path.startswith("srcs/") else 2, path.count("/"), path)


def _texts(walk: _Walk, root: int) -> Iterator[tuple[str, str]]:
    left = walk.limits.total_bytes
    for entry in sorted((one for one in walk.entries if one["type"] == "file"), key=_order):
        if left <= 0:
            walk.note(f"only {walk.limits.total_bytes} bytes of text were read")
            return
        content = _read(root, entry["parts"], min(walk.limits.file_bytes, left) + 1)
        if content is None:
            walk.note(f"{entry['path']} could not be read")
            continue
        if b"\0" in content:
            # A shell reads on behind it.
            if _order(entry)[0] == 0:
                walk.note(f"{entry['path']} is no text, and was not read")
            continue
        if len(content) > walk.limits.file_bytes:
            # What is long because a program made it, such as a script of a website, is of no interest.
            if _order(entry)[0] == 0:
                walk.note(f"only the first {walk.limits.file_bytes} bytes of {entry['path']} were read")
            content = content[: walk.limits.file_bytes]
        if len(content) > SCRIPT_BYTES and entry["path"].endswith(".sh"):
            walk.note(f"only the first {SCRIPT_BYTES} bytes of {entry['path']} were read")
        # Documents have their paragraphs.
        if _order(entry)[0] == 0 and not entry["path"].endswith(".md") and max(map(len, content.split(b"\n"))) > LINE:
            walk.note(f"of long lines of {entry['path']} only the first {LINE} characters were read")
        left -= len(content)
        yield entry["path"], as_read(content)


def snapshot(folder: str, limits: Limits | None = None) -> dict[str, Any]:
    """What reading needs of a project folder, as plain data; `folder` itself may be reached through a link."""
    walk = _Walk(limits or Limits())
    folder = os.path.abspath(folder)
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _walk(walk, root, ())
        texts = dict(_texts(walk, root))
    finally:
        os.close(root)
    known = known_values(texts)
    if len(known) > _VALUES:
        walk.note(f"only {_VALUES} of the {len(known)} values of .env and secrets/ were looked for elsewhere")
    git = history(folder, texts, dict(list(known.items())[:_VALUES]), walk.limits.git_seconds)
    for entry in walk.entries:
        del entry["parts"]
    return {
        "folder": _name(folder),
        "entries": walk.entries,
        "texts": {path: without_values(path, text) for path, text in texts.items() if not holds_credentials(path)},
        "git": git,
        "limits": walk.hit,
    }
