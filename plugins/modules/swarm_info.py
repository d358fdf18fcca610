#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: swarm_info
short_description: How a stack on a swarm is, with its nodes and its shared files
version_added: "1.1.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Asks a manager of the swarm which nodes are there, how many containers of each service are well and where they are,
    and GlusterFS which copies of the shared files are there and what waits to be brought to them.
extends_documentation_fragment:
  - fortytwo.inception._info_module
  - fortytwo.inception._attributes
attributes:
  platform:
    support: full
    description: Linux, a manager of a swarm.
options:
  name:
    description: What the stack is called.
    type: str
    required: true
  volume:
    description: The volume of GlusterFS with the shared files.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Ask how the cluster is
  fortytwo.inception.swarm_info:
    name: inception
    volume: inception
  register: cluster
"""

RETURN = r"""
nodes:
  description: The nodes of the swarm.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: one, there: true, availability: active, role: leader, has_data: true, address: 192.0.2.11}
services:
  description: The services of the stack.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: nginx, well: 3, wanted: 3, nodes: [one, three, two], update: completed}
written_to:
  description: Of a database on several nodes, the member that gets everything; nothing where there is one.
  returned: success
  type: str
  sample: mariadb-1
copies:
  description: The copies of the shared files.
  returned: success
  type: list
  elements: dict
  sample:
    - {host: 192.0.2.11, there: true, to_heal: 0}
problems:
  description: What is not as it should be, in a sentence each.
  returned: success
  type: list
  elements: str
  sample: [two is away]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _swarm
from ansible_collections.fortytwo.inception.plugins.module_utils._gluster import Gluster, StorageProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "volume": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    docker = _swarm.Docker(lambda words, data: module.run_command(words, data=data, binary_data=True))
    try:
        told = _swarm.Stack(docker, module.params["name"]).told()
        copies = Gluster(lambda words: module.run_command(words)).copies(module.params["volume"])
    except (_swarm.SwarmProblem, StorageProblem) as problem:
        module.fail_json(msg=str(problem))
    written_to = _swarm.written_to(told["services"])
    module.exit_json(
        changed=False, **told, copies=copies, written_to=written_to, problems=_swarm.problems(told, copies)
    )


if __name__ == "__main__":
    main()
