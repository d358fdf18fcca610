# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the module secrets begin with."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for secrets."""
    path = tmp_path / "secrets"
    path.mkdir(mode=0o700)
    return path
