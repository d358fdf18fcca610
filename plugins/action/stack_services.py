# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the services of a stack on the control node. Nothing of it is run on the managed host."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering


class ActionModule(ActionBase):
    """All of the module stack_services."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(
            {
                "bonus": {"type": "list", "elements": "str", "default": []},
                "directories": {"type": "list", "elements": "path", "default": []},
                "env": {"type": "dict", "default": {}},
                "base_digest": {"type": "str", "default": ""},
                "packages": {"type": "dict", "default": {}},
            }
        )
        renderer = rendering.Renderer(self._templar, self._loader, task_vars or {})
        try:
            services = rendering.Services(renderer, options["directories"], options["bonus"], options["env"])
            return {"changed": False, **services.whole(options["base_digest"], options["packages"])}
        except rendering.RenderingError as error:
            raise AnsibleActionFail(str(error)) from None
