# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules that build images and carry them. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  services:
    description:
      - The services whose images are wanted, each with C(name), C(image), C(content) and C(context), as
        M(fortytwo.inception.stack_services) returns them.
    type: list
    elements: dict
    required: true
  files:
    description: The files of the build contexts, as M(fortytwo.inception.stack_services) returns them.
    type: list
    elements: dict
    default: []
  cache_dir:
    description: Where built images are kept on the control node.
    type: path
"""
