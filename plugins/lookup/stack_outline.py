# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stack_outline
short_description: What the chosen services say of themselves, without a managed host
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Reads the C(service.yml) of each service that is chosen and checks it, and says what follows from them for the
    roles around the stack, such as which ports the firewall lets in.
  - The defaults of the role P(fortytwo.inception.stack#role) are known to the descriptions.
options:
  _terms:
    description: There are none.
    type: list
    elements: str
  bonus:
    description: The bonus services that are chosen. One that there is not is left out.
    type: raw
    default: []
  directories:
    description: Folders with services of the user's own, beside the collection's.
    type: raw
    default: []
  env:
    description: The user's own values for the project's C(.env).
    type: raw
    default: {}
seealso:
  - module: fortytwo.inception.stack_services
"""

EXAMPLES = r"""
- name: Show which ports the services publish
  ansible.builtin.debug:
    msg: "{{ lookup('fortytwo.inception.stack_outline', bonus=['redis', 'ftp']).tcp_ports }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary. V(problems) has a sentence with file and line for each mistake. With one, the rest is empty.
    - V(available) are the services that can be chosen, V(names) those of the stack.
    - V(ports) has a dictionary for each entry of a service's C(ports), V(tcp_ports) and V(udp_ports) each single one
      that is published, V(forwarded_ports) those that lead into a virtual machine.
    - V(secrets) are the names of all secrets, V(volumes) and V(networks) those of the volumes and networks, and
      V(shared) the volumes that are the same on every node of a cluster.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        defaults = self._loader.load_from_file(
            str(rendering.STACK_ROLE / "defaults" / "main.yml"), trusted_as_template=True
        )
        renderer = rendering.Renderer(self._templar, self._loader, {**defaults, **(variables or {})})
        # A value of another type is named where the settings are checked.
        bonus, directories = (
            value if isinstance(value, list) else [] for value in map(self.get_option, ("bonus", "directories"))
        )
        env = self.get_option("env")
        services = rendering.Services(renderer, directories, bonus, env if isinstance(env, dict) else {})
        return [services.outline()]
