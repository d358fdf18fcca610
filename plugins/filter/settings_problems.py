# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_problems
short_description: What is wrong with the settings of a machine
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Checks the values of the settings (C(inception_*)) and says of each bad one what is wrong with it.
positional: date
options:
  _input:
    description:
      - The settings by their names.
      - A setting that is left out is not checked, but for C(inception_login), which is missing then.
      - C(inception_available_services) is the list of the bonus services to choose from.
        Left out, their names are not checked. So it is with C(inception_available_secrets).
    type: dict
    required: true
  date:
    description: The day for which the penultimate release is asked, as V(YYYY-MM-DD). Today (UTC) when left out.
    type: str
"""

EXAMPLES = r"""
- name: Stop when a value is bad
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join('\n') }}"
  vars:
    problems: "{{ {'inception_login': 'wil', 'inception_https_port': 22} | fortytwo.inception.settings_problems }}"
"""

RETURN = r"""
_value:
  description: "One line for each problem, C(<setting>: <what is wrong>; for example: <good value>)."
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.filter.penultimate_release import day
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings


def settings_problems(settings: Mapping[str, Any], date: Any = None) -> list[str]:
    """One line for each bad value."""
    if not isinstance(settings, Mapping):
        raise AnsibleFilterError("settings_problems needs a dictionary of settings")
    return _settings.problems(settings, day(date))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"settings_problems": settings_problems}
