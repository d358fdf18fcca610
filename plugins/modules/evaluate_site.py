#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evaluate_site
short_description: Evaluate a project by its site
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Looks at the site of an Inception project from outside, as an evaluator does at a browser, and says what that means
    for the items of the sheet.
  - Runs on the control node.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: partial
    details:
      - In check mode O(step=visit), which writes a comment and edits a page, does nothing.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - O(step=visit) writes something new each time.
  platform:
    support: full
options:
  step:
    description:
      - V(look) opens the page, looks at the certificate, and tries every version of TLS.
      - V(visit) signs in with a browser, writes a comment, edits a page, and keeps pictures of it.
      - V(remember) looks for what V(visit) wrote.
    type: str
    choices: [look, visit, remember]
    required: true
  domain:
    description: The site's name.
    type: str
    required: true
  address:
    description: Where it is for the control node.
    type: str
    required: true
  port:
    description: The port there.
    type: int
    default: 443
  users:
    description:
      - For O(step=visit), WordPress's users with their roles, as M(fortytwo.inception.evaluate_stack) returns them.
    type: list
    elements: dict
    default: []
  admin_password_file:
    description: For O(step=visit), a file with the administrator's password. Without it nobody signs in.
    type: path
    default: ""
  user_password_file:
    description: For O(step=visit), the same for the other user.
    type: path
    default: ""
  folder:
    description: For O(step=visit), the folder for the pictures. It must exist.
    type: path
    default: ""
  written:
    description: For O(step=remember), what O(step=visit) returned as RV(written).
    type: list
    elements: dict
    default: []
requirements:
  - sslyze, for O(step=look)
  - playwright and a Chromium, for O(step=visit)
"""

EXAMPLES = r"""
- name: Look at the site
  fortytwo.inception.evaluate_site:
    step: look
    domain: wil.42.fr
    address: 127.0.0.1
    port: 8443
  delegate_to: localhost
"""

RETURN = r"""
results:
  description: What was found of the items that this step decides.
  returned: success
  type: list
  elements: dict
  sample: [{id: 42, verdict: pass, evidence: [{where: "sslyze wil.42.fr, TLS 1.0", text: refused}]}]
screenshots:
  description: The pictures, with O(step=visit).
  returned: success
  type: list
  elements: dict
  sample: [{item: 49, title: The page in the editor, path: /tmp/pictures/49-3.png}]
written:
  description: What was written and is seen by strangers, with O(step=visit).
  returned: success
  type: list
  elements: dict
  sample: [{path: /hello-world/, text: "Commented by the evaluation 5ad9e0", what: the comment}]
"""

import http.client
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import browser, site
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Result

NOTHING: dict[str, Any] = {"results": [], "screenshots": [], "written": []}


def logins(params: dict[str, Any]) -> tuple[browser.Login, browser.Login]:
    """The administrator and the other user."""
    names: dict[bool, str] = {}
    for user in params["users"]:
        names.setdefault("administrator" in user["roles"], user["login"])
    return (
        browser.Login(names.get(True, ""), params["admin_password_file"]),
        browser.Login(names.get(False, ""), params["user_password_file"]),
    )


def timed(results: list[Result], seconds: float) -> list[dict[str, Any]]:
    """Each item took its share, unless it was timed itself."""
    for one in results:
        one.seconds = one.seconds or seconds / len(results)
    return [one.to_dict() for one in results]


def do(params: dict[str, Any]) -> dict[str, Any]:
    place = site.Place(params["domain"], params["address"], params["port"])
    if params["step"] == "visit":
        return browser.visit_site(place, *logins(params), params["folder"])
    start = time.monotonic()
    if params["step"] == "look":
        results = site.look(place)
    else:

        def fetch(path: str) -> str:
            try:
                return site.follow(place, path)[1].text
            except (OSError, http.client.HTTPException):
                return ""

        results = [browser.still_there(place, params["written"], fetch)]
    return {**NOTHING, "results": timed(results, time.monotonic() - start)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["look", "visit", "remember"], "required": True},
            "domain": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 443},
            "users": {"type": "list", "elements": "dict", "default": []},
            "admin_password_file": {"type": "path", "default": "", "no_log": False},
            "user_password_file": {"type": "path", "default": "", "no_log": False},
            "folder": {"type": "path", "default": ""},
            "written": {"type": "list", "elements": "dict", "default": []},
        },
        required_if=[("step", "visit", ("folder",))],
        supports_check_mode=True,
    )
    changes = module.params["step"] == "visit"
    if changes and module.check_mode:
        module.exit_json(changed=True, **NOTHING)
    try:
        found = do(module.params)
    except OSError as error:
        module.fail_json(f"the site {module.params['domain']} at {module.params['address']}: {error}")
    module.exit_json(changed=changes, **found)


if __name__ == "__main__":
    main()
