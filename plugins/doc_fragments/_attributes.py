# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attributes of the modules mean, once. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and says what it would do.
  diff_mode:
    description: Returns the differences in diff mode.
  idempotent:
    description: A second run with the same options changes nothing.
  platform:
    platforms: posix
    description: Where it runs.
"""
