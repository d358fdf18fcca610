#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: swarm_stack
short_description: The stack's services on a swarm, made of the compose file of one machine
version_added: "1.1.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Renders the compose file and C(.env) of the project, makes the stack file of a swarm out of them, and deploys it on
    a manager with C(docker stack deploy).
  - Makes Swarm secrets of the files in O(secrets_dir) on the manager. A file with another value is another secret, so
    Swarm replaces the containers that read it, in the way of their C(update_order). What no service and no way back
    asks for goes. No value comes to the control node, into an argument or into a result.
  - A service that is new and has several copies begins with one, so that the first start is done once. The others
    follow when that one is healthy.
  - A service whose C(beside) says that a newer one cannot work beside the former has all its containers replaced at
    once, and is away meanwhile. When all are well, the C(after_update) of those on this node is run.
  - Swarm moves nothing that runs. Where a node has more copies of a service than its share, such as after the death of
    another one or a roll-out, others come where none is, and then those go.
  - Of the members of a service, each with its own data, one is replaced when the others are well.
  - One that becomes members ends when its C(before_members) has succeeded. Where not all members become well, they go,
    and it goes on with all that it had.
  - A service is new or replaced when those are well that it waits for (C(waits_for) in its description).
  - Waits until every service has as many healthy containers as it shall have, and fails with the last words of one that
    has not. A newer one that is not well gives way by itself to the former, which is Swarm's rollback.
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
    description: Linux, a manager of a swarm, with the command C(docker) from version 24 on.
options:
  name:
    description: What the stack is called.
    type: str
    required: true
  stack:
    description: The stack file, which the control node makes of all the others; it is not to be given.
    type: dict
    default: {}
  services:
    description: The services, as M(fortytwo.inception.stack_services) returns them.
    type: list
    elements: dict
    required: true
  secrets_dir:
    description: The folder of the secrets' files on the manager.
    type: path
    required: true
  owner:
    description: The user whose folder that is, as which the containers run.
    type: str
    required: true
  shared_dir:
    description: The folder that is the same on every node.
    type: path
    required: true
  live_dir:
    description: The same folder for services that only read it, and look anew each time.
    type: path
    required: true
  data_dir:
    description: The folder of the data that is on one node only.
    type: path
    required: true
  encrypted:
    description: Whether what services say to each other is encrypted between nodes.
    type: bool
    default: true
  copies:
    description: How many of each service that has several.
    type: dict
    default: {}
  nodes:
    description: How many nodes take work. Of the copies of a service, none gets more than its share and one.
    type: int
    default: 1
  patience:
    description: Seconds that a container may take until it is well. After them Swarm gives it up.
    type: int
    default: 600
  takes_over:
    description:
      - A stack of this machine's own whose site the swarm goes on with, as M(fortytwo.inception.from_one) knows it.
      - It is ended when all is ready for the swarm's. Its visitors are held from then until the services are well.
    type: dict
    default: {}
  networks:
    description: The addresses that all networks of the swarm are of.
    type: str
    default: 10.201.0.0/16
  folder:
    description: Where the stack file is kept on the manager.
    type: path
    default: /var/lib/fortytwo.inception/cluster
  timeout:
    description: Seconds to wait until all services are well.
    type: int
    default: 900
"""

EXAMPLES = r"""
- name: Run the services on the swarm
  fortytwo.inception.swarm_stack:
    name: inception
    services: "{{ stack_rendered.services }}"
    secrets_dir: /home/wil/inception/secrets
    owner: wil
    shared_dir: /var/lib/fortytwo.inception/shared
    live_dir: /var/lib/fortytwo.inception/shared-live
    data_dir: /home/wil/data
    copies: {wordpress: 3}
    nodes: 3
"""

RETURN = r"""
done:
  description: What was done to which service.
  returned: success
  type: list
  elements: str
  sample: [add mariadb, change wordpress]
stack:
  description: The stack file, in which secrets have the names of their files. From the control node.
  returned: success
  type: dict
secrets:
  description: The Swarm secrets that are new, by their names.
  returned: success
  type: list
  elements: str
  sample: [inception-db_password-2]
"""

import contextlib
import json
import math
import os
import pwd
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _from_one, _swarm
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._places import LEASE
from ansible_collections.fortytwo.inception.plugins.module_utils._secret_files import Folder
from ansible_collections.fortytwo.inception.plugins.module_utils._swarm import SwarmProblem

# Who ends so often will not become well, and as long as that is waited for there is no database.
ENDINGS = 3


def write(path: str, text: str) -> None:
    """Root's alone: whoever deploys it says what runs."""
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = _files.open_folder(os.path.dirname(path))
    try:
        _files.write_file(os.path.basename(path), folder, text.encode(), _files.Attributes(0o600, 0, 0))
    finally:
        os.close(folder)


def text_of(stack: dict[str, Any]) -> str:
    """JSON, which is YAML too: for that, the machine needs nothing more."""
    return json.dumps(stack, indent=2) + "\n"


def gone_back(stack: _swarm.Stack, former: dict[str, Any], whole: dict[str, Any], path: str, timeout: float) -> str:
    """From members to what was there before them; what became of that."""
    names = " and ".join(sorted(set(former["services"]) - set(whole["services"])))
    try:
        stack.go_back(former, whole, path, timeout)
    except SwarmProblem as problem:
        return f"{names} could not go on: {problem}"
    return f"{names} runs again, with all that it had"


