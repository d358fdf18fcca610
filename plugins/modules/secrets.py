#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secrets
short_description: Make and replace secrets on the managed host, one file each
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Makes sure that each declared secret has a file with a value in one folder of the managed host.
  - A missing value is made at random there, unless one is given. A value that exists is kept, whatever it is.
    One that is weak, or was open to others, gets a warning.
  - A value is replaced in phases, so that services can learn the new one before they have to forget the old one.
    While it is V(finalized), there is C(<name>.txt) alone. While it is V(staged), there is a new value beside it in
    C(<name>.txt.next), which no service needs yet. While it is V(promoted), the new value is in C(<name>.txt), and
    the old one in C(<name>.txt.previous) until nothing knows it any more.
  - A value is written to a new file of mode V(0600) in the same folder, which is given its final owner and
    the mode V(0400), synced, and moved into its place atomically, after which the folder is synced.
    So a run that is killed, or a power cut, leaves each file as it was or as it shall be,
    and the next run goes on from there.
  - A value has no newline at its end.
  - No value ever leaves the managed host.
    Values that exist are read there, to compare them with a given one and to find weak ones.
extends_documentation_fragment:
  - fortytwo.inception._files
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode a folder, an owner or a group that does not exist yet is not an error,
        since an earlier task would have made it.
      - The serial of a value that is not written yet is null.
      - A secret that a state other than V(present) needs is needed in check mode as well.
  diff_mode:
    support: partial
    details:
      - The difference shows presence, mode, owner and serial of each file, never a value.
  idempotent:
    support: full
    details:
      - With O(state=staged), a value that is staged already is kept. After O(state=promoted) the secret is V(promoted),
        and O(state=staged) does nothing until O(state=finalized) has ended that. It would then begin another rotation.
  platform:
    support: full
