# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a stack's containers are, how it is stopped, and how it starts: by compose, or on a swarm.

Private to this collection; part of the machine's own program. Whoever keeps or restores data asks for no more than
this, and does the same work on one machine and in a cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.fortytwo.inception.plugins.module_utils import _history
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines

UP = ("up", "--detach", "--wait")
# The files of a swarm's stack on the node with the data, below the root of the file system.
CLUSTER = "var/lib/fortytwo.inception/cluster"
STACK, NOTED = "stack.json", "services.json"
# Among the project's files in the history: the stack file, in which secrets have the names of their files.
STACK_FILE = "cluster/stack.json"
# The label of a node that none has: services that are on every node are nowhere then.
HELD_LABEL = "inception_held"
# Seconds until all containers of all nodes have ended; and between a change of a shared folder's name and the first
# container that asks for it: so long a node may go by the former one.
ENDS_SECONDS, SETTLES_SECONDS, PAUSE = 600.0, 3.0, 1.0
ENDED = ("complete", "shutdown", "failed", "rejected", "orphaned", "remove")


class Running(Protocol):
    """A stack, as far as its data is concerned."""

    def container(self, service: str) -> str:
        """The container of a service that runs on this machine; nothing where none does."""

    def refusal(self) -> str:
        """Why it cannot be stopped now; or nothing."""

    def has_members(self, service: str) -> bool:
        """Whether its data is on several nodes, so that no folder can take the place of another."""

    def down(self) -> str:
        """Stops all of it, but for who has members. Why it could not; nothing where it could."""

    def up(self, *services: str) -> str:
        """Starts these alone, or all of it, until they are well. Why it could not."""


