# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine looks at itself: what is wrong, since when, and what to do about it.

Private to this collection; part of the machine's own program. A look asks the engine's socket and the kernel, and
takes milliseconds. What was found is remembered, so that a person is told once when it begins and once when it is over.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _acme,
    _backup_state,
    _engine,
    _history,
    _renewal,
    _updates,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import likely
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease, utc
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    PROJECT_LABEL,
    Container,
    ended_with,
    read_container,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._stuck import Quiet

ONE_OFF_LABEL = "com.docker.compose.oneoff"
# A disk that is fuller is warned of, and one that is less full is well again.
FULL_PERCENT, WELL_PERCENT = 85, 82
# Ends of a container by itself, within so many seconds, that are too many.
ENDS, ENDS_SECONDS = 3, 900.0
# A clock that is another one by more, since the look before, has jumped; so long it is told of.
JUMP_SECONDS, JUMP_TOLD = 30.0, 3600.0
# After a start, a clock has so long to be set.
UNSET_SECONDS = 3600.0
# A finding is one when it was there at so many looks, and over when it was not at so many.
SURE, OVER = 2, 5
# In a cluster a container may be on its way to another node, and files to another copy.
IN_CLUSTER = 4
# What is done something about, and has time.
NO_NEWS = 1 << 30
# Messages that wait for a way to be told, and looks between two tries after the first ones.
WAITING, TRIES, TRIED_EVERY = 20, 3, 10
# Seconds without a look that are too many.
SILENT_SECONDS = 1800.0
ANSWER_SECONDS = 20.0
STOP_SECONDS, RESTART_SECONDS = 10, 60.0


@dataclass(frozen=True)
class Finding:
    """Something that is wrong."""

    key: str
    what: str
    todo: str
    # At how many looks it has to be there.
    sure: int = SURE

    def lines(self, since: str = "") -> list[str]:
        return [f"{self.what}{f' (since {since})' if since else ''}", f"    {self.todo}"]


def uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


# ---- What is remembered ----


@dataclass
class Known:
    """A finding, and how often it was there."""

    what: str
    todo: str
    since: str
    sure: int = SURE
    seen: int = 0
    unseen: int = 0
    begun: bool = False


@dataclass
class Waiting:
    """A message that is still to be told by one way."""

    way: str
    subject: str
    text: str
    findings: list[str] = field(default_factory=list)
    tries: int = 0


@dataclass
class Memory:
    """What was found so far."""

    boot: str = ""
    looked: float = 0.0
    looked_at: str = ""
    # What the clock is ahead of the time since the start, at the last look, and when it jumped by how much.
    ahead: float | None = None
    jumped: list[float] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    # By container, when it had ended how often by itself.
    ends: dict[str, list[list[float]]] = field(default_factory=dict)
    # By container, whether it makes progress; by service, when it was restarted for want of it.
    quiet: dict[str, Quiet] = field(default_factory=dict)
    restarted: dict[str, list[float]] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    untold: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Memory:
        made = cls(**told)
        made.known = {key: Known(**one) for key, one in told.get("known", {}).items()}
        made.quiet = {key: Quiet(**one) for key, one in told.get("quiet", {}).items()}
        made.waiting = [Waiting(**one) for one in told.get("waiting", [])]
        return made

    @property
    def begun(self) -> dict[str, Known]:
        return {key: one for key, one in self.known.items() if one.begun}


class Store:
    """Where it is remembered: on the disk, and beside it in memory, where a full disk keeps nobody from writing."""

    def __init__(self, lasting: Path, passing: Path) -> None:
        self.places = (lasting / "memory.json", passing / "health.json")
        self.settings_file = lasting / "settings.json"

    def load(self) -> Memory:
        found = []
        for place in self.places:
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Memory.of(json.loads(place.read_text(encoding="utf-8"))))
        # After a start only the lasting one is there, and its seconds are those of the start before.
        now = boot()
        found.sort(key=lambda one: (one.boot == now, one.looked))
        memory = found[-1] if found else Memory()
        if memory.boot != now:
            memory.boot, memory.looked, memory.ahead, memory.jumped = now, 0.0, None, []
            memory.ends, memory.quiet, memory.restarted = {}, {}, {}
        return memory

    def save(self, memory: Memory) -> None:
        for place in self.places:
            with contextlib.suppress(OSError):
                place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                _history.write(place, asdict(memory))

    def settings(self) -> dict[str, Any]:
        return _history.read(self.settings_file)


