# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment as a transaction: try, take over, look, and keep it or give way to the former one.

Private to this collection; part of the machine's own program. Wherever it is cut off, the next one goes on from what
runs.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _history, _takeover
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import Cause, Failure, last_lines
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, File, Files, History, Project
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import utc
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import GivenUp, Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import Wish as StackWish
from ansible_collections.fortytwo.inception.plugins.module_utils._takeover import Plan, Service, Takeover

# How often a container that this deployment made may end by itself while it is watched.
WATCHED_ENDS = 2
WATCHED_SECONDS = 300
WATCHED_EVERY = 5.0

# What of the build cache is kept where images have gone: six bases of the mandatory services are a gigabyte and a half.
CACHE_KEPT = "2GB"


@dataclass
class Wish:
    """What is to be deployed: the project folder as it is now, and how its services are tried and replaced."""

    root: str
    manifest: str
    services: list[dict[str, Any]]
    project: str = "inception"
    patience: float = 120
    timeout: float = 3600
    trial_seconds: int = 300
    backup_before: bool = True

    @property
    def source(self) -> str:
        return f"{self.root}/srcs"

    @classmethod
    def of(cls, told: dict[str, Any]) -> Wish:
        return cls(**{key: told[key] for key in cls.__dataclass_fields__ if key in told})


