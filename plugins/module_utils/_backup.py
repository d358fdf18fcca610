# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of the stack: what its services say of their data, its files, secrets and settings, and its images' names.

Private to this collection; part of the machine's own program. The site goes on meanwhile. The lease is held while the
database is asked and the settings are read, so that no deployment comes in between, and given back before the files,
which may take hours.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _backup_state, _dumps, _history, _running
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Settings, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._history import History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Held, Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restic import Repository, Snapshot

FORMAT = 1
MANIFEST, PAGE = "manifest.json", "front-page.json"
SECRETS = "secrets"
MACHINE = "the machine itself"
# Seconds that a backup of the machine's own waits for a deployment to end.
PATIENCE, PAUSE = 1800.0, 5.0
RUNS = ("backup:", "restore:")


@dataclass(frozen=True)
class Stack:
    """What is deployed here, as the history has it."""

    number: int
    root: str
    project: str
    services: list[dict[str, Any]]
    images: dict[str, str]
    settings: dict[str, str]
    # Where it is one of a cluster: its stack file, and the folder that is the same on every node.
    cluster: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def deployed(cls, history: History) -> Stack:
        current = history.current()
        plan = history.plan(current.number) if current else {}
        if current is None or not plan:
            raise BackupProblem("nothing was deployed here yet, so there is nothing to keep; make deploy deploys")
        files = history.files(current.number)
        services, cluster = plan.get("services") or [], dict(plan.get("cluster") or {})
        if cluster:
            folder = history.folder.parents[3] / _running.CLUSTER
            cluster |= {"stack": _running.stack_of(files), "folder": str(folder)}
        project, settings = plan.get("project", "inception"), _history.settings(files)
        return cls(current.number, plan["root"], project, services, current.images, settings, cluster)

    def told(self) -> dict[str, Any]:
        """What it takes to stop and start it, whatever becomes of this process."""
        told = {"root": self.root, "data": self.data, "uid": self.uid, "gid": self.gid}
        return told | ({"project": self.project, "cluster": self.cluster} if self.cluster else {})

    @property
    def running(self) -> _running.Running:
        owner = {"uid": self.settings.get("LOGIN_UID", 0), "gid": self.settings.get("LOGIN_GID", 0)}
        return _running.of({"project": self.project, "root": self.root, **owner, "cluster": self.cluster})

    def container(self, service: str) -> str:
        return _running.the_container(self.running, service)

    def home(self, name: str) -> str:
        """The folder in which that of a volume lies, or that of the secrets."""
        if name == SECRETS:
            return self.root
        return str(self.cluster["shared_dir"]) if name in self.cluster.get("shared", ()) else self.data

    @property
    def homes(self) -> list[str]:
        return list(dict.fromkeys([self.data, self.root, *map(self.home, self.cluster.get("shared", ()))]))

    @property
    def uid(self) -> int:
        return int(self.settings["LOGIN_UID"])

    @property
    def gid(self) -> int:
        return int(self.settings["LOGIN_GID"])

    @property
    def data(self) -> str:
        return self.settings["DATA_DIR"].strip('"')

    @property
    def domain(self) -> str:
        return self.settings.get("DOMAIN", "").strip('"')

    @property
    def said(self) -> dict[str, dict[str, Any]]:
        """The services that say their data themselves, and how."""
        return {one["name"]: one["backup"] for one in self.services if one.get("backup")}

    @property
    def volumes(self) -> dict[str, list[str]]:
        """Each volume, and the services that have it."""
        found: dict[str, list[str]] = {}
        for one in self.services:
            for volume in one.get("volumes") or []:
                found.setdefault(volume["name"], []).append(one["name"])
        return found

    @property
    def copied(self) -> list[str]:
        """The volumes that are kept as files: of those who say their data, what they say is kept."""
        said = self.said
        return sorted(name for name, owners in self.volumes.items() if not set(owners) & set(said))

    @property
    def lasting(self) -> set[str]:
        """The volumes that a restore leaves as they are."""
        volumes = [volume for one in self.services for volume in one.get("volumes") or []]
        return {volume["name"] for volume in volumes if volume.get("outlasts_restores")}

    @property
    def said_volumes(self) -> list[str]:
        return sorted(set(self.volumes) - set(self.copied))


def container_of(project: str, service: str) -> str:
    """The container of a service that runs, of a project of compose."""
    return _running.the_container(_running.Compose(project), service)


# ---- The front page ----


