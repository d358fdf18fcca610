# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest backup is restored into a stack beside the one that runs, and has to show the same front page.

Private to this collection; part of the machine's own program. That stack has no port and no way out: nobody sees it,
and no mail or hook of the site leaves it.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _as_owner,
    _backup,
    _backup_state,
    _dumps,
    _running,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import SECRETS, Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines
from ansible_collections.fortytwo.inception.plugins.module_utils._history import File, History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restic import Repository, Snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._restore import Restore
from ansible_collections.fortytwo.inception.plugins.module_utils._takeover import free_memory

BESIDE = ".trial"
SPARE = 512 << 20
MEMORY = 512 << 20
# Of what a visitor reads, so much has to be the same: a page may show a time, or chooses at random.
ALIKE = 0.9
SHARE = "5%"


def alone(service: dict[str, Any], member: str) -> dict[str, Any]:
    """A service with members as one that is the only one, and whom nobody but this stack can reach."""
    whole = {"MEMBER": member, "MEMBERS": member, "MEMBERS_NETWORK": "127.0.0.", "CLUSTER_NETWORKS": "%"}
    networks = {
        name: {**(one or {}), "aliases": [*((one or {}).get("aliases") or []), member]}
        for name, one in (service.get("networks") or {}).items()
    }
    return {**service, "environment": {**(service.get("environment") or {}), **whole}, "networks": networks}


def beside(told: dict[str, Any], project: str, folder: str, members: Iterable[str] = ()) -> dict[str, Any]:
    """A project as compose reads it, made one that stands beside: its own names and folders, no port, no way out."""
    first = {name.rpartition("-")[0]: name for name in sorted(members, reverse=True)}
    services = {}
    for name, one in told["services"].items():
        service = {key: value for key, value in one.items() if key not in ("ports", "build", "container_name")}
        services[name] = {**(alone(service, first[name]) if name in first else service), "restart": "no"}
    volumes = {
        name: {
            **one,
            "name": f"{project}_{name}",
            "driver_opts": {"type": "none", "o": "bind", "device": f"{folder}/{name}"},
        }
        for name, one in (told.get("volumes") or {}).items()
    }
    secrets = {
        name: {"file": f"{folder}/{SECRETS}/{os.path.basename(one['file'])}"}
        for name, one in (told.get("secrets") or {}).items()
    }
    networks = {name: {"internal": True} for name in told.get("networks") or {}}
    return {"name": project, "services": services, "volumes": volumes, "secrets": secrets, "networks": networks}


@dataclass
class Trial:
    """One trial, for whoever has the lock."""

    store: Store
    history: History
    lease: Lease
    who: str
    tell: Callable[[str], None]

    def run(self, repository: Repository) -> Snapshot:
        """Writes down what became of it."""
        state = self.store.state()
        try:
            snapshot = self._run(repository)
        except (BackupProblem, OSError, KeyError) as problem:
            state.trial_failed, state.trial_said = _backup_state.now(), str(problem)
            self.store.save(state)
            raise
        state.tried, state.trial_said = _backup_state.now(), ""
        self.store.save(state)
        return snapshot

    def _run(self, repository: Repository) -> Snapshot:
        stack = Stack.deployed(self.history)
        repository.unlock()
        self.tell("checking the repository")
        repository.check(SHARE)
        snapshot = _backup.find(repository.snapshots(stack.domain), "latest")
        manifest = Restore(self.store, self.history, self.lease, self.who, self.tell).manifest(repository, snapshot)
        self._ask_for_room(repository.size(snapshot.id), stack)
        work = Beside(stack, manifest, self.store.stage / "trial", self.tell)
        work.clear()
        try:
            work.fetch(repository, snapshot)
            work.start()
            work.compare(json.loads(repository.text(snapshot.id, f"{manifest['stage']}/{_backup.PAGE}")))
        finally:
            work.clear()
        return snapshot

    @staticmethod
    def _ask_for_room(size: int, stack: Stack) -> None:
        free = shutil.disk_usage(stack.data).free
        if free < size + SPARE:
            raise BackupProblem(
                f"the disk of {stack.data} has {free >> 20} MiB left; a trial restore wants {(size + SPARE) >> 20} MiB"
            )
        if (memory := free_memory()) < MEMORY:
            raise BackupProblem(f"{memory >> 20} MiB of memory are free; a trial restore wants {MEMORY >> 20} MiB")


