#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secrets
short_description: Make random secrets on the target, one file each
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Makes sure that each declared secret has a file with a value in one folder of the target.
  - A missing value is made at random on the target. It is written to a new file of mode V(0600) in the same folder,
    which is given its final owner and the mode V(0400), synced, and moved into its place atomically.
    It has no newline at its end.
  - A value that exists is kept, whatever it is. Only its owner and mode are repaired.
  - No value ever leaves the target. Of an existing value, only its size and its last character are looked at.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and says what it would do.
    details:
      - In check mode a folder, an owner or a group that does not exist yet is not an error,
        since an earlier task would have made it.
  diff_mode:
    support: partial
    description: Returns the differences in diff mode.
    details:
      - The difference shows presence, mode and owner of a file, never a value.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
  platform:
    support: full
    platforms: posix
    description: Linux, with a file system that has owners, modes and locks.
options:
  path:
    description:
      - The folder that holds the files. It must exist, must not be a symbolic link,
        must belong to O(owner), to root or to the user who runs the module, and nobody else may write in it.
    type: path
    required: true
  owner:
    description: Name or number of the user who may read the files. Left out, files keep the owner they have.
    type: str
  group:
    description: Name or number of the group of the files. Left out, files keep the group they have.
    type: str
  secrets:
    description: The secrets to have.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Its name; the file is called C(<name>.txt).
          - Lowercase letters, digits, C(_) and C(-), with a letter first, at most 64 characters.
        type: str
        required: true
      length:
        description: Number of characters of a new value, 16 to 4096.
        type: int
        default: 32
      alphabet:
        description:
          - The characters to choose from. Letters and digits when left out.
          - At least 16 different printable ASCII characters other than the space, each once.
        type: str
notes:
  - Values that are not declared any more are left alone.
  - Two runs at the same time wait for each other.
"""

EXAMPLES = r"""
- name: Passwords of the database and of WordPress
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    owner: wil
    group: wil
    secrets:
      - name: db_password
      - name: db_root_password
        length: 48
      - name: wp_salt
        length: 64
        alphabet: 0123456789abcdef
"""

RETURN = r"""
secrets:
  description: The declared secrets in their order, without their values.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      sample: db_password
    path:
      description: The file that holds the value.
      type: str
      sample: /home/wil/inception/secrets/db_password.txt
    created:
      description: Whether the value was made in this run (or would have been, in check mode).
      type: bool
      sample: false
