# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine knows of its backups: where they go, when the last one was well, and what is wrong.

Private to this collection; part of the machine's own program.
"""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _history

# Below the root of the file system. The key is no part of what `make remove` takes away: without it, nobody reads them.
BACKUP = "var/lib/fortytwo.inception/backup"
KEY = "etc/fortytwo.inception/backup.key"
# Seconds between two backups, and after which one is late.
INTERVALS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400}
LATE = 2.0
GRACE = 2 * 3600
# Seconds after which a backup is restored for trial again.
TRIALS = {"weekly": 7 * 86400, "monthly": 30 * 86400, "never": 0}
TIME = "%Y-%m-%d %H:%M:%S UTC"


class BackupProblem(Exception):
    """What is wrong, for the user."""


@dataclass(frozen=True)
class Settings:
    """What a deployment said; no place, no backups."""

    place: str = ""
    schedule: str = "daily"
    keep: dict[str, int] = field(default_factory=dict)
    append_only: bool = False
    trial: str = "monthly"
    domain: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Settings:
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if told.get(name) is not None})


@dataclass
class State:
    """What became of the last ones. Times are text, as people read them."""

    # The repository that was made or found there: from then on, none is made anew in its place.
    repository: str = ""
    succeeded: str = ""
    snapshot: str = ""
    said: str = ""
    failed: str = ""
    seconds: float = 0.0
    added: int = 0
    total: int = 0
    tried: str = ""
    trial_failed: str = ""
    trial_said: str = ""
    # Since when it is on.
    since: str = ""
    # Whether anybody has ever been shown the key.
    key_shown: bool = False


class Store:
    """Where all of it lies, for root alone."""

    def __init__(self, root: Path) -> None:
        self.folder, self.key = root / BACKUP, root / KEY
        self.settings_file, self.state_file = self.folder / "settings.json", self.folder / "state.json"
        self.journal = self.folder / "restore.json"
        self.repository, self.credentials = self.folder / "repository", self.folder / "credentials"
        self.known_hosts, self.authority = self.folder / "known_hosts", self.folder / "authority.crt"
        self.cache, self.stage = self.folder / "cache", self.folder / "stage"

    def make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def settings(self) -> Settings:
        return Settings.of(_history.read(self.settings_file))

    def state(self) -> State:
        told = _history.read(self.state_file)
        return State(**{name: told[name] for name in State.__dataclass_fields__ if name in told})

    def save(self, state: State) -> None:
        self.make()
        _history.write(self.state_file, asdict(state))

    def under_way(self) -> dict[str, Any]:
        """A restore that was begun and did not end."""
        return _history.read(self.journal)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One backup, restore or trial at a time; the lock ends with the process."""
        self.make()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BackupProblem(
                "another backup or restore is at work on this machine; try again when it ends"
            ) from None
        finally:
            os.close(descriptor)


def now() -> str:
    return time.strftime(TIME, time.gmtime())


def seconds_of(text: str) -> float:
    """A time as it is written down; one that is none is long ago."""
    try:
        return calendar.timegm(time.strptime(text, TIME))
    except ValueError:
        return 0.0


def shown_place(place: str) -> str:
    """The place without a name or a password in it."""
    return re.sub(r"//[^/@]*@", "//", place)


def trial_is_due(settings: Settings, state: State, wall: float) -> bool:
    pause = TRIALS.get(settings.trial, 0)
    last = max(seconds_of(state.tried), seconds_of(state.trial_failed), seconds_of(state.since))
    return pause > 0 and bool(state.succeeded) and wall - last >= pause


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong with the backups."""

    key: str
    what: str
    todo: str


def troubles(store: Store, wall: float) -> Iterator[Trouble]:
    """What a person is to be told."""
    settings, state = store.settings(), store.state()
    if under_way := store.under_way():
        what = f"the restore of {under_way.get('snapshot')} by {under_way.get('who')} was cut off"
        yield Trouble("restore", what, "`sudo inception resume` brings back what was there before; then restore again")
    if not settings.place:
        return
    again = "`sudo inception backup` tries again; docs/backup.md says what each of them means"
    late = INTERVALS.get(settings.schedule, INTERVALS["daily"]) * LATE + GRACE
    if seconds_of(state.failed) > seconds_of(state.succeeded):
        yield Trouble("backup", f"the backup of {state.failed} failed: {state.said}", again)
    elif state.since and wall - max(seconds_of(state.succeeded), seconds_of(state.since)) > late:
        what = f"the last backup is of {state.succeeded}" if state.succeeded else "there is no backup yet"
        yield Trouble("backup", what, again)
    if seconds_of(state.trial_failed) > seconds_of(state.tried):
        what = f"a trial restore of {state.trial_failed} failed: {state.trial_said}"
        yield Trouble(
            "backup trial", what, "`sudo inception trial` tries again; make a new backup, and do not remove older ones"
        )


def status(store: Store, wall: float | None = None) -> list[str]:
    """Some lines for `make status`; with the time also what is wrong, where nobody looks for that by himself."""
    settings, state = store.settings(), store.state()
    wrong = [f"backup: WARNING: {one.what}; {one.todo}" for one in troubles(store, wall)] if wall is not None else []
    if not settings.place:
        return wrong
    place = shown_place(settings.place)
    if not state.succeeded:
        return [f"backup: none yet (to {place}, {settings.schedule})", *wrong]
    lines = [
        f"backup: {state.succeeded}, {state.snapshot} in {place}; {size(state.total)}, "
        f"of which {size(state.added)} were new, in {state.seconds:.0f} s"
    ]
    if state.tried:
        lines.append(f"restored for trial: {state.tried}, well")
    if not state.key_shown:
        lines.append(
            "backup: WARNING: nobody has seen its key yet, without which it cannot be read: `make credentials`"
        )
    return [*lines, *wrong]


def size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
