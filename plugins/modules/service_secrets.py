#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: service_secrets
short_description: Have running services accept and refuse values of their secrets
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - A service that learns its secrets while it runs has a command C(accept) in its container. Each line of its stdin is
    C(accept <name> <value>) or C(refuse <name> <value>). After it has tried each value, it prints what it changed,
    and nothing when all was so already.
  - This module runs that command in the container of each service, with the values of the files that the module
    M(fortytwo.inception.secrets) has put into one folder. It sees from them how far the replacement of each value is.
  - A value goes from the file to the command's stdin, and nowhere else. Should a service print one, it is blotted out.
  - Docker is asked for the containers by their labels. No program of the project's folder is run.
  - In a swarm (O(swarm)) the values are those that the container itself has by now, so that it can be on any node; they
    stay in it, and nothing of what it says is shown.
extends_documentation_fragment:
  - fortytwo.inception._compose_project
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: partial
    details:
      - No service is told anything. RV(told) are those that would have been.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - As far as the services' commands are.
  platform:
    support: full
    description: Linux with Docker.
options:
  path:
    description:
      - The folder of the secrets, as the module M(fortytwo.inception.secrets) asks for one.
      - Required without O(swarm).
    type: path
  owner:
    description: Name or number of the folder's owner.
    type: str
  state:
    description:
      - With V(both), the services accept the current value of each secret, and the one that is staged
        or the one before it.
      - With V(aborted), they refuse what is staged, and accept the rest.
      - With V(finalized), they accept the current value, and refuse the one before it.
    type: str
    choices: [both, aborted, finalized]
    required: true
  services:
    description: The services, each with the names of the secrets that it learns while it runs.
    type: dict
    required: true
  swarm:
    description:
      - Whether they are containers of a swarm, which have new values as they have any others. One of each service, on
        this node, is told to take them into use, where that is more than reading them.
      - Of O(state) there is V(finalized) alone.
    type: bool
    default: false
  secrets:
    description:
      - The names of the secrets that are being replaced.
      - A service that learns one of them is told of all that it learns, so that it can use one to change another.
        The others are not told anything.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds that a service may take.
    type: int
    default: 300
notes:
  - The oldest value of a secret is told first. A service that can accept one value only is left with the last.
"""

EXAMPLES = r"""
- name: Have the services accept the new value of the database's password beside the old one
  fortytwo.inception.service_secrets:
    path: /home/wil/inception/secrets
    owner: wil
    state: both
    services:
      mariadb: [db_password, db_root_password]
      wordpress: [wp_admin_password]
    secrets: [db_password]

- name: Have them refuse the old one
  fortytwo.inception.service_secrets:
    path: /home/wil/inception/secrets
    owner: wil
    state: finalized
    services:
      mariadb: [db_password, db_root_password]
    secrets: [db_password]
"""

RETURN = r"""
told:
  description: The services that were told, in their order. After a failure, the last one is the one that failed.
  returned: always
  type: list
  elements: str
  sample: [mariadb]
said:
  description: What each service that changed something said of it.
  returned: success
  type: dict
  sample: {mariadb: [The account of db_password was changed.]}
