#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: folders
short_description: Make folders in a place that somebody else can write
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Makes each folder be there with its mode and owner, run as root in the home of a user who is not trusted.
  - No symbolic link of that user is followed. One in the place of a folder, or on the way to it, is an error,
    since whatever it leads to would be given to O(owner).
  - What is in a folder stays as it is.
extends_documentation_fragment:
  - fortytwo.inception._files
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode a missing parent, owner or group is not an error, since an earlier task would have made it.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
options:
  folders:
    description: The folders, each before those that are in it.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      mode:
        description: Its mode as a string of four octal digits.
        type: str
        default: "0755"
"""

EXAMPLES = r"""
- name: Create the data folder
  fortytwo.inception.folders:
    owner: wil
    folders:
      - {path: /home/wil/data, mode: "0750"}
"""

RETURN = r"""
changed_folders:
  description: The folders that were made or put right.
  returned: success
  type: list
  elements: str
  sample: [/home/wil/data]
"""

import os
import re
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files


def put_right(path: str, wanted: _files.Attributes, check_mode: bool) -> bool:
    """Whether a folder was, or would be, made or changed."""
    name = os.path.basename(path)
    with _files.within(path) as above:
        if above is None:
            if check_mode:
                return True
            raise _files.FileProblem(f"folders: {path}: {os.path.dirname(path)} does not exist; make it first")
        found = _files.look(name, above)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise _files.FileProblem(
                f"folders: {path} is a symbolic link, and what it leads to would be given to another owner; "
                f"move it away, and have the place that is meant appear there: mount --bind PLACE {path}"
            )
        if check_mode:
            return found is None or not wanted.fit(found)
        if found is None:
            os.mkdir(name, 0o700, dir_fd=above)
        descriptor = _files.open_folder(name, above, path)
        try:
            if found is not None and wanted.fit(os.fstat(descriptor)):
                return False
            wanted.apply(descriptor)
        finally:
            os.close(descriptor)
        return True


def run(module: AnsibleModule) -> dict[str, Any]:
    uid, gid = _files.owner(module)
    for folder in module.params["folders"]:
        path = folder["path"]
        if not os.path.isabs(path) or os.path.normpath(path) != path or path == "/":
            raise _files.FileProblem(f"folders: {path!r} is not an absolute path in its plainest form")
        if not re.fullmatch("[0-7]{4}", folder["mode"]):
            raise _files.FileProblem(
                f"folders: {path}: mode: {folder['mode']!r} is no string of four octal digits; for example: '0755'"
            )
    changed = [
        folder["path"]
        for folder in module.params["folders"]
        if put_right(folder["path"], _files.Attributes(int(folder["mode"], 8), uid, gid), module.check_mode)
    ]
    return {"changed": bool(changed), "changed_folders": changed}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "folders": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "mode": {"type": "str", "default": "0755"},
                },
            },
        },
        supports_check_mode=True,
    )
    _files.answer(module, run)


if __name__ == "__main__":
    main()
