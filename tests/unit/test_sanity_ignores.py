# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-test is told to leave out is what it cannot judge, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sanity import ignores


@pytest.mark.parametrize("version", ignores.VERSIONS)
def test_they_are_current(version: str) -> None:
    written = (ignores.ROOT / f"tests/sanity/ignore-{version}.txt").read_text()
    assert written == ignores.wanted(version), "make readmes writes them anew"


@pytest.mark.parametrize(
    ("name", "text", "tests"),
    [
        ("roles/a/templates/x.sh", "#!/bin/sh\necho {{ b }}\n", ["shellcheck!skip"]),
        ("roles/a/templates/x.sh", "#!/bin/sh\necho b\n", []),
        ("roles/a/templates/x.yml", "a: {% if b %}c{% endif %}\n", ["yamllint!skip"]),
        ("roles/a/templates/x.yml", "a: b\n", []),
        ("roles/a/templates/b/compose.yml", "<<: *b\n", ["yamllint!skip"]),
        ("roles/a/templates/x.py", "#!/usr/bin/python3\n", ["shebang!skip"]),
        ("roles/a/templates/x.nft.j2", "#!/usr/sbin/nft -f\n{{ b }}\n", ["shebang!skip"]),
        ("roles/a/templates/Dockerfile", "FROM {{ b }}\n", []),
    ],
)
def test_only_what_it_takes_for_something_else(name: str, text: str, tests: list[str]) -> None:
    assert [line.split()[1] for line in ignores.entries(Path(name), text)] == tests