"""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _containers, _files, _secrets
from ansible_collections.fortytwo.inception.plugins.module_utils._secret_files import Folder
from ansible_collections.fortytwo.inception.plugins.module_utils._secret_values import declared

# One a line: ansible-doc of 2.21 warns of a tuple.
BOTH = "both"
ABORTED = "aborted"
FINALIZED = "finalized"
BLOT = b"<secret>"


class Values:
    """The values of the secrets of a folder, by how far their replacement is."""

    def __init__(self, folder: Folder, names: list[str], replaced: list[str]) -> None:
        self.folder = folder
        plain = {"kind": "password", "length": None, "alphabet": None, "value": None}
        secrets = {secret.name: secret for secret in declared([{"name": name, **plain} for name in names])}
        self.files = folder.files([file for secret in secrets.values() for file in secret.files])
        self.phases = {name: _secrets.phase(secret, self.files) for name, secret in secrets.items()}
        self.secrets, self.replaced = secrets, replaced
        for name, phase in self.phases.items():
            if phase == _secrets.ABSENT:
                raise _files.FileProblem(f"secrets: {name!r} has no value: {folder.shown(name)}.txt is missing")

    def lines(self, names: list[str], state: str) -> Iterator[tuple[bytes, str, bytes]]:
        """What a service is told: a word, the name and the value."""
        older = [name for name in names if self._is(name, _secrets.PROMOTED)]
        newer = [name for name in names if self._is(name, _secrets.STAGED)]
        if state != FINALIZED:
            yield from ((b"accept", name, self.folder.value(self.secrets[name].previous)) for name in older)
        yield from ((b"accept", name, self.folder.value(self.secrets[name].current)) for name in names)
        if state == BOTH:
            yield from ((b"accept", name, self.folder.value(self.secrets[name].next)) for name in newer)
        elif state == ABORTED:
            yield from ((b"refuse", name, self.folder.value(self.secrets[name].next)) for name in newer)
        else:
            yield from ((b"refuse", name, self.folder.value(self.secrets[name].previous)) for name in older)

    def _is(self, name: str, phase: str) -> bool:
        return name in self.replaced and self.phases[name] == phase


def place(containers: list[_containers.Container], service: str) -> str:
    """The container of a service that is told: as with compose, the first one that runs."""
    running = [container.name for container in containers if container.service == service and container.running]
    if not running:
        raise _files.FileProblem(
            f"{service} does not run, so it cannot learn its secrets; start it (make, or a deployment), then try again"
        )
    return running[0]


def blotted(text: bytes, values: list[bytes]) -> str:
    """What a service said, without a value."""
    for value in sorted(values, key=len, reverse=True):
        for line in value.splitlines():
            text = text.replace(line, BLOT) if line else text
    return text.decode("utf-8", errors="replace").strip()


def tell(module: AnsibleModule, container: str, lines: list[tuple[bytes, str, bytes]]) -> tuple[int, str, str]:
    """Run the command of a container: its status, what it said, and what it complained of."""
    command = [_containers.docker(module), "exec", "--interactive", container, "accept"]
    told = b"".join(
        b"%s %s %s\n" % (word, name.encode(), line) for word, name, value in lines for line in value.splitlines()
    )
    values = [value for dummy, unused, value in lines]

    def once() -> tuple[int, str, str]:
        done = subprocess.run(command, input=told, capture_output=True, timeout=module.params["timeout"], check=False)
        return done.returncode, blotted(done.stdout, values), blotted(done.stderr, values)

    try:
        return _containers.begun(once, lambda answer: (answer[0], answer[1] or answer[2]))
    except subprocess.TimeoutExpired:
        return 124, "", f"it did not answer within {module.params['timeout']} s"


# What a container of a swarm is told: each value that it has, and never another one.
OWN = (
    'for name in "$@"; do [ -r "/run/secrets/$name" ] || { echo "$name is none of its secrets" >&2; exit 1; }; done;'
    ' for name in "$@"; do while read -r line || [ -n "$line" ]; do printf "accept %s %s\\n" "$name" "$line"; done'
    ' <"/run/secrets/$name"; done | accept'
)


def tell_own(module: AnsibleModule, container: str, names: list[str]) -> tuple[int, bool]:
    """Have a container take what it has itself: the status, and whether it changed anything. Its words stay in it."""
    command = [_containers.docker(module), "exec", container, "sh", "-c", OWN, "accept", *names]

    def once() -> tuple[int, str, str]:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=module.params["timeout"], check=False
        )
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    try:
        status, output, dummy = _containers.begun(once, lambda answer: (answer[0], answer[1] or answer[2]))
    except subprocess.TimeoutExpired:
        return 124, False
    return status, bool(output.strip())


def run_in_swarm(module: AnsibleModule, learning: dict[str, list[str]]) -> dict[str, Any]:
    options = module.params
    containers = _containers.of_project(module, options["project"], swarm=True) if learning else []
    places = {service: place(containers, service) for service in learning}
    told: list[str] = []
    said: dict[str, list[str]] = {}
    for service, names in learning.items():
        told.append(service)
        if module.check_mode:
            continue
        status, changed = tell_own(module, places[service], names)
        if status != 0:
            module.fail_json(msg=f"{service}: its command accept ended with {status}", told=told)
        if changed:
            said[service] = [f"{service} took them into use."]
    return {"changed": bool(said), "told": told, "said": said}


def run(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    learning = {
        str(service): [str(name) for name in names]
        for service, names in options["services"].items()
        if set(names) & set(options["secrets"])
    }
    if options["swarm"]:
        return run_in_swarm(module, learning)
    names = sorted({name for learned in learning.values() for name in learned})
    uid = _files.user_id(options["owner"])
    told: list[str] = []
    said: dict[str, list[str]] = {}
    with Folder.opened(options["path"], frozenset({0, os.geteuid(), *([] if uid is None else [uid])})) as folder:
        if folder.descriptor is None:
            raise _files.FileProblem(f"path: the folder {folder.path} does not exist; deploy first")
        values = Values(folder, names, options["secrets"])
        messages = {service: list(values.lines(learned, options["state"])) for service, learned in learning.items()}
        containers = _containers.of_project(module, options["project"]) if messages else []
        # All are there, or none is told.
        places = {service: place(containers, service) for service in messages}
        for service, lines in messages.items():
            told.append(service)
            if module.check_mode:
                continue
            status, output, complaint = tell(module, places[service], lines)
            if status != 0:
                reason = complaint or output or f"its command accept ended with {status}"
                module.fail_json(msg=f"{service}: {reason}", told=told)
            if output:
                said[service] = output.splitlines()
    return {"changed": bool(said), "told": told, "said": said}


def main() -> None:
    module = _secrets.SecretsModule(
        argument_spec={
            "path": {"type": "path"},
            "owner": {"type": "str"},
            "state": {"type": "str", "required": True, "choices": [BOTH, ABORTED, FINALIZED]},
            "services": {"type": "dict", "required": True},
            # Names, no values.
            "secrets": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "project": {"type": "str", "default": "inception"},
            "swarm": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("swarm", False, ["path"])],
        supports_check_mode=True,
    )
    _files.answer(module, run)


if __name__ == "__main__":
    main()
