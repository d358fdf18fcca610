# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_images
short_description: Which services' images a managed host has not
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Finds the services whose image is not there, or is there and was made of other files than those that are wanted.
options:
  _input:
    description: What M(community.docker.docker_host_info) returned, with images.
    type: dict
    required: true
  services:
    description: Services as M(fortytwo.inception.stack_services) returns them, with C(image) and C(content).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would have to be built or brought
  ansible.builtin.debug:
    msg: "{{ engine | fortytwo.inception.missing_images(rendered.services) | map(attribute='image') }}"
"""

RETURN = r"""
_value:
  description: Those of the services.
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state


def missing_images(engine: Mapping[str, Any], services: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return compose_state.missing_images(engine, services)


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"missing_images": missing_images}
