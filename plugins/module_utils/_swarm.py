# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack on a swarm: its secrets, what is new in it, and how it gets on. Private to this collection."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines, shortened

# The labels of a Swarm secret: whose it is, which of its files, and what it says, so that nobody learns that from it.
STACK_LABEL = "fortytwo.inception.stack"
FILE_LABEL = "fortytwo.inception.file"
DIGEST_LABEL = "fortytwo.inception.digest"
CONTENT_LABEL = "fortytwo.inception.content"
# The content of a service that is to have no container, on no node.
HELD = "held"
# The label of a node with a member of what there is three times, each with its own data: the member's number.
MEMBER_LABEL = "inception_member"
NAMESPACE_LABEL = "com.docker.stack.namespace"
# Work for whoever would try values at a digest; a value that was drawn has 190 bits.
SCRYPT: Mapping[str, int] = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 16}
PAUSE = 1.0
ATTEMPTS = 10
AGAIN = re.compile(r"network \S+ not found|update out of sequence")
# Managers that were just cut off, or come back, choose another leader meanwhile (moby/moby#35856).
LEADERLESS = re.compile(r"lost leader status|not have a leader|DeadlineExceeded")
UNDER_WAY = ("updating", "rollback_started")
# The words of an update that is over, and was not taken.
GIVEN_BACK = ("rollback_completed", "rollback_paused")
MEMBER = re.compile(r"mariadb-\d")
STILL_TO_COME = ("new", "pending", "assigned", "accepted", "ready", "preparing", "starting")

# What runs docker: its words, and what it reads. Its code, output and errors come back.
Run = Callable[[list[str], "bytes | None"], "tuple[int, str, str]"]


class SwarmProblem(Exception):
    """What is wrong, for the user."""


