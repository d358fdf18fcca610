# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module swarm_stack: it makes the stack file out of the compose file."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _swarm_file as swarm_file

PROJECT = rendering.TEMPLATES / "project/srcs"


class ActionModule(ActionBase):
    """Renders here, and has the module deploy there."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        services = arguments.get("services") or []
        cluster = swarm_file.Cluster(
            project=str(arguments.get("name", "")),
            shared_dir=str(arguments.get("shared_dir", "")),
            live_dir=str(arguments.get("live_dir", "")),
            data_dir=str(arguments.get("data_dir", "")),
            encrypted=bool(arguments.get("encrypted", True)),
            copies={name: int(number) for name, number in (arguments.get("copies") or {}).items()},
            nodes=int(arguments.get("nodes") or 1),
            patience=int(arguments.get("patience") or 600),
            networks=str(arguments.get("networks") or "10.201.0.0/16"),
        )
        renderer = rendering.Renderer(self._templar, self._loader, task_vars or {})
        try:
            env = swarm_file.env_of(renderer.text(PROJECT / ".env"))
            stack = swarm_file.stack_file(renderer.text(PROJECT / "docker-compose.yml"), env, services, cluster)
        except (rendering.RenderingError, swarm_file.SwarmProblem) as error:
            raise AnsibleActionFail(str(error)) from None
        # Of the services the module needs no more than what is in the stack file.
        arguments |= {"stack": stack, "services": []}
        answer: dict[str, Any] = self._execute_module("fortytwo.inception.swarm_stack", arguments, task_vars=task_vars)
        # Whoever writes down what runs has it from here; of a secret there is no more in it than its file's name.
        return answer if answer.get("failed") else answer | {"stack": stack}
