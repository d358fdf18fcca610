# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: penultimate_release
short_description: The second newest stable release of Debian or Alpine
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - The exercise demands the penultimate stable release of Debian or Alpine as the base of every image.
  - The releases come from a table in C(plugins/module_utils/_releases.py), which says how it is extended.
positional: date
options:
  _input:
    description: The family.
    type: str
    required: true
    choices: [debian, alpine]
  date:
    description: The day to answer for, as V(YYYY-MM-DD). Today (UTC) when left out.
    type: str
"""

EXAMPLES = r"""
- name: Show the release of today
  ansible.builtin.debug:
    msg: "{{ 'debian' | fortytwo.inception.penultimate_release }}"

- name: Show the release of another day
  ansible.builtin.debug:
    msg: "{{ 'alpine' | fortytwo.inception.penultimate_release(date='2026-11-24') }}"  # 3.23
"""

RETURN = r"""
_value:
  description: Debian's codename, or Alpine's version with two numbers.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases


def penultimate_release(family: str, date: Any = None) -> str:
    """The name of the second newest stable release."""
    try:
        return _releases.penultimate(family, _releases.day(date)).name
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"penultimate_release": penultimate_release}