# ---- The looks ----


def fullness(place: str) -> tuple[int, int, int]:
    """How full a file system is in percent, how many MiB are free, and how full its list of files is."""
    found = os.statvfs(place)
    used = found.f_blocks - found.f_bfree
    room = used + found.f_bavail
    percent = round(100 * used / room) if room else 0
    files = round(100 * (found.f_files - found.f_ffree) / found.f_files) if found.f_files else 0
    return percent, found.f_bavail * found.f_frsize >> 20, files


def disks(places: Iterable[str]) -> Iterator[str]:
    """Of each file system the first place that is on it."""
    seen: set[int] = set()
    for place in places:
        if os.path.isdir(place) and (device := os.stat(place).st_dev) not in seen:
            seen.add(device)
            yield place


MAKE_ROOM = (
    "`docker system df` and `du -xh -d 2 {place} | sort -h` say what takes the room; `docker image prune` takes images "
    "that nobody uses, `journalctl --vacuum-size=100M` old logs. At 100 % nothing can be written any more"
)


def look_at_disks(places: Iterable[str], known: Iterable[str]) -> Iterator[Finding]:
    for place in disks(places):
        percent, free, files = fullness(place)
        key = f"disk {place}"
        if percent >= (WELL_PERCENT if key in known else FULL_PERCENT):
            what = f"the disk of {place} is {percent} % full, {free} MiB are free"
            yield Finding(key, what, MAKE_ROOM.format(place=place), 1)
        key = f"files {place}"
        if files >= (WELL_PERCENT if key in known else FULL_PERCENT):
            what = f"the disk of {place} has {files} % of the files that it can have"
            todo = f"`du --inodes -x -d 2 {place} | sort -n` says who has so many small files"
            yield Finding(key, what, todo, 1)


def clock_is_unset() -> bool:
    """Whether the kernel says that nobody sets its clock (adjtimex(2): TIME_ERROR)."""
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256)) == 5)
    return False


def is_container() -> bool:
    """Then the clock is another machine's."""
    return os.path.exists("/run/systemd/container") or os.path.exists("/.dockerenv")


def look_at_clock(memory: Memory, wall: float, since_start: float) -> Iterator[Finding]:
    ahead = wall - since_start
    if memory.ahead is not None and abs(ahead - memory.ahead) > JUMP_SECONDS:
        memory.jumped = [since_start, ahead - memory.ahead]
    memory.ahead = ahead
    set_it = (
        "`timedatectl` (Alpine: `chronyc tracking`) says who sets the clock: certificates, sessions and the database's "
        "times depend on it"
    )
    if memory.jumped and since_start - memory.jumped[0] < JUMP_TOLD:
        yield Finding("clock jumped", f"the clock jumped by {memory.jumped[1]:+.0f} s", set_it, 1)
    if since_start > UNSET_SECONDS and not is_container() and clock_is_unset():
        todo = f"{set_it}; UDP port 123 to a time server has to be open"
        yield Finding("clock unset", "nobody sets the clock of this machine", todo)


def clock_is_trusted(memory: Memory) -> bool:
    """Whether dates may be written into a certificate."""
    return not memory.jumped or uptime() - memory.jumped[0] > JUMP_TOLD


def look_at_deployment(history: History) -> Iterator[Finding]:
    """For whoever knows that nobody is at work."""
    if found := history.under_way():
        what = f"the {found.get('what')} by {found.get('who')} of {found.get('since')} was cut off"
        yield Finding("cut off", what, "deploy again: it goes on from what it left")


def look_at_backups(store: _backup_state.Store, wall: float) -> Iterator[Finding]:
    for one in _backup_state.troubles(store, wall):
        yield Finding(one.key, one.what, one.todo, 1)


def look_at_updates(store: _updates.Store, history: History, wall: float) -> Iterator[Finding]:
    for what, todo in _updates.troubles(store, history, wall):
        yield Finding("updates", what, todo, 1)
    for what, todo in _updates.release_ends(history, wall):
        yield Finding("release", what, todo, 1)


