#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup
short_description: Have the managed host make backups of its stack by itself
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Writes down where the backups go and how often, has a timer make them, and makes their key, which stays on the
    managed host and is in no result. The work itself is done by the managed host's own program C(inception).
  - No backup is made by this module.
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
    description: Linux, with systemd, or with the cron of busybox.
options:
  state:
    description: V(absent) takes timer and settings away. The key and the backups stay.
    type: str
    choices: [present, absent]
    default: present
  place:
    description: Where the backups go, as restic calls it. O(state=absent) needs none.
    type: str
    default: ""
  schedule:
    description: How often one is made.
    type: str
    choices: [hourly, daily, weekly]
    default: daily
  keep:
    description: How many are kept, of C(last), C(hourly), C(daily), C(weekly), C(monthly) and C(yearly).
    type: dict
    default: {}
  append_only:
    description: Whether the place lets nothing be removed, so that it is not tried.
    type: bool
    default: false
  trial:
    description: How often the newest one is restored for trial.
    type: str
    choices: [weekly, monthly, never]
    default: monthly
  credentials:
    description: Whether a file C(credentials) beside the settings opens the place. One of before is removed without.
    type: bool
    default: false
  known_hosts:
    description: The same of C(known_hosts).
    type: bool
    default: false
  authority:
    description: The same of C(authority.crt).
    type: bool
    default: false
  root:
    description: The folder below which all of it lies.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Make backups
  fortytwo.inception.backup:
    place: /mnt/backup
    keep: {daily: 7, weekly: 5}
  register: backups

- name: Make none any more
  fortytwo.inception.backup:
    state: absent
"""

RETURN = r"""
folder:
  description: Where its settings lie, for root alone.
  returned: success
  type: str
  sample: /var/lib/fortytwo.inception/backup
missing:
  description: The programs that it wants, and that are not there.
  returned: success, with O(state=present)
  type: list
  elements: str
  sample: [restic]
first:
  description: Whether no backup was made yet.
  returned: success, with O(state=present)
  type: bool
"""

import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _backup_state, _history, _program_file, _restic
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import Store


def address(place: str, credentials: Path) -> str:
    """The place with what opens it, where restic wants it there: that file is root's alone."""
    if not place.startswith("rest:") or not credentials.exists():
        return place
    scheme, slashes, rest = place.partition("//")
    user, colon, password = credentials.read_text(encoding="utf-8").strip().partition(":")
    return f"{scheme}{slashes}{quote(user, safe='')}{colon}{quote(password, safe='')}@{rest}"


def write(path: Path, text: str) -> bool:
    """A file for root alone. Whether it was not there, or another one."""
    try:
        if path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == 0o400:
            return False
    except OSError:
        pass
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    return True


def present(module: AnsibleModule, store: Store) -> dict[str, Any]:
    options = module.params
    wanted = {name: options[name] for name in ("place", "schedule", "keep", "append_only", "trial")}
    sftp = ["ssh"] if options["place"].startswith("sftp:") else []
    missing = [name for name in ("restic", *sftp) if shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") is None]
    result = {"folder": str(store.folder), "missing": missing, "first": not store.state().succeeded}
    files = {store.credentials: "credentials", store.known_hosts: "known_hosts", store.authority: "authority"}
    old = [path for path, name in files.items() if not options[name] and path.exists()]
    told = vars(store.settings())
    changed = bool(old) or not store.key.exists() or any(told[name] != one for name, one in wanted.items())
    if module.check_mode:
        return {**result, "changed": changed}
    store.make()
    for path in old:
        path.unlink()
    if told["place"] and told["place"] != options["place"]:
        # Another place has no backups yet, and the one of before keeps its own.
        state = store.state()
        store.save(_backup_state.State(since=_backup_state.now(), key_shown=state.key_shown))
        result["first"] = True
    elif not store.state().since:
        state = store.state()
        state.since = _backup_state.now()
        store.save(state)
    if any(told[name] != one for name, one in wanted.items()):
        _history.write(store.settings_file, wanted)
    changed |= write(store.repository, address(options["place"], store.credentials))
    if not store.key.exists():
        write(store.key, _restic.new_key())
    changed |= _program_file.install_scheduled(Path(options["root"]), "backup", options["schedule"])
    return {**result, "changed": changed}


def absent(module: AnsibleModule, store: Store) -> dict[str, Any]:
    there = store.folder.exists()
    if not module.check_mode:
        there |= _program_file.install_scheduled(Path(module.params["root"]), "backup", "")
        shutil.rmtree(store.folder, ignore_errors=True)
    return {"changed": there, "folder": str(store.folder)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "place": {"type": "str", "default": ""},
            "schedule": {"type": "str", "choices": ["hourly", "daily", "weekly"], "default": "daily"},
            "keep": {"type": "dict", "default": {}},
            "append_only": {"type": "bool", "default": False},
            "trial": {"type": "str", "choices": ["weekly", "monthly", "never"], "default": "monthly"},
            "credentials": {"type": "bool", "default": False},
            "known_hosts": {"type": "bool", "default": False},
            "authority": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/"},
        },
        required_if=[("state", "present", ["place"])],
        supports_check_mode=True,
    )
    store = Store(Path(module.params["root"]))
    try:
        result = {"present": present, "absent": absent}[module.params["state"]](module, store)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or store.folder}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
