# SPDX-License-Identifier: GPL-3.0-or-later
"""The node with the data is found where others are away: by the play. Its words: tests/unit/roles/test_data_node.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.unit.playbooks.conftest import Play

# What the engine of a manager says; of others there is none.
DOCKER = """#!/bin/sh
case "$1 $2" in
    'info --format') echo true ;;
    'node ls') echo abc ;;
    'node inspect') echo '[{"Spec": {"Labels": {"inception_node": "one"}}}]' ;;
    *) exit 2 ;;
esac
"""
HERE = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
# Nobody listens there.
AWAY = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_ssh_common_args": "-o ConnectTimeout=5"}

Find = Callable[[dict[str, dict[str, object]]], subprocess.CompletedProcess[str]]


@pytest.fixture
def find(play: Play, tmp_path: Path) -> Find:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)

    def run(hosts: dict[str, dict[str, object]]) -> subprocess.CompletedProcess[str]:
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(json.dumps({"all": {"children": {"cluster": {"hosts": hosts}}}}))
        return play("data_nodes", inventory, {"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return run


def test_a_node_that_cannot_be_reached_is_no_reason_to_stop(find: Find) -> None:
    """Seen on three nodes: one hung, and no backup could be made."""
    done = find({"one": HERE, "three": AWAY})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unreachable: [three]" in done.stdout + done.stderr
    assert "Go on with the node with the data" in done.stdout


def test_the_one_with_the_data_is(find: Find) -> None:
    done = find({"one": AWAY, "three": HERE})
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "one has the database, the secrets and the backups of the cluster, and cannot be reached" in said
