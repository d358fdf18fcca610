# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a stack, from what their folders say: completed, checked against one another, with their images'
tags, their ports and their networks. Needs no managed host: the digest of the base image is handed in."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_text as compose_text
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_schema as service_schema
from ansible_collections.fortytwo.inception.plugins.plugin_utils._service_description import Description

# A service of these has its volumes on a node, and not on the folder that all have.
OF_ITS_NODE = ("one", "members")
# The anchor in the compose file of the environment that every service has.
INSIDE = "inside-{}"
CONTRIBUTED_FILE = re.compile(r"contributes_to/([^/]+)/(.+)")
# What Docker takes for the name of an image, and compose for that of a service.
SERVICE_NAME = re.compile(r"(?=.{1,63}$)[a-z][a-z0-9]*(?:(?:__?|-+)[a-z0-9]+)*")
# What the shell has already comes before .env; and by others Docker and compose are led elsewhere.
SHELL_VALUE = re.compile(
    r"(COMPOSE|DOCKER|BUILDKIT|BUILDX|LC)_.*|PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|LANG|TERM|HOSTNAME|MAKE.*"
)
# Values of .env that are no service's, and what they are made from.
OTHER_VALUES = {
    "LOGIN": "inception_login",
    "LOGIN_UID": "inception_login",
    "LOGIN_GID": "inception_login",
    "DATA_DIR": "inception_login",
    "DOMAIN": "inception_domain",
    "ALIASES": "inception_aliases",
}


@dataclass(frozen=True)
class Folder:
    """A service's folder: what it says, its piece of the compose file, and its build context.

    Where nothing but the description is wanted, the files are there by name, and empty.
    """

    description: Description
    compose: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def said(self) -> dict[str, Any]:
        return self.description.said

    @property
    def is_service(self) -> bool:
        """One without a Dockerfile only contributes to others."""
        return "Dockerfile" in self.files

    def contributed_files(self) -> Iterator[tuple[str, str, str]]:
        """Whose, the path there, and the content."""
        for path, content in self.files.items():
            if found := CONTRIBUTED_FILE.fullmatch(path):
                yield found[1], found[2], content

    def wrong(self, text: str, *place: str | int) -> str:
        return f"{self.description.at(place)}: {text}"


def content_of(folder: Folder) -> str:
    """A digest of a build context."""
    texts = {path: text.encode() for path, text in folder.files.items()}
    return images.content_of_files(texts | {path: base64.b64decode(data) for path, data in folder.raw.items()})


def drawn(secret: Mapping[str, Any]) -> dict[str, Any]:
    """How a secret is drawn, complete."""
    kind = secret.get("kind", "password")
    return {"name": secret["name"], "kind": kind, "length": secret.get("length", service_schema.SECRET_LENGTHS[kind])}


# One folder alone


def own_problems(folder: Folder) -> Iterator[str]:
    """What a description says that its own folder does not bear out."""
    said = folder.said
    if not SERVICE_NAME.fullmatch(folder.name):
        yield folder.wrong(
            f"the folder's name '{folder.name}' is no name of a service, which has small letters, digits, and - or _ "
            "between them; for example: my-cache"
        )
    if any(path.startswith("for/") for path in folder.files):
        yield folder.wrong("the folder 'for/' is called 'contributes_to/' now")
    if not folder.is_service:
        for key in said:
            if key not in service_schema.CONTRIBUTOR_KEYS:
                yield folder.wrong(
                    f"'{key}' without a Dockerfile: the folder is no service, and can only contribute to others", key
                )
        if not said.get("contributes_to"):
            yield folder.wrong("no Dockerfile and no 'contributes_to': it would do nothing")
        return
    if "compose.yml" not in folder.files and not folder.compose:
        yield folder.wrong("no compose.yml beside it, its piece of the compose file, with its health check")
    for number, secret in enumerate(said.get("secrets") or []):
        if secret.get("hot_reload") and not _has(folder, "tools/accept"):
            yield folder.wrong(
                f"'hot_reload' of the secret '{secret['name']}', and no tools/accept.* to tell the running service",
                "secrets",
                number,
            )
    if said.get("status") and not _has(folder, "tools/status"):
        yield folder.wrong("'status', and no tools/status.* that says how it is", "status")
    if said.get("status") and _has(folder, "tools/alive"):
        yield folder.wrong("the command 'alive' is called 'status' now: rename tools/alive.*", "status")
    for target in said.get("copied") or {}:
        if any(path.startswith(f"{target}/") for path in folder.files):
            yield folder.wrong(f"copies to '{target}', where the service has files already", "copied", target)


