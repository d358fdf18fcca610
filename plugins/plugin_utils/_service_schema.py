# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service may say of itself in its service.yml: one table, for the checks and for docs/service-reference.md."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.fortytwo.inception.plugins.plugin_utils._settings_rules import shown

# Control characters, and what else begins a new line.
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
CONTROL_CHARACTER = re.compile(f"[{CONTROL}]")
# Where something stands in a description: keys, and numbers in a list.
Place = tuple[str | int, ...]
Problem = tuple[Place, str]


class Value(Protocol):
    """One kind of value."""

    def named(self) -> str:
        """What it is, for the reference and for errors."""

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        """What is wrong with a value."""


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """A question for a name that is meant, or nothing."""
    names = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return f"; did you mean '{names[close[0]]}'?" if close else ""


def wrong(place: Place, value: Any, what: str, example: Any = None) -> Problem:
    """That a value is not what it has to be, with the names that lead to it, and a good one."""
    named = CONTROL_CHARACTER.sub("?", ".".join(key for key in place if isinstance(key, str)))
    such = "" if example is None else f"; for example: {example}"
    return place, f"{named}{': ' if named else ''}{shown(value)} is not {what}{such}"


@dataclass(frozen=True)
class Text:
    """A line of text, of a pattern where it has one."""

    what: str = "a text"
    # One line, whatever ends a line for a reader of YAML.
    pattern: str = rf"[^{CONTROL}]+"
    example: str = "the cache"

    def named(self) -> str:
        return self.what

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            yield wrong(place, value, self.what, self.example)


@dataclass(frozen=True)
class Scalar:
    """A text, a number, true or false."""

    def named(self) -> str:
        return "a text, a number, true or false"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if not isinstance(value, (str, int, float, bool)):
            yield wrong(place, value, self.named(), 6379)
        elif CONTROL_CHARACTER.search(str(value)):
            yield wrong(place, value, "one line of text, as .env has them", 6379)


@dataclass(frozen=True)
class Flag:
    def named(self) -> str:
        return "true or false"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if not isinstance(value, bool):
            yield wrong(place, value, self.named(), "true")


@dataclass(frozen=True)
class Number:
    least: float
    most: float
    example: float
    whole: bool = True

    def named(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.least} to {self.most}"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.least <= value <= self.most:
            yield wrong(place, value, self.named(), self.example)


@dataclass(frozen=True)
class Choice:
    values: tuple[str, ...]

    def named(self) -> str:
        return f"one of {', '.join(f'`{value}`' for value in self.values)}"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if value not in self.values:
            close = nearest(str(value), list(self.values))
            one_of = f"one of {', '.join(self.values)}{close}"
            yield wrong(place, value, one_of, None if close else self.values[0])


@dataclass(frozen=True)
class Port:
    """A number, a range, or the name of a value in env."""

    what: str = "a port such as 8080, a range such as 21000-21009, or the name of a value in env such as CACHE_PORT"

    def named(self) -> str:
        return self.what

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,5}(-\d{1,5})?|[A-Z][A-Z0-9_]*", str(value)):
            yield wrong(place, value, self.what)


@dataclass(frozen=True)
class List:
    of: Value
    example: str

    def named(self) -> str:
        return f"a list, each of it {self.of.named()}"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield wrong(place, value, f"a list, such as {self.example}")
            return
        for number, one in enumerate(value):
            yield from self.of.problems(one, (*place, number))


@dataclass(frozen=True)
class Table:
    """Names of the user's own, each with a value."""

    name: Text
    of: Value
    example: str

    def named(self) -> str:
        return f"a table of {self.name.what} and {self.of.named()}"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield wrong(place, value, f"a table, such as {self.example}")
            return
        for name, one in value.items():
            yield from (((*place, name), text) for dummy, text in self.name.problems(name, place))
            yield from self.of.problems(one, (*place, name))


@dataclass(frozen=True)
class Key:
    """A key of a record: its value, what it is for, and what it means when it is not there."""

    value: Value
    about: str
    default: Any = None
    required: bool = False


