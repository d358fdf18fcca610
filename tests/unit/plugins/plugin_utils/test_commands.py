# SPDX-License-Identifier: GPL-3.0-or-later
"""Hints name what the user of this run can type."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _commands

MAKE = {"INCEPTION_COMMAND": "make", "INCEPTION_INVENTORY": "inventory/hosts.yml"}
INSTALLED = {"XDG_STATE_HOME": "/home/wil/my state"}


@pytest.mark.parametrize(
    ("name", "given", "environment", "typed"),
    [
        ("rotate", {}, MAKE, "make rotate"),
        ("site", {"limit": "wil"}, MAKE, "make up LIMIT=wil"),
        (
            "deploy",
            {"inventory": ["/x/hosts.yml"]},
            {**MAKE, "INCEPTION_INVENTORY": "my hosts.yml"},
            "make deploy INVENTORY='my hosts.yml'",
        ),
        ("remove", {"extra_vars": "inception_yes=true"}, MAKE, "make remove ARGS='-e inception_yes=true'"),
        ("credentials", {"limit": "wil"}, MAKE, "make credentials LIMIT=wil"),
        ("rotate", {}, INSTALLED, "ansible-playbook fortytwo.inception.rotate"),
        (
            "remove",
            {"inventory": ["/my/hosts.yml", "a,b"], "limit": "wil", "extra_vars": "inception_yes=true"},
            INSTALLED,
            "ansible-playbook fortytwo.inception.remove -i /my/hosts.yml -i a,b --limit wil -e inception_yes=true",
        ),
        (
            "credentials",
            {"inventory": ["/a b"], "limit": "wil"},
            INSTALLED,
            "ansible-playbook fortytwo.inception.ssh -i '/a b' --limit wil"
            " && sh '/home/wil/my state/fortytwo.inception/ssh/wil.sh'"
            " make --no-print-directory -C inception credentials",
        ),
        ("ssh", {}, INSTALLED, "ansible-playbook fortytwo.inception.ssh && sh the script that it names"),
    ],
)
def test_command(name: str, given: dict[str, Any], environment: dict[str, str], typed: str) -> None:
    assert _commands.command(name, **given, environment=environment) == typed


def test_every_playbook_can_be_typed(repository: Path) -> None:
    """As a target of the Makefile."""
    targets = {line.split(":")[0] for line in (repository / "Makefile").read_text().splitlines() if ": " in line}
    for playbook in (
        "site",
        "deploy",
        "evaluate",
        "export",
        "rotate",
        "ssh",
        "status",
        "remove",
        "down",
        "destroy",
        "credentials",
    ):
        assert shlex.split(_commands.command(playbook, environment=MAKE))[1] in targets


def test_the_script_is_where_the_playbook_writes_it(repository: Path) -> None:
    [_look, play] = yaml.safe_load((repository / "playbooks/ssh.yml").read_text())
    assert (
        "'XDG_STATE_HOME') | default('~/.local/state', true) }}/fortytwo.inception/ssh/{{ inventory_hostname }}.sh"
        in play["vars"]["ssh_script"]
    )
    assert _commands.ssh_script("wil", INSTALLED) == "/home/wil/my state/fortytwo.inception/ssh/wil.sh"


@pytest.mark.parametrize(
    ("given", "inventory", "limit"),
    [
        ([], "inventory/hosts.yml", ""),
        (["INVENTORY="], "inventory/hosts.yml", ""),
        (["INVENTORY=it's my $HOME.yml", "LIMIT=$(shell touch pwned)"], "it's my $HOME.yml", "$(shell touch pwned)"),
    ],
)
def test_make_hands_on_what_was_written(
    repository: Path, tmp_path: Path, given: list[str], inventory: str, limit: str
) -> None:
    """Neither make nor the shell reads it, and nothing is the default again: not every file of the folder."""
    (tmp_path / "probe.mk").write_text('probe:\n\t@printf "%s\\n" "$$INCEPTION_INVENTORY" "$$INCEPTION_LIMIT"\n')
    # The tests may have been called by make, whose flags and variables are not this one's.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "INCEPTION_")) and name not in ("INVENTORY", "LIMIT")
    }
    told = subprocess.run(
        ["make", "-f", repository / "Makefile", "-f", "probe.mk", "probe", *given],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert told.stdout.splitlines() == [inventory, limit]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probe.mk"]
