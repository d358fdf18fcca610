# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's own stack becomes that of a cluster: its files are copied beside it, it ends in order, and what looked
after it goes. Private to this collection.

Each step is written down when it is done, so that a run that was cut off is gone on with by the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _history, _lease, _places
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines

# Below the root of the file system: how far it is, and what is kept of the machine's own.
STATE = "var/lib/fortytwo.inception/cluster/from_one.json"
KEPT = "var/lib/fortytwo.inception/before-cluster"
# How far: nothing of the site was touched; its containers are being ended; all that it had is with the cluster.
BEGUN, ENDING, ENDED = "", "ending", "ended"
# What the machine does about itself, and what it is at for a while.
TIMERS = ("inception-health.timer", "inception-update.timer", "inception-backup.timer")
WATCH = "inception-watch.service"
WORKERS = ("inception-health.service", "inception-update.service", "inception-backup.service")
UNITS = "etc/systemd/system"
PROGRAM = "usr/local/sbin/inception"
STAMPS = "var/lib/systemd/timers"
# Seconds that visitors are held at most, and that what is at work may take to end.
HELD = 120
PATIENCE = 300.0
PAUSE = 1.0
# Seconds that a container may take to end which lets no visitor in.
END_SECONDS = 70
ONE_OFF = "com.docker.compose.oneoff"
DEPENDS = "com.docker.compose.depends_on"
# What rsync ends with where a file went while it looked: the last time it comes by, nobody writes.
VANISHED = 24

# What runs a program: its words, and what it reads. Its code, output and errors come back.
Run = Callable[[list[str], str], "tuple[int, str, str]"]


class MoveProblem(Exception):
    """What is wrong, for the user; and whether the machine's own stack runs as before."""

    runs = True