@dataclass(frozen=True)
class Record:
    """Keys of ours, each with a value of its own."""

    keys: Mapping[str, Key]
    example: str
    # What a key was called before, and what is said instead.
    renamed: Mapping[str, str] = field(default_factory=dict)

    def named(self) -> str:
        return f"a table of {', '.join(f'`{key}`' for key in self.keys)}"

    def problems(self, value: Any, place: Place) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield wrong(place, value, f"a table, such as {self.example}")
            return
        for key, one in value.items():
            if key in self.keys:
                yield from self.keys[key].value.problems(one, (*place, key))
            elif key in self.renamed:
                yield (*place, key), f"'{key}' is no key any more: {self.renamed[key]}"
            else:
                close = nearest(str(key), [*self.keys, *self.renamed]) or f"; for example: {self.example}"
                yield (*place, key), f"unknown key {shown(str(key))}{close}"
        for key, one_key in self.keys.items():
            if one_key.required and value.get(key) is None:
                yield place, f"'{key}' is missing ({one_key.about}); for example: {self.example}"

    def defaults(self) -> dict[str, Any]:
        """Every key that has something to mean when it is not there."""
        return {
            name: key.value.defaults() if isinstance(key.value, Record) and key.default is None else key.default
            for name, key in self.keys.items()
        }


NAME = Text("a name of small letters, digits, _ and -", r"[a-z][a-z0-9_-]{0,63}", "cache")
VARIABLE = Text("a name of capitals, digits and _", r"[A-Z][A-Z0-9_]*", "CACHE_PORT")
# Of the control node, where a folder may be called as one likes.
PATH = Text("an absolute path", rf"/[^{CONTROL}]*", "/home/wil/site")
MOUNT = Text("an absolute path of a folder below /", rf"(?:/(?!\.\.?(?:/|$))[^/\s:${CONTROL}]+)+/?", "/var/cache")
HOST = Text(
    "a host name, or a value in env such as ${DOMAIN}", r"(?:[A-Za-z0-9._-]|\$\{[A-Z][A-Z0-9_]*\})+", "cache.42.fr"
)
COMMAND = List(Text("a text", r"[^\x00]+", "redis-server"), "[redis-server, --version]")
SERVICES = List(NAME, "[mariadb]")

