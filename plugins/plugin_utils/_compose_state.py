# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker and compose say of a stack, judged on the control node."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images

PROJECT = "com.docker.compose.project"
Object = Mapping[str, Any]


def of_project(objects: Iterable[Object] | None, project: str) -> list[Object]:
    return [one for one in objects or [] if (one.get("Labels") or {}).get(PROJECT) == project]


def is_up(plan: Collection[str], services: int, containers: Iterable[Object], project: str) -> bool:
    """Whether compose would leave each service as it is, and Docker calls no container unhealthy or starting."""
    return (
        len(plan) == services
        and all(re.search(r" Running *$", line) for line in plan)
        and not any(
            re.search(r"unhealthy|health: starting", str(one.get("Status"))) for one in of_project(containers, project)
        )
    )


def unused(engine: Object, kept: Mapping[str, Collection[str]], project: str) -> dict[str, list[Object]]:
    """What the stack left on the managed host that belongs to no service, volume or network of it any more."""
    images = [{**one, "Labels": one.get("Labels")} for one in engine.get("images") or []]
    kinds = {"images": (images, "service"), "volumes": (engine.get("volumes"), "volume")}
    kinds["networks"] = (engine.get("networks"), "network")
    return {
        kind: [
            one
            for one in of_project(objects, project)
            if one["Labels"].get(f"com.docker.compose.{label}") not in kept[kind]
        ]
        for kind, (objects, label) in kinds.items()
    }


def missing_images(engine: Object, services: Iterable[Object]) -> list[Object]:
    """The services whose image is not on the managed host, or was made of other files."""
    there = {
        tag: (one.get("Labels") or {}).get(images.CONTENT_LABEL)
        for one in engine.get("images") or []
        for tag in one.get("RepoTags") or []
    }
    return [one for one in services if there.get(one["image"]) != one["content"]]


def published(compose: str, env: str) -> dict[str, list[int]]:
    """The ports that a deployed project publishes, by their protocol; nothing where it cannot be read."""
    values = dict(re.findall(r'(?m)^([A-Z]\w*)="?(.*?)"?$', env))
    try:
        services = (yaml.safe_load(compose) or {}).get("services") or {}
    except (yaml.YAMLError, AttributeError):
        services = {}
    found: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for service in services.values():
        for port in (service or {}).get("ports") or []:
            text = re.sub(r"\$\{(\w+)\}", lambda name: values.get(name[1], ""), str(port))
            if match := re.fullmatch(r"(\d+)(?:-(\d+))?:[\d-]+(?:/(tcp|udp))?", text):
                found[match[3] or "tcp"] |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return {protocol: sorted(ports) for protocol, ports in found.items()}


def new_ports(ports: Iterable[Object], deployed: Mapping[str, Collection[int]]) -> list[dict[str, Any]]:
    """The ports that are published by no earlier deployment, one by one."""
    return [
        {**port, "number": number}
        for port in ports
        for number in range(port["first"], port["last"] + 1)
        if number not in deployed.get(port["protocol"], [])
    ]


def taken(ports: Iterable[Object], listening: Iterable[Object], holders: Collection[str]) -> list[str]:
    """Which ports somebody else holds, a sentence for each."""
    found = []
    for port in ports:
        names = sorted(
            {
                str(one.get("name") or "a program")
                for one in listening
                if one["port"] == port["number"] and one["protocol"] == port["protocol"]
            }
            - set(holders)
        )
        if names:
            found.append(
                f"{port['setting']}: port {port['number']} ({port['protocol']}), which the service {port['service']} "
                f"publishes, is taken by {', '.join(names)}; "
                "stop that program, or choose another port; for example: 8443"
            )
    return found


def unconnected(containers: Iterable[Object], networks: Iterable[Object], project: str) -> list[dict[str, str]]:
    """Which running containers are not where their service talks to another: container, network, and the name there."""
    talked = [one for one in networks if len(one["members"]) > 1]
    return [
        {"container": one["Name"], "network": f"{project}_{network['name']}", "alias": one["Service"]}
        for one in containers
        if one.get("State") == "running"
        for network in talked
        if one["Service"] in network["members"] and f"{project}_{network['name']}" not in (one.get("Networks") or [])
    ]
