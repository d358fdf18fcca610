# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of a module that only looks. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: It changes nothing in either mode.
  diff_mode:
    support: N/A
  idempotent:
    support: full
"""
