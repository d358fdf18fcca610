# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the module secrets, and the steps that change them.

Private to this collection: it may change without notice.

A step can be taken or imagined; the latter is what check mode and the plan of a run are made of.
Whenever a run is killed in a step or after one, each file is as it was or as it shall be.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from ansible_collections.fortytwo.inception.plugins.module_utils import _files

MODE = 0o400
_SECRET_FILE = re.compile(r"[^.].*\.txt(\.next|\.previous)?", re.DOTALL)
_REVISION_FILE = re.compile(r"[a-z][a-z0-9_-]*\.env")


@dataclass(frozen=True)
class File:
    """A file of the folder, as it is or as it will be."""

    attributes: _files.Attributes
    # Changes with each new value, and not with mode and owner: which file it is and when it was written. None: later.
    serial: str | None = None
    links: int = 1

    @classmethod
    def of(cls, found: os.stat_result) -> File:
        return cls(_files.Attributes.of(found), f"{found.st_ino:x}-{found.st_mtime_ns:x}", found.st_nlink)

    def fits(self, wanted: _files.Attributes) -> bool:
        return wanted.over(self.attributes) == self.attributes

    def __str__(self) -> str:
        serial = "not known before it is written" if self.serial is None else self.serial
        has = self.attributes
        return f"present, mode {has.mode:04o}, owner {has.uid}:{has.gid}, serial {serial}"


Files = dict[str, File]


class Step(Protocol):
    """A change of the folder."""

    def imagine(self, files: Files) -> None: ...

    def carry_out(self, folder: int) -> None: ...


@dataclass(frozen=True)
class Write:
    name: str
    data: bytes = field(repr=False)
    attributes: _files.Attributes

    def imagine(self, files: Files) -> None:
        old = files.get(self.name)
        before = _files.Attributes(MODE, os.geteuid(), os.getegid()) if old is None else old.attributes
        files[self.name] = File(self.attributes.over(before))

    def carry_out(self, folder: int) -> None:
        _files.write_file(self.name, folder, self.data, self.attributes)
        _files.sync(folder)


@dataclass(frozen=True)
class Repair:
    name: str
    attributes: _files.Attributes

    def imagine(self, files: Files) -> None:
        old = files[self.name]
        files[self.name] = replace(old, attributes=self.attributes.over(old.attributes))

    def carry_out(self, folder: int) -> None:
        with _files.opened_file(self.name, folder, self.name) as descriptor:
            if descriptor is not None:
                self.attributes.apply(descriptor)


@dataclass(frozen=True)
class Link:
    """Give a file a second name."""

    name: str
    second: str

    def imagine(self, files: Files) -> None:
        files[self.second] = files[self.name]

    def carry_out(self, folder: int) -> None:
        os.link(self.name, self.second, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        _files.sync(folder)


@dataclass(frozen=True)
class Move:
    """Put a file in the place of another one."""

    name: str
    place: str

    def imagine(self, files: Files) -> None:
        files[self.place] = files.pop(self.name)

    def carry_out(self, folder: int) -> None:
        os.replace(self.name, self.place, src_dir_fd=folder, dst_dir_fd=folder)
        _files.sync(folder)


@dataclass(frozen=True)
class Remove:
    name: str

    def imagine(self, files: Files) -> None:
        files.pop(self.name, None)

    def carry_out(self, folder: int) -> None:
        os.unlink(self.name, dir_fd=folder)
        _files.sync(folder)


class Folder:
    """The folder of the secrets. In check mode it may be missing, and is then an empty one."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str, trusted: frozenset[int]) -> Iterator[Folder]:
        """The folder, and no other run in it."""
        descriptor = _files.open_safe_folder(path, trusted)
        if descriptor is None:
            yield cls(path, None)
            return
        try:
            with _files.locked(descriptor, path):
                yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    def shown(self, name: str) -> str:
        return os.path.join(self.path, name)

    def files(self, names: Iterable[str]) -> Files:
        """Those of these files that are there; anything else in their place is refused."""
        found = {}
        for name in names if self.descriptor is not None else ():
            with _files.opened_file(name, self.descriptor, self.shown(name)) as descriptor:
                if descriptor is not None:
                    found[name] = File.of(os.fstat(descriptor))
        return found

    def read(self, name: str) -> bytes:
        with _files.opened_file(name, self.descriptor, self.shown(name)) as descriptor:
            return b"" if descriptor is None else _files.read_all(descriptor)

    def value(self, name: str) -> bytes:
        """The value of a secret. One that no service could use is refused."""
        value, shown = self.read(name), self.shown(name)
        if not value:
            raise _files.FileProblem(
                f"{shown} is empty; write the value into it, without a newline at its end, "
                "or remove it to have a new value made"
            )
        if value.endswith((b"\n", b"\r")):
            raise _files.FileProblem(
                f"{shown} ends with a newline, which would be taken as a part of the value; "
                f"take it away: truncate -s -1 {shown}"
            )
        return value

    def anything(self, names: Iterable[str]) -> Files:
        """These files, whatever they are."""
        looked = {name: _files.look(name, self.descriptor) for name in names}
        return {name: File.of(found) for name, found in looked.items() if found is not None}

    def undeclared(self, declared: frozenset[str], revisions: bool) -> list[str]:
        """The files of secrets, and if wanted revisions, that are not declared; the current one of a secret last."""
        return sorted(
            (
                name
                for name in (os.listdir(self.descriptor) if self.descriptor is not None else ())
                if _SECRET_FILE.fullmatch(name) or (revisions and _REVISION_FILE.fullmatch(name))
                if name not in declared
                if (found := _files.look(name, self.descriptor)) is not None and not stat.S_ISDIR(found.st_mode)
            ),
            reverse=True,
        )

    def leftovers(self) -> list[str]:
        return [] if self.descriptor is None else _files.leftovers(self.descriptor)
