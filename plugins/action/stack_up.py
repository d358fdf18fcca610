# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module stack_up, and tells meanwhile what it is at."""

from __future__ import annotations

import copy
import os
import threading
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import clean, shortened
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import PROGRESS_FILE

display = Display()

# Seconds between two looks; the heartbeat's line comes as often.
INTERVAL = 30.0


class Teller:
    """Reads on the managed host what the module writes down, as a second command over the connection that is open."""

    def __init__(self, connection: Any, host: str) -> None:
        # The same connection with its options, but nobody else's root.
        self.connection = copy.copy(connection)
        self.connection.set_become_plugin(None)
        self.host = host
        self.last = ""
        self.over = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._tell, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def _read(self) -> str:
        dummy, output, dummy = self.connection.exec_command(f"cat {PROGRESS_FILE}", sudoable=False)
        return shortened(clean(to_text(output)).strip())

    def _tell(self) -> None:
        while not self.over.wait(float(os.environ.get("INCEPTION_HEARTBEAT_INTERVAL", INTERVAL))):
            try:
                line = self._read()
            except (AnsibleError, OSError):
                # The module itself will tell of a connection that is gone.
                return
            if line not in ("", self.last) and not self.over.is_set():
                display.display(f"... {self.host}: {line}")
                self.last = line


class ActionModule(ActionBase):
    """The module, with a voice."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        with Teller(self._connection, (task_vars or {}).get("inventory_hostname", "")):
            result.update(self._execute_module(task_vars=task_vars))
        return result
