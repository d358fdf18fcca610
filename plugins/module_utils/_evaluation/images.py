# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images of a project are made of. Private to this collection.

The engine hands the lists of packages out as files: nothing is run in a container, which may have been changed to lie.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _sbom
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import containers_of, inspected
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem

# Of more than this nobody reads a report, and all of it is kept in memory.
MOST_IMAGES, MOST_PACKAGES = 100, 50_000


def images(project: str) -> list[dict[str, Any]]:
    """Each image that a container of the project has, once, by the first of its services; what _sbom.bill takes.

    One of which nothing can be told is there too, with why.
    """
    made: dict[str, dict[str, Any]] = {}
    left = MOST_PACKAGES
    for service, container in sorted(containers_of(project).items()):
        if container["Image"] in made or len(made) == MOST_IMAGES:
            continue
        for told in inspected("image", [container["Image"]]):
            inside = inside_of(container["Id"], left)
            left -= len(inside.packages)
            image = {key: told.get(key) for key in ("Id", "RepoTags", "Architecture", "Created")}
            made[container["Image"]] = {"service": service, "image": image, "inside": inside.to_dict()}
    return list(made.values())


def inside_of(container: str, most: int) -> _sbom.Contents:
    try:
        inside = _sbom.contents(_sbom.file_of(container))
    except FileProblem as problem:
        return _sbom.Contents(problem=str(problem))
    if len(inside.packages) > most:
        return _sbom.Contents(problem=f"the project's images have more than {MOST_PACKAGES} packages")
    return inside
