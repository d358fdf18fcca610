# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's data as a backup has it: all of it, only the files, only the database, or one table of it.

Private to this collection; part of the machine's own program. All that takes long, or can fail, is done beside what
runs; then the stack stops, what is new takes the place of what was there, which is put aside, and comes back where the
new does not start. One that was cut off is taken back by the machine itself (`settle`): at its next start, at its next
look, or by whoever comes next.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _as_owner,
    _backup,
    _backup_state,
    _dumps,
    _files,
    _history,
    _running,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import SECRETS, Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._history import History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restic import Repository, Snapshot

ALL, FILES, DATABASE = "all", "files", "database"
ONLY = (ALL, FILES, DATABASE, SECRETS)
# Beside the data, and beside the secrets, which may be another file system: what is new, and what was there.
NEW, FORMER = ".restore", ".former"
# Beside a dump: what was written after it. And what a service had before, whose data is on several nodes.
SINCE, ASIDE = "since", "aside"
# They belong to a name: those of this machine stay where the backup is of another one.
OF_THE_DOMAIN = ("tls.crt", "tls.key", "ca.crt", "ca.key")
SPARE = 256 << 20
CHUNK = 1 << 20


def take_back(store: Store) -> bool:
    """What was there before a restore that did not end comes back. Whether it runs. Cut off, it is begun again."""
    told = store.under_way()
    uid, gid, running = int(told["uid"]), int(told["gid"]), _running.of(told)
    said = running.down()
    if said and told.get("cluster"):
        # On another node somebody may still write there: the next look tries again.
        raise BackupProblem(f"what was there before the restore is still put aside: the site did not stop ({said})")
    _as_owner.give_back(uid, gid, [tuple(pair) for pair in told["pairs"]], bool(told.get("keeps")))
    for one in told.get("emptied") or []:
        try:
            refill(running, one, _dumps.in_innodb(store.stage / ASIDE / one["name"] / file for file in one["files"]))
        except BackupProblem as problem:
            raise BackupProblem(
                f"what {one['name']} had before the restore is still put aside, in {store.stage}: {problem}"
            ) from problem
    runs = not running.up()
    store.journal.unlink(missing_ok=True)
    remove_beside(homes_of(told), uid, gid)
    shutil.rmtree(store.stage, ignore_errors=True)
    return runs


def refill(running: _running.Running, service: Mapping[str, Any], chunks: Iterable[bytes]) -> None:
    """Another content for a service that goes on meanwhile, since no folder can take the place of its own."""
    name = service["name"]
    if said := running.up(name):
        raise BackupProblem(said)
    container = _running.the_container(running, name)
    _dumps.load(name, container, service["empty"], ())
    _dumps.load(name, container, service["load"], chunks)


def homes_of(told: dict[str, Any]) -> list[str]:
    """The folders beside whose folders something is put aside."""
    return list(dict.fromkeys([told["data"], told["root"], *(told.get("homes") or [])]))


def remove_beside(homes: list[str], uid: int, gid: int) -> None:
    _as_owner.remove(uid, gid, *(f"{place}/{name}" for place in homes for name in (NEW, FORMER)))


def settle(store: Store, lease: Lease, who: str, tell: Callable[[str], None]) -> None:
    """Takes back a restore that was cut off, for whoever has the lock."""
    if not (told := store.under_way()):
        return
    what = f"the restore of {told.get('snapshot')} of {told.get('since')} was cut off: what was there before comes back"
    tell(what)
    with _backup.leased(lease, f"restore:{os.getpid()}", who, "taking a restore back"):
        take_back(store)


