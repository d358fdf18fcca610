#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: from_one
short_description: A machine's own stack becomes that of a cluster
version_added: "1.1.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - The data of what playbook C(deploy.yml) has made on this machine is taken over by a cluster of which it is a node
    now (playbook C(cluster.yml)).
  - The folders of services that are on every node are copied to the folder that all nodes share, while the site runs.
    All other folders and the secrets stay where they are.
  - M(fortytwo.inception.swarm_stack) ends the machine's own stack and copies what is newer by then, and has visitors
    wait meanwhile, where the firewall is this collection's. What fails before all has ended starts that stack again.
  - What was cut off is gone on with by the next call.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    description: Linux with systemd, with the commands C(docker), C(rsync) and C(setpriv).
options:
  state:
    description:
      - V(copied) brings the files to the cluster while the site runs.
      - V(cleared) removes the containers and the machine's own program with its timers, and puts the project's files
        into C(/var/lib/fortytwo.inception/before-cluster). The secrets stay.
    type: str
    choices: [copied, cleared]
    required: true
  project:
    description: What the compose project is called.
    type: str
    required: true
  project_dir:
    description: The folder of the project.
    type: path
    required: true
  data_dir:
    description: The folder of its data.
    type: path
    required: true
  manifest:
    description: The file by which the deployment of this machine is known.
    type: path
    required: true
  shared_dir:
    description: The folder that is the same on every node.
    type: path
    required: true
  volumes:
    description: The volumes that are in it.
    type: list
    elements: str
    required: true
  owner:
    description: The user whose files these are.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Bring the files of the site that runs
  fortytwo.inception.from_one:
    state: copied
    project: inception
    project_dir: /home/wil/inception
    data_dir: /home/wil/data
    manifest: /var/lib/fortytwo.inception/wil.json
    shared_dir: /var/lib/fortytwo.inception/shared
    volumes: [wordpress]
    owner: wil
"""

RETURN = r"""
brought:
  description: How many files were newer than at the cluster.
  returned: success
  type: int
  sample: 3512
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _from_one
from ansible_collections.fortytwo.inception.plugins.module_utils._from_one import MoveProblem


def run(module: AnsibleModule) -> dict[str, Any]:
    given = module.params
    move = _from_one.Move.told(given)
    if module.check_mode:
        return {"changed": move.there, "brought": 0}
    if given["state"] == "cleared":
        return {"changed": move.clear(), "brought": 0}
    brought = move.copy() if move.there and move.phase() != _from_one.ENDED else 0
    return {"changed": brought > 0, "brought": brought}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["copied", "cleared"], "required": True},
            "project": {"type": "str", "required": True},
            "project_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path", "required": True},
            "manifest": {"type": "path", "required": True},
            "shared_dir": {"type": "path", "required": True},
            "volumes": {"type": "list", "elements": "str", "required": True},
            "owner": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (MoveProblem, _files.FileProblem) as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