@dataclass
class Beside:
    """The stack beside."""

    stack: Stack
    manifest: dict[str, Any]
    place: Path
    tell: Callable[[str], None]

    @property
    def folder(self) -> str:
        return f"{self.stack.data}/{BESIDE}"

    @property
    def project(self) -> str:
        return f"{self.stack.project}-trial"

    @property
    def doors(self) -> list[str]:
        return [one["name"] for one in self.manifest["services"] if "HTTPS_PORT" in (one.get("env") or [])]

    def _docker(self, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["docker", *words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BackupProblem(f"docker {words[0]}: {'; '.join(last_lines(done.stderr or done.stdout, 2))}")
        return done.stdout

    def _compose(self, *words: str) -> str:
        return self._docker(
            "compose", "--project-name", self.project, "--file", str(self.place / "beside.json"), *words
        )

    def clear(self) -> None:
        """What this one, or one that was cut off, has left."""
        found = ["--filter", f"label=com.docker.compose.project={self.project}"]
        if ids := self._docker("ps", "--all", "--quiet", *found).split():
            self._docker("rm", "--force", "--volumes", *ids)
        for kind in ("volume", "network"):
            if ids := self._docker(kind, "ls", "--quiet", *found).split():
                self._docker(kind, "rm", *ids)
        _as_owner.remove(self.stack.uid, self.stack.gid, self.folder)
        shutil.rmtree(self.place.parent, ignore_errors=True)

    def fetch(self, repository: Repository, snapshot: Snapshot) -> None:
        uid, gid = self.stack.uid, self.stack.gid
        _as_owner.make(uid, gid, self.folder, mode=0o700)
        for name, path in self.manifest["folders"].items():
            self.tell(f"fetching {name}")
            with repository.stream(snapshot.id, path) as stream:
                _as_owner.fetch(uid, gid, stream, f"{self.folder}/{name}")
        for name, packed in self.manifest["files"].items():
            file, path = File.unpacked(packed), self.place / "project" / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(file.data)
        source = self.place / "project" / "srcs"
        # What it reads of the secrets' folder to know their issues.
        (self.place / "project" / SECRETS).symlink_to(f"{self.folder}/{SECRETS}")
        told = json.loads(self._docker("compose", "config", "--format", "json", cwd=source))
        stack = _running.stack_of({name: File.unpacked(one) for name, one in self.manifest["files"].items()})
        made = beside(told, self.project, self.folder, stack.get("x-members") or [])
        missing = [
            name
            for name in {one["image"] for one in made["services"].values()}
            if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode != 0
        ]
        if missing:
            raise BackupProblem(f"the images {', '.join(sorted(missing))} of the backup are not there any more")
        (self.place / "beside.json").write_text(json.dumps(made), encoding="utf-8")
        empty = set(made["volumes"]) - set(self.manifest["folders"])
        _as_owner.make(uid, gid, *(f"{self.folder}/{name}" for name in empty))
        for name, dump in self.manifest["dumps"].items():
            self.tell(f"fetching the data of {name}")
            target = self.place / "dumps" / name
            target.mkdir(mode=0o700, parents=True)
            for file in dump["files"]:
                (target / file).write_bytes(
                    repository.text(snapshot.id, f"{self.manifest['stage']}/dumps/{name}/{file}")
                )

    def start(self) -> None:
        said = {one["name"]: one["backup"] for one in self.manifest["services"] if one.get("backup")}
        for name, dump in self.manifest["dumps"].items():
            self.tell(f"starting {name} beside, and giving it the data")
            self._compose("up", "--detach", "--wait", "--no-deps", name)
            container = _backup.container_of(self.project, name)
            _dumps.load(name, container, said[name]["load"], self._chunks(name, dump))
        self.tell("starting the site beside")
        self._compose("up", "--detach", "--wait", *self.doors)

    def _chunks(self, name: str, dump: dict[str, Any]) -> Iterator[bytes]:
        for file in dump["files"]:
            yield (self.place / "dumps" / name / file).read_bytes()

    def compare(self, expected: list[str]) -> None:
        """The words of the page that a visitor had when the backup was made."""
        from ansible_collections.fortytwo.inception.plugins.module_utils import _history

        settings = _history.settings({name: File.unpacked(one) for name, one in self.manifest["files"].items()})
        words = _backup.front_page(
            lambda service: _backup.container_of(self.project, service), self.manifest["services"], settings
        )
        if not words:
            raise BackupProblem("the restored site shows a page without a word")
        if expected and alike(expected, words) < ALIKE:
            gone = next((word for word in expected if word not in words), "")
            raise BackupProblem(f"the restored site shows another front page: '{gone[:80]}' is not on it")


def alike(one: list[str], other: list[str]) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