def deploy(stack: _swarm.Stack, whole: dict[str, Any], plan: _swarm.Plan, path: str, timeout: float) -> None:
    """One after the other, each when those are well that it waits for."""
    several = [name for name in plan.added if int(whole["services"][name]["deploy"].get("replicas", 1)) > 1]
    alone = [name for name in plan.changed if not stack.works_beside(whole, name)]
    whole = _swarm.at_once(whole, alone)
    going = _swarm.in_the_way(whole, plan, stack.services(), stack.name)
    for name in going:
        stack.prepare(whole, name)
    # Nobody talks to members before all of them are well; until then there is a way back.
    former = Path(path).read_text() if going and os.path.exists(path) else ""
    if going:
        # The connection may be cut off: what was begun comes to its end.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for name in going:
            stack.end(name, timeout)
        for part, new in _swarm.turns(whole, plan):
            # The digests are those of all copies.
            wanted = {name: whole["services"][name] for name in new}
            if first := [name for name in new if name in several]:
                write(path, text_of(_swarm.alone(part, first)))
                stack.deploy(path)
                stack.wait(wanted, timeout)
            write(path, text_of(part))
            stack.deploy(path)
            stack.wait(wanted, timeout, _swarm.with_those(whole, new), ENDINGS if former else math.inf)
            if _swarm.with_those(whole, new):
                former = ""
    except SwarmProblem as problem:
        if former:
            write(path, former)
            raise SwarmProblem(f"{problem}\n{gone_back(stack, json.loads(former), whole, path, timeout)}") from None
        # What was given up may have left something on a volume.
        stack.finish(whole)
        raise
    write(path, text_of(whole))
    stack.deploy(path, whole=True)


def leased(told: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
    """Nobody else changes the stack meanwhile."""
    if told:
        # Until now it was the machine's own, which made a backup and looked after itself.
        return _from_one.Move.told(told).alone()
    # Whoever called this has the lease, and it takes longer than one lasts.
    return Lease(Path("/", LEASE)).kept()


@contextlib.contextmanager
def taking_over(told: dict[str, Any]) -> Iterator[None]:
    """What the machine has run by itself ends now, and who visits waits meanwhile."""
    if not told:
        yield
        return
    # The connection may be cut off: what was begun comes to its end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    move = _from_one.Move.told(told)
    move.end()
    try:
        yield
    finally:
        # Well or not: nobody waits in vain.
        move.hold([])


def spreading(crowded: Mapping[str, int]) -> list[str]:
    return [f"spread {name}" for name in crowded]


def run(module: AnsibleModule) -> dict[str, Any]:
    given = module.params
    docker = _swarm.Docker(lambda words, data: module.run_command(words, data=data, binary_data=True))
    stack = _swarm.Stack(docker, given["name"])
    secrets = _swarm.Secrets(docker, given["name"])
    owner = pwd.getpwnam(given["owner"])
    wanted = given["stack"]
    with Folder.opened(given["secrets_dir"], frozenset({0, owner.pw_uid})) as folder:
        values = {name: folder.read(file) for name, file in wanted["secrets"].items()}
    missing = sorted(name for name, value in values.items() if not value)
    if missing:
        raise SwarmProblem(f"{given['secrets_dir']} has nothing for {', '.join(missing)}")
    names, new = secrets.named(values, make=not module.check_mode)
    whole = _swarm.with_secrets(wanted, names)
    noted_path = os.path.join(given["folder"], "services.json")
    noted = json.loads(Path(noted_path).read_text()) if os.path.exists(noted_path) else {}
    plan = _swarm.plan(whole["services"], stack.services(), noted, given["name"])
    result = {"changed": not plan.empty, "done": plan.lines(), "secrets": new}
    if module.check_mode:
        crowded = stack.crowded() if plan.empty else {}
        return {**result, "changed": bool(result["done"] or crowded), "done": result["done"] + spreading(crowded)}
    path = os.path.join(given["folder"], "stack.json")
    with taking_over(given["takes_over"]):
        if not plan.empty:
            deploy(stack, whole, plan, path, given["timeout"])
        # What a run left that was cut off, or a node that was away, is waited for too.
        stack.wait(whole["services"], given["timeout"])
    crowded = stack.crowded()
    for name, more in crowded.items():
        stack.spread(name, more, whole["services"], given["timeout"])
    result |= {"changed": result["changed"] or bool(crowded), "done": result["done"] + spreading(crowded)}
    services = stack.services()
    left = {_swarm.short_name(one, given["name"]): _swarm.fingerprint(one) for one in services}
    if left != noted:
        write(noted_path, json.dumps(left, indent=2) + "\n")
    secrets.remove_unused(services)
    if not plan.empty:
        for failed in stack.finish(whole):
            module.warn(f"{failed}; the services run all the same")
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "stack": {"type": "dict", "default": {}},
            "services": {"type": "list", "elements": "dict", "required": True},
            "shared_dir": {"type": "path", "required": True},
            "live_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path", "required": True},
            "encrypted": {"type": "bool", "default": True},
            "copies": {"type": "dict", "default": {}},
            "nodes": {"type": "int", "default": 1},
            "secrets_dir": {"type": "path", "required": True, "no_log": False},
            "owner": {"type": "str", "required": True},
            "patience": {"type": "int", "default": 600},
            "takes_over": {"type": "dict", "default": {}},
            "networks": {"type": "str", "default": "10.201.0.0/16"},
            "folder": {"type": "path", "default": "/var/lib/fortytwo.inception/cluster"},
            "timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    try:
        with leased({} if module.check_mode else module.params["takes_over"]):
            result = run(module)
    except _from_one.MoveProblem as problem:
        module.fail_json(msg=str(problem), own_runs=problem.runs)
    except (SwarmProblem, _files.FileProblem) as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
