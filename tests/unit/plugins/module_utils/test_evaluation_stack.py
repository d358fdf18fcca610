# SPDX-License-Identifier: GPL-3.0-or-later
"""What is judged of a running stack: a good one passes, and each break is found by its item and by no other."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _evaluation_stack, _releases
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation_run import Answer
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation_stack import Stack, WordPress, judge

PENULTIMATE = _releases.penultimate("debian", datetime.datetime.now(tz=datetime.UTC).date()).version


def container(service: str, volume: str = "", target: str = "", port: str = "") -> dict[str, Any]:
    mounts = [{"Type": "volume", "Name": volume, "Destination": target, "RW": True}] if volume else []
    return {
        "Id": service,
        "Config": {"Image": f"{service}:1", "Labels": {"com.docker.compose.service": service}},
        "State": {"Running": True, "Status": "running", "Pid": 4, "Health": {"Status": "healthy"}},
        "RestartCount": 0,
        "HostConfig": {
            "NetworkMode": "inception",
            "Links": None,
            "RestartPolicy": {"Name": "unless-stopped"},
            "PortBindings": {f"{port}/tcp": [{"HostPort": port}]} if port else {},
        },
        "NetworkSettings": {"Networks": {"inception": {"IPAddress": "172.18.0.2"}}},
        "Mounts": mounts,
    }


def good() -> Stack:
    containers = {
        "nginx": container("nginx", port="443"),
        "wordpress": container("wordpress", "wp", "/var/www/html"),
        "mariadb": container("mariadb", "db", "/var/lib/mysql"),
        "redis": container("redis"),
    }
    return Stack(
        login="wil",
        domain="wil.42.fr",
        project="/home/wil/inception",
        services=list(containers),
        containers=containers,
        networks={"inception": {"Name": "inception", "Driver": "bridge"}},
        volumes={
            "wp": {"Mountpoint": "/var/lib/docker/volumes/wp/_data", "Options": {"device": "/home/wil/data/wordpress"}},
            "db": {"Mountpoint": "/var/lib/docker/volumes/db/_data", "Options": {"device": "/home/wil/data/mariadb"}},
        },
        first={
            "nginx": "nginx: master process nginx",
            "wordpress": "php-fpm: master",
            "mariadb": "mariadbd --port=3306",
        },
        releases={name: {"ID": "debian", "VERSION_ID": PENULTIMATE} for name in containers},
        nginx={"nginx": "/usr/sbin/nginx", "wordpress": "", "mariadb": ""},
        open_80={"127.0.0.1": False, "192.0.2.1": False},
        root_login=Answer(1, "ERROR 1045 (28000): Access denied for user 'root'@'localhost'", 0.1),
        wordpress=WordPress(
            users=[("wil", ["administrator"]), ("guest", ["author"])],
            tables=12,
            posts=3,
            home="https://wil.42.fr",
            object_cache=True,
            drop_in="redis",
        ),
    )


def verdicts(stack: Stack) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for one in judge(stack):
        found.setdefault(one.id, set()).add(one.verdict)
    return found


def wrong(stack: Stack) -> dict[int, str]:
    return {number: "fail" for number, seen in verdicts(stack).items() if "fail" in seen} | {
        number: "warning" for number, seen in verdicts(stack).items() if "warning" in seen and "fail" not in seen
    }


def test_a_good_stack_has_nothing_wrong() -> None:
    assert wrong(good()) == {}
    passed = {number for number, seen in verdicts(good()).items() if "pass" in seen}
    assert passed == {9, 12, 13, 27, 29, 30, 33, 34, 35, 36, 39, 40, 44, 45, 46, 51, 52, 53, 54, 57}


def of(service: str, *path: str, value: Any) -> Callable[[Stack], None]:
    """Sets a value in what Docker says of a container."""

    def change(stack: Stack) -> None:
        place = stack.containers[service]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def attribute(name: str, value: Any) -> Callable[[Stack], None]:
    return lambda stack: setattr(stack, name, value)


def wordpress(**values: Any) -> Callable[[Stack], None]:
    def change(stack: Stack) -> None:
        for name, value in values.items():
            setattr(stack.wordpress, name, value)

    return change


BREAKS: list[tuple[str, Callable[[Stack], None], dict[int, str]]] = [
    ("host network", of("nginx", "HostConfig", "NetworkMode", value="host"), {9: "fail"}),
    ("a link", of("wordpress", "HostConfig", "Links", value=["/mariadb:/wordpress/db"]), {9: "fail"}),
    ("no network", of("redis", "NetworkSettings", "Networks", value={"bridge": {}}), {36: "fail"}),
    ("another base", attribute("releases", {"redis": {"ID": "ubuntu"}}), {13: "fail", 33: "fail"}),
    ("the newest", attribute("releases", {"redis": {"ID": "debian", "VERSION_ID": "99"}}), {13: "fail", 33: "fail"}),
    ("tail as PID 1", attribute("first", {"nginx": "tail -f /dev/null"}), {12: "fail"}),
    ("a shell as PID 1", attribute("first", {"nginx": "/bin/bash"}), {12: "fail"}),
    (
        "a shell with a command",
        attribute("first", {"nginx": "sh -c service nginx start; sleep infinity"}),
        {12: "fail"},
    ),
    (
        "port 80 published",
        of("nginx", "HostConfig", "PortBindings", value={"80/tcp": [{"HostPort": "80"}]}),
        {27: "fail"},
    ),
    (
        "the database's port",
        of("mariadb", "HostConfig", "PortBindings", value={"3306/tcp": [{"HostPort": "3306"}]}),
        {27: "fail"},
    ),
    ("port 80 answers", attribute("open_80", {"127.0.0.1": False, "192.0.2.1": True}), {30: "fail", 40: "fail"}),
    ("compose's own name", of("nginx", "Config", "Image", value="inception-nginx:1"), {34: "fail"}),
    ("latest", of("nginx", "Config", "Image", value="nginx:latest"), {34: "fail"}),
    ("no tag", of("nginx", "Config", "Image", value="nginx"), {34: "fail"}),
    ("a crash", of("redis", "RestartCount", value=3), {35: "fail"}),
    ("unhealthy", of("redis", "State", "Health", value={"Status": "unhealthy"}), {35: "fail"}),
    ("a service without a container", attribute("services", ["nginx", "ftp"]), {35: "fail"}),
    ("no restart policy", of("redis", "HostConfig", "RestartPolicy", value={"Name": "no"}), {35: "warning"}),
    ("nginx in WordPress", attribute("nginx", {"wordpress": "/usr/sbin/nginx", "mariadb": ""}), {44: "fail"}),
    ("nginx in MariaDB", attribute("nginx", {"wordpress": "", "mariadb": "/usr/sbin/nginx"}), {51: "fail"}),
    (
        "a volume of Docker's",
        attribute("volumes", {"db": {"Mountpoint": "/var/lib/docker/x"}}),
        {46: "fail", 53: "fail"},
    ),
    ("no volume", of("mariadb", "Mounts", value=[]), {53: "fail"}),
    (
        "a folder and no volume",
        of(
            "mariadb",
            "Mounts",
            value=[{"Type": "bind", "Source": "/home/wil/data/db", "Destination": "/x", "RW": True}],
        ),
        {53: "fail"},
    ),
    ("an admin", wordpress(users=[("Wil-ADMIN", ["administrator"]), ("guest", [])]), {48: "fail"}),
    ("no administrator", wordpress(users=[("wil", ["editor"]), ("guest", [])]), {48: "fail"}),
    ("one user", wordpress(users=[("wil", ["administrator"])]), {47: "fail"}),
    ("root is let in", attribute("root_login", Answer(0, "root@localhost", 0.1)), {54: "fail"}),
    ("an empty database", wordpress(posts=0), {54: "fail"}),
    ("a cache that is off", wordpress(object_cache=False), {57: "fail"}),
    ("another cache", wordpress(drop_in=""), {57: "fail"}),
]


@pytest.mark.parametrize(("change", "expected"), [entry[1:] for entry in BREAKS], ids=[entry[0] for entry in BREAKS])
def test_each_break_is_found_by_its_item_alone(change: Callable[[Stack], None], expected: dict[int, str]) -> None:
    stack = copy.deepcopy(good())
    change(stack)
    assert wrong(stack) == expected


@pytest.mark.parametrize(
    ("change"),
    [
        of("redis", "HostConfig", "PortBindings", value={"6380/tcp": [{"HostPort": "6380"}]}),
        attribute("first", {"nginx": "/usr/bin/tini -- nginx", "wordpress": "sh-server", "mariadb": "tailscaled"}),
        attribute(
            "volumes", {"wp": {"Mountpoint": "/home/wil/data/wp"}, "db": {"Mountpoint": "/home/wil/data/db/_data"}}
        ),
        of("redis", "State", value={"Running": True, "Status": "running", "Pid": 4}),
        wordpress(users=[("wil", ["administrator"]), ("nimda", ["author"])]),
        attribute("open_80", {}),
    ],
)
def test_no_look_alike_is_blamed(change: Callable[[Stack], None]) -> None:
    stack = copy.deepcopy(good())
    change(stack)
    assert wrong(stack) == {}


def test_what_cannot_be_seen_is_undetermined() -> None:
    stack = copy.deepcopy(good())
    stack.wordpress = WordPress(problem="no php for the command line")
    stack.root_login = Answer(127, "mariadb: not found", 0.1)
    seen = verdicts(stack)
    assert (seen[48], seen[54], seen[57]) == ({"undetermined"}, {"undetermined"}, {"undetermined"})
    assert 29 not in seen


def test_nothing_runs() -> None:
    """The items of containers fail; those of what a container would do are not told."""
    assert wrong(Stack("wil", "wil.42.fr", "/home/wil/inception")) == {35: "fail", 39: "fail", 45: "fail", 52: "fail"}


@pytest.mark.parametrize(
    ("files", "mine"),
    [
        ("/home/wil/inception/srcs/docker-compose.yml", True),
        ("/tmp/x.yml,/home/wil/inception/srcs/docker-compose.yml", True),
        ("/home/wil/inception2/srcs/docker-compose.yml", False),
        ("", False),
    ],
)
def test_whose_container_it_is(files: str, mine: bool) -> None:
    labels = {"com.docker.compose.project.config_files": files}
    assert _evaluation_stack.is_of("/home/wil/inception", {"Config": {"Labels": labels}}) is mine


# Compose 2.26 says this of every file of old, whatever it is asked.
WARNS = """\
#!/bin/sh
echo 'time="2026-11-26T13:00:00Z" level=warning msg="docker-compose.yml: `version` is obsolete"' >&2
case "$*" in
    *--services) printf 'nginx\nwordpress\n' ;;
    "network inspect inception") echo '[{"Name": "inception"}]' ;;
    "network inspect gone") echo '[]'; exit 1 ;;
esac
"""


def test_a_warning_of_dockers_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text(WARNS)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert _evaluation_stack.observe("wil", "localhost", str(tmp_path)).services == ["nginx", "wordpress"]
    assert _evaluation_stack.inspected("network", ["inception", "gone"]) == [{"Name": "inception"}]
