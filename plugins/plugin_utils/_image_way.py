# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where images are built: on the control node or another builder, and carried, or on the managed host."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AUTO = "auto"
CONTROL_NODE = "control_node"
MANAGED_HOST = "managed_host"
# What Docker calls the architectures.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}
# Engines that read what is carried (layers compressed by zstd).
OLDEST_ENGINE = 23


@dataclass(frozen=True)
class Way:
    """Where, and why there."""

    builder: str
    reason: str


def own_architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def obstacle(builder: str, host: str, found: Mapping[str, Any], has_tool: bool) -> str:
    """Why nothing can be built elsewhere for a managed host; empty where it can."""
    if not str(found["engine"]).partition(".")[0].isdecimal() or int(found["engine"].partition(".")[0]) < OLDEST_ENGINE:
        return f"{host} has Docker {found['engine']}, and takes images from version {OLDEST_ENGINE} on"
    if builder != CONTROL_NODE:
        # It says by itself what it cannot.
        return ""
    if found["architecture"] != own_architecture():
        return f"the control node is {own_architecture()}, and {host} {found['architecture']}"
    if not has_tool:
        return "the control node has no Docker with buildx, and no buildah (apt-get install buildah)"
    return ""


def choose(
    setting: str,
    host: str,
    hosts: int,
    found: Mapping[str, Any],
    own_emulated: bool,
    has_tool: bool,
    builds_itself: bool = True,
) -> Way:
    """The way of this host; where the builder cannot build for it, whatever the setting is, the reason says why."""
    if setting == MANAGED_HOST:
        return Way(MANAGED_HOST, "inception_builder says so")
    if setting == host:
        return Way(MANAGED_HOST, "it is the builder")
    builder, why = setting, "inception_builder says so"
    if setting == AUTO:
        builder = CONTROL_NODE
        if found["emulated"] and not own_emulated:
            why = f"{host} is emulated, and builds slowly"
        elif not builds_itself:
            why = f"{host} builds none itself"
        elif hosts > 1:
            why = f"{hosts} hosts want them"
        else:
            return Way(MANAGED_HOST, f"{host} is as fast, and alone")
    against = obstacle(builder, host, found, has_tool)
    return Way(MANAGED_HOST, against) if against else Way(builder, why)
