# SPDX-License-Identifier: GPL-3.0-or-later
"""make host: a login more in the folder of inventories, and nothing of the others touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def unsafe(value: str) -> dict[str, str]:
    """As ansible-inventory lists what no template is looked for in."""
    return {"__ansible_unsafe": value}


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
    assert wil["evaluate_source"] == unsafe("https://example.org/wil.git")
    # Whoever has root there would use the agent of who evaluates.
    assert all(one["ansible_ssh_extra_args"] == "-o ForwardAgent=no" for one in variables.values())
    # A machine that somebody lent is neither cleaned out nor rebooted, nor is another's port taken.
    assert "evaluate_clean_out" not in wil
    assert variables["zoe"]["evaluate_clean_out"] is True
    assert variables["zoe"]["vm_isolation"] == "required"
    assert variables["zoe"]["inception_vm_ssh_port"] != variables["ann"]["inception_vm_ssh_port"]

    before = (tmp_path / "logins/host_vars/wil.yml").read_text()
    again = add_host(host_login="wil", host_address="203.0.113.99")
    assert again.returncode != 0
    assert "LOGIN (host_login):" in again.stdout + again.stderr
    assert "is there already and stays as it is" in " ".join((again.stdout + again.stderr).split())
    assert (tmp_path / "logins/host_vars/wil.yml").read_text() == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"host_login": "Wil"}, "LOGIN (host_login): 'Wil' is no login"),
        ({"host_login": "wil", "host_address": "a b"}, "ADDRESS (host_address): 'a b' is no name and no address"),
        ({"host_login": "wil", "host_repo": "--upload-pack=x"}, "REPO (host_repo): '--upload-pack=x' is no URL"),
        ({"host_login": "wil\n"}, "LOGIN (host_login):"),
    ],
)
def test_bad_input_is_told_before_anything_is_written(
    add_host: AddHost, tmp_path: Path, given: dict[str, str], told: str
) -> None:
    refused = add_host(**given)
    assert refused.returncode != 0
    assert told in " ".join((refused.stdout + refused.stderr).split())
    assert not (tmp_path / "logins").exists()


@pytest.mark.parametrize("name", ["host_login", "host_address", "host_repo"])
def test_what_ansible_is_given_is_no_template(add_host: AddHost, tmp_path: Path, name: str) -> None:
    """A value of -e is one to Ansible, and a stranger's address may be written by the stranger."""
    planted = tmp_path / "planted"
    hostile = f"https://example.org/{{{{ lookup('pipe', 'touch {planted}') }}}}.git"
    done = add_host(**{"host_login": "wil", "host_address": "203.0.113.10", name: hostile})
    assert not planted.exists()
    if name != "host_repo":
        assert f"({name}): '{hostile}'" in " ".join((done.stdout + done.stderr).split())
        return
    assert done.returncode == 0, done.stdout
    assert inventory(tmp_path / "logins")["_meta"]["hostvars"]["wil"]["evaluate_source"] == unsafe(hostile)


def test_what_make_is_given_is_neither_template_nor_word(
    collections_path: Path, repository: Path, tmp_path: Path
) -> None:
    """From the command line of make through the playbook into the inventory, and out of it as it was."""
    planted = tmp_path / "planted"
    touch = f"touch {planted}"
    repo = f"https://example.org/$(shell {touch})`{touch}`'\"; {touch}; {{{{ lookup('pipe', '{touch}') }}}} \u00fc.git"
    checkout = _checkout(tmp_path / "ein Ordner \u00f6, 'new'" / ("x" * 100), repository)
    done = subprocess.run(
        ["make", "host", "LOGIN=wil", f"REPO={repo}"],
        cwd=checkout,
        # Ansible wants another locale than this one.
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert inventory(checkout / "evaluated")["_meta"]["hostvars"]["wil"]["evaluate_source"] == unsafe(repo)
    assert not planted.exists()


def _checkout(folder: Path, repository: Path) -> Path:
    """A folder that make is called in, so that nothing is written into this one."""
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", ".config", "playbooks", "inventory", "requirements.txt", "ansible.cfg"):
        (folder / name).symlink_to(repository / name)
    (folder / ".venv/ready").touch()
    (folder / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / ".venv/bin/python").chmod(0o755)
    return folder


def test_a_path_that_ansible_would_read_otherwise_is_refused(repository: Path, tmp_path: Path) -> None:
    refused = subprocess.run(
        ["make", "deploy"], cwd=_checkout(tmp_path / "a$HOME", repository), capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "has a dollar sign in it" in refused.stderr
