# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line now and then while a long task is at work."""

from __future__ import annotations

DOCUMENTATION = r"""
name: heartbeat
type: aggregate
short_description: Says that a long task is still at work
version_added: 1.0.0
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Prints a line with the name of the task whenever it has been at work for a while,
    so that a long build is not a silent minute.
  - Of a task with a variable whose name ends with C(_usually), such as C(2 min; 15 min in an emulated virtual machine),
    it says after a few seconds how long it takes as a rule.
requirements:
  - Enabled in C(callbacks_enabled).
options:
  interval:
    description: Seconds between two lines.
    type: int
    default: 30
    ini:
      - section: callback_heartbeat
        key: interval
    env:
      - name: INCEPTION_HEARTBEAT_INTERVAL
"""

import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase

# Seconds after which it is said how long a task takes as a rule; by then one that is skipped is over.
SOON = 3.0


class Heart:
    """A thread that beats while something has a name.

    It writes past Ansible's display, whose locks a fork could inherit.
    """

    def __init__(self, interval: float, descriptor: int) -> None:
        self.interval = interval
        self.descriptor = descriptor
        self.name: str | None = None
        self.usually = ""
        self.started = 0.0
        self.beats = 0
        self.changed = threading.Condition()
        threading.Thread(target=self._beat, daemon=True).start()

    def watch(self, name: str | None, usually: str = "") -> None:
        """From now on it is this that is at work; None is nothing."""
        with self.changed:
            self.name, self.usually, self.started, self.beats = name, usually, time.monotonic(), 0
            self.changed.notify()

    def _pause(self) -> float:
        return min(self.interval, SOON) if self.usually and not self.beats else self.interval

    def _line(self) -> str:
        usually = f" (usually {self.usually})" if self.usually else ""
        self.beats += 1
        if usually and self.beats == 1:
            return f"... {self.name}{usually}\n"
        seconds = int(time.monotonic() - self.started)
        return f"... {self.name}{usually}: still at work after {seconds // 60} min {seconds % 60:02d} s\n"

    def _beat(self) -> None:
        while True:
            with self.changed:
                if self.changed.wait(self._pause()) or self.name is None:
                    continue
                line = self._line()
            os.write(self.descriptor, line.encode())


def usually(variables: Mapping[str, Any]) -> str:
    """How long a task takes as a rule, by its own variables."""
    return next((str(value) for name, value in variables.items() if name.endswith("_usually")), "")


class CallbackModule(CallbackBase):
    """Tells the heart what is at work."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "fortytwo.inception.heartbeat"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._heart: Heart | None = None

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if self._heart is None:
            self._heart = Heart(self.get_option("interval"), sys.stdout.fileno())
        # Who is asked a question knows what is being waited for.
        asks = task.action in ("pause", "ansible.builtin.pause")
        self._heart.watch(None if asks else task.get_name(), usually(task.vars))

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._heart is not None:
            self._heart.watch(None)
