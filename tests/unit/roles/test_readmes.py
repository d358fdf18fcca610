# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role has a README, and its table of settings is the one that its argument specs make."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_readmes_are_current() -> None:
    checked = subprocess.run(
        ["ansible-docsmith", "generate", "--check", "--config", ".config/docsmith/config.toml", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"make readmes writes them anew:\n{checked.stdout}{checked.stderr}"


def test_each_role_has_one() -> None:
    roles = [path for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir()]
    assert [role.name for role in roles if not (role / "README.md").is_file()] == []
