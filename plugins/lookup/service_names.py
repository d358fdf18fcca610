# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: service_names
short_description: The services that have a folder on the controller
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - A service is a folder that holds a file C(service.yml). This finds the names of all services in some folders.
  - A folder that does not exist is an error.
options:
  _terms:
    description: The folders to look in, by absolute paths.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: All services
  ansible.builtin.debug:
    msg: "{{ query('fortytwo.inception.service_names', '/home/wil/services') }}"
"""

RETURN = r"""
_raw:
  description: The names of the services, sorted, each once.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def service_names(folder: Path) -> list[str]:
    """The names of the services in one folder."""
    if not folder.is_dir():
        raise AnsibleLookupError(f"inception_service_dirs: {folder} is not a folder; for example: /home/wil/services")
    return [description.parent.name for description in folder.glob("*/service.yml")]


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        return sorted({name for term in terms for name in service_names(Path(term))})