def listed(*labels: str, well: bool = False) -> str:
    """The first container that runs and has all of these labels; one that is well, where that is asked for."""
    wanted = [*(f"label={one}" for one in labels), *(["health=healthy"] if well else [])]
    done = subprocess.run(
        ["docker", "ps", "--quiet", "--no-trunc", *(word for one in wanted for word in ("--filter", one))],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.split() else ""


def compose(root: str, uid: int, gid: int, *words: str) -> str:
    """Has compose do something with the project as it is there. Why it could not; nothing where it could."""
    done = subprocess.run(
        ["docker", "compose", "--file", f"{root}/srcs/docker-compose.yml", *words],
        env={**os.environ, "LOGIN_UID": str(uid), "LOGIN_GID": str(gid)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    return "; ".join(last_lines(done.stderr or done.stdout, 2)) or f"it ended with {done.returncode}"


@dataclass(frozen=True)
class Compose:
    """On one machine."""

    project: str
    root: str = ""
    uid: int = 0
    gid: int = 0

    def container(self, service: str) -> str:
        label = "com.docker.compose"
        return listed(f"{label}.project={self.project}", f"{label}.service={service}", f"{label}.oneoff=False")

    def refusal(self) -> str:
        return ""

    def has_members(self, service: str) -> bool:
        return False

    def down(self) -> str:
        return self._do("down")

    def up(self, *services: str) -> str:
        return self._do(*UP, *(("--no-deps", *services) if services else ()))

    def _do(self, *words: str) -> str:
        said = compose(self.root, self.uid, self.gid, *words)
        return f"docker compose {words[0]}: {said}" if said else ""


def held(stack: Mapping[str, Any], but: Iterable[str], labels: Mapping[str, str]) -> dict[str, Any]:
    """The stack file with no container of any service but these."""
    kept, services = set(but), {}
    for name, said in stack["services"].items():
        deploy = dict(said["deploy"])
        if name not in kept:
            deploy["labels"] = dict(labels)
            if deploy.get("mode") == "global":
                deploy["placement"] = {"constraints": [f"node.labels.{HELD_LABEL} == yes"]}
            else:
                deploy["replicas"] = 0
        services[name] = {**said, "deploy": deploy}
    return {**stack, "services": services}


def run_docker(words: list[str], data: bytes | None) -> tuple[int, str, str]:
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    done = subprocess.run(words, capture_output=True, check=False, **given)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@dataclass(frozen=True)
class Swarm:
    """In a cluster: all services are held on all nodes by this one, which is a manager, and has the data."""

    project: str
    root: str
    # The stack file, as the last `make cluster` made it, and where it is kept.
    stack: dict[str, Any]
    folder: str
    timeout: float = 1800.0

    @property
    def _swarm(self) -> Any:
        # Whoever is on one machine reads nothing of it.
        from ansible_collections.fortytwo.inception.plugins.module_utils import _swarm

        return _swarm

    def _services(self) -> Any:
        return self._swarm.Stack(self._swarm.Docker(run_docker), self.project)

    def container(self, service: str) -> str:
        """Of a service with members one that is well: another has not all that they have. The first is written to."""
        label, names = "com.docker.swarm.service.name", self.names(service)
        found = (listed(f"{label}={self.project}_{name}", well=name != service) for name in names)
        return next(filter(None, found), "")

    def names(self, service: str) -> list[str]:
        """What Swarm has for a service: that one, or one for each of its members."""
        members = [name for name in self.stack.get("x-members") or [] if name.rpartition("-")[0] == service]
        return sorted(members) or [service]

    def has_members(self, service: str) -> bool:
        return self.names(service) != [service]

    def refusal(self) -> str:
        try:
            nodes = [self._swarm.node_told(one) for one in self._services().nodes()]
        except self._swarm.SwarmProblem as problem:
            return f"the swarm cannot be asked ({problem}): without most of its managers nothing can be stopped in it"
        away = sorted(str(one["name"]) for one in nodes if not one["there"])
        if away:
            return (
                f"{' and '.join(away)} cannot be reached, and may still write to the site's files: bring that node "
                "back, or take its line out of the inventory and call make cluster"
            )
        return ""

    def down(self) -> str:
        return self._said(lambda: self._hold(()))

    def up(self, *services: str) -> str:
        return self._said(lambda: self._bring(services) if services else self._start())

    def _said(self, work: Any) -> str:
        try:
            work()
        except (self._swarm.SwarmProblem, OSError, ValueError) as problem:
            return str(problem)
        return ""

    def _whole(self) -> dict[str, Any]:
        """The stack file with the secrets as their files say them now."""
        from ansible_collections.fortytwo.inception.plugins.module_utils import _renewal

        swarm, values = self._swarm, {}
        for name, file in self.stack["secrets"].items():
            values[name] = _renewal.read(self.root, file) or b""
            if not values[name]:
                raise swarm.SwarmProblem(f"{self.root}/secrets has nothing for {name}")
        names, dummy = swarm.Secrets(swarm.Docker(run_docker), self.project).named(values, make=True)
        whole: dict[str, Any] = swarm.with_secrets(self.stack, names)
        return whole

    def _write(self, stack: Mapping[str, Any]) -> str:
        path = Path(self.folder, STACK)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _history.write(path, stack)
        return str(path)

    def _hold(self, but: Iterable[str]) -> None:
        """No container of any other service is left on any node, but for members, who would ask who has the newest."""
        swarm, stack = self._swarm, self._services()
        kept = [*but, *(self.stack.get("x-members") or [])]
        whole = self._whole()
        stack.deploy(self._write(held(whole, kept, {swarm.CONTENT_LABEL: swarm.HELD})))
        end = time.monotonic() + ENDS_SECONDS
        others = [name for name in whole["services"] if name not in kept]
        while left := [name for name in others if self._lives(stack, name)]:
            if time.monotonic() > end:
                raise swarm.SwarmProblem(f"{', '.join(left)} did not end within {ENDS_SECONDS:.0f} s")
            time.sleep(PAUSE)
        time.sleep(SETTLES_SECONDS)

    def _bring(self, services: Iterable[str]) -> None:
        """These run, and nothing else; of members, it is the one here that is asked to be well."""
        names = list(services)
        self._hold(names)
        stack, end = self._services(), time.monotonic() + self.timeout
        for name in names:
            while not (self.container(name) if self.has_members(name) else self._runs(stack, name)):
                if time.monotonic() > end:
                    why = [line for one in self.names(name) for line in stack.told_of(one, {})]
                    raise self._swarm.SwarmProblem("\n".join([f"{name} is not well", *why]))
                time.sleep(PAUSE)

    @staticmethod
    def _lives(stack: Any, name: str) -> bool:
        """Of a node that is away nobody knows: whoever begins a restore was told (`refusal`)."""
        there = {one["Description"]["Hostname"] for one in stack.nodes() if one["Status"]["State"] == "ready"}
        return any(task.state not in ENDED and task.node in there for task in stack.tasks(name))

    @staticmethod
    def _runs(stack: Any, name: str) -> bool:
        return any(task.state == "running" for task in stack.tasks(name) if task.wanted == "running")

    def _start(self) -> None:
        """One after the other, as `make cluster` starts what is new: of several, one alone comes first."""
        swarm, stack, whole = self._swarm, self._services(), self._whole()
        for part, new in swarm.turns(whole, swarm.Plan(added=list(whole["services"]))):
            wanted = {name: whole["services"][name] for name in new}
            first = [name for name in new if int(wanted[name]["deploy"].get("replicas", 1)) > 1]
            for one in ([swarm.alone(part, first)] if first else []) + [part]:
                stack.deploy(self._write(one))
                stack.wait(wanted, self.timeout)
        stack.deploy(self._write(whole), whole=True)
        stack.wait(whole["services"], self.timeout)
        stack.finish(whole)
        services = stack.services()
        noted = {swarm.short_name(one, self.project): swarm.fingerprint(one) for one in services}
        _history.write(Path(self.folder, NOTED), noted)
        swarm.Secrets(swarm.Docker(run_docker), self.project).remove_unused(services)


def of(told: Mapping[str, Any]) -> Running:
    """By what a plan, or the journal of a restore, says."""
    if cluster := told.get("cluster"):
        return Swarm(told["project"], told["root"], cluster["stack"], cluster["folder"], float(cluster["timeout"]))
    return Compose(str(told.get("project", "")), told["root"], int(told["uid"]), int(told["gid"]))


def the_container(running: Running, service: str) -> str:
    """The container of a service, which has to run."""
    if found := running.container(service):
        return found
    if isinstance(running, Swarm):
        names = running.names(service)
        what = service if names == [service] else f"no member of {service} that is well"
        does = "does not run" if names == [service] else "runs"
        raise BackupProblem(
            f"{what} {does} on this node, and only one that is here can say its data; `docker service ps "
            f"{' '.join(f'{running.project}_{name}' for name in names)}` says why"
        )
    raise BackupProblem(f"{service} does not run, and only a running one can say its data; `make up` starts it")


def stack_of(files: Mapping[str, _history.File]) -> dict[str, Any]:
    """The stack file among a deployment's files."""
    found = files.get(STACK_FILE)
    return _history.object_of(found.data.decode(errors="replace")) if found else {}


def packed_stack(stack: Mapping[str, Any]) -> _history.File:
    return _history.File(json.dumps(stack, sort_keys=True).encode(), 0o600)
