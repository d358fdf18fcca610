# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: new_ports
short_description: Which ports of services an earlier deployment does not publish yet
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Compares the ports of the services with those of the project that is deployed.
options:
  _input:
    description: Ports, as the lookup P(fortytwo.inception.stack_outline#lookup) returns them.
    type: list
    elements: dict
    required: true
  compose:
    description: The text of the deployed compose file; empty where there is none.
    type: str
    required: true
  env:
    description: The text of the deployed C(.env); empty where there is none.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which ports are new
  ansible.builtin.debug:
    msg: "{{ outline.ports | fortytwo.inception.new_ports(compose='', env='') | map(attribute='number') }}"
"""

RETURN = r"""
_value:
  description: The ports that are new, one by one, each with its V(number).
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state


def new_ports(ports: Iterable[Mapping[str, Any]], compose: str, env: str) -> list[dict[str, Any]]:
    return compose_state.new_ports(ports, compose_state.published(compose, env))


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"new_ports": new_ports}
