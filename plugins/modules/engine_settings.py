#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: engine_settings
short_description: Settings of Docker's engine, without harm to those who use it too
version_added: "1.1.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Writes keys into the engine's C(daemon.json), and leaves the others there as they are.
  - A key that the service of the engine gives as a flag is left alone, since the engine does not start with both.
    The new file is validated together with those flags before it is written.
  - What the engine takes over while it runs is reloaded. It is restarted only for what needs it, and not while
    containers of others run that would stop, unless O(may_restart) says so. When it does not come up, the former file
    is put back.
  - An engine whose rules the kernel has lost, as after a reload of the machine's own firewall, is restarted too. Only
    then does it write them.
  - With C(userland-proxy) as V(true) the program is named too (C(userland-proxy-path)), where nobody else names it.
    Without, an engine since 25.0 reads the file no more while it runs.
  - What was there before is remembered, and given back with O(state=absent).
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    description: Linux, with systemd or OpenRC.
options:
  settings:
    description: The keys, and what they shall be.
    type: dict
    default: {}
  own:
    description:
      - The names of the keys that the user has chosen.
      - Of the others, one that is there with another value stays, and so does one that would need a restart while
        containers of others are there.
    type: list
    elements: str
    default: []
  may_restart:
    description: Whether the engine may be restarted though containers of others would stop.
    type: bool
    default: false
  project_dir:
    description: The folder of the compose project whose containers are not others'.
    type: path
    required: true
  memory:
    description: The file in which the module remembers what was there before.
    type: path
    default: /var/lib/fortytwo.inception/engine.json
  state:
    description: Whether the settings shall be as O(settings) says, or be given back.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Keep containers alive while the engine is updated
  fortytwo.inception.engine_settings:
    settings: {live-restore: true}
    project_dir: /home/wil/inception
"""

RETURN = r"""
settings:
  description: The keys that were changed, and what they are now.
  returned: success
  type: dict
  sample: {live-restore: true}
kept:
  description: The keys that were left alone, and why.
  returned: success
  type: dict
  sample: {log-driver: the service of the engine gives it as a flag}
action:
  description: What was done for the engine to heed them.
  returned: success
  type: str
  choices: [none, reload, restart]
