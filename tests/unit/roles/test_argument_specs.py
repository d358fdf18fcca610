# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of a role are its interface: its argument specs hold the same keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).resolve().parents[3] / "roles").iterdir() if path.is_dir())
# The one setting that has no default.
WITHOUT_DEFAULT = {"inception_login"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def options(role: Path) -> dict[str, Any]:
    specs = read(role / "meta/argument_specs.yml") or {}
    found: dict[str, Any] = specs.get("argument_specs", {}).get("main", {}).get("options") or {}
    return found


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_and_argument_specs_hold_the_same_keys(role: Path) -> None:
    defaults = read(role / "defaults/main.yml") or {}
    assert set(options(role)) - WITHOUT_DEFAULT == set(defaults)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_specs_tell_the_defaults(role: Path) -> None:
    defaults = read(role / "defaults/main.yml") or {}
    told = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert told == {name: defaults[name] for name in told}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_described(role: Path) -> None:
    assert [name for name, option in options(role).items() if not option.get("description")] == []


def test_a_boolean_may_be_a_text() -> None:
    """From the command line (-e x=false) and from templates come texts, and a text with letters in it is true."""
    booleans = {name for role in ROLES for name, option in options(role).items() if option.get("type") == "bool"}
    condition = re.compile(r"\b(?:if|elif|when:|not|and|or)\s+(" + "|".join(sorted(booleans)) + r")\b(?!\s*\|\s*bool)")
    bare = [
        f"{path.relative_to(role.parent)}: {found[0]}"
        for role in ROLES
        for place in ("tasks", "vars", "handlers", "defaults", "templates")
        for path in sorted((role / place).rglob("*"))
        if path.is_file()
        for found in condition.finditer(path.read_text(errors="replace"))
    ]
    assert bare == []