@dataclass
class Outcome:
    """What became of it."""

    changed: bool
    number: int = 0
    done: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Deployment:
    """One transaction on this machine."""

    def __init__(self, wish: Wish, who: str, what: str, history: History, tell: Callable[[str], None]) -> None:
        self.wish, self.who, self.what, self.history, self.tell = wish, who, what, history, tell
        self.project = Project(wish.root, wish.manifest)
        # What it brings, where that is more than files say.
        self.brings: list[str] = []

    # -- the parts --

    def takeover(self) -> Takeover:
        stack = _takeover.whole(self.wish.source, self.wish.patience, self.wish.timeout, self.tell)
        return Takeover(stack, map(Service.of, self.wish.services), self.wish.trial_seconds)

    def plan(self) -> list[str]:
        """What would be done, for check mode."""
        takeover = self.takeover()
        return [*(f"build {name}" for name in takeover.stack.missing()), *takeover.plan().lines()]

    def settled(self) -> int:
        """The number of the deployment that runs, where there is nothing to do; else 0."""
        former = self.history.current()
        if former is None or former.digest != _history.digest(self.project.read()) or self.history.under_way():
            return 0
        try:
            takeover = self.takeover()
            if takeover.stack.missing() or not takeover.plan().empty:
                return 0
            self.history.replan(former.number, asdict(self.wish))
            return former.number
        except GivenUp:
            return 0

    def run(self) -> Outcome:
        former = self.history.current()
        files = self.project.read()
        digest = _history.digest(files)
        before = running_now(self.wish.project)
        entry = Entry(self.history.next_number(), utc(), self.who, self.what, digest=digest)
        try:
            takeover = self.takeover()
            if self.history.under_way():
                takeover.let_in()
            missing = takeover.stack.missing()
            plan = Plan(unknown=True) if missing else takeover.plan()
            if plan.empty and former and former.digest == digest and not self.history.under_way():
                return Outcome(changed=False, number=former.number)
            entry.changed = self.brings or self._changed(former, files, digest)
            entry.images = {name: one.get("image", "") for name, one in sorted(takeover.stack.described.items())}
            # One that was cut off after its trial goes on at once: visitors may be waiting.
            tried = self.history.under_way().get("tried") == digest
            self._begin(entry, tried=digest if tried else "")
            takeover.stack.build(missing)
            if missing:
                plan = takeover.plan()
            done = self._forward(takeover, plan, tried, lambda: self._begin(entry, tried=digest))
        except GivenUp as error:
            self._backward(entry, former, error, before)
            raise
        changed = bool(missing) or running_now(self.wish.project) != before or bool(plan.unconnected)
        if former and former.digest == digest and self.what == "deployment":
            if not changed:
                entry = former
            else:
                # The same again, put right.
                entry.changed = [f"put right: {', '.join(done)}"]
        if entry is not former:
            self.history.add(entry, files, asdict(self.wish))
        self.history.end()
        remove_images(takeover.stack, self.history)
        return Outcome(changed, entry.number, done, missing, takeover.stack.warnings)

    def _begin(self, entry: Entry, **more: Any) -> None:
        """Notes what is under way, and what it takes to go on with it."""
        told = {"number": entry.number, "who": self.who, "what": self.what, "since": entry.when, "brings": self.brings}
        self.history.begin({**told, "wish": asdict(self.wish), **more})

    def _changed(self, former: Entry | None, files: Files, digest: str) -> list[str]:
        if former is None:
            return ["the first one that is known"]
        if former.digest == digest:
            return []
        return _history.differences(self.history.files(former.number), files)

    def _forward(self, takeover: Takeover, plan: Plan, tried: bool, note: Callable[[], None]) -> list[str]:
        """Tries, takes over, and looks."""
        takeover.remove_trials()
        plan = takeover.when_started(plan)
        if plan.empty:
            return []
        if not [one for one in takeover.containers() if one.running]:
            # Nobody is there whom it could disturb.
            takeover.connect(plan)
            takeover.up()
            takeover.finish()
            return plan.lines()
        if not tried:
            takeover.try_out(plan)
            self._keep()
            note()
        takeover.take(plan)
        # What compose could not plan, or what somebody did meanwhile.
        rest = takeover.plan()
        if rest.unconnected:
            takeover.connect(rest)
        takeover.finish()
        return plan.lines()

    def _keep(self) -> None:
        """A backup, before a service is built in another way that may write its data as no older one reads them."""
        former = self.history.current()
        if former is None or not self.wish.backup_before:
            return
        anew = built_anew(self.wish.services, self.history.files(former.number), self.project.read())
        if not anew:
            return
        # Whoever only asks what would be done reads nothing of it: a look that changes nothing starts sooner.
        from ansible_collections.fortytwo.inception.plugins.module_utils import _backup

        try:
            _backup.before(self.history, self.who, f"before another {anew[0]}", self.tell)
        except (BackupProblem, OSError) as problem:
            what = f"{' and '.join(anew)}: built in another way, and what there is could not be backed up: {problem}"
            todo = "put that right, and deploy again; or without: -e stack_backup_before=false"
            failure = Failure(what, cause=Cause("the place of the backups, or its disk", todo))
            raise GivenUp(failure, anew[0]) from problem

    def _backward(self, entry: Entry, former: Entry | None, error: GivenUp, before: set[tuple[str, str]]) -> None:
        """Gives way to the former one, and says so in the failure."""
        said = error.failure.what.splitlines()[0]
        entry.said = said
        if former is None or former.digest == entry.digest:
            entry.result = _history.FAILED
            self.history.add(entry)
            self.history.end()
            return
        self.tell(f"giving way to deployment {former.number}")
        self._begin(entry, gives_way_to=former.number, said=said)
        try:
            touched = self.give_way(former, before)
        except (GivenUp, OSError) as second:
            why = second.failure.what if isinstance(second, GivenUp) else str(second)
            error.failure.what += f"\nDeployment {former.number}, to which it gives way, did not start either: {why}"
            entry.result = _history.FAILED
            self.history.add(entry)
            return
        if touched:
            error.failure.what += f"\nIt gave way: deployment {former.number} of {former.when} runs again."
        else:
            error.failure.what += f"\nNothing was replaced: deployment {former.number} of {former.when} goes on."
        entry.result = _history.GAVE_WAY if touched else _history.REFUSED
        self.history.add(entry)
        self.history.end()

    def give_way(self, former: Entry, before: set[tuple[str, str]] | None = None) -> bool:
        """The former project files, and what runs as they say. Whether any container was touched."""
        self.project.restore(self.history.files(former.number))
        self.wish = Wish.of({**asdict(self.wish), **self.history.plan(former.number)})
        takeover = self.takeover()
        if before is None:
            takeover.let_in()
        takeover.remove_trials()
        touched = before is None or running_now(self.wish.project) != before or not takeover.plan().empty
        if touched:
            # It was well before: no trial, and an image that is gone is built.
            takeover.stack.build(takeover.stack.missing())
            plan = takeover.plan()
            # Gone on with after the machine's start, nobody is well yet.
            takeover.take(takeover.when_started(plan) if before is None else plan)
        # What was given up may have left something on a volume before it went.
        takeover.finish()
        for line in takeover.stack.warnings:
            self.tell(line)
        return touched


