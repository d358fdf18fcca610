# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: compose_unused
short_description: What a compose project left on the managed host
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Finds the images, volumes and networks that compose made for the project and that belong to none of its services,
    volumes and networks any more.
extends_documentation_fragment:
  - fortytwo.inception._compose_project
options:
  _input:
    description: What M(community.docker.docker_host_info) returned, with images, volumes and networks.
    type: dict
    required: true
  services:
    description: The names of the services that there are.
    type: list
    elements: str
    required: true
  volumes:
    description: The names of the volumes that there are.
    type: list
    elements: str
    required: true
  networks:
    description: The names of the networks that there are.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the images of services that are gone
  ansible.builtin.debug:
    msg: "{{ (engine | fortytwo.inception.compose_unused(services=['nginx'], volumes=[], networks=[])).images }}"
"""

RETURN = r"""
_value:
  description: Lists of what was found, as V(images), V(volumes) and V(networks).
  type: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state


def compose_unused(
    engine: Mapping[str, Any],
    services: Iterable[str],
    volumes: Iterable[str],
    networks: Iterable[str],
    project: str = "inception",
) -> dict[str, list[Mapping[str, Any]]]:
    kept = {"images": set(services), "volumes": set(volumes), "networks": set(networks)}
    return compose_state.unused(engine, kept, project)


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"compose_unused": compose_unused}
