# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/evaluate.yml with nobody to evaluate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("written", [None, "", "evaluated:\n  hosts: {}\n"], ids=["missing", "empty", "no-host"])
def test_an_inventory_without_a_host_is_an_error(
    written: str | None, collections_path: Path, repository: Path, tmp_path: Path
) -> None:
    inventory = tmp_path / "evaluated.yml"
    if written is not None:
        inventory.write_text(written, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--inventory", str(inventory), "playbooks/evaluate.yml"],
        cwd=repository,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_CONFIG": "ansible.cfg",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    told = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode != 0
    # What cannot be read is Ansible's to tell, as with every command.
    ours = f"The inventory {inventory} has no host, or is not there. Add one, for example: make host"
    assert (f"Unable to parse {inventory} as an inventory source" if written is None else ours) in told
