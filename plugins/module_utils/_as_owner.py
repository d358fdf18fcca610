# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in folders of the login's, done as the login: root follows nobody's link. Private to this collection.

Part of the machine's own program. A process of its own has that user's rights and no other, and says what went wrong.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO, cast

from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem

WORDS = 4000


def as_owner(uid: int, gid: int, work: Callable[[], None]) -> None:
    """Does the work with the rights of this user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(gid)
                os.setuid(uid)
            os.umask(0o022)
            work()
            code = 0
        except BaseException as error:
            os.write(writer, (str(error) or type(error).__name__).encode(errors="replace")[:WORDS])
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as words:
        said = words.read().decode(errors="replace")
    dummy, status = os.waitpid(child, 0)
    if status != 0:
        raise BackupProblem(said or f"the work of user {uid} ended with {status}")


def unpack(stream: IO[bytes], target: str, mode: int) -> None:
    """An archive of tar into a new folder. Whatever its names say, nothing is written outside of it."""
    os.makedirs(target, mode=0o700)
    with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as archive:
        folders: list[tarfile.TarInfo] = []
        for member in archive:
            name = member.name.strip("/")
            if name in ("", "."):
                # The folder itself: not every restic says it.
                continue
            if any(part in ("", ".", "..") for part in name.split("/")):
                raise BackupProblem(f"the backup has a file with the name {member.name}")
            member.name = name
            if member.isdir():
                folders.append(member)
                os.makedirs(os.path.join(target, name), mode=0o700, exist_ok=True)
            elif member.isfile() or member.issym() or member.islnk():
                # A link is restored as what it was: whoever reads it is not root.
                archive.extract(member, target, set_attrs=not member.issym(), filter=lambda one, dummy: one)
        # What is in them has changed their times.
        for member in reversed(folders):
            path = os.path.join(target, member.name)
            os.chmod(path, member.mode & 0o777)
            os.utime(path, (member.mtime, member.mtime))
    os.chmod(target, mode)


def make(uid: int, gid: int, *paths: str, mode: int = 0o755) -> None:
    def work() -> None:
        for path in paths:
            os.mkdir(path, mode)

    as_owner(uid, gid, work)


def fetch(uid: int, gid: int, stream: IO[bytes], target: str, mode: int = 0o755) -> None:
    as_owner(uid, gid, lambda: unpack(stream, target, mode))


def _remove(path: str) -> None:
    """A folder goes with all that is in it, whatever the modes are: its owner may have forbidden himself to write."""
    if not os.path.isdir(path) or os.path.islink(path):
        return
    for found in os.walk(path):
        os.chmod(found[0], 0o700)
    shutil.rmtree(path)


def remove(uid: int, gid: int, *paths: str) -> None:
    def work() -> None:
        for path in paths:
            _remove(path)

    as_owner(uid, gid, work)


def exchange(uid: int, gid: int, pairs: list[tuple[str, str, str]]) -> None:
    """Puts each new folder in its place, and what was there aside. What is aside already stays: it was there first."""

    def work() -> None:
        for new, place, aside in pairs:
            if os.path.lexists(place):
                if os.path.lexists(aside):
                    _remove(place)
                else:
                    Path(aside).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    os.rename(place, aside)
            os.rename(new, place)

    as_owner(uid, gid, work)


def give_back(uid: int, gid: int, pairs: list[tuple[str, str, str]], keeps: bool = False) -> None:
    """What was put aside comes back first; then what had its place goes, or is again where it came from."""

    def work() -> None:
        for new, place, aside in pairs:
            if os.path.lexists(aside):
                if os.path.lexists(place):
                    _remove(new)
                    os.rename(place, new)
                os.rename(aside, place)
                if not keeps:
                    _remove(new)

    as_owner(uid, gid, work)
