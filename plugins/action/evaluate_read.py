# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module evaluate_read: it judges what the module collected.

The collected texts stay in this process; only the results, in which no value of a credential is, go on.
"""

from __future__ import annotations

import datetime
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_read import read
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_shell import MISSING


class ActionModule(ActionBase):
    """Runs the module on the host, and reads its snapshot here."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if MISSING:
            raise AnsibleActionFail(
                f"the control node has no library for reading scripts ({MISSING}); "
                "install it with: pip install --requirement requirements-evaluate.txt"
            )
        arguments = dict(self._task.args)
        date = _date(arguments.pop("date", None))
        started = time.monotonic()
        answer: dict[str, Any] = self._execute_module(
            "fortytwo.inception.evaluate_read", arguments, task_vars=task_vars
        )
        snapshot = answer.pop("snapshot", None)
        if snapshot is None:
            return answer
        return {
            "changed": False,
            "results": [one.to_dict() for one in read(snapshot, date)],
            "limits": [*snapshot["limits"], *snapshot["git"]["limits"]],
            "seconds": round(time.monotonic() - started, 3),
        }


def _date(value: Any) -> datetime.date:
    if value is None:
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise AnsibleActionFail(f"date: '{value}' is not a day; a good one is 2026-11-24") from None
