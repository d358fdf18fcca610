# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user of this run types for another playbook."""

from __future__ import annotations

DOCUMENTATION = r"""
name: command
author: fortytwo.inception contributors (@fortytwo-inception)
version_added: 1.0.0
short_description: What the user of this run types for another playbook
description:
  - For hints. Whoever called C(make deploy) in a checkout is told C(make rotate), and whoever called
    C(ansible-playbook fortytwo.inception.deploy) of the installed collection is told
    C(ansible-playbook fortytwo.inception.rotate), each with the inventory of this run.
  - The Makefile says that it was it by the environment variable E(INCEPTION_COMMAND).
options:
  _terms:
    description:
      - Names of playbooks of this collection, such as V(deploy).
      - V(ssh) and V(credentials) are a shell on the host and its passwords.
    type: list
    elements: str
    required: true
  limit:
    description: Only this host.
    type: str
    default: ""
  extra_vars:
    description: A variable that is given besides, such as V(inception_yes=true).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say what comes next
  ansible.builtin.debug:
    msg: "New passwords: {{ lookup('fortytwo.inception.command', 'rotate', limit=inventory_hostname) }}"
"""

RETURN = r"""
_raw:
  description: The commands.
  type: list
  elements: str
  sample: [make rotate LIMIT=wil]
"""

import typing as t

from ansible.plugins.lookup import LookupBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _commands


class LookupModule(LookupBase):
    """The commands for the playbooks that are asked for."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        inventory = list((variables or {}).get("ansible_inventory_sources") or [])
        return [
            _commands.command(
                term,
                inventory=inventory,
                limit=self.get_option("limit"),
                extra_vars=self.get_option("extra_vars"),
            )
            for term in terms
        ]
