# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's data as a backup has it: all of it, only the files, only the database, or one table of it.

Private to this collection; part of the machine's own program. All that takes long, or can fail, is done beside what
runs; then the stack stops, what is new takes the place of what was there, which is put aside, and comes back where the
new does not start. Cut off, it is begun again: what was there first is aside.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _as_owner,
    _backup,
    _backup_state,
    _dumps,
    _files,
    _history,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import SECRETS, Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines
from ansible_collections.fortytwo.inception.plugins.module_utils._history import History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restic import Repository, Snapshot

ALL, FILES, DATABASE = "all", "files", "database"
ONLY = (ALL, FILES, DATABASE, SECRETS)
# Beside the data and the secrets, of the login's: what is new, and what was there.
NEW, FORMER = ".restore", ".former"
# They belong to a name: those of this machine stay where the backup is of another one.
OF_THE_DOMAIN = ("tls.crt", "tls.key", "ca.crt", "ca.key")
SPARE = 256 << 20
CHUNK = 1 << 20


@dataclass
class Restore:
    """One restore, for whoever has the lock."""

    store: Store
    history: History
    lease: Lease
    who: str
    tell: Callable[[str], None]
    warnings: list[str] = field(default_factory=list)

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

    def run(self, repository: Repository, snapshot: Snapshot, only: str = ALL, table: str = "") -> None:
        stack = Stack.deployed(self.history)
        manifest = self.manifest(repository, snapshot)
        work = Work(self, stack, repository, snapshot, manifest, only, table)
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

    @property
    def compose(self) -> list[str]:
        return ["docker", "compose", "--file", f"{self.stack.root}/srcs/docker-compose.yml"]

    @property
    def staged(self) -> str:
        return f"{self.stack.data}/{NEW}"

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

    def place(self, name: str) -> str:
        return f"{self.stack.root}/secrets" if name == SECRETS else f"{self.stack.data}/{name}"

    def pairs(self) -> list[tuple[str, str, str]]:
        """Each folder as it is new, its place, and where what was there is put aside."""
        aside = f"{self.stack.data}/{FORMER}"
        names = [*self.folders, *(self.fresh_volumes() if not self.table else [])]
        return [(f"{self.staged}/{name}", self.place(name), f"{aside}/{name}") for name in names]

    def fresh_volumes(self) -> list[str]:
        """Of those who take their data from a dump: they begin with nothing, whatever was there."""
        owners = set(self.dumps)
        return [name for name in self.stack.said_volumes if set(self.stack.volumes[name]) & owners]

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
        needed = self.repository.size(self.snapshot.id) + SPARE
        free = shutil.disk_usage(self.stack.data).free
        if free < needed:
            raise BackupProblem(
                f"the disk of {self.stack.data} has {free >> 20} MiB left, and {needed >> 20} MiB are wanted beside "
                "what is there; make room"
            )

    def clear(self) -> None:
        """What was fetched and is not used; what is aside stays, where a restore was cut off."""
        _as_owner.remove(self.stack.uid, self.stack.gid, self.staged)
        shutil.rmtree(self.restore.store.stage / "restore", ignore_errors=True)
        if not self.restore.store.under_way():
            _as_owner.remove(self.stack.uid, self.stack.gid, f"{self.stack.data}/{FORMER}")

    def fetch(self) -> None:
        """Beside what runs, and with the rights of its owner."""
        uid, gid = self.stack.uid, self.stack.gid
        _as_owner.make(uid, gid, self.staged, mode=0o700)
        for name, path in self.folders.items():
            self.restore.tell(f"fetching {name}")
            with self.repository.stream(self.snapshot.id, path) as stream:
                _as_owner.fetch(uid, gid, stream, f"{self.staged}/{name}")
        for name, dump in self.dumps.items():
            self.restore.tell(f"fetching the data of {name}")
            target = self.restore.store.stage / "restore" / name
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(mode=0o700, parents=True)
            for file in _dumps.chosen(dump, self.table):
                (target / file).write_bytes(b"")
                self._fetch_file(f"{self.manifest['stage']}/dumps/{name}/{file}", target / file)
        fresh = [] if self.table else self.fresh_volumes()
        _as_owner.make(uid, gid, *(f"{self.staged}/{name}" for name in fresh))
        if SECRETS in self.folders:
            self._keep_what_is_the_domain_s()

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

    def _keep_what_is_the_domain_s(self) -> None:
        """Certificates are a name's."""
        if self.manifest["domain"] == self.stack.domain:
            return
        here, new = self.place(SECRETS), f"{self.staged}/{SECRETS}"

        def work() -> None:
            for name in OF_THE_DOMAIN:
                if os.path.exists(f"{here}/{name}"):
                    shutil.copy2(f"{here}/{name}", f"{new}/{name}")

        _as_owner.as_owner(self.stack.uid, self.stack.gid, work)

    # -- the change --

    def take(self) -> None:
        journal = {"snapshot": self.snapshot.short, "who": self.restore.who, "since": _backup_state.now()}
        self.restore.store.make()
        # What one that was cut off has put aside was there first, and stays aside.
        _history.write(self.restore.store.journal, journal)
        uid, gid = self.stack.uid, self.stack.gid
        try:
            self.restore.tell("stopping the stack")
            self._do("down")
            _as_owner.exchange(uid, gid, self.pairs())
            if SECRETS in self.folders:
                self._write_revisions()
            self._load()
            self.restore.tell("starting the stack")
            self._do("up", "--detach", "--wait")
        except (BackupProblem, OSError) as problem:
            self.restore.tell("it did not start: what was there before comes back")
            self._do("down", check=False)
            _as_owner.give_back(uid, gid, self.pairs())
            self._do("up", "--detach", "--wait", check=False)
            self.restore.store.journal.unlink(missing_ok=True)
            kept = (
                "what was there before runs again"
                if not self.table
                else "the table may be there by half: restore it again"
            )
            raise BackupProblem(f"{self.snapshot.short} was not restored, and {kept}: {problem}") from problem
        self.restore.store.journal.unlink(missing_ok=True)

    def _load(self) -> None:
        for name in self.dumps:
            self.restore.tell(f"giving {name} its data")
            self._do("up", "--detach", "--wait", "--no-deps", name)
            container = _backup.container_of(self.stack.project, name)
            _dumps.load(name, container, self.stack.said[name]["load"], self._chunks(name))

    def _chunks(self, name: str) -> Iterator[bytes]:
        for file in _dumps.chosen(self.dumps[name], self.table):
            with (self.restore.store.stage / "restore" / name / file).open("rb") as opened:
                while chunk := opened.read(CHUNK):
                    yield chunk

    def _do(self, *words: str, check: bool = True) -> None:
        env = {**os.environ, "LOGIN_UID": str(self.stack.uid), "LOGIN_GID": str(self.stack.gid)}
        done = subprocess.run(
            [*self.compose, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            said = "; ".join(last_lines(done.stderr or done.stdout, 2))
            raise BackupProblem(f"docker compose {words[0]}: {said}")

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
