# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of another host takes the place of this stack's: a dump of its database, and an archive of its files.

Private to this collection; part of the machine's own program. All of it is made, converted and looked at beside the
site that runs: its own database server, its own copy of the website. Then these two folders change places with those of
the site, by the way of a restore, which comes back by itself where the new does not start. What was there before stays
beside, until somebody says that it may go.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _adopt,
    _as_owner,
    _backup,
    _backup_state,
    _dumps,
    _foreign,
    _history,
    _restore,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import clean, last_lines
from ansible_collections.fortytwo.inception.plugins.module_utils._history import History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restore import FORMER, NEW
from ansible_collections.fortytwo.inception.plugins.module_utils._takeover import free_memory
from ansible_collections.fortytwo.inception.plugins.module_utils._trial_restore import beside

DATABASE, WEBSITE = "mariadb", "wordpress"
# Where the former site stays, beside the data; and what is known of it.
KEPT, NOTE = ".imported-over", "import.json"
# A table of InnoDB is larger than its text, and the server's own files come on top.
GROWTH = 2.5
OWN_FILES = 256 << 20
SPARE = 256 << 20
MEMORY = 512 << 20
# Of the website, what is remade, or was never brought along.
NOT_COPIED = (
    "wp-content/uploads",
    "wp-content/.pages",
    "wp-content/.incoming",
    "wp-content/cache",
    "wp-content/upgrade",
)
# What PHP, on a page that is a failure, shows to a visitor.
FAILURES = ("There has been a critical error", "Error establishing a database connection", "Fatal error:")

# How often a page is asked for before there is none.
LOOKS = 5
LOOK_SECONDS = 2


@dataclass(frozen=True)
class Wish:
    """What is brought, and from where."""

    dump: Path
    files: Path | None = None
    url: str = ""
    prefix: str = ""


def check_url(url: str) -> str:
    """An address as WordPress keeps it."""
    found = urlsplit(url)
    if url and (
        found.scheme not in ("http", "https") or not found.hostname or found.query or found.fragment or found.username
    ):
        raise BackupProblem(f"{url} is no address of a site; a good one is https://old.example")
    return url.rstrip("/")


def formers(told: dict[str, Any], url: str, new: str) -> list[str]:
    """The addresses that the site had, but for that which WordPress moves by itself at its start: home."""
    home, own = str(told["home"]).rstrip("/"), str(told["siteurl"]).rstrip("/")
    # WordPress in a folder of its own: that has the new address by then, and the folder is not there any more.
    inside = new + own.removeprefix(home) if own.startswith(f"{home}/") else ""
    found = [inside, url, own]
    for address in [*found[1:], home]:
        host = urlsplit(address).hostname or ""
        twin = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
        # Visitors come by either, and so do links.
        found.append(address.replace(f"//{host}", f"//{twin}", 1) if "." in host else "")
    return [one for one in dict.fromkeys(found) if one and one.rstrip("/") != home]


@dataclass
class Import:
    """One import, for whoever has the lock."""

    store: Store
    history: History
    lease: Lease
    who: str
    tell: Callable[[str], None]
    warnings: list[str] = field(default_factory=list)

    def run(self, wish: Wish) -> dict[str, Any]:
        """Nothing of the site that runs is touched before all of the new one is there, and was looked at."""
        stack = Stack.deployed(self.history)
        work = Work(self, stack, wish)
        work.read()
        work.clear()
        try:
            work.make()
            if self.store.settings().place:
                before = _backup.Backup(self.store, self.history, self.lease, self.who, self.tell, tidies=False)
                self.tell(f"what there was is kept as {before.run('before an import').short}")
            exchange(self, stack, f"the import of {wish.dump.name}", work.pairs(), looks=True)
        finally:
            work.clear()
        return work.found


