# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's output with the callback: a failure in few lines, and all of it in a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.callback import screen as callback

BIN = Path(sys.executable).parent

PLAY = r"""
- hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Talk much
      ansible.builtin.command:
        argv: [sh, -c, "seq 1 3000; echo E: Unable to locate package ngnix >&2; exit 3"]
      ignore_errors: true
    - name: Be dealt with
      block:
        - name: Fail in a block
          ansible.builtin.fail: {msg: "first line\nsecond line"}
      rescue:
        - name: Go on
          ansible.builtin.debug: {msg: rescued}
    - name: Keep quiet
      ansible.builtin.command: "ls /hidden-value"
      no_log: true
      ignore_errors: true
    - name: Check a setting
      ansible.builtin.assert: {that: false, quiet: true, fail_msg: "inception_x: 'a' is no number; for example: 3"}
      ignore_errors: true
    - name: Try each
      ansible.builtin.command: "ls /{{ item }}"
      loop: [tmp, not-there]
      ignore_errors: true
    - name: Lack a variable
      ansible.builtin.debug: {msg: "{{ not_there }}"}
      ignore_errors: true
- hosts: gone
  gather_facts: false
  tasks:
    - name: Reach it
      ansible.builtin.ping:
      ignore_unreachable: true
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Fail in a rescue
      block:
        - name: Fail first
          ansible.builtin.fail: {msg: one}
      rescue:
        - name: Fail again
          ansible.builtin.fail: {msg: two}
"""


def collection_folder(folder: Path) -> Path:
    """This checkout as a collection, whatever is installed beside it."""
    place = folder / "ansible_collections/fortytwo"
    place.mkdir(parents=True)
    (place / "inception").symlink_to(Path(__file__).resolve().parents[4])
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("screen")
    (folder / "play.yml").write_text(PLAY)
    (folder / "ansible.cfg").write_text("")
    (folder / "hosts").write_text("gone ansible_host=127.0.0.1 ansible_port=1\n")
    done = subprocess.run(
        [BIN / "ansible-playbook", "--inventory", folder / "hosts", folder / "play.yml"],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collection_folder(folder)),
            "ANSIBLE_STDOUT_CALLBACK": "fortytwo.inception.screen",
            "ANSIBLE_NOCOLOR": "1",
            "INCEPTION_FAILURES_DIR": str(folder / "failures"),
        },
    )
    assert done.returncode != 0, done.stdout + done.stderr
    return done.stdout + done.stderr, folder / "failures"


def part(output: str, name: str) -> str:
    """What was printed for a task."""
    found = re.search(rf"TASK \[{name}\] \*+\n(.*?)\n\n", output, re.DOTALL)
    assert found, output
    return found[1]


def test_a_failure_is_short_and_says_what_is_likely(ran: tuple[str, Path]) -> None:
    told = part(ran[0], "Talk much")
    assert len(told.splitlines()) <= 12
    assert "  E: Unable to locate package ngnix" in told
    assert "Likely: there is no package ngnix" in told
    assert "...ignoring" in told


def test_all_of_it_is_in_a_file_for_oneself(ran: tuple[str, Path]) -> None:
    output, folder = ran
    found = re.search(r"All of it: (\S+)", part(output, "Talk much"))
    assert found
    file = Path(found[1])
    assert file.parent == folder
    assert "2999" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_failure_that_is_dealt_with_is_a_line(ran: tuple[str, Path]) -> None:
    assert part(ran[0], "Fail in a block") == "failed, and dealt with below: [localhost]: first line"
    assert "dealt with" not in part(ran[0], "Fail again")


def test_what_is_not_logged_is_not_told(ran: tuple[str, Path]) -> None:
    output, folder = ran
    assert "hidden-value" not in output
    assert "hidden-value" not in "".join(file.read_text() for file in folder.iterdir())
    assert "output has been hidden" in part(output, "Keep quiet")


def test_a_setting_is_named_and_nothing_else(ran: tuple[str, Path]) -> None:
    lines = part(ran[0], "Check a setting").splitlines()
    assert lines[1:] == ["inception_x: 'a' is no number; for example: 3", "...ignoring"]


def test_the_item_is_named(ran: tuple[str, Path]) -> None:
    told = part(ran[0], "Try each")
    assert "(not-there)" in told
    assert "One or more items failed" not in told


def test_a_mistake_in_a_task_names_its_line(ran: tuple[str, Path]) -> None:
    told = part(ran[0], "Lack a variable")
    assert "'not_there' is undefined" in told
    assert re.search(r"play\.yml:\d+", told)


def test_a_host_that_is_not_reached_says_what_to_try(ran: tuple[str, Path]) -> None:
    told = part(ran[0], "Reach it")
    assert told.startswith("unreachable: [gone] Reach it")
    assert "Next:   try `ssh -p 1 127.0.0.1`" in told


@pytest.mark.parametrize(
    "result",
    [
        {"msg": "short", "rc": 1},
        {"msg": ["ünï", {"a": 1}], "stdout": None},
        {"msg": "x" * 10_000_000},
        {"stdout": "line é\n" * 300_000},
        {"msg": "caf\udce9"},
        {"msg": "a\0b\x1b[2J\u2028"},
        {"deep": {"deep": {"deep": [[[1.5, True, None]]]}}},
    ],
)
def test_the_file_has_all_of_any_result_at_once(result: dict[str, object], tmp_path: Path) -> None:
    begun = time.process_time()
    name = callback.Files(str(tmp_path)).keep("wil", "Try", result)
    callback.composed("failed", result)
    assert time.process_time() - begun < 4
    content = Path(name).read_text()
    assert "wil" in content
    read = json.loads(content) if content.startswith("{") else yaml.load(content, yaml.CSafeLoader)
    assert read["result"] == result


def test_a_message_of_several_lines_may_be_a_list() -> None:
    failure = callback.composed("failed", {"msg": ["one", "two", 3]})
    assert failure.parts[0] == ("It says", ["one", "two", "3"])


@pytest.mark.parametrize(
    ("typed", "told"),
    [("make", "`make up` starts it"), ("", "`ansible-playbook fortytwo.inception.site` starts it")],
)
def test_what_to_do_is_said_as_it_is_typed(monkeypatch: pytest.MonkeyPatch, typed: str, told: str) -> None:
    monkeypatch.setenv("INCEPTION_COMMAND", typed)
    failure = callback.composed("Connect", {"msg": "ssh: connect to host 192.0.2.1 port 22: Connection refused"})
    assert failure.cause is not None
    assert told in failure.cause.todo
    assert "try `ssh -p 22 192.0.2.1`" in failure.cause.todo
