# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts out of what Terraform or OpenTofu made."""

from __future__ import annotations

DOCUMENTATION = r"""
name: terraform
short_description: Hosts out of the outputs of Terraform or OpenTofu
version_added: 1.0.0
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Reads a file that C(terraform output -json) or C(tofu output -json) wrote. Neither of the two is called, and no
    state is read, which may hold secrets.
  - One of the outputs is a map from the name of each host to its address, or to its variables, such as C(ansible_host),
    C(inception_login) and C(inception_domain). They are text, and never taken for a template.
  - The hosts are in the group C(inception).
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [fortytwo.inception.terraform]
  path:
    description: The file, from the folder of this inventory on.
    type: str
    default: terraform-output.json
  output:
    description: The name of the output.
    type: str
    default: servers
"""

EXAMPLES = r"""
# servers.yml, beside main.tf, in which stands for example
#   output "servers" {
#     value = { for one in hcloud_server.site : one.name => {
#       ansible_host    = one.ipv6_address
#       inception_login = "wil"
#     } }
#   }
# terraform output -json >terraform-output.json && make deploy INVENTORY=servers.yml
plugin: fortytwo.inception.terraform
"""

import json
import os
import re
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

GROUP = "inception"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class InventoryModule(BaseInventoryPlugin):
    """The hosts of an output."""

    NAME = "fortytwo.inception.terraform"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path) and path.endswith((".yml", ".yaml")))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        file = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(self.get_option("path")))
        inventory.add_group(GROUP)
        for name, variables in hosts(file, self.get_option("output")).items():
            inventory.add_host(name, group=GROUP)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)


def hosts(file: str, output: str) -> dict[str, dict[str, Any]]:
    """The variables of each host."""
    again = f"for example: terraform output -json >{file}"
    try:
        with open(file, encoding="utf-8") as opened:
            outputs = json.load(opened)
    except OSError as error:
        raise AnsibleParserError(f"path: {file}: {error.strerror}; {again}") from error
    except ValueError as error:
        raise AnsibleParserError(f"path: {file} is no JSON ({error}); {again}") from error
    if not isinstance(outputs, dict) or not isinstance(outputs.get(output), dict) or "value" not in outputs[output]:
        names = ", ".join(sorted(outputs)) if isinstance(outputs, dict) else ""
        raise AnsibleParserError(
            f"output: {file} has no output {output!r} (it has {names or 'none'}); name another; for example: servers"
        )
    value = outputs[output]["value"]
    if not isinstance(value, dict):
        raise AnsibleParserError(
            f'output: {output} of {file} is no map of hosts; for example: {{"one": {{"ansible_host": "203.0.113.10"}}}}'
        )
    return {name: _variables(name, one, f"output: {output} of {file}") for name, one in value.items()}


def _variables(name: str, value: Any, where: str) -> dict[str, Any]:
    if not NAME.fullmatch(name):
        raise AnsibleParserError(f"{where}: {name!r} is no name of a host; for example: one")
    found = {"ansible_host": value} if isinstance(value, str) else value
    if not isinstance(found, dict) or not found.get("ansible_host"):
        raise AnsibleParserError(f"{where}: {name} has no address; for example: ansible_host = one.ipv4_address")
    return found
