# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes, on the machine, what a process list would have shown at any moment, and every value that a secret ever had.

python3 -m tests.leaks.watch NOTES SECRETS, as root, until it is stopped. NOTES is a folder in memory that only root
may read: what is noted there is searched, and searched for, by tests/leaks, and never leaves the machine for a disk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from tests.leaks.places import HOME

PAUSE = 0.05


class Watch:
    def __init__(self, notes: Path, secrets: Path) -> None:
        self.notes = notes
        self.secrets = secrets
        self.state = {"samples": 0, "since": time.time(), "last": time.time(), "longest": 0.0}
        self._seen: set[object] = set()
        self._processes = self._note("processes.jsonl")
        self._values = self._note("values.jsonl")

    def _note(self, name: str) -> TextIO:
        return open(self.notes / name, "a", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600))

    def processes(self) -> None:
        """The command line and the environment of each process, unless the very same was noted before."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for kind in ("cmdline", "environ"):
                try:
                    content = Path("/proc", pid, kind).read_bytes()
                    new = content and (kind, content) not in self._seen
                    name = Path("/proc", pid, "comm").read_text(errors="replace").strip() if new else ""
                except OSError:
                    # It has ended.
                    continue
                if new:
                    self._seen.add((kind, content))
                    line = {"kind": kind, "process": f"{pid} {name}", "content": content.decode("latin-1")}
                    print(json.dumps(line), file=self._processes, flush=True)

    def values(self) -> None:
        """The content of each file that holds a secret: the current one, a staged one and the previous one."""
        for path in self.secrets.glob("*"):
            if HOME.fullmatch(path.name):
                try:
                    status = path.stat()
                    version = (status.st_ino, status.st_mtime_ns)
                    content = b"" if version in self._seen else path.read_bytes()
                except OSError:
                    # Renamed just now: the next look finds it under its new name.
                    continue
                self._seen.add(version)
                if content and (path.name.split(".")[0], content) not in self._seen:
                    self._seen.add((path.name.split(".")[0], content))
                    line = {"file": path.name, "content": content.decode("latin-1")}
                    print(json.dumps(line), file=self._values, flush=True)

    def look(self) -> None:
        self.processes()
        self.values()
        now = time.time()
        self.state["samples"] += 1
        self.state["longest"] = max(self.state["longest"], now - self.state["last"])
        self.state["last"] = now
        # Renamed into place: a reader sees it whole.
        new = self.notes / "state.json.new"
        new.write_text(json.dumps(self.state), encoding="ascii")
        new.rename(self.notes / "state.json")


def main() -> None:
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    watch = Watch(Path(sys.argv[1]), Path(sys.argv[2]))
    while True:
        watch.look()
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
