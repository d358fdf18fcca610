# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories that are made elsewhere, as docs/hosts.md has them: their settings are checked as others are."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Check = Callable[[Path], subprocess.CompletedProcess[str]]


def program(repository: Path, folder: Path, lines: str) -> Path:
    """The program of docs/hosts.md, as it stands there."""
    text = (repository / "docs/hosts.md").read_text()
    (written,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (folder / "servers.txt").write_text(lines)
    path = folder / "servers.py"
    path.write_text(written)
    path.chmod(0o755)
    return path


def outputs(repository: Path, folder: Path, login: str) -> Path:
    """The inventory of docs/hosts.md, beside a file that Terraform may have written."""
    text = (repository / "docs/hosts.md").read_text()
    (written,) = re.findall(r"```yaml\n(# servers\.yml.*?)```", text, re.DOTALL)
    one = {"ansible_host": "2001:db8::1", "ansible_user": "wil", "inception_login": login}
    (folder / "terraform-output.json").write_text(json.dumps({"servers": {"value": {"one": one, "two": one}}}))
    path = folder / "servers.yml"
    path.write_text(written)
    return path


@pytest.fixture
def check(repository: Path, collections_path: Path, tmp_path: Path) -> Check:
    def run(inventory: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ansible-playbook", "--inventory", str(inventory), "playbooks/settings.yml"],
            cwd=repository,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
                "INCEPTION_FAILURES_DIR": str(tmp_path / "failures"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_program(repository: Path, check: Check, tmp_path: Path) -> None:
    done = check(program(repository, tmp_path, "one 203.0.113.10 wil\ntwo 2001:db8::2 zoe\n"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"one", "two"} <= set(re.findall(r"^(\w+) +: ok=", done.stdout, re.MULTILINE))


def test_terraform(repository: Path, check: Check, tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/inception.yml").write_text("inception_batch: [1, 25%, 100%]\n")
    done = check(outputs(repository, tmp_path, "wil"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_setting_of_a_program_is_named(repository: Path, check: Check, tmp_path: Path) -> None:
    done = check(program(repository, tmp_path, "one 203.0.113.10 wil\ntwo 203.0.113.11 Zoe\n"))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert re.search(r"two.*inception_login: 'Zoe'.*for example: wil", " ".join(said.split())), said


def test_a_bad_setting_of_terraform_is_named(repository: Path, check: Check, tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/inception.yml").write_text("inception_batch: [1, a quarter]\n")
    done = check(outputs(repository, tmp_path, "wil"))
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "group_vars/inception.yml:1): 'a quarter' is neither a number of hosts nor a share of them" in said, said


def test_a_list_that_cannot_be_read_is_no_empty_one(repository: Path, check: Check, tmp_path: Path) -> None:
    """Nothing was deployed to anybody, which no exit status of 0 may say."""
    inventory = outputs(repository, tmp_path, "wil")
    (tmp_path / "terraform-output.json").write_text(json.dumps({"servers": {"value": {"one": {"ansible_host": None}}}}))
    done = check(inventory)
    assert done.returncode != 0, done.stdout
    assert "one has no address; for example" in " ".join(done.stderr.split())