class Docker:
    """The engine of a manager."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def say(self, *words: str, data: bytes | None = None) -> str:
        for attempt in range(ATTEMPTS):
            code, output, errors = self.run(["docker", *words], data)
            # What is created may be there all the same, and would be a second one.
            if not (code and LEADERLESS.search(errors)) or words[1:2] == ("create",) or attempt == ATTEMPTS - 1:
                break
            time.sleep(PAUSE * 3)
        if code:
            said = last_lines(errors or output, 1) or ["no word"]
            raise SwarmProblem(f"docker {' '.join(words[:2])}: {said[0]}")
        return output

    def inspected(self, kind: str, ids: Iterable[str]) -> list[dict[str, Any]]:
        names = list(ids)
        found: list[dict[str, Any]] = json.loads(self.say(kind, "inspect", *names)) if names else []
        return found

    def labelled(self, kind: str, label: str, value: str) -> list[dict[str, Any]]:
        return self.inspected(kind, self.say(kind, "ls", "--quiet", "--filter", f"label={label}={value}").split())


# ---- Secrets ----


def digest(value: bytes, salt: bytes) -> str:
    return hashlib.scrypt(value, salt=salt, **SCRYPT).hex()


@dataclass
class Secrets:
    """Those of one stack: a Swarm secret for each value that a file has had, with a number behind its name."""

    docker: Docker
    stack: str

    def there(self) -> list[dict[str, Any]]:
        return self.docker.labelled("secret", STACK_LABEL, self.stack)

    def named(self, files: Mapping[str, bytes], make: bool) -> tuple[dict[str, str], list[str]]:
        """What each is called, and those that are new. Without `make` a new one gets the name that it would have."""
        there = self.there()
        names: dict[str, str] = {}
        new: list[str] = []
        for name, value in sorted(files.items()):
            mine = [one for one in there if one["Spec"]["Labels"].get(FILE_LABEL) == name]
            same = [one["Spec"]["Name"] for one in mine if says(one["Spec"]["Labels"], value)]
            if same:
                names[name] = same[0]
                continue
            numbers = [int(end) for one in mine if (end := one["Spec"]["Name"].rpartition("-")[2]).isdecimal()]
            names[name] = f"{self.stack}-{name}-{max(numbers, default=0) + 1}"
            new.append(names[name])
            if make:
                salt = os.urandom(16)
                labels = {
                    STACK_LABEL: self.stack,
                    FILE_LABEL: name,
                    DIGEST_LABEL: f"{salt.hex()}:{digest(value, salt)}",
                }
                words = [word for key, text in labels.items() for word in ("--label", f"{key}={text}")]
                self.docker.say("secret", "create", *words, names[name], "-", data=value)
        return names, new

    def remove_unused(self, services: Iterable[Mapping[str, Any]]) -> list[str]:
        """Those that neither a service nor the way back of one asks for."""
        used = {
            secret["SecretName"]
            for one in services
            for spec in (one["Spec"], one.get("PreviousSpec") or {})
            for secret in (((spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Secrets") or [])
        }
        old = [one["Spec"]["Name"] for one in self.there() if one["Spec"]["Name"] not in used]
        if old:
            self.docker.say("secret", "rm", *old)
        return old


def says(labels: Mapping[str, str], value: bytes) -> bool:
    """Whether a secret with these labels has this value."""
    salt, dummy, told = labels.get(DIGEST_LABEL, "").partition(":")
    try:
        return bool(told) and hmac.compare_digest(digest(value, bytes.fromhex(salt)), told)
    except ValueError:
        return False


# ---- Services ----


def content(service: Mapping[str, Any]) -> str:
    return str((service["Spec"].get("Labels") or {}).get(CONTENT_LABEL, ""))


def content_of(name: str, stack: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """A digest of all that a service is, with its secrets' names, its networks and its volumes."""
    said = stack["services"][name]
    used = [secrets[one["source"]] for one in said.get("secrets") or []]
    networks = {one: stack["networks"].get(one) for one in said.get("networks") or {}}
    volumes = {
        one["source"]: stack["volumes"].get(one["source"]) for one in said.get("volumes") or [] if "source" in one
    }
    text = json.dumps([said, used, networks, volumes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_secrets(stack: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The stack file with what Swarm calls the secrets, and with each service's digest: equal where nothing is new."""
    services = {
        name: {**said, "deploy": {**said["deploy"], "labels": {CONTENT_LABEL: content_of(name, stack, names)}}}
        for name, said in stack["services"].items()
    }
    secrets = {name: {"external": True, "name": names[name]} for name in stack["secrets"]}
    return {**stack, "services": services, "secrets": secrets}


def alone(stack: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The stack file with one copy of each of these."""
    services = {
        name: {**said, "deploy": {**said["deploy"], "replicas": 1}} if name in names else said
        for name, said in stack["services"].items()
    }
    return {**stack, "services": services}


def turns(stack: Mapping[str, Any], plan: Plan) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The stack file as far as each turn with something new, and what that is."""
    there: set[str] = set()
    touched = {*plan.added, *plan.changed, *plan.put_right}
    # Members that are there are replaced one after the other; those that are new wait for one another.
    alone = [name for name in stack.get("x-members", []) if name in touched - set(plan.added)]
    for names in stack["x-turns"]:
        single = [name for name in alone if name in names]
        for turn in ([name for name in names if name not in single], *([name] for name in single)):
            there |= set(turn)
            if new := [name for name in turn if name in touched]:
                services = {name: said for name, said in stack["services"].items() if name in there}
                yield {**stack, "services": services}, new


def with_those(stack: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Who has to be well besides these before the next one is replaced: all members, where one of them was."""
    members: list[str] = stack.get("x-members") or []
    return members if set(members) & set(names) else []


def successors(stack: Mapping[str, Any], name: str) -> list[str]:
    """The members that take the place of one."""
    return sorted(one for one in stack.get("x-members") or [] if one.rpartition("-")[0] == name)


def in_the_way(stack: Mapping[str, Any], plan: Plan, there: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    """Services that go, and have a folder that a new one wants for itself: both at once would write there."""
    wanted = {
        stack["volumes"][one["source"]]["name"]
        for new in plan.added
        if new in stack.get("x-members", [])
        for one in stack["services"][new].get("volumes") or []
        if "source" in one
    }
    return [
        short_name(one, name)
        for one in there
        if short_name(one, name) in plan.removed
        and wanted
        & {
            mount.get("Source")
            for mount in ((one["Spec"].get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Mounts") or []
        }
    ]


def at_once(stack: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The stack file in which all containers of these end before a newer one starts: they cannot work beside it."""
    order = {"order": "stop-first", "parallelism": 0}
    services = dict(stack["services"])
    for name in names:
        deploy = services[name]["deploy"]
        ways = {way: {**deploy[way], **order} for way in ("update_config", "rollback_config")}
        services[name] = {**services[name], "deploy": {**deploy, **ways}}
    return {**stack, "services": services}


def short_name(service: Mapping[str, Any], stack: str) -> str:
    return str(service["Spec"]["Name"]).removeprefix(f"{stack}_")


def fingerprint(service: Mapping[str, Any]) -> str:
    """Of what a service is told, by whomever."""
    return hashlib.sha256(json.dumps(service["Spec"], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """What is new, what was changed by hand since, and what goes."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    put_right: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.added or self.changed or self.put_right or self.removed)

    def lines(self) -> list[str]:
        words = {"add": self.added, "change": self.changed, "put right": self.put_right, "remove": self.removed}
        return [f"{word} {name}" for word, names in words.items() for name in names]


def plan(wanted: Mapping[str, Any], there: Iterable[Mapping[str, Any]], noted: Mapping[str, str], stack: str) -> Plan:
    """Compares the stack file's services with those that the swarm has, and these with what they were left as."""
    found = {short_name(one, stack): one for one in there}
    added, changed, put_right = [], [], []
    for name, said in wanted.items():
        if name not in found:
            added.append(name)
        elif content(found[name]) != said["deploy"]["labels"][CONTENT_LABEL]:
            changed.append(name)
        elif fingerprint(found[name]) != noted.get(name):
            put_right.append(name)
    return Plan(added, changed, put_right, sorted(set(found) - set(wanted)))


@dataclass(frozen=True)
class Task:
    """A container of a service, as Swarm lists it."""

    service: str
    id: str
    node: str
    state: str
    wanted: str
    error: str

    @classmethod
    def of(cls, service: str, told: Mapping[str, str]) -> Task:
        return cls(
            service,
            told["ID"],
            told.get("Node", ""),
            told.get("CurrentState", "").split()[0].lower() if told.get("CurrentState") else "",
            told.get("DesiredState", "").lower(),
            told.get("Error", ""),
        )


def node_told(node: Mapping[str, Any]) -> dict[str, Any]:
    """What a person asks of a node."""
    labels = node["Spec"].get("Labels") or {}
    manager = node.get("ManagerStatus") or {}
    return {
        "name": labels.get("inception_node") or node["Description"]["Hostname"],
        "there": node["Status"]["State"] == "ready",
        "availability": node["Spec"]["Availability"],
        "role": "leader" if manager.get("Leader") else node["Spec"]["Role"],
        "has_data": "inception_data" in labels,
        # A manager alone does not know its own.
        "address": manager.get("Addr", "").rpartition(":")[0] or node["Status"].get("Addr", ""),
    }


def problems(told: Mapping[str, Any], copies: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is not as it should be, a sentence each."""
    found = [f"{node['name']} is away" for node in told["nodes"] if not node["there"]]
    found += [
        f"{one['name']}: {one['well']} of {one['wanted']} are well"
        + (f" (update: {one['update']})" if one["update"] in UNDER_WAY + GIVEN_BACK else "")
        for one in told["services"]
        if one["well"] != one["wanted"]
    ]
    names = {node["address"]: node["name"] for node in told["nodes"]}
    for copy in copies:
        host = names.get(copy["host"], copy["host"])
        if not copy["there"]:
            found.append(f"the copy of the files on {host} is away")
        if copy["to_heal"]:
            found.append(
                f"{copy['to_heal']} files on {host} are newer than on another node, where they are being brought"
            )
    return found


def written_to(services: Iterable[Mapping[str, Any]]) -> str:
    """Of a database with members, the one that gets everything: the first that is well, as the proxies have it."""
    return min((one["name"] for one in services if MEMBER.fullmatch(one["name"]) and one["well"]), default="")


def wanted_number(service: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> int:
    mode = service["Spec"]["Mode"]
    if "Replicated" in mode:
        return int(mode["Replicated"]["Replicas"])
    return len([one for one in nodes if one["Spec"]["Availability"] == "active" and one["Status"]["State"] == "ready"])


@dataclass
class Stack:
    """One stack of a swarm."""

    docker: Docker
    name: str

    def services(self) -> list[dict[str, Any]]:
        return self.docker.labelled("service", NAMESPACE_LABEL, self.name)

    def nodes(self) -> list[dict[str, Any]]:
        return self.docker.inspected("node", self.docker.say("node", "ls", "--quiet").split())

    def tasks(self, service: str) -> list[Task]:
        told = self.docker.say("service", "ps", "--no-trunc", "--format", "{{json .}}", f"{self.name}_{service}")
        return [Task.of(service, json.loads(line)) for line in told.splitlines() if line.strip()]

    def told(self) -> dict[str, list[dict[str, Any]]]:
        """How the nodes and the services are."""
        nodes = self.nodes()
        # Of what belongs to a node that is away, Swarm goes on to say that it runs.
        away = {node["Description"]["Hostname"] for node in nodes if node["Status"]["State"] != "ready"}
        known = {node["Description"]["Hostname"]: node_told(node)["name"] for node in nodes}
        services = []
        for one in self.services():
            name = short_name(one, self.name)
            tasks = [task for task in self.tasks(name) if task.wanted == "running"]
            well = [known[task.node] for task in tasks if task.state == "running" and task.node not in away]
            services.append(
                {
                    "name": name,
                    "well": len(well),
                    "wanted": wanted_number(one, nodes),
                    "nodes": sorted(well),
                    "update": (one.get("UpdateStatus") or {}).get("State", ""),
                }
            )
        return {"nodes": sorted(map(node_told, nodes), key=lambda node: str(node["name"])), "services": services}

    def crowded(self) -> dict[str, int]:
        """Of which services a node has more copies than its share: how many more, in all."""
        hosts = {
            node["Description"]["Hostname"]
            for node in self.nodes()
            if node["Spec"]["Availability"] == "active" and node["Status"]["State"] == "ready"
        }
        found = {}
        for one in self.services():
            copies = int((one["Spec"]["Mode"].get("Replicated") or {}).get("Replicas") or 1)
            placement = one["Spec"].get("TaskTemplate", {}).get("Placement") or {}
            if copies < 2 or placement.get("Constraints") or content(one) == HELD:
                continue
            name = short_name(one, self.name)
            there = Counter(task.node for task in self.tasks(name) if task.wanted == task.state == "running")
            share = math.ceil(copies / max(len(hosts), 1))
            if more := sum(max(0, there[host] - share) for host in hosts):
                found[name] = more
        return found

    def spread(self, name: str, more: int, wanted: Mapping[str, Any], timeout: float) -> None:
        """As many more come where none is, and then those go that are too many on a node: Swarm chooses both so."""
        (service,) = [one for one in self.services() if short_name(one, self.name) == name]
        copies = int(service["Spec"]["Mode"]["Replicated"]["Replicas"])
        for number in (copies + more, copies):
            self.docker.say("service", "scale", "--detach", f"{self.name}_{name}={number}")
            self.wait(wanted, timeout)

    def deploy(self, path: str, whole: bool = False) -> None:
        # Images come as they are delivered, and are asked of no registry.
        words = ("stack", "deploy", "--resolve-image", "never", *(["--prune"] if whole else []))
        words += ("--compose-file", path, self.name)
        for attempt in range(ATTEMPTS):
            try:
                self.docker.say(*words)
                return
            except SwarmProblem as problem:
                # A network that is on its way out is still taken for one that is there (moby/moby#29293); and what
                # Swarm notes of a service between the look and the change makes that too old (moby/moby#39891).
                if attempt == ATTEMPTS - 1 or not AGAIN.search(str(problem)):
                    raise
                time.sleep(PAUSE * 3)

    def end(self, service: str, timeout: float) -> None:
        """Takes a service away, and waits until nothing of it runs."""
        tasks = [task.id for task in self.tasks(service)]
        self.docker.say("service", "rm", f"{self.name}_{service}")
        end = time.monotonic() + timeout
        while self.running(tasks):
            if time.monotonic() > end:
                raise SwarmProblem(f"{service} did not end within {timeout:.0f} s")
            time.sleep(PAUSE)

    def running(self, tasks: Iterable[str]) -> list[str]:
        """Those that have not ended yet. Swarm forgets a task when its container is gone."""
        found = []
        for task in tasks:
            code, output, dummy = self.docker.run(
                ["docker", "inspect", "--type", "task", "--format", "{{.Status.State}}", task], None
            )
            if code == 0 and output.strip() in ("running", *STILL_TO_COME):
                found.append(task)
        return found

    def works_beside(self, whole: Mapping[str, Any], name: str) -> bool:
        """Whether a newer one can be there while the former still is: a container of its image is asked."""
        command = whole["x-commands"].get(name, {}).get("beside")
        return not command or self.run_once(whole, name, command, "ro")[0] == 0

    def run_once(self, whole: Mapping[str, Any], name: str, command: list[str], way: str) -> tuple[int, str]:
        """What a container of a service's image says, which has its settings and, read-only or not, its volumes."""
        said = whole["services"][name]
        words = ["--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--user", said["user"]]
        words += [word for key, text in (said.get("environment") or {}).items() for word in ("--env", f"{key}={text}")]
        for one in said.get("volumes") or []:
            if one["type"] == "volume":
                place = whole["volumes"][one["source"]]["driver_opts"]["device"]
                words += ["--volume", f"{place}:{one['target']}:{way}"]
        code, output, errors = self.docker.run(
            ["docker", "run", *words, "--entrypoint", command[0], said["image"], *command[1:]], None
        )
        last = (last_lines(errors or output, 1) or ["no word"])[0]
        # Docker's own: it was not asked.
        if code in (125, 126, 127):
            raise SwarmProblem(f"{name}: {' '.join(command)}: {last}")
        return code, last

    def here(self, name: str) -> list[str]:
        """A service's containers on this node."""
        label = f"label=com.docker.swarm.service.name={self.name}_{name}"
        return self.docker.say("ps", "--quiet", "--filter", label).split()

    def prepare(self, whole: Mapping[str, Any], name: str) -> None:
        """What one that gives way to members does before it ends; where that cannot be, it goes on."""
        commands = [whole["x-commands"].get(member, {}).get("before_members") for member in successors(whole, name)]
        for one in self.here(name)[:1] if any(commands) else []:
            code, output, errors = self.docker.run(["docker", "exec", one, *commands[0]], None)
            if code:
                said = "\n".join(f"  | {line}" for line in last_lines(errors or output, 5) or ["no word"])
                raise SwarmProblem(f"{name} runs as before, since it cannot give way to members:\n{said}")

    def go_back(self, former: Mapping[str, Any], whole: Mapping[str, Any], path: str, timeout: float) -> None:
        """From members that nobody has written to, to the one before them, whose folder is that of the member here."""
        for name in {short_name(one, self.name) for one in self.services()} & set(whole["x-members"]):
            self.end(name, timeout)
        (node,) = self.docker.inspected("node", ["self"])
        number = (node["Spec"].get("Labels") or {}).get(MEMBER_LABEL)
        for member in (one for one in whole["x-members"] if one.rpartition("-")[2] == number):
            if command := whole["x-commands"].get(member, {}).get("without_members"):
                code, said = self.run_once(whole, member, command, "rw")
                if code:
                    raise SwarmProblem(f"{member}: {' '.join(command)}: {said}")
        self.deploy(path, whole=True)
        self.wait(former["services"], timeout)

    def finish(self, whole: Mapping[str, Any]) -> list[str]:
        """What is done once all are well, in those containers that are on this node. What failed of it."""
        failed = []
        for name, commands in whole["x-commands"].items():
            if not (command := commands.get("after_update")):
                continue
            for one in self.here(name)[:1]:
                code, output, errors = self.docker.run(["docker", "exec", one, *command], None)
                if code:
                    failed.append(f"{name}: {' '.join(command)}: {(last_lines(errors or output, 1) or ['no word'])[0]}")
        return failed

    def waiting_for(self, wanted: Mapping[str, str], others: Iterable[str] = ()) -> tuple[list[str], list[str]]:
        """What is not as it shall be yet, and what never will be: what runs in place of the content that is wanted.

        Nobody waits for a service of a later turn: it may be one that only what comes now puts right.
        """
        nodes = self.nodes()
        waits, lost = [], []
        for one in self.services():
            name = short_name(one, self.name)
            if name not in wanted and name not in others:
                continue
            update = (one.get("UpdateStatus") or {}).get("State", "")
            # Who wants the former one himself by now has what he wants.
            if update in GIVEN_BACK and content(one) != wanted.get(name, content(one)):
                said = (one.get("UpdateStatus") or {}).get("Message", "")
                lost.append(f"{name}: the new one was not well, and Swarm went back to the former ({said})")
                continue
            if content(one) == HELD:
                continue
            tasks = [task for task in self.tasks(name) if task.wanted == "running"]
            well = len([task for task in tasks if task.state == "running"])
            number = wanted_number(one, nodes)
            if update in UNDER_WAY or well != number or len(tasks) != number:
                waits.append(f"{name} {well}/{number}")
        return waits, lost

    def wait(
        self, wanted: Mapping[str, Any], timeout: float, others: Iterable[str] = (), endings: float = math.inf
    ) -> None:
        """Until all of these are well; or says what is not, and why. One that has ended so often is given up."""
        contents = {name: said["deploy"]["labels"][CONTENT_LABEL] for name, said in wanted.items()}
        end = time.monotonic() + timeout
        calm = 0
        failures: dict[str, tuple[str, list[str]]] = {}
        ended: dict[str, set[str]] = defaultdict(set)
        while True:
            waits, lost = self.waiting_for(contents, others)
            # Asked now: when Swarm goes back, it removes the container with all that it said.
            for name in (one.split()[0] for one in waits):
                tasks = [task for task in self.tasks(name) if task.error]
                failed = next(iter(tasks), None)
                ended[name] |= {task.id for task in tasks}
                if len(ended[name]) >= endings:
                    lost.append(f"{name} ended {len(ended[name])} times")
                if failed and failures.get(name, ("",))[0] != failed.id:
                    failures[name] = (failed.id, self.why(failed))
            # Once more: between two tasks of a service there is a moment in which nothing seems to be under way.
            calm = calm + 1 if not waits else 0
            if lost or (calm > 1):
                break
            if time.monotonic() > end:
                lost = [f"{one} after {timeout:.0f} s" for one in waits]
                break
            time.sleep(PAUSE)
        if lost:
            raise SwarmProblem("\n".join(line for one in lost for line in (one, *self.told_of(one, failures))))

    def told_of(self, lost: str, failures: Mapping[str, tuple[str, list[str]]]) -> list[str]:
        """Why a service was lost: what was noted of its last failure, or is known of it now."""
        name = lost.split()[0].rstrip(":")
        if name in failures:
            return failures[name][1]
        failed = next((task for task in self.tasks(name) if task.error), None)
        return self.why(failed) if failed else self.last_words(f"{self.name}_{name}")

    def why(self, failed: Task) -> list[str]:
        """What Swarm says of a task that ended, and its last words."""
        return [f"  on {failed.node}: {shortened(failed.error)}", *self.last_words(failed.id)]

    def last_words(self, whose: str) -> list[str]:
        """Of a task, or of all of a service."""
        code, output, errors = self.docker.run(["docker", "service", "logs", "--raw", "--tail", "5", whose], None)
        return [] if code else [f"  | {line}" for line in last_lines(output + errors, 5)]
