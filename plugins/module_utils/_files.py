# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files written whole or not at all. Private to this collection: it may change without notice.

Everything works relative to an open folder and never follows a symbolic link, so that a user who
owns the folder cannot lead a module that runs as root to another place.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The machine's own program uses this file without Ansible.
    from ansible.module_utils.basic import AnsibleModule

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A parent may be closed to readers: it is only passed through.
_PARENT_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = ".{}.inception-tmp"
_LEFTOVER = re.compile(r"\..+\.inception-tmp")
_MOST_LINKS = 40


class FileProblem(Exception):
    """Something is in the way; the message is for the user."""


@dataclass(frozen=True)
class Attributes:
    """The mode and the owner that a file shall have; None leaves an owner as it is."""

    mode: int
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(cls, found: os.stat_result) -> Attributes:
        return cls(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)

    def over(self, found: Attributes) -> Attributes:
        """What becomes of the attributes of a file that is given these."""
        return Attributes(
            self.mode,
            found.uid if self.uid is None else self.uid,
            found.gid if self.gid is None else self.gid,
        )

    def fit(self, found: os.stat_result) -> bool:
        return self.over(Attributes.of(found)) == Attributes.of(found)

    def apply(self, descriptor: int) -> None:
        # The owner first: a change of owner may clear bits of the mode.
        os.fchown(descriptor, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)
        os.fchmod(descriptor, self.mode)


def user_id(name: str | None) -> int | None:
    """The number of a user given by name or number."""
    if name is None or name.isdecimal():
        return None if name is None else int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise FileProblem(f"owner: there is no user '{name}' on this machine") from None


def group_id(name: str | None) -> int | None:
    """The number of a group given by name or number."""
    if name is None or name.isdecimal():
        return None if name is None else int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise FileProblem(f"group: there is no group '{name}' on this machine") from None


def look(name: str, folder: int | None = None) -> os.stat_result | None:
    """What is at this name, without following a link; None when nothing is."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def kind(found: os.stat_result) -> str:
    """A word for what stands at a path."""
    for test, word in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISLNK, "a symbolic link"),
    ):
        if test(found.st_mode):
            return word
    return "a special file"


def open_folder(name: str, folder: int | None = None, shown: str | None = None, flags: int = _FOLDER_FLAGS) -> int:
    """Open a folder; a link to one is refused."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        found = look(name, folder)
        if found is None or stat.S_ISDIR(found.st_mode):
            raise FileProblem(f"{shown or name}: {error.strerror}") from error
        raise FileProblem(f"{shown or name} is {kind(found)} where a folder must be; move it away") from error


def _check_folder(found: os.stat_result, shown: str, path: str, trusted: frozenset[int], last: bool) -> None:
    """Whoever may write in a folder may put something else in the place of what is in it."""
    mode = stat.S_IMODE(found.st_mode)
    what = "what is in it" if last else path
    if found.st_uid not in trusted:
        raise FileProblem(
            f"path: {shown} belongs to the user with the number {found.st_uid}, who could replace {what}; "
            f"give it to another owner: chown root {shown}"
        )
    # In a parent with the sticky bit, as /tmp has it, everyone can replace only what is theirs.
    if mode & 0o022 and (last or not mode & stat.S_ISVTX):
        raise FileProblem(
            f"path: {shown} has mode {mode:04o}, so that others than its owner can replace {what}; "
            f"take that away: chmod {'0700' if last else 'go-w'} {shown}"
        )


def _link_target(found: os.stat_result, name: str, folder: int, shown: str, path: str) -> str:
    """Where a link among the parents leads. One of another user could lead root to any place."""
    if found.st_uid not in (0, os.geteuid()):
        raise FileProblem(
            f"path: {shown} is a symbolic link of the user with the number {found.st_uid}, who could lead it "
            f"elsewhere; name the folder by its real path: realpath {path}"
        )
    return os.readlink(name, dir_fd=folder)


