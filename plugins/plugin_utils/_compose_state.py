# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker and compose say of a stack, judged on the control node."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images

PROJECT = "com.docker.compose.project"
Object = Mapping[str, Any]


def of_project(objects: Iterable[Object] | None, project: str) -> list[Object]:
    return [one for one in objects or [] if (one.get("Labels") or {}).get(PROJECT) == project]


def is_tagged_by_us(image: Object) -> bool:
    """Whether its names are a service's with the digest of a content: others' project of that name has other tags."""
    tags = image.get("RepoTags") or []
    return bool(tags) and all(re.fullmatch(r"[a-z0-9_-]+:[0-9a-f]{12}", tag) for tag in tags)


def unused(engine: Object, kept: Mapping[str, Collection[str]], project: str) -> dict[str, list[Object]]:
    """What the stack left on the managed host that belongs to no service, volume or network of it any more."""
    ours = [one for one in engine.get("images") or [] if is_tagged_by_us(one)]
    kinds = {"images": (ours, "service"), "volumes": (engine.get("volumes"), "volume")}
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
