# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that there are, from the argument specs of the roles, and the checks that follow from them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_rules as rules

ROLES = Path(__file__).resolve().parents[2] / "roles"
# The same reader in C, where PyYAML was built with it: ten times as fast.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Option:
    """One setting as an argument spec describes it."""

    name: str
    role: str
    kind: str = "str"
    elements: str | None = None
    choices: tuple[Any, ...] = ()
    default: Any = None
    required: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)


def _option(name: str, role: str, spec: Mapping[str, Any]) -> Option:
    return Option(
        name=name,
        role=role,
        kind=spec.get("type", "str"),
        elements=spec.get("elements"),
        choices=tuple(spec.get("choices") or ()),
        default=spec.get("default"),
        required=bool(spec.get("required")),
        options={inner: _option(inner, role, of) for inner, of in (spec.get("options") or {}).items()},
    )


@functools.cache
def options(roles: Path = ROLES) -> Mapping[str, Option]:
    """Every setting of every entry point of every role, by its name."""
    found: dict[str, Option] = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        specs = yaml.load(path.read_text(encoding="utf-8"), Loader)
        for entry in specs["argument_specs"].values():
            for name, spec in (entry.get("options") or {}).items():
                found.setdefault(name, _option(name, path.parents[1].name, spec))
    return found


def is_computed(option: Option) -> bool:
    """Whether its default is a template, which says nothing to a reader as an example."""
    return "{{" in str(option.default)


# Checks of a value by what the argument spec says of it


def check(option: Option, value: Any, settings: rules.Settings) -> Iterator[str]:
    """What is wrong with a value, by its type and its choices."""
    if option.choices and option.kind != "list":
        yield from rules.one_of(*option.choices)(value, settings)
        return
    match option.kind:
        case "bool":
            yield from rules.check_truth(value, settings)
        case "int":
            yield from rules.number_from(0)(value, settings)
        case "list":
            yield from _check_list(option, value, settings)
        case "dict":
            yield from _check_dict(option, value, settings)
        case "path":
            yield from rules.check_path(value, settings)
        case _:
            yield from rules.check_text(value, settings)


def _check_list(option: Option, value: Any, settings: rules.Settings) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{rules.shown(value)} is not a list"
        return
    element = Option(option.name, option.role, option.elements or "str", choices=option.choices, options=option.options)
    for item in value:
        yield from check(element, item, settings)


def _check_dict(option: Option, value: Any, settings: rules.Settings) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{rules.shown(value)} is not a dictionary"
        return
    unknown = [name for name in value if option.options and name not in option.options]
    for name in unknown:
        yield f"{rules.shown(name)} is not one of its keys, {', '.join(option.options)}"
    for name, inner in option.options.items():
        if name in value:
            for problem in check(inner, value[name], settings):
                yield f"{name}: {problem}"
        elif inner.required and not unknown:
            yield f"{rules.shown(dict(value))} has no {name}"
