# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of pages and plugins that write to the database past WordPress's functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.verify.changes import word
from tests.verify.support import Page, Secret, Settings, Site, Stack, wait_until

PLUGIN = "/var/www/html/wp-content/mu-plugins/verify-writes.php"
PAGES = "/var/www/html/wp-content/.pages"
WAYS = [
    "insert",
    "update",
    "replace",
    "statement",
    "counter",
    "comment",
    "letters",
    "joined",
    "field",
    "option",
    "title",
    "connection",
    "prepared",
    "shutdown",
    "transaction",
]

UNSEEN = {
    "a row that stays as it is": "UPDATE {p}verify SET word = word",
    "a row that is there already": "INSERT IGNORE INTO {p}verify (id, word) VALUES (1, 'no')",
    "no row": "DELETE FROM {p}verify WHERE id = 4242",
    "a transient": "REPLACE INTO {p}options (option_name, option_value) VALUES ('_transient_verify', RAND())",
    "old transients": "DELETE FROM {p}options WHERE option_name LIKE '\\_transient\\_verify%'",
    "a lock": "INSERT IGNORE INTO {p}options (option_name, option_value) VALUES ('verify.lock', RAND())",
    "no lock": "DELETE FROM {p}options WHERE option_name = 'verify.lock'",
    "a table for a moment": "CREATE TEMPORARY TABLE {p}verify_moment (id INT)",
    "a table that is there": "CREATE TABLE IF NOT EXISTS {p}verify (id INT)",
    "a look that locks": "SELECT * FROM {p}verify FOR UPDATE",
    "words that are none": "SELECT 'UPDATE {p}verify SET word'",
}


def php(stack: Stack, code: str, *arguments: str) -> str:
    """What a program prints that has WordPress."""
    result = stack.execute("wordpress", "php", "-r", f'require "/var/www/html/wp-load.php"; {code}', "--", *arguments)
    assert result.rc == 0, result.stdout + result.stderr
    return str(result.stdout)


def kept(page: Page) -> str:
    """Where the page came from, as NGINX says."""
    return str(page.headers.get("X-Page-Cache", ""))


def forget_kinds(stack: Stack) -> None:
    """As if nobody had written for long."""
    stack.execute("wordpress", "rm", "-rf", f"{PAGES}/.kinds", f"{PAGES}/.late")


@pytest.fixture(scope="module")
def plugin(stack: Stack) -> Iterator[None]:
    """The plugin with its tables, which are gone afterwards."""
    text = Path(__file__).with_name("writes.php").read_text(encoding="utf-8")
    write = stack.execute("wordpress", "sh", "-c", 'printf %s "$0" >"$1"', text, PLUGIN)
    assert write.rc == 0, write.stderr
    make = """
        global $wpdb;
        $wpdb->query("CREATE TABLE {$wpdb->prefix}verify (
            id INT AUTO_INCREMENT PRIMARY KEY,
            word VARCHAR(200)
        ) CHARACTER SET utf8mb4");
        $wpdb->query("CREATE TABLE {$wpdb->prefix}verify_views (address TEXT)");
        $wpdb->insert("{$wpdb->prefix}verify", ["word" => "first"]);
        update_post_meta(1, "verify_field", "first");
        update_option("verify_option", "first");
    """
    remove = """
        global $wpdb;
        $wpdb->query("DROP TABLE IF EXISTS {$wpdb->prefix}verify, {$wpdb->prefix}verify_views");
        delete_post_meta(1, "verify_field");
        delete_post_meta(1, "verify_views");
        foreach (["option", "views", "counter"] as $name) {
            delete_option("verify_$name");
        }
        $wpdb->update($wpdb->posts, ["post_excerpt" => ""], ["ID" => 1]);
        clean_post_cache(1);
    """
    try:
        php(stack, make)
        yield
    finally:
        php(stack, remove)
        stack.execute("wordpress", "rm", "-f", PLUGIN)
        forget_kinds(stack)


@pytest.fixture
def stranger(plugin: None, stack: Stack, site: Site) -> Site:
    forget_kinds(stack)
    return Site(site.settings, site.ca)


