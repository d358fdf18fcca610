# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents point at is there: files, headings, commands and decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", ".github/*.md", "docs/**/*.md", "roles/*/README.md")
    for path in ROOT.glob(pattern)
)
COMMANDS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# Commands of the deployed project, whose Makefile is another one.
OF_THE_PROJECT = {"status", "credentials", "down", "fclean"}


def prose(document: Path) -> str:
    """A document without its blocks of code, in which nothing is a link or a heading."""
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """What GitHub calls the headings, and what has a name of its own."""
    text = prose(document)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain} | set(
        re.findall(r'<a id="([^"]+)"', text)
    )


def broken(document: Path) -> list[str]:
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if link.startswith(("https:", "http:", "mailto:")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    assert broken(ROOT / name) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_exists(name: str) -> None:
    told = set(re.findall(r"`make ([a-z][a-z-]*)", prose(ROOT / name)))
    assert told - COMMANDS - OF_THE_PROJECT == set()


def test_every_decision_has_its_number_in_its_title() -> None:
    wrong = [
        path.name
        for path in (ROOT / "docs/decisions").glob("*.md")
        if f"\n# {path.name[:4]} " not in path.read_text() or "**Decision.**" not in path.read_text()
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b.md)", ["b.md"]),
        ("[a](#one-two)\n# One, `two`", []),
        ("[a](#one)\n# Two", ["#one"]),
        ("```\n[a](b.md)\n```", []),
        ("[a](https://example.org/b.md)", []),
    ],
)
def test_what_is_broken(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "a.md").write_text(text)
    assert broken(tmp_path / "a.md") == expected
