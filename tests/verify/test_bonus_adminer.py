# SPDX-License-Identifier: GPL-3.0-or-later
"""Adminer: behind the gate, and for the one database of the stack."""

from __future__ import annotations

import re
import urllib.parse

import pytest

from tests.verify.browser import browse, type_secret
from tests.verify.support import Secret, Settings, Site, Stack, basic, wait_until
from tests.verify.test_services import setting

PATH = "/adminer/"


def sign_in(site: Site, through: dict[str, str], fields: dict[str, str]) -> str:
    """What Adminer answers to its form, when it is sent with these values."""
    visitor = Site(site.settings, site.ca)
    visitor.get(PATH, through)
    form = urllib.parse.urlencode({f"auth[{name}]": value for name, value in fields.items()})
    headers = {**through, "Content-Type": "application/x-www-form-urlencoded"}
    page = visitor.request("POST", PATH, form, headers)
    assert page.status == 302, page.status
    return visitor.get(urllib.parse.urljoin(PATH, page.location), through).text


@pytest.mark.rule("BON-4")
def test_nobody_without_the_gates_password(site: Site, settings: Settings, through: dict[str, str]) -> None:
    """Without the second sign-in, or with a wrong password at it, not a word of Adminer."""
    for headers in ({}, basic(settings.admin_user, Secret("wrong"))):
        page = site.get(PATH, headers)
        assert page.status == 401
        assert "dminer" not in page.text
    page = site.get(PATH, through)
    assert page.status == 200
    assert page.title == "Login - Adminer"
    assert site.get("/adminer").location == PATH


@pytest.mark.rule("BON-4")
def test_a_table_is_seen_in_a_browser(site: Site, stack: Stack, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Through the gate, signed in with the database's password only, the posts of the site are there."""
    (title,) = stack.sql("SELECT post_title FROM wp_posts WHERE ID = 1")[0]
    with browse(site, settings.admin_user, secrets["gate_password.txt"]) as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        outside: list[str] = []
        page.on("request", lambda request: outside.append(request.url) if settings.domain not in request.url else None)
        page.goto(PATH)
        assert page.input_value("input[name='auth[username]']") == setting(stack, "MARIADB_USER")
        assert page.input_value("input[name='auth[db]']") == setting(stack, "MARIADB_DATABASE")
        type_secret(page, "input[name='auth[password]']", secrets["db_password.txt"])
        page.click("input[type=submit][value=Login]")
        page.click("#tables a[href$='select=wp_posts']")
        page.wait_for_selector("#table")
        assert title in page.inner_text("#table")
    assert problems == []
    # Neither its maker nor anybody else is asked for anything.
    assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []


@pytest.mark.rule("BON-4")
def test_no_other_server_is_reached(site: Site, stack: Stack, through: dict[str, str]) -> None:
    """A server that a request names is not asked: a wrong password is refused by this stack's database."""
    user = setting(stack, "MARIADB_USER")
    fields = {"driver": "server", "server": "wordpress:9000", "username": user, "password": "wrong", "db": ""}
    answer = sign_in(site, through, fields)
    assert re.search(rf"Access denied for user &#039;{user}&#039;", answer), "another answer than the database's"
    # And there is no driver for a database of another kind.
    for driver in ("pgsql", "sqlite", "elastic", "mssql", "mongo"):
        page = site.get(f"{PATH}?{driver}=nginx&username={user}", through)
        assert "No extension" in page.text or "Login - " in page.text, driver


@pytest.mark.rule("BON-4")
def test_it_has_no_secret_and_no_port(stack: Stack) -> None:
    """The one password that it needs is typed, and the one way to it is through nginx."""
    assert stack.execute("adminer", "ls", "/run/secrets").rc != 0
    ports = stack.containers()["adminer"]["NetworkSettings"]["Ports"]
    assert not any(ports.values()), "adminer has a port of its own on the machine"


@pytest.mark.rule("BON-4")
def test_status_tells_the_version(stack: Stack) -> None:
    """make status shows which Adminer answers."""
    assert re.search(r"^adminer: version [0-9.]+ ", stack.login("make status"), re.MULTILINE)


@pytest.mark.rule("BON-4")
def test_the_site_goes_on_without_it(site: Site, stack: Stack, through: dict[str, str]) -> None:
    """Stopped, it takes nothing with it; started again, it is found at its new address."""
    stack.compose("stop adminer")
    try:
        assert site.get("/").status == 200
        assert site.get(PATH, through).status in (502, 504)
    finally:
        stack.compose("start adminer")
    wait_until("Adminer answers again", lambda: site.get(PATH, through).status == 200)


@pytest.mark.rule("BON-4")
def test_a_dump_as_large_as_it_says(
    site: Site, stack: Stack, through: dict[str, str], secrets: dict[str, Secret]
) -> None:
    """A file of just that size is imported to its last statement; with the form around it, it is larger."""
    visitor = Site(site.settings, site.ca)
    visitor.get(PATH, through)
    fields = {
        "driver": "server",
        "server": "mariadb",
        "username": setting(stack, "MARIADB_USER"),
        "password": secrets["db_password.txt"],
        "db": setting(stack, "MARIADB_DATABASE"),
    }
    form = urllib.parse.urlencode({f"auth[{name}]": value for name, value in fields.items()})
    kind = "Content-Type"
    place = visitor.request("POST", PATH, form, {**through, kind: "application/x-www-form-urlencoded"}).location
    place = urllib.parse.urljoin(PATH, place) + "&import="
    page = visitor.get(place, through).text
    [megabytes] = re.findall(r"\(&lt; (\d+)MB\): <input type='file' name='sql_file\[\]'", page)
    token = re.findall(r"name='token' value='([0-9:]+)'", page)[0]

    last = b"\nSELECT CONCAT('im', 'ported') AS word;\n"
    line = b"SET @verify = '" + b"x" * (1 << 20) + b"';\n"
    dump = line * (int(megabytes) - 1)
    dump += b"-- " + b"x" * ((int(megabytes) << 20) - len(dump) - len(last) - 4) + last
    parts = [("token", "", token.encode()), ("sql_file[]", '; filename="dump.sql"', dump)]
    border = "verify-border"
    body = b"".join(
        f'--{border}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
        for name, more, content in parts
    )
    headers = {**through, kind: f"multipart/form-data; boundary={border}"}
    answer = visitor.request("POST", place, body + f"--{border}--\r\n".encode(), headers)
    assert answer.status == 200
    assert "imported" in answer.text, answer.text[:3000]
