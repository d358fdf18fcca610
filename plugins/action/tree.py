# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module tree: it renders the templates of src, as ansible.builtin.template does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering


class ActionModule(ActionBase):
    """Renders here, and has the module write there."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        source = arguments.pop("src", None)
        if source is not None:
            arguments["files"] = [*self._rendered(str(source), task_vars or {}), *(arguments.get("files") or [])]
        answer: dict[str, Any] = self._execute_module("fortytwo.inception.tree", arguments, task_vars=task_vars)
        return answer

    def _rendered(self, source: str, variables: dict[str, Any]) -> list[dict[str, str]]:
        try:
            folder = Path(self._find_needle("templates", source))
            renderer = rendering.Renderer(self._templar, self._loader, variables)
            return [{"path": path, "content": text} for path, text in rendering.tree(renderer, folder).items()]
        except (AnsibleError, rendering.RenderingError) as error:
            raise AnsibleActionFail(f"src: {error}") from None
