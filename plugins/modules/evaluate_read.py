#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evaluate_read
short_description: Decide the items of the evaluation sheet that the files of a project decide
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Collects the files of an Inception project and the history of its git repository on the host,
    and reads them on the control node, as Dockerfiles, shell scripts, a compose file, a Makefile and documents.
  - Works on any project folder, in seconds. Nothing of the project is run, and no Docker is needed.
  - The project may be hostile. Symbolic links are not followed out of it, only regular files are opened,
    its git configuration is not in use, and everything has a limit; one that was hit is named.
  - The control node needs C(tree-sitter) and C(tree-sitter-bash). The host needs C(git) for the history.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing.
  diff_mode:
    support: none
    details:
      - It changes nothing.
  idempotent:
    support: full
  platform:
    support: full
options:
  path:
    description: The folder of the project.
    type: path
    required: true
  date:
    description:
      - The day of the evaluation, which says what the penultimate stable release is. Today when it is missing.
    type: str
  domain:
    description: The name of the site, such as C(wil.42.fr), which C(server_name) is compared with.
    type: str
    default: ""
  cloned:
    description: Whether the evaluation itself has just cloned the project into an empty folder (item 4).
    type: bool
    default: false
notes:
  - No value of a credential is in the result, only what it belongs to, its place and its length.
"""

EXAMPLES = r"""
- name: Read a project
  fortytwo.inception.evaluate_read:
    path: /home/wil/inception
  register: evaluate_read

- name: Say which items failed
  ansible.builtin.debug:
    msg: "{{ evaluate_read.results | selectattr('verdict', 'equalto', 'fail') | map(attribute='id') }}"
"""

RETURN = r"""
results:
  description: One result for each item of the sheet, in its order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The number of the item.
      type: int
      sample: 9
    verdict:
      description:
        - V(pass), V(fail), V(warning) (a person has to look), V(not_applicable), or V(undetermined)
          (files do not decide it).
      type: str
    evidence:
      description: What the verdict rests on.
      type: list
      elements: dict
      contains:
        where:
          description: A file with its line, a commit with its file, or a command.
          type: str
          sample: srcs/docker-compose.yml:12
        text:
          description: The line, or what is said about it.
          type: str
    seconds:
      description: How long it took.
      type: float
    question:
      description: What to ask the evaluated person, or empty.
      type: str
    answer:
      description: The answer as it is true for this project.
      type: str
services:
  description:
    - What each service of the compose file is, V(nginx), V(wordpress), V(mariadb), V(redis), V(ftp), V(adminer),
      V(static), or V(other), whatever it is called.
  returned: success
  type: dict
  sample: {web: nginx, wp: wordpress, db: mariadb}
limits:
  description: The limits that were hit, in words. Empty for a project of usual size.
  returned: success
  type: list
  elements: str
seconds:
  description: How long it took altogether.
  returned: success
  type: float
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            # The action plugin reads these, on the control node.
            "date": {"type": "str"},
            "domain": {"type": "str", "default": ""},
            "cloned": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    if not os.path.isdir(path):
        module.fail_json(msg=f"path: '{path}' is not a folder; a good one is /home/wil/inception")
    try:
        # The action plugin takes it out of the result.
        module.exit_json(changed=False, snapshot=snapshot(path))
    except OSError as error:
        module.fail_json(msg=f"path: '{path}' cannot be read: {error.strerror}; become its owner")


if __name__ == "__main__":
    main()