"""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _files
from ansible_collections.fortytwo.inception.plugins.module_utils._engine import EngineProblem

SYSTEMD = Path("/run/systemd/system")
# Seconds that an engine may take to come up, or to take a setting over.
PATIENCE = 90.0
PAUSE = 0.2
# By it, containers outlive the engine.
LIVES_ON = "live-restore"


def text_of(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write(path: str, text: str) -> None:
    """Whole or not at all, with the mode that a file there has."""
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = _files.open_folder(os.path.dirname(path))
    try:
        found = _files.look(os.path.basename(path), folder)
        kept = _files.Attributes.of(found) if found else _files.Attributes(0o644, 0, 0)
        _files.write_file(os.path.basename(path), folder, text.encode(), kept)
    finally:
        os.close(folder)


def put(path: str, text: str | None) -> None:
    """As it was, or away again."""
    if text is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    else:
        write(path, text)


class Engine:
    """The engine and its file on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.systemd = SYSTEMD.exists()
        self.unit = _engine.unit(self.run, self.systemd)
        self.text = text_of(_engine.SETTINGS)
        self.present = _engine.read_settings(self.text)
        self.info: dict[str, Any] | None = _engine.ask("/info") if os.path.exists(_engine.SOCKET) else None
        project_dir = module.params["project_dir"]
        there = _engine.containers() if self.info is not None else []
        self.others = sorted(one.name for one in there if one.running and not one.is_of(project_dir))

    def run(self, command: list[str]) -> tuple[int, str, str]:
        result: tuple[int, str, str] = self.module.run_command(command, handle_exceptions=False)
        return result

    def validate(self, text: str) -> None:
        """As the service will start it: with its flags."""
        if not self.unit.command or not os.path.exists(self.unit.command[0]):
            return
        trial = f"{self.module.tmpdir}/daemon.json"
        Path(trial).write_text(text, encoding="utf-8")
        flags = list(self.unit.command[1:])
        code, output, errors = self.run([self.unit.command[0], *flags, "--validate", "--config-file", trial])
        # Before 23.0 there is no such flag.
        if code and "unknown flag: --validate" not in errors:
            said = (errors or output).strip().splitlines()[-1:] or ["no word"]
            raise EngineProblem(
                f"the engine would not start with these settings: {said[0]}; {_engine.SETTINGS} was not changed"
            )

    def reload(self, expected: dict[str, Any]) -> None:
        pid = _engine.process()
        if pid is not None:
            os.kill(pid, signal.SIGHUP)
        told = {_engine.IN_FORCE[key]: value for key, value in expected.items() if key in _engine.IN_FORCE}
        self.wait(lambda info: all(info.get(name, value) == value for name, value in told.items()))

    def restart(self) -> None:
        if self.systemd:
            # Started often in a short time, it would be refused for that alone.
            self.run(["systemctl", "reset-failed", "docker.service"])
            code, told, errors = self.run(["systemctl", "restart", "docker.service"])
        else:
            code, told, errors = self.run(["rc-service", "docker", "restart"])
        if code:
            raise EngineProblem(self.last_words() or (errors or told).strip())
        self.wait(lambda info: True)

    def wait(self, good: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            info = _engine.ask("/info")
            if info is not None and good(info):
                return
            time.sleep(PAUSE)
        raise EngineProblem(self.last_words() or "it does not answer")

    def last_words(self) -> str:
        """Why it did not come up."""
        if self.systemd:
            told = self.run(["journalctl", "--unit=docker", "--lines=40", "--output=cat", "--no-pager"])[1]
        else:
            told = _engine.openrc_log()
        return _engine.complaint(told.splitlines()[-40:])

    def carry_out(self, text: str | None, restart: bool, expected: dict[str, Any]) -> str:
        """Writes the file, and has the engine heed it; or puts the former one back."""
        if text is not None:
            self.validate(text)
        # What keeps containers alive goes last: they outlive this restart still.
        lives_on = bool((self.info or {}).get(_engine.IN_FORCE[LIVES_ON])) and LIVES_ON not in self.unit.settings
        outlives = restart and lives_on and expected.get(LIVES_ON) is False
        put(_engine.SETTINGS, shown({**expected, LIVES_ON: True}) if outlives else text)
        if self.info is None:
            return "none"
        try:
            if outlives:
                self.restart()
                put(_engine.SETTINGS, text)
            # Where they shall outlive it from now on, that is taken over before.
            self.reload(expected)
            if restart and not outlives:
                self.restart()
        except EngineProblem as problem:
            put(_engine.SETTINGS, self.text)
            with contextlib.suppress(EngineProblem):
                self.restart()
            raise EngineProblem(
                f"the engine did not come up with these settings ({problem}); {_engine.SETTINGS} is as it was before"
            ) from None
        return "restart" if restart else "reload"


def remembered(path: str) -> dict[str, Any]:
    text = text_of(path)
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def remember(path: str, engine: Engine, changes: dict[str, Any]) -> None:
    """What each key was before the first deployment that changed it, and what it was made."""
    memory = remembered(path) or {"text": engine.text, "before": {}, "after": {}}
    for key, value in changes.items():
        if key not in memory["after"]:
            memory["before"] |= {key: engine.present[key]} if key in engine.present else {}
        memory["after"][key] = value
    write(path, json.dumps(memory, indent=2) + "\n")


def shown(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=4) + "\n"


def present(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    given = module.params
    wanted = _engine.Wanted(given["settings"], frozenset(given["own"]), given["may_restart"])
    gone = engine.info is not None and _engine.rules_are_gone(engine.run, {**engine.present, **engine.unit.settings})
    plan = _engine.plan(engine.present, wanted, engine.unit.settings, engine.info, engine.others, gone)
    if plan.harmed:
        raise EngineProblem(
            f"settings: {', '.join(plan.restart)} would restart the engine, which stops containers of others "
            f"({', '.join(plan.harmed)}); leave the keys out, or set may_restart to true"
        )
    if plan.moved:
        raise EngineProblem(
            f"settings: {', '.join(plan.moved)} would have the engine keep its images and containers elsewhere: those "
            "that it has would be gone for it; leave the keys out, or remove the containers before"
        )
    changes = dict(plan.changes)
    text = shown({**engine.present, **changes}) if changes else engine.text
    restart = bool(plan.restart or plan.repair)
    action = "restart" if restart else "reload" if plan.pending and engine.info is not None else "none"
    if plan.pending and not module.check_mode:
        memory = text_of(given["memory"])
        if changes:
            remember(given["memory"], engine, changes)
        try:
            action = engine.carry_out(text, restart, {**engine.present, **changes})
        except EngineProblem:
            put(given["memory"], memory)
            raise
    return {
        "changed": plan.pending,
        "settings": changes,
        # Not "skipped": that is a word of Ansible's own, for a task that was not done.
        "kept": dict(plan.skipped),
        "action": action,
        "diff": {"before": engine.text or "", "after": text or ""},
    }


def absent(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Gives back what was there, but for what somebody has changed since."""
    path = module.params["memory"]
    memory = remembered(path)
    back = {key: value for key, value in engine.present.items() if memory.get("after", {}).get(key, object()) == value}
    settings = {key: value for key, value in engine.present.items() if key not in back}
    settings |= {key: value for key, value in memory.get("before", {}).items() if key in back}
    former: str | None = memory.get("text")
    if not back:
        text = engine.text
    elif settings == _engine.read_settings(former):
        text = former
    else:
        text = shown(settings)
    # A restart for the sake of order harms nobody only where nobody else is; the engine's next start does it too.
    restart = bool(set(back) - _engine.RELOADABLE) and not engine.others
    action = "none"
    if memory and not module.check_mode:
        if back:
            action = engine.carry_out(text, restart, settings)
        os.unlink(path)
    return {
        "changed": bool(memory),
        "settings": {key: settings.get(key) for key in back},
        "kept": {},
        "action": action,
        "diff": {"before": engine.text or "", "after": text or ""},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "default": {}},
            "own": {"type": "list", "elements": "str", "default": []},
            "may_restart": {"type": "bool", "default": False},
            "project_dir": {"type": "path", "required": True},
            "memory": {"type": "path", "default": "/var/lib/fortytwo.inception/engine.json"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        engine = Engine(module)
        result = (present if module.params["state"] == "present" else absent)(module, engine)
    except (EngineProblem, _files.FileProblem) as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
