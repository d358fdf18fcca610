# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line now and then while a long task is at work."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: heartbeat
type: aggregate
short_description: Says that a long task is still at work
version_added: 1.0.0
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Prints a line with the name of the task whenever it has been at work for a while,
    so that a long build is not a silent minute.
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


class Heart:
    """A thread that beats while something has a name.

    It writes past Ansible's display, whose locks a fork could inherit.
    """

    def __init__(self, interval: float, descriptor: int) -> None:
        self.interval = interval
        self.descriptor = descriptor
        self.name: str | None = None
        self.started = 0.0
        self.changed = threading.Condition()
        threading.Thread(target=self._beat, daemon=True).start()

    def watch(self, name: str | None) -> None:
        """From now on it is this that is at work; None is nothing."""
        with self.changed:
            self.name, self.started = name, time.monotonic()
            self.changed.notify()

    def _beat(self) -> None:
        while True:
            with self.changed:
                if self.changed.wait(self.interval) or self.name is None:
                    continue
                seconds = time.monotonic() - self.started
                line = f"... {self.name}: still at work after {int(seconds // 60)} min {int(seconds % 60):02d} s\n"
            os.write(self.descriptor, line.encode())


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
        self._heart.watch(None if task.action in ("pause", "ansible.builtin.pause") else task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._heart is not None:
            self._heart.watch(None)
