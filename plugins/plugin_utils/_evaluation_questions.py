# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that only a person answers, with the answers as they are true for this very project.

Private to this collection: it may change without notice.
"""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_compose import Located
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_project import ROLES, Project


def questions(project: Project) -> dict[int, tuple[str, str]]:
    """Questions with their answers by item."""
    try:
        return _questions(project)
    except Exception:  # a stranger's project must not end the evaluation of others
        return {}


def _bases(project: Project) -> str:
    found = {name: file.stages[-1].base for name, file in project.dockerfiles.items() if file.stages}
    return "; ".join(f"{name} from {base}" for name, base in found.items()) or "no Dockerfile was found"


def _commands(project: Project) -> str:
    found = []
    for service in project.services.values():
        words = [part if isinstance(part, str) else " ".join(part) for _kind, part, _where in project.starters(service)]
        if words:
            found.append(f"{service.name} starts `{' '.join(words)[:120]}`")
    return "; ".join(found) or "no command was found"


def _networks(project: Project) -> str:
    declared = project.composition.get("networks")
    names = ", ".join(declared) if isinstance(declared, Located) else ""
    joined = "; ".join(f"{one.name} in {', '.join(one.networks)}" for one in project.services.values() if one.networks)
    return f"the compose file declares {names or 'no network'}; {joined or 'no service names one'}"


def _volumes(project: Project) -> str:
    found = [
        f"{one.name} mounts {mount.source or 'a volume without a name'} at {mount.target}"
        for one in project.services.values()
        for mount in one.mounts
    ]
    return "; ".join(found) or "no service mounts a volume"


def _questions(project: Project) -> dict[int, tuple[str, str]]:
    services = ", ".join(project.services) or "none"
    database = project.roles.get("mariadb")
    client = f"docker compose exec {database.name if database else 'mariadb'} mariadb -u <user> -p"
    extra = [name for name in project.services if name not in {one.name for one in project.roles.values()}]
    folders = sorted({one.context for one in project.services.values() if one.built})
    return {
        2: ("Is the evaluated person here?", "Only you can tell."),
        17: (
            "How do Docker and Docker Compose work?",
            "Docker builds an image from each Dockerfile and runs it as isolated processes on the host's kernel; "
            f"Compose makes network, volumes and containers of one file. Here the services are: {services}. "
            f"{_commands(project)}.",
        ),
        18: (
            "How does an image used with compose differ from one used without?",
            "The image is the same. Compose adds network, volumes, environment, secrets, order and restart policy "
            f"from {', '.join(project.compose_files) or 'its file'}; without it each is an option of `docker run`. "
            f"Here: {_volumes(project)}.",
        ),
        19: (
            "What does Docker gain over virtual machines?",
            "Containers share the host's kernel: they start in moments, are small, and are described by a file; "
            f"a virtual machine has a kernel of its own and isolates more. Here: {_bases(project)}.",
        ),
        20: (
            "What is this folder layout good for?",
            "All that configures the application is in `srcs`, each image has a folder of its own to build from, and "
            f"secrets stay out of it. Here: {', '.join(folders) or 'no build context'}.",
        ),
        37: (
            "What is a Docker network?",
            "A virtual network in which containers reach each other by their services' names, and nothing else "
            f"reaches them unless a port is published. Here {_networks(project)}.",
        ),
        54: ("How do you log in to the database?", f"For example `{client}`; root asks for its password."),
        61: (
            "Why was this service chosen?",
            f"Beyond {', '.join(ROLES)} this project has: {', '.join(extra) or 'nothing'}.",
        ),
    }