def look_at_cluster(project: str) -> Iterator[Finding]:
    """What a manager sees of all nodes."""
    from ansible_collections.fortytwo.inception.plugins.module_utils import _gluster, _running, _swarm

    copies = []
    try:
        told = _swarm.Stack(_swarm.Docker(_running.run_docker), project).told()
        copies = _gluster.Gluster(lambda words: _running.run_docker(words, None)).copies(project)
    except _swarm.SwarmProblem as problem:
        todo = "`docker node ls` on the managers; without most of them nothing can be changed in it"
        yield Finding("cluster", f"the swarm does not answer: {problem}", todo)
        return
    except (_gluster.StorageProblem, OSError) as problem:
        yield Finding(
            "cluster files", f"the copies of the files cannot be asked for: {problem}", "`gluster volume status`"
        )
    for one in _swarm.problems(told, copies):
        # However many they are, it is the same that is wrong.
        yield Finding(
            f"cluster {re.sub(r'[0-9]+', '#', one)}", one, "`make status` shows all of the cluster", IN_CLUSTER
        )


def look_at_certificate(root: str, renews: bool, served: bool, again: str = "") -> Iterator[Finding]:
    """`served`: whether NGINX has the one that lies there."""
    again = again or ("deploy again" if renews else "put a new one where stack_tls_certificate says, and deploy")
    try:
        certificate, authority = _renewal.read(root, "tls.crt"), _renewal.read(root, "ca.crt")
        if certificate is None or authority is None:
            # What runs has it still: that is nothing to disturb visitors for.
            yield Finding("certificate lost", f"the certificate is not in {root}/secrets any more", again)
            return
        now = _renewal.now()
        found = _renewal.validity(certificate)
        if found.begins - now > _renewal.DAY:
            yield Finding("certificate", "the certificate is not valid yet: it was made with another clock", again)
        elif found.is_due(now):
            left = found.days_left(now)
            what = f"the certificate ends in {left} days" if left >= 0 else "the certificate has ended"
            yield Finding("certificate", what, again)
        if renews and (left := _renewal.validity(authority).days_left(now)) < _renewal.AUTHORITY_BEFORE:
            todo = f"remove ca.key and ca.crt in {root}/secrets, deploy, and have visitors trust the new one"
            yield Finding("authority", f"the certificate authority of this machine ends in {left} days", todo)
        if not served:
            yield Finding("served", "NGINX still has the certificate from before", "deploy again")
    except (_renewal.RenewalProblem, FileProblem, OSError) as problem:
        yield Finding("certificate lost", f"the certificate cannot be read: {problem}", again)


def look_at_acme(store: _acme.Store, root: str, served: bool) -> Iterator[Finding]:
    """A renewal that failed once, with weeks to go, is no news."""
    try:
        state, wanted = store.state(), _acme.due(store, root)
        if wanted is not None:
            times = "once" if state.failed == 1 else f"{state.failed} times in a row"
            why = f"; asked {times} in vain: {state.why}" if state.failed else ""
            is_news = wanted.is_urgent or state.failed > 1
            sure = (1 if state.failed else SURE) if is_news else NO_NEWS
            todo = state.todo or "`sudo inception certificate --renew` asks for another one now"
            yield Finding("certificate", wanted.what + why, todo, sure)
        elif not served:
            yield Finding("served", "NGINX still has the certificate from before", "deploy again")
    except (_renewal.RenewalProblem, FileProblem, OSError) as problem:
        yield Finding("certificate lost", f"the certificate cannot be read: {problem}", "deploy again")


@dataclass(frozen=True)
class Engine:
    """What the engine says of the stack's containers."""

    containers: dict[str, list[Container]]
    told: dict[str, dict[str, Any]]

    @classmethod
    def ask(cls, project: str) -> Engine | None:
        """Nothing when it does not answer."""
        wanted = quote(json.dumps({"label": [f"{PROJECT_LABEL}={project}", _engine.NUMBER_LABEL]}))
        listed = _engine.ask(f"/containers/json?all=1&filters={wanted}", timeout=ANSWER_SECONDS)
        if listed is None:
            return None
        containers: dict[str, list[Container]] = {}
        all_told = {}
        for one in listed:
            if (one.get("Labels") or {}).get(ONE_OFF_LABEL) == "True":
                continue
            # Meanwhile it may have gone.
            if told := _engine.ask(f"/containers/{one['Id']}/json", timeout=ANSWER_SECONDS):
                found = read_container(told)
                containers.setdefault(found.service, []).append(found)
                all_told[found.id] = told
        return cls(containers, all_told)

    def labels(self) -> dict[str, dict[str, str]]:
        return {key: (told.get("Config") or {}).get("Labels") or {} for key, told in self.told.items()}

    def restart(self, container: Container) -> bool:
        """It may end its work, and is ended if it does not. Whether it was started again."""
        address = f"/containers/{container.id}/restart?t={STOP_SECONDS}"
        return _engine.ask_bytes(address, timeout=STOP_SECONDS + RESTART_SECONDS, method="POST") is not None

    def log(self, container: Container) -> str:
        """Its last words: a stream in frames, of which the heads are left out."""
        address = f"/containers/{container.id}/logs?stdout=1&stderr=1&tail=20"
        return clean_frames(_engine.ask_bytes(address, timeout=ANSWER_SECONDS) or b"")