"""

import os
import re
import secrets
import stat
import string
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation)
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
SHORTEST = 16
LONGEST = 4096
SMALLEST_ALPHABET = 16
MODE = 0o400


@dataclass(frozen=True)
class Secret:
    """A declared secret."""

    name: str
    length: int
    alphabet: str

    @property
    def file(self) -> str:
        return f"{self.name}.txt"

    def new_value(self) -> bytes:
        return "".join(secrets.choice(self.alphabet) for _ in range(self.length)).encode("ascii")


@dataclass(frozen=True)
class Step:
    """What one secret needs."""

    secret: Secret
    before: str
    create: bool
    repair: bool


def declared(options: list[dict[str, Any]]) -> list[Secret]:
    """The declared secrets, once they are known to be sound."""
    found = [Secret(o["name"], o["length"], o["alphabet"] or LETTERS_AND_DIGITS) for o in options]
    for secret in found:
        for problem in _problems(secret):
            raise _files.FileProblem(f"secrets: {secret.name!r}: {problem}")
    for name, count in Counter(s.name for s in found).items():
        if count > 1:
            raise _files.FileProblem(f"secrets: {name!r} is declared {count} times; give each secret a name of its own")
    return found


def _problems(secret: Secret) -> list[str]:
    problems = []
    if not NAME.fullmatch(secret.name):
        problems.append("a name is lowercase letters, digits, _ and -, with a letter first; for example: db_password")
    if not SHORTEST <= secret.length <= LONGEST:
        problems.append(f"the length {secret.length} is not from {SHORTEST} to {LONGEST}; for example: 32")
    if not set(secret.alphabet) <= PRINTABLE:
        problems.append(
            "the alphabet has a character that is not printable ASCII; for example: abcdefghijkmnpqrstuvwxyz23456789"
        )
    elif len(set(secret.alphabet)) != len(secret.alphabet):
        problems.append("the alphabet has a character twice, which would make it more frequent; name each once")
    elif len(secret.alphabet) < SMALLEST_ALPHABET:
        problems.append(f"the alphabet has fewer than {SMALLEST_ALPHABET} characters; for example: 0123456789abcdef")
    return problems


def check_folder(path: str, folder: int, uid: int | None) -> None:
    """Whoever may write in the folder may replace every secret in it."""
    found = os.fstat(folder)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o022:
        raise _files.FileProblem(
            f"path: {path} has mode {mode:04o}, so that others than its owner can replace secrets; "
            f"set it to 0700: chmod 0700 {path}"
        )
    if found.st_uid not in (0, os.geteuid(), uid):
        raise _files.FileProblem(
            f"path: {path} belongs to the user with the number {found.st_uid}, who could replace secrets; "
            "give it to the owner of the secrets with chown"
        )


def _described(found: os.stat_result) -> str:
    return f"present, mode {stat.S_IMODE(found.st_mode):04o}, owner {found.st_uid}:{found.st_gid}"


def plan(path: str, folder: int, secret: Secret, wanted: _files.Attributes) -> Step:
    """What to do for one secret. Nothing is changed, and no value is read."""
    shown = os.path.join(path, secret.file)
    with _files.opened_file(secret.file, folder, shown) as descriptor:
        if descriptor is None:
            return Step(secret, "absent", create=True, repair=False)
        found = os.fstat(descriptor)
        if found.st_size == 0:
            raise _files.FileProblem(
                f"{shown} is empty; write the value into it, without a newline at its end, "
                "or remove it to have a new value made"
            )
        if os.pread(descriptor, 1, found.st_size - 1) in (b"\n", b"\r"):
            raise _files.FileProblem(
                f"{shown} ends with a newline, which would be taken as a part of the value; "
                f"take it away: truncate -s -1 {shown}"
            )
        return Step(secret, _described(found), create=False, repair=not wanted.fit(found))


def carry_out(path: str, folder: int, step: Step, wanted: _files.Attributes) -> None:
    if step.create:
        _files.write_file(step.secret.file, folder, step.secret.new_value(), wanted)
        _files.sync(folder)
    elif step.repair:
        with _files.opened_file(step.secret.file, folder, os.path.join(path, step.secret.file)) as descriptor:
            if descriptor is not None:
                wanted.apply(descriptor)


def difference(path: str, steps: list[Step], wanted: _files.Attributes) -> dict[str, str]:
    """Presence, mode and owner before and after; never a value."""
    owner = ":".join("unchanged" if number is None else str(number) for number in (wanted.uid, wanted.gid))
    after = f"present, mode {wanted.mode:04o}, owner {owner}"
    return {
        "before_header": path,
        "after_header": path,
        "before": "".join(f"{s.secret.file}: {s.before}\n" for s in steps),
        "after": "".join(f"{s.secret.file}: {after if s.create or s.repair else s.before}\n" for s in steps),
    }


def attributes(module: AnsibleModule) -> _files.Attributes:
    return _files.Attributes(MODE, *_files.owner(module))


def run(module: AnsibleModule) -> dict[str, Any]:
    path: str = module.params["path"]
    wanted_secrets = declared(module.params["secrets"])
    if not os.path.isabs(path):
        raise _files.FileProblem(f"path: {path} is not absolute; for example: /home/wil/inception/secrets")
    wanted = attributes(module)
    if _files.look(path) is None:
        if not module.check_mode:
            raise _files.FileProblem(f"path: the folder {path} does not exist; make it first, with mode 0700")
        steps = [Step(secret, "absent", create=True, repair=False) for secret in wanted_secrets]
    else:
        steps = work(module, path, wanted_secrets, wanted)
    return {
        "changed": any(step.create or step.repair for step in steps),
        "secrets": [
            {"name": s.secret.name, "path": os.path.join(path, s.secret.file), "created": s.create} for s in steps
        ],
        "diff": difference(path, steps, wanted),
    }


def work(module: AnsibleModule, path: str, wanted_secrets: list[Secret], wanted: _files.Attributes) -> list[Step]:
    """Look at everything first, so that a problem with one secret leaves all as they were."""
    folder = _files.open_folder(path)
    try:
        check_folder(path, folder, wanted.uid)
        with _files.locked(folder, path):
            steps = [plan(path, folder, secret, wanted) for secret in wanted_secrets]
            if not module.check_mode:
                for step in steps:
                    carry_out(path, folder, step, wanted)
        return steps
    finally:
        os.close(folder)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            # The option holds names, never values, whatever its own name suggests.
            "secrets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "length": {"type": "int", "default": 32},
                    "alphabet": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    _files.answer(module, run)


if __name__ == "__main__":
    main()
