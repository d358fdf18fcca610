# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rendered_files
short_description: The templates below a folder, rendered
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Renders every file below a folder of the controller as P(ansible.builtin.template#lookup) does, for the module
    M(fortytwo.inception.tree).
  - That lookup copies all variables for each file, which for many files takes longer than all else of a playbook. This
    one hands them on as they are, and does not add C(template_path) and the like.
  - A template finds what it imports beside it, and in the C(templates) folders of the role.
options:
  _terms:
    description: Folders on the controller.
    type: list
    elements: path
    required: true
  only:
    description: Paths in the folder. Given, nothing but these is rendered; one that is not there is left out.
    type: list
    elements: str
  exclude:
    description: Paths in the folder that are not rendered.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write a folder of templates
  fortytwo.inception.tree:
    path: /home/wil/project
    manifest: /home/wil/.project.json
    owner: wil
    group: wil
    files: >-
      {{ lookup('fortytwo.inception.rendered_files', role_path ~ '/templates/project')
      | dict2items(key_name='path', value_name='content') }}
"""

RETURN = r"""
_raw:
  description:
    - One dictionary for each folder, of paths such as V(srcs/.env) and rendered texts.
    - A file that renders to nothing is not in it.
  type: list
  elements: dict
"""

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(
        self,
        terms: list[str],
        variables: Any = None,
        only: list[str] | None = None,
        exclude: list[str] | None = None,
        **kwargs: Any,
    ) -> list[dict[str, str]]:
        return [
            {
                path: text
                for path in self._paths(Path(term))
                if (only is None or path in only)
                and path not in (exclude or [])
                and (text := self._rendered(Path(term, path), variables))
            }
            for term in terms
        ]

    def _paths(self, folder: Path) -> list[str]:
        if not folder.is_dir():
            raise AnsibleLookupError(
                f"{folder} is not a folder on this computer; for example: templates/project of a role"
            )
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def _rendered(self, path: Path, variables: Any) -> str:
        imported = [
            folder
            for found in variables.get("ansible_search_path", [])
            for folder in (os.path.join(found, "templates"), found)
        ]
        templar = self._templar.copy_with_new_env(
            searchpath=[str(path.parent), *imported], available_variables=variables
        )
        rendered: str = templar.template(
            trust_as_template(self._loader.get_text_file_contents(str(path))),
            escape_backslashes=False,
            overrides={"trim_blocks": True},
        )
        return rendered