def clean_frames(stream: bytes) -> str:
    text, at = b"", 0
    while at + 8 <= len(stream):
        length = int.from_bytes(stream[at + 4 : at + 8], "big")
        text += stream[at + 8 : at + 8 + length]
        at += 8 + length
    return text.decode(errors="replace")


def look_at_containers(engine: Engine, services: Iterable[str], memory: Memory) -> Iterator[Finding]:
    now = uptime()
    present = {one.id for found in engine.containers.values() for one in found}
    memory.ends = {key: value for key, value in memory.ends.items() if key in present}
    for service in sorted(set(services)):
        found = engine.containers.get(service, [])
        running = [one for one in found if one.status in ("running", "paused", "restarting")]
        see = f"`docker logs --tail 50 {found[0].name}` says why" if found else "deploy again"
        if not running:
            what = f"{service} does not run"
            yield Finding(f"service {service}", what, f"{see}; `make up` in the project folder, or deploy again")
            continue
        for one in running:
            seen = memory.ends.setdefault(one.id, [])
            seen.append([now, one.restarts])
            # The last one before that time tells where the count began.
            while len(seen) > 1 and seen[1][0] < now - ENDS_SECONDS:
                seen.pop(0)
            ended = int(seen[-1][1] - seen[0][1])
            if ended >= ENDS:
                what = f"{service} ends and starts again: {ended} times in {ENDS_SECONDS / 60:.0f} minutes"
                yield Finding(f"ends {service}", f"{what}, exit code {ended_with(one)}", _todo(engine, one, see), 1)
        if all(one.status == "paused" for one in running):
            yield Finding(f"paused {service}", f"{service} is paused", f"`docker unpause {running[0].name}`")
        elif all(one.health == "unhealthy" for one in running):
            yield Finding(f"health {service}", f"{service} is unhealthy", _todo(engine, running[0], see))


def _todo(engine: Engine, one: Container, see: str) -> str:
    state = "OOMKilled" if one.oom else ""
    cause = likely("\n".join([state, one.error, engine.log(one)])) or likely("\n".join(one.checks))
    if cause is None:
        return see
    return f"likely {cause.likely}: {cause.todo.replace('<service>', one.service)}; {see}"


def serves_the_certificate(engine: Engine, root: str, services: Iterable[dict[str, Any]]) -> bool:
    """Whether containers are bound to the files that lie there now: another certificate is another file."""
    for service in services:
        for name, file in (service.get("files") or {}).items():
            for one in engine.containers.get(service["name"], []):
                with contextlib.suppress(OSError):
                    there = os.stat(f"{root}/secrets/{file}", follow_symlinks=False)
                    here = os.stat(f"/proc/{one.pid}/root/run/secrets/{name}") if one.pid > 0 else there
                    if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
                        return False
    return True


