# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP's sessions, which plugins use: of a read-only container, in the database."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify.support import Site, Stack

FILES = ("/var/www/html/wp-content/mu-plugins/verify-sessions.php", "/var/www/html/verify-sessions.php")
PAGES = {"a plugin": "/hello-world/?verify_session={}", "a program": "/verify-sessions.php?verify_session={}"}
TABLE = "wp_inception_sessions"


@pytest.fixture(scope="module", autouse=True)
def program(stack: Stack) -> Iterator[None]:
    text = Path(__file__).with_name("sessions.php").read_text(encoding="utf-8")
    for file in FILES:
        write = stack.execute("wordpress", "sh", "-c", 'printf %s "$0" >"$1"', text, file)
        assert write.rc == 0, write.stderr
    yield
    stack.execute("wordpress", "rm", "-f", *FILES)


@pytest.fixture
def visitor(site: Site) -> Site:
    return Site(site.settings, site.ca)


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    """Of a plugin of WordPress's, and of a program that knows nothing of it."""
    return PAGES[request.param]


def visits(visitor: Site, page: str, what: str = "visit") -> int:
    answer = visitor.get(page.format(what))
    assert answer.status == 200
    assert answer.headers.get("X-Page-Cache") in ("MISS", "BYPASS"), "a page of somebody's was kept"
    found = re.search(r"Visits: (-?\d+)", answer.text)
    assert found, answer.text[:500]
    return int(found[1])


def rows(stack: Stack, where: str = "1") -> int:
    return int(stack.sql(f"SELECT COUNT(*) FROM {TABLE} WHERE {where}")[0][0])


def test_each_visitor_has_a_session(site: Site, visitor: Site, page: str) -> None:
    """It lasts from one request to the next, and no page of it is kept for others."""
    assert [visits(visitor, page) for _ in range(3)] == [1, 2, 3]
    other = Site(site.settings, site.ca)
    assert [visits(other, page) for _ in range(2)] == [1, 2]
    assert visits(visitor, page) == 4


def test_no_page_of_a_session_is_kept(site: Site, visitor: Site) -> None:
    """Also when nothing in its answer says so: no cookie, and no header against caches."""
    for _ in range(2):
        answer = visitor.get(PAGES["a plugin"].format("quiet"))
        assert "Set-Cookie" not in answer.headers
        assert "Cache-Control" not in answer.headers
        assert answer.headers.get("X-Page-Cache") == "MISS"
    assert site.get("/hello-world/").status == 200


def test_its_cookie_is_for_the_browser_alone(visitor: Site, page: str) -> None:
    """No program of a page reads it, and it goes over TLS alone."""
    cookie = visitor.get(page.format("visit")).headers["Set-Cookie"]
    assert {"secure", "httponly"} <= {part.strip().lower() for part in cookie.split(";")}


def test_requests_at_once_lose_nothing(visitor: Site, page: str) -> None:
    """As with files: who changes a session is alone with it."""
    assert visits(visitor, page) == 1
    threads = [threading.Thread(target=visits, args=(visitor, page, "slow")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert visits(visitor, page) == 8


def test_what_is_written_last_is_kept(visitor: Site, page: str) -> None:
    """In what a program registers for its end."""
    visits(visitor, page, "late")
    assert visits(visitor, page) == 43


def test_another_name_keeps_what_is_in_it(stack: Stack, visitor: Site, page: str) -> None:
    """As after a sign-in; the former name is worth nothing any more."""
    visits(visitor, page)
    before = dict(visitor.cookies)
    assert visits(visitor, page, "another") == 2
    assert visitor.cookies != before
    assert visits(visitor, page) == 3
    [old] = before.values()
    assert rows(stack, f"id = '{old}'") == 0


def test_its_end(stack: Stack, visitor: Site, page: str) -> None:
    """What is ended is gone from the database."""
    visits(visitor, page)
    [name] = visitor.cookies.values()
    assert rows(stack, f"id = '{name}'") == 1
    visitor.get(page.format("over"))
    assert rows(stack, f"id = '{name}'") == 0
    assert visits(visitor, page) == 1


def test_nobody_chooses_its_name(stack: Stack, visitor: Site, page: str) -> None:
    """A name that somebody foists on a visitor is none."""
    visitor.cookies["PHPSESSID"] = "foisted0123456789foisted01"
    assert visits(visitor, page) == 1
    assert visitor.cookies["PHPSESSID"] != "foisted0123456789foisted01"
    assert rows(stack, "id LIKE 'foisted%'") == 0


def test_another_container_has_it(stack: Stack, site: Site, visitor: Site, page: str) -> None:
    """As when WordPress is taken over, or its machine starts anew."""
    assert visits(visitor, page) == 1
    stack.compose("restart wordpress")
    stack.wait_healthy()
    site.wait_answers()
    assert visits(visitor, page) == 2


def test_it_is_bounded(stack: Stack, visitor: Site, page: str) -> None:
    """One that would be very long is not kept, and the one before stays."""
    assert visits(visitor, page) == 1
    visitor.get(page.format("long"))
    assert visits(visitor, page) == 2
    assert int(stack.sql(f"SELECT MAX(LENGTH(data)) FROM {TABLE}")[0][0]) < 1100000


def clean(stack: Stack) -> None:
    result = stack.execute(
        "wordpress", "php", "-r", "include '/usr/local/lib/inception/sessions.php'; session_start(); session_gc();"
    )
    assert result.rc == 0, result.stdout + result.stderr


def test_old_ones_go(stack: Stack, visitor: Site, page: str) -> None:
    """One that is over is not read again, and then it is cleaned up."""
    visits(visitor, page)
    [name] = visitor.cookies.values()
    stack.sql(f"UPDATE {TABLE} SET expires = UNIX_TIMESTAMP() - 1 WHERE id = '{name}'")
    assert visits(visitor, page) == 1
    stack.sql(f"INSERT INTO {TABLE} VALUES ('verify-old', 'x', UNIX_TIMESTAMP() - 1)")
    clean(stack)
    assert rows(stack, "id = 'verify-old'") == 0


def test_there_are_not_too_many(stack: Stack, visitor: Site, page: str) -> None:
    """Whoever knocks without a cookie pushes out his own empty ones, and nobody's cart."""
    visits(visitor, page)
    many = " UNION ALL ".join(["SELECT 1"] * 10)
    ten = f"(SELECT 1 FROM ({many}) a)"
    table = ", ".join(f"{ten} t{number}" for number in range(4))
    stack.sql(
        f"INSERT INTO {TABLE} SELECT CONCAT('verify-', UUID(), RAND()), '', UNIX_TIMESTAMP() + 86400"
        f" FROM {table}, (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) three"
    )
    assert rows(stack) > 30000
    clean(stack)
    assert rows(stack) <= 20001
    assert visits(visitor, page) == 2
    stack.sql(f"DELETE FROM {TABLE} WHERE id LIKE 'verify-%'")