def running_now(project: str) -> set[tuple[str, str]]:
    """The containers of a compose project, whatever its files say."""
    stack = Stack(StackWish("/", [], {}, "auto", False, 1, 1))
    stack.project = project
    return stack.running()


# -- what runs, a while later --


def watched(history: History, number: int, seconds: float, tell: Callable[[str], None]) -> str:
    """Looks after a deployment that was kept. What is not well any more, or nothing."""
    entry = next((one for one in history.entries() if one.number == number), None)
    plan = history.plan(number)
    if entry is None or not plan:
        return ""
    wish = Wish.of(plan)
    takeover = Takeover(
        _takeover.whole(wish.source, wish.patience, wish.timeout, tell), map(Service.of, wish.services), 1
    )
    first = {one.id: one.restarts for one in takeover.containers()}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(WATCHED_EVERY)
        current = history.current()
        if history.under_way() or current is None or current.number != number:
            return ""
        for one in takeover.containers():
            ended = one.restarts - first.get(one.id, one.restarts)
            if ended >= WATCHED_ENDS:
                log = takeover.stack.ask("logs", "--tail", "3", one.id, check=False)
                words = " | ".join(last_lines(log, 3))
                return f"{one.service} ended by itself {ended} times: {words}"
    return ""


# -- what is not needed any more --


def remove_images(stack: Stack, history: History) -> None:
    """Images of this project that neither run nor belong to a deployment that can be gone back to."""
    kept = {image for entry in history.kept() for image in entry.images.values()}
    kept |= {one.get("image", "") for one in stack.described.values()}
    listed = stack.ask(
        *("image", "ls", "--filter", f"label={_takeover.PROJECT_LABEL}={stack.project}"),
        *("--format", "{{.Repository}}:{{.Tag}}"),
        check=False,
    )
    old = [name for name in listed.split() if ":" in name and "<none>" not in name and name not in kept]
    if old and kept:
        stack.ask("image", "rm", *old, check=False)
        # What they were built from goes with what was used longest ago; by itself Docker keeps a tenth of the disk.
        stack.ask("builder", "prune", "--force", "--keep-storage", CACHE_KEPT, check=False)


# -- going back --


