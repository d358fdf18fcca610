# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: base_image_known
short_description: What an engine says of a base image and of its content
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - What counts of a base image is its content, that is the one of the file system which it was made from,
    or else the digest that a registry gave it.
positional: reference
options:
  _input:
    description: What M(fortytwo.inception.state_info) returned of the engine.
    type: dict
    required: true
  reference:
    description: The name and the tag of the image.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the image was made from
  ansible.builtin.debug:
    msg: "{{ (looked.engine | fortytwo.inception.base_image_known('debian:bookworm')).digest }}"
"""

RETURN = r"""
_value:
  description:
    - V(images) is the image, or nothing. V(label) is the digest of the file system that it was made from, as its label
      has it, V(digest) that or the registry's, V(content) that or its own. What is not known is empty.
    - V(from_archive) is whether it came from no registry; it is there where the image is.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

LABEL = "inception.base"


def base_image_known(engine: Mapping[str, Any], reference: str) -> dict[str, Any]:
    found = [image for image in engine["images"] if reference in (image.get("RepoTags") or [])]
    if not found:
        return {"images": [], "label": "", "digest": "", "content": ""}
    label = (found[0].get("Labels") or {}).get(LABEL, "")
    digests = sorted(one.rpartition("@")[2] for one in found[0].get("RepoDigests") or [])
    digest = label or next(iter(digests), "")
    return {
        "images": found,
        "label": label,
        "digest": digest,
        "content": digest or found[0]["Id"],
        "from_archive": bool(label) or not digests,
    }


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Any]:
        return {"base_image_known": base_image_known}
