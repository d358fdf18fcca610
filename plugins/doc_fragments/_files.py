# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of the modules that write files shares. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  platform:
    description: Linux, with a file system that has owners, modes, hard links and locks.
options:
  owner:
    description:
      - Name or number of the owner of the files. Left out, what exists keeps the owner that it has,
        and what is new belongs to the user who runs the module.
    type: str
  group:
    description:
      - Name or number of the group of the files. Left out, what exists keeps the group that it has,
        and what is new belongs to the group of the user who runs the module.
    type: str
notes:
  - Two runs at the same time wait for each other.
"""
