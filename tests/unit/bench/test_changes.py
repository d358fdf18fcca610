# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of the collection with one line more in it, and which of the visitors' failures count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.bench.changes import LINES, changed_collection, outcome
from tests.bench.lab import changed
from tests.rotation.load import Tally
from tests.verify.support import ROOT


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("service", LINES)
def test_one_line_more(service: str, tmp_path: Path) -> None:
    """In one file of one service's configuration; and the collection itself stays as it is."""
    before = files(ROOT / "roles")
    playbook = changed_collection(tmp_path, service)
    assert playbook.is_file()
    copied = files(playbook.parents[1] / "roles")
    assert copied.keys() == before.keys()
    (name,) = [name for name in copied if copied[name] != before[name]]
    assert name == f"stack/templates/requirements/{LINES[service][0]}"
    (line,) = copied[name].removeprefix(before[name]).decode().splitlines()
    assert line.startswith(f"{LINES[service][1]} ")
    assert files(ROOT / "roles") == before


@pytest.mark.parametrize(
    ("service", "failed", "requests"), [("nginx", 2, 17), ("wordpress", 2, 17), ("mariadb", 1, 11)]
)
def test_failures_that_count(service: str, failed: int, requests: int) -> None:
    """Without the database people who are signed in wait; strangers do not."""
    tally = Tally(
        answers=Counter(stranger=10, author=5),
        failures=["1.0 s: stranger: AssertionError: 502", "2.0 s: author: AssertionError: 500"],
    )
    found = outcome(tally, service)
    assert (found["failed"], found["requests"]) == (failed, requests)


@pytest.mark.parametrize(
    ("recap", "count"),
    [
        ("one : ok=80 changed=0 unreachable=0\ntwo : ok=80 changed=0 unreachable=0\n", 0),
        ("one : ok=80 changed=1 unreachable=0\ntwo : ok=80 changed=12 unreachable=0\n", 13),
    ],
)
def test_changed(recap: str, count: int) -> None:
    assert changed(recap) == count