def exchange(work: Import, stack: Stack, what: str, pairs: list[tuple[str, str, str]], looks: bool = False) -> None:
    """New folders take the place of what is there; where that does not start, or has no page, it comes back."""
    told = {"snapshot": what.rpartition(" ")[2], "who": work.who, "since": _backup_state.now()}
    with _backup.leased(work.lease, f"restore:{os.getpid()}", work.who, what):
        work.store.make()
        _history.write(work.store.journal, {**told, **stack.told(), "pairs": pairs, "keeps": True})
        try:
            work.tell("stopping the stack")
            _do(stack.running.down())
            _as_owner.exchange(stack.uid, stack.gid, pairs)
            work.tell("starting the stack")
            _do(stack.running.up())
            if looks:
                look(stack)
        except (BackupProblem, OSError) as problem:
            work.tell("it did not start: what was there before comes back")
            runs = _restore.take_back(work.store)
            kept = "runs again" if runs else "is there again, and does not start either"
            raise BackupProblem(f"{what} failed, and the former site {kept}: {problem}") from problem
        # Cut off in here, what runs now goes on to.
        keep_former(work.store, stack, what)
        work.store.journal.unlink(missing_ok=True)


def look(stack: Stack) -> None:
    """Its first page, as a visitor has it: beside, there was no NGINX, and nobody of the world."""
    wrong = ""
    for number in range(LOOKS):
        time.sleep(LOOK_SECONDS if number else 0)
        try:
            wrong = no_page(" ".join(_backup.front_page(stack.container, stack.services, stack.settings)))
        except BackupProblem as problem:
            wrong = str(problem)
        if not wrong:
            return
    raise BackupProblem(f"in its place, {wrong}")


def no_page(text: str) -> str:
    """Why what a visitor reads is no page of a site, or nothing."""
    found = next((one for one in FAILURES if one in text), "")
    return f"its first page says: {found}" if found else "" if text else "its first page is empty"


def _do(said: str) -> None:
    if said:
        raise BackupProblem(said)


