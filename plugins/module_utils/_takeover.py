# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that runs becomes another one, and its visitors notice nothing. Private to this collection.

What is to be done follows from what runs, and not from which files were written: what a run that was cut off has left
is done by the next one in the same way. The new is tried beside the old; then each service gives way to its successor
in the order that its description names.
"""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._failures import Failure, last_lines, likely
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    NUMBER_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    GivenUp,
    Stack,
    Wish,
    at_work,
)

# The name by which a container is told which issues of its secrets it uses.
SERIALS = "SECRETS"
SECRETS = "/run/secrets/"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
RECREATED = {"Recreate", "Recreated"}
PLAN_LINE = re.compile(r"Container (\S+) +(\w+) *$")
TRIAL_PROJECT = "inception-trial"
TRIAL_FOLDER = Path("/var/lib/fortytwo.inception/trial")
# What a container that is tried beside the others needs.
TRIAL_DISK = 512 << 20
TRIAL_MEMORY = 256 << 20
# How often a command for the time after an update is begun before it counts as failed.
FINISHES = 3
# Longer than any container is given to stop.
STOP_SECONDS = 120
# How long the firewall holds new connections after the last renewal, and how often it is renewed: whoever holds them
# may die, and nobody shall wait for long then.
HELD_SECONDS = 5
HELD_RENEWED = 2.0
HELD_AT_MOST = 120.0
# Who has come in before the doors were closed may still ask.
ASKING_SECONDS = 1.0
# NGINX keeps a name's addresses for a second (nginx.conf: valid), which it counts in whole ones.
NAMES_SECONDS = 2.0
# How long a container that has just started may take until it counts as unwell. Right after the machine's start they
# all are about to be well; what is taken for unwell is replaced at its place, and visitors wait for that.
STARTS_SECONDS = 60.0


@dataclass(frozen=True)
class Service:
    """What a description says of how a service is tried and replaced."""

    name: str
    update_order: str = "stop_first"
    beside: tuple[str, ...] = ()
    trial: tuple[str, ...] = ()
    starts_alone: bool = False
    after_update: tuple[str, ...] = ()
    tcp_ports: tuple[int, ...] = ()
    talks_to: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    env: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: dict[str, Any]) -> Service:
        return cls(
            name=told["name"],
            update_order=told.get("update_order") or "stop_first",
            beside=tuple(told.get("beside") or ()),
            trial=tuple(told.get("trial") or ()),
            starts_alone=bool(told.get("starts_alone")),
            after_update=tuple(told.get("after_update") or ()),
            tcp_ports=tuple(told.get("tcp_ports") or ()),
            talks_to=tuple(told.get("talks_to") or ()),
            files=dict(told.get("files") or {}),
            env=tuple(told.get("env") or ()),
        )


@dataclass(frozen=True)
class Running:
    """A container as `docker inspect` tells of it."""

    id: str
    name: str
    service: str
    one_off: bool
    running: bool
    paused: bool
    health: str
    pid: int
    created: str
    hash: str
    image: str
    image_id: str
    env: dict[str, str]
    networks: frozenset[str]
    restarts: int
    # Seconds since the epoch.
    started: float = 0.0

    @property
    def well(self) -> bool:
        return self.running and not self.paused and self.health in ("", "none", "healthy")

    @property
    def unwell(self) -> bool:
        return not self.running or self.health == "unhealthy"

    def starting(self, now: float) -> bool:
        """Whether it began a moment ago and is about to be well. Who ends and begins again is not."""
        young = abs(now - self.started) < STARTS_SECONDS
        return self.running and not self.paused and self.health == "starting" and self.restarts == 0 and young


def seconds(told: str) -> float:
    """A time as Docker tells it."""
    try:
        return float(calendar.timegm(time.strptime(told[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0


def read_running(told: dict[str, Any]) -> Running:
    config, state = told.get("Config") or {}, told.get("State") or {}
    labels = config.get("Labels") or {}
    return Running(
        id=told["Id"],
        name=str(told["Name"]).lstrip("/"),
        service=labels.get(SERVICE_LABEL, ""),
        one_off=labels.get(ONE_OFF_LABEL) == "True",
        running=state.get("Status") in ("running", "paused"),
        paused=state.get("Status") == "paused",
        health=(state.get("Health") or {}).get("Status", ""),
        pid=int(state.get("Pid") or 0),
        created=told.get("Created", ""),
        hash=labels.get("com.docker.compose.config-hash", ""),
        image=config.get("Image", ""),
        image_id=told.get("Image", ""),
        env=dict(pair.partition("=")[::2] for pair in config.get("Env") or []),
        networks=frozenset((told.get("NetworkSettings") or {}).get("Networks") or {}),
        restarts=int(told.get("RestartCount") or 0),
        started=seconds(str(state.get("StartedAt") or "")),
    )


@dataclass
class Plan:
    """What there is to do."""

    # By service, the containers that give way, as they run now.
    outdated: dict[str, list[Running]] = field(default_factory=dict)
    # Services of which nothing runs, and what runs unwell though it is as described.
    absent: list[str] = field(default_factory=list)
    ailing: list[Running] = field(default_factory=list)
    # What somebody has paused.
    paused: list[str] = field(default_factory=list)
    # Containers that have a successor already, or belong to nothing any more.
    surplus: list[Running] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    # Containers that are not in a network of their service: container, network, names there.
    unconnected: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    # Not healthy yet, which is to be waited for.
    waiting: list[str] = field(default_factory=list)
    # Compose did not say what it would do: then it is asked to do it.
    unknown: bool = False

    @property
    def empty(self) -> bool:
        return not any(vars(self).values())

    def lines(self) -> list[str]:
        """For people."""
        return [
            *(f"replace {name}" for name in sorted(self.outdated)),
            *(f"start {name}" for name in sorted(self.absent)),
            *(f"start {one.name} anew, which is not well" for one in self.ailing),
            *(f"wake {name}" for name in self.paused),
            *(f"remove {one.name}" for one in self.surplus),
            *(f"remove {name}" for name in self.orphans),
            *(f"connect {container} to {network}" for container, network, dummy in self.unconnected),
            *(f"wait for {name}" for name in self.waiting),
            *(["whatever compose finds, which made no plan"] if self.unknown else []),
        ]


def planned(output: str) -> dict[str, set[str]]:
    """What compose would do, by the names of containers."""
    found: dict[str, set[str]] = {}
    for line in output.splitlines():
        if place := PLAN_LINE.search(line.rstrip()):
            found.setdefault(place[1], set()).add(place[2])
    return found


def in_order(names: Iterable[str], described: dict[str, Any]) -> list[str]:
    """Services, each behind those that it waits for."""
    left, ordered = sorted(names), []
    while left:
        ready = [one for one in left if not set(described.get(one, {}).get("depends_on") or {}) & set(left)] or left[:1]
        ordered += ready
        left = [one for one in left if one not in ready]
    return ordered


def free_memory() -> int:
    found = re.search(r"(?m)^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) << 10 if found else TRIAL_MEMORY


class Takeover:
    """One compose project of this machine, on its way to what its files say."""

    def __init__(self, stack: Stack, services: Iterable[Service], trial_seconds: int) -> None:
        self.stack = stack
        self.services = {service.name: service for service in services}
        self.trial_seconds = trial_seconds
        self.replaced: list[str] = []

    # -- questions --

    def service(self, name: str) -> Service:
        return self.services.get(name, Service(name))

    def inspect(self, *filters: str) -> list[Running]:
        found = self.stack.ask("ps", "--all", "--quiet", "--no-trunc", *(f"--filter={one}" for one in filters)).split()
        if not found:
            return []
        # One may be gone by now; then those that are left are told of.
        told = self.stack.ask("inspect", "--type", "container", *found, check=False)
        return [read_running(one) for one in json.JSONDecoder().raw_decode(told.strip() or "[]")[0]]

    def containers(self) -> list[Running]:
        found = self.inspect(f"label={PROJECT_LABEL}={self.stack.project}", f"label={NUMBER_LABEL}")
        return [one for one in found if not one.one_off]

    def plan(self) -> Plan:
        """What there is to do, by what runs. A plan that compose cannot make is made without it."""
        done = subprocess.run(
            ["docker", "compose", "--dry-run", "create", "--no-build", "--pull", "never", "--remove-orphans"],
            cwd=self.stack.wish.source,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        steps = planned(done.stderr) if done.returncode == 0 else None
        plan = Plan(unknown=steps is None)
        by_service: dict[str, list[Running]] = {name: [] for name in self.stack.described}
        for one in self.containers():
            if one.service in by_service:
                by_service[one.service].append(one)
            else:
                plan.orphans.append(one.name)
        if steps is not None:
            self._forget_dependents(steps, by_service)
        for name, found in by_service.items():
            self._plan_service(plan, name, found, steps)
        plan.unconnected = list(self._unconnected(one for found in by_service.values() for one in found))
        return plan

    def _forget_dependents(self, steps: dict[str, set[str]], by_service: dict[str, list[Running]]) -> None:
        """Compose replaces with a container whoever waits for it. Where one that gives way is still there beside its
        successor, who is as described stays: visitors have waited for a new door already."""
        crowded = {name for name, found in by_service.items() if len(found) > 1}
        asked = [
            found[0]
            for name, found in by_service.items()
            if len(found) == 1 and RECREATED & steps.get(found[0].name, set()) and self._leans_on(name, crowded)
        ]
        if not asked:
            return
        told = self.stack.ask("compose", "config", "--hash", ",".join(one.service for one in asked), check=False)
        hashes = dict(line.split()[:2] for line in told.splitlines() if len(line.split()) == 2)
        for one in asked:
            image = self.stack.ask("image", "inspect", "--format", "{{.Id}}", one.image, check=False).strip()
            if hashes.get(one.service) == one.hash and image == one.image_id:
                steps[one.name] -= RECREATED

    def _plan_service(self, plan: Plan, name: str, found: list[Running], steps: dict[str, set[str]] | None) -> None:
        # What a replacement that was cut off has left: a container that was not started, under a name in between.
        usual = re.compile(rf"{re.escape(self.stack.project)}-{re.escape(name)}-\d+")
        some_run = any(one.running for one in found)
        left = [one for one in found if not one.running and (some_run or not usual.fullmatch(one.name))]
        plan.surplus += left
        found = [one for one in found if one not in left]
        outdated = [one for one in found if self._outdated(one, found, steps)]
        current = [one for one in found if one not in outdated]
        if not [one for one in current if one.running]:
            # What was stopped and is as described is started, and no other one is made.
            if outdated:
                plan.outdated[name] = outdated
            else:
                plan.absent.append(name)
            return
        # Cut off between the start of a successor and the end of what it succeeds.
        kept = next((one for one in current if one.well), current[0])
        if kept.well:
            plan.surplus += [one for one in found if one is not kept]
        elif outdated:
            plan.outdated[name] = outdated
        if kept.paused:
            plan.paused.append(kept.name)
        elif kept.unwell and not at_work([kept.pid]):
            plan.ailing.append(kept)
        elif not kept.well:
            plan.waiting.append(name)

    def _outdated(self, one: Running, found: list[Running], steps: dict[str, set[str]] | None) -> bool:
        """Whether a container is not what the project's files make now."""
        described = self.stack.described[one.service]
        if one.image != described.get("image", one.image):
            return True
        newest = max(found, key=lambda other: other.created)
        if steps is None:
            # Compose recreates it, if need be, when the services are brought up.
            return one.hash != newest.hash
        if self._reads_older_files(one):
            return True
        if len(found) > 1:
            # Of several, compose would keep any.
            return one.hash != newest.hash or self._environment(one) != {}
        return bool(RECREATED & steps.get(one.name, set()))

    def _environment(self, one: Running) -> dict[str, str]:
        """The values that a container would get now and does not have."""
        described = self.stack.described[one.service].get("environment") or {}
        wanted = {name: str(value).replace("$$", "$") for name, value in described.items() if value is not None}
        return {name: value for name, value in wanted.items() if one.env.get(name) != value}

    def _reads_older_files(self, one: Running) -> bool:
        """A container is bound to the files that were there when it was made: another certificate is another file."""
        # Compose tells the whole path in the container, also of a secret that is only named in the file.
        mounts = {
            str(mount.get("target") or mount["source"]).removeprefix(SECRETS): self.stack.secret_files.get(
                mount["source"]
            )
            for mount in self.stack.described[one.service].get("secrets") or []
        }
        for name in self.service(one.service).files:
            path = mounts.get(name)
            if not path or one.pid <= 0:
                continue
            try:
                there, here = os.stat(path), os.stat(f"/proc/{one.pid}/root{SECRETS}{name}")
            except OSError:
                continue
            if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
                return True
        return False

    def _unconnected(self, containers: Iterable[Running]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        for one in containers:
            if not one.running:
                continue
            for key, options in (self.stack.described[one.service].get("networks") or {}).items():
                network = self.stack.network_names.get(key, key)
                if network not in one.networks:
                    aliases = (one.service, one.name, *((options or {}).get("aliases") or ()))
                    yield one.name, network, aliases

    # -- the trial --

    def try_out(self, plan: Plan) -> None:
        """Tries what is new beside what runs. Whatever fails here has changed nothing."""
        new = in_order([*plan.outdated, *plan.absent], self.stack.described)
        ids = self._image_ids(new)
        changed = [name for name in new if self._has_news(name, plan, ids)]
        alone = [name for name in changed if self.service(name).starts_alone]
        if alone:
            self._ask_for_room(alone)
        for name in changed:
            if self.service(name).trial:
                self._run_trial(self.service(name))
        if alone:
            self._start_alone(alone)

    def _image_ids(self, names: list[str]) -> dict[str, str]:
        """What the images of services are now: one that was built anew may have the former's name."""
        images = {name: self.stack.described[name].get("image", "") for name in names}
        told = self.stack.ask("image", "inspect", "--format", "{{.Id}}", *images.values()) if names else ""
        return dict(zip(names, told.splitlines(), strict=True))

    def _has_news(self, name: str, plan: Plan, ids: dict[str, str]) -> bool:
        """Whether more than the place of a container is new: its image, or what it is told."""
        return not any(
            one.image_id == ids[name] and not set(self._environment(one)) - {SERIALS}
            for one in plan.outdated.get(name, [])
        )

    def _ask_for_room(self, names: list[str]) -> None:
        root = self.stack.ask("info", "--format", "{{.DockerRootDir}}").strip() or "/var/lib/docker"
        for place in (root, "/var/lib"):
            free = shutil.disk_usage(place if Path(place).exists() else "/").free
            if free < TRIAL_DISK:
                what = (
                    f"There is no room to try the new {', '.join(names)} beside what runs: {free >> 20} MiB are free "
                    f"where {place} is, and {TRIAL_DISK >> 20} MiB are needed."
                )
                raise GivenUp(Failure(what=what, cause=likely("No space left on device")))
        if (free := free_memory()) < TRIAL_MEMORY:
            what = (
                f"There is no memory to try the new {', '.join(names)} beside what runs: {free >> 20} MiB are "
                f"available, and {TRIAL_MEMORY >> 20} MiB are needed."
            )
            raise GivenUp(Failure(what=what, cause=likely("Out of memory")))

    def _in_new(self, name: str, command: tuple[str, ...]) -> tuple[str, int]:
        """What a command says in a container of a service's new image, in place of its entrypoint."""
        argv = [
            *("timeout", str(self.trial_seconds), "docker", "compose", "run", "--rm", "--no-deps", "--no-TTY"),
            *("--entrypoint", command[0], name, *command[1:]),
        ]
        return self.stack.follow(argv, lambda dummy: None)

    def _run_trial(self, service: Service) -> None:
        """A container of the new image runs the service's own trial, with its settings, secrets, volumes, networks."""
        self.stack.tell(f"trying the new {service.name}")
        output, code = self._in_new(service.name, service.trial)
        if code == 0:
            return
        words = [line for line in output.splitlines() if not re.match(r" *(Network|Volume|Container) \S", line)]
        text = "\n".join(words)
        # 143: from busybox, which says what its program says.
        if code in (124, 143):
            text += f"\nIt did not end within {self.trial_seconds} s."
        raise GivenUp(
            Failure(
                what=f"The new {service.name} was tried ({' '.join(service.trial)}) and is not well.",
                parts=[("It says", last_lines(text, 8, whole=True) or ["nothing"])],
                cause=likely(text),
            ),
            service.name,
            output,
        )

    def _start_alone(self, names: list[str]) -> None:
        """Containers of the new images start beside the others, with empty volumes and no network."""
        self.stack.tell(f"trying the new {', '.join(names)}")
        self.remove_trials()
        TRIAL_FOLDER.mkdir(mode=0o700, parents=True)
        project = {
            "name": TRIAL_PROJECT,
            "services": {name: self._alone(name) for name in names},
            "secrets": self.stack.told.get("secrets") or {},
        }
        source = TRIAL_FOLDER / "project"
        source.mkdir()
        (source / "docker-compose.yml").write_text(json.dumps(project), encoding="utf-8")
        wish = self.stack.wish
        trial = Stack(
            Wish(str(source), [], {}, "auto", False, wish.patience, min(wish.timeout, 10 * self.trial_seconds)),
            tell=lambda line: self.stack.tell(f"the trial: {line}"),
        )
        try:
            trial.read()
            trial.start()
        except GivenUp as error:
            error.failure.what = f"A container of the new image was started beside what runs: {error.failure.what}"
            raise
        finally:
            self.remove_trials()

    def _alone(self, name: str) -> dict[str, Any]:
        told = dict(self.stack.described[name])
        for key in ("networks", "ports", "depends_on", "build", "container_name", "env_file", "volumes", "deploy"):
            told.pop(key, None)
        uid, dummy, gid = str(told.get("user") or "0").partition(":")
        mounts = []
        for number, volume in enumerate(self.stack.described[name].get("volumes") or []):
            empty = TRIAL_FOLDER / f"{name}-{number}"
            empty.mkdir()
            if uid.isdecimal():
                os.chown(empty, int(uid), int(gid) if gid.isdecimal() else -1)
            # The containers' user goes through it, and nobody else gets there.
            TRIAL_FOLDER.chmod(0o711)
            mounts.append({"type": "bind", "source": str(empty), "target": volume["target"]})
        limits = ((self.stack.described[name].get("deploy") or {}).get("resources") or {}).get("limits") or {}
        return {
            **told,
            "network_mode": "none",
            "restart": "no",
            "volumes": mounts,
            "deploy": {"resources": {"limits": limits}},
        }

    def remove_trials(self) -> None:
        """What is tried leaves nothing, and what a trial that was cut off has left goes."""
        left = [one.id for one in self.inspect(f"label={PROJECT_LABEL}={TRIAL_PROJECT}")]
        left += [one.id for one in self.inspect(f"label={ONE_OFF_LABEL}=True") if one.service in self.stack.described]
        if left:
            self.stack.ask("rm", "--force", "--volumes", *left, check=False)
        shutil.rmtree(TRIAL_FOLDER, ignore_errors=True)

    # -- the take-over --

    def when_started(self, plan: Plan) -> Plan:
        """What there is to do when all that has just started is well or is not."""
        if not plan.waiting and not any(one.starting(time.time()) for found in plan.outdated.values() for one in found):
            return plan
        end = time.monotonic() + STARTS_SECONDS
        told = ""
        while names := sorted(one.name for one in self.containers() if one.starting(time.time())):
            if time.monotonic() > end:
                break
            if told != (told := ", ".join(names)):
                self.stack.tell(f"waiting for what has just started: {told}")
            time.sleep(1)
        return self.plan()

    def take(self, plan: Plan) -> None:
        """Does it. Raises GivenUp where a service is not well in the end."""
        if plan.paused:
            self.stack.ask("unpause", *plan.paused, check=False)
        well = {name for name, found in plan.outdated.items() if all(one.well for one in found)}
        together = self.together(plan) if len(well) == len(plan.outdated) else set()
        unable = self.not_beside(plan, well)
        late = self.late(plan, well)
        self.remove([one.id for one in plan.surplus if one not in late])
        self.connect(plan)
        if ahead := self.ahead(plan, together - unable):
            for name in ahead:
                self.start_beside(name)
            # The former ones are surplus now, as where a run was cut off here.
            self.take(self.plan())
            return
        together |= unable
        if plan.ailing:
            self.stack.tell(f"starting anew: {', '.join(one.name for one in plan.ailing)}")
            self.remove([one.id for one in plan.ailing])
        if together:
            # They do not understand one another, or the former one, until the last is there: visitors wait that long.
            self.stack.tell(f"replacing together: {', '.join(sorted(together))}")
            with self.held(port for service in self.services.values() for port in service.tcp_ports):
                self._close_doors()
                self.up()
            self.replaced += sorted(plan.outdated)
        else:
            self._one_by_one(plan, well, late)
        self.up()

    def finish(self) -> None:
        """What services want done when all are well. A data folder has no way back, so a failure is a warning."""
        for one in self.containers():
            command = self.service(one.service).after_update
            if not command or not one.running:
                continue
            argv = ["timeout", str(self.trial_seconds), "docker", "exec", one.id, *command]
            output, code = "", 1
            # Docker may not begin a command on a busy machine; this one may be begun again.
            for dummy in range(FINISHES):
                output, code = self.stack.follow(argv, lambda unused: None)
                if code == 0:
                    break
            lines = last_lines(output, 3)
            if code:
                said = " | ".join(lines) or f"it ended with {code}"
                self.stack.warnings.append(
                    f"{one.service}: `{' '.join(command)}` failed after its update: {said}; "
                    "each deployment that changes something tries it again"
                )
            elif lines:
                self.stack.tell(f"{one.service}: {lines[-1]}")

    def _close_doors(self) -> None:
        """Who is inside is served to the end, and leaves: an open connection would ask on while nobody answers.

        What the doors wait for may be replaced with them.
        """
        doors = [one.id for one in self.containers() if self.service(one.service).update_order == "hold_connections"]
        time.sleep(ASKING_SECONDS)
        self._at_once(doors, lambda one: self.stack.ask("stop", one, check=False))

    @staticmethod
    def _at_once(ids: list[str], work: Callable[[str], object]) -> None:
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(work, ids))

    def _one_by_one(self, plan: Plan, well: set[str], late: list[Running]) -> None:
        unwell = {one.service for one in plan.ailing} | (set(plan.outdated) - well)
        careful = [name for name in in_order(well, self.stack.described) if not self._leans_on(name, unwell)]
        if plan.absent and not unwell:
            self.start(plan.absent, "never", self._as_many(late))
        for name in careful:
            if self.service(name).update_order == "start_first":
                self.beside(name, plan.outdated[name])
        # Who waits for a service that is replaced counts as outdated for compose; now it may not any more.
        left = self.plan().outdated if self.replaced else plan.outdated
        for name in careful:
            if self.service(name).update_order == "hold_connections" and name in left:
                with self.held(self.service(name).tcp_ports):
                    self._close_doors()
                    if late:
                        # Of two containers compose would keep any, so none is touched of what this one waits for.
                        self.stack.ask("rm", "--force", *(one.id for one in left[name]))
                        self.start([name], "never", self._as_many(late))
                    else:
                        self.start([name], recreate="always")
                self.replaced.append(name)
        self.remove([one.id for one in late])
        # What reads other files than it shall is no other one for compose, and is replaced by name.
        for name in in_order(left, self.stack.described):
            if name not in self.replaced and any(self._reads_older_files(one) for one in left[name]):
                self.start([name], recreate="always")
                self.replaced.append(name)
        self.replaced += sorted(set(left) - set(self.replaced))

    def _leans_on(self, name: str, others: set[str]) -> bool:
        """Whether a service waits for one of the others, by however many in between."""
        seen, left = set(), [name]
        while left:
            one = left.pop()
            seen.add(one)
            left += [dep for dep in self.stack.described.get(one, {}).get("depends_on") or {} if dep not in seen]
        return bool((seen - {name}) & others)

    def together(self, plan: Plan) -> set[str]:
        """Services that have to change at once: a value that one gives and another, who talks to it, uses."""
        return {name for pair in self._pairs(plan) for name in pair}

    def _pairs(self, plan: Plan) -> Iterator[tuple[str, str]]:
        """Who uses a value, and who gives it."""
        news = {name: {key for one in found for key in self._environment(one)} for name, found in plan.outdated.items()}
        for name, names in news.items():
            for other in self.service(name).talks_to:
                if names & news.get(other, set()) & set(self.service(other).env):
                    yield name, other

    def ahead(self, plan: Plan, together: set[str]) -> list[str]:
        """Of services that change at once, those whose new container can start while the doors are open.

        It gives the new value, and uses none that another one gives; whoever asks for it at the former place, and is
        replaced behind it, is a door. Visitors wait for that alone.
        """
        found = set(plan.outdated) - self._doors(plan.outdated)
        one_of_both = all(self.service(name).update_order == "start_first" for name in found)
        if not found <= together or not one_of_both or plan.absent or plan.ailing or found & set(self.replaced):
            return []
        return [] if found & {user for user, dummy in self._pairs(plan)} else in_order(found, self.stack.described)

    def late(self, plan: Plan, well: set[str]) -> list[Running]:
        """Former containers that a door still asks for at their place: where only doors are new, they go after them."""
        new = {*plan.outdated, *plan.absent}
        if not new or plan.ailing or new != self._doors(new) or well != set(plan.outdated):
            return []
        return [one for one in plan.surplus if one.running]

    def _as_many(self, some: list[Running]) -> dict[str, int]:
        """Of their services there are so many as there are."""
        there = Counter(one.service for one in self.containers()) if some else {}
        return {one.service: there[one.service] for one in some}

    def _doors(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if self.service(name).update_order == "hold_connections"}

    def not_beside(self, plan: Plan, well: set[str]) -> set[str]:
        """Services whose new container cannot work beside the old one, as it says itself."""
        asked = [
            name
            for name in sorted(well)
            if self.service(name).update_order == "start_first" and self.service(name).beside
        ]
        ids = self._image_ids(asked)
        return {
            name
            for name in asked
            if self._has_news(name, plan, ids) and self._in_new(name, self.service(name).beside)[1] != 0
        }

    def connect(self, plan: Plan) -> None:
        """What runs joins its new networks first, so that it and a successor reach each other while others change."""
        if not plan.unconnected:
            return
        there = set(self.stack.ask("network", "ls", "--format", "{{.Name}}").split())
        if any(network not in there for dummy, network, unused in plan.unconnected):
            self.stack.ask("compose", "create", "--no-recreate", "--no-build", "--pull", "never", check=False)
        for container, network, aliases in plan.unconnected:
            named = [part for alias in aliases for part in ("--alias", alias)]
            self.stack.ask("network", "connect", *named, network, container, check=False)

    def remove(self, ids: list[str]) -> None:
        """Containers end, when their requests are done, and go; all of them at once."""

        def end(one: str) -> None:
            self.stack.ask("stop", "--time", str(STOP_SECONDS), one, check=False)
            self.stack.ask("rm", "--force", one, check=False)

        self._at_once(ids, end)

    def start(self, names: list[str], recreate: str, scale: dict[str, int] | None = None, seconds: int = 0) -> None:
        wish = self.stack.wish
        part = Stack(
            Wish(wish.source, names, scale or {}, recreate, False, wish.patience, seconds or wish.timeout),
            tell=self.stack.tell,
        )
        # Visitors may be waiting at the door: compose is not asked again.
        part.understand(self.stack.told)
        part.start()
        self.stack.warnings += [line for line in part.warnings if line not in self.stack.warnings]

    def up(self) -> None:
        self.stack.start()

    def beside(self, name: str, old: list[Running]) -> None:
        """A new container takes over from the outdated ones before they stop.

        It is started with what it depends on, though that runs: without, compose would take it for another one, and
        replace it next time.
        """
        self.start_beside(name)
        self.remove([one.id for one in old])

    def start_beside(self, name: str) -> None:
        self.stack.tell(f"starting the new {name} beside the old one")
        before = {one.id for one in self.containers() if one.service == name}
        try:
            self.start([name], "never", {name: len(before) + 1}, self.trial_seconds)
        except GivenUp as error:
            new = [one.id for one in self.containers() if one.service == name and one.id not in before]
            self.stack.ask("rm", "--force", *new, check=False)
            error.failure.what = f"The new {name} did not start beside the old one.\n{error.failure.what}"
            raise
        # Who has asked for the name a moment ago knows the former one alone, which must not be away yet.
        time.sleep(NAMES_SECONDS)
        self.replaced.append(name)

    @contextlib.contextmanager
    def held(self, ports: Iterable[int]) -> Iterator[None]:
        """Whoever knocks meanwhile is not refused, but waits: the firewall drops a knock, and the visitor's system
        knocks again by itself. Where our firewall is switched off, nobody can be held."""
        elements = ", ".join(f"{port} timeout {HELD_SECONDS}s" for port in sorted(set(ports)))
        if not elements or not self._nft(elements):
            yield
            return
        over = threading.Event()

        def renew() -> None:
            end = time.monotonic() + HELD_AT_MOST
            while not over.wait(HELD_RENEWED) and time.monotonic() < end:
                self._nft(elements)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._nft("")

    def let_in(self) -> None:
        """Whoever was held by a run that was killed waits no longer than until somebody answers."""
        if any(
            self.service(one.service).update_order == "hold_connections" for one in self.containers() if one.running
        ):
            self._nft("")

    @staticmethod
    def _nft(elements: str) -> bool:
        """The ports that are held from now on. Both in one go: nobody comes in between."""
        program = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
        if not program:
            return False
        lines = "flush set inet inception held\n"
        if elements:
            lines += f"add element inet inception held {{ {elements} }}\n"
        done = subprocess.run([program, "-f", "-"], input=lines, text=True, capture_output=True, check=False)
        return done.returncode == 0


def can_hold() -> bool:
    """Whether visitors can be held: the firewall is ours, and up."""
    program = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    argv = [program or "nft", "list", "set", "inet", "inception", "held"]
    return program is not None and subprocess.run(argv, capture_output=True, check=False).returncode == 0


def whole(source: str, patience: float, timeout: float, tell: Any) -> Stack:
    """The whole project."""
    stack = Stack(Wish(source, [], {}, "auto", True, patience, timeout), tell=tell)
    stack.read()
    return stack
