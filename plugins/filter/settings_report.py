# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_report
short_description: What is wrong with the settings of all hosts, in one report
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Puts together what M(fortytwo.inception.check_settings) found on each host, and compares the ports that their
    virtual machines want of the control node.
  - A problem that several hosts have is said once, with their names.
options:
  _input:
    description: C(hostvars). Each host that was checked has the result in the variable O(register).
    type: dict
    required: true
  hosts:
    description: The names of the hosts.
    type: list
    elements: str
    required: true
  register:
    description: The name of the variable.
    type: str
    default: __inception_check
positional: hosts, register
"""

EXAMPLES = r"""
- name: Report what is wrong
  ansible.builtin.fail:
    msg: "{{ report | join('\n') }}"
  when: report | length > 0
  run_once: true
  vars:
    report: "{{ hostvars | fortytwo.inception.settings_report(ansible_play_hosts_all, 'checked') }}"
"""

RETURN = r"""
_value:
  description: One line for each problem.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings as settings


def settings_report(hostvars: Mapping[str, Any], hosts: list[str], register: str = "__inception_check") -> list[str]:
    """One line for each problem of any host."""
    checked = {host: hostvars[host][register] for host in hosts if register in hostvars[host]}
    problems = {host: result["problems"] for host, result in checked.items()}
    return settings.report(problems, {host: dict(result["ports"]) for host, result in checked.items()})


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"settings_report": settings_report}
