#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: outdated_containers
short_description: Find the containers that were made with other secrets than there are now
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - The module M(fortytwo.inception.secrets) writes a file C(<service>.env) for each service that reads its secrets
    once, when it starts. A container in whose environment a line of that file is missing was made before,
    and has the old values.
  - Docker is asked for the containers of the project by their labels. It changes nothing.
extends_documentation_fragment:
  - fortytwo.inception._info_module
  - fortytwo.inception._compose_project
  - fortytwo.inception._attributes
attributes:
  platform:
    support: full
    description: Linux with Docker.
options:
  path:
    description: The folder of the secrets, in which the files C(<service>.env) are.
    type: path
    required: true
  services:
    description: The services to look at. One without a file is an error.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Find containers with old values
  fortytwo.inception.outdated_containers:
    path: /home/wil/inception/secrets
    services: [wordpress, ftp]
  register: outdated

- name: Show them
  ansible.builtin.debug:
    msg: "{{ outdated.services.wordpress | join(' ') }}"
"""

RETURN = r"""
services:
  description: The names of the containers of each service that are outdated.
  returned: success
  type: dict
  sample: {wordpress: [inception-wordpress-1], ftp: []}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _containers, _files


def wanted(folder: int, path: str, service: str) -> dict[str, str]:
    """The environment that the containers of a service shall have."""
    name = f"{service}.env"
    shown = os.path.join(path, name)
    with _files.opened_file(name, folder, shown) as descriptor:
        if descriptor is None:
            raise _files.FileProblem(f"services: {service!r} has no file {shown}; deploy first")
        lines = _files.read_all(descriptor).decode("utf-8", errors="replace").splitlines()
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def find(module: AnsibleModule) -> dict[str, object]:
    path, services = module.params["path"], module.params["services"]
    folder = _files.open_folder(path)
    try:
        environments = {service: wanted(folder, path, service) for service in services}
    finally:
        os.close(folder)
    containers = _containers.of_project(module, module.params["project"])
    return {
        "changed": False,
        "services": {
            service: [
                container.name
                for container in containers
                if container.service == service and not environment.items() <= container.environment.items()
            ]
            for service, environment in environments.items()
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "project": {"type": "str", "default": "inception"},
        },
        supports_check_mode=True,
    )
    _files.answer(module, find)


if __name__ == "__main__":
    main()