def write(visitor: Site, way: str, new: str) -> None:
    """As a form of the plugin's does."""
    page = visitor.post("/wp-admin/admin-ajax.php", {"action": "verify_write", "way": way, "word": new})
    assert (page.status, page.text) == (200, "written")


@pytest.mark.parametrize("way", WAYS)
def test_a_write_past_wordpress_is_seen_at_once(stranger: Site, way: str) -> None:
    """However a plugin writes what a stranger sent it, the next stranger reads it."""
    for _ in range(2):
        new = word()
        stranger.get("/")
        assert kept(stranger.get("/")) == "HIT"
        write(stranger, way, new)
        seen = stranger.get("/")
        assert (kept(seen), new in seen.text) == ("MISS", True)
        again = stranger.get("/")
        assert (kept(again), again.text) == ("HIT", seen.text)


def test_a_folder_in_the_place_of_the_link_is_put_aside(stack: Stack, stranger: Site) -> None:
    """Whoever copies a site may make one of it, and no link takes its place."""
    stranger.get("/")
    assert kept(stranger.get("/")) == "HIT"
    copy = 'cd "$0" && cp -rL current copied && rm current && mv copied current'
    done = stack.execute("wordpress", "sh", "-c", copy, PAGES)
    assert done.rc == 0, done.stderr
    for _ in range(2):
        new = word()
        write(stranger, "insert", new)
        seen = stranger.get("/")
        assert (kept(seen), new in seen.text) == ("MISS", True)
        assert kept(stranger.get("/")) == "HIT"


@pytest.mark.parametrize("what", UNSEEN)
def test_a_write_that_changes_nothing_to_see_leaves_the_pages(stack: Stack, stranger: Site, what: str) -> None:
    """Transients, locks, and statements that change no row."""
    stranger.get("/")
    assert kept(stranger.get("/")) == "HIT"
    php(stack, 'global $wpdb; $wpdb->query(str_replace("{p}", $wpdb->prefix, $argv[1]));', UNSEEN[what])
    assert kept(stranger.get("/")) == "HIT"


@pytest.mark.parametrize("counter", ["table", "field", "option"])
def test_a_counter_of_views_does_not_empty_it_for_ever(
    stack: Stack, stranger: Site, counter: str, figure: Callable[[str], None]
) -> None:
    """Most of a hundred visits still are answered by a copy."""
    php(stack, "update_option('verify_counter', $argv[1]);", counter)
    try:
        got = [kept(stranger.get("/")) for _ in range(100)]
    finally:
        php(stack, "delete_option('verify_counter');")
    figure(f"cache of pages, a counter of views in a {counter}: {got.count('HIT')} of {len(got)} visits were hits")
    assert got.count("HIT") >= 70


def test_a_beacon_with_each_view_does_not_either(stranger: Site, figure: Callable[[str], None]) -> None:
    """As counters do it that know of caches: a request of its own from each page that is read."""
    got = []
    for number in range(100):
        got.append(kept(stranger.get("/")))
        write(stranger, "insert", f"view{number}")
    figure(f"cache of pages, a beacon with each view: {got.count('HIT')} of {len(got)} visits were hits")
    assert got.count("HIT") >= 70


def test_what_comes_too_often_is_seen_a_minute_later(stack: Stack, stranger: Site) -> None:
    """No write is forgotten: pages are made new for all of them together."""
    for number in range(30):
        write(stranger, "insert", f"before{number}")
    stranger.get("/")
    new = word()
    write(stranger, "insert", new)
    seen = stranger.get("/")
    assert (kept(seen), new in seen.text) == ("HIT", False)
    # A minute that is over. The container's health check is the next request, at the latest.
    assert stack.execute("wordpress", "php", "-r", f"touch('{PAGES}/.late', time() - 120);").rc == 0
    wait_until("the page is made new", lambda: new in stranger.get("/").text)


def test_an_editor_is_never_late(stack: Stack, stranger: Site, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Whatever visitors have used up."""
    administrator = stranger.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])
    for number in range(30):
        write(stranger, "update", f"before{number}")
    for _ in range(5):
        new = word()
        write(administrator, "update", new)
        assert new in stranger.get("/").text
