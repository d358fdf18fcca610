# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: interface_of
short_description: The network interface in whose network an address is
version_added: "1.1.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Looks at the facts of a host for an interface that has an address in the same network as another address of IPv4,
    which is not one of the host's own.
options:
  _input:
    description: The address, with the bits of its network or without.
    type: str
    required: true
  facts:
    description: The facts of the host, C(ansible_facts), with those of its network.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show by which interface an address can be had
  ansible.builtin.debug:
    msg: "{{ '192.0.2.10/24' | fortytwo.inception.interface_of(ansible_facts) }}"
"""

RETURN = r"""
_value:
  description: The name of the interface, or nothing where none of them is in that network.
  type: str
  sample: eth0
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any


def interface_of(address: str, facts: Mapping[str, Any]) -> str:
    wanted = ipaddress.IPv4Interface(address)
    for name in facts.get("interfaces") or []:
        # Facts have underscores where a name has what is none of a variable's.
        told = facts.get(str(name)) or facts.get(re.sub(r"[-.:]", "_", str(name))) or {}
        own = told.get("ipv4") or {}
        if not own.get("address") or told.get("type") == "loopback":
            continue
        network = ipaddress.IPv4Interface(f"{own['address']}/{own.get('netmask') or own.get('prefix') or 32}").network
        if wanted.ip in network and ("/" not in address or wanted.network == network):
            return str(told.get("device") or name)
    return ""


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"interface_of": interface_of}