def _parts(path: str) -> list[str]:
    """The parts of a path, the first one last, so that pop() takes one after the other."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def open_safe_folder(path: str, trusted: frozenset[int]) -> int | None:
    """Open a folder in which, and above which, only the trusted users can replace anything; None when it is missing.

    Each part of the path is opened by itself and looked at, so that what was found safe is what is used.
    """
    rest = _parts(path)
    links = 0
    with contextlib.ExitStack() as opened:

        def enter(name: str, above: int | None, shown: str, flags: int) -> int:
            descriptor = open_folder(name, above, shown, flags)
            opened.callback(os.close, descriptor)
            _check_folder(os.fstat(descriptor), shown, path, trusted, last=flags == _FOLDER_FLAGS)
            return descriptor

        shown, folder = "/", enter("/", None, "/", _PARENT_FLAGS)
        while rest:
            name = rest.pop()
            inside = os.path.join(shown, name)
            found = look(name, folder)
            if found is None:
                return None
            if rest and stat.S_ISLNK(found.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise FileProblem(f"path: {path} leads through more than {_MOST_LINKS} symbolic links")
                target = _link_target(found, name, folder, inside, path)
                if target.startswith("/"):
                    shown, folder = "/", enter("/", None, "/", _PARENT_FLAGS)
                rest += _parts(target)
            else:
                shown, folder = inside, enter(name, folder, inside, _PARENT_FLAGS if rest else _FOLDER_FLAGS)
        return os.dup(folder)


def is_root_s_alone(found: os.stat_result) -> bool:
    """Whether nobody but root, and who runs the module, can put something else in the place of what is in a folder."""
    return found.st_uid in (0, os.geteuid()) and not stat.S_IMODE(found.st_mode) & 0o022


@contextlib.contextmanager
def within(path: str) -> Iterator[int | None]:
    """The folder that a path is in, None when it is missing. Links that root alone could set are followed."""
    rest = _parts(os.path.dirname(path))
    links = 0
    with contextlib.ExitStack() as opened:

        def enter(name: str, above: int | None, shown: str) -> int:
            descriptor = open_folder(name, above, shown, _PARENT_FLAGS)
            opened.callback(os.close, descriptor)
            return descriptor

        shown, folder = "/", enter("/", None, "/")
        while rest:
            name = rest.pop()
            inside = os.path.join(shown, name)
            found = look(name, folder)
            if found is None:
                yield None
                return
            if stat.S_ISLNK(found.st_mode) and is_root_s_alone(os.fstat(folder)):
                links += 1
                if links > _MOST_LINKS:
                    raise FileProblem(f"{path} leads through more than {_MOST_LINKS} symbolic links")
                target = os.readlink(name, dir_fd=folder)
                if target.startswith("/"):
                    shown, folder = "/", enter("/", None, "/")
                rest += _parts(target)
            else:
                shown, folder = inside, enter(name, folder, inside)
        yield folder


@contextlib.contextmanager
def opened_file(name: str, folder: int, shown: str) -> Iterator[int | None]:
    """The descriptor of a regular file for reading, None when there is nothing."""
    try:
        descriptor = os.open(name, _READ_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        found = look(name, folder)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise FileProblem(f"{shown} is {kind(found)} where a file must be; move it away") from error
        raise FileProblem(f"{shown}: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FileProblem(f"{shown} is {kind(found)} where a file must be; move it away")
        yield descriptor
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    data = bytearray()
    while more := os.pread(descriptor, 1 << 16, len(data)):
        data += more
    return bytes(data)


def _create(name: str, folder: int) -> int:
    """A new, empty file of mode 0600. What an interrupted run left under this name goes first."""
    for _attempt in range(3):
        try:
            return os.open(name, _NEW_FLAGS, 0o600, dir_fd=folder)
        except FileExistsError:
            os.unlink(name, dir_fd=folder)
    raise FileProblem(f"{name}: something creates this file again and again")


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def leftovers(folder: int) -> list[str]:
    """The unfinished files of runs that were killed. They never were at a place where anybody looks."""
    return sorted(name for name in os.listdir(folder) if _LEFTOVER.fullmatch(name))


def write_file(name: str, folder: int, data: bytes, attributes: Attributes) -> None:
    """Write a file atomically: whoever looks sees the old file or the whole new one, with the old one's owner.

    The caller holds the lock of the tree and calls sync() on the folder afterwards.
    """
    temporary = _TEMPORARY.format(name)
    if (old := look(name, folder)) is not None:
        attributes = attributes.over(Attributes.of(old))
    descriptor = _create(temporary, folder)
    try:
        try:
            _write_all(descriptor, data)
            attributes.apply(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def sync(folder: int) -> None:
    """Make the names of a folder outlive a power cut, where the file system can."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


@contextlib.contextmanager
def locked(folder: int, shown: str, patience: float = 30.0) -> Iterator[None]:
    """Only one run at a time works in a folder; the lock ends with the process."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise FileProblem(
                    f"{shown}: another run has been at work in this folder for {patience:.0f} s"
                ) from None
            time.sleep(0.05)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


def owner(module: AnsibleModule) -> tuple[int | None, int | None]:
    """The numbers of the options owner and group. In check mode an earlier task may not really have made the user."""
    numbers: list[int | None] = []
    for lookup, option in ((user_id, "owner"), (group_id, "group")):
        try:
            numbers.append(lookup(module.params[option]))
        except FileProblem:
            if not module.check_mode:
                raise
            numbers.append(None)
    return numbers[0], numbers[1]


def answer(module: AnsibleModule, run: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Run, and end the module with the result; what is wrong with a file is the module's error."""
    try:
        result = run(module)
    except FileProblem as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params.get('path')}: {error.strerror}")
    module.exit_json(**result)
