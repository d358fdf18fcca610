# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin documents itself in a form that ansible-doc can read."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

OURS = Path(__file__).resolve().parents[3] / "plugins"
PLUGINS = sorted(path for kind in ("modules", "filter", "lookup") for path in (OURS / kind).glob("*.py"))
FRAGMENTS = OURS / "doc_fragments"


def documents(path: Path) -> dict[str, Any]:
    """DOCUMENTATION, EXAMPLES and RETURN as data, without importing the plugin."""
    return {
        node.targets[0].id: yaml.safe_load(ast.literal_eval(node.value))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    }


def attributes(documentation: dict[str, Any]) -> set[str]:
    """Those that say how far they are supported, in the plugin itself or in a fragment of this collection."""
    found = [documentation]
    for name in documentation.get("extends_documentation_fragment", []):
        (node,) = ast.parse((FRAGMENTS / f"{name.rpartition('.')[2]}.py").read_text()).body[-1].body  # type: ignore[attr-defined]
        found.append(yaml.safe_load(ast.literal_eval(node.value)))
    return {name for one in found for name, attribute in one.get("attributes", {}).items() if "support" in attribute}


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_documentation(path: Path) -> None:
    found = documents(path)
    assert set(found) == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    documentation = found["DOCUMENTATION"]
    assert documentation.get("module", documentation.get("name")) == path.stem
    assert documentation["short_description"]
    if path.parent.name == "modules":
        assert {"check_mode", "diff_mode", "idempotent", "platform"} <= attributes(documentation)
    for task in found["EXAMPLES"]:
        assert task["name"]
