# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the settings of a host on the control node. What they are is in plugin_utils/_settings.py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings as settings
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_specs as settings_specs

try:
    # Not public, so it may go: then a message has no file and line.
    from ansible._internal._datatag._tags import Origin
except ImportError:  # pragma: no cover
    Origin = None

DEFAULTS = settings_specs.ROLES / "inception/defaults/main.yml"
# What the services say of themselves, which the rules want to know besides the settings; role inception computes it.
STACK = "__inception_stack"
# With one of these wrong, the services cannot be looked at.
OF_SERVICES = ("inception_login", "inception_base_family", "inception_bonus_services", "inception_service_dirs")


class ActionModule(ActionBase):
    """It works in this process alone: nothing is sent to the host."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"required", "date"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        dummy, arguments = self.validate_argument_spec(
            {"required": {"type": "list", "elements": "str", "default": ["inception_login"]}, "date": {"type": "str"}}
        )
        variables = task_vars or {}
        try:
            date = _releases.day(arguments["date"])
        except ValueError as error:
            raise AnsibleError(str(error)) from error
        found = self._variables(variables)
        stack = self._stack(variables) if settings.are_good(found.values, OF_SERVICES, date) else {}
        known = _known(found, stack) | {"inception_available_hosts": variables.get("groups", {}).get("all", [])}
        lines = settings.problems(found, date, arguments["required"], known)
        # Our own descriptions are right: what is wrong in them is a setting's fault, which has been said.
        ours = f"{_rendering.OUR_SERVICES}/" if lines else "\0"
        said = [problem for problem in stack.get("problems", []) if not problem.startswith(ours)]
        # A description names a setting that cannot be evaluated once more.
        lines += [] if found.unreadable else said
        wanted = settings.ports(found.values, stack.get("forwarded_ports", [])) if _is_machine(variables) else {}
        lines += settings.clashes(variables["inventory_hostname"], wanted, self._machines_elsewhere(variables))
        for warning in settings.warnings(found, date):
            Display().warning(f"{variables.get('inventory_hostname')}: {warning}")
        return {"changed": False, "problems": lines, "ports": [list(one) for one in wanted.items()]}

    def _variables(self, variables: Mapping[str, Any]) -> settings.Variables:
        """The settings among the variables, evaluated."""
        values: dict[str, Any] = {}
        unreadable: dict[str, str] = {}
        for name in settings_specs.options():
            if name not in variables:
                continue
            try:
                values[name] = _plain(self._templar.template(variables[name]))
            except AnsibleError as error:
                # A setting of one role may need what only that role's run knows: facts, or a file made by another.
                if name.startswith("inception_"):
                    unreadable[name] = " ".join(str(error).split())
        # A boolean and nothing know no place; the name before them does.
        keys = {str(name): name for name in variables}
        return settings.Variables(
            names=[name for name in variables if isinstance(name, str)],
            values=values,
            unreadable=settings.own_faults(unreadable, values),
            place=lambda name: _place(keys.get(name), variables.get(name)),
        )

    def _stack(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What the services say of themselves, where a role that depends on inception is at work."""
        return dict(_plain(self._templar.template(variables[STACK]))) if STACK in variables else {}

    def _machines_elsewhere(self, variables: Mapping[str, Any]) -> dict[str, settings.Ports]:
        """What the virtual machines want that are not in this play, whose settings nobody checks now."""
        play = variables.get("ansible_play_hosts_all", [])
        others = [host for host in variables.get("groups", {}).get("vms", []) if host not in play]
        return {host: self._wanted_by(host, variables) for host in others} if _is_machine(variables) else {}

    def _wanted_by(self, host: str, variables: Mapping[str, Any]) -> settings.Ports:
        """The ports of another host, evaluated with its variables in the place of this one's."""
        hostvars = variables["hostvars"]
        mine = hostvars.raw_get(variables["inventory_hostname"])
        theirs = {
            **self._loader.load_from_file(str(DEFAULTS), trusted_as_template=True),
            **{name: value for name, value in variables.items() if name not in mine},
            **hostvars.raw_get(host),
        }
        templar = self._templar.copy_with_new_env(available_variables=theirs)
        names = [name for name in (settings.SSH, "vm_forwarded_ports") if name in theirs]
        try:
            values = {name: _plain(templar.template(theirs[name])) for name in names}
            stack = _plain(templar.template(theirs[STACK])) if STACK in theirs else {}
        except AnsibleError:
            # What is wrong with it is said when it is its turn.
            return {}
        return settings.ports(values, stack.get("forwarded_ports", []))


def _is_machine(variables: Mapping[str, Any]) -> bool:
    """Whether the host is a virtual machine of the control node."""
    return variables.get("inventory_hostname") in variables.get("groups", {}).get("vms", [])


def _known(found: settings.Variables, stack: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if stack and found.values.get("inception_bonus_services"):
        known["inception_available_services"] = stack["available"]
    # Of descriptions with a mistake nobody knows the secrets.
    if stack and not stack["problems"] and found.values.get("inception_secrets"):
        known["inception_available_secrets"] = stack["secrets"]
    return known


def _plain(value: Any) -> Any:
    """A value all of which has been evaluated."""
    if isinstance(value, Mapping):
        return {key: _plain(of) for key, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _place(*tagged: Any) -> str:
    """Where a variable was written, but for the defaults of our roles."""
    origins = (Origin.get_tag(one) for one in reversed(tagged) if Origin is not None and one is not None)
    origin = next((found for found in origins if found is not None), None)
    if origin is None:
        return ""
    if origin.path is None:
        return "-e" if "-e" in str(origin.description) else ""
    path = Path(origin.path)
    if path.resolve().is_relative_to(settings_specs.ROLES):
        return ""
    shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    return f"{shown}:{origin.line_num}" if origin.line_num else shown
