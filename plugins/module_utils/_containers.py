# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of a project on the managed host. Private to this collection: it may change without notice.

Docker is asked for them by their labels: no file of the project, which its owner may edit, is read by root.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
# Of a container of `docker compose run`, which is a trial or somebody's shell, and not the service.
ONE_OFF = "com.docker.compose.oneoff"
# What Swarm gives each of its own: those of a stack, and the service with the stack's name before it.
NAMESPACE = "com.docker.stack.namespace"
SWARM_SERVICE = "com.docker.swarm.service.name"

# How often a command is begun in a container before its runtime is believed, and the seconds between.
BEGINNINGS, PAUSE = 3, 1.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Container:
    """One container of a service."""

    name: str
    service: str
    number: int
    running: bool
    one_off: bool
    environment: dict[str, str]

    @classmethod
    def of(cls, told: dict[str, Any]) -> Container:
        config = told.get("Config") or {}
        labels = config.get("Labels") or {}
        # A container of Swarm's has its image's labels too.
        service = labels.get(SWARM_SERVICE, "").removeprefix(f"{labels.get(NAMESPACE)}_") or labels.get(SERVICE, "")
        pairs = (line.partition("=") for line in config.get("Env") or [])
        return cls(
            name=str(told["Name"]).lstrip("/"),
            service=service,
            number=int(labels.get(NUMBER) or 0),
            running=bool((told.get("State") or {}).get("Running")),
            one_off=labels.get(ONE_OFF) == "True",
            environment={name: value for name, dummy, value in pairs},
        )


def docker(module: AnsibleModule) -> str:
    path: str = module.get_bin_path("docker", required=True)
    return path


def of_project(module: AnsibleModule, project: str, swarm: bool = False) -> list[Container]:
    """The containers of a project's services, running or not, by service and number; of Swarm's those on this node."""
    # One that somebody starts by hand has its image's labels, which say the project, but no number.
    made = ["--filter", f"label={PROJECT}={project}", "--filter", f"label={NUMBER}"]
    if swarm:
        made = ["--filter", f"label={NAMESPACE}={project}"]
    listed = [docker(module), "ps", "--all", "--quiet", "--no-trunc", *made]
    dummy, output, dummy = module.run_command(listed, check_rc=True)
    names = output.split()
    if not names:
        return []
    # One that is gone by now makes it complain, and tell of the others all the same.
    dummy, output, dummy = module.run_command([docker(module), "inspect", "--type", "container", *names])
    found = [Container.of(told) for told in json.loads(output or "[]")]
    services = [container for container in found if not container.one_off]
    return sorted(services, key=lambda container: (container.service, container.number, container.name))


def never_began(code: int | None, *said: str) -> bool:
    """Whether `docker exec` says that its runtime could not begin the command: nothing of it ran.

    A machine that is busy or short of memory loses the process between two steps ("read init-p: connection reset by
    peer", moby#40399). A program that the container lacks or may not run is an answer, and none of these.
    """
    failed = [text for text in said if text.startswith("OCI runtime exec failed")]
    return code in (126, 128) and bool(failed) and 'exec: "' not in failed[0]


def begun(command: Callable[[], Answer], ended: Callable[[Answer], tuple[int | None, str]]) -> Answer:
    """What a `docker exec` answers, which is run again where it never began; `ended` tells its status and its words."""
    answer = command()
    for dummy in range(BEGINNINGS - 1):
        if not never_began(*ended(answer)):
            break
        time.sleep(PAUSE)
        answer = command()
    return answer