class _Words(HTMLParser):
    """What a visitor reads."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.words = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style", "noscript")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style", "noscript")

    def handle_data(self, data: str) -> None:
        if not self.hidden and data.strip():
            self.words.append(" ".join(data.split()))


def words_of(page: str) -> list[str]:
    reader = _Words()
    reader.feed(page)
    return reader.words


def front_page(container: Callable[[str], str], services: list[dict[str, Any]], settings: dict[str, str]) -> list[str]:
    """What a visitor reads on the site's first page, asked from inside the service that has the site's door."""
    domain, port = settings.get("DOMAIN", "").strip('"'), settings.get("HTTPS_PORT", "443").strip('"')
    doors = [one["name"] for one in services if "HTTPS_PORT" in (one.get("env") or [])]
    if not doors:
        return []
    ask = ["curl", "--silent", "--insecure", "--fail", "--max-time", "60", "--resolve", f"{domain}:{port}:127.0.0.1"]
    done = subprocess.run(
        ["docker", "exec", container(doors[0]), *ask, f"https://{domain}:{port}/"],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupProblem(f"the front page does not come ({done.stderr.decode(errors='replace').strip() or 'curl'})")
    return words_of(done.stdout.decode(errors="replace"))


# ---- The backup ----


@dataclass
class Backup:
    """One backup, for whoever has the lock."""

    store: Store
    history: History
    # None of its own where whoever calls has it.
    lease: Lease | None
    who: str
    tell: Callable[[str], None]
    patience: float = 0.0
    # Whether older ones go then; not before a restore, which may be of one of them.
    tidies: bool = True
    warnings: list[str] = field(default_factory=list)

    def run(self, why: str) -> Snapshot:
        """Makes one, and writes down what became of it."""
        began = time.monotonic()
        try:
            settings = configured(self.store)
            snapshot = self._run(settings, why, began)
        except (BackupProblem, Held, OSError) as problem:
            state = self.store.state()
            state.failed, state.said = _backup_state.now(), str(problem)
            self.store.save(state)
            raise
        return snapshot

    def _run(self, settings: Settings, why: str, began: float) -> Snapshot:
        repository = Repository(self.store, settings.place, patient=self.patience > 0)
        state = self.store.state()
        self.store.make()
        ask_for_a_place_outside(settings.place, Stack.deployed(self.history), self.store)
        identity = repository.ready(state.repository)
        if identity != state.repository:
            state.repository = identity
            self.store.save(state)
        repository.unlock()
        self.clear()
        run, what = f"backup:{os.getpid()}", f"backup ({why})"
        with leased(self.lease, run, self.who, what, self.patience) if self.lease else nullcontext():
            stack = Stack.deployed(self.history)
            paths = self._stage(stack, why)
        taken = repository.take(paths, stack.domain, why, self.tell)
        self.clear()
        if taken.unread:
            more = f", and {len(taken.unread) - 1} more" if len(taken.unread) > 1 else ""
            raise BackupProblem(f"not all of it could be read, and this backup has not all: {taken.unread[0]}{more}")
        state = self.store.state()
        state.succeeded, state.snapshot, state.said = _backup_state.now(), taken.snapshot, ""
        state.seconds, state.added, state.total = round(time.monotonic() - began, 1), taken.added, taken.total
        self.store.save(state)
        if self.tidies and not settings.append_only and settings.keep:
            self.tell("removing what is older than what is kept")
            try:
                repository.forget(settings.keep, stack.domain)
            except BackupProblem as problem:
                self.warnings.append(f"older backups were not removed: {problem}")
        return Snapshot(taken.snapshot, state.succeeded, stack.domain, (f"why:{why}",), tuple(paths))

    def clear(self) -> None:
        """What one that was cut off has left."""
        shutil.rmtree(self.store.stage, ignore_errors=True)

    def _stage(self, stack: Stack, why: str) -> list[str]:
        """Writes down all that is no file of the site's, and says what there is to keep."""
        stage = self.store.stage
        stage.mkdir(mode=0o700, parents=True)
        folders = {name: f"{stack.home(name)}/{name}" for name in (*stack.copied, SECRETS)}
        for name, path in folders.items():
            if os.path.islink(path) or not os.path.isdir(path) or os.path.realpath(path) != path:
                raise BackupProblem(
                    f"{path}, the folder of {name}, is not there, or a link leads to it; nothing was kept"
                )
        dumps = {}
        for service, said in sorted(stack.said.items()):
            self.tell(f"asking {service} for its data")
            ask_for_room(stage, f"{stack.data}/{service}")
            dump = _dumps.take(service, stack.container(service), said["dump"], stage / "dumps" / service)
            dumps[service] = dump.told()
            if dump.unprotected:
                self.warnings.append(
                    f"{service}: what is written meanwhile to {', '.join(dump.unprotected)}, which are no tables of "
                    "InnoDB's, may be kept by half"
                )
            if dump.left_out:
                self.warnings.append(
                    f"{service}: {', '.join(dump.left_out)} cannot be read and is left out: a view of a table that is "
                    "not there, or of an account that is not; how it was made stands in the dump as a comment"
                )
        page: list[str] = []
        try:
            page = front_page(stack.container, stack.services, stack.settings)
        except BackupProblem as problem:
            self.warnings.append(f"{problem}; a trial restore has nothing to compare with")
        (stage / PAGE).write_text(json.dumps(page), encoding="utf-8")
        files = self.history.files(stack.number)
        manifest = {
            "format": FORMAT,
            "when": _backup_state.now(),
            "why": why,
            "host": platform.node(),
            "deployment": stack.number,
            "root": stack.root,
            "project": stack.project,
            "domain": stack.domain,
            "images": stack.images,
            "services": stack.services,
            "files": {path: file.packed() for path, file in files.items()},
            "folders": folders,
            "dumps": dumps,
            "stage": str(stage),
        }
        _history.write(stage / MANIFEST, manifest)
        return [str(stage), *sorted(folders.values())]


