# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of this checkout, as a user calls them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play(repository: Path, collections_path: Path, tmp_path: Path) -> Play:
    """A playbook's name, an inventory, and more of the environment."""

    def run(
        name: str, inventory: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ansible-playbook", "--inventory", str(inventory), f"playbooks/{name}.yml"],
            cwd=repository,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
                "INCEPTION_FAILURES_DIR": str(tmp_path / "failures"),
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run
