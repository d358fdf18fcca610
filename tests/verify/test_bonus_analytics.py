# SPDX-License-Identifier: GPL-3.0-or-later
"""GoAccess: the visits as they happen, behind the gate, with nothing of a visitor but what is counted."""

from __future__ import annotations

import json
import random
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.verify.browser import browse
from tests.verify.support import PATIENCE, Secret, Settings, Site, Stack, wait_until

PATH = "/analytics/"
WEBSOCKET = f"{PATH}ws"


def upgrade(site: Site, headers: dict[str, str]) -> tuple[int, bytes]:
    """Asks for the websocket as a browser does: the status of the answer, and the first message where there is one."""
    context = ssl.create_default_context(cafile=str(site.ca))
    raw = socket.create_connection((site.settings.address, site.settings.forwarded_port), timeout=PATIENCE)
    with context.wrap_socket(raw, server_hostname=site.settings.domain) as connection:
        fields = {
            "Host": site.url.removeprefix("https://"),
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
            "Origin": site.url,
            **headers,
        }
        lines = [f"GET {WEBSOCKET} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode())
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        while stream.readline().strip():
            pass
        if status != 101:
            return status, b""
        # One message of text, never masked by a server; its length is in one byte, or in the two or eight after it.
        kind, length = stream.read(2)
        assert kind & 0x0F == 1, kind
        if length > 125:
            length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
        return status, stream.read(length)


def report(site: Site, through: dict[str, str]) -> dict[str, Any]:
    """What GoAccess tells its page, now."""
    status, message = upgrade(site, through)
    assert status == 101
    told: dict[str, Any] = json.loads(message)
    return told


def paths(told: dict[str, Any]) -> set[str]:
    """What was asked for, found or not."""
    return {entry["data"] for panel in ("requests", "not_found") for entry in told.get(panel, {}).get("data", [])}


def visited(site: Site, through: dict[str, str]) -> str:
    """A path that nobody has asked for before, when its visit is counted."""
    path = f"/verify-{random.randrange(16**12):012x}/"

    def counted() -> bool:
        # The first visit after a restart of GoAccess only tells nginx of it.
        site.get(f"{path}?key=hidden-{path[8:20]}")
        return path in paths(report(site, through))

    wait_until(f"the visit of {path} is counted", counted)
    return path


def visitor_of(path: str, stack: Stack) -> str:
    """Whose visit it was, from nginx's own log: that one is written a moment after the answer."""
    seen: set[str] = set()

    def logged() -> bool:
        seen.update(re.findall(rf"(\S+) - - \[.*{path}", stack.root("docker logs inception-nginx-1")))
        return bool(seen)

    wait_until(f"nginx's log tells of {path}", logged)
    [address] = seen
    return address


@pytest.fixture
def stopped(stack: Stack) -> Iterator[None]:
    """GoAccess is stopped, and runs again afterwards."""
    stack.compose("stop analytics")
    try:
        yield
    finally:
        stack.compose("start analytics")
        stack.wait_healthy()


@pytest.mark.rule("BON-5")
def test_nobody_without_the_gates_password(site: Site, through: dict[str, str]) -> None:
    """Neither the page nor its websocket, which moreover answers to no other site's page."""
    assert site.get(PATH).status == 401
    assert upgrade(site, {})[0] == 401
    page = site.get(PATH, through)
    assert page.status == 200
    assert page.title == "Visits"
    assert site.get("/analytics").location == PATH
    assert upgrade(site, {**through, "Origin": "https://elsewhere.example"})[0] == 403


@pytest.mark.rule("BON-5")
def test_a_visit_is_counted(site: Site, stack: Stack, through: dict[str, str]) -> None:
    """Within seconds, by its path alone: without its query, and without its visitor's whole address."""
    path = visited(site, through)
    told = report(site, through)
    assert f"hidden-{path[8:20]}" not in json.dumps(told)
    hosts = {entry["data"] for entry in told["hosts"]["data"]}
    assert {host for host in hosts if not re.search(r"\.0$|::$", host)} == set()
    # Its own page is none of the visits, nor is what WordPress asks of itself.
    assert {seen for seen in paths(told) if seen.startswith((PATH, "/wp-cron.php"))} == set()


@pytest.mark.rule("BON-5")
def test_the_page_is_live(site: Site, settings: Settings, secrets: dict[str, Secret]) -> None:
    """In a browser that is left alone, the number of requests rises when the site is visited; nobody else is asked."""
    with browse(site, settings.admin_user, secrets["gate_password.txt"]) as page:
        outside: list[str] = []
        page.on("request", lambda request: outside.append(request.url) if settings.domain not in request.url else None)
        page.goto(PATH)
        shown = "#total_requests"
        before = page.inner_text(shown)

        def rises() -> bool:
            site.get("/")
            return page.inner_text(shown) != before

        wait_until("the page shows the visits", rises)
    assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []


@pytest.mark.rule("BON-5")
def test_counts_outlive_a_restart(site: Site, stack: Stack, settings: Settings, through: dict[str, str]) -> None:
    """A new container knows what the old one counted, and stored without a query or a visitor's whole address."""
    path = visited(site, through)
    address = visitor_of(path, stack)
    stack.compose("stop analytics")
    try:
        assert stack.containers()["analytics"]["State"]["ExitCode"] == 0
        counts = f"{settings.data}/analytics/counts"
        stored = {
            text: stack.host.run("grep -raqwF %s %s", text, counts).rc == 0
            for text in (path, re.sub(r"\.\d+$", ".0", address), f"hidden-{path[8:20]}", address)
        }
        assert list(stored.values()) == [True, True, False, False], stored
    finally:
        stack.compose("up --detach --wait --force-recreate --no-deps analytics")
    wait_until("GoAccess tells of the visit before", lambda: path in paths(report(site, through)))


@pytest.mark.rule("BON-5")
def test_counts_are_stored_once_a_day(site: Site, stack: Stack, through: dict[str, str]) -> None:
    """GoAccess stores them at its end only: one that has run for a day ends, and Docker starts it again."""
    path = visited(site, through)
    before = stack.containers()["analytics"]["RestartCount"]
    stack.login(f"touch -d @$(($(date +%s) - 90000)) {stack.settings.data}/analytics/report.html")
    wait_until("GoAccess starts again", lambda: stack.containers()["analytics"]["RestartCount"] == before + 1)
    stack.wait_healthy()
    assert path in paths(report(site, through))
    assert stack.containers()["analytics"]["RestartCount"] == before + 1


@pytest.mark.rule("BON-5")
def test_no_log_grows(site: Site, stack: Stack, settings: Settings, through: dict[str, str]) -> None:
    """Visits are written nowhere: beside the counts there is the page and a socket, and nginx can change neither."""
    folder = f"{settings.data}/analytics"

    def size() -> int:
        return int(stack.root("du --summarize --bytes %s", folder).split()[0])

    visited(site, through)
    before = size()
    for _ in range(100):
        assert site.get("/wp-login.php").status == 200
    assert size() == before
    assert set(stack.entries(folder)) == {"counts", "report.html", "visits.sock"}
    for mount in stack.containers()["nginx"]["Mounts"]:
        assert not mount["RW"], mount["Destination"]


@pytest.mark.rule("BON-5")
def test_the_site_goes_on_without_it(site: Site, stack: Stack, stopped: None) -> None:
    """Stopped, it takes nothing with it, and nginx starts without it."""
    assert site.get("/").status == 200
    stack.compose("restart nginx")
    site.wait_answers()
    for _ in range(10):
        assert site.get("/").status == 200


@pytest.mark.rule("BON-5")
def test_status_tells_the_visits(site: Site, stack: Stack, through: dict[str, str]) -> None:
    """make status shows how much there was to count today."""
    visited(site, through)
    found = re.search(r"^analytics: (\d+) requests of (\d+) visitors today$", stack.login("make status"), re.MULTILINE)
    assert found
    assert int(found[1]) >= int(found[2]) >= 1
