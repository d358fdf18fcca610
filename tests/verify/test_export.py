# SPDX-License-Identifier: GPL-3.0-or-later
"""The project as make export brings it to the control node."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.verify.support import PATIENCE, ROOT, Secret, Stack


@pytest.fixture(scope="module")
def exported(host: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder."""
    folder = tmp_path_factory.mktemp("export") / "project"
    command = ["ansible-playbook", "playbooks/export.yml", "--extra-vars", f"export_dir={folder}"]
    command += ["--inventory", request.config.getoption("ansible_inventory"), "--limit", host.backend.host]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.rule("LAY-1", "LAY-2", "LAY-5")
def test_export_is_the_project(exported: Path, stack: Stack) -> None:
    """Every file of the machine's project is in it, with the same content, and it is a repository."""
    files = {
        str(path.relative_to(exported)): path.read_bytes()
        for path in exported.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(exported).parts
    }
    assert files == stack.files()
    assert (exported / ".git").is_dir()


@pytest.mark.rule("LAY-3", "LAY-4")
def test_export_has_no_secret(exported: Path, secrets: dict[str, Secret]) -> None:
    """Neither the folder of the secrets nor a value of one came along."""
    assert secrets
    assert not (exported / "secrets").exists()
    content = b"".join(path.read_bytes() for path in exported.rglob("*") if path.is_file())
    for name, value in secrets.items():
        assert value.encode() not in content, f"the value of {name} is in the export"
