# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a stack, from what their rooms say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
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
options:
  _input:
    description:
      - One dictionary a room, with V(name), V(description) (the room's C(service.yml)),
        V(compose) (its piece of the compose file) and V(files) (a dictionary of path and content, the build context).
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
      V(project_files), V(env), V(secrets), V(mounts) (name and file of what the container finds in C(/run/secrets)),
      V(networks), V(ports), V(waits_for), V(limits) and, where it has one, V(volume).
  type: list
  elements: dict
"""

# What a room may say, and what it means when it does not.
DEFAULTS: dict[str, Any] = {
    "about": None,
    "env": {},
    "secrets": [],
    "files": {},
    "volume": None,
    "networks": {},
    "ports": [],
    "waits_for": [],
    "limits": {"memory": "256M", "cpus": 1, "pids": 100},
}
NETWORKS = ("frontend", "backend")
TAG_LENGTH = 12


def content_tag(files: dict[str, str], base: str) -> str:
    """A short digest of a build context and of the image it is built on: equal content, equal tag."""
    return hashlib.sha256(json.dumps([base, files], sort_keys=True).encode()).hexdigest()[:TAG_LENGTH]


def problems(name: str, description: dict[str, Any], names: set[str]) -> list[str]:
    """What is wrong with a room's description, in words that name the file."""
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
    return [f"requirements/{name}/service.yml {problem}" for problem in found]


def service(room: dict[str, Any], bonus: Iterable[str], base: str) -> dict[str, Any]:
    """One service, complete."""
    name, files = room["name"], room["files"]
    described = {**DEFAULTS, **room["description"]}
    if described["volume"] is None:
        del described["volume"]
    secrets = [{"length": 32, **secret} for secret in described["secrets"]]
    context = f"requirements/{'bonus/' if name in bonus else ''}{name}"
    tag = content_tag(files, base)
    return {
        **described,
        "name": name,
        "compose": room["compose"],
        "context": context,
        "tag": tag,
        "image": f"{name}:{tag}",
        "secrets": secrets,
        "mounts": {**{secret["name"]: f"{secret['name']}.txt" for secret in secrets}, **described["files"]},
        "project_files": {f"srcs/{context}/{path}": content for path, content in files.items()},
    }


def stack_services(rooms: Iterable[dict[str, Any]], bonus: Iterable[str] = (), base: str = "") -> list[dict[str, Any]]:
    """The services of a stack. Raises an error that names every mistake in the rooms' descriptions."""
    rooms = list(rooms)
    names = {room["name"] for room in rooms}
    wrong = [problem for room in rooms for problem in problems(room["name"], room["description"], names)]
    if wrong:
        raise AnsibleFilterError("\n".join(wrong))
    return [service(room, bonus, base) for room in rooms]


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"stack_services": stack_services}
