# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module tree: it renders the templates of src, as ansible.builtin.template does."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _tree as tree


class ActionModule(ActionBase):
    """Renders here, and has the module write there."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("src") is not None:
            arguments["files"] = tree.files(self, arguments, task_vars or {})
            del arguments["src"]
        answer: dict[str, Any] = self._execute_module("fortytwo.inception.tree", arguments, task_vars=task_vars)
        return answer
