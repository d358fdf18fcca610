# SPDX-License-Identifier: GPL-3.0-or-later
"""The role inception, called as a stranger would, on the controller alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings

# host: its settings, and the beginnings of the lines that it must get
HOSTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "good": ({"inception_login": "wil"}, []),
    "given": (
        {
            "inception_login": "wil",
            "inception_bonus_services": ["mine"],
            "inception_service_dirs": ["SERVICES"],
        },
        [],
    ),
    "missing": ({}, ["inception_login: is missing"]),
    "family": (
        {"inception_login": "wil", "inception_base_family": "suse"},
        ["inception_base_family: 'suse' is not one of debian, alpine"],
    ),
    "several": (
        {
            "inception_login": "wil",
            "inception_https_port": 22,
            "inception_user": "Wil",
            "inception_bonus_services": ["nope"],
            "inception_service_dirs": ["SERVICES"],
        },
        [
            "inception_https_port: 22 is the port of ssh",
            "inception_user: 'Wil' is the same as inception_admin_user",
            "inception_user_email: 'Wil@wil.42.fr' is the same as inception_admin_email",
            "inception_bonus_services: 'nope' is not a bonus service; available: ",
        ],
    ),
    "folder": (
        {"inception_login": "wil", "inception_service_dirs": ["/nowhere"]},
        ["inception_service_dirs: /nowhere is not a folder"],
    ),
    "forced": (
        {"inception_login": "wil", "inception_base_release": "trixie", "inception_base_release_forced": True},
        ["inception_base_release: 'trixie' is the newest stable release and is used because it is forced"],
    ),
}
PASSING = {"good", "given", "forced"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


@pytest.fixture
def outcome(base: Path, collections_path: Path) -> dict[str, Any]:
    """The results of one run with all hosts, from the JSON that it prints; it is made once."""
    report = base / "report.json"
    if not report.exists():
        _run(base, collections_path, report)
    result: dict[str, Any] = json.loads(report.read_text())
    return result


def _run(base: Path, collections_path: Path, report: Path) -> None:
    services = base / "services"
    (services / "mine").mkdir(parents=True)
    (services / "mine" / "service.yml").touch()
    hosts = {
        name: json.loads(json.dumps(settings).replace("SERVICES", str(services)))
        for name, (settings, _) in HOSTS.items()
    }
    (base / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "fortytwo.inception.inception", "tasks_from": "check.yml"}}],
    }
    (base / "play.yml").write_text(yaml.safe_dump([play]))
    (base / "ansible.cfg").touch()
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        "ANSIBLE_CONFIG": str(base / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_FORKS": "4",
    }
    finished = subprocess.run(
        ["ansible-playbook", "-i", "hosts.yml", "play.yml"],
        cwd=base,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.stdout.lstrip().startswith("{"), finished.stdout + finished.stderr
    report.write_text(finished.stdout)


def said(outcome: dict[str, Any], host: str) -> list[str]:
    results = [task["hosts"].get(host, {}) for play in outcome["plays"] for task in play["tasks"]]
    lines: list[str] = []
    for result in results:
        message = result.get("msg", "")
        lines += message if isinstance(message, list) else str(message).splitlines()
    return lines


@pytest.mark.parametrize("host", HOSTS)
def test_the_check(outcome: dict[str, Any], host: str) -> None:
    assert (outcome["stats"][host]["failures"] == 0) is (host in PASSING)
    assert outcome["stats"][host]["changed"] == 0
    lines = [line for line in said(outcome, host) if "inception_" in line]
    assert len(lines) == len(HOSTS[host][1]), lines
    for line, expected in zip(lines, HOSTS[host][1], strict=True):
        assert expected in line


def test_every_default_has_a_rule(repository: Path) -> None:
    defaults = yaml.safe_load((repository / "roles/inception/defaults/main.yml").read_text())
    assert {*defaults, "inception_login"} == {rule.setting for rule in _settings.RULES}
