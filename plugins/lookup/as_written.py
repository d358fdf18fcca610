# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A variable as it was written, and no template."""

from __future__ import annotations

DOCUMENTATION = r"""
name: as_written
author: fortytwo.inception contributors (@fortytwo-inception)
version_added: 1.1.0
short_description: A variable as it was written, and no template
description:
  - For what a person copies from a stranger, such as the address of a repository. Ansible takes a value of C(-e) for a
    template, so that an address with braces in it runs what stands between them.
options:
  _terms:
    description: Names of variables. What is not set is an empty text.
    type: list
    elements: str
    required: true
  variable:
    description: An environment variable that is asked where the variable is not set.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Check the address
  ansible.builtin.assert:
    that: lookup('fortytwo.inception.as_written', 'host_repo', variable='INCEPTION_HOST_REPO') is match('^https://')
"""

RETURN = r"""
_raw:
  description: The texts.
  type: list
  elements: str
  sample: ["https://example.org/{{ wil }}.git"]
"""

import os
import typing as t

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The variables of this host, before anything is made of them."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        default = os.environ.get(self.get_option("variable"), "")
        # A lookup's answer is not trusted, and thus no template.
        return ["".join(str((variables or {}).get(term) or default)) for term in terms]
