# SPDX-License-Identifier: GPL-3.0-or-later
"""make ssh, db, wp and logs reach the host by the way that Ansible goes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Way = Callable[..., str]


@pytest.fixture
def way(repository: Path, collections_path: Path, tmp_path: Path) -> Way:
    """How ssh is called, by the host's variables and Ansible's environment."""

    def read(host: str, **environment: str) -> str:
        (tmp_path / "hosts.ini").write_text(f"[inception]\nwil inception_login=wil {host}\n")
        subprocess.run(
            [
                "ansible-playbook",
                "--inventory",
                tmp_path / "hosts.ini",
                "-e",
                f"ssh_script='{tmp_path}/ssh.sh'",
                "playbooks/ssh.yml",
            ],
            cwd=repository,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "HOME": str(tmp_path), **environment},
            capture_output=True,
            check=True,
        )
        found = re.search(r"(?m)^ +exec ssh .*LogLevel=ERROR (.*) \"\$line\"$", (tmp_path / "ssh.sh").read_text())
        assert found
        return found[1]

    return read


def test_the_hosts_variables_come_first(way: Way, tmp_path: Path) -> None:
    host = "ansible_host=203.0.113.10 ansible_user=op ansible_port=2222 ansible_ssh_common_args='-J jump'"
    told = {"ANSIBLE_SSH_COMMON_ARGS": "-J other", "ANSIBLE_REMOTE_USER": "other", "ANSIBLE_REMOTE_PORT": "1"}
    assert way(f"{host} ansible_ssh_private_key_file='~/my key'", **told) == (
        f"-J jump -i '{tmp_path}/my key' -p 2222 op@203.0.113.10"
    )
    assert way("") == "-p 22 wil"


def test_what_ansible_is_configured_with_holds_too(way: Way, tmp_path: Path) -> None:
    """make deploy goes by it, and a jump host or a key that stands there is none of the inventory's."""
    told = {"ANSIBLE_SSH_COMMON_ARGS": "-J jump", "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_REMOTE_USER": "op"}
    assert way("", **told, ANSIBLE_PRIVATE_KEY_FILE="/k", ANSIBLE_REMOTE_PORT="2222") == (
        "-J jump -o StrictHostKeyChecking=no -i /k -p 2222 op@wil"
    )
