# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: taken_ports
short_description: Which ports of services somebody else holds
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Compares ports with what listens on a managed host.
options:
  _input:
    description: Ports, as the filter P(fortytwo.inception.new_ports#filter) returns them.
    type: list
    elements: dict
    required: true
  listening:
    description: What listens, as M(community.general.listen_ports_facts) returns it.
    type: list
    elements: dict
    required: true
  holders:
    description: Programs that may hold such a port.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show which ports are taken
  ansible.builtin.debug:
    msg: "{{ ports | fortytwo.inception.taken_ports(listening=ansible_facts['tcp_listen'], holders=['dockerd']) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each port that is taken.
  type: list
  elements: str
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state


def taken_ports(
    ports: Iterable[Mapping[str, Any]], listening: Iterable[Mapping[str, Any]], holders: Iterable[str] = ()
) -> list[str]:
    return compose_state.taken(ports, list(listening), set(holders))


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"taken_ports": taken_ports}
