# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds and starts the services of a compose project, and waits as long as they get on. Private to this collection."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _ports
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import (
    Failure,
    clean,
    last_lines,
    likely,
    screen,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._images import CONTENT_LABEL, content_of_folder

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
# Of each container that compose made; one that somebody starts by hand has its image's labels, which say the project.
NUMBER_LABEL = "com.docker.compose.container-number"
# Seconds between two looks.
PAUSE = 2.0
# For so many seconds after the start it is looked at more often.
SOON = 15.0
# A machine on which Docker answers within this time is no slow one; on one that takes longer, time passes slower.
ANSWER = 0.2
# Looks of which a third must find something at work.
LOOKS = 15
# A service that ended so often since the start is given up.
RESTARTS = 4
# So many checks must have failed before a service is called unhealthy.
CHECKS = 3
FILES_KEPT = 10
# What is going on, for whoever looks meanwhile: one line that anybody may read.
PROGRESS_FILE = "/run/fortytwo.inception-progress"
# By which proxy the world is reached: the environment of whoever reaches out (the role host).
PROXY = Path("/var/lib/fortytwo.inception/proxy.json")
# What compose says when a service waits for another one that is not well yet, or no more.
WAITS = re.compile(
    r"is unhealthy|dependency failed to start|has no healthcheck configured|exited \(\d+\)", re.IGNORECASE
)
PROGRESS = re.compile(r"^ *(?:Container|Network|Volume|Image|Service) \S+ +\w+ *$")
WARNING = re.compile(r"level=warning msg=\"(.*)\"|^ ?! \S+ (.*)|^WARNING: (.*)|(Your kernel does not support .*)")


def settle_environment() -> None:
    """Whatever this process was told: it is the engine of this machine, and the projects that their files name."""
    for name in [name for name in os.environ if name.startswith(("COMPOSE_", "DOCKER_"))]:
        if name != "DOCKER_CONFIG":
            del os.environ[name]
    os.environ["DOCKER_HOST"] = "unix:///run/docker.sock"
    os.environ["BUILDX_BUILDER"] = "default"
    _settle_proxy()


def _settle_proxy() -> None:
    """By which proxy this machine reaches the world (the role host); without a word, what the caller says stays."""
    try:
        said = {str(name): str(value) for name, value in json.loads(PROXY.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError) as error:
        print(f"{PROXY} names no proxy ({error}); the next deployment writes it anew", file=sys.stderr)
        return
    for name in [one for one in os.environ if one.lower() in said or one.lower() == "all_proxy"]:
        del os.environ[name]
    os.environ.update(said)


class GivenUp(Exception):
    """The stack did not start. `failure` is what to tell; `details` is everything that was seen."""

    def __init__(self, failure: Failure, service: str = "", details: str = "") -> None:
        super().__init__(failure.what)
        self.failure, self.service, self.details = failure, service, details


# ---- What Docker says of a container ----


@dataclass(frozen=True)
class Container:
    """As `docker inspect` tells."""

    id: str
    name: str
    service: str
    status: str
    started: str
    exit_code: int
    restarts: int
    pid: int
    error: str
    oom: bool
    health: str
    failing: int
    checks: tuple[str, ...]

    @property
    def well(self) -> bool:
        return self.status == "running" and self.health in ("", "healthy")


def ended_with(one: Container) -> int:
    """Its exit code, of one that runs again too."""
    code = _engine.last_exit(one.id) if one.status == "running" else None
    return one.exit_code if code is None else code


def failed_last(checks: list[dict[str, Any]]) -> int:
    """How many of the last checks failed: in the first minutes of a container, Docker does not count them."""
    return next((at for at, check in enumerate(reversed(checks)) if check.get("ExitCode", 0) == 0), len(checks))


def read_container(told: dict[str, Any]) -> Container:
    state = told["State"]
    health = state.get("Health") or {}
    return Container(
        id=told["Id"],
        name=told["Name"].lstrip("/"),
        service=told["Config"]["Labels"].get(SERVICE_LABEL, ""),
        status=state["Status"],
        started=state["StartedAt"],
        exit_code=state["ExitCode"],
        restarts=told.get("RestartCount", 0),
        pid=state["Pid"],
        error=state.get("Error", ""),
        oom=bool(state.get("OOMKilled")),
        health={"none": ""}.get(health.get("Status", ""), health.get("Status", "")),
        failing=max(health.get("FailingStreak", 0), failed_last(health.get("Log") or [])),
        checks=tuple(check.get("Output", "") for check in health.get("Log") or []),
    )


# ---- Whether there is progress ----


def at_work(pids: Iterable[int], proc: Path = Path("/proc")) -> set[int]:
    """Those of the containers' first processes that compute or wait for a disk, or one of whose descendants does.

    A health check is none of them: Docker starts it beside the container's first process.
    """
    parents: dict[int, int] = {}
    working: list[int] = []
    for process in proc.iterdir():
        if not process.name.isdecimal():
            continue
        try:
            state, parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        parents[int(process.name)] = int(parent)
        if state in "RD":
            working.append(int(process.name))
    first = {pid for pid in pids if pid > 0}
    busy: set[int] = set()
    for number in working:
        line = {number}
        while number not in first and (number := parents.get(number, 0)) and number not in line:
            line.add(number)
        busy |= first & {number}
    return busy


# What runs a step of a build for the engine, and seconds between two looks for new ones. Such a step gets a tenth of
# what a container gets where both want something; with less, nothing would ever be built on a machine that is busy.
BUILDS = b"/buildkit/executor/"
BUILDS_LOOKED_AT = 0.3
NICE, WEIGHT = 10, "10"


def be_gentle(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """Has what the engine builds give way to what serves. The processes that are the build's."""
    parents: dict[int, int] = {}
    runners: set[int] = set()
    for process in proc.iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            number = int(process.name)
            parents[number] = int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            if BUILDS in (process / "cmdline").read_bytes():
                runners.add(number)
    found = []
    for number in parents:
        above = number
        while above and above not in runners:
            above = parents.get(above, 0)
        if above:
            found.append(number)
    for number in found:
        # One may be gone by now.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, number, NICE)
        if number not in runners:
            with contextlib.suppress(OSError):
                own = (proc / str(number) / "cgroup").read_text().rpartition("0::")[2].strip()
                engine = (proc / str(parents[number]) / "cgroup").read_text().rpartition("0::")[2].strip()
                if parents[number] in runners and own != engine:
                    (cgroups / own.lstrip("/") / "cpu.weight").write_text(WEIGHT)
    return found


@contextlib.contextmanager
def gently() -> Iterator[None]:
    """Whatever the engine builds meanwhile gives way to what serves."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(BUILDS_LOOKED_AT):
            be_gentle()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass
class Patience:
    """How long nothing has happened, in the time of a machine that is not slow."""

    limit: float
    quiet: float = 0.0
    looked: float | None = None
    seen: set[str] = field(default_factory=set)
    busy: list[bool] = field(default_factory=list)

    def look(self, now: float, answer: float, signs: Iterable[str], busy: bool) -> bool:
        """Whether it is over. `signs` tell what was reached and said: a new one is progress."""
        passed = 0.0 if self.looked is None else now - self.looked
        self.looked = now
        self.busy = [*self.busy[1 - LOOKS :], busy]
        fresh = set(signs) - self.seen
        # A service that says something else each time says nothing.
        if len(self.seen) < 5000:
            self.seen |= fresh
        else:
            fresh = set()
        if fresh or sum(self.busy) * 3 >= LOOKS:
            self.quiet = 0.0
        else:
            self.quiet += passed / max(1.0, answer / ANSWER)
        return self.quiet >= self.limit


def said(log: str) -> set[str]:
    """The lines of a log, without what differs in each repetition: times, addresses and numbers."""
    return {re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", line)[:200] for line in clean(log).splitlines() if line.strip()}


# ---- What a build said ----

STEP = re.compile(r"^#(\d+) (?:\[([^\]]*)\] (.*)|([\d.]+) (.*)|(ERROR): (.*))$")


def build_failure(output: str) -> tuple[str, Failure]:
    """The service whose image was not built, and what is to be told of it."""
    titles: dict[str, tuple[str, str]] = {}
    words: dict[str, list[str]] = {}
    failed = ""
    for line in clean(output).splitlines():
        if not (found := STEP.match(line.rstrip())):
            continue
        number, stage, instruction, dummy, word, error, reason = found.groups()
        if stage is not None:
            titles.setdefault(number, (stage, instruction))
        elif word is not None:
            words.setdefault(number, []).append(word)
        elif error and "cancel" not in reason.lower() and not failed:
            failed = number
            words.setdefault(number, []).append(reason)
    stage, instruction = titles.get(failed, ("", ""))
    target = re.search(r"(?:target|Service) (\S+?):? ", output)
    service = target[1] if target else stage.split(" ")[0]
    text = "\n".join(words.get(failed, [])) or output
    what = f"The image of {service} was not built." if service else "The images were not built."
    failure = Failure(what=what, cause=likely(text))
    if instruction:
        failure.what += f"\nFailed step: {instruction}"
    failure.parts = [
        ("The last lines of the step" if instruction else "The last lines of the build", last_lines(text, 8))
    ]
    return service, failure


def content_variable(service: str) -> str:
    """What the compose file calls the digest of a service's files (the project's tools/build.sh sets the same)."""
    return f"CONTENT_OF_{service.upper().replace('-', '_')}"


def build_step(output: str) -> str:
    """Where a build is: the step that said something last."""
    titles = {
        found[1]: f"{found[2]} {found[3]}" for found in map(STEP.match, output.splitlines()) if found and found[2]
    }
    last = [found[1] for found in map(STEP.match, output.splitlines()) if found and found[1] in titles]
    return clean(titles[last[-1]])[:100] if last else ""


def start_failure(output: str, services: Iterable[str], project: str) -> tuple[str, Failure]:
    """The service that Docker did not start, and what is to be told of it."""
    lines = [line for line in clean(output).splitlines() if not PROGRESS.match(line) and not WARNING.search(line)]
    text = "\n".join(lines)
    names = re.findall(rf"\b{re.escape(project)}-([\w.-]+?)-\d+\b", text)
    service = next((name for name in names if name in set(services)), "")
    what = f"Docker did not start {service}." if service else "Docker did not start the services."
    return service, Failure(what=what, parts=[("It says", last_lines(text, 6))], cause=likely(text))


def warnings(output: str) -> list[str]:
    """What compose warns of, each once, and not once for each container."""
    found = {
        next(filter(None, match.groups())).strip(): None for match in WARNING.finditer(output) if any(match.groups())
    }
    return [clean(line)[:300] for line in found]


# ---- The work ----


@dataclass
class Wish:
    """What is to be started, and how."""

    source: str
    services: list[str]
    scale: dict[str, int]
    recreate: str
    remove_orphans: bool
    patience: float
    timeout: float


@dataclass
class Stack:
    """A compose project on this machine. `tell` takes what it is doing."""

    wish: Wish
    tell: Callable[[str], None] = lambda line: None
    warnings: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)

    # -- questions --

    def ask(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", *argv],
            cwd=self.wish.source,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0 and check:
            said_last = done.stderr or done.stdout
            failure = Failure(
                what=f"Docker did not answer `docker {' '.join(argv[:3])}`.",
                parts=[("It says", last_lines(said_last, 6))],
                cause=likely(said_last),
            )
            raise GivenUp(failure, details=said_last)
        return done.stdout + ("" if check else done.stderr)

    def read(self) -> None:
        """The project as compose reads it."""
        self.understand(json.loads(self.ask("compose", "config", "--format", "json")))

    def understand(self, told: dict[str, Any]) -> None:
        """What compose said of the project, here or to somebody who has asked it already."""
        self.told: dict[str, Any] = told
        self.project: str = told["name"]
        self.described: dict[str, Any] = told["services"]
        self.network_names = {key: one.get("name", key) for key, one in (told.get("networks") or {}).items()}
        self.secret_files = {key: one.get("file", "") for key, one in (told.get("secrets") or {}).items()}
        wanted = set(self.wish.services or self.described)
        while more := {other for name in wanted for other in self.described[name].get("depends_on") or {}} - wanted:
            wanted |= more
        self.wanted = wanted

    def missing(self) -> list[str]:
        """The services whose image is not there, or was built from other files than there are now, and can be built."""
        there = set(self.ask("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
        can_be = {name: self.described[name] for name in sorted(self.wanted) if "build" in self.described[name]}
        images = {name: told.get("image", f"{self.project}-{name}:latest") for name, told in can_be.items()}
        self.contents = {
            name: content_of_folder(told["build"]["context"])
            for name, told in can_be.items()
            if CONTENT_LABEL in (told["build"].get("labels") or {})
        }
        compared = [name for name in self.contents if images[name] in there]
        labels = self.labels([images[name] for name in compared])
        other = {name for name in compared if labels[images[name]].get(CONTENT_LABEL) != self.contents[name]}
        return [name for name in images if images[name] not in there or name in other]

    def labels(self, names: list[str]) -> dict[str, dict[str, str]]:
        """The labels of images that are there."""
        told = self.ask("image", "inspect", "--format", "{{json .Config.Labels}}", *names) if names else ""
        return {name: json.loads(line) or {} for name, line in zip(names, told.splitlines(), strict=True)}

    def containers(self) -> list[Container]:
        made = ("--filter", f"label={PROJECT_LABEL}={self.project}", "--filter", f"label={NUMBER_LABEL}")
        ids = self.ask("ps", "--all", "--quiet", "--no-trunc", *made).split()
        if not ids:
            return []
        # One may be gone by now; then those that are left are told of.
        told = self.ask("inspect", "--type", "container", *ids, check=False)
        found, dummy = json.JSONDecoder().raw_decode(told.strip() or "[]")
        return [read_container(one) for one in found]

    def running(self) -> set[tuple[str, str]]:
        return {(one.id, one.started) for one in self.containers()}

    def log(self, container: Container, lines: int) -> str:
        return self.ask("logs", "--tail", str(lines), container.id, check=False)

    # -- steps --

    def build(self, names: list[str]) -> None:
        if not names:
            return
        contents = {content_variable(name): self.contents[name] for name in names if name in self.contents}
        argv = ["docker", "compose", "--progress", "plain", "build", *names]
        with gently():
            output, code = self.follow(argv, self.look_at_build, contents)
        if code != 0:
            service, failure = build_failure(output)
            raise GivenUp(failure, service, output)
        self.built = names

    def look_at_build(self, output: str) -> None:
        if step := build_step(output[-20000:]):
            self.tell(step)

    def follow(
        self, argv: list[str], look: Callable[[str], object], env: Mapping[str, str] | None = None
    ) -> tuple[str, int]:
        """Runs a program, and looks after it now and then. What it says is read at its end, and in between."""
        with tempfile.TemporaryFile() as file:
            with subprocess.Popen(
                argv,
                cwd=self.wish.source,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as process:
                try:
                    while True:
                        try:
                            code = process.wait(PAUSE)
                            break
                        except subprocess.TimeoutExpired:
                            look(os.pread(file.fileno(), 1 << 22, 0).decode(errors="replace"))
                except BaseException:
                    process.terminate()
                    raise
            file.seek(0)
            return file.read().decode(errors="replace"), code

    def up(self, again: bool) -> list[str]:
        recreate = {"auto": [], "always": ["--force-recreate"], "never": ["--no-recreate"]}[self.wish.recreate]
        return [
            *("docker", "compose", "--ansi", "never", "up", "--detach", "--no-build", "--pull", "never"),
            *([] if again and self.wish.recreate == "always" else recreate),
            *(["--remove-orphans"] if self.wish.remove_orphans else []),
            *(f"--scale={name}={number}" for name, number in self.wish.scale.items()),
            *self.wish.services,
        ]

    def start(self) -> None:
        """Starts what is wanted.

        Compose goes away when a service is unhealthy; then a slow one is waited for, and compose is asked again.
        """
        watch = Watch(self, time.monotonic())
        again = gave_back = False
        while True:
            output, code = self.follow(self.up(again), lambda _: watch.look(settled=False))
            self.warnings = list(dict.fromkeys(self.warnings + warnings(output)))
            if code == 0:
                break
            if not WAITS.search(output):
                if not gave_back and (port := _ports.lost(output)):
                    self.tell(f"Docker holds port {port} for a container that is gone: starting Docker anew")
                    gave_back = _ports.give_back()
                    if gave_back:
                        self.warnings.append(_ports.RETOLD.format(port=port))
                        continue
                service, failure = start_failure(output, self.described, self.project)
                raise GivenUp(failure, service, output)
            again = True
            time.sleep(PAUSE)
            while not watch.look(settled=True, only_there=True):
                time.sleep(PAUSE)
        # Most are well within a moment, and somebody waits for it.
        soon = time.monotonic() + SOON
        while not watch.look(settled=True):
            time.sleep(min(PAUSE, 0.25) if time.monotonic() < soon else PAUSE)


class Watch:
    """Looks at the containers again and again, and gives up when nothing goes on any more."""

    def __init__(self, stack: Stack, now: float) -> None:
        self.stack = stack
        self.began = now
        self.patience = Patience(stack.wish.patience)
        self.first: dict[str, int] = {}

    def look(self, settled: bool, only_there: bool = False) -> bool:
        """Whether all is well. `settled`: compose has ended, so what does not run will not run by itself."""
        asked = time.monotonic()
        containers = [one for one in self.stack.containers() if one.service in self.stack.wanted]
        now = time.monotonic()
        # What was made and not started waits for another one.
        unwell = [one for one in containers if not one.well and one.status != "created"]
        absent = self.stack.wanted - {one.service for one in containers if one.status != "created"}
        if settled and not unwell and (only_there or not absent):
            return True
        self.tell(containers, absent)
        for one in containers:
            self.first.setdefault(one.id, one.restarts)
        for one in unwell:
            if one.restarts - self.first[one.id] >= RESTARTS:
                ended = one.restarts - self.first[one.id]
                self.give_up(
                    one,
                    f"{one.service} starts and ends again: exit code {ended_with(one)}, {ended} times.",
                    containers,
                    absent,
                )
            if settled and one.status in ("exited", "dead"):
                self.give_up(one, f"{one.service} ended: exit code {one.exit_code}.", containers, absent)
        busy = at_work([one.pid for one in unwell])
        signs = {
            f"{one.id} is {one.status} since {one.started} as {one.health}"
            for one in containers
            if one.well or not one.restarts
        }
        for one in unwell:
            signs |= {f"{one.service}: {line}" for line in said(self.stack.log(one, 50))}
        over = self.patience.look(now, now - asked, signs, bool(busy))
        failing = [one for one in unwell if one.health == "unhealthy" or one.failing >= CHECKS]
        if over and failing:
            one = self.root(failing)
            self.give_up(one, self.unhealthy(one), containers, absent)
        if now - self.began > self.stack.wish.timeout:
            if unwell:
                one = self.root(unwell)
                minutes = f"{(now - self.began) / 60:.0f} min"
                self.give_up(
                    one,
                    f"{one.service} is still not well after {minutes} ({one.health or one.status}).",
                    containers,
                    absent,
                )
            names = ", ".join(sorted(absent)) or "compose"
            raise GivenUp(
                Failure(what=f"Not started within {self.stack.wish.timeout:.0f} s: {names}."),
                details=self.details(containers),
            )
        return False

    def tell(self, containers: list[Container], absent: set[str]) -> None:
        told = [
            f"{one.service} {one.health or one.status}"
            for one in containers
            if not one.well and one.status != "created"
        ]
        told += [f"{name} to come" for name in sorted(absent)]
        if told:
            self.stack.tell("waiting: " + ", ".join(told))

    @staticmethod
    def unhealthy(one: Container) -> str:
        return f"{one.service} did not become healthy: {one.failing} checks failed, and nothing goes on in it any more."

    def root(self, unwell: list[Container]) -> Container:
        """The one that waits for no other one that is unwell."""
        names = {one.service for one in unwell}
        for one in unwell:
            if not names & set(self.stack.described[one.service].get("depends_on") or {}):
                return one
        return unwell[0]

    def give_up(self, one: Container, what: str, containers: list[Container], absent: set[str]) -> None:
        log = self.stack.log(one, 200)
        check = one.checks[-1] if one.checks else ""
        waiting = sorted(absent | {other.service for other in containers if not other.well} - {one.service})
        if waiting:
            what += f"\nNot well either, or waiting for it: {', '.join(waiting)}."
        if one.error:
            what += f"\nDocker says: {one.error}"
        state = "OOMKilled" if one.oom else ""
        failure = Failure(what=what, cause=likely("\n".join([state, one.error, log])) or likely(check))
        if one.status == "running":
            failure.parts.append(("Its health check said last", last_lines(check, 4)))
        failure.parts.append((f"The last words of {one.service}", last_lines(log, 9) or ["nothing"]))
        if failure.cause is None:
            failure.cause = likely("Health check exceeded timeout") if one.status == "running" else None
        raise GivenUp(failure, one.service, self.details(containers))

    def details(self, containers: list[Container]) -> str:
        """Everything that was seen, for the file."""
        parts = [self.stack.ask("compose", "ps", "--all", check=False)]
        for one in containers:
            state = f"{one.status} {one.health}, exit code {one.exit_code}, restarts {one.restarts} {one.error}"
            parts.append(f"==== {one.name}: {state}")
            parts += [f"-- health check: {clean(check)}" for check in one.checks]
            parts.append(clean(self.stack.log(one, 500)))
        return "\n".join(parts)


def write_details(folder: Path, name: str, details: str) -> str:
    """Keeps what a failure left for whoever wants to read all of it: the path, or why there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        prefix = time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime()) + (re.sub(r"[^\w.-]", "", name) or "stack") + "-"
        descriptor, path = tempfile.mkstemp(prefix=prefix, suffix=".log", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(clean_all(details))
        for old in sorted(folder.glob("*.log"))[:-FILES_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        return f"could not be written ({error.strerror})"
    return path


def write_progress(line: str, path: str = PROGRESS_FILE) -> None:
    """Says what is going on; nothing depends on it."""
    with contextlib.suppress(OSError):
        Path(path).write_text(f"{line}\n", encoding="utf-8")


def clean_all(text: str) -> str:
    return "\n".join(clean(line) for line in text[-(1 << 20) :].splitlines()) + "\n"


def told(error: GivenUp, folder: Path, host: str) -> str:
    """The screen, with the file that holds the rest."""
    if error.failure.cause:
        todo = error.failure.cause.todo.replace("<service>", error.service or "<service>")
        error.failure.cause = error.failure.cause._replace(todo=todo)
    if error.details:
        path = write_details(folder, error.service, error.details)
        error.failure.rest = f"{path} on {host}" if path.startswith("/") else path
    return screen(error.failure)
