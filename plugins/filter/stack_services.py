# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a stack, from what their rooms say."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: stack_services
short_description: Turns the rooms of services into what the compose file needs
version_added: 1.0.0
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Completes each service's description, checks that what it names exists, and gives its image a tag
    that is a digest of its build context and of the base image.
  - A room may add to another service of the stack, such as a route to nginx. Its files under C(for/<service>/) belong
    to that service's build context, and its C(for) to that service's settings, secrets, networks, volumes and order
    of start. One without a C(Dockerfile) adds to others and is no service of its own.
options:
  _input:
    description:
      - One dictionary a room, with V(name), V(description) (the room's C(service.yml)),
        V(compose) (its piece of the compose file) and V(files) (a dictionary of path and content, the build context).
      - Where the build context has files of the user's own that are no templates, V(raw) is a dictionary of their paths
        and their contents in base64.
    type: list
    elements: dict
    required: true
  bonus:
    description: The names that live in C(requirements/bonus/).
    type: list
    elements: str
    default: []
  base:
    description: The digest of the base image.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Describe one service
  ansible.builtin.debug:
    msg: "{{ [room] | fortytwo.inception.stack_services(base='sha256:0123') }}"
  vars:
    room:
      name: cache
      description: {about: the cache, networks: {backend: []}}
      compose: "    environment: {}"
      files: {Dockerfile: "FROM debian:bookworm\n"}
"""

RETURN = r"""
_value:
  description:
    - The services in the given order, each with V(name), V(about), V(compose), V(context), V(tag), V(image),
      V(project_files), V(raw_files), V(env), V(secrets),
      V(mounts) (name and file of what the container finds in C(/run/secrets)),
      V(networks), V(ports), V(waits_for), V(limits), V(volumes) and, where it has one of its own, V(volume).
    - Of the secrets, V(live) names those that the running service learns through its command C(accept), and V(stamp)
      the others, for which its container is replaced. V(twice) is whether two of it may run meanwhile.
    - V(alive) is whether it has a command C(alive) that prints its own sign of life in one line.
    - V(credentials) is what C(make credentials) shows, where it has something to show.
  type: list
  elements: dict
"""

# What a room may say, and what it means when it does not.
DEFAULTS: dict[str, Any] = {
    "about": None,
    "env": {},
    "secrets": [],
    "twice": False,
    "alive": False,
    "credentials": None,
    "files": {},
    "volume": None,
    "volumes": [],
    "networks": {},
    "ports": [],
    "waits_for": [],
    "limits": {"memory": "256M", "cpus": 1, "pids": 100},
    "copied": {},
    "for": {},
}
# What a room may add to another one's description.
ADDABLE = ("env", "secrets", "networks", "volumes", "waits_for")
ADDED_FILE = re.compile(r"for/([^/]+)/(.+)")
COPIED_FOLDER = re.compile(r"[a-z][a-z0-9_-]*")
NETWORKS = ("frontend", "backend")
# What a room may say of a secret: its name and how it is drawn, which every room that uses it says alike,
# and whether the running service learns a new value.
SECRET_KEYS = ("name", "length", "kind", "live")
VOLUME_KEYS = ("name", "path", "read_only")
SECRET_LENGTHS = {"password": 32, "token": 64}
SECRET_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
TAG_LENGTH = 12


def content_tag(files: dict[str, str], base: str) -> str:
    """A short digest of a build context and of the image it is built on: equal content, equal tag."""
    return hashlib.sha256(json.dumps([base, files], sort_keys=True).encode()).hexdigest()[:TAG_LENGTH]


def copied_problems(room: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the folders that a room copies into its build context."""
    for target in room["description"].get("copied") or {}:
        if not COPIED_FOLDER.fullmatch(str(target)):
            yield f"copies to '{target}'; name a folder of the room, such as 'site'"
        elif any(path.startswith(f"{target}/") for path in room["files"]):
            yield f"copies to '{target}', where the room has files already"


def drawn(secret: dict[str, Any]) -> dict[str, Any]:
    """How a secret is drawn, complete."""
    kind = secret.get("kind", "password")
    return {"name": secret["name"], "kind": kind, "length": secret.get("length", SECRET_LENGTHS[kind])}


def secret_problems(secret: Any, files: dict[str, str]) -> Iterator[str]:
    """What is wrong with one secret of a room."""
    if not isinstance(secret, dict) or not SECRET_NAME.fullmatch(str(secret.get("name", ""))):
        yield f"has the secret {secret}; give it a name of lowercase letters, digits, _ and -: '- name: cache_password'"
        return
    name = secret["name"]
    yield from (
        f"has an unknown key '{key}' at the secret '{name}' (known: {', '.join(SECRET_KEYS)})"
        for key in secret
        if key not in SECRET_KEYS
    )
    if secret.get("kind", "password") not in SECRET_LENGTHS:
        yield f"has the kind '{secret['kind']}' at the secret '{name}'; there are {' and '.join(SECRET_LENGTHS)}"
    length = secret.get("length", 32)
    if not isinstance(length, int) or not 16 <= length <= 4096:
        yield f"has the length {length} at the secret '{name}'; give it a number from 16 to 4096, such as 32"
    if not isinstance(secret.get("live", False), bool):
        yield f"has 'live: {secret['live']}' at the secret '{name}'; it is true or false"
    elif secret.get("live") and not any(path.startswith("tools/accept") for path in files):
        yield f"has 'live' at the secret '{name}', and no tools/accept to tell the running service of it"


def volume_problems(volumes: Iterable[Any]) -> Iterator[str]:
    """What is wrong with the volumes of a room."""
    for volume in volumes:
        if not isinstance(volume, dict) or not {"name", "path"} <= set(volume) <= set(VOLUME_KEYS):
            yield f"has the volume {volume}; give it a name and a path, such as '{{name: cache, path: /var/cache}}'"


def credentials_problems(credentials: Any, secrets: set[str]) -> Iterator[str]:
    """What is wrong with what `make credentials` is to show."""
    if credentials is None:
        return
    if (
        not isinstance(credentials, dict)
        or set(credentials) != {"at", "users"}
        or not isinstance(credentials["users"], dict)
    ):
        yield "has 'credentials' other than {at: <address, or path of the site>, users: {<name in .env>: <secret>}}"
        return
    yield from (
        f"shows the credential '{secret}', which is no secret of this stack"
        for secret in credentials["users"].values()
        if secret not in secrets
    )


def volumes_of(description: dict[str, Any]) -> list[Any]:
    """A service's own volume, and those that it shares with another."""
    own = description.get("volume")
    return [*([own] if own else []), *(description.get("volumes") or [])]


def secret_names(rooms: Iterable[dict[str, Any]]) -> set[str]:
    """The names of all secrets of a stack."""
    secrets = (secret for room in rooms for secret in room["description"].get("secrets") or [])
    return {secret["name"] for secret in secrets if isinstance(secret, dict) and "name" in secret}


def is_service(room: dict[str, Any]) -> bool:
    """Whether a room is a service of its own; one without a Dockerfile only adds to others."""
    return "Dockerfile" in room["files"]


def added_files(room: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The files that a room adds to others: whose, the path there, and the content."""
    for path, content in room["files"].items():
        if found := ADDED_FILE.fullmatch(path):
            yield found[1], found[2], content


def added_problems(room: dict[str, Any], rooms: Iterable[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with what a room adds to others."""
    added = room["description"].get("for") or {}
    files = {other["name"]: other["files"] for other in rooms if other["name"] != room["name"]}
    for other in sorted({*added, *(owner for owner, _path, _content in added_files(room))} - set(files)):
        yield f"adds to '{other}', which is no other service of this stack"
    if not is_service(room):
        yield from (
            f"has '{key}' without a Dockerfile: it is no service, and can only add 'for' others"
            for key in room["description"]
            if key not in ("about", "for")
        )
        if not added:
            yield "has no Dockerfile and adds nothing 'for' another: it would do nothing"
    elif not room["compose"]:
        yield "has no compose.yml beside it, its piece of the compose file, with its health check"
    for other, what in added.items():
        for key in set(what) - set(ADDABLE):
            yield f"adds '{key}' to '{other}'; it may add {', '.join(ADDABLE)}"
    for owner, path, _content in added_files(room):
        if path in files.get(owner, {}):
            yield f"adds '{path}' to '{owner}', which has that file already"


def with_added(rooms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rooms, each with what the others add to it and without what it adds to them."""
    whole = {room["name"]: {**room, "description": {**room["description"]}, "files": {}} for room in rooms}
    for room in rooms:
        whole[room["name"]]["files"] |= {
            path: content for path, content in room["files"].items() if not ADDED_FILE.fullmatch(path)
        }
        for owner, path, content in added_files(room):
            whole[owner]["files"][path] = content
        for other, added in (room["description"].get("for") or {}).items():
            description = whole[other]["description"]
            for key, more in added.items():
                present = description.get(key)
                if key == "env":
                    description[key] = {**(present or {}), **more}
                elif key == "networks":
                    description[key] = {**more, **(present or {})}
                else:
                    description[key] = [*(present or []), *(one for one in more if one not in (present or []))]
    return list(whole.values())


def problems(room: dict[str, Any], names: set[str], all_secrets: set[str]) -> list[str]:
    """What is wrong with a room's description, in words that name the file."""
    description = room["description"]
    secrets = description.get("secrets") or []
    found = [f"has an unknown key '{key}' (known: {', '.join(DEFAULTS)})" for key in description if key not in DEFAULTS]
    if not description.get("about"):
        found.append("needs 'about', a few words that say what the service is, such as 'the database'")
    found += [
        f"waits for '{other}', which is no service of this stack"
        for other in description.get("waits_for") or []
        if other not in names
    ]
    found += [
        f"wants the network '{network}'; there are {' and '.join(NETWORKS)}"
        for network in description.get("networks") or {}
        if network not in NETWORKS
    ]
    found += [problem for secret in secrets for problem in secret_problems(secret, room["files"])]
    found += volume_problems(volumes_of(description))
    found += copied_problems(room)
    found += credentials_problems(description.get("credentials"), all_secrets)
    if not isinstance(description.get("twice", False), bool):
        found.append(f"has 'twice: {description['twice']}'; it is true or false")
    elif description.get("twice") and description.get("ports"):
        found.append("has 'twice' and 'ports': two of it cannot publish the same port")
    if not isinstance(description.get("alive", False), bool):
        found.append(f"has 'alive: {description['alive']}'; it is true or false")
    elif description.get("alive") and not any(path.startswith("tools/alive") for path in room["files"]):
        found.append("has 'alive', and no tools/alive to print the service's sign of life")
    return found


def said(room: dict[str, Any], problem: str) -> str:
    """A problem, with the file that it is in."""
    return f"requirements/{room['name']}/service.yml {problem}"


def disagreements(rooms: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Which rooms want one secret in different ways."""
    first: dict[str, tuple[str, dict[str, Any]]] = {}
    for room in rooms:
        for secret in room["description"].get("secrets") or []:
            other, way = first.setdefault(secret["name"], (room["name"], drawn(secret)))
            if drawn(secret) != way:
                yield (
                    f"requirements/{room['name']}/service.yml wants the secret '{secret['name']}' with another length "
                    f"or kind than requirements/{other}/service.yml; write the same in both"
                )


def service(room: dict[str, Any], bonus: Iterable[str], base: str) -> dict[str, Any]:
    """One service, complete."""
    name, files, raw = room["name"], room["files"], room.get("raw") or {}
    described = {**DEFAULTS, **room["description"]}
    del described["for"], described["copied"]
    for key in ("volume", "credentials"):
        if described[key] is None:
            del described[key]
    secrets = [drawn(secret) for secret in described["secrets"]]
    live = [secret["name"] for secret in described["secrets"] if secret.get("live")]
    context = f"requirements/{'bonus/' if name in bonus else ''}{name}"
    tag = content_tag({**files, **raw}, base)
    return {
        **described,
        "name": name,
        "compose": room["compose"],
        "context": context,
        "tag": tag,
        "image": f"{name}:{tag}",
        "secrets": secrets,
        "live": live,
        "volumes": volumes_of(described),
        "stamp": [secret["name"] for secret in secrets if secret["name"] not in live],
        "mounts": {**{secret["name"]: f"{secret['name']}.txt" for secret in secrets}, **described["files"]},
        "project_files": {f"srcs/{context}/{path}": content for path, content in files.items()},
        "raw_files": {f"srcs/{context}/{path}": content for path, content in raw.items()},
    }


def stack_services(rooms: Iterable[dict[str, Any]], bonus: Iterable[str] = (), base: str = "") -> list[dict[str, Any]]:
    """The services of a stack. Raises an error that names every mistake in the rooms' descriptions."""
    rooms = list(rooms)
    names = {room["name"] for room in rooms if is_service(room)}
    wrong = [said(room, problem) for room in rooms for problem in added_problems(room, rooms)]
    if not wrong:
        rooms = with_added(rooms)
        secrets = secret_names(rooms)
        wrong = [said(room, problem) for room in rooms for problem in problems(room, names, secrets)]
    wrong = wrong or list(disagreements(rooms))
    if wrong:
        raise AnsibleFilterError("\n".join(wrong))
    return [service(room, bonus, base) for room in rooms if is_service(room)]


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"stack_services": stack_services}
