# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rendered
short_description: A template as text, without a copy of all variables
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - As P(ansible.builtin.template#lookup) without options. That one copies all variables for each template, which for a
    host of which much is known takes longer than all else.
options:
  _terms:
    description: Templates, found as those of M(ansible.builtin.template) are.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say what was made
  ansible.builtin.debug:
    msg: "{{ lookup('fortytwo.inception.rendered', 'ready.txt.j2') }}"
"""

RETURN = r"""
_raw:
  description: The text of each.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering

# As Ansible's own lookup says it, where no variable of that name does.
MANAGED = "Ansible managed"


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        renderer = rendering.Renderer(self._templar, self._loader, {"ansible_managed": MANAGED, **(variables or {})})
        try:
            return [renderer.text(self._found(term, variables)) for term in terms]
        except rendering.RenderingError as error:
            raise AnsibleError(str(error)) from error

    def _found(self, term: str, variables: Any) -> Path:
        path = self.find_file_in_search_path(variables, "templates", term)
        if not path:
            raise AnsibleError(f"There is no template {term}.")
        return Path(path)