def refusal(entry: Entry, history: History, files: Files) -> str:
    """Why a deployment cannot be gone back to, or nothing."""
    settings, present = _history.settings(history.files(entry.number)), _history.settings(files)
    # What lies outside of the project: the firewall, the certificate, the host's name, the data's place and owner.
    bound = ("LOGIN", "LOGIN_UID", "LOGIN_GID", "DATA_DIR", "DOMAIN", "HTTPS_PORT", "FTP_PORT", "FTP_DATA_PORTS")
    other = [name for name in bound if settings.get(name, present.get(name)) != present.get(name, settings.get(name))]
    if other:
        return (
            f"deployment {entry.number} has another {', '.join(other)}: firewall, certificate and data belong to that, "
            "so change the setting in the inventory and deploy"
        )
    plan = history.plan(entry.number)
    folder = Path(plan.get("root", "")) / "secrets"
    wanted = {file for one in plan.get("services", []) for file in (one.get("mounts") or {}).values()}
    gone = sorted(name for name in wanted if not (folder / name).exists())
    if gone:
        return f"deployment {entry.number} reads {', '.join(gone)} in {folder}, which is not there any more"
    images = sorted(set(entry.images.values()))
    done = subprocess.run(["docker", "image", "inspect", *images], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        there = {name for one in json.loads(done.stdout or "[]") for name in one.get("RepoTags") or []}
        lost = [name for name in images if name not in there]
        return f"deployment {entry.number} needs the images {', '.join(lost)}, which are not there any more"
    return ""


def chosen(history: History, number: int | None) -> Entry:
    """The deployment to go back to: a number, or the former one."""
    kept = history.kept()
    offered = ", ".join(str(one.number) for one in kept[:-1]) or "none"
    if number is None:
        if len(kept) < 2:
            raise GivenUp(Failure(what="There is no former deployment that could be gone back to."))
        return kept[-2]
    for one in kept:
        if one.number == number:
            if one is kept[-1]:
                raise GivenUp(Failure(what=f"Deployment {number} is the one that runs. Others: {offered}."))
            return one
    raise GivenUp(Failure(what=f"Deployment {number} cannot be gone back to. Those that can: {offered}."))


def roll_back(history: History, number: int | None, who: str, tell: Callable[[str], None]) -> Outcome:
    """Another deployment of this machine runs again; it is a deployment like any other."""
    target = chosen(history, number)
    wish = Wish.of(history.plan(target.number))
    project = Project(wish.root, wish.manifest)
    if why := refusal(target, history, project.read()):
        raise GivenUp(Failure(what=f"Not rolled back, and nothing was changed: {why}."))
    work = Deployment(wish, who, f"rollback to {target.number}", history, tell)
    work._begin(Entry(history.next_number(), utc(), who, work.what), restores=target.number)
    project.restore(history.files(target.number))
    return work.run()


def change(work: Deployment, files: Files, brings: list[str], history: History) -> Outcome:
    """The project's files become other ones, which the machine itself has decided on; a deployment like any other."""
    work.brings = brings
    packed = {path: file.packed() for path, file in files.items()}
    work._begin(Entry(history.next_number(), utc(), work.who, work.what), files=packed)
    work.project.restore(files)
    return work.run()


# -- going on --


def built_anew(services: list[dict[str, Any]], former: Files, files: Files) -> list[str]:
    """The services with data of their own whose Dockerfile is another one: another base, version or source."""
    found = []
    for one in services:
        recipes = [f"srcs/requirements/{folder}{one['name']}/Dockerfile" for folder in ("", "bonus/")]
        before = [former[name].data for name in recipes if name in former]
        now = [files[name].data for name in recipes if name in files]
        if (one.get("volumes") or one.get("backup")) and before and before != now:
            found.append(str(one["name"]))
    return found


def resume(history: History, tell: Callable[[str], None]) -> None:
    """Goes on with what was cut off: the machine was switched off, or the program was killed and nobody is left."""
    found = history.under_way()
    if "wish" not in found:
        return
    work = Deployment(Wish.of(found["wish"]), found["who"], found["what"], history, tell)
    if "gives_way_to" in found:
        former = next(one for one in history.entries() if one.number == found["gives_way_to"])
        work.give_way(former)
        gone = Entry(found["number"], found["since"], found["who"], found["what"], _history.GAVE_WAY)
        gone.said = str(found.get("said", ""))
        history.add(gone)
        history.end()
        return
    work.brings = [str(line) for line in found.get("brings") or []]
    if "files" in found:
        work.project.restore({path: File.unpacked(packed) for path, packed in found["files"].items()})
    if "restores" in found:
        work.project.restore(history.files(found["restores"]))
    work.run()


# -- the beginning of a run --


def interrupted(history: History, project: Project) -> str:
    """Writes down what was cut off, so that it is known; what it left is dealt with by what runs."""
    found = history.under_way()
    if not found:
        return ""
    # From now on its project files are another run's: the machine does not go on with them by itself.
    history.begin({key: value for key, value in found.items() if key != "wish"})
    number = int(found.get("number") or history.next_number())
    if number not in [one.number for one in history.entries()]:
        history.add(
            Entry(
                number,
                str(found.get("since")),
                str(found.get("who")),
                str(found.get("what")),
                _history.CUT_OFF,
                _history.digest(project.read()),
            )
        )
    return f"{found.get('what')} {number} by {found.get('who')} of {found.get('since')} was cut off"


def note_what_is_there(history: History, wish: Wish, who: str) -> None:
    """Before the first deployment that is written down: what an earlier release has deployed can be gone back to.

    If it runs as its files say: a first deployment that was cut off is nothing to go back to.
    """
    if history.entries():
        return
    project = Project(wish.root, wish.manifest)
    files = project.read()
    if "srcs/docker-compose.yml" not in files:
        return
    stack = _takeover.whole(wish.source, wish.patience, wish.timeout, lambda line: None)
    plan = Takeover(stack, map(Service.of, wish.services), 1).plan()
    if plan.outdated or plan.absent or plan.unknown:
        return
    images = {name: one.get("image", "") for name, one in sorted(stack.described.items())}
    entry = Entry(1, utc(), who, "found", digest=_history.digest(files), changed=["what ran before"], images=images)
    history.add(entry, files, asdict(wish))
