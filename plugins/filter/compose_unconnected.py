# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: compose_unconnected
short_description: Which running containers are not in a network in which their service talks to another
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Compares the containers of a project that runs with the networks that it shall have. One of a single member is a way
    in or out, and is left out.
positional: networks
extends_documentation_fragment:
  - fortytwo.inception._compose_project
options:
  _input:
    description: The containers, as M(community.docker.docker_compose_v2) returns them.
    type: list
    elements: dict
    required: true
  networks:
    description: The networks, as M(fortytwo.inception.stack_services) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what has to be connected
  ansible.builtin.debug:
    msg: "{{ ahead.containers | fortytwo.inception.compose_unconnected(rendered.networks) }}"
"""

RETURN = r"""
_value:
  description: Dictionaries with V(container), V(network), and V(alias), the name that the container has there.
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state


def compose_unconnected(
    containers: Iterable[Mapping[str, Any]], networks: Iterable[Mapping[str, Any]], project: str = "inception"
) -> list[dict[str, str]]:
    return compose_state.unconnected(containers, networks, project)


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"compose_unconnected": compose_unconnected}
