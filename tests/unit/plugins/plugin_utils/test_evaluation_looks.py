# SPDX-License-Identifier: GPL-3.0-or-later
"""What is judged of a running stack: a good one passes, and each break is found by its item and by no other."""

from __future__ import annotations

import datetime
import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import observe
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import (
    Container,
    Mount,
    Stack,
    WordPress,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import look

DAY = datetime.date(2026, 11, 24)
PENULTIMATE = _releases.penultimate("debian", DAY).version
KINDS = {"nginx": "nginx", "wordpress": "wordpress", "mariadb": "mariadb", "redis": "redis"}


def container(service: str, first: str = "", mount: Mount | None = None, port: str = "") -> Container:
    return Container(
        image=f"{service}:1",
        status="running",
        health="healthy",
        running=True,
        policy="unless-stopped",
        network_mode="inception",
        networks=["inception"],
        ports=[(f"{port}/tcp", port)] if port else [],
        mounts=[mount] if mount else [],
        first=first,
        release={"ID": "debian", "VERSION_ID": PENULTIMATE},
        nginx="/usr/sbin/nginx" if service == "nginx" else "",
    )


def volume(name: str, target: str) -> Mount:
    return Mount("volume", name, target, f"/home/wil/data/{name}")


def good() -> Stack:
    containers = {
        "nginx": container("nginx", "nginx: master process nginx", port="443"),
        "wordpress": container("wordpress", "php-fpm: master", volume("wp", "/var/www/html")),
        "mariadb": container("mariadb", "mariadbd --port=3306", volume("db", "/var/lib/mysql")),
        "redis": container("redis"),
    }
    return Stack(
        login="wil",
        domain="wil.42.fr",
        project="/home/wil/inception",
        kinds=KINDS,
        services=list(containers),
        containers=containers,
        networks={"inception": "bridge"},
        open_80={"127.0.0.1": False, "192.0.2.1": False},
        root_login={"ok": False, "output": "ERROR 1045 (28000): Access denied for user 'root'@'localhost'"},
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
    for one in look(json.loads(json.dumps(stack.to_dict())), DAY):
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


def of(service: str, name: str, value: Any) -> Callable[[Stack], None]:
    """Sets a fact of a container."""
    return lambda stack: setattr(stack.containers[service], name, value)


def attribute(name: str, value: Any) -> Callable[[Stack], None]:
    return lambda stack: setattr(stack, name, value)


def wordpress(**values: Any) -> Callable[[Stack], None]:
    def change(stack: Stack) -> None:
        for name, value in values.items():
            setattr(stack.wordpress, name, value)

    return change


BREAKS: list[tuple[str, Callable[[Stack], None], dict[int, str]]] = [
    ("host network", of("nginx", "network_mode", "host"), {9: "fail"}),
    ("a link", of("wordpress", "links", ["/mariadb:/wordpress/db"]), {9: "fail"}),
    ("no network", of("redis", "networks", ["bridge"]), {36: "fail"}),
    ("another base", of("redis", "release", {"ID": "ubuntu"}), {13: "fail", 33: "fail"}),
    ("the newest", of("redis", "release", {"ID": "debian", "VERSION_ID": "99"}), {13: "fail", 33: "fail"}),
    ("tail as PID 1", of("nginx", "first", "tail -f /dev/null"), {12: "fail"}),
    ("a shell as PID 1", of("nginx", "first", "/bin/bash"), {12: "fail"}),
    (
        "a shell with a command",
        of("nginx", "first", "sh -c service nginx start; sleep infinity"),
        {12: "fail"},
    ),
    (
        "port 80 published",
        of("nginx", "ports", [("80/tcp", "80")]),
        {27: "fail"},
    ),
    (
        "the database's port",
        of("mariadb", "ports", [("3306/tcp", "3306")]),
        {27: "fail"},
    ),
    ("port 80 answers", attribute("open_80", {"127.0.0.1": False, "192.0.2.1": True}), {30: "fail", 40: "fail"}),
    ("compose's own name", of("nginx", "image", "inception-nginx:1"), {34: "fail"}),
    ("latest", of("nginx", "image", "nginx:latest"), {34: "fail"}),
    ("no tag", of("nginx", "image", "nginx"), {34: "fail"}),
    ("a crash", of("redis", "restarts", 3), {35: "fail"}),
    ("unhealthy", of("redis", "health", "unhealthy"), {35: "fail"}),
    ("a service without a container", attribute("services", ["nginx", "ftp"]), {35: "fail"}),
    ("no restart policy", of("redis", "policy", "no"), {35: "warning"}),
    ("nginx in WordPress", of("wordpress", "nginx", "/usr/sbin/nginx"), {44: "fail"}),
    ("nginx in MariaDB", of("mariadb", "nginx", "/usr/sbin/nginx"), {51: "fail"}),
    (
        "a volume of Docker's",
        of("mariadb", "mounts", [Mount("volume", "db", "/var/lib/mysql", "/var/lib/docker/volumes/db/_data")]),
        {53: "fail"},
    ),
    ("no volume", of("mariadb", "mounts", []), {53: "fail"}),
    (
        "a folder and no volume",
        of("mariadb", "mounts", [Mount("bind", "", "/x", "/home/wil/data/db")]),
        {53: "fail"},
    ),
    ("an admin", wordpress(users=[("Wil-ADMIN", ["administrator"]), ("guest", [])]), {48: "fail"}),
    ("no administrator", wordpress(users=[("wil", ["editor"]), ("guest", [])]), {48: "fail"}),
    ("one user", wordpress(users=[("wil", ["administrator"])]), {47: "fail"}),
    ("root is let in", attribute("root_login", {"ok": True, "output": "root@localhost"}), {54: "fail"}),
    ("an empty database", wordpress(posts=0), {54: "fail"}),
    ("a cache that is off", wordpress(object_cache=False), {57: "fail"}),
    ("another cache", wordpress(drop_in=""), {57: "fail"}),
]


@pytest.mark.parametrize(("change", "expected"), [entry[1:] for entry in BREAKS], ids=[entry[0] for entry in BREAKS])
def test_each_break_is_found_by_its_item_alone(change: Callable[[Stack], None], expected: dict[int, str]) -> None:
    stack = good()
    change(stack)
    assert wrong(stack) == expected


@pytest.mark.parametrize(
    ("change"),
    [
        of("redis", "ports", [("6380/tcp", "6380")]),
        of("nginx", "first", "/usr/bin/tini -- nginx"),
        of("wordpress", "first", "sh-server"),
        of("mariadb", "first", "tailscaled"),
        of("mariadb", "mounts", [Mount("volume", "db", "/var/lib/mysql", "/home/wil/data/db/_data")]),
        of("redis", "health", ""),
        wordpress(users=[("wil", ["administrator"]), ("nimda", ["author"])]),
        attribute("open_80", {}),
    ],
)
def test_no_look_alike_is_blamed(change: Callable[[Stack], None]) -> None:
    stack = good()
    change(stack)
    assert wrong(stack) == {}


@pytest.mark.parametrize(
    ("kind", "facts", "item", "verdict"),
    [
        ("static", {"page": "port 8080: 200 Wil", "listens": [8080]}, 59, "pass"),
        ("static", {"page": "port 8080: 200 Wil", "php": True}, 59, "fail"),
        ("static", {"page": "port 80 by static.wil.42.fr: 200 Wil"}, 59, "pass"),
        ("static", {"page": "port 80: 200 Welcome to nginx!"}, 59, "fail"),
        ("static", {"page": "port 80: 200 Welcome to nginx on Debian!"}, 59, "fail"),
        ("static", {"page": "port 80: 200 Apache2 Debian Default Page: It works"}, 59, "fail"),
        ("static", {"page": "port 80: 200 Test Page for the Nginx HTTP Server on Alpine"}, 59, "fail"),
        ("static", {"page": "port 80: 200 It works!"}, 59, "fail"),
        ("static", {"page": "port 80: 200 Welcome to my page"}, 59, "pass"),
        ("static", {"page": "port 80: 200 How nginx works"}, 59, "pass"),
        ("static", {"page": "port 80: 404 404 Not Found"}, 59, "undetermined"),
        ("static", {"page": ""}, 59, "undetermined"),
        ("static", {"running": False, "status": "exited"}, 59, "fail"),
        ("adminer", {"sign_in": "signed in as wil at mariadb"}, 60, "pass"),
        ("adminer", {"sign_in": "not signed in as wil at mariadb: Access denied"}, 60, "fail"),
        ("adminer", {"sign_in": ""}, 60, "undetermined"),
        ("adminer", {"running": False, "status": "exited"}, 60, "fail"),
        ("other", {"ports": [("9000/tcp", "9000")], "listens": [9000]}, 61, "pass"),
        ("other", {"ports": [("9000/tcp", "9000")], "listens": [8000]}, 61, "fail"),
        ("other", {"page": "port 9000: 200 Metrics"}, 61, "pass"),
        ("other", {}, 61, "undetermined"),
        ("other", {"running": False, "status": "restarting"}, 61, "fail"),
    ],
)
def test_a_bonus_is_seen_working(kind: str, facts: dict[str, Any], item: int, verdict: str) -> None:
    stack = good()
    stack.kinds = {**KINDS, "one": kind}
    stack.containers["one"] = container("one")
    for name, value in facts.items():
        setattr(stack.containers["one"], name, value)
    assert verdicts(stack)[item] == {verdict}


def test_what_cannot_be_seen_is_undetermined() -> None:
    stack = good()
    stack.wordpress = WordPress(problem="no php for the command line")
    stack.root_login = {"ok": False, "output": "mariadb: not found"}
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
    assert observe.is_of("/home/wil/inception", {"Config": {"Labels": labels}}) is mine


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
    assert observe.observe("wil", "localhost", str(tmp_path), {}).services == ["nginx", "wordpress"]
    assert observe.inspected("network", ["inception", "gone"]) == [{"Name": "inception"}]


NGINX_OWN = "<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>"
MINE = "<h1>My page</h1>"
NAMES = "server_name _ localhost $host *.wil.42.fr static.wil.42.fr ~^x$"


@pytest.mark.parametrize(
    ("pages", "shown"),
    [
        ({"": MINE}, "200 My page"),
        ({"": NGINX_OWN}, "200 Welcome to nginx!"),
        ({"": "<html><body><h1>It works!</h1></body></html>"}, "200 It works!"),
        ({"": NGINX_OWN, "static.wil.42.fr": MINE}, "by static.wil.42.fr: 200 My page"),
        ({"": NGINX_OWN, "static.wil.42.fr": NGINX_OWN}, "200 Welcome to nginx!"),
        ({"static.wil.42.fr": MINE}, "by static.wil.42.fr: 200 My page"),
        ({"other.example": MINE}, "404"),
        ({"": "no heading"}, "200"),
    ],
)
def test_a_page_is_asked_for_by_the_names_of_its_site_too(
    pages: dict[str, str], shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that tells its sites apart by name shows who asks by address its own page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = pages.get(str(self.headers["Host"]), pages.get(""))
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{NAMES}'\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        at = {"Id": "one", "NetworkSettings": {"Networks": {"inception": {"IPAddress": "127.0.0.1"}}}}
        port = server.server_address[1]
        assert observe.page(at, [1, port]) == f"port {port}{'' if shown.startswith('by') else ':'} {shown}"
        server.shutdown()
