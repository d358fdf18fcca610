# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes the stack now: one at a time. Private to this collection; part of the machine's own program.

A lease is renewed by whoever works. One that was not renewed for a minute is free, so that nobody has to clean up
after a run that died. It lies in /run and counts by the clock since the boot, which nobody sets.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

SECONDS = 60.0
RENEWED_EVERY = 10.0


@dataclass(frozen=True)
class Holder:
    """Who has the lease. `worker` is the process of this machine that works for it, if one does."""

    run: str
    who: str
    what: str
    since: str
    renewed: float
    worker: int = 0

    def at_work(self) -> bool:
        return self.worker > 0 and Path(f"/proc/{self.worker}").exists()

    def told(self) -> str:
        return f"{self.what} by {self.who}, since {self.since}"


class Held(Exception):
    """Somebody else has the lease."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"another one is at work on this machine: {holder.told()}")
        self.holder = holder


def clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def utc() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


class Lease:
    """The one lease of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "lease.json"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lease.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> Holder | None:
        try:
            return Holder(**json.loads(self.file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, holder: Holder) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        new.chmod(0o644)
        new.replace(self.file)

    def holder(self) -> Holder | None:
        """Whose it is, as long as it was renewed."""
        found = self._read()
        return found if found and clock() - found.renewed < SECONDS else None

    def take(self, run: str, who: str, what: str, gone: str = "") -> None:
        """Has the lease from now on. `gone` is a run that is known to have died."""
        with self._locked():
            found = self.holder()
            if found and found.run != run and (found.run != gone or found.at_work()):
                raise Held(found)
            since = found.since if found and found.run == run else utc()
            self._write(Holder(run, who, what, since, clock(), found.worker if found and found.run == run else 0))

    def renew(self, run: str = "", worker: int | None = None) -> bool:
        """Keeps it for another minute: that of a run, or whoever's it is. Whether there was one to keep."""
        with self._locked():
            found = self._read()
            if found is None or (run and found.run != run):
                return False
            self._write(replace(found, renewed=clock(), worker=found.worker if worker is None else worker))
            return True

    def release(self, run: str) -> None:
        with self._locked():
            found = self._read()
            if found and found.run == run:
                self.file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def kept(self, run: str = "") -> Iterator[None]:
        """Renewed as long as this process is at work."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(RENEWED_EVERY):
                with contextlib.suppress(OSError):
                    self.renew(run)

        self.renew(run, worker=os.getpid())
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.renew(run, worker=0)
