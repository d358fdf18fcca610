# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_warnings
short_description: Which settings of a machine are allowed, but probably not meant
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Names a forced release of the base image that is not the penultimate stable one, a table of releases that has
    grown old, and a variable whose name is almost that of a setting.
positional: date
options:
  _input:
    description: The settings (C(inception_*)) by their names.
    type: dict
    required: true
  date:
    description: The day for which the penultimate release is asked, as V(YYYY-MM-DD). Today (UTC) when left out.
    type: str
"""

EXAMPLES = r"""
- name: Show what is odd
  ansible.builtin.debug:
    msg: "{{ settings | fortytwo.inception.settings_warnings }}"
  vars:
    settings:
      inception_base_family: debian
      inception_base_release: trixie
      inception_base_release_forced: true
"""

RETURN = r"""
_value:
  description: "One line for each warning, C(<setting>: <what is odd>)."
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.filter.penultimate_release import day
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings


def settings_warnings(settings: Mapping[str, Any], date: Any = None) -> list[str]:
    """One line for each odd value."""
    if not isinstance(settings, Mapping):
        raise AnsibleFilterError("settings_warnings needs a dictionary of settings")
    return _settings.warnings(settings, day(date))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"settings_warnings": settings_warnings}
