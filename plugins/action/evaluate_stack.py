# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module evaluate_stack: it judges what the module observed."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import read


class ActionModule(ActionBase):
    """Runs the module on the host; what O(step=look) saw is judged here, by the items of the sheet."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            day = _releases.day(arguments.pop("date", None) or None)
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from None
        started = time.monotonic()
        answer: dict[str, Any] = self._execute_module(
            "fortytwo.inception.evaluate_stack", arguments, task_vars=task_vars
        )
        observed = answer.pop("observed", None)
        if observed:
            found = read.look(observed, day)
            # Each item took its share of the look.
            share = round((time.monotonic() - started) / max(1, len(found)), 3)
            answer["results"] = [{**one.to_dict(), "seconds": share} for one in found]
        return answer
