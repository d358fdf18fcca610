# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module deployment: who deploys, whether the one before is alive, and what is done."""

from __future__ import annotations

import base64
import os
import platform
import pwd
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.action.stack_up import Teller
from ansible_collections.fortytwo.inception.plugins.module_utils import _history as history
from ansible_collections.fortytwo.inception.plugins.module_utils import _running as running
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _machine_program as machine_program
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _tree as tree

# What the managed host has to know of a service.
KEPT = (
    *(
        "name",
        "update_order",
        "beside",
        "trial",
        "starts_alone",
        "after_update",
        "tcp_ports",
        "talks_to",
        "files",
        "env",
        "mounts",
    ),
    # For its backups.
    *("volumes", "backup", "revision"),
)
# How long the program of a run that died is waited for: it ends what it began.
PATIENCE = 600.0
PAUSE = 2.0


def started(process: int) -> str:
    """When a process began, so that its number alone is not mistaken for it."""
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def this_run() -> str:
    """The ansible-playbook that this worker is one of."""
    process = os.getppid()
    return f"{platform.node()}:{process}:{started(process)}"


def is_over_soon(run: str) -> bool:
    """Whether it is the machine's own, which asks its database for a backup. The module knows when it was killed."""
    return run.startswith("backup:")


def has_died(run: str) -> bool:
    """Whether a run was one of this control node, and is no more."""
    found = re.fullmatch(r"(.*):(\d+):(\d*)", run)
    return found is not None and found[1] == platform.node() and started(int(found[2])) != found[3]


class ActionModule(ActionBase):
    """The module, with a name and a voice."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        services = arguments.get("services") or []
        # Of an environment the names are enough.
        arguments["services"] = [
            {key: list(one[key]) if key == "env" else one[key] for key in KEPT if key in one} for one in services
        ]
        if wanted := arguments.get("wanted"):
            # Of the files their digests are enough, where nothing is to be written.
            files = tree.digests(tree.files(self, wanted, task_vars or {}))
            arguments["wanted"] = {key: of for key, of in wanted.items() if key != "src"} | {"files": files}
        if arguments.get("state") == "noted":
            self.noted = self._packed(tree.files(self, arguments, task_vars or {}), arguments.get("cluster") or {})
            arguments = {key: of for key, of in arguments.items() if key not in ("src", "files")}
            arguments["files_digest"] = history.digest(self.noted)
        arguments["run"] = this_run()
        arguments["who"] = f"{pwd.getpwuid(os.getuid()).pw_name} on {platform.node()}"
        with Teller(self._connection, (task_vars or {}).get("inventory_hostname", "")):
            result.update(self._asked(arguments, task_vars))
        return result

    @staticmethod
    def _packed(files: list[Mapping[str, Any]], cluster: Mapping[str, Any]) -> history.Files:
        """The project's files, and with them the stack file: a change of it is another deployment."""
        found = {}
        for one in files:
            text, mode = str(one["content"]), int(one.get("mode") or tree.MODE, 8)
            encoded = one.get("encoding") == "base64"
            data = base64.b64decode(text) if encoded else text.encode("utf-8", "surrogateescape")
            found[str(one["path"])] = history.File(data, mode)
        return found | {running.STACK_FILE: running.packed_stack(cluster.get("stack") or {})}

    def _asked(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Asks, and once more where the program is another one, or the one who is in the way has died here."""
        end = time.monotonic() + PATIENCE
        archive = machine_program.archive() if arguments.get("state") == "begun" else b""
        arguments["program_digest"] = machine_program.digest(archive)
        while True:
            answer: dict[str, Any] = self._execute_module(
                module_name="fortytwo.inception.deployment", module_args=arguments, task_vars=task_vars
            )
            if answer.get("wants_program") and "program" not in arguments:
                arguments["program"] = base64.b64encode(archive).decode()
                continue
            if answer.get("wants_files") and "files" not in arguments:
                arguments["files"] = [
                    {"path": path, "mode": f"{one.mode:04o}", "content": base64.b64encode(one.data).decode()}
                    for path, one in sorted(self.noted.items())
                ]
                continue
            holder = (answer.get("holder") or {}).get("run", "") if answer.get("failed") else ""
            if not (has_died(holder) or is_over_soon(holder)) or time.monotonic() > end:
                return answer
            if answer.get("working") or is_over_soon(holder):
                time.sleep(PAUSE)
            arguments["gone"] = holder
