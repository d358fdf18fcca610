# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: compose_is_up
short_description: Whether compose has nothing to do, and Docker calls no container unwell
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Understands what C(docker compose --dry-run create) says. A plan that is worded otherwise is no plan of nothing.
positional: services, containers
extends_documentation_fragment:
  - fortytwo.inception._compose_project
options:
  _input:
    description: The lines of the plan.
    type: list
    elements: str
    required: true
  services:
    description: How many services there are.
    type: int
    required: true
  containers:
    description: The containers, as M(community.docker.docker_host_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whether all is well
  ansible.builtin.debug:
    msg: "{{ plan.stderr_lines | fortytwo.inception.compose_is_up(9, engine.containers) }}"
"""

RETURN = r"""
_value:
  description: Whether there is nothing to do.
  type: bool
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state


def compose_is_up(
    plan: list[str], services: int, containers: Iterable[Mapping[str, Any]], project: str = "inception"
) -> bool:
    return compose_state.is_up(plan, services, containers, project)


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"compose_is_up": compose_is_up}
