# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts out of what Terraform wrote, as Ansible itself reads them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleParserError
from ansible_collections.fortytwo.inception.plugins.inventory.terraform import hosts

# As `terraform output -json` writes it.
OUTPUTS = {
    "password": {"sensitive": True, "type": "string", "value": "hunter2"},
    "servers": {
        "sensitive": False,
        "type": ["object", {}],
        "value": {
            "one": {"ansible_host": "2001:db8::1", "ansible_port": 2222, "inception_login": "wil"},
            "two": "203.0.113.10",
            "three": {"ansible_host": "203.0.113.11", "inception_title": "{{ lookup('pipe', 'id') }}"},
        },
    },
}


def unsafe(value: str) -> dict[str, str]:
    """As ansible-inventory lists what no template is looked for in."""
    return {"__ansible_unsafe": value}


def listed(collections: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible-inventory", *arguments],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ansible_reads_them(collections_path: Path, tmp_path: Path) -> None:
    (tmp_path / "terraform-output.json").write_text(json.dumps(OUTPUTS))
    (tmp_path / "servers.yml").write_text("plugin: fortytwo.inception.terraform\n")
    done = listed(collections_path, "--inventory", str(tmp_path / "servers.yml"), "--list")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["inception"]["hosts"] == ["one", "two", "three"]
    variables = found["_meta"]["hostvars"]
    assert variables["one"] == {
        "ansible_host": unsafe("2001:db8::1"),
        "ansible_port": 2222,
        "inception_login": unsafe("wil"),
    }
    assert variables["two"] == {"ansible_host": unsafe("203.0.113.10")}
    assert "hunter2" not in done.stdout


def test_what_comes_from_there_is_no_template(collections_path: Path, tmp_path: Path) -> None:
    (tmp_path / "terraform-output.json").write_text(json.dumps(OUTPUTS))
    (tmp_path / "servers.yml").write_text("plugin: fortytwo.inception.terraform\n")
    done = subprocess.run(
        [
            *("ansible", "three", "-c", "local", "-i", str(tmp_path / "servers.yml"), "-m", "debug"),
            *("-a", "msg={{ inception_title | length }}"),
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    length = len("{{ lookup('pipe', 'id') }}")
    assert f"msg: {length}\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "No such file or directory; for example: terraform output -json >"),
        ("Warning: No outputs found", "is no JSON"),
        ("{}", "has no output 'servers' (it has none)"),
        ('{"hosts": {"value": {}}}', "has no output 'servers' (it has hosts)"),
        ('{"servers": {"value": ["203.0.113.10"]}}', "is no map of hosts"),
        ('{"servers": {"value": {"one two": "203.0.113.10"}}}', "'one two' is no name of a host"),
        ('{"servers": {"value": {"one": {"inception_login": "wil"}}}}', "one has no address"),
        ('{"servers": {"value": {"one": {"ansible_host": null}}}}', "one has no address"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, written: str | None, said: str) -> None:
    file = tmp_path / "terraform-output.json"
    if written is not None:
        file.write_text(written)
    with pytest.raises(AnsibleParserError) as caught:
        hosts(str(file), "servers")
    assert said in str(caught.value)
    assert "for example: " in str(caught.value)
