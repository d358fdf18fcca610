# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that was cut off goes on: with INCEPTION_PAST_RESUME=1 what was green with the same files is left out, and
counted."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GREEN = ROOT / ".cache/past.json"
INPUTS = ("plugins", "playbooks", "roles", "tests/past", "ansible.cfg")


def digest() -> str:
    """Of all that a verdict depends on, as it lies in the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard", *INPUTS], cwd=ROOT, capture_output=True, check=True
    )
    found = hashlib.sha256()
    for name in sorted(listed.stdout.split(b"\0")):
        path = ROOT / os.fsdecode(name)
        if path.is_file():
            found.update(name + b"\0" + path.read_bytes())
    return found.hexdigest()


def remembered() -> dict[str, list[str]]:
    known: dict[str, list[str]] = json.loads(GREEN.read_text()) if GREEN.exists() else {}
    return known


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("INCEPTION_PAST_RESUME") != "1":
        return
    green = remembered().get(digest(), [])
    left_out = [item for item in items if item.nodeid in green]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item.nodeid not in green]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    report: Any = yield
    if report.when == "call" and report.passed:
        now = digest()
        green = remembered().get(now, [])
        GREEN.parent.mkdir(exist_ok=True)
        GREEN.write_text(json.dumps({now: sorted({*green, item.nodeid})}))
    return report
