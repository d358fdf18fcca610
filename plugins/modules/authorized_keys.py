#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: authorized_keys
short_description: Add public keys to those that may log in as a user
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Makes the lines of a list be in C(~/.ssh/authorized_keys) of a user. All other lines stay.
  - Run as root, it follows no link of that user, who could lead another module to read or to give away any file.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode a missing user is not an error, since an earlier task would have made it.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
options:
  user:
    description: The name of the user.
    type: str
    required: true
  keys:
    description:
      - Lines of public keys, with options of sshd in front where they have some.
      - An address with C(https://) or C(http://) stands for the lines of that page, which the managed host fetches.
    type: list
    elements: str
    required: true
seealso:
  - module: ansible.posix.authorized_key
"""

EXAMPLES = r"""
- name: Let in the keys of the login
  fortytwo.inception.authorized_keys:
    user: wil
    keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBUZXN0 wil@home]
"""

RETURN = r"""
added:
  description: How many lines were added.
  returned: success
  type: int
  sample: 1
"""

import os
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.fortytwo.inception.plugins.module_utils import _files

MOST_BYTES = 1_000_000


def fetched(module: AnsibleModule, address: str) -> list[str]:
    response, info = fetch_url(module, address)
    if info["status"] != 200:
        raise _files.FileProblem(f"keys: {address}: {info['msg']}")
    text: str = response.read(MOST_BYTES).decode("utf-8", "replace")
    return text.splitlines()


def wanted_lines(module: AnsibleModule) -> list[str]:
    lines: list[str] = []
    for key in module.params["keys"]:
        found = fetched(module, key) if key.startswith(("https://", "http://")) else key.splitlines()
        lines += [line.strip() for line in found if line.strip() and not line.lstrip().startswith("#")]
    return list(dict.fromkeys(lines))


def add(home: str, lines: list[str], attributes: _files.Attributes, check_mode: bool) -> int:
    """How many of the lines were, or would be, added."""
    shown = f"{home}/.ssh/authorized_keys"
    with _files.within(shown) as folder:
        if folder is None:
            if check_mode:
                return len(lines)
            with _files.within(f"{home}/.ssh") as above:
                if above is None:
                    raise _files.FileProblem(f"user: the home {home} does not exist; make it first")
                os.mkdir(".ssh", 0o700, dir_fd=above)
                made = _files.open_folder(".ssh", above, f"{home}/.ssh")
                try:
                    _files.Attributes(0o700, attributes.uid, attributes.gid).apply(made)
                finally:
                    os.close(made)
            return add(home, lines, attributes, check_mode)
        readable = _files.open_folder(".", folder, f"{home}/.ssh")
        try:
            with _files.locked(readable, f"{home}/.ssh"):
                return _add(readable, shown, lines, attributes, check_mode)
        finally:
            os.close(readable)


def _add(folder: int, shown: str, lines: list[str], attributes: _files.Attributes, check_mode: bool) -> int:
    name = os.path.basename(shown)
    with _files.opened_file(name, folder, shown) as descriptor:
        if descriptor is not None and os.fstat(descriptor).st_size > MOST_BYTES:
            raise _files.FileProblem(f"{shown} is larger than a file of keys ever is; move it away")
        before = b"" if descriptor is None else _files.read_all(descriptor)
    known = {line.strip() for line in before.decode("utf-8", "replace").splitlines()}
    added = [line for line in lines if line not in known]
    if added and not check_mode:
        whole = before + (b"\n" if before and not before.endswith(b"\n") else b"")
        _files.write_file(name, folder, whole + "".join(f"{line}\n" for line in added).encode(), attributes)
        _files.sync(folder)
    return len(added)


def run(module: AnsibleModule) -> dict[str, Any]:
    lines = wanted_lines(module)
    try:
        user = pwd.getpwnam(module.params["user"])
    except KeyError:
        if not module.check_mode:
            raise _files.FileProblem(
                f"user: there is no user '{module.params['user']}' on this machine; make it first"
            ) from None
        return {"changed": bool(lines), "added": len(lines)}
    attributes = _files.Attributes(0o600, user.pw_uid, user.pw_gid)
    added = add(user.pw_dir.rstrip("/"), lines, attributes, module.check_mode)
    return {"changed": bool(added), "added": added}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            # Public: they open nothing to who reads them.
            "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    _files.answer(module, run)


if __name__ == "__main__":
    main()