options:
  path:
    description:
      - The folder that holds the files. It must exist, must not be a symbolic link,
        must belong to O(owner), to root or to the user who runs the module, and nobody else may write in it.
      - The same is asked of every folder above it, but one with the sticky bit, like C(/tmp), may be open to all.
        A symbolic link among them must belong to root or to the user who runs the module.
    type: path
    required: true
  state:
    description:
      - With V(present), secrets that are missing are made.
      - With V(staged), a new value is put beside the one of each secret, in C(<name>.txt.next).
        One that is there already is kept, so that an interrupted rotation goes on with it, unless another one is given.
        A given value that the secret has already is not staged, nor is anything for a secret that is V(promoted).
        A secret that has no value is an error.
      - With V(promoted), the value of each secret that is V(staged) becomes the current one,
        and the one before it is kept in C(<name>.txt.previous).
      - With V(finalized), the previous value of each secret is removed.
      - With V(aborted), the staged value of each secret is removed. The rotation is given up.
      - With V(absent), each secret is removed, with its staged and its previous value.
        O(secrets) must name at least one.
      - Owner and mode are repaired in every state.
    type: str
    choices: [present, staged, promoted, finalized, aborted, absent]
    default: present
  secrets:
    description:
      - The secrets that O(state) is about.
      - Secrets that are in the folder and not in this list are left alone, but see O(remove_undeclared).
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
      kind:
        description:
          - What a new value looks like.
          - A V(password) is of 32 letters and digits. A V(token) is of 64 hexadecimal digits.
          - V(wordpress_salts) are the eight lines of a C(wp-config.php) that define C(AUTH_KEY) and so on,
            as U(https://api.wordpress.org/secret-key/1.1/salt/) gives them, with 64 characters each,
            none of which PHP changes between single quotes.
        type: str
        choices: [password, token, wordpress_salts]
        default: password
      length:
        description:
          - Number of characters of a new value, 16 to 4096. Left out, the one of its kind.
          - Together with O(secrets[].alphabet), it must give 80 bits or more.
          - Not for the kind V(wordpress_salts).
        type: int
      alphabet:
        description:
          - The characters to choose from. Left out, those of its kind.
          - At least 16 different printable ASCII characters other than the space, each once.
          - Not for the kind V(wordpress_salts).
        type: str
      value:
        description:
          - A value of your own, from a vault, in place of a random one.
          - Printable ASCII on one line (eight lines for the kind V(wordpress_salts)), and not weak, see the notes.
          - It must be a text, and so in quotes where YAML would take it for a number.
          - Only O(state=present) and O(state=staged) use it.
        type: raw
  replace:
    description:
      - What O(state=present) does when a secret has another value than the given O(secrets[].value).
      - With V(now), it is replaced at once. That is refused while the secret is V(staged) or V(promoted).
      - With V(staged), the given value is staged, as O(state=staged) does it, for services that must learn of it first.
    type: str
    choices: [now, staged]
    default: now
  remove_undeclared:
    description:
      - Remove the files that RV(undeclared) tells of. Only with O(state=present), and with all secrets in O(secrets).
    type: bool
    default: false
  revisions:
    description:
      - Names of files, as a rule of services, each with the names of secrets.
      - For each one, the file C(<revision>.env) in the folder has the line C(SECRETS=<name>:<serial>,<name>:<serial>).
        As an C(env_file) of a service it makes Compose recreate that service when one of its secrets is replaced,
        and else not.
      - With O(state=present), they can name secrets of O(secrets) only, with other states all that have a file
        in the folder. They do not go with O(state=absent).
    type: dict
notes:
  - A value is called weak when it has fewer than 16 characters, fewer than 8 different ones, or fewer than 80 bits
    even if each of its characters was chosen at random among all of the classes that it uses
    (lowercase letters, uppercase letters, digits, others; or hexadecimal digits alone).
    This finds what is hopeless. It knows no words.
  - Files that a killed run left unfinished are removed by the next run, whatever its state.
  - If O(path) is missing, that is an error, but not with O(state=absent).
"""

EXAMPLES = r"""
- name: Make the passwords of the database and of WordPress
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    owner: wil
    group: wil
    secrets:
      - name: db_password
      - name: db_root_password
        length: 48
      - name: api_token
        kind: token
      - name: wp_salts
        kind: wordpress_salts

- name: Stage a password from the vault, which the database has to learn before it is used
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    owner: wil
    group: wil
    secrets:
      - name: db_password
        value: "{{ vault_db_password }}"
    replace: staged

- name: Put a new value beside the one of the database
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    owner: wil
    group: wil
    secrets:
      - name: db_password
    state: staged

- name: Use the new value from now on, and tell Compose which services are concerned
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    owner: wil
    group: wil
    secrets:
      - name: db_password
    state: promoted
    revisions:
      wordpress: [db_password, wp_salts]

- name: Forget the old value, which no service accepts any more
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    owner: wil
    group: wil
    secrets:
      - name: db_password
    state: finalized

- name: Remove a secret
  fortytwo.inception.secrets:
    path: /home/wil/inception/secrets
    secrets:
      - name: api_token
    state: absent
"""

RETURN = r"""
secrets:
  description: The secrets of O(secrets) in their order, without their values.
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
      description: Whether the file was made in this run (or would have been, in check mode).
      type: bool
      sample: false
    serial:
      description:
        - A text that changes when the value is replaced, and not when owner or mode are repaired.
          It tells nothing of the value.
        - It is made of the file's number (inode) and its time of last write.
          The files of a folder that was restored or copied have others.
        - V(null) when there is no file, and in check mode when the value is not written yet.
      type: str
      sample: 1a2c4-18c3f0a9b2d4e6f1
    phase:
      description: How far the replacement of the value is; V(absent) when there is no value.
      type: str
      choices: [finalized, staged, promoted, absent]
      sample: finalized
    staged_path:
      description: The file that holds the staged value.
      returned: when RV(secrets[].phase) is V(staged)
      type: str
      sample: /home/wil/inception/secrets/db_password.txt.next
    warnings:
      description:
        - What is wrong with a value that was there and is kept, with O(state=present);
          and that a given value has to wait, since the secret is V(promoted).
        - Each one is a warning of the task as well.
      type: list
      elements: str
      sample: []
undeclared:
  description:
    - The files C(*.txt), C(*.txt.next) and C(*.txt.previous) in O(path) that belong to none of O(secrets), sorted.
      With O(revisions), also the files C(*.env) that are none of them.
      With O(remove_undeclared) they were removed (or would have been, in check mode).
  returned: when O(state) is V(present)
  type: list
  elements: str
  sample: [/home/wil/inception/secrets/ftp_password.txt]
"""

from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _secrets


def main() -> None:
    module = _secrets.SecretsModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "state": {
                "type": "str",
                "default": "present",
                "choices": ["present", "staged", "promoted", "finalized", "aborted", "absent"],
            },
            # Of what the option holds only the values are secret, whatever its own name suggests.
            "secrets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "kind": {"type": "str", "default": "password", "choices": ["password", "token", "wordpress_salts"]},
                    "length": {"type": "int"},
                    "alphabet": {"type": "str"},
                    # A conversion could make another value of it, and tell it in a warning.
                    "value": {"type": "raw", "no_log": True},
                },
            },
            "replace": {"type": "str", "default": "now", "choices": ["now", "staged"]},
            "remove_undeclared": {"type": "bool", "default": False},
            "revisions": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    _files.answer(module, _secrets.run)


if __name__ == "__main__":
    main()
