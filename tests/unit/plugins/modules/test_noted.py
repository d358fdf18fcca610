# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster runs is written down on the node with the data: once for each that is another one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.action.deployment import ActionModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _backup, _history, _lease, _places, _running
from ansible_collections.fortytwo.inception.plugins.modules import deployment

FILES = [
    {"path": "srcs/.env", "content": "LOGIN_UID=1000\nLOGIN_GID=1000\nDATA_DIR=/home/wil/data\n"},
    {"path": "srcs/tools/start.sh", "content": "#!/bin/sh\n", "mode": "0755"},
    {"path": "srcs/icon", "content": "AAEC", "encoding": "base64"},
]
STACK = {"services": {"nginx": {"image": "nginx:1"}, "mariadb": {"image": "mariadb:1"}}, "secrets": {}}
SERVICES = [{"name": "mariadb", "volumes": [{"name": "mariadb"}]}]


class Node:
    """A run of the two halves, of which the connection is left out."""

    def __init__(self, folder: Path, run: Any) -> None:
        self.folder, self.run = folder, run
        self.history = _history.History(folder / _places.HISTORY)

    def note(self, stack: dict[str, Any], shared: list[str], *, files: bool = True, check: bool = False) -> Any:
        packed = ActionModule._packed(FILES, {"stack": stack})
        sent = [
            {"path": path, "mode": f"{one.mode:04o}", "content": base64.b64encode(one.data).decode()}
            for path, one in sorted(packed.items())
        ]
        told = {
            "state": "noted",
            "path": "/home/wil/inception",
            "manifest": "/var/lib/x.json",
            "services": SERVICES,
            "cluster": {"stack": stack, "shared_dir": "/shared", "shared": shared},
            "files_digest": _history.digest(packed),
            "root": str(self.folder),
            "run": "one:1:1",
            "who": "wil",
        }
        return self.run(deployment, {**told, **({"files": sent} if files else {})}, check=check)


@pytest.fixture
def node(tmp_path: Path, run_module: Any) -> Node:
    return Node(tmp_path, run_module)


def test_what_runs_is_known_from_then_on(node: Node) -> None:
    assert node.note(STACK, ["wordpress"])["changed"] is True
    stack = _backup.Stack.deployed(node.history)
    assert stack.images == {"mariadb": "mariadb:1", "nginx": "nginx:1"}
    assert stack.cluster["stack"] == STACK
    assert (stack.home("wordpress"), stack.home("mariadb")) == ("/shared", "/home/wil/data")
    files = node.history.files(1)
    assert files["srcs/icon"].data == b"\x00\x01\x02"
    assert files["srcs/tools/start.sh"].mode == 0o755
    assert files[_running.STACK_FILE].mode == 0o600


def test_the_same_again_is_nothing_new_and_needs_no_files(node: Node) -> None:
    node.note(STACK, [])
    assert node.note(STACK, [], files=False)["changed"] is False
    assert [one.number for one in node.history.entries()] == [1]


def test_another_one_is_asked_for_before_anything(node: Node) -> None:
    node.note(STACK, [])
    other = json.loads(json.dumps(STACK)) | {"services": {**STACK["services"], "nginx": {"image": "nginx:2"}}}
    assert node.note(other, [], files=False)["wants_files"] is True
    assert [one.number for one in node.history.entries()] == [1]
    assert node.note(other, [])["changed"] is True
    assert node.history.entries()[-1].changed == [f"files {_running.STACK_FILE}"]
    assert node.history.runs()["number"] == 2


def test_where_things_lie_is_brought_up_to_date(node: Node) -> None:
    """Where another version of this collection says it in other words."""
    node.note(STACK, [])
    assert node.note(STACK, ["wordpress"], files=False)["changed"] is False
    assert _backup.Stack.deployed(node.history).home("wordpress") == "/shared"


def test_check_mode_writes_nothing(node: Node) -> None:
    assert node.note(STACK, [], check=True)["changed"] is True
    assert node.history.entries() == []


def test_the_lease_is_given_back(node: Node) -> None:
    lease = _lease.Lease(node.folder / _places.LEASE)
    lease.take("one:1:1", "wil", "deployment")
    node.note(STACK, [])
    assert lease.holder() is None