def _has(folder: Folder, beginning: str) -> bool:
    return any(path.startswith(f"{beginning}.") or path == beginning for path in folder.files)


# Each folder beside the others


def contribution_problems(folder: Folder, folders: Mapping[str, Folder]) -> Iterator[str]:
    """What is wrong with what a folder adds to others."""
    others = {name: other for name, other in folders.items() if name != folder.name and other.is_service}
    for other in sorted(
        {*folder.said.get("contributes_to", {}), *(owner for owner, dummy, dummy in folder.contributed_files())}
    ):
        if other not in others:
            yield folder.wrong(
                f"contributes to '{other}', which is no other service of this stack"
                f"{service_schema.nearest(other, list(others))}",
                "contributes_to",
                other,
            )
    for owner, path, _content in folder.contributed_files():
        if owner in others and path in others[owner].files:
            yield folder.wrong(
                f"contributes '{path}' to '{owner}', which has that file already", "contributes_to", owner
            )


def with_contributions(folders: Iterable[Folder]) -> list[Folder]:
    """The folders, each with what the others add to it and without what it adds to them."""
    folders = list(folders)
    said = {folder.name: dict(folder.said) for folder in folders}
    files = {
        folder.name: {path: text for path, text in folder.files.items() if not CONTRIBUTED_FILE.fullmatch(path)}
        for folder in folders
    }
    for folder in folders:
        for owner, path, text in folder.contributed_files():
            files[owner][path] = text
        for other, added in (folder.said.get("contributes_to") or {}).items():
            said[other] = merged(said[other], added)
    return [
        Folder(
            Description(
                folder.name,
                folder.description.file,
                said[folder.name],
                folder.description.lines,
                folder.description.source,
            ),
            folder.compose,
            files[folder.name],
            folder.raw,
        )
        for folder in folders
    ]


def with_fronts(folders: Iterable[Folder]) -> list[Folder]:
    """The folders, each that talks to a service with another one before it talking to that one."""
    folders = list(folders)
    fronts = {folder.said["fronts"]: folder.name for folder in folders if folder.said.get("fronts")}

    def turned(folder: Folder) -> Folder:
        said = dict(folder.said)
        behind = said.get("fronts")
        for key in ("talks_to", "waits_for"):
            if key in said:
                said[key] = [one if one == behind else fronts.get(one, one) for one in said[key]]
        if behind:
            said["aliases"] = [*(said.get("aliases") or []), behind]
        return replace(folder, description=replace(folder.description, said=said))

    return [turned(folder) for folder in folders] if fronts else folders


