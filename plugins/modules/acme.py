#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: acme
short_description: Have the managed host get its certificate from an authority, by ACME
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - O(state=present) writes down, for root alone, which certificate is wanted, and says what is missing for it.
  - O(state=issued) has the managed host's own program C(inception) ask for it, when one is due, and take it into use
    without a visitor's notice. The program is there after M(fortytwo.inception.deployment).
  - Where the authority refuses, the site goes on with the certificate that it has. That is a warning and no failure,
    since the managed host goes on asking by itself.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    description: Nobody is asked for a certificate then.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    description: Linux, with dehydrated.
options:
  state:
    description: Whether it is written down, or asked for.
    type: str
    choices: [present, issued]
    default: present
  names:
    description: The names of the certificate, the site's own first.
    type: list
    elements: str
    default: []
  directory:
    description: The address of the authority's directory.
    type: str
    default: ""
  challenge:
    description: How it is proven that the names are this host's.
    type: str
    choices: [tls-alpn-01, http-01, dns-01]
    default: tls-alpn-01
  email:
    description: The address that the authority may write to; none when empty.
    type: str
    default: ""
  profile:
    description: The kind of certificate, of those that the authority has; its default when empty.
    type: str
    default: ""
  eab_kid:
    description: The name of the key of an account that was made before; none when empty. The key is C(eab.key).
    type: str
    default: ""
  challenges:
    description: The folder that NGINX reads the challenges in.
    type: str
    default: ""
  project:
    description: The project folder.
    type: path
    default: ""
  files:
    description:
      - Which files were brought into C(/var/lib/fortytwo.inception/acme), such as V(eab.key), V(authority.crt),
        V(dns-hook) and V(dns/token). Others of them, from before, are removed.
    type: list
    elements: str
    default: []
  root:
    description: The folder below which the program and what it remembers lie.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Want a certificate
  fortytwo.inception.acme:
    names: [example.org, www.example.org]
    directory: https://acme-v02.api.letsencrypt.org/directory
    challenges: /home/wil/data/challenges
    project: /home/wil/inception

- name: Get it
  fortytwo.inception.acme:
    state: issued
"""

RETURN = r"""
missing:
  description: The programs that it wants, and that are not there.
  returned: success, with O(state=present)
  type: list
  elements: str
  sample: [dehydrated]
due:
  description: Why a certificate has to be asked for; empty when the one that there is is good.
  returned: success, with O(state=present)
  type: str
  sample: the certificate ends in 12 days
refused:
  description: Why there is no certificate.
  returned: success, with O(state=issued), when there is none
  type: str
"""

import json
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _acme, _history, _program_file
from ansible_collections.fortytwo.inception.plugins.module_utils._acme import Settings, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._renewal import RenewalProblem


def brought(store: Store) -> dict[str, Path]:
    """What a deployment can bring, and what is there of it."""
    single = {path.name: path for path in (store.eab_key, store.authority, store.dns_hook)}
    several = sorted(store.dns_files.glob("*")) if store.dns_files.is_dir() else []
    there = {name: path for name, path in single.items() if path.exists()}
    return {**there, **{f"{store.dns_files.name}/{path.name}": path for path in several}}


def present(module: AnsibleModule, store: Store) -> dict[str, Any]:
    options = module.params
    wanted = {name: options[name] for name in Settings.__dataclass_fields__}
    old = [path for name, path in brought(store).items() if name not in options["files"]]
    is_new = vars(store.settings()) != wanted
    found = shutil.which("dehydrated", path="/usr/local/bin:/usr/bin:/bin")
    result: dict[str, Any] = {"changed": is_new or bool(old), "missing": [] if found else ["dehydrated"]}
    if not module.check_mode:
        store.make()
        store.dns_files.mkdir(mode=0o700, exist_ok=True)
        for path in old:
            path.unlink()
        if is_new:
            _history.write(store.settings_file, wanted)
    try:
        due = _acme.due(store, options["project"])
        result["due"] = due.what if due else ""
    except (RenewalProblem, FileProblem) as problem:
        result["due"] = str(problem)
    return result


def issued(module: AnsibleModule, store: Store) -> dict[str, Any]:
    if module.check_mode:
        return {"changed": False}
    program = Path(module.params["root"]) / _program_file.PLACE
    argv = [str(program), "--root", module.params["root"], "certificate", "--due"]
    code, said, complained = module.run_command(argv)
    if code != 0:
        refused = " ".join(complained.removeprefix("inception: ").split()) or f"{program} ended with {code}"
        module.warn(f"There is no new certificate, and the site goes on with the one that it has: {refused}")
        return {"changed": False, "refused": refused}
    return {"changed": bool(json.loads(said.splitlines()[-1])["changed"])}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "issued"], "default": "present"},
            "names": {"type": "list", "elements": "str", "default": []},
            "directory": {"type": "str", "default": ""},
            "challenge": {
                "type": "str",
                "choices": [_acme.TLS_ALPN, _acme.HTTP, _acme.DNS],
                "default": _acme.TLS_ALPN,
            },
            "email": {"type": "str", "default": ""},
            "profile": {"type": "str", "default": ""},
            "eab_kid": {"type": "str", "default": ""},
            "challenges": {"type": "str", "default": ""},
            "project": {"type": "path", "default": ""},
            "files": {"type": "list", "elements": "str", "default": []},
            "root": {"type": "path", "default": "/"},
        },
        required_if=[("state", "present", ["names", "directory", "challenges", "project"])],
        supports_check_mode=True,
    )
    store = Store(Path(module.params["root"]))
    try:
        result = {"present": present, "issued": issued}[module.params["state"]](module, store)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or store.folder}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
