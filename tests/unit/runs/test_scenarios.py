# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of molecule: what must not clash, and what must not be forgotten."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml


def scenarios(repository: Path) -> dict[str, dict[str, Any]]:
    return {
        path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((repository / "molecule").glob("*/molecule.yml"))
    }


def hosts(group: Any) -> list[dict[str, Any]]:
    """All hosts below a group of an inventory, groups in groups too."""
    if not isinstance(group, dict):
        return []
    found = [host for host in (group.get("hosts") or {}).values() if isinstance(host, dict)]
    return found + [host for child in (group.get("children") or {}).values() for host in hosts(child)]


def ports(host: dict[str, Any]) -> set[int]:
    """Those of the control node."""
    published = {int(port.split(":")[1]) for port in host.get("machine_published_ports", [])}
    return published | {
        int(value) for name, value in host.items() if name.startswith("inception_vm_") and name.endswith("_port")
    }


@pytest.fixture
def machines(repository: Path) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name, scenario in scenarios(repository).items():
        groups = scenario.get("provisioner", {}).get("inventory", {}).get("hosts", {})
        found[name] = [host for group in groups.values() for host in hosts(group)]
    return found


def twice(things: list[Any]) -> list[Any]:
    return [thing for thing, number in Counter(things).items() if number > 1]


def test_no_port_is_two_machines(machines: dict[str, list[dict[str, Any]]]) -> None:
    assert machines["default"]
    assert machines["vm"]
    assert twice([port for hosts in machines.values() for host in hosts for port in ports(host)]) == []


def test_no_name_is_two_machines(machines: dict[str, list[dict[str, Any]]]) -> None:
    assert (
        twice([host["machine_name"] for hosts in machines.values() for host in hosts if "machine_name" in host]) == []
    )


def test_a_scenario_says_only_what_is_its_own(repository: Path) -> None:
    """What equals the shared configuration is left out."""

    def repeated(shared: Any, own: Any, where: str) -> list[str]:
        if not isinstance(shared, dict) or not isinstance(own, dict):
            return [where] if shared == own else []
        return [
            found for key in own.keys() & shared.keys() for found in repeated(shared[key], own[key], f"{where}.{key}")
        ]

    shared = yaml.safe_load((repository / ".config/molecule/config.yml").read_text(encoding="utf-8"))
    assert [found for name, own in scenarios(repository).items() for found in repeated(shared, own, name)] == []


def test_options_of_the_verifier_are_words(repository: Path) -> None:
    """Molecule puts them into a command line, and fails there on a number, after all that came before."""
    configurations = [*(repository / "molecule").glob("*/molecule.yml"), repository / ".config/molecule/config.yml"]
    for path in configurations:
        verifier = yaml.safe_load(path.read_text(encoding="utf-8")).get("verifier", {})
        assert [value for value in verifier.get("options", {}).values() if not isinstance(value, str | bool)] == []
