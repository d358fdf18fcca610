# SPDX-License-Identifier: GPL-3.0-or-later
"""make host: a login more in the folder of inventories, and nothing of the others touched."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AddHost = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def add_host(repository: Path, collections_path: Path, tmp_path: Path) -> AddHost:
    def run(**given: str) -> subprocess.CompletedProcess[str]:
        told = {
            "host_login": "",
            "host_address": "",
            "host_repo": "",
            **given,
            "host_inventory": str(tmp_path / "logins"),
        }
        return subprocess.run(
            ["ansible-playbook", "--inventory", "localhost,", "playbooks/host.yml", "-e", json.dumps(told)],
            cwd=repository,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def inventory(folder: Path) -> dict[str, Any]:
    listed = subprocess.run(
        ["ansible-inventory", "--inventory", str(folder), "--list"], capture_output=True, text=True, check=True
    )
    read: dict[str, Any] = json.loads(listed.stdout)
    return read


def test_hosts_are_added_and_never_overwritten(add_host: AddHost, tmp_path: Path) -> None:
    added = add_host(host_login="wil", host_address="203.0.113.10", host_repo="https://example.org/wil.git")
    assert added.returncode == 0, added.stdout
    for login in ("zoe", "ann"):
        assert add_host(host_login=login).returncode == 0
    found = inventory(tmp_path / "logins")
    variables = found["_meta"]["hostvars"]
    assert found["evaluated"]["hosts"] == ["ann", "wil", "zoe"]
    assert found["vms"]["hosts"] == ["ann", "zoe"]
    wil = variables["wil"]
    assert (wil["ansible_host"], wil["inception_login"]) == ("203.0.113.10", "wil")
    assert wil["evaluate_source"] == "https://example.org/wil.git"
    # A machine that somebody lent is neither cleaned out nor rebooted, nor is another's port taken.
    assert "evaluate_clean_out" not in wil
    assert variables["zoe"]["evaluate_clean_out"] is True
    assert variables["zoe"]["inception_vm_ssh_port"] != variables["ann"]["inception_vm_ssh_port"]

    before = (tmp_path / "logins/host_vars/wil.yml").read_text()
    again = add_host(host_login="wil", host_address="203.0.113.99")
    assert again.returncode != 0
    assert "LOGIN:" in again.stdout + again.stderr
    assert "is there already and stays as it is" in " ".join((again.stdout + again.stderr).split())
    assert (tmp_path / "logins/host_vars/wil.yml").read_text() == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"host_login": "Wil"}, "LOGIN: 'Wil' is no login"),
        ({"host_login": "wil", "host_address": "a b"}, "ADDRESS: 'a b' is no name and no address"),
    ],
)
def test_bad_input_is_told_before_anything_is_written(
    add_host: AddHost, tmp_path: Path, given: dict[str, str], told: str
) -> None:
    refused = add_host(**given)
    assert refused.returncode != 0
    assert told in " ".join((refused.stdout + refused.stderr).split())
    assert not (tmp_path / "logins").exists()