def run(words: list[str], given: str = "") -> tuple[int, str, str]:
    # What a program says is read: in one language.
    env = os.environ | {"LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    done = subprocess.run(words, input=given, capture_output=True, text=True, errors="replace", check=False, env=env)
    return done.returncode, done.stdout, done.stderr


@dataclass(frozen=True)
class Container:
    """One of the machine's own stack."""

    id: str
    service: str
    running: bool
    one_off: bool
    after: frozenset[str]
    ports: frozenset[int]
    networks: frozenset[str]

    @classmethod
    def of(cls, told: dict[str, Any]) -> Container:
        labels = (told.get("Config") or {}).get("Labels") or {}
        bound = ((told.get("HostConfig") or {}).get("PortBindings") or {}).values()
        return cls(
            id=str(told["Id"]),
            service=str(labels.get(_engine.SERVICE, "")),
            running=bool((told.get("State") or {}).get("Running")),
            one_off=labels.get(ONE_OFF) == "True",
            after=frozenset(one.partition(":")[0] for one in str(labels.get(DEPENDS) or "").split(",") if one),
            ports=frozenset(int(port["HostPort"]) for ports in bound for port in ports or [] if port.get("HostPort")),
            networks=frozenset((told.get("NetworkSettings") or {}).get("Networks") or {}),
        )


def in_turns(containers: Iterable[Container]) -> list[list[Container]]:
    """Who ends with whom: first who lets visitors in, and nobody before those that need it."""
    left = list(containers)
    found = [[one for one in left if one.ports]] if any(one.ports for one in left) else []
    left = [one for one in left if not one.ports]
    while left:
        needed = {name for one in left for name in one.after}
        turn = [one for one in left if one.service not in needed] or left
        found.append(turn)
        left = [one for one in left if one not in turn]
    return found


def phase(root: Path) -> str:
    """How far it is, as it was written down."""
    return str(_history.read(root / STATE).get("phase", BEGUN))


@dataclass
class Move:
    """Of one machine."""

    project: str
    project_dir: str
    data_dir: str
    manifest: str
    shared_dir: str
    # What is the same on every node of the cluster.
    volumes: list[str]
    uid: int
    gid: int
    root: Path = Path("/")
    run: Run = run
    systemd: bool = True

    @classmethod
    def told(cls, told: dict[str, Any]) -> Move:
        """As a module is told."""
        owner = pwd.getpwnam(told["owner"])
        names = ("project", "project_dir", "data_dir", "manifest", "shared_dir", "volumes")
        systemd = Path("/run/systemd/system").is_dir()
        return cls(**{name: told[name] for name in names}, uid=owner.pw_uid, gid=owner.pw_gid, systemd=systemd)

    # ---- What there is ----

    def docker(self, *words: str) -> str:
        code, output, errors = self.run(["docker", *words], "")
        if code:
            raise MoveProblem(f"docker {' '.join(words[:2])}: {(last_lines(errors or output, 1) or ['no word'])[0]}")
        return output

    def containers(self) -> list[Container]:
        """By the folder that compose made them from: a name is nobody's alone."""
        ids = self.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={_engine.NUMBER_LABEL}").split()
        told = json.loads(self.docker("inspect", "--type", "container", *ids)) if ids else []
        return [Container.of(one) for one in told if self._is_ours((one.get("Config") or {}).get("Labels") or {})]

    def _is_ours(self, labels: dict[str, str]) -> bool:
        folder = str(labels.get(_engine.WORKING_DIR) or "")
        return folder == self.project_dir or folder.startswith(f"{self.project_dir}/")

    def phase(self) -> str:
        """How far it is. Where all of the machine's own runs again, somebody went back to it: all begins anew."""
        found = phase(self.root)
        if found == BEGUN:
            return BEGUN
        services = [one for one in self.containers() if not one.one_off]
        return BEGUN if services and all(one.running for one in services) else found

    def note(self, now: str, ran: Iterable[str] = ()) -> None:
        file = self.root / STATE
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _history.write(file, {"phase": now, "ran": sorted(ran), "since": _lease.utc()})

    @property
    def there(self) -> bool:
        """Whether there is a stack of the machine's own still."""
        return (self.root / self.manifest.lstrip("/")).exists()

    # ---- Its files, while it runs and when it has ended ----

    def copy(self) -> int:
        """Brings to the cluster what is the same on every node there. How many files that were."""
        brought = 0
        for name in self.volumes:
            source = f"{self.data_dir}/{name}"
            if not os.path.isdir(source):
                continue
            # As their owner, who could put a link there while root looks.
            argv = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
            argv += ["rsync", "--archive", "--hard-links", "--delete", "--whole-file", "--inplace"]
            argv += ["--modify-window=-1", "--out-format=%i", f"{source}/", f"{self.shared_dir}/{name}/"]
            code, output, errors = self.run(argv, "")
            if code not in (0, VANISHED):
                said = (last_lines(errors, 1) or [f"rsync ended with {code}"])[0]
                raise MoveProblem(f"{source} could not be copied to the cluster's files: {said}")
            brought += sum(not line.startswith(".") for line in output.splitlines())
        return brought

    # ---- From the one to the other ----

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """With the machine's lease, from the end of the one until the other is well."""
        lease = _lease.Lease(self.root / _places.LEASE)
        name = f"cluster:{os.getpid()}"
        try:
            lease.take(name, "make cluster", "taking the site over into a cluster")
        except _lease.Held as held:
            problem = MoveProblem(f"{held}; nothing was changed. When that is over: make cluster again")
            problem.runs = self.phase() == BEGUN
            raise problem from None
        try:
            with lease.kept(name):
                yield
        finally:
            lease.release(name)

    def end(self) -> bool:
        """Ends the machine's own stack in order, with its last files at the cluster. Whether there was something."""
        if not self.there or self.phase() == ENDED:
            return False
        self._end()
        return True

    def _end(self) -> None:
        containers = self.containers()
        networks = self._networks(containers)
        # Of a run that was cut off, some have ended already.
        ran = {one.id for one in containers if one.running}
        if self.phase() == ENDING:
            ran |= set(_history.read(self.root / STATE).get("ran") or [])
        self._rest()
        self.note(ENDING, ran)
        held = self.hold(sorted({port for one in containers for port in one.ports}))
        try:
            # None of them comes back with the engine's next start.
            if containers:
                self.docker("update", "--restart=no", *(one.id for one in containers))
            for turn in in_turns([one for one in containers if one.running]):
                # The database writes down what it has in memory.
                patience = () if any(one.ports for one in turn) else ("-t", str(END_SECONDS))
                self.docker("stop", *patience, *(one.id for one in turn))
            self.copy()
        except BaseException:
            self._back([one for one in containers if one.id in ran])
            if held:
                self.hold([])
            raise
        # A network of the swarm has the same name. Only now: without them, the containers cannot start again.
        try:
            if networks:
                self.docker("network", "rm", *networks)
        except MoveProblem as problem:
            problem.runs = False
            raise
        self.note(ENDED)

    def _networks(self, containers: list[Container]) -> list[str]:
        """Those of the machine's own stack, which nobody else may be in."""
        names = self.docker(
            "network", "ls", "--filter", f"label={_engine.PROJECT}={self.project}", "--format", "{{.Name}}"
        ).split()
        ours = {one.id for one in containers}
        for one in json.loads(self.docker("network", "inspect", *names)) if names else []:
            if others := set(one.get("Containers") or {}) - ours:
                told = sorted(str(one["Containers"][other].get("Name", other)) for other in others)
                raise MoveProblem(
                    f"{', '.join(told)} is in the network {one['Name']}, which goes with its own stack; take "
                    f"it out of there: docker network disconnect {one['Name']} {told[0]}"
                )
        return names

    def _rest(self) -> None:
        """What looks after the machine's own stack does so no more: none of it starts that stack again."""
        if not self.systemd:
            return
        # With the machine's next start, too.
        self.run(["systemctl", "disable", "--now", *self._timers()], "")
        self.run(["systemctl", "stop", WATCH], "")
        end = time.monotonic() + PATIENCE
        while busy := [name for name in WORKERS if self._is_at_work(name)]:
            if time.monotonic() > end:
                self._watch_again()
                raise MoveProblem(f"{busy[0]} is at work; nothing was ended. When that is over: make cluster again")
            time.sleep(PAUSE)

    def _is_at_work(self, name: str) -> bool:
        state = self.run(["systemctl", "show", "--property=ActiveState", "--value", name], "")[1]
        return state.strip() in ("activating", "active", "deactivating", "reloading")

    def _watch_again(self) -> None:
        self.run(["systemctl", "enable", "--now", *self._timers()], "")

    def _timers(self) -> list[str]:
        return [name for name in TIMERS if (self.root / UNITS / name).exists()]

    def _back(self, containers: list[Container]) -> None:
        """It was not to be: what ran runs again, as it was."""
        if containers:
            self.run(["docker", "update", "--restart=unless-stopped", *(one.id for one in containers)], "")
        for turn in reversed(in_turns(containers)):
            self.run(["docker", "start", *(one.id for one in turn)], "")
        self.note(BEGUN)
        if self.systemd:
            self._watch_again()

    def hold(self, ports: list[int]) -> bool:
        """Who knocks at these knocks again by himself: nobody is refused. Where the firewall is off, everybody is."""
        lines = "flush set inet inception held\n"
        if ports:
            elements = ", ".join(f"{port} timeout {HELD}s" for port in ports)
            lines += f"add element inet inception held {{ {elements} }}\n"
        with contextlib.suppress(OSError):
            return self.run(["nft", "-f", "-"], lines)[0] == 0
        return False

    # ---- What is left of the one ----

    def clear(self) -> bool:
        """Takes away what only the machine's own stack needs, when the cluster has the site. Whether there was any."""
        if not self.there:
            return False
        if phase(self.root) != ENDED:
            raise MoveProblem("the machine's own stack has not ended yet")
        if ids := [one.id for one in self.containers()]:
            self.docker("rm", "--force", *ids)
        names = {f"{self.project}_{name}" for name in self.volumes}
        listed = self.docker("volume", "ls", "--quiet", "--filter", f"label={_engine.PROJECT}={self.project}").split()
        # Of the engine alone: the folder that it stands for stays.
        if gone := sorted(names & set(listed)):
            self.docker("volume", "rm", *gone)
        self._remove_units()
        (self.root / PROGRAM).unlink(missing_ok=True)
        kept = self.root / KEPT
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._put_away_project(kept)
        ours = self.root / "var/lib/fortytwo.inception"
        # Its backups are the cluster's, in the same place and with the same key.
        for name in ("history", "health", "updates", "failures"):
            if (ours / name).exists():
                self._move(ours / name, kept / name)
        for name in self.volumes:
            folder = Path(self.data_dir, name)
            if folder.is_dir() and not folder.is_symlink():
                self._move(folder, folder.with_name(f"{name}.before-cluster"))
        # The last: until it is gone, the next run goes on here.
        self._move(self.root / self.manifest.lstrip("/"), kept / Path(self.manifest).name)
        (self.root / STATE).unlink(missing_ok=True)
        return True

    @staticmethod
    def _move(source: Path, target: Path) -> None:
        """Beside one of an earlier time."""
        number, wanted = 1, target
        while os.path.lexists(wanted):
            number += 1
            wanted = target.with_name(f"{target.name}.{number}")
        os.rename(source, wanted)

    def _remove_units(self) -> None:
        units = self.root / UNITS
        names = [name for name in self._units() if os.path.lexists(units / name)]
        if self.systemd and names:
            self.run(["systemctl", "disable", "--now", *names], "")
        for name in self._units():
            for place in (
                units / name,
                *(units / f"{by}.wants" / name for by in ("multi-user.target", "timers.target")),
            ):
                place.unlink(missing_ok=True)
            (self.root / STAMPS / f"stamp-{name}").unlink(missing_ok=True)
        if self.systemd and names:
            self.run(["systemctl", "daemon-reload"], "")

    @staticmethod
    def _units() -> Iterator[str]:
        yield "inception-resume.service"
        for name in ("health", "update", "backup"):
            yield f"inception-{name}.timer"
            yield f"inception-{name}.service"

    def _put_away_project(self, kept: Path) -> None:
        """The files of the project, by which somebody could start it again beside the cluster. What its owner has put
        there stays, and the secrets, which are the cluster's now."""
        project = _history.Project(self.project_dir, str(self.root / self.manifest.lstrip("/")))
        files = project.read()
        if not files:
            return
        there = kept / "project"
        if os.path.lexists(there):
            self._move(there, kept / "project.former")
        for path, file in files.items():
            place = there / path
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.write_bytes(file.data)
            place.chmod(stat.S_IMODE(file.mode) & 0o700)
        project.restore({})


def size_of(folders: Iterable[str]) -> int:
    """Bytes of all files; what goes meanwhile has none."""
    total = 0
    for folder in folders:
        for place, dummy, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


def free(path: str) -> int:
    """Of the file system in which something is or will be made."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free
