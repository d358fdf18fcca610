# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of the subject that a running machine can show is checked by a test of tests/verify."""

from __future__ import annotations

import ast
from pathlib import Path

# The subject's rules.
RULES = {
    *(f"VM-{number}" for number in range(1, 4)),
    *(f"LAY-{number}" for number in range(1, 6)),
    *(f"IMG-{number}" for number in range(1, 8)),
    *(f"SVC-{number}" for number in range(1, 8)),
    *(f"NET-{number}" for number in range(1, 3)),
    *(f"VOL-{number}" for number in range(1, 4)),
}
# Those of the bonus services, by the room of each.
BONUS_RULES = {"redis": "BON-1", "ftp": "BON-2", "static": "BON-3", "adminer": "BON-4", "analytics": "BON-5"}


def cited(path: Path) -> dict[str, list[str]]:
    """The rules in the marks of each test of a file, read without running anything of it."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [
                mark
                for mark in node.decorator_list
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule"
            ]
            found[node.name] = [str(ast.literal_eval(argument)) for mark in marks for argument in mark.args]
    return found


def all_cited(repository: Path) -> set[str]:
    files = sorted((repository / "tests/verify").rglob("*.py"))
    return {rule for path in files for rules in cited(path).values() for rule in rules}


def test_every_rule_has_a_test(repository: Path) -> None:
    rooms = repository / "roles/stack/templates/requirements"
    shown = {rule for room, rule in BONUS_RULES.items() if (rooms / room / "service.yml").exists()}
    assert sorted((RULES | shown) - all_cited(repository)) == []


def test_no_rule_is_invented(repository: Path) -> None:
    assert sorted(all_cited(repository) - RULES - set(BONUS_RULES.values())) == []


def test_every_test_says_what_it_shows(repository: Path) -> None:
    """Whoever reads a failure wants to know what was promised."""
    silent = []
    for path in (repository / "tests/verify").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node):
                silent.append(f"{path.name}: {node.name}")
    assert silent == []
