# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of a host, as far as they are settings of this collection or look like one.

It is one look at everything: names, values by their argument spec and by the rules, and the ports that virtual
machines share.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_names as names
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_rules as rules
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_specs as specs

SSH = "inception_vm_ssh_port"
RULES = {rule.setting: rule for rule in rules.RULES}


def _nowhere(name: str) -> str:
    return ""


@dataclass(frozen=True)
class Variables:
    """The variables of a host: all names, the values of the settings among them, and why some have none."""

    names: Collection[str]
    values: rules.Settings
    unreadable: Mapping[str, str] = field(default_factory=dict)
    # Where a variable was written, as file:line; nothing for what nobody knows.
    place: Callable[[str], str] = _nowhere

    def shown(self, name: str) -> str:
        place = self.place(name)
        return f"{name} ({place})" if place else name


def example(name: str, values: rules.Settings) -> str:
    """A good value of a setting."""
    if name in RULES:
        return RULES[name].example(values)
    option = specs.options()[name]
    if option.choices:
        return str(option.choices[0]) if option.kind != "list" else f"[{option.choices[0]}]"
    if option.default is None or specs.is_computed(option):
        return {"bool": "true", "path": "/home/wil/inception", "int": "1"}.get(option.kind, "a line of text")
    return str(option.default).lower() if option.kind == "bool" else str(option.default) or '""'


def _value_problems(name: str, values: rules.Settings) -> Iterator[str]:
    value = values[name]
    option = specs.options().get(name)
    for (renamed, old), new in names.RENAMED_VALUES.items():
        if (name, value) == (renamed, old) and option is not None and old not in option.choices:
            yield f"{rules.shown(value)} is called {new} now"
            return
    if name in RULES:
        yield from RULES[name].check(value, values)
    elif option is not None:
        yield from specs.check(option, value, values)


@functools.cache
def _defaults() -> Mapping[str, Any]:
    """What a setting is that nobody gave a value: one role's defaults are unknown while another's run."""
    return {
        option.name: option.default
        for option in specs.options().values()
        if option.default is not None and not specs.is_computed(option)
    }


def are_good(values: rules.Settings, wanted: Collection[str], date: datetime.date) -> bool:
    """Whether these settings are there and have good values."""
    everything = {**values, "date": date}
    return all(name in values and not any(_value_problems(name, everything)) for name in wanted)


def own_faults(unreadable: Mapping[str, str], values: rules.Settings) -> dict[str, str]:
    """Those that are not the echo of another setting's fault: one without the login, or a release without a family."""
    echoes = set()
    if "inception_login" not in values:
        echoes = {name for name, why in unreadable.items() if "'inception_login'" in why}
    if values.get("inception_base_family") not in specs.options()["inception_base_family"].choices:
        echoes |= {"inception_base_release"}
    return {name: why for name, why in unreadable.items() if name not in echoes}


def problems(
    variables: Variables, date: datetime.date, required: Collection[str] = (), known: Mapping[str, Any] | None = None
) -> list[str]:
    """One line for each thing that is wrong. known holds what the rules want to know besides."""
    values: dict[str, Any] = {
        **_defaults(),
        **(known or {}),
        **dict.fromkeys(required),
        **variables.values,
        "date": date,
    }
    login_is_bad = not are_good(values, ["inception_login"], date) if "inception_login" in values else False
    wrong = [f"{variables.shown(name)}: {said}" for name, said in names.unknown(variables.names, specs.options())]
    order = [*RULES, *(name for name in specs.options() if name not in RULES)]
    for name in order:
        if name in variables.unreadable:
            wrong.append(f"{variables.shown(name)}: cannot be evaluated: {variables.unreadable[name]}")
        elif name in values and not (login_is_bad and _follows_from_the_login(name, variables)):
            good = example(name, values)
            if _is_text_of_the_command_line(name, variables):
                good = f"-e '{{{name}: {good}}}'"
            said = _value_problems(name, values)
            wrong += [f"{variables.shown(name)}: {problem}; for example: {good}" for problem in said]
    return wrong


def _follows_from_the_login(name: str, variables: Variables) -> bool:
    """Whether its value is the role's, and one that is made from others: where nobody wrote one, from the login."""
    option = specs.options().get(name)
    unsaid = option is not None and (option.default is None or specs.is_computed(option))
    return unsaid and name != "inception_login" and not variables.place(name)


def _is_text_of_the_command_line(name: str, variables: Variables) -> bool:
    """Whether somebody wrote -e name=value, which makes a text of everything, for what is none."""
    option = specs.options().get(name)
    text = isinstance(variables.values.get(name), str)
    return text and option is not None and option.kind in ("list", "dict") and variables.place(name) == "-e"


def warnings(variables: Variables, date: datetime.date) -> list[str]:
    """What is allowed, but probably not meant."""
    without = names.without_prefix(variables.names, specs.options())
    return [
        *rules.warnings(variables.values, date),
        *(f"{variables.shown(name)} is no setting of this collection; {meant} is one" for name, meant in without),
    ]


# The ports of virtual machines, which share the control node


Ports = Mapping[int, str]


def ports(values: rules.Settings, forwarded: Collection[Mapping[str, Any]]) -> Ports:
    """The ports of the control node that a virtual machine wants, each with its setting: that of ssh, and what its
    services have forwarded, or else what the user says."""
    given = values.get("vm_forwarded_ports")
    ssh = {"host_port": _value(values, SSH), "setting": SSH}
    wanted = given if isinstance(given, list) else [ssh, *forwarded]
    numbers = ((rules.whole_number(one.get("host_port")), one.get("setting") or "vm_forwarded_ports") for one in wanted)
    return {number: setting for number, setting in numbers if number is not None}


def _value(values: rules.Settings, name: str) -> Any:
    """The value, or the default of the argument spec."""
    return values.get(name, specs.options()[name].default)


def clashes(host: str, own: Ports, others: Mapping[str, Ports]) -> Iterator[str]:
    """What a virtual machine wants of the control node that another one wants too."""
    for other, theirs in others.items():
        shared: dict[tuple[str, str], list[int]] = {}
        for port, setting in theirs.items():
            if port in own:
                shared.setdefault((own[port], setting), []).append(port)
        for (setting, their_setting), numbers in shared.items():
            shown = str(numbers[0]) if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"
            yield (
                f"{setting}: {host} wants the port {shown} of the control node, and so does {other} ({their_setting}); "
                f"give each virtual machine ports of its own; for example: {_free(setting, numbers)}"
            )


def _free(setting: str, taken: list[int]) -> str:
    if setting == "inception_ftp_passive_ports":
        return f"{max(taken) + 1}-{max(taken) + 10}"
    return str(max(taken) + 1)


# One report of all hosts


def report(found: Mapping[str, Collection[str]], wanted: Mapping[str, Ports] | None = None) -> list[str]:
    """The problems of all hosts, each said once, with the hosts that have it where there are several; and the ports
    that virtual machines of the play share, at the later one of two."""
    all_found = {host: list(lines) for host, lines in found.items()}
    before: dict[str, Ports] = {}
    for host, own in (wanted or {}).items():
        all_found.setdefault(host, []).extend(clashes(host, own, before))
        before[host] = own
    hosts: dict[str, list[str]] = {}
    for host, lines in all_found.items():
        for line in lines:
            hosts.setdefault(line, []).append(host)
    if len(all_found) < 2:
        return list(hosts)
    return [f"{', '.join(of) if len(of) < len(all_found) else 'all hosts'}: {line}" for line, of in hosts.items()]
