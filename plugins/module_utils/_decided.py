# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has decided by itself, and a deployment reads before it renders: so that the control node neither
takes it for an edited file nor undoes it. Private to this collection.

Nothing is remembered beside the deployments: it stands in the project's files of the one that runs, and the way back to
another one is the way back to what was decided then.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._history import Files, History, Project

HISTORY = Path("/var/lib/fortytwo.inception/history")
COMPOSE = "srcs/docker-compose.yml"
# The name that a Dockerfile starts from, with whatever stands before that of the distribution.
FROM = re.compile(r"(?mi)^FROM +(?:[^\s]*[/-])?(debian|alpine):([\w.]+)\s")
# A Dockerfile, whose it is, and the line by which its packages are installed anew: another value is another layer.
DOCKERFILE = re.compile(r"srcs/requirements/(?:bonus/)?([^/]+)/Dockerfile")
STAGE = re.compile(r"(?mi)^FROM [^\n]*\n")
PACKAGES = re.compile(r"(?m)^ARG PACKAGES=([0-9a-f]+)\n")
STAMP_LENGTH = 12


def release_of(files: Files) -> dict[str, str]:
    """The release that the images of a project are built on; none where its name does not say it."""
    for path, file in sorted(files.items()):
        if path.endswith("/Dockerfile") and (found := FROM.search(file.data.decode(errors="replace"))):
            return {"family": found[1], "name": found[2]}
    return {}


def packages_of(files: Files) -> dict[str, str]:
    """By service, what stands for the versions of the packages that its image was given last; none for most."""
    found = {}
    for path, file in sorted(files.items()):
        whose, line = DOCKERFILE.fullmatch(path), PACKAGES.search(file.data.decode(errors="replace"))
        if whose and line:
            found[whose[1]] = line[1]
    return found


def stamp_of(packages: Iterable[str], former: str = "") -> str:
    """What stands for versions of packages; another one than before, since the same one would build nothing."""
    found = hashlib.sha256("\n".join(sorted(packages)).encode()).hexdigest()[:STAMP_LENGTH]
    return stamp_of([found]) if found == former else found


def stamped(dockerfile: str, stamp: str) -> str:
    """A Dockerfile whose packages are those of a stamp, in each of its stages."""
    plain = PACKAGES.sub("", dockerfile)
    return STAGE.sub(rf"\g<0>ARG PACKAGES={stamp}\n", plain) if stamp else plain


def files_of(project_dir: str, manifest: str, history: History) -> Files:
    """The project's files as they were deployed last; of a machine without a history, those that are there."""
    current = history.current()
    if current is not None and history.plan(current.number).get("root") == project_dir:
        return history.files(current.number)
    return Project(project_dir, manifest).read()


def found(project_dir: str, manifest: str, history: History | None = None) -> dict[str, Any]:
    """For who renders."""
    files = files_of(project_dir, manifest, history or History(HISTORY))
    return {"release": release_of(files), "packages": packages_of(files)}
