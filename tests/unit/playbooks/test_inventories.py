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
import yaml
from ansible_collections.fortytwo.inception.tests.unit.playbooks.conftest import Play

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
def check(play: Play) -> Check:
    return lambda inventory: play("settings", inventory)


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


NOBODY = "all: {hosts: {web1: {ansible_connection: local, inception_login: wil}}}\n"
OTHERS = "inception: {hosts: {wil: {inception_login: wil}}}\nothers: {hosts: {web1: {ansible_connection: local}}}\n"
# The one that looks, and the one for whatever hosts the inventory has, which looks by itself.
LOOK = {"somebody.yml", "evaluate.yml"}


def test_every_playbook_of_a_group_looks_first_whether_somebody_is_in_it(repository: Path) -> None:
    folder, wrong = repository / "playbooks", []
    for path in sorted(set(folder.glob("*.yml")) - {folder / name for name in LOOK}):
        (first, *more), way = yaml.safe_load(path.read_text()), [path.name]
        while (imported := first.get("ansible.builtin.import_playbook", "somebody.yml")) != "somebody.yml":
            (first, *more), way = yaml.safe_load((folder / imported).read_text()), [*way, imported]
        # A word, or a template with some.
        hosts = [play["hosts"] for play in [first, *more] if "hosts" in play]
        # The group cluster_data is one of the nodes, which was looked for, where there is a cluster (data_nodes.yml).
        found = {name for words in hosts for name in re.findall(r"'(\w+)'", words) or [words]}
        groups = {name.replace("cluster_data", "cluster") for name in found - {"localhost"}}
        if "data_nodes.yml" in way:
            groups.add("inception")
        if groups and set((first.get("vars") or {}).get("somebody_groups", ["inception"])) != groups:
            wrong.append(path.name)
        if groups and "ansible.builtin.import_playbook" not in first:
            wrong.append(path.name)
    assert wrong == []


def run(repository: Path, collections_path: Path, folder: Path, name: str, *more: str) -> tuple[int, str]:
    """The status of a playbook, and what it said, in one line."""
    done = subprocess.run(
        ["ansible-playbook", "--inventory", str(folder / "hosts.yml"), f"playbooks/{name}.yml", *more],
        cwd=repository,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "INCEPTION_FAILURES_DIR": str(folder / "failures"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("name", ["backup", "destroy", "site", "ssh"])
def test_an_inventory_without_the_group_is_an_error(
    repository: Path, collections_path: Path, tmp_path: Path, name: str
) -> None:
    """It reads well, and nobody is in the group that the command is for: that does not end with a status of 0."""
    (tmp_path / "hosts.yml").write_text(NOBODY)
    code, said = run(repository, collections_path, tmp_path, name)
    group = {"destroy": "vms", "site": "inception"}.get(name, "inception or cluster")
    assert code != 0, said
    assert f"hosts.yml has no host in the group {group}, which this is for" in said, said
    assert f"for example: {group.split()[0]}: {{hosts:" in said, said


@pytest.mark.parametrize(("name", "code"), [("rollback", 2), ("cluster", 0), ("status", 0)])
def test_of_a_cluster_s_nodes_none_is_a_machine_of_its_own(
    repository: Path, collections_path: Path, tmp_path: Path, name: str, code: int
) -> None:
    """Who is for machines names what is for a cluster; those that are for it find its nodes."""
    login = "{inception_login: wil}"
    (tmp_path / "hosts.yml").write_text(f"cluster: {{hosts: {{one: {login}, two: {login}}}}}\n")
    found, said = run(repository, collections_path, tmp_path, name, "--list-hosts" if code == 0 else "--check")
    assert found == code, said
    told = "one, two: nodes of a cluster, where that is not a machine's own: Swarm goes back by itself"
    assert re.search(told if code else r"hosts \(2\): (one two|two one)", said), said


def test_an_inventory_without_a_host_is_one_too(repository: Path, collections_path: Path, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("inception: {}\n")
    code, said = run(repository, collections_path, tmp_path, "status")
    assert code != 0, said
    assert "has no host in the group inception or cluster" in said, said


def test_a_limit_that_leaves_nobody_of_the_group(repository: Path, collections_path: Path, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(OTHERS)
    code, said = run(repository, collections_path, tmp_path, "settings", "--limit", "web1")
    assert code != 0, said
    assert "of the group inception, which this is for, web1 leaves none; there are: wil" in said, said
    code, said = run(repository, collections_path, tmp_path, "settings", "--limit", "wil")
    assert code == 0, said


def test_servers_alone_need_no_virtual_machine(repository: Path, collections_path: Path, tmp_path: Path) -> None:
    """The playbook of everything goes on to them: it fails at the one that nobody can reach."""
    (tmp_path / "hosts.yml").write_text(
        "inception: {hosts: {wil: {inception_login: wil, ansible_host: 127.0.0.1, ansible_port: 1}}}\n"
    )
    code, said = run(repository, collections_path, tmp_path, "site")
    assert code != 0
    assert "has no host in the group" not in said, said
    assert "unreachable=1" in said, said
