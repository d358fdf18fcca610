# SPDX-License-Identifier: GPL-3.0-or-later
"""The role inception, called as a stranger would, on the control node alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_rules as rules

from tests.unit import refusals

SERVICE = "about: mine\nenv: {MINE_SIZE: 1, MINE_PORT: 7000}\nports:\n  - published: MINE_PORT\n"

LOGIN = {"inception_login": "wil"}
# host: its variables, and the lines that it must get, by their beginnings
HOSTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "good": (LOGIN, []),
    "given": ({**LOGIN, "inception_bonus_services": ["mine"], "inception_service_dirs": ["SERVICES"]}, []),
    "strings": (
        {**LOGIN, "inception_ftp_plain": "{{ 1 == 1 }}", "host_firewall": "no", "stack_page_cache": "true"},
        [],
    ),
    "stranger": (
        {**LOGIN, "docker_users": [1], "host_ip": "::1", "stack_name": "x", "vm_id": 4, "other": "{{ nope }}"},
        [],
    ),
    "later": (
        {**LOGIN, "host_clock": "{{ ansible_facts['x'] }}", "host_authorized_keys": "{{ lookup('file', '/no') }}"},
        [],
    ),
    "missing": ({}, ["inception_login: is missing"]),
    "misspelt-login": (
        {"inception_logn": "wil"},
        [
            "inception_logn (hosts.yml:LINE): unknown setting; did you mean inception_login?",
            "inception_login: is missing",
        ],
    ),
    "family": (
        {**LOGIN, "inception_base_family": "suse"},
        ["inception_base_family (hosts.yml:LINE): 'suse' is not one of debian, alpine"],
    ),
    "undefined": (
        {**LOGIN, "inception_title": "{{ my_title }}"},
        ["inception_title (hosts.yml:LINE): cannot be evaluated: "],
    ),
    "several": (
        {
            **LOGIN,
            "inception_https_port": 22,
            "inception_user": "Wil",
            "inception_bonus_services": ["nope"],
            "inception_service_dirs": ["SERVICES"],
            "inception_htps_port": 443,
            "host_open_ports": [99999],
            "stack_pagecache": True,
        },
        [
            "inception_htps_port (hosts.yml:LINE): unknown setting; did you mean inception_https_port?",
            "stack_pagecache (hosts.yml:LINE): unknown setting; did you mean stack_page_cache?",
            "inception_https_port (hosts.yml:LINE): 22 is the port of ssh",
            "inception_user (hosts.yml:LINE): 'Wil' is the same as inception_admin_user",
            "inception_user_email: 'Wil@wil.42.fr' is the same as inception_admin_email",
            "inception_bonus_services (hosts.yml:LINE): 'nope' is not a bonus service; available: ",
            "host_open_ports (hosts.yml:LINE): 99999 is more than 65535",
        ],
    ),
    "folder": (
        {**LOGIN, "inception_service_dirs": ["/nowhere"], "inception_bonus_services": ["mine"]},
        ["inception_service_dirs (hosts.yml:LINE): '/nowhere' is not a folder of the control node"],
    ),
    "described": (
        {**LOGIN, "inception_bonus_services": ["wrong"], "inception_service_dirs": ["SERVICES"]},
        ["/wrong/service.yml:2: unknown key 'netwroks'; did you mean 'networks'?"],
    ),
    "env": (
        {
            **LOGIN,
            "inception_bonus_services": ["mine"],
            "inception_service_dirs": ["SERVICES"],
            "stack_env": {"MINE_SIZE": 5, "MARIADB_PORT": 3307, "HTTPS_PORT": 8443, "MARIADB_PROT": 1, "MINE_PORT": 7},
        },
        [
            "stack_env: HTTPS_PORT comes from inception_https_port; set that",
            "stack_env: no service of this stack has 'MARIADB_PROT'; did you mean 'MARIADB_PORT'?",
        ],
    ),
    "twin": (
        {**LOGIN, "inception_vm_https_port": 8555},
        ["inception_vm_ssh_port: twin wants the port 2222 of the control node, and so does elder"],
    ),
}
# Virtual machines; elder is not in the play.
MACHINES = {"elder": LOGIN, "twin": HOSTS["twin"][0]}
FORCED = {**LOGIN, "inception_base_release": "trixie", "inception_base_release_forced": True}


def play(base: Path, collections_path: Path, hosts: dict[str, dict[str, Any]], *arguments: str) -> str:
    """What ansible-playbook prints of one run of the check: its results as JSON."""
    services = base / "services"
    (services / "mine").mkdir(parents=True, exist_ok=True)
    (services / "mine" / "service.yml").write_text(SERVICE)
    (services / "mine" / "Dockerfile").touch()
    (services / "mine" / "compose.yml").write_text("    tmpfs: [/tmp]\n")
    (services / "wrong").mkdir(exist_ok=True)
    (services / "wrong" / "service.yml").write_text("about: wrong\nnetwroks: [backend]\n")
    written = json.loads(json.dumps(hosts).replace("SERVICES", str(services)))
    inventory = {
        "all": {"hosts": written, "children": {"vms": {"hosts": {name: {} for name in MACHINES if name in hosts}}}}
    }
    (base / "hosts.yml").write_text(yaml.safe_dump(inventory, width=1000))
    role = {"name": "fortytwo.inception.inception", "tasks_from": "check.yml"}
    tasks = [{"ansible.builtin.import_role": role}]
    (base / "play.yml").write_text(
        yaml.safe_dump([{"hosts": "all:!elder", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}])
    )
    (base / "ansible.cfg").touch()
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        "ANSIBLE_CONFIG": str(base / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_FORKS": "4",
        "COLUMNS": "1000",
    }
    finished = subprocess.run(
        ["ansible-playbook", "-i", "hosts.yml", "play.yml", *arguments],
        cwd=base,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.stdout.lstrip().startswith("{"), finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


@pytest.fixture
def outcome(base: Path, collections_path: Path) -> dict[str, Any]:
    """The results of one run with all hosts; it is made once."""
    saved = base / "report.json"
    if not saved.exists():
        hosts = {name: variables for name, (variables, _) in HOSTS.items()} | MACHINES
        saved.write_text(play(base, collections_path, hosts))
    result: dict[str, Any] = json.loads(saved.read_text())
    return result


def results(outcome: dict[str, Any], host: str) -> list[dict[str, Any]]:
    return [task["hosts"].get(host, {}) for one in outcome["plays"] for task in one["tasks"]]


@pytest.mark.parametrize("host", HOSTS)
def test_the_check(outcome: dict[str, Any], host: str, base: Path) -> None:
    (lines,) = [result["problems"] for result in results(outcome, host) if "problems" in result]
    assert len(lines) == len(HOSTS[host][1]), lines
    written = (base / "hosts.yml").read_text().splitlines()
    for line, expected in zip(lines, HOSTS[host][1], strict=True):
        beginning, marked, rest = expected.partition("LINE")
        assert beginning in line
        if marked:
            number, _, after = line.partition("hosts.yml:")[2].partition(")")
            assert f"){after}".startswith(rest)
            # A list begins in the line below its name.
            assert expected.split()[0] in "".join(written[int(number) - 2 : int(number)])


def test_one_report_of_all_hosts(outcome: dict[str, Any]) -> None:
    failed = [result["msg"] for host in HOSTS for result in results(outcome, host) if result.get("failed")]
    (message,) = set(failed)
    lines = message.splitlines()
    expected = sum(len(lines) for _, lines in HOSTS.values())
    # Two have no login, for which there is one line.
    assert len(lines) == expected - 1
    assert any(line.startswith("missing, misspelt-login: inception_login: is missing") for line in lines)
    assert not any(outcome["stats"][host]["changed"] for host in HOSTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ""),
        (["-e", "inception_ftp_plain=true", "-e", "inception_yes=true", "-e", "rotate_secrets=db_password"], ""),
        (["-e", "stack_page_cache=false", "-e", "inception_https_port=8443"], ""),
        (["-e", "host_firewal=false"], "host_firewal (-e): unknown setting; did you mean host_firewall?"),
        (["-e", "rotate_secret=db_password"], "rotate_secret (-e): unknown setting; did you mean rotate_secrets?"),
        (
            ["-e", "host_open_ports=8080"],
            "host_open_ports (-e): '8080' is not a list; for example: -e '{host_open_ports: [8080, 51820/udp]}'",
        ),
        (
            ["-e", 'inception_bonus_services=["redis"]'],
            "inception_bonus_services (-e): '[\"redis\"]' is not a list of names; for example: "
            "-e '{inception_bonus_services: [redis, mail]}'",
        ),
        (["-e", "{inception_bonus_services: [redis, mail]}"], ""),
        (
            ["-e", '{"inception_https_port": 443.5}'],
            "inception_https_port (-e): 443.5 is not a whole number; for example: 443",
        ),
        (
            ["-e", '{"inception_title": "a\\nb"}'],
            "inception_title (-e): 'a?b' has a line break or another control character; for example: Inception",
        ),
        (
            ["-e", '{"inception_login": null}'],
            "inception_login (hosts.yml:9): is missing; it is the login of the project's owner and has no default; "
            "for example: wil",
        ),
    ],
)
def test_from_the_command_line(tmp_path: Path, collections_path: Path, arguments: list[str], said: str) -> None:
    printed = play(tmp_path, collections_path, {"wil": FORCED}, *arguments)
    failed = [result["msg"] for result in results(json.loads(printed), "wil") if result.get("failed")]
    assert failed == ([said] if said else [])
    assert "'trixie' is the newest stable release and is used because it is forced" in printed


def test_a_sample_of_all_that_is_wrong(tmp_path: Path, collections_path: Path) -> None:
    """Each fiftieth of what refusals.py makes, as a host of its own: all are refused at once, and nothing is done."""
    sample = [*refusals.values(), *refusals.misspelt_names()][::50]
    hosts = {f"h{number}": {**refusals.BESIDE, case.name: case.value} for number, case in enumerate(sample)}
    outcome = json.loads(play(tmp_path, collections_path, hosts))
    for number, case in enumerate(sample):
        (lines,) = [one["problems"] for one in results(outcome, f"h{number}") if "problems" in one]
        assert not refusals.Case(case.kind, case.name, case.value, tuple(lines)).problem(), case
    stats = outcome["stats"].values()
    assert any(one["failures"] for one in stats)
    assert not any(one["changed"] for one in stats)


def test_every_default_has_a_rule(repository: Path) -> None:
    defaults = yaml.safe_load((repository / "roles/inception/defaults/main.yml").read_text())
    shared = {rule.setting for rule in rules.RULES if rule.setting.startswith("inception_")}
    assert {*defaults, "inception_login"} == shared