@dataclass
class Look:
    """All of it, for one stack."""

    history: History
    lease: Lease
    memory: Memory
    renews: bool
    acme: _acme.Store | None = None
    engine: Engine | None = None

    def __post_init__(self) -> None:
        self.current: Entry | None = self.history.current()
        self.plan = self.history.plan(self.current.number) if self.current else {}
        self.root = str(self.plan.get("root", ""))
        self.settings = _history.settings(self.history.files(self.current.number)) if self.current else {}
        self.is_cluster = bool(self.plan.get("cluster"))
        # There, no machine replaces anything by itself.
        self.renews = self.renews and not self.is_cluster

    def root_of_all(self) -> Path:
        """The folder below which what the program remembers lies."""
        return self.history.folder.parents[3]

    def findings(self) -> list[Finding] | None:
        """Nothing while somebody is at work: what is being replaced is no fault."""
        found = [*look_at_clock(self.memory, time.time(), uptime())]
        if self.lease.holder() is not None:
            return None
        project = str(self.plan.get("project", "inception"))
        self.engine = None if self.is_cluster else Engine.ask(project)
        root = _engine.ask("/info", timeout=ANSWER_SECONDS) if self.engine or self.is_cluster else None
        places = [str((root or {}).get("DockerRootDir") or "/var/lib/docker"), self.settings.get("DATA_DIR", "")]
        found += look_at_disks([*places, "/var/lib"], self.memory.known)
        found += look_at_deployment(self.history)
        found += look_at_backups(_backup_state.Store(self.root_of_all()), time.time())
        found += look_at_updates(_updates.Store(self.root_of_all()), self.history, time.time())
        if self.engine is None and root is None:
            todo = "`systemctl status docker` (Alpine: /var/log/docker.log) says why; the site goes on meanwhile"
            found.append(Finding("engine", "the Docker engine does not answer", todo))
        if self.current is None:
            return found
        services = self.plan.get("services") or []
        if self.is_cluster:
            again = "call make cluster, which makes another one, or takes the one of stack_tls_certificate"
            return [*found, *look_at_cluster(project), *look_at_certificate(self.root, False, True, again)]
        if self.engine is not None:
            found += look_at_containers(self.engine, self.current.images, self.memory)
        served = self.engine is None or serves_the_certificate(self.engine, self.root, services)
        if self.acme is not None:
            found += look_at_acme(self.acme, self.root, served)
        else:
            found += look_at_certificate(self.root, self.renews, served)
        return found


# ---- What begins, and what is over ----


def note(memory: Memory, findings: list[Finding] | None) -> tuple[list[Known], list[Known]]:
    """Remembers a look. What has begun with it, and what is over."""
    memory.boot, memory.looked, memory.looked_at = boot(), uptime(), utc()
    if findings is None:
        return [], []
    begun, over = [], []
    there = {one.key: one for one in findings}
    for key, one in there.items():
        known = memory.known.setdefault(key, Known(one.what, one.todo, utc(), one.sure))
        known.what, known.todo, known.sure, known.unseen = one.what, one.todo, one.sure, 0
        known.seen += 1
        if known.seen >= known.sure and not known.begun:
            known.begun = True
            begun.append(known)
    for key, known in list(memory.known.items()):
        if key in there:
            continue
        known.seen, known.unseen = 0, known.unseen + 1
        if not known.begun or known.unseen >= OVER:
            del memory.known[key]
            if known.begun:
                over.append(known)
    return begun, over


def worded(begun: list[Known], over: list[Known], site: str, host: str) -> tuple[str, str]:
    """The subject and the text of a message."""
    first = (begun or over)[0]
    rest = len(begun) + len(over) - 1
    subject = f"[{site}] {'' if begun else 'over: '}{first.what}{f', and {rest} more' if rest else ''}"
    lines = [f"{site} on {host}:", ""]
    for one in begun:
        lines += [f"- {one.what}, since {one.since}.", f"  What to do: {one.todo}.", ""]
    for one in over:
        lines += [f"- Over: {one.what} (since {one.since}).", ""]
    lines.append("`sudo inception health` on the machine, or `make status`, tells how it is now.")
    return re.sub(r"[\x00-\x1f\x7f]", " ", subject)[:200], "\n".join(lines)


def shown(memory: Memory) -> list[str]:
    """What is known, for people."""
    if not memory.looked_at:
        return ["health: not looked at yet"]
    lines = [line for one in memory.begun.values() for line in Finding("", one.what, one.todo).lines(one.since)]
    if memory.untold:
        lines += Finding("", f"nobody could be told: {memory.untold}", "look at stack_health_* and deploy").lines()
    silent = uptime() - memory.looked if memory.boot == boot() else 0.0
    if silent > SILENT_SECONDS:
        todo = "`systemctl status inception-health.timer` (Alpine: `rc-service crond status`) says why"
        lines += Finding("", f"the machine has not looked at itself since {memory.looked_at}", todo).lines()
    if not lines:
        return [f"health: all is well (looked at {memory.looked_at})"]
    return [f"health: WARNING (looked at {memory.looked_at})", *(f"  {line}" for line in lines)]
