# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: release_reason
short_description: Why a stack is built on a release of Debian or Alpine
version_added: "1.1.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - A sentence for the user, out of the table in C(plugins/module_utils/_releases.py).
positional: release
options:
  _input:
    description: The family.
    type: str
    required: true
    choices: [debian, alpine]
  release:
    description: The release that the stack is built on.
    type: str
    required: true
  kept:
    description: Whether a stack that is deployed stays with it.
    type: bool
    default: false
  date:
    description: The day to answer for, as V(YYYY-MM-DD). Today (UTC) when left out.
    type: str
seealso:
  - plugin: fortytwo.inception.penultimate_release
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.debug:
    # the penultimate stable release, since debian 13 (trixie) came out on 2025-08-09
    msg: "{{ 'debian' | fortytwo.inception.release_reason('bookworm', date='2026-11-24') }}"
"""

RETURN = r"""
_value:
  description: The sentence.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases


def release_reason(family: str, release: Any, kept: Any = False, date: Any = None) -> str:
    """The sentence."""
    try:
        return _releases.reason(family, str(release), bool(kept), _releases.day(date))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"release_reason": release_reason}
