#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_settings
short_description: Find what is wrong with the settings of a host, on the control node
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Looks at all variables of a host that are settings of this collection, or look like one,
    and returns what is wrong with them.
  - A setting is an option of an argument spec of one of this collection's roles.
    Its value is checked by its type and choices, and by what a good value of it is.
  - A variable C(inception_*) that is no setting is wrong. Of the prefixes that are words of the field
    (C(stack_), C(host_), C(docker_), C(vm_) and so on), only a name that is nearly a setting's is.
  - The ports that a virtual machine of the group C(vms) wants of the control node are compared with those of the
    machines outside of the play. The filter compares those in it.
  - A value that cannot be evaluated yet, since it needs facts, is an error only where its name begins
    with C(inception_).
  - Nothing is sent to the host, and nothing fails.
    The filter P(fortytwo.inception.settings_report#filter) makes one report of all hosts.
extends_documentation_fragment:
  - fortytwo.inception._info_module
  - fortytwo.inception._attributes
attributes:
  platform:
    support: full
    description: It runs on the control node alone.
    platforms: all
options:
  required:
    description: Settings that must have a value.
    type: list
    elements: str
    default: [inception_login]
  date:
    description: The day for which the penultimate release is asked, as V(YYYY-MM-DD). Today (UTC) when left out.
    type: str
"""

EXAMPLES = r"""
- name: Check the settings
  fortytwo.inception.check_settings:
  register: checked

- name: Report what is wrong
  ansible.builtin.fail:
    msg: "{{ checked.problems | join('\n') }}"
  when: checked.problems | length > 0
"""

RETURN = r"""
problems:
  description: "One line for each problem, C(<setting> (<file>:<line>): <what is wrong>; for example: <good value>)."
  returned: success
  type: list
  elements: str
  sample: ["inception_htps_port (inventory/host_vars/wil.yml:4): unknown setting; did you mean inception_https_port?"]
ports:
  description: The ports of the control node that a virtual machine wants, each with its setting; none for other hosts.
  returned: success
  type: list
  elements: list
  sample: [[2222, inception_vm_ssh_port], [8443, inception_vm_https_port]]
"""
