#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evaluate_stack
short_description: Evaluate a project by what it does on its managed host
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Does on the managed host what an evaluator of 42's Inception does there, and says what that means for
    the items of the sheet.
  - It executes what the project has in it. Use it on a host that may be lost.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: partial
    details:
      - In check mode O(step=look) and O(step=images) look; the other steps do nothing and return no result.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - O(step=look) and O(step=images) change nothing. The others disturb the stack each time.
  platform:
    support: full
options:
  step:
    description:
      - V(clean_out) removes ALL containers, images, volumes and networks of Docker there, and the login's data.
      - V(make) runs C(make) as the login and waits until everything is well.
      - V(look) looks at what runs.
      - V(images) tells what its images are made of, by the lists of their package managers.
      - V(crash) kills the first process of each container, V(stop) stops and starts each.
      - V(change_port) changes a port in C(srcs/.env), runs C(make), and changes it back.
      - V(ftp) uploads a file by FTP and looks for it on the site.
      - V(passwords) copies O(admin_password_file) and O(user_password_file) into O(folder), as C(admin) and C(user).
        A link of the project is not followed, and what is no small file is left out.
    type: str
    choices: [clean_out, make, look, images, crash, stop, change_port, ftp, passwords]
    required: true
  login:
    description: The evaluated login.
    type: str
    required: true
  domain:
    description: The site's name.
    type: str
    required: true
  project:
    description: The folder of the project.
    type: path
    required: true
  services:
    description:
      - What each service of the project is, as RV(fortytwo.inception.evaluate_read#module:services) tells it.
        Which service is which is not guessed again.
    type: dict
    default: {}
  date:
    description:
      - The day of the evaluation, which says what the penultimate stable release is. Today when it is missing.
    type: str
  make_timeout:
    description: Seconds that C(make) may take.
    type: int
    default: 3600
  cleaned:
    description: For O(step=make), whether the data folder was emptied before.
    type: bool
    default: false
  ftp_user:
    description: For O(step=ftp), the user.
    type: str
    default: ""
  ftp_password_file:
    description: For O(step=ftp), the file on the managed host with the user's password.
    type: path
    default: ""
  admin_password_file:
    description: For O(step=passwords), the file on the managed host with the password of WordPress's administrator.
    type: path
    default: ""
  user_password_file:
    description: For O(step=passwords), the file with the password of WordPress's other user.
    type: path
    default: ""
  folder:
    description: For O(step=passwords), a folder that nobody but who runs this task can write in.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Look at what runs
  fortytwo.inception.evaluate_stack:
    step: look
    login: wil
    domain: wil.42.fr
    project: /home/wil/inception
    services: "{{ evaluate_read.services }}"
"""

RETURN = r"""
results:
  description: What was found of the items that this step decides.
  returned: success
  type: list
  elements: dict
  sample: [{id: 30, verdict: pass, evidence: [{where: "127.0.0.1:80", text: no connection}]}]
users:
  description: With O(step=look), WordPress's users, each with its roles.
  returned: success
  type: list
  elements: dict
  sample: [{login: wil, roles: [administrator]}]
images:
  description:
    - With O(step=images), each image by the first of its services, what the engine says of it, and its packages.
    - It comes from the project. M(fortytwo.inception.evaluate_report) checks it and makes a bill of materials of it.
  returned: success
  type: list
  elements: dict
  sample:
    - service: nginx
      image: {Id: "sha256:0a1b", RepoTags: ["nginx:0a1b2c"], Architecture: amd64, Created: "2026-11-28T12:00:00Z"}
      inside:
        kind: deb
        system: debian
        release: "12"
        packages: [{name: nginx, version: 1.22.1-9, architecture: amd64, source: nginx, homepage: ""}]
        unpackaged: {}
        problem: ""
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import disturb, images
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Result


def do(subject: disturb.Subject, params: dict[str, Any]) -> list[Result]:
    """A step that disturbs, and its results."""
    step = params["step"]
    if step == "make":
        return disturb.make(subject, cleaned=params["cleaned"])
    if step == "ftp":
        return disturb.ftp(subject, params["ftp_user"], params["ftp_password_file"])
    if step == "passwords":
        files = {"admin": params["admin_password_file"], "user": params["user_password_file"]}
        disturb.bring_passwords(subject.project, files, params["folder"])
        return []
    steps = {
        "clean_out": disturb.clean_out,
        "crash": disturb.crash,
        "stop": disturb.stop,
        "change_port": disturb.change_port,
    }
    return steps[step](subject)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "step": {
                "type": "str",
                "choices": ["clean_out", "make", "look", "images", "crash", "stop", "change_port", "ftp", "passwords"],
                "required": True,
            },
            "login": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "project": {"type": "path", "required": True},
            "services": {"type": "dict", "default": {}},
            # The action plugin reads it, on the control node.
            "date": {"type": "str"},
            "make_timeout": {"type": "int", "default": 3600},
            "cleaned": {"type": "bool", "default": False},
            "ftp_user": {"type": "str", "default": ""},
            "ftp_password_file": {"type": "path", "default": "", "no_log": False},
            "admin_password_file": {"type": "path", "default": "", "no_log": False},
            "user_password_file": {"type": "path", "default": "", "no_log": False},
            "folder": {"type": "path", "default": ""},
        },
        required_if=[("step", "passwords", ("admin_password_file", "user_password_file", "folder"))],
        supports_check_mode=True,
    )
    params = module.params
    if not module.get_bin_path("docker"):
        module.fail_json(
            "there is no docker on this machine; install it, for example: apt-get install docker.io docker-cli"
        )
    changes = params["step"] not in ("look", "images")
    if changes and module.check_mode:
        module.exit_json(changed=True, results=[], users=[], images=[])
    subject = disturb.Subject(
        params["login"], params["domain"], params["project"], params["make_timeout"], params["services"]
    )
    start = time.monotonic()
    try:
        if params["step"] == "images":
            module.exit_json(changed=False, results=[], users=[], images=images.images(subject.project))
        if not changes:
            stack = subject.observe()
            users = [{"login": login, "roles": roles} for login, roles in stack.wordpress.users]
            # The action plugin judges it, and takes it out of the result.
            module.exit_json(changed=False, results=[], users=users, images=[], observed=stack.to_dict())
        results = do(subject, params)
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(f"the step {params['step']} of the evaluation: {type(error).__name__}: {error}")
    # Each item took its share of the step, unless it was timed itself.
    share = (time.monotonic() - start) / max(1, len(results))
    for one in results:
        one.seconds = one.seconds or share
    module.exit_json(changed=True, results=[one.to_dict() for one in results], users=[], images=[])


if __name__ == "__main__":
    main()
