# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: raw_files
short_description: The files of folders on the controller as they are
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Reads every file below some folders, whatever is in it, for the module M(fortytwo.inception.tree).
  - A link is followed to a file, and not to a folder. A folder that does not exist is an error.
options:
  _terms:
    description: Dictionaries of a folder to be, relative to a tree, and a folder on the controller.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: How many files a website has
  ansible.builtin.debug:
    msg: "{{ lookup('fortytwo.inception.raw_files', {'site': '/home/wil/site'}) | length }}"
"""

RETURN = r"""
_raw:
  description: One dictionary for each term, of paths such as V(site/index.html) and contents in base64.
  type: list
  elements: dict
"""

import base64
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def raw_files(target: str, source: Path) -> dict[str, str]:
    """The files below one folder, by their path in the tree."""
    if not source.is_dir():
        raise AnsibleLookupError(f"{source} is not a folder on this computer; for example: /home/wil/site")
    return {
        f"{target}/{path.relative_to(source).as_posix()}": base64.b64encode(path.read_bytes()).decode()
        for path in sorted(source.rglob("*"))
        if path.is_file()
    }


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[dict[str, str]], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        return [
            {
                path: content
                for target, source in term.items()
                for path, content in raw_files(target, Path(source)).items()
            }
            for term in terms
        ]
