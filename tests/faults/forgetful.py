# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that forgets what was not flushed, as a file system of FUSE (python3-fusepy).

    forgetful.py DISK LIVE MOUNTPOINT

DISK is what the power's end leaves. LIVE is what programs see until then; it is made anew from DISK at each start. What
is written comes to DISK with fsync, fdatasync, or at once where the file was opened so. Of the rest, a disk may have
kept any block: here, each of 4 KiB by chance. Names, modes and lengths that are set are kept at once.

The power's end is a SIGUSR1: from then on nothing comes to DISK, and whoever asks for anything gets EIO. So those who
have files open here can be killed, and none of them waits for an answer that nobody gives any more.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sys
import threading
from typing import Any

import fusepy as fuse  # type: ignore[import-not-found]

BLOCK = 4096


class Forgetful(fuse.Operations):
    def __init__(self, disk: str, live: str) -> None:
        self.disk, self.live = disk, live
        # Blocks of each file that were written and not flushed.
        self.loose: dict[str, set[int]] = {}
        self.mutex = threading.RLock()
        self.opened: dict[int, tuple[str, bool]] = {}
        self.off = False

    def power_off(self) -> None:
        """What is being kept by now is so whole, as a block of a disk is."""
        with self.mutex:
            self.off = True

    def __call__(self, operation: str, *told: Any) -> Any:
        if self.off and operation not in ("destroy", "release"):
            raise fuse.FuseOSError(errno.EIO)
        return super().__call__(operation, *told)

    def both(self, path: str) -> tuple[str, str]:
        return self.disk + path, self.live + path

    def keep(self, path: str, blocks: set[int]) -> None:
        """Some blocks come to the disk, with the length that the file has by then."""
        try:
            with open(self.live + path, "rb") as source, open(self.disk + path, "r+b") as target:
                for block in sorted(blocks):
                    source.seek(block * BLOCK)
                    target.seek(block * BLOCK)
                    target.write(source.read(BLOCK))
        except FileNotFoundError:
            # Removed while it was open.
            pass

    def flushed(self, path: str) -> int:
        with self.mutex:
            self.keep(path, self.loose.pop(path, set()))
        return 0

    # -- what is read --

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self.live + path)
        names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_blocks")
        return {name: getattr(found, name) for name in names}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self.live + path)]

    def readlink(self, path: str) -> str:
        return os.readlink(self.live + path)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self.live + path)
        names = (
            "f_bavail",
            "f_bfree",
            "f_blocks",
            "f_bsize",
            "f_favail",
            "f_ffree",
            "f_files",
            "f_frsize",
            "f_namemax",
        )
        return {name: getattr(found, name) for name in names}

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    # -- files --

    def _open(self, path: str, flags: int, mode: int = 0o600) -> int:
        # Neither appending nor around the cache: the kernel has said where, and how long.
        fh = os.open(self.live + path, (flags & ~(os.O_APPEND | os.O_DIRECT | os.O_WRONLY)) | os.O_RDWR, mode)
        self.opened[fh] = (path, bool(flags & (os.O_SYNC | os.O_DSYNC)))
        return fh

    def open(self, path: str, flags: int) -> int:
        return self._open(path, flags & ~os.O_TRUNC)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        uid, gid, _pid = fuse.fuse_get_context()
        os.close(os.open(self.disk + path, os.O_CREAT | os.O_WRONLY, mode))
        fh = self._open(path, os.O_CREAT | os.O_RDWR, mode)
        for place in self.both(path):
            os.chown(place, uid, gid)
            os.chmod(place, mode & 0o7777)
        return fh

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self.mutex:
            os.pwrite(fh, data, offset)
            blocks = set(range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1))
            if self.opened[fh][1]:
                self.keep(path, blocks)
            else:
                by_chance = {block for block in blocks if random.random() < 0.5}
                self.keep(path, by_chance)
                loose = self.loose.setdefault(path, set())
                loose -= by_chance
                loose |= blocks - by_chance
        return len(data)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        return self.flushed(path)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        with self.mutex:
            for place in self.both(path):
                os.truncate(place, length)

    def release(self, path: str, fh: int) -> None:
        self.opened.pop(fh, None)
        os.close(fh)

    # -- names --

    def rename(self, old: str, new: str) -> None:
        with self.mutex:
            for place in (self.disk, self.live):
                os.rename(place + old, place + new)
            for path in [one for one in self.loose if one == old or one.startswith(f"{old}/")]:
                self.loose[new + path[len(old) :]] = self.loose.pop(path)

    def unlink(self, path: str) -> None:
        with self.mutex:
            self.loose.pop(path, None)
            for place in self.both(path):
                os.unlink(place)

    def mkdir(self, path: str, mode: int) -> None:
        uid, gid, _pid = fuse.fuse_get_context()
        for place in self.both(path):
            os.mkdir(place, mode)
            os.chown(place, uid, gid)

    def rmdir(self, path: str) -> None:
        for place in self.both(path):
            os.rmdir(place)

    def chmod(self, path: str, mode: int) -> None:
        for place in self.both(path):
            os.chmod(place, mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        for place in self.both(path):
            os.chown(place, uid, gid)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        os.utime(self.live + path, times)

    def symlink(self, target: str, source: str) -> None:
        raise fuse.FuseOSError(errno.EPERM)


def main() -> None:
    disk, live, mountpoint = sys.argv[1:]
    shutil.rmtree(live, ignore_errors=True)
    # As they are, with their owners.
    if os.spawnlp(os.P_WAIT, "cp", "cp", "-a", disk, live):
        sys.exit("the disk cannot be read")
    forgetful = Forgetful(disk, live)
    # Taken by a thread of its own: this one is libfuse's.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

    def wait() -> None:
        signal.sigwait({signal.SIGUSR1})
        forgetful.power_off()

    threading.Thread(target=wait, daemon=True).start()
    options = dict.fromkeys(("foreground", "allow_other", "default_permissions", "big_writes", "nonempty"), True)
    fuse.FUSE(forgetful, mountpoint, **options)


if __name__ == "__main__":
    main()
