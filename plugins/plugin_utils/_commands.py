# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user types for a playbook: a target of the Makefile's, or a playbook of the installed collection.

Private to the collection: the interface may change without notice.
"""

from __future__ import annotations

import os
import shlex
import typing as t

# Targets of the Makefile that are called otherwise than their playbooks
TARGETS = {"site": "up"}
# What goes through the script that the playbook ssh writes: a shell, or a command.
THROUGH_SSH = {"ssh": "", "credentials": " make --no-print-directory -C inception credentials"}
DEFAULT_INVENTORY = "inventory/hosts.yml"


def command(
    name: str,
    *,
    inventory: t.Sequence[str] = (),
    limit: str = "",
    extra_vars: str = "",
    environment: t.Mapping[str, str] | None = None,
) -> str:
    """The command for the playbook name, on the inventory of this run."""
    environment = os.environ if environment is None else environment
    if environment.get("INCEPTION_COMMAND") == "make":
        return _make(name, environment.get("INCEPTION_INVENTORY", ""), limit, extra_vars)
    playbook = "ssh" if name in THROUGH_SSH else name
    words = ["ansible-playbook", f"fortytwo.inception.{playbook}"]
    words += [word for source in inventory for word in ("-i", shlex.quote(source))]
    if limit:
        words += ["--limit", shlex.quote(limit)]
    if extra_vars:
        words += ["-e", shlex.quote(extra_vars)]
    typed = " ".join(words)
    if name in THROUGH_SSH:
        script = shlex.quote(ssh_script(limit, environment)) if limit else "the script that it names"
        typed += f" && sh {script}{THROUGH_SSH[name]}"
    return typed


def _make(name: str, inventory: str, limit: str, extra_vars: str) -> str:
    words = ["make", TARGETS.get(name, name)]
    if inventory not in ("", DEFAULT_INVENTORY):
        words.append(f"INVENTORY={shlex.quote(inventory)}")
    if limit:
        words.append(f"LIMIT={shlex.quote(limit)}")
    if extra_vars:
        words.append(f"ARGS={shlex.quote('-e ' + extra_vars)}")
    return " ".join(words)


def ssh_script(host: str, environment: t.Mapping[str, str] | None = None) -> str:
    """Where the playbook ssh writes the way to a host."""
    environment = os.environ if environment is None else environment
    state = environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "fortytwo.inception", "ssh", f"{host}.sh")