SECRET_LENGTHS = {"password": 32, "token": 64}
SECRET = Record(
    {
        "name": Key(
            NAME, "its file is `secrets/<name>.txt`; services that use one name share the value", required=True
        ),
        "kind": Key(
            Choice(tuple(SECRET_LENGTHS)),
            "what it is drawn from: letters and digits, or hexadecimal digits",
            default="password",
        ),
        "length": Key(Number(16, 4096, 32), "how long it is drawn; 32 for a `password`, 64 for a `token`"),
        "hot_reload": Key(
            Flag(),
            "the running service learns a new value by its command `accept` (`tools/accept.*`); without, a new value "
            "makes a new container",
            default=False,
        ),
    },
    "{name: cache_password}",
    {"live": "say 'hot_reload'"},
)
VOLUME = Record(
    {
        "name": Key(
            NAME, "its folder is `<name>` in the data folder; services that use one name share it", required=True
        ),
        "path": Key(MOUNT, "where the container sees it", required=True),
        "read_only": Key(Flag(), "the container cannot write to it", default=False),
        "everywhere": Key(
            Flag(),
            "in a cluster it is on the folder that is the same on every node, whatever `in_cluster` says",
            default=False,
        ),
        "outlasts_restores": Key(
            Flag(),
            "of a service with `backup`: a restore leaves it as it is, and does not begin it anew",
            default=False,
        ),
    },
    "{name: cache, path: /var/cache}",
)
PORT = Record(
    {
        "published": Key(
            Port(),
            "the port of the managed host: the firewall lets it in, and a deployment looks first whether it is free",
            required=True,
        ),
        "target": Key(Port(), "the port in the container, when it is another one"),
        "protocol": Key(Choice(("tcp", "udp")), "of the transport", default="tcp"),
        "forwarded": Key(
            Port(),
            "the port of 127.0.0.1 on the control node that leads to it where the managed host is a virtual machine; "
            "without, none does",
        ),
    },
    "{published: 8080}",
)
LIMITS = Record(
    {
        "memory": Key(
            Text("a size such as 256M, of at least 6M", r"([6-9]|[1-9]\d{1,6})M|[1-9]\d{0,3}G", "256M"),
            "the most memory",
            default="256M",
        ),
        "cpus": Key(Number(0.01, 1024, 1, whole=False), "the most processors", default=1),
        "pids": Key(Number(1, 4194304, 100), "the most processes and threads", default=100),
    },
    "{memory: 256M, cpus: 1, pids: 100}",
)
CREDENTIALS = Record(
    {
        "at": Key(Text(example="/adminer/"), "an address, or a path of the site", required=True),
        "users": Key(
            Table(VARIABLE, NAME, "{ADMIN_USER: gate_password}"), "the name in `.env`, and the secret", required=True
        ),
    },
    "{at: /adminer/, users: {ADMIN_USER: gate_password}}",
)
BACKUP = Record(
    {
        "dump": Key(COMMAND, "writes all of its data to its output, as it is at one moment", required=True),
        "load": Key(COMMAND, "reads that from its input, into a service that has just begun", required=True),
        "since": Key(
            COMMAND,
            "writes to its output what was written since a dump of MariaDB's; it is given the log and the place in it "
            "that the dump names, and a moment such as '2026-11-28 05:00:00' in UTC",
        ),
        "replay": Key(COMMAND, "reads that from its input, after `load`"),
        "empty": Key(
            COMMAND,
            "takes away all of its data while it runs: for a restore where that is on several nodes (`in_cluster: "
            "members`), so that no folder can take the place of another",
        ),
    },
    "{dump: [dump-all], load: [load-all]}",
)
CONTRIBUTION = Record(
    {
        "env": Key(Table(VARIABLE, Scalar(), "{CACHE_SIZE: 64}"), "more of its `env`", default={}),
        "secrets": Key(List(SECRET, "[{name: cache_password}]"), "more of its `secrets`", default=[]),
        "talks_to": Key(SERVICES, "more of its `talks_to`", default=[]),
        "egress": Key(Flag(), "it gets a way out", default=False),
        "volumes": Key(List(VOLUME, "[{name: cache, path: /var/cache}]"), "more of its `volumes`", default=[]),
        "waits_for": Key(SERVICES, "more of its `waits_for`", default=[]),
    },
    "{secrets: [{name: cache_password}]}",
    {"networks": "say whom it talks to, in 'talks_to'"},
)
SERVICE = Record(
    {
        "about": Key(Text("a few words in one line"), "what the service is", required=True),
        "mandatory": Key(
            Flag(), "it belongs to every stack, as the subject's three do, and is no bonus", default=False
        ),
        "env": Key(
            Table(VARIABLE, Scalar(), "{CACHE_PORT: 6379}"),
            "its values in `.env`, which its `compose.yml` hands to its container",
            default={},
        ),
        "secrets": Key(List(SECRET, "[{name: cache_password}]"), "the secrets that it reads", default=[]),
        "files": Key(
            Table(NAME, Text("the name of a file", r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "tls.key"), "{tls_key: tls.key}"),
            "what else of `secrets/` it reads: the name in `/run/secrets`, and the file",
            default={},
        ),
        "volumes": Key(List(VOLUME, "[{name: cache, path: /var/cache}]"), "where its data lasts", default=[]),
        "talks_to": Key(
            SERVICES,
            "whom it connects to. Each such pair gets a network of its own without a way out; who does not stand here "
            "cannot be reached",
            default=[],
        ),
        "egress": Key(Flag(), "it connects to other machines: a way out", default=False),
        "listens": Key(
            List(Port(), "[6379]"),
            "the ports at which those who talk to it reach it; with `ports`, all that it listens at. In the networks "
            "where it is asked, and only there, it has the name `asked.<service>` too, to listen at no other",
            default=[],
        ),
        "fronts": Key(
            NAME,
            "the service before which it stands: whoever talks to that one, or waits for it, talks to this one, which "
            "has its name",
        ),
        "aliases": Key(List(HOST, '["${DOMAIN}"]'), "more names by which those who talk to it can call it", default=[]),
        "ports": Key(List(PORT, "[{published: 8080}]"), "what is reached from outside", default=[]),
        "waits_for": Key(SERVICES, "who must be healthy before it starts", default=[]),
        "limits": Key(LIMITS, "what it may use"),
        "update_order": Key(
            Choice(("stop_first", "start_first", "hold_connections")),
            "how its container gives way to a new one. `stop_first`: it stops, and the new one starts. `start_first`: "
            "the new one starts, and when it is healthy the old one ends its work; two of it must be able to run at "
            "once, so it publishes no port. `hold_connections`: as `stop_first`, and who connects meanwhile waits and "
            "is not refused",
            default="stop_first",
        ),
        "beside": Key(
            COMMAND,
            "with `start_first`: a command that a container of the new image runs as it runs `trial`, just before it "
            "takes over; when it fails, the new one cannot work beside the old one this time, such as where both "
            "would need other files of one volume. Then it takes the old one's place, and who connects meanwhile "
            "waits. It must change nothing",
            default=[],
        ),
        "in_cluster": Key(
            Choice(("one", "many", "members", "every_node", "never")),
            "how many of it a cluster has ([cluster.md](cluster.md)). `one`: a single container, and where it has a "
            "volume of its own or a port, on the node with the data. `many`: so many copies that share its volumes, "
            "spread over the nodes. `members`: three, each with volumes of its own on a node of its own, and a name "
            "with its number; they have a network to themselves, and `MEMBER`, `MEMBERS`, `MEMBERS_NETWORK` and "
            "`CLUSTER_NETWORKS` in their environment. `every_node`: one on each, which shares its volumes with the "
            "others. `never`: it has no place there",
            default="one",
        ),
        "before_members": Key(
            COMMAND,
            "with `in_cluster: members`: a command that the one container which there was before them runs just before "
            "it ends, such as one that gives its data a form that members can have. When it fails, nothing ends",
            default=[],
        ),
        "without_members": Key(
            COMMAND,
            "with `in_cluster: members`: a command that a container of the image runs with the volumes of the member "
            "on the node with the data, where not all members became well, before the one that there was goes on: "
            "what the others have got by then is of no use any more. It has no network and no secrets",
            default=[],
        ),
        "trial": Key(
            COMMAND,
            "a command that a container of the new image runs, with the service's settings, secrets, volumes and "
            "networks but in place of its entrypoint, before anything is replaced; when it fails, nothing is replaced. "
            "It must change nothing",
            default=[],
        ),
        "starts_alone": Key(
            Flag(),
            "it can start without the others: a container of the new image is started beside what runs, with empty "
            "volumes, its secrets and no network, and must become healthy before anything is replaced",
            default=False,
        ),
        "after_update": Key(
            COMMAND,
            "a command that its container runs after each deployment that changed something, once all services are "
            "healthy, such as one that brings its data up to a newer version; and in what goes on where a deployment "
            "was given up, which may have left something on a volume. It must do nothing where there is "
            "nothing to do; when it fails, the deployment warns of it and is kept, since data has no way back",
            default=[],
        ),
        "status": Key(
            Flag(),
            "it has a command `status` (`tools/status.*`) that says in one line how it is, for `make status`",
            default=False,
        ),
        "credentials": Key(CREDENTIALS, "what `make credentials` shows"),
        "backup": Key(
            BACKUP,
            "commands of its container that say its data to a backup while it runs, and take it back; its volumes are "
            "not kept as files then",
        ),
        "copied": Key(
            Table(
                Text("a folder of the service, such as 'site'", r"[a-z][a-z0-9_-]*", "site"),
                PATH,
                "{site: /home/wil/site}",
            ),
            "folders of the control node that come into its build context as they are",
            default={},
        ),
        "contributes_to": Key(
            Table(NAME, CONTRIBUTION, "{nginx: {talks_to: [cache]}}"),
            "what it adds to other services' descriptions; files it adds by its folder `contributes_to/<service>/`",
            default={},
        ),
    },
    "about: the cache",
    {
        "twice": "say 'update_order: start_first'",
        "alive": "say 'status', and call the file tools/status.*",
        "for": "say 'contributes_to'",
        "networks": "say whom it talks to, in 'talks_to', and 'egress: true' where it needs a way out",
        "volume": "put it into the list 'volumes'",
    },
)
# What a service that was given no word of these means. `credentials` and `backup` alone have nothing to mean.
DEFAULTS = {key: value for key, value in SERVICE.defaults().items() if key not in ("about", "credentials", "backup")}
# A folder without a Dockerfile is no service of its own, and can say this only.
CONTRIBUTOR_KEYS = ("about", "contributes_to")
