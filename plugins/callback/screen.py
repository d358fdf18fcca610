# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own output, with a failure on one screen."""

from __future__ import annotations

DOCUMENTATION = r"""
name: screen
type: stdout
short_description: Ansible's own output, with a failure on one screen
version_added: 1.0.0
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Prints what P(ansible.builtin.default#callback) prints. Of a failure, or of a host that is not reached, it tells
    in a few lines what failed, the last words of who failed, what is likely, and what to do next.
  - The whole result goes to a file, which is named.
  - With C(-vv) and more it prints everything, as ever.
extends_documentation_fragment:
  - ansible.builtin.default_callback
  - ansible.builtin.result_format_callback
requirements:
  - Set as C(stdout_callback).
options:
  failures_dir:
    description:
      - Folder on the control node for the whole results. The newest 20 are kept.
      - By default C($XDG_STATE_HOME/fortytwo.inception/failures), or C(~/.local/state/fortytwo.inception/failures).
    type: str
    default: ""
    ini:
      - section: callback_screen
        key: failures_dir
    env:
      - name: INCEPTION_FAILURES_DIR
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible.parsing.yaml.dumper import AnsibleDumper
from ansible.playbook.block import Block
from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import (
    WORDS_LENGTH,
    Failure,
    clean,
    folded,
    last_lines,
    likely,
    screen,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._commands import command

KEPT = 20
LONG = 256 * 1024
# What a result holds besides what it tells.
WORDS = ("module_stderr", "stderr", "module_stdout", "stdout")


def text(value: Any) -> str:
    """A value as text: of a list each piece in a line of its own."""
    if isinstance(value, (list, tuple)):
        return "\n".join(text(one) for one in value)
    return value if isinstance(value, str) else "" if value is None else str(value)


def written(whole: Mapping[str, Any]) -> str:
    """All of it in YAML. The writer of YAML takes minutes for some megabytes; JSON is YAML too, and quick."""
    plain = json.dumps(whole, default=str, indent=2)
    if len(plain) > LONG:
        return plain
    try:
        found: str = yaml.dump(
            whole, Dumper=AnsibleDumper, allow_unicode=True, default_flow_style=False, sort_keys=False
        )
        # What came as bytes that are no text has halves of letters, which no file takes.
        found.encode()
    except (yaml.YAMLError, ValueError, RecursionError):
        return plain
    return found


def composed(name: str, result: Mapping[str, Any]) -> Failure:
    """What is to be told of a result."""
    message = clean(text(result.get("msg") or result.get("censored"))).strip()
    lines = [piece for line in message.splitlines() for piece in folded(line)]
    # A message of one of our modules is a screen already, and an assertion names a setting: both say what to do.
    if result.get("told") or "assertion" in result:
        return Failure(what="\n".join([name, *lines]))
    words = [text(result.get(key)) for key in WORDS]
    spoken = next((word for word in words if word.strip()), "")
    said = [line for line in last_lines(spoken, 8) if line.strip() not in message]
    return Failure(
        what=name,
        parts=[("It says", lines), ("Its last words", said)],
        cause=likely("\n".join([message, *(word[-WORDS_LENGTH:] for word in words)]), command),
    )


def has_rescue(task: Any) -> bool:
    """Whether a block takes care of the task's failure."""
    child, parent = task, getattr(task, "_parent", None)
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(child._uuid == one._uuid for one in parent.block):
            return True
        child, parent = parent, getattr(parent, "_parent", None)
    return False


class Files:
    """The folder of whole results."""

    def __init__(self, folder: str) -> None:
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        self.folder = Path(folder or f"{state}/fortytwo.inception/failures").expanduser()

    def keep(self, host: str, task: str, result: Mapping[str, Any]) -> str:
        """Where the whole result is, or what to do about that it could not be written."""
        shown = {key: value for key, value in result.items() if not key.startswith("_ansible")}
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A name that nobody foresees, and 0600.
            descriptor, name = tempfile.mkstemp(
                prefix=time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime()), suffix=".yml", dir=self.folder
            )
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(written({"host": host, "task": task, "result": shown}))
            for old in sorted(self.folder.glob("*.yml"))[:-KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            return f"could not be written ({error.strerror}: {error.filename}); -vv shows it"
        return name


class CallbackModule(Default):
    """Tells of failures in few lines."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "fortytwo.inception.screen"

    def _tell(self, result: Any, how: str, label: str = "") -> None:
        if self._last_task_banner != result.task._uuid:
            self._print_task_banner(result.task)
        whole = dict(result.result)
        self._handle_warnings(result.result)
        self._clean_results(result.result, result.task.action)
        name = result.task.get_name().strip()
        host = self.host_label(result)
        item = f" ({label})" if label else ""
        if how == "failed" and has_rescue(result.task):
            message = (clean(text(whole.get("msg") or whole.get("censored"))).strip().splitlines() or ["no message"])[0]
            self._display.display(
                f"failed, and dealt with below: [{host}]{item}: {message[:150]}", color=constants.COLOR_WARN
            )
            return
        failure = composed(f"{how}: [{host}] {name}{item}", whole)
        if "assertion" not in whole and not whole.get("told"):
            failure.rest = Files(self.get_option("failures_dir")).keep(result.host.get_name(), name, whole)
        # A mistake in a task is looked for in the task; what a module says is not.
        if how == "failed" and text(whole.get("msg")).startswith("Task failed: "):
            failure.what += f"\nin {result.task.get_path()}"
        color = constants.COLOR_UNREACHABLE if how == "unreachable" else constants.COLOR_ERROR
        self._display.display(screen(failure), color=color, stderr=self.get_option("display_failed_stderr"))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if self._display.verbosity >= 2:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        # The items of a loop were told of one by one.
        if not (result.task.loop and "results" in result.result):
            self._tell(result, "failed")
        if ignore_errors:
            self._display.display("...ignoring", color=constants.COLOR_SKIP)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if self._display.verbosity >= 2:
            super().v2_runner_item_on_failed(result)
            return
        self._tell(result, "failed", text(self._get_item_label(result.result))[:60])

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._display.verbosity >= 2:
            super().v2_runner_on_unreachable(result)
            return
        self._tell(result, "unreachable")
