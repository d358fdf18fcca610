#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack_up
short_description: Build and start the services of a compose project, and wait as long as they get on
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Builds the images that are missing, starts the services by C(docker compose up), and waits until each of them
    is healthy.
  - An image that is there is taken to be the right one, as where its tag is a digest of its content.
  - A slow service is not taken for a broken one. It is waited for as long as something goes on in it, though Docker
    calls it unhealthy, at which C(docker compose up --wait) gives up. That is when its log says what it never said
    before, when its processes compute or wait for a disk, or when another service has become healthy. On a machine
    that itself is slow to answer, time passes slower.
  - A failure is told in less than 20 lines, with the last words of that one service, what is likely and what to do. All
    else goes to a file.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    description: Compose is asked for its plan.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(recreate=always) there are new containers each time.
  platform:
    support: full
    description: Linux, with C(docker) and its plugins C(compose) and C(buildx).
options:
  project_src:
    description: Folder with the compose file.
    type: path
    required: true
  state:
    description:
      - V(built) builds the images that are missing, and starts nothing.
      - V(started) does that, starts the services and waits for them.
    type: str
    choices: [built, started]
    default: started
  services:
    description: Services to start, with those that they depend on. By default all of them.
    type: list
    elements: str
    default: []
  scale:
    description: How many containers a service has, by its name.
    type: dict
    default: {}
  recreate:
    description: Whether containers are replaced when they are not as described (V(auto)), V(always) or V(never).
    type: str
    choices: [auto, always, never]
    default: auto
  remove_orphans:
    description: Whether containers of services that are described no more are removed.
    type: bool
    default: false
  patience:
    description:
      - Seconds without any progress after which a service that is not healthy is given up.
      - They are those of a machine that is not slow; a slow one is given more of them.
    type: int
    default: 120
  timeout:
    description: Seconds after which it is given up in any case.
    type: int
    default: 3600
  failures_dir:
    description:
      - Folder on the managed host for what does not fit on a screen.
      - It is made for root alone; the newest ten files are kept.
    type: path
    default: /var/lib/fortytwo.inception/failures
"""

EXAMPLES = r"""
- name: Bring the services up and wait until they are healthy
  fortytwo.inception.stack_up:
    project_src: /home/wil/inception/srcs
    remove_orphans: true

- name: Build what is missing, and start nothing
  fortytwo.inception.stack_up:
    project_src: /home/wil/inception/srcs
    state: built
"""

RETURN = r"""
built:
  description: Services whose images were built.
  returned: success
  type: list
  elements: str
  sample: [nginx]
service:
  description: The service that failed, as far as it is one.
  returned: failure
  type: str
  sample: nginx
told:
  description: The message is a whole screen, and says what is likely and what to do.
  returned: failure
  type: bool
  sample: true
"""

import platform
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    PROGRESS_FILE,
    GivenUp,
    Stack,
    Wish,
    told,
    write_progress,
)


def faults(module: AnsibleModule) -> list[str]:
    """What is wrong with the options."""
    found = []
    for name in ("patience", "timeout"):
        if module.params[name] < 1:
            found.append(f"{name}: {module.params[name]} is no number of seconds; for example: 120")
    if not Path(module.params["project_src"]).is_dir():
        found.append(f"project_src: {module.params['project_src']} is no folder; for example: /home/wil/inception/srcs")
    for name, number in module.params["scale"].items():
        if not str(number).isdecimal():
            found.append(f"scale: {name}: '{number}' is no number of containers; for example: {{{name}: 2}}")
    return found


def planned(stack: Stack) -> bool:
    """Whether compose would change something."""
    plan = subprocess.run(
        ["docker", "compose", "--dry-run", *stack.up(again=False)[4:]],
        cwd=stack.wish.source,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
    lines = [line.rstrip() for line in plan.stderr.splitlines() if "DRY-RUN" in line]
    return plan.returncode != 0 or any(not line.endswith(("Running", "Healthy", "Waiting")) for line in lines)


def run(module: AnsibleModule) -> dict[str, Any]:
    wish = Wish(
        source=module.params["project_src"],
        services=module.params["services"],
        scale={name: int(number) for name, number in module.params["scale"].items()},
        recreate=module.params["recreate"],
        remove_orphans=module.params["remove_orphans"],
        patience=module.params["patience"],
        timeout=module.params["timeout"],
    )
    stack = Stack(wish, tell=write_progress)
    stack.read()
    missing = stack.missing()
    starts = module.params["state"] == "started"
    if module.check_mode:
        return {"changed": bool(missing) or (starts and planned(stack)), "built": missing}
    before = stack.running()
    stack.build(missing)
    if starts:
        stack.start()
    for warning in stack.warnings:
        module.warn(warning)
    return {"changed": bool(missing) or stack.running() != before, "built": stack.built}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "project_src": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["built", "started"], "default": "started"},
            "services": {"type": "list", "elements": "str", "default": []},
            "scale": {"type": "dict", "default": {}},
            "recreate": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "remove_orphans": {"type": "bool", "default": False},
            "patience": {"type": "int", "default": 120},
            "timeout": {"type": "int", "default": 3600},
            "failures_dir": {"type": "path", "default": "/var/lib/fortytwo.inception/failures"},
        },
        supports_check_mode=True,
    )
    if wrong := faults(module):
        module.fail_json(msg="\n".join(wrong))
    try:
        result = run(module)
    except GivenUp as error:
        message = told(error, Path(module.params["failures_dir"]), platform.node())
        module.fail_json(msg=message, told=True, service=error.service)
    finally:
        Path(PROGRESS_FILE).unlink(missing_ok=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
