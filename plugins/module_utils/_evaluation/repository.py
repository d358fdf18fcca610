# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger's repository as files. Private to this collection: it may change without notice.

Read without following a link, and so that nothing of it but references, packs and loose objects comes into play. What
could not be seen is noted: a reader that passes over something in silence can be made to pass over anything.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Of what git noted; a fresh clone has one line.
_LOG_BYTES = 64 * 1024
_OF_A_CLONE = re.compile(r"checkout: moving|reset: moving to|pull[^:]*: Fast-forward")
_REFERENCES = 5_000
_DEPTH = 24
_TEXT_BYTES = 4 * 1024 * 1024
_LOOSE = 50_000
_LOOSE_BYTES = 64 * 1024 * 1024
# Larger ones stay where they are, and git has them by their descriptors.
_COPIED_BYTES = 1024 * 1024
_DESCRIPTORS = 600
_NOTES = 20
_PACK = re.compile(r"pack-[0-9a-f]{40}(?:[0-9a-f]{24})?\.(?:pack|idx)")
_LOOSE_NAME = re.compile(r"[0-9a-f]{38}(?:[0-9a-f]{24})?")


class Repository:
    """An open folder `.git`; `hidden` is what of it could not be seen."""

    def __init__(self, folder: int) -> None:
        self.folder = folder
        self.hidden: list[str] = []
        self._kept = contextlib.ExitStack()
        # The files that git reads by their descriptors.
        self.descriptors: list[int] = []

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Repository]:
        """OSError where it is no folder, or a link to one."""
        with contextlib.ExitStack() as opened:
            above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, above)
            folder = os.open(path.name, _FOLDER, dir_fd=above)
            opened.callback(os.close, folder)
            found = cls(folder)
            opened.callback(found._kept.close)
            yield found

    def hide(self, what: str) -> None:
        if what not in self.hidden and len(self.hidden) <= _NOTES:
            self.hidden.append(what if len(self.hidden) < _NOTES else "and more, which is not listed")

    # --- References ---

    def text(self, name: str, folder: int | None = None, shown: str = "") -> str:
        """A regular file's text, "" where there is none; what is something else is noted."""
        shown = shown or name
        try:
            descriptor = os.open(name, _FILE, dir_fd=self.folder if folder is None else folder)
        except FileNotFoundError:
            return ""
        except OSError:
            self.hide(f".git/{shown} is no file that could be read")
            return ""
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.hide(f".git/{shown} is no file that could be read")
                return ""
            content = file.read(_TEXT_BYTES + 1)
        if len(content) > _TEXT_BYTES:
            self.hide(f".git/{shown} has more than {_TEXT_BYTES} bytes")
        return content[:_TEXT_BYTES].decode("utf-8", "replace")

    def references(self) -> dict[str, str]:
        """The objects that HEAD, branches, tags and remote branches name, by name. A stash is never pushed."""
        for name, told in (("commondir", "is another one's work tree"), ("reftable", "keeps its references in tables")):
            with contextlib.suppress(FileNotFoundError):
                os.stat(name, dir_fd=self.folder, follow_symlinks=False)
                self.hide(f"the repository {told}: its branches were not read")
        found: dict[str, str] = {}
        for line in self.text("packed-refs").splitlines():
            if not line or line.startswith(("#", "^")):
                continue
            value, dummy, name = line.partition(" ")
            if HASH.fullmatch(value) and name:
                found[name] = value
            else:
                self.hide(".git/packed-refs has lines that name nothing")
        # A loose one is newer.
        for name, text in self._loose_references():
            if value := self._value(name, text):
                found[name] = value
        if value := self._value("HEAD", self.text("HEAD")):
            found["HEAD"] = value
        return found

    def _value(self, name: str, text: str) -> str:
        text = text.strip()
        if HASH.fullmatch(text):
            return text
        # What it leads to is a reference too, and found as one.
        if not text.startswith("ref: refs/"):
            self.hide(f".git/{name} names nothing")
        return ""

    def _loose_references(self) -> Iterator[tuple[str, str]]:
        left = [_REFERENCES]
        with contextlib.suppress(FileNotFoundError):
            yield from self._below(self.folder, ("refs",), left)

    def _below(self, above: int, parts: tuple[str, ...], left: list[int]) -> Iterator[tuple[str, str]]:
        name = "/".join(parts)
        if len(parts) > _DEPTH:
            self.hide(f"branches more than {_DEPTH} folders deep")
            return
        try:
            folder = os.open(parts[-1], _FOLDER, dir_fd=above)
        except FileNotFoundError:
            return
        except OSError:
            self.hide(f".git/{name} is no folder that could be read")
            return
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    left[0] -= 1
                    if left[0] < 0:
                        self.hide(f"more than {_REFERENCES} branches and tags")
                        return
                    inside = (*parts, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        yield from self._below(folder, inside, left)
                    elif inside != ("refs", "stash"):
                        shown = os.fsencode("/".join(inside)).decode("utf-8", "backslashreplace")
                        yield shown, self.text(entry.name, folder, shown)
        finally:
            os.close(folder)

    def head(self, references: dict[str, str]) -> str:
        """The object that HEAD leads to, "" where it is not known."""
        name = self.text("HEAD").strip().removeprefix("ref: ")
        found = references.get("HEAD") or references.get(name, "")
        if references and not found:
            self.hide("HEAD leads to no commit: which files are current is not known")
        return found

    def cloned_from(self) -> str:
        """What this is a fresh clone of, by what git noted of HEAD; "" where somebody worked in it, or it is none."""
        try:
            folder = os.open("logs", _FOLDER, dir_fd=self.folder)
        except OSError:
            return ""
        try:
            with os.fdopen(os.open("HEAD", _FILE, dir_fd=folder), "rb") as file:
                lines = file.read(_LOG_BYTES).decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        finally:
            os.close(folder)
        done = [line.partition("\t")[2] for line in lines]
        if not done or not all(_OF_A_CLONE.match(one) for one in done[1:]):
            return ""
        first, dummy, address = done[0].partition("clone: from ")
        # An address may have a token in it.
        return "" if first else re.sub(r"//[^/@]*@", "//", address)

    # --- Objects ---

    def lend(self, objects: Path) -> int:
        """Put the objects into a folder of ours; how many files they are.

        Nothing else of the folder comes along: neither the places where it borrows objects itself, nor tables that
        say something about them, such as a commit-graph.
        """
        count = 0
        left = [_LOOSE, _LOOSE_BYTES]
        try:
            source = os.open("objects", _FOLDER, dir_fd=self.folder)
        except OSError:
            raise OSError(".git/objects is no folder that could be read; clone the repository again") from None
        self._kept.callback(os.close, source)
        for name in sorted(os.listdir(source)):
            wanted = _PACK if name == "pack" else _LOOSE_NAME if re.fullmatch(r"[0-9a-f]{2}", name) else None
            if not wanted:
                continue
            try:
                folder = os.open(name, _FOLDER, dir_fd=source)
            except OSError:
                self.hide(f".git/objects/{name} is no folder that could be read")
                continue
            try:
                (objects / name).mkdir(exist_ok=True)
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if wanted.fullmatch(entry.name):
                            count += 1
                            if not self._lend(folder, entry.name, objects / name, left):
                                self.hide(f".git/objects/{name} has objects that are no files, or too many of them")
                                break
            finally:
                os.close(folder)
        return count

    def _lend(self, folder: int, name: str, place: Path, left: list[int]) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        try:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        except OSError:
            return False
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_size <= _COPIED_BYTES and place.name != "pack":
            left[1] -= found.st_size
            with os.fdopen(descriptor, "rb") as file:
                if left[1] >= 0:
                    (place / name).write_bytes(file.read(_COPIED_BYTES))
            return left[1] >= 0
        if not stat.S_ISREG(found.st_mode) or len(self.descriptors) >= _DESCRIPTORS:
            os.close(descriptor)
            return False
        self._kept.callback(os.close, descriptor)
        self.descriptors.append(descriptor)
        # This very file, whatever comes to stand under its name.
        (place / name).symlink_to(f"/proc/self/fd/{descriptor}")
        return True
