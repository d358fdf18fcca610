# SPDX-License-Identifier: GPL-3.0-or-later
"""The readers that the tests of a machine judge with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.verify.support import Dockerfile, Secret, Stack, endless, is_tagged, leaks, read_settings

MINIMUM = {"inception_login": "wil", "ansible_host": "127.0.0.1"}


@pytest.mark.parametrize(
    "line",
    [
        "tail -f /dev/null",
        "tail -n 0 -F log",
        "sleep infinity",
        "while true; do sleep 1; done",
        "while :; do sleep 1; done",
        "until false; do :; done",
        "for ((;;)); do :; done",
        "mariadbd &",
        "mariadbd & pid=$!",
        "mariadbd --skip-networking &  # for a moment",
        "(php-fpm &)",
        "nohup nginx",
        "mysqld_safe --datadir=/x",
        "service mariadb start",
        "nginx -g daemon on;",
    ],
)
def test_endless_is_found(line: str) -> None:
    assert len(endless(f"#!/bin/sh\n{line}\n")) == 1


@pytest.mark.parametrize(
    "line",
    [
        "exec nginx -g 'daemon off;'",
        "mkdir a && mkdir b",
        "mkdir a >/dev/null 2>&1",
        "mkdir a &>/dev/null",
        "# mariadbd & would be wrong; so would tail -f",
        "sed 's/&/&amp;/' file",
        'echo "a & b"',
        "while [ $tries -lt 5 ]; do tries=$((tries + 1)); done",
        "while read -r line; do echo $line; done",
        "daemonize = no",
        "tail -n 1 file",
    ],
)
def test_no_false_alarm(line: str) -> None:
    assert endless(f"{line}\n") == []


def test_dockerfile_is_read() -> None:
    file = Dockerfile.parse(
        "# a comment\nFROM --platform=linux debian:bookworm AS source\n"
        "RUN apt-get update \\\n    # inside\n    && true\n"
        'FROM source\nfrom alpine:3.23\nENTRYPOINT ["entry.sh"]\nCMD mariadbd\n'
    )
    assert file.bases() == ["debian:bookworm", "alpine:3.23"]
    assert [run.split() for run in file.all("RUN")] == [["apt-get", "update", "&&", "true"]]
    assert file.commands() == [["entry.sh"], ["/bin/sh", "-c", "mariadbd"]]


@pytest.mark.parametrize(
    ("command", "bare"),
    [
        ('["bash"]', True),
        ('["/bin/sh", "-c", "nginx"]', True),
        ("nginx", True),
        ('["sh", "/entry.sh"]', False),
        ('["nginx"]', False),
        ('["fish-server"]', False),
    ],
)
def test_bare_shell_is_found(command: str, bare: bool) -> None:
    assert bool(Dockerfile.parse(f"FROM a:1\nCMD {command}\n").bare_shells()) is bare


@pytest.mark.parametrize(
    ("image", "tagged"),
    [
        ("nginx:a5b1", True),
        ("localhost:5000/nginx:1", True),
        ("debian@sha256:0123", True),
        ("nginx", False),
        ("nginx:latest", False),
        ("localhost:5000/nginx", False),
    ],
)
def test_tag_is_seen(image: str, tagged: bool) -> None:
    assert is_tagged(image) is tagged


def test_a_leak_names_no_value() -> None:
    secrets = {"a.txt": Secret("hunter2hunter2"), "b.txt": Secret("other")}
    found = leaks(secrets, {"srcs/.env": b"PASSWORD=hunter2hunter2\n", "Makefile": b"all:\n"})
    assert found == ["a.txt in srcs/.env"]
    assert "hunter2" not in repr(secrets)


def test_settings_have_the_defaults_of_the_role() -> None:
    settings = read_settings(MINIMUM, None)
    assert (settings.domain, settings.admin_user, settings.https_port) == ("wil.42.fr", "wil", 443)
    assert settings.forwarded_port == 8443
    assert settings.base_release is None
    assert settings.url(443) == "https://wil.42.fr"
    assert settings.url(8443) == "https://wil.42.fr:8443"


@pytest.mark.parametrize(
    ("variables", "forwarded", "port"),
    [
        ({"machine_published_ports": ["127.0.0.1:2322:22", "127.0.0.1:8444:443"]}, None, 8444),
        ({"machine_published_ports": ["127.0.0.1:8444:443"]}, "8500", 8500),
        ({"inception_vm_https_port": 8450}, None, 8450),
        ({"inception_https_port": 4443, "machine_published_ports": ["8444:443", "8445:4443"]}, None, 8445),
    ],
)
def test_forwarded_port(variables: dict[str, object], forwarded: str | None, port: int) -> None:
    assert read_settings({**MINIMUM, **variables}, forwarded).forwarded_port == port


class Machine:
    """What a machine answers, one after the other: a container goes between two questions."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        self.answers = list(answers)

    def run(self, *_command: str) -> Any:
        code, output, errors = self.answers.pop(0)
        return SimpleNamespace(rc=code, stdout=output, stderr=errors)


def test_a_container_that_goes_between_two_questions_is_none() -> None:
    told = '[{"Id": "b", "Config": {"Labels": {"com.docker.compose.service": "nginx"}}}]'
    machine = Machine((0, "a b", ""), (1, told, "Error: No such object: a"), (0, "b", ""), (0, told, ""))
    assert Stack(machine, read_settings(MINIMUM, "")).containers()["nginx"]["Id"] == "b"


def test_an_engine_that_does_not_answer_is_told_of() -> None:
    machine = Machine((0, "a", ""), (1, "", "Cannot connect to the Docker daemon"))
    with pytest.raises(AssertionError, match="Cannot connect"):
        Stack(machine, read_settings(MINIMUM, "")).containers()
