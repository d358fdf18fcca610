# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: port_ranges
short_description: Ports by their protocol, as a set of nftables takes them
version_added: "1.1.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Sorts ports, and joins what overlaps or adjoins.
options:
  _input:
    description: Ports such as V(8080), V(51820/udp) and V(60000-61000/udp). Without a protocol it is TCP.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the ports
  ansible.builtin.debug:
    msg: "{{ [8080, '51820/udp', '60000-61000/udp'] | fortytwo.inception.port_ranges }}"
"""

RETURN = r"""
_value:
  description: Lists of numbers, and of V(first-last), by V(tcp) and V(udp).
  type: dict
  sample: {tcp: [8080], udp: [51820, 60000-61000]}
"""

from collections.abc import Iterable
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _listeners


def port_ranges(entries: Iterable[Any]) -> dict[str, list[int | str]]:
    ports = {port for entry in entries for port in _listeners.read_port(str(entry))}
    found: dict[str, list[int | str]] = {"tcp": [], "udp": []}
    for protocol, first, last in _listeners.runs(ports):
        found[protocol].append(first if first == last else f"{first}-{last}")
    return found


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"port_ranges": port_ranges}
