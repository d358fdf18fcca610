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

from ansible_collections.fortytwo.inception.plugins.plugin_utils import settings_names as names
from ansible_collections.fortytwo.inception.plugins.plugin_utils import settings_rules as rules
from ansible_collections.fortytwo.inception.plugins.plugin_utils import settings_specs as specs

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
    wrong = [f"{variables.shown(name)}: {said}" for name, said in names.unknown(variables.names, specs.options())]
    order = [*RULES, *(name for name in specs.options() if name not in RULES)]
    for name in order:
        if name in variables.unreadable:
            wrong.append(f"{variables.shown(name)}: cannot be evaluated: {variables.unreadable[name]}")
        elif name in values:
            said = _value_problems(name, values)
            wrong += [f"{variables.shown(name)}: {problem}; for example: {example(name, values)}" for problem in said]
    return wrong


def warnings(variables: Variables, date: datetime.date) -> list[str]:
    """What is allowed, but probably not meant."""
    without = names.without_prefix(variables.names, specs.options())
    return [
        *rules.warnings(variables.values, date),
        *(f"{variables.shown(name)} is no setting of this collection; {meant} is one" for name, meant in without),
    ]


# The ports of virtual machines, which share the control node


def ports(values: rules.Settings) -> dict[int, str]:
    """The ports of the control node that a virtual machine wants, each with its setting."""
    given = values.get("vm_forwarded_ports")
    if isinstance(given, list):
        numbers = ((rules.whole_number(one.get("host_port")), "vm_forwarded_ports") for one in given)
        return {number: setting for number, setting in numbers if number is not None}
    wanted = ["inception_vm_ssh_port", "inception_vm_https_port"]
    passive: range = range(0)
    if "ftp" in (_value(values, "inception_bonus_services") or []):
        wanted.append("inception_vm_ftp_port")
        if found := rules.PORT_RANGE.fullmatch(str(_value(values, "inception_ftp_passive_ports"))):
            passive = range(int(found[1]), min(int(found[2]), int(found[1]) + rules.MOST_PASSIVE_PORTS) + 1)
    found_ports = dict.fromkeys(passive, "inception_ftp_passive_ports")
    found_ports |= {number: name for name in wanted if (number := rules.whole_number(_value(values, name))) is not None}
    return found_ports


def _value(values: rules.Settings, name: str) -> Any:
    """The value, or the default of the argument spec."""
    option = specs.options().get(name)
    return values.get(name, option.default if option is not None else None)


def clashes(host: str, mine: rules.Settings, others: Mapping[str, rules.Settings]) -> Iterator[str]:
    """What a virtual machine wants of the control node that another one wants too."""
    own = ports(mine)
    for other, theirs in others.items():
        shared: dict[tuple[str, str], list[int]] = {}
        for port, setting in ports(theirs).items():
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


def report(found: Mapping[str, Collection[str]]) -> list[str]:
    """The problems of all hosts, each said once, with the hosts that have it where there are several."""
    hosts: dict[str, list[str]] = {}
    for host, lines in found.items():
        for line in lines:
            hosts.setdefault(line, []).append(host)
    if len(found) < 2:
        return list(hosts)
    return [f"{', '.join(of) if len(of) < len(found) else 'all hosts'}: {line}" for line, of in hosts.items()]
