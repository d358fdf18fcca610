# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Overview. Private to this collection: it may change without notice."""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import Item, Section


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


def _volumes(project: Project) -> str:
    found = [
        f"{one.name} mounts {mount.source or 'a volume without a name'} at {mount.target}"
        for one in project.services.values()
        for mount in one.mounts
    ]
    return "; ".join(found) or "no service mounts a volume"


def _ask_docker(project: Project) -> tuple[str, str]:
    services = ", ".join(project.services) or "none"
    return (
        "How do Docker and Docker Compose work?",
        "Docker builds an image from each Dockerfile and runs it as isolated processes on the host's kernel; "
        f"Compose makes network, volumes and containers of one file. Here the services are: {services}. "
        f"{_commands(project)}.",
    )


def _ask_compose(project: Project) -> tuple[str, str]:
    return (
        "How does an image used with compose differ from one used without?",
        "The image is the same. Compose adds network, volumes, environment, secrets, order and restart policy "
        f"from {', '.join(project.compose_files) or 'its file'}; without it each is an option of `docker run`. "
        f"Here: {_volumes(project)}.",
    )


def _ask_machines(project: Project) -> tuple[str, str]:
    return (
        "What does Docker gain over virtual machines?",
        "Containers share the host's kernel: they start in moments, are small, and are described by a file; "
        f"a virtual machine has a kernel of its own and isolates more. Here: {_bases(project)}.",
    )


def _ask_layout(project: Project) -> tuple[str, str]:
    folders = sorted({one.context for one in project.services.values() if one.built})
    return (
        "What is this folder layout good for?",
        "All that configures the application is in `srcs`, each image has a folder of its own to build from, and "
        f"secrets stay out of it. Here: {', '.join(folders) or 'no build context'}.",
    )


_ITEMS = (
    Item(
        17,
        "How Docker and Docker Compose work",
        "The evaluated person explains how Docker and Docker Compose work.",
        "Read Docker's overview and explain it by this project.",
        oral=True,
        ask=_ask_docker,
    ),
    Item(
        18,
        "An image with and without compose",
        "The evaluated person explains how an image used with compose differs from one used without.",
        "Run one of the images without compose, and see what is missing.",
        oral=True,
        ask=_ask_compose,
    ),
    Item(
        19,
        "Docker against virtual machines",
        "The evaluated person explains what Docker gains over virtual machines.",
        "Compare kernel, start, size and isolation of both.",
        oral=True,
        ask=_ask_machines,
    ),
    Item(
        20,
        "Why this folder layout",
        "The evaluated person explains what the folder layout of the exercise is good for.",
        "Explain what each folder holds, and who reads it.",
        oral=True,
        ask=_ask_layout,
    ),
)
SECTION = Section("Overview", _ITEMS)
