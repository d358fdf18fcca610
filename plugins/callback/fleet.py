# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a deployment of several hosts: which of them runs what."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
type: aggregate
short_description: Which of several hosts runs what, after a deployment
version_added: 1.0.0
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - After the playbook C(fortytwo.inception.deploy) on more than one host it says, in a few lines, which hosts run the
    same images, and what became of each, whether a batch (C(inception_batch)) failed or all went well.
requirements:
  - Enabled in C(callbacks_enabled).
"""

import textwrap
from collections.abc import Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.fortytwo.inception.plugins.callback.screen import has_rescue

COLLECTION = "fortytwo.inception."
LOOK, TAKE = f"{COLLECTION}host_info", f"{COLLECTION}deployment"
WIDTH = 120
NOTHING = "nothing"
# In which order they are told.
DEPLOYED, UNWELL, FAILED, UNREACHABLE, LEFT = "deployed", "not well", "failed", "unreachable", "not begun"
ORDER = (DEPLOYED, UNWELL, FAILED, UNREACHABLE, LEFT)


class Fleet:
    """What was seen of each host."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.became: dict[str, str] = {}
        # As the inventory has them, while what they answer comes in any order.
        self.order: dict[str, int] = {}

    def asks(self, host: str) -> None:
        self.order.setdefault(host, len(self.order))

    def saw(self, host: str, action: str, result: Mapping[str, Any]) -> None:
        """Keeps what a host says that it runs."""
        if action in (LOOK, TAKE) and "runs" in result:
            self.runs[host] = str((result["runs"] or {}).get("version") or NOTHING)
            self.became.setdefault(host, LEFT)
        if action == TAKE and "number" in result:
            self.became[host] = DEPLOYED

    def lost(self, host: str, how: str) -> None:
        """Keeps that a host went no further."""
        self.became[host] = UNWELL if how == FAILED and self.became.get(host) == DEPLOYED else how

    def lines(self) -> list[str]:
        """A line for those of the same images and the same end."""
        groups: dict[tuple[str, str], list[str]] = {}
        for host, how in sorted(self.became.items(), key=lambda one: self.order.get(one[0], 0)):
            groups.setdefault((how, self.runs.get(host, "unknown")), []).append(host)
        told = ["What runs where, by the version of its images:"]
        for (how, version), hosts in sorted(groups.items(), key=lambda one: (ORDER.index(one[0][0]), one[0][1])):
            names = f"{len(hosts)}: {' '.join(hosts)}"
            told += textwrap.wrap(names, WIDTH, initial_indent=f"  {version:<9} {how:<12} ", subsequent_indent=" " * 27)
        return told


class CallbackModule(CallbackBase):
    """Sees what each host says, and tells it in the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "fortytwo.inception.fleet"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._fleet = Fleet()
        self._in_batches = False

    def v2_playbook_on_play_start(self, play: Any) -> None:
        # The one that deploys goes by batches; what fails before it has stopped all.
        self._in_batches = self._in_batches or bool(play.serial)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._fleet.asks(host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._fleet.saw(result.host.get_name(), result.task.action, result.result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self.v2_runner_on_ok(result)
        if not (ignore_errors or has_rescue(result.task)):
            self._fleet.lost(result.host.get_name(), FAILED)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._fleet.lost(result.host.get_name(), UNREACHABLE)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._in_batches and len(self._fleet.became) > 1 and set(self._fleet.became.values()) != {LEFT}:
            self._display.display("\n".join(["", *self._fleet.lines()]))
