#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: shared_storage
short_description: A volume of GlusterFS with a copy of everything on each of its hosts
version_added: "1.1.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Makes the hosts peers, and a replicated volume with one brick on each of them, or brings the bricks of one that is
    there to these hosts. Runs on one of them.
  - A brick comes before another one goes, so that what is there always has as many copies as before.
  - What a brick that goes has had stays on its host, and never comes back into the volume. A brick that comes later
    has a folder of its own, named after O(folder) and the time, since GlusterFS would take older files for newer ones,
    and those that were removed for new.
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
    description: Linux, with glusterd and the command C(gluster).
options:
  name:
    description: The name of the volume.
    type: str
    required: true
  hosts:
    description: The addresses of the hosts that keep a copy.
    type: list
    elements: str
    required: true
  peers:
    description: The addresses of all hosts that may mount it. What is not among them is let go.
    type: list
    elements: str
    required: true
  folder:
    description: Where each host keeps its copy; one that comes later, in a folder beside it.
    type: path
    required: true
  settings:
    description: Settings of the volume, by their names in C(gluster volume set).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep the site's files three times
  fortytwo.inception.shared_storage:
    name: inception
    hosts: [192.0.2.11, 192.0.2.12, 192.0.2.13]
    peers: [192.0.2.11, 192.0.2.12, 192.0.2.13]
    folder: /var/lib/fortytwo.inception/bricks/inception
    settings: {network.ping-timeout: "5"}
"""

RETURN = r"""
done:
  description: What was done.
  returned: success
  type: list
  elements: str
  sample: [probe 192.0.2.12, create inception]
"""

import socket
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils._gluster import Gluster, StorageProblem


def run(module: AnsibleModule) -> list[str]:
    given = module.params
    name, settings = given["name"], {key: str(value) for key, value in given["settings"].items()}
    gluster = Gluster(lambda words: module.run_command(words), module.check_mode)
    own = [one for one in given["peers"] if is_own(one)]
    others = [one for one in given["peers"] if one not in own]
    known = gluster.peers()
    for other in others:
        if other not in known:
            gluster.do(f"probe {other}", "peer", "probe", other)
    if not module.check_mode:
        gluster.wait_for_peers([one for one in given["hosts"] if one not in own])
    wanted = [f"{host}:{given['folder']}" for host in given["hosts"]]
    volume = gluster.volume(name)
    if volume is None:
        # The folder may be on the disk of the system, as everything of this stack is.
        replica = ("replica", str(len(wanted))) if len(wanted) > 1 else ()
        gluster.do(f"create {name}", "volume", "create", name, *replica, *wanted, "force")
        volume = {"started": False, "bricks": wanted, "settings": {}}
    place(gluster, name, volume["bricks"], given["hosts"], given["folder"])
    for key, value in settings.items():
        if volume["settings"].get(key) != value:
            gluster.do(f"set {key}", "volume", "set", name, key, value)
    if not volume["started"]:
        gluster.do(f"start {name}", "volume", "start", name)
    for peer in known:
        if peer not in given["peers"] and peer != "localhost":
            gluster.do(f"detach {peer}", "peer", "detach", peer, "force")
    return gluster.done


def place(gluster: Gluster, name: str, bricks: list[str], hosts: list[str], folder: str) -> None:
    """The bricks that are to be, and then no others."""
    number = len(bricks)
    there = {brick.partition(":")[0] for brick in bricks}
    wanted = [brick for brick in bricks if brick.partition(":")[0] in hosts]
    for host in [one for one in hosts if one not in there]:
        # A host that had one before has it still, as it was then.
        brick = f"{host}:{folder}-{time.time_ns():x}"
        wanted.append(brick)
        number += 1
        gluster.do(f"add {brick}", "volume", "add-brick", name, "replica", str(number), brick, "force")
        if not gluster.check_mode:
            gluster.heal(name)
            gluster.wait_until_healed(name)
    goes = [one for one in bricks if one not in wanted]
    if goes and not gluster.check_mode:
        away = gluster.away(name)
        if lost := sorted(away & set(wanted)):
            raise StorageProblem(f"gluster: {', '.join(lost)} is away, and could not keep alone what {goes[0]} has")
        if not away:
            gluster.wait_until_healed(name)
    for brick in goes:
        number -= 1
        replica = ("replica", str(number))
        gluster.do(f"remove {brick}", "volume", "remove-brick", name, *replica, brick, "force")


def is_own(address: str) -> bool:
    """Whether this machine has the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "peers": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "settings": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        done = run(module)
    except StorageProblem as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=bool(done), done=done)


if __name__ == "__main__":
    main()