def chunks_of(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk


@dataclass
class Restore:
    """One restore, for whoever has the lock."""

    store: Store
    history: History
    lease: Lease
    who: str
    tell: Callable[[str], None]
    warnings: list[str] = field(default_factory=list)
    # Whether what was written since the backup came back as well.
    followed: bool = False

    # -- what is in a backup --

    def manifest(self, repository: Repository, snapshot: Snapshot) -> dict[str, Any]:
        stage = next((path for path in snapshot.paths if path.endswith("/backup/stage")), str(self.store.stage))
        told: dict[str, Any] = json.loads(repository.text(snapshot.id, f"{stage}/{_backup.MANIFEST}"))
        if told.get("format") != _backup.FORMAT:
            raise BackupProblem(
                f"{snapshot.short} was made by another version of this collection (its format is {told.get('format')}, "
                f"this one reads {_backup.FORMAT}); restore with that one"
            )
        return told

    # -- the work --

    def run(
        self, repository: Repository, snapshot: Snapshot, only: str = ALL, table: str = "", moment: str = ""
    ) -> None:
        stack = Stack.deployed(self.history)
        manifest = self.manifest(repository, snapshot)
        work = Work(self, stack, repository, snapshot, manifest, only, table, moment)
        work.refuse()
        work.clear()
        try:
            work.fetch()
            with _backup.leased(self.lease, f"restore:{os.getpid()}", self.who, f"restore of {snapshot.short}"):
                work.take()
        finally:
            work.clear()


@dataclass
class Work:
    """The parts of it."""

    restore: Restore
    stack: Stack
    repository: Repository
    snapshot: Snapshot
    manifest: dict[str, Any]
    only: str
    table: str
    # Up to which what was written since is restored as well, where the machine still has that.
    moment: str = ""

    def home(self, name: str) -> str:
        """The folder in which one of those that are restored lies."""
        return self.stack.home(name)

    def new(self, name: str) -> str:
        return f"{self.home(name)}/{NEW}/{name}"

    def place(self, name: str) -> str:
        return f"{self.home(name)}/{name}"

    @property
    def folders(self) -> dict[str, str]:
        """Each folder that is restored, and where it is on the machine that made the backup."""
        told: dict[str, str] = self.manifest["folders"]
        if self.table or self.only == DATABASE:
            return {}
        wanted = set(told) - ({SECRETS} if self.only == FILES else set())
        if self.only == SECRETS:
            wanted = {SECRETS}
        mine = {*self.stack.copied, SECRETS}
        for name in sorted(wanted - mine):
            self.restore.warnings.append(f"{name} of the backup is not restored: no service here has it")
        return {name: told[name] for name in sorted(wanted & mine)}

    @property
    def dumps(self) -> dict[str, dict[str, Any]]:
        if self.only in (FILES, SECRETS) and not self.table:
            return {}
        told: dict[str, dict[str, Any]] = self.manifest["dumps"]
        return {name: one for name, one in told.items() if name in self.stack.said}

    def mode(self, name: str) -> int:
        """That of the folder as a deployment has made it."""
        try:
            return stat.S_IMODE(os.lstat(self.place(name)).st_mode)
        except FileNotFoundError:
            return 0o700 if name == SECRETS else 0o755

    def pairs(self) -> list[tuple[str, str, str]]:
        """Each folder as it is new, its place, and where what was there is put aside."""
        names = [*self.folders, *(self.fresh_volumes() if not self.table else [])]
        return [(self.new(name), self.place(name), f"{self.home(name)}/{FORMER}/{name}") for name in names]

    def fresh_volumes(self) -> list[str]:
        """Of those who take their data from a dump: they begin with nothing, whatever was there."""
        owners = set(self.dumps) - set(self.with_members)
        lasting = self.stack.lasting
        return [
            name for name in self.stack.said_volumes if set(self.stack.volumes[name]) & owners and name not in lasting
        ]

    @property
    def with_members(self) -> list[str]:
        """Of those who take their data from a dump: they go on meanwhile, and are emptied."""
        return [name for name in self.dumps if self.stack.running.has_members(name)]

    # -- before anything is changed --

    def refuse(self) -> None:
        made, here = self.manifest["domain"], self.stack.domain
        if made != here and self.only in (ALL, DATABASE):
            raise BackupProblem(
                f"{self.snapshot.short} is a backup of {made}, and this machine has {here}, whose addresses stand in "
                f"its database; set inception_domain: {made} and deploy, then restore"
            )
        for dump in self.dumps.values():
            _dumps.chosen(dump, self.table)
        if self.table and not self.dumps:
            raise BackupProblem("no service of this stack takes a table")
        if self.moment and self.with_members:
            raise BackupProblem(
                f"{self.with_members[0]} is on several nodes (cluster_database: galera), and what was written to it "
                "after a backup is not known as one; without a moment, the backup itself is restored"
            )
        for name in self.with_members:
            if not self.table and not self.stack.said[name].get("empty"):
                raise BackupProblem(
                    f"{name} is on several nodes, and was deployed before a restore could empty it there: "
                    "make cluster, and restore then"
                )
        if why := self.stack.running.refusal():
            raise BackupProblem(why)
        needed = self.repository.size(self.snapshot.id) + SPARE
        for home in dict.fromkeys(map(self.stack.home, (*self.stack.volumes, ""))):
            free = shutil.disk_usage(home).free
            if free < needed:
                raise BackupProblem(
                    f"the disk of {home} has {free >> 20} MiB left, and {needed >> 20} MiB are wanted beside what is "
                    "there; make room"
                )

    def clear(self) -> None:
        """What was fetched and is not used; what is aside stays, where it could not be given back."""
        if self.restore.store.under_way():
            return
        remove_beside(self.stack.homes, self.stack.uid, self.stack.gid)
        shutil.rmtree(self.restore.store.stage, ignore_errors=True)

    def fetch(self) -> None:
        """Beside what runs, and with the rights of its owner."""
        uid, gid = self.stack.uid, self.stack.gid
        _as_owner.make(uid, gid, *(f"{place}/{NEW}" for place in self.stack.homes), mode=0o700)
        for name, path in self.folders.items():
            self.restore.tell(f"fetching {name}")
            with self.repository.stream(self.snapshot.id, path) as stream:
                _as_owner.fetch(uid, gid, stream, self.new(name), self.mode(name))
        for name, dump in self.dumps.items():
            self.restore.tell(f"fetching the data of {name}")
            target = self._fetched(name)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(mode=0o700, parents=True)
            for file in _dumps.chosen(dump, self.table):
                (target / file).write_bytes(b"")
                self._fetch_file(f"{self.manifest['stage']}/dumps/{name}/{file}", target / file)
            if self.moment:
                self._follow(name, dump, target / SINCE)
        fresh = [] if self.table else self.fresh_volumes()
        for name in fresh:
            _as_owner.make(uid, gid, self.new(name), mode=self.mode(name))
        if SECRETS in self.folders:
            self._keep_what_belongs_here()

    def _follow(self, name: str, dump: dict[str, Any], file: Path) -> None:
        """What was written after the dump, out of the logs of the service that runs."""
        said = self.stack.said[name]
        if not said.get("since"):
            return
        if self.table or not dump.get("logged"):
            why = "of one table" if self.table else "when it was made, inception_backup_point_in_time was off, and"
            self.restore.warnings.append(f"{why} it is {name} as of the backup; what was written since is not restored")
            return
        self.restore.tell(f"asking {name} for what was written until {self.moment} UTC")
        try:
            if not self._logs_are_whole(name):
                raise BackupProblem(f"{name} kept no logs all the time since")
            container = self.stack.container(name)
            _dumps.since(name, container, said["since"], dump["logged"], self.moment, file)
            self.restore.followed = True
        except BackupProblem as problem:
            raise BackupProblem(
                f"{self.snapshot.short} of {self.snapshot.when} is the last backup of before, and from there to "
                f"{self.moment} UTC: {problem}. Nothing was restored; {self.snapshot.short} as WHICH (TO) brings back "
                "that backup as it is"
            ) from problem

    def _logs_are_whole(self, name: str) -> bool:
        """Whether the service had its logs in each deployment since; of one that is forgotten nobody knows."""
        history, made = self.restore.history, int(self.manifest["deployment"])
        entries = [one for one in history.entries() if one.result != _history.REFUSED]
        if not any(one.number <= made for one in entries):
            return False
        later = [one for one in entries if one.number > made]
        plans = [history.plan(one.number).get("services") or [] for one in later]
        return all(
            any(one["name"] == name and (one.get("backup") or {}).get("since") for one in each) for each in plans
        )

    def _fetch_file(self, path: str, target: Any) -> None:
        with target.open("wb") as file:
            done = subprocess.run(
                self.repository.command("dump", self.snapshot.id, path),
                env=self.repository.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                check=False,
            )
        if done.returncode != 0:
            raise self.repository.failure(done.stderr.decode(errors="replace"))

    def _keep_what_belongs_here(self) -> None:
        """Certificates are a name's; and members go on with the passwords that they have."""
        kept = [] if self.manifest["domain"] == self.stack.domain else [*OF_THE_DOMAIN]
        for one in self.stack.services:
            if self.stack.running.has_members(one["name"]):
                kept += one.get("mounts", {}).values()
        here, new = self.place(SECRETS), self.new(SECRETS)

        def work() -> None:
            for name in kept:
                if os.path.exists(f"{here}/{name}"):
                    # The one of the backup is nobody's to write.
                    with suppress(FileNotFoundError):
                        os.unlink(f"{new}/{name}")
                    shutil.copy2(f"{here}/{name}", f"{new}/{name}")

        _as_owner.as_owner(self.stack.uid, self.stack.gid, work)

    # -- the change --

    def take(self) -> None:
        told = {"snapshot": self.snapshot.short, "who": self.restore.who, "since": _backup_state.now()}
        uid, gid, store = self.stack.uid, self.stack.gid, self.restore.store
        # All that it takes to go back, whatever becomes of this process.
        journal = {**told, **self.stack.told(), "homes": self.stack.homes}
        store.make()
        _history.write(store.journal, {**journal, "pairs": self.pairs()})
        try:
            self.restore.tell("stopping the stack")
            self._do(self.stack.running.down())
            if aside := self._put_aside():
                _history.write(store.journal, {**journal, "pairs": self.pairs(), "emptied": aside})
            _as_owner.exchange(uid, gid, self.pairs())
            if SECRETS in self.folders:
                self._write_revisions()
            self._load()
            self.restore.tell("starting the stack")
            self._do(self.stack.running.up())
        except (BackupProblem, OSError) as problem:
            self.restore.tell("it did not start: what was there before comes back")
            runs = take_back(store)
            if self.table:
                kept = "the table may be there by half: restore it again"
            else:
                kept = f"what was there before {'runs again' if runs else 'is there again, and does not start either'}"
            raise BackupProblem(f"{self.snapshot.short} was not restored, and {kept}: {problem}") from problem
        store.journal.unlink(missing_ok=True)

    def _put_aside(self) -> list[dict[str, Any]]:
        """What those with members have now, and how they take it back. Nobody writes to them any more."""
        aside = []
        for name in [] if self.table else self.with_members:
            self.restore.tell(f"putting aside what {name} has")
            said, folder = self.stack.said[name], self.restore.store.stage / ASIDE / name
            _backup.ask_for_room(self.restore.store.stage, f"{self.stack.data}/{name}")
            dump = _dumps.take(name, self.stack.container(name), said["dump"], folder)
            aside.append({"name": name, "files": dump.files, "load": said["load"], "empty": said["empty"]})
        return aside

    def _load(self) -> None:
        for name in self.dumps:
            self.restore.tell(f"giving {name} its data")
            said = self.stack.said[name]
            if name in self.with_members and not self.table:
                refill(self.stack.running, {**said, "name": name}, self._chunks(name))
                continue
            self._do(self.stack.running.up(name))
            container = self.stack.container(name)
            _dumps.load(name, container, said["load"], self._chunks(name))
            if (since := self._fetched(name) / SINCE).exists():
                self.restore.tell(f"giving {name} what was written since")
                _dumps.load(name, container, said["replay"], chunks_of(since))

    def _chunks(self, name: str) -> Iterator[bytes]:
        files = [self._fetched(name) / file for file in _dumps.chosen(self.dumps[name], self.table)]
        if name in self.with_members:
            return _dumps.in_innodb(files)
        return (chunk for file in files for chunk in chunks_of(file))

    def _fetched(self, name: str) -> Path:
        return self.restore.store.stage / "restore" / name

    @staticmethod
    def _do(said: str) -> None:
        if said:
            raise BackupProblem(said)

    def _write_revisions(self) -> None:
        """The restored files are other issues of the secrets: said now, the next deployment finds nothing to do."""
        secrets = self.place(SECRETS)

        def work() -> None:
            folder = _files.open_folder(secrets)
            for service in self.stack.services:
                name = f"{service['name']}.env"
                if not (wanted := service.get("revision")) or _files.look(name, folder) is None:
                    continue
                serials = {one: _files.look(f"{one}.txt", folder) for one in wanted}
                line = ",".join(
                    f"{one}:{found.st_ino:x}-{found.st_mtime_ns:x}"
                    for one, found in sorted(serials.items())
                    if found is not None and stat.S_ISREG(found.st_mode)
                )
                _files.write_file(name, folder, f"SECRETS={line}\n".encode(), _files.Attributes(0o400))
            os.close(folder)

        _as_owner.as_owner(self.stack.uid, self.stack.gid, work)
