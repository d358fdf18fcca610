# SPDX-License-Identifier: GPL-3.0-or-later
"""make cloud-init: what a new server is told for its first minute."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIAwhQmZY05pPLdyAFr7GVRmXY3k2BRIDpHF8fLLvwl8 wil: "at" home'
Write = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def write(repository: Path, collections_path: Path, tmp_path: Path) -> Write:
    (tmp_path / "id.pub").write_text(f"{KEY}\n")

    def run(**given: str) -> subprocess.CompletedProcess[str]:
        told = {"cloud_init_key": f"{tmp_path}/id.pub", "cloud_init_file": f"{tmp_path}/made.yml", **given}
        return subprocess.run(
            ["ansible-playbook", "--inventory", "localhost,", "playbooks/cloud_init.yml"]
            + [word for name, value in told.items() for word in ("-e", f"{name}='{value}'")],
            cwd=repository,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_user_who_comes_in_by_key(write: Write, tmp_path: Path) -> None:
    done = write(cloud_init_user="wil")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "made.yml").read_text()
    assert text.startswith("#cloud-config\n")
    made = yaml.safe_load(text)
    (user,) = made["users"]
    assert (user["name"], user["ssh_authorized_keys"], user["passwd"]) == ("wil", [KEY], "*")
    assert made["ssh_pwauth"] is False
    assert made["packages"] == ["python3", "sudo"]
    assert "write_files" not in made


def test_sshd_at_another_port(write: Write, tmp_path: Path) -> None:
    done = write(cloud_init_ssh_port="2222")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ansible_port: 2222" in done.stdout
    made = yaml.safe_load((tmp_path / "made.yml").read_text())
    assert made["users"][0]["name"] == "deploy"
    assert made["write_files"][0]["content"] == "Port 2222\n"
    assert made["runcmd"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cloud_init_user": "root"}, "LOGIN (cloud_init_user): 'root'"),
        ({"cloud_init_user": "Wil"}, "LOGIN (cloud_init_user): 'Wil'"),
        ({"cloud_init_user": "{{ 7 * 6 }}"}, "LOGIN (cloud_init_user): '{{ 7 * 6 }}'"),
        ({"cloud_init_key": "/nowhere.pub"}, "KEY (cloud_init_key): /nowhere.pub holds no public key"),
        ({"cloud_init_key": "/etc/hostname"}, "KEY (cloud_init_key): /etc/hostname holds no public key"),
        ({"cloud_init_key": ""}, "KEY (cloud_init_key): ~/.ssh/id_ed25519.pub holds no public key"),
        ({"cloud_init_ssh_port": "443"}, "cloud_init_ssh_port: '443'"),
        ({"cloud_init_ssh_port": "70000"}, "cloud_init_ssh_port: '70000'"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(
    write: Write, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    done = write(**given)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert "for example: " in done.stdout + done.stderr
    assert not (tmp_path / "made.yml").exists()