@dataclass
class Work:
    """The parts of it."""

    work: Import
    stack: Stack
    wish: Wish
    dump: _foreign.Dump = field(default_factory=_foreign.Dump)
    files: _foreign.Files | None = None
    prefix: str = ""
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> Path:
        """For root alone."""
        return self.work.store.stage / "import"

    @property
    def folder(self) -> str:
        """The login's."""
        return f"{self.stack.data}/{NEW}"

    @property
    def project(self) -> str:
        return f"{self.stack.project}-import"

    def pairs(self) -> list[tuple[str, str, str]]:
        data = self.stack.data
        return [(f"{data}/{NEW}/{name}", f"{data}/{name}", f"{data}/{FORMER}/{name}") for name in (DATABASE, WEBSITE)]

    # -- before anything is changed --

    def read(self) -> None:
        """Both files, to their ends; whether there is room for what they become."""
        for path in (self.wish.dump, self.wish.files):
            if path is not None and not path.is_file():
                raise BackupProblem(f"{path} is no file of this machine")
        check_url(self.wish.url)
        if not {DATABASE, WEBSITE} <= {one["name"] for one in self.stack.services}:
            raise BackupProblem("this stack has no WordPress")
        limit = max(0, shutil.disk_usage(self.stack.data).free - SPARE)
        self.work.tell(f"reading {self.wish.dump.name}")
        self.dump = _foreign.read_dump(self.wish.dump, limit)
        self.work.warnings += self.dump.losses(self.wish.dump.name)
        self.prefix = _foreign.prefix_of(self.dump, self.wish.prefix, self.wish.dump.name)
        if self.wish.files is not None:
            self.work.tell(f"reading {self.wish.files.name}")
            self.files = _foreign.read_files(self.wish.files, limit)
            left = sorted(self.files.left)
            if left:
                more = f" and {len(left) - 5} more" if len(left) > 5 else ""
                self.work.warnings.append(f"not brought from {self.wish.files.name}: {', '.join(left[:5])}{more}")
        self._ask_for_room()

    def _ask_for_room(self) -> None:
        needed = (
            int(self.dump.size * GROWTH) + OWN_FILES + SPARE + (self.files.size if self.files else 0) + self._copied()
        )
        free = shutil.disk_usage(self.stack.data).free
        if free < needed:
            raise BackupProblem(
                f"the disk of {self.stack.data} has {free >> 20} MiB left, and {needed >> 20} MiB are wanted beside "
                "what is there; make room"
            )
        if (memory := free_memory()) < MEMORY:
            raise BackupProblem(f"{memory >> 20} MiB of memory are free; an import wants {MEMORY >> 20} MiB")

    def _copied(self) -> int:
        """What of the website that runs comes along: WordPress, its themes and plugins."""
        size, place = 0, f"{self.stack.data}/{WEBSITE}"
        for root, folders, names in os.walk(place):
            below = os.path.relpath(root, place)
            folders[:] = [one for one in folders if self._is_copied(os.path.normpath(f"{below}/{one}"))]
            size += sum(os.lstat(os.path.join(root, name)).st_size for name in names)
        return size

    def _is_copied(self, path: str) -> bool:
        """Without files of its own, the site keeps those that are here: a dump by itself may be what was lost."""
        if path == "wp-content/uploads":
            return self.files is None or "uploads" not in self.files.parts
        wholes = self.files.wholes if self.files else set()
        return path not in NOT_COPIED and path.removeprefix("wp-content/") not in wholes

    # -- beside what runs --

    def clear(self) -> None:
        """What this one, or one that was cut off, has left beside."""
        found = ["--filter", f"label=com.docker.compose.project={self.project}"]
        if ids := self._docker("ps", "--all", "--quiet", *found).split():
            self._docker("rm", "--force", "--volumes", *ids)
        for kind in ("volume", "network"):
            if ids := self._docker(kind, "ls", "--quiet", *found).split():
                self._docker(kind, "rm", *ids)
        if not self.work.store.under_way():
            _restore.remove_beside(self.stack.homes, self.stack.uid, self.stack.gid)
        shutil.rmtree(self.work.store.stage, ignore_errors=True)

    def make(self) -> None:
        self.stage.mkdir(mode=0o700, parents=True)
        self._bring_files()
        self._write_project()
        self._bring_database()
        self._settle()
        # The server ends as one that was told to; the folders stay.
        self._compose("down", "--timeout", "120", "--volumes")

    def _bring_files(self) -> None:
        self.work.tell("copying WordPress")
        source, target, files = f"{self.stack.data}/{WEBSITE}", f"{self.folder}/{WEBSITE}", self.files
        modes = {name: stat.S_IMODE(os.lstat(f"{self.stack.data}/{name}").st_mode) for name in (DATABASE, WEBSITE)}
        _as_owner.make(self.stack.uid, self.stack.gid, self.folder, mode=0o700)
        _as_owner.make(self.stack.uid, self.stack.gid, f"{self.folder}/{DATABASE}", mode=modes[DATABASE])
        # What the site's own goes on with; of this one, nothing is kept.
        _as_owner.make(self.stack.uid, self.stack.gid, *(f"{self.folder}/{name}" for name in self.stack.lasting))

        def left(folder: str, names: list[str]) -> list[str]:
            below = os.path.relpath(folder, source)
            return [name for name in names if not self._is_copied(os.path.normpath(f"{below}/{name}"))]

        def work() -> None:
            shutil.copytree(source, target, symlinks=True, ignore=left)
            os.chmod(target, modes[WEBSITE])

        _as_owner.as_owner(self.stack.uid, self.stack.gid, work)
        if files is None or self.wish.files is None:
            return
        self.work.tell(f"unpacking {self.wish.files.name}")
        # Who opens it may read it; who writes has the login's rights alone.
        with self.wish.files.open("rb") as opened:
            content = f"{target}/{_foreign.CONTENT}"
            name = self.wish.files.name
            _as_owner.as_owner(self.stack.uid, self.stack.gid, lambda: _foreign.unpack(opened, name, files, content))

    def _docker(self, *words: str, given: str | None = None) -> str:
        done = subprocess.run(
            ["docker", *words],
            env={**os.environ, "LOGIN_UID": str(self.stack.uid), "LOGIN_GID": str(self.stack.gid)},
            input=given or "",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        refused = re.search(r"^REFUSED (.*)$", done.stdout, re.MULTILINE)
        if refused:
            raise BackupProblem(f"{self.wish.dump.name}: {clean(refused[1])}; nothing was changed")
        if done.returncode != 0:
            raise BackupProblem(f"docker {words[0]}: {'; '.join(last_lines(done.stderr or done.stdout, 3))}")
        return done.stdout

    def _compose(self, *words: str, given: str | None = None) -> str:
        own = ("compose", "--project-name", self.project, "--file", str(self.stage / "beside.json"))
        return self._docker(*own, *words, given=given)

    def _write_project(self) -> None:
        file = f"{self.stack.root}/srcs/docker-compose.yml"
        told = json.loads(self._docker("compose", "--file", file, "config", "--format", "json"))
        made = beside(told, self.project, self.folder)
        services = {name: made["services"][name] for name in (DATABASE, WEBSITE)}
        # Its secrets are the site's: what it becomes is that.
        made = {**made, "services": services, "secrets": told.get("secrets") or {}}
        (self.stage / "beside.json").write_text(json.dumps(made), encoding="utf-8")

    def _bring_database(self) -> None:
        self.work.tell("starting a database beside, and giving it the data")
        self._compose("up", "--detach", "--wait", "--no-deps", DATABASE)
        container = _backup.container_of(self.project, DATABASE)
        with (self.stage / "dump.sql").open("w+b") as file:
            _foreign.read_dump(self.wish.dump, 1 << 62, file)
            file.seek(0)
            try:
                _dumps.load(DATABASE, container, self.stack.said[DATABASE]["load"], chunks(file))
            except BackupProblem as problem:
                raise BackupProblem(f"{self.wish.dump.name}: {problem}; nothing was changed") from problem
        (self.stage / "dump.sql").unlink()
        self.work.tell("making it one of this stack")
        self.found = self._php("--entrypoint", "php", program=_adopt.ADOPT, words=[self.prefix])
        self.work.warnings += [clean(str(one)) for one in self.found["warnings"]]

    def _php(self, *options: str, program: str, words: list[str]) -> dict[str, Any]:
        """A program of PHP in a container of WordPress's beside; what it found."""
        php = ["php", "--", *words] if not options else ["--", *words]
        said = self._compose(
            "run", "--rm", "--no-TTY", "--no-deps", "--use-aliases", *options, WEBSITE, *php, given=program
        )
        line = re.search(r"^FOUND (.*)$", said, re.MULTILINE)
        if line is None:
            raise BackupProblem(
                f"{self.wish.dump.name}: {'; '.join(last_lines(said, 2)) or 'PHP said nothing'}; nothing was changed"
            )
        found: dict[str, Any] = json.loads(line[1])
        return found

    def _settle(self) -> None:
        """WordPress's own start, on the new data: it brings the database up to its files, and moves the address."""
        self.work.tell("starting WordPress on it beside, and moving its addresses")
        port = self.stack.settings.get("HTTPS_PORT", "443").strip('"')
        new = f"https://{self.stack.domain}{'' if port == '443' else f':{port}'}"
        found = self._php(program=_adopt.SETTLE, words=[new, *formers(self.found, check_url(self.wish.url), new)])
        page = base64.b64decode(found["page"]).decode(errors="replace")
        words = _backup.words_of(page)
        wrong = next((one for one in FAILURES if one in page), "")
        if wrong or not words or found["status"] not in (False, 200):
            said = wrong or f"it has {len(words)} words, and the status {found['status']}"
            raise BackupProblem(f"{self.wish.dump.name}: its first page is none ({said}); nothing was changed")


def chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(1 << 20):
        yield chunk


# ---- The former site ----


def keep_former(store: Store, stack: Stack, what: str) -> None:
    data = stack.data

    def work() -> None:
        os.rename(f"{data}/{FORMER}", f"{data}/{KEPT}")

    _as_owner.remove(stack.uid, stack.gid, f"{data}/{KEPT}")
    _as_owner.as_owner(stack.uid, stack.gid, work)
    _history.write(store.folder / NOTE, {"when": _backup_state.now(), "what": what})


def note(store: Store) -> dict[str, Any]:
    return _history.read(store.folder / NOTE)


def undo(work: Import) -> str:
    """The former site comes back, and what took its place stays beside in turn. What was."""
    stack, told = Stack.deployed(work.history), note(work.store)
    data = stack.data
    if not told or not os.path.isdir(f"{data}/{KEPT}/{DATABASE}"):
        raise BackupProblem("no site was imported here whose former one is still there")
    pairs = [(f"{data}/{KEPT}/{name}", f"{data}/{name}", f"{data}/{FORMER}/{name}") for name in (DATABASE, WEBSITE)]
    # Twice back is there again.
    back, what = "the way back from ", str(told["what"])
    exchange(work, stack, what.removeprefix(back) if what.startswith(back) else f"{back}{what}", pairs)
    return str(told["what"])


def forget(store: Store, stack: Stack) -> bool:
    """The former site goes. Whether there was one."""
    there = os.path.isdir(f"{stack.data}/{KEPT}")
    _as_owner.remove(stack.uid, stack.gid, f"{stack.data}/{KEPT}")
    (store.folder / NOTE).unlink(missing_ok=True)
    return there