def merged(said: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """A description with what another one contributes; what it says itself goes first."""
    whole = dict(said)
    for key, more in added.items():
        if key == "egress":
            whole[key] = bool(whole.get(key)) or more
        elif isinstance(more, dict):
            whole[key] = {**(whole.get(key) or {}), **more}
        else:
            present = whole.get(key) or []
            whole[key] = [*present, *(one for one in more if one not in present)]
    return whole


def relation_problems(folder: Folder, names: Iterable[str], secrets: Iterable[str]) -> Iterator[str]:
    """Whom and what a description names that this stack has not."""
    known = [name for name in names if name != folder.name]
    for key in ("talks_to", "waits_for", "fronts"):
        others = folder.said.get(key) or []
        for number, other in enumerate([others] if isinstance(others, str) else others):
            if other not in known:
                yield folder.wrong(
                    f"{key.replace('_', ' ')} '{other}', which is no other service of this stack"
                    f"{service_schema.nearest(other, known)}",
                    key,
                    number,
                )
    for secret in ((folder.said.get("credentials") or {}).get("users") or {}).values():
        if secret not in secrets:
            yield folder.wrong(f"shows '{secret}', which is no secret of this stack", "credentials")


def backup_problems(folder: Folder) -> Iterator[str]:
    """What a restore would want of it and does not find."""
    said = folder.said.get("backup") or {}
    if said and folder.said.get("in_cluster") == "members" and not said.get("empty"):
        yield folder.wrong(
            "its data is on several nodes ('in_cluster: members'), and a restore empties it there; name the command, "
            "such as 'empty: [empty-all]'",
            "backup",
        )


def circle_problems(folders: Iterable[Folder]) -> Iterator[str]:
    """Who waits for itself in the end."""
    waits = {folder.name: folder.said.get("waits_for") or [] for folder in folders}
    told: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        return next((circle for other in waits.get(name, []) if (circle := follow(other, [*way, name]))), [])

    for folder in folders:
        circle = follow(folder.name, [])
        if circle and not told & set(circle):
            told |= set(circle)
            yield folder.wrong(f"waits for itself: {' -> '.join(circle)}", "waits_for")


def disagreements(folders: Iterable[Folder]) -> Iterator[str]:
    """What two describe differently, and can be there once only: a secret, a value of .env."""
    secrets: dict[str, tuple[Folder, dict[str, Any]]] = {}
    values: dict[str, tuple[Folder, Any]] = {}
    for folder in folders:
        for number, secret in enumerate(folder.said.get("secrets") or []):
            other, way = secrets.setdefault(secret["name"], (folder, drawn(secret)))
            if drawn(secret) != way:
                yield folder.wrong(
                    f"the secret '{secret['name']}' has another length or kind than in {other.description.file}; "
                    "write the same in both",
                    "secrets",
                    number,
                )
        for name, value in (folder.said.get("env") or {}).items():
            other, first = values.setdefault(name, (folder, value))
            if SHELL_VALUE.fullmatch(name):
                yield folder.wrong(
                    f"'{name}' is the shell's or Docker's own, and not for .env; for example: "
                    f"{re.sub('[^A-Z0-9]', '_', folder.name.upper())}_{name}",
                    "env",
                    name,
                )
            elif name in OTHER_VALUES:
                yield folder.wrong(f"'{name}' is in every .env already, from {OTHER_VALUES[name]}", "env", name)
            elif first != value:
                yield folder.wrong(
                    f"'{name}' has another value in {other.description.file}, and .env has one of each", "env", name
                )


def volume_problems(folder: Folder) -> Iterator[str]:
    """What cannot be where a volume would be."""
    taken: dict[str, str] = {}
    for number, volume in enumerate(folder.said.get("volumes") or []):
        path = volume["path"].rstrip("/")
        if f"{path}/".startswith("/run/secrets/"):
            yield folder.wrong(f"the volume '{volume['name']}' would hide the secrets", "volumes", number)
        elif path in taken:
            yield folder.wrong(
                f"the volumes '{taken[path]}' and '{volume['name']}' are both at {path}", "volumes", number
            )
        taken.setdefault(path, volume["name"])


# Values of .env


def env_problems(given: Mapping[str, Any], folders: Iterable[Folder], off: Iterable[Folder]) -> Iterator[str]:
    """What is wrong with the user's own values for .env (stack_env). A value has one source."""
    sources = dict(OTHER_VALUES)
    known: dict[str, Any] = {}
    for folder in folders:
        for place, env in (
            (("env",), folder.said.get("env") or {}),
            *(
                (("contributes_to", other, "env"), added.get("env") or {})
                for other, added in (folder.said.get("contributes_to") or {}).items()
            ),
        ):
            for name in env:
                known[name] = env[name]
                if setting := folder.description.setting_of(*place, name):
                    sources[name] = setting
    asleep = {
        name
        for folder in off
        for line in folder.description.source
        if (found := re.match(r"\s+([A-Z][A-Z0-9_]*):", line))
        for name in [found[1]]
    }
    for name in given:
        if name in sources:
            yield f"stack_env: {name} comes from {sources[name]}; set that"
        elif name not in known and name not in asleep:
            yield f"stack_env: no service of this stack has '{name}'{service_schema.nearest(name, sorted(known))}"
        elif name in known and (said := _not_alike(name, given[name], known[name])):
            yield f"stack_env: {name} {said}"


def _not_alike(name: str, value: Any, original: Any) -> str:
    """Why a value cannot stand in for the service's own one, which is a number."""
    if not re.fullmatch(r"\d+", str(original)):
        return ""
    if not re.fullmatch(r"\d+", str(value)):
        return f"is '{value}', and no number, as the service's own {original} is"
    if name.endswith("_PORT") and port_range(value, {}) is None:
        return f"is {value}, and no port; for example: {original}"
    return ""


def overridden(folder: Folder, given: Mapping[str, Any]) -> Folder:
    """A folder with the user's own values."""
    env = {name: given.get(name, value) for name, value in (folder.said.get("env") or {}).items()}
    description = folder.description
    return Folder(
        Description(
            description.name,
            description.file,
            {**description.said, "env": env},
            description.lines,
            description.source,
        ),
        folder.compose,
        folder.files,
        folder.raw,
    )


# Ports


def port_range(value: Any, env: Mapping[str, Any]) -> tuple[int, int] | None:
    """The first and the last port of a number, a range, or a value of env that is one."""
    text = str(env.get(str(value), value))
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    if not found:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    return (first, last) if 1 <= first <= last <= 65535 else None


def ports_of(folder: Folder) -> list[dict[str, Any]]:
    """A service's ports, resolved; those that are wrong are left to port_problems."""
    env = folder.said.get("env") or {}
    found = []
    for number, port in enumerate(folder.said.get("ports") or []):
        published = port_range(port["published"], env)
        target = port_range(port.get("target", port["published"]), env)
        if published is None or target is None:
            continue
        forwarded = port_range(port["forwarded"], env) if "forwarded" in port else None
        description = folder.description
        setting = description.setting_of("env", str(port["published"])) or description.setting_of(
            "ports", number, "published"
        )
        found.append(
            {
                "service": folder.name,
                "protocol": port.get("protocol", "tcp"),
                "first": published[0],
                "last": published[1],
                "forwarded": forwarded[0] if forwarded else None,
                "setting": setting or description.at(("ports", number)),
                "forwarded_setting": description.setting_of("ports", number, "forwarded")
                or (setting if forwarded == published else None)
                or description.at(("ports", number)),
            }
        )
    return found


def port_problems(folder: Folder) -> Iterator[str]:
    """What is wrong with a service's ports by themselves."""
    env = folder.said.get("env") or {}
    order = folder.said.get("update_order")
    for number, port in enumerate(folder.said.get("ports") or []):
        ranges = {}
        for key in ("published", "target", "forwarded"):
            if key in port:
                ranges[key] = port_range(port[key], env)
                if ranges[key] is None:
                    value = env.get(str(port[key]), port[key])
                    yield folder.wrong(
                        f"'{key}: {port[key]}' "
                        + (f"is '{value}', and no port or range of ports" if value != port[key] else "is no port here")
                        + "; for example: 8080, 21000-21009, or a name in env",
                        "ports",
                        number,
                    )
        sizes = {last - first for first, last in (one for one in ranges.values() if one)}
        if len(sizes) > 1:
            yield folder.wrong("the ports of one line must be equally many", "ports", number)
    ports = folder.said.get("ports") or []
    if order == "start_first" and ports:
        yield folder.wrong("'start_first' and 'ports': two of it cannot publish the same port", "update_order")
    if folder.said.get("beside") and order != "start_first":
        yield folder.wrong(
            "'beside' asks whether two of it can work at once: it needs 'update_order: start_first'", "beside"
        )
    if order == "hold_connections" and not [port for port in ports if port.get("protocol", "tcp") == "tcp"]:
        yield folder.wrong("'hold_connections', and no port of TCP where somebody could wait", "update_order")


def collisions(ports: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Two that want one port of the managed host."""
    before: list[Mapping[str, Any]] = []
    for port in ports:
        for other in before:
            same = other["protocol"] == port["protocol"]
            if same and other["first"] <= port["last"] and port["first"] <= other["last"]:
                yield (
                    f"{port['setting']}: {port['service']} publishes port {max(other['first'], port['first'])} "
                    f"({port['protocol']}), and so does {other['service']} ({other['setting']}); "
                    "give one of them another"
                )
        before.append(port)


def port_text(port: Mapping[str, Any], env: Mapping[str, Any]) -> str:
    """A port as the compose file has it."""
    published, target = port["published"], port.get("target", port["published"])
    text = ":".join(f"${{{one}}}" if str(one) in env else str(one) for one in (published, target))
    return text + ("/udp" if port.get("protocol") == "udp" else "")


# Networks


def networks(folders: Iterable[Folder]) -> list[dict[str, Any]]:
    """A network for each two who talk, and one for each who has a port or a way out; each with its members."""
    folders = list(folders)
    by_name = {folder.name: folder for folder in folders}
    pairs: dict[frozenset[str], str] = {}
    for folder in folders:
        for other in folder.said.get("talks_to") or []:
            # Who waits for the other is the one that begins.
            turned = folder.name in (by_name[other].said.get("waits_for") or [])
            first, second = (other, folder.name) if turned else (folder.name, other)
            pairs.setdefault(frozenset((first, second)), f"{first}-to-{second}")
    found = [
        {"name": name, "members": name_order(pair, name), "internal": True, "way_in": False, "way_out": False}
        for pair, name in pairs.items()
    ]
    for folder in folders:
        way_in, way_out = bool(folder.said.get("ports")), bool(folder.said.get("egress"))
        if way_in or way_out:
            found.append(
                {
                    # Another way is another network: compose does not change one that is there.
                    "name": f"{folder.name}-way{'-in' if way_in else ''}{'-out' if way_out else ''}",
                    "members": [folder.name],
                    "internal": False,
                    "way_in": way_in,
                    "way_out": way_out,
                }
            )
        elif not any(folder.name in pair for pair in pairs):
            found.append(
                {
                    "name": f"{folder.name}-apart",
                    "members": [folder.name],
                    "internal": True,
                    "way_in": False,
                    "way_out": False,
                }
            )
    return found


def network_collisions(folders: Iterable[Folder]) -> Iterator[str]:
    """Two networks that would have one name, as those of a with b-to-c and of a-to-b with c."""
    folders = list(folders)
    by_name = {folder.name: folder for folder in folders}
    found: dict[str, list[str]] = {}
    for network in networks(folders):
        members = found.setdefault(network["name"], network["members"])
        if members is not network["members"]:
            one, other = (" with ".join(of) for of in (members, network["members"]))
            yield by_name[members[0]].wrong(
                f"the networks of {one} and of {other} would both be called '{network['name']}'; "
                "give one of the folders another name"
            )


def name_order(pair: frozenset[str], name: str) -> list[str]:
    """The two of a pair, the one that begins first."""
    return sorted(pair, key=lambda member: not name.startswith(f"{member}-to-"))


def networks_of(
    folder: Folder, all_networks: Iterable[Mapping[str, Any]], folders: Iterable[Folder]
) -> dict[str, list[str]]:
    """A service's networks, each with the names that it has there besides its own."""
    callers = {one.name for one in folders if folder.name in (one.said.get("talks_to") or [])}
    return {
        network["name"]: [f"asked.{folder.name}", *(folder.said.get("aliases") or [])]
        if callers & set(network["members"])
        else []
        for network in all_networks
        if folder.name in network["members"]
    }


def reach(folders: Iterable[Folder]) -> list[tuple[str, str, int]]:
    """Who reaches whom at which port of TCP over the networks: the one that asks, the one that is asked, the port.

    A published port is open to everybody who shares a network with it, as it is to the world.
    """
    folders = list(folders)
    together = [set(network["members"]) for network in networks(folders)]
    found = []
    for asked in folders:
        env = asked.said.get("env") or {}
        inner = {one for port in asked.said.get("listens") or [] for one in _span(port_range(port, env))}
        public = {
            one
            for port in asked.said.get("ports") or []
            if port.get("protocol", "tcp") == "tcp"
            for one in _span(port_range(port.get("target", port["published"]), env))
        }
        for asks in folders:
            if asks.name != asked.name and any({asks.name, asked.name} <= members for members in together):
                talks = asked.name in (asks.said.get("talks_to") or [])
                found += [(asks.name, asked.name, port) for port in sorted(public | (inner if talks else set()))]
    return found


def _span(ports: tuple[int, int] | None) -> range:
    return range(ports[0], ports[1] + 1) if ports else range(0)


# All together


def service(folder: Folder, bonus: Iterable[str], base: str, its_networks: dict[str, list[str]]) -> dict[str, Any]:
    """One service, complete, as the templates see it."""
    name, said = folder.name, folder.said
    described = {
        **service_schema.DEFAULTS,
        **said,
        "limits": {**service_schema.DEFAULTS["limits"], **said.get("limits", {})},
    }
    for key in ("contributes_to", "copied", "mandatory"):
        del described[key]
    secrets = [drawn(secret) for secret in described["secrets"]]
    hot = [secret["name"] for secret in described["secrets"] if secret.get("hot_reload")]
    context = f"requirements/{'bonus/' if name in bonus else ''}{name}"
    content = content_of(folder)
    tag = images.content_tag(content, base)
    return {
        **described,
        "name": name,
        "compose": compose_text.with_environment(folder.compose, INSIDE.format(name)),
        "context": context,
        "tag": tag,
        "content": content,
        "image": f"{name}:{tag}",
        "secrets": secrets,
        "hot_reload": hot,
        "revision": [secret["name"] for secret in secrets if secret["name"] not in hot],
        "mounts": {**{secret["name"]: f"{secret['name']}.txt" for secret in secrets}, **described["files"]},
        "networks": its_networks,
        "ports": [port_text(port, described["env"]) for port in described["ports"]],
        "tcp_ports": numbers(ports_of(folder), "tcp"),
        "project_files": [f"srcs/{context}/{path}" for path in folder.files],
    }


def shared_volumes(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Those that containers on several nodes of a cluster make use of."""
    return sorted(
        {
            volume["name"]
            for one in services
            for volume in one["volumes"]
            if one["in_cluster"] not in OF_ITS_NODE or volume.get("everywhere")
        }
    )


def numbers(ports: Iterable[Mapping[str, Any]], protocol: str) -> list[int]:
    """Every single port of a protocol, in order."""
    return sorted(
        {number for port in ports if port["protocol"] == protocol for number in range(port["first"], port["last"] + 1)}
    )


def unique(found: Iterable[Any]) -> list[Any]:
    kept: list[Any] = []
    for one in found:
        if one not in kept:
            kept.append(one)
    return kept


def problems(folders: list[Folder], off: Iterable[Folder] = (), env: Mapping[str, Any] | None = None) -> list[str]:
    """Every mistake in the descriptions, each with its file and line. What depends on another one waits for it."""
    found = [problem for folder in folders for problem in folder.description.problems]
    if found:
        return found
    by_name = {folder.name: folder for folder in folders}
    found = [problem for folder in folders for problem in own_problems(folder)]
    found += [problem for folder in folders for problem in contribution_problems(folder, by_name)]
    if found:
        return found
    found = list(env_problems(env or {}, folders, off))
    whole = [overridden(folder, env or {}) for folder in with_contributions(folders) if folder.is_service]
    names = [folder.name for folder in whole]
    secrets = {secret["name"] for folder in whole for secret in folder.said.get("secrets") or []}
    for folder in whole:
        found += relation_problems(folder, names, secrets)
        found += port_problems(folder)
        found += volume_problems(folder)
        found += backup_problems(folder)
    found += disagreements(whole)
    found += circle_problems(whole)
    return found or [*collisions(port for folder in whole for port in ports_of(folder)), *network_collisions(whole)]


def stack(
    folders: list[Folder], bonus: Iterable[str] = (), base: str = "", env: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the descriptions, which have no mistake, make together."""
    whole = with_fronts(overridden(folder, env or {}) for folder in with_contributions(folders) if folder.is_service)
    all_networks = networks(whole)
    services = [service(folder, bonus, base, networks_of(folder, all_networks, whole)) for folder in whole]
    ports = [port for folder in whole for port in ports_of(folder)]
    files = [
        {"path": f"srcs/{one['context']}/{path}", "content": content, **encoding}
        for one, folder in zip(services, whole, strict=True)
        for contents, encoding in ((folder.files, {}), (folder.raw, {"encoding": "base64"}))
        for path, content in contents.items()
    ]
    return {
        "services": services,
        "files": files,
        "tags": {one["name"]: one["tag"] for one in services},
        "ports": ports,
        "secrets": unique(secret for one in services for secret in one["secrets"]),
        "mounts": {name: file for one in services for name, file in one["mounts"].items()},
        "volumes": unique(volume["name"] for one in services for volume in one["volumes"]),
        "shared_volumes": shared_volumes(services),
        "reach": reach(whole),
        "networks": all_networks,
    }
