# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module evaluate_read: it judges what the module collected.

The collected texts stay in this process; only the results, in which no value of a credential is, go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.contained import contained
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import read
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.shell import MISSING

# A project of usual size takes less than one.
_SECONDS = 120.0
_MOST_BYTES = 2 * 1024**3


class ActionModule(ActionBase):
    """Runs the module on the host, and reads its snapshot here."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if MISSING:
            raise AnsibleActionFail(
                f"the control node has no library for reading scripts ({MISSING}); "
                "install it with: pip install --requirement requirements-evaluate.txt"
            )
        arguments = dict(self._task.args)
        try:
            day = _releases.day(arguments.pop("date", None) or None)
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from None
        cloned = boolean(arguments.pop("cloned", False), strict=False)
        domain = str(arguments.pop("domain", "") or "")
        started = time.monotonic()
        answer: dict[str, Any] = self._execute_module(
            "fortytwo.inception.evaluate_read", arguments, task_vars=task_vars
        )
        snapshot = answer.pop("snapshot", None)
        if snapshot is None:
            return answer
        collected = time.monotonic() - started

        def judge(tell: Callable[[Any], None]) -> None:
            project = Project(snapshot, day, domain=domain, cloned=cloned)
            tell({"results": [one.to_dict() for one in read.read(project, collected)], "services": read.kinds(project)})

        # A stranger's text may keep its reader busy, in a library too.
        told, why = contained(judge, _SECONDS, _MOST_BYTES)
        if why:
            raise AnsibleActionFail(f"the project was not read to its end: {why}. Read it by hand")
        return {
            "changed": False,
            **told[0],
            "limits": [*snapshot["limits"], *snapshot["git"]["limits"]],
            "seconds": round(time.monotonic() - started, 3),
        }