def before(history: History, who: str, why: str, tell: Callable[[str], None]) -> None:
    """One before what cannot be undone, where backups are wanted; for whoever has the lease."""
    store = Store(history.folder.parents[3])
    if store.settings().place:
        with store.alone():
            Backup(store, history, None, who, tell, tidies=False).run(why)


def ask_for_a_place_outside(place: str, stack: Stack, store: Store) -> None:
    """A link may lead into what a removal takes; what is written there is checked on the control node."""
    if not place.startswith("/"):
        return
    real = os.path.realpath(place)
    for folder in (*stack.homes, str(store.folder.parent)):
        if f"{real}/".startswith(f"{os.path.realpath(folder)}/"):
            raise BackupProblem(
                f"{place} leads to {real}, in {folder}, which goes when the stack does, and these backups with it; let "
                "inception_backup_place lead elsewhere"
            )


def ask_for_room(stage: Path, source: str) -> None:
    """A dump is about as large as the data that it is of."""
    needed = sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, dummy, names in os.walk(source) for name in names
    )
    free = shutil.disk_usage(stage).free
    # Half of the data folder is logs and indexes that no dump has.
    if free < needed // 2 + (64 << 20):
        raise BackupProblem(
            f"the disk of {stage} has {free >> 20} MiB left, and the database wants about {needed >> 21} MiB there for "
            "a while; make room"
        )


def configured(store: Store) -> Settings:
    settings = store.settings()
    if not settings.place:
        raise BackupProblem(
            "no place for backups is named; set inception_backup_place, such as /mnt/backup, and deploy"
        )
    if not store.key.exists():
        raise BackupProblem(
            f"the key of the backups, {store.key}, is gone: put back what `make credentials` has shown, or deploy for "
            "a new one, with another inception_backup_place"
        )
    return settings


@contextmanager
def leased(lease: Lease, run: str, who: str, what: str, patience: float = 0.0) -> Iterator[None]:
    """With the lease, for whoever has the lock; waits for somebody else's to end."""
    holder = lease.holder()
    if holder is not None and holder.run.startswith(RUNS):
        # There is one backup or restore at a time: that one was killed.
        lease.release(holder.run)
    end = time.monotonic() + patience
    while True:
        try:
            lease.take(run, who, what)
            break
        except Held:
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE)
    try:
        with lease.kept(run):
            yield
    finally:
        lease.release(run)


def listed(snapshots: list[Snapshot]) -> list[str]:
    """For people, the newest first."""
    lines = [f"{one.short}  {one.when}  {one.host}  {one.why}" for one in reversed(snapshots)]
    return lines or ["There is no backup yet."]


def moment_of(wanted: str) -> str:
    """The moment that is meant, to the second; nothing where it is no time."""
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return time.strftime("%Y-%m-%d %H:%M:%S", time.strptime(wanted.removesuffix(" UTC").strip(), form))
        except ValueError:
            continue
    return ""


def find(snapshots: list[Snapshot], wanted: str) -> Snapshot:
    """A backup by its number, by a time (the last one of before), or the newest."""
    if not snapshots:
        raise BackupProblem("there is no backup yet; `inception backup` makes one")
    if wanted in ("", "latest"):
        return snapshots[-1]
    if wanted[:4].isdecimal() and "-" in wanted:
        before = [one for one in snapshots if one.when <= f"{wanted.removesuffix(' UTC')}~"]
        if not before:
            raise BackupProblem(f"there is no backup of {wanted} or before; the first one is of {snapshots[0].when}")
        return before[-1]
    found = [one for one in snapshots if one.id.startswith(wanted)]
    if len(found) != 1:
        raise BackupProblem(f"{wanted} is no backup; `inception backups` lists them, for example {snapshots[-1].short}")
    return found[0]
