# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the site's own themes and plugins on the control node. Nothing of it is run on the managed host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _site_code as site_code


class ActionModule(ActionBase):
    """All of the module site_code."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        texts = ("git", "commit", "subfolder")
        dummy, options = self.validate_argument_spec(
            {
                "code": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "kind": {"type": "str", "required": True, "choices": list(site_code.CODE_KINDS)},
                        "name": {"type": "str", "required": True},
                        "folder": {"type": "path"},
                        **{name: {"type": "str"} for name in texts},
                        **{name: {"type": "bool", "default": False} for name in ("active", "replace")},
                    },
                    "mutually_exclusive": [["git", "folder"]],
                    "required_one_of": [["git", "folder"]],
                    "required_by": {"git": ["commit"]},
                },
                "cache_dir": {"type": "path"},
            }
        )
        try:
            folder = site_code.provide(options["code"], self._cache(options["cache_dir"]) / "code")
        except site_code.CodeProblem as problem:
            raise AnsibleActionFail(str(problem)) from None
        return {"changed": False, "folder": str(folder or "")}

    @staticmethod
    def _cache(said: str | None) -> Path:
        """That of the base images, where a play does not know it."""
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Path(said) if said else base / "fortytwo.inception"
