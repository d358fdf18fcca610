# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of a project on the managed host. Private to this collection: it may change without notice.

Docker is asked for them by their labels: no file of the project, which its owner may edit, is read by root.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
# Of a container of `docker compose run`, which is a trial or somebody's shell, and not the service.
ONE_OFF = "com.docker.compose.oneoff"


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
        pairs = (line.partition("=") for line in config.get("Env") or [])
        return cls(
            name=str(told["Name"]).lstrip("/"),
            service=labels.get(SERVICE, ""),
            number=int(labels.get(NUMBER) or 0),
            running=bool((told.get("State") or {}).get("Running")),
            one_off=labels.get(ONE_OFF) == "True",
            environment={name: value for name, dummy, value in pairs},
        )


def docker(module: AnsibleModule) -> str:
    path: str = module.get_bin_path("docker", required=True)
    return path


def of_project(module: AnsibleModule, project: str) -> list[Container]:
    """The containers of a project's services, running or not, by service and number."""
    label = f"label={PROJECT}={project}"
    listed = [docker(module), "ps", "--all", "--quiet", "--no-trunc", "--filter", label]
    dummy, output, dummy = module.run_command(listed, check_rc=True)
    names = output.split()
    if not names:
        return []
    # One that is gone by now makes it complain, and tell of the others all the same.
    dummy, output, dummy = module.run_command([docker(module), "inspect", "--type", "container", *names])
    found = [Container.of(told) for told in json.loads(output or "[]")]
    services = [container for container in found if not container.one_off]
    return sorted(services, key=lambda container: (container.service, container.number, container.name))
