# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of pages: used for strangers, never for somebody, never wrong, and there when PHP is not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify import changes
from tests.verify.changes import word
from tests.verify.support import Page, Secret, Settings, Site, Stack, wait_until


def kept(page: Page) -> str:
    """Where the page came from, as NGINX says."""
    return str(page.headers.get("X-Page-Cache", ""))


def php(stack: Stack, code: str, *arguments: str) -> str:
    """What a program prints that has WordPress."""
    result = stack.execute("wordpress", "php", "-r", f'require "/var/www/html/wp-load.php"; {code}', "--", *arguments)
    assert result.rc == 0, result.stdout + result.stderr
    return str(result.stdout)


def forget(stack: Stack) -> None:
    """As after a change."""
    php(stack, "Inception_Pages::forget();")


def asked_of_php(stack: Stack) -> int:
    """How many requests php-fpm has taken, this one left out."""
    request = "SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET"
    told = stack.execute("wordpress", "sh", "-c", f'{request} cgi-fcgi -bind -connect "$(cat /tmp/listen)"')
    found = re.search(r"^accepted conn:\s+(\d+)", told.stdout, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.fixture(scope="module")
def administrator(site: Site, settings: Settings, secrets: dict[str, Secret]) -> Site:
    return site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])


@pytest.fixture(scope="module")
def editor(administrator: Site) -> Iterator[changes.Editor]:
    """Afterwards the site is as before."""
    editor = changes.Editor(administrator)
    author = editor.first("posts")["author"]
    title, name = editor.get("settings")["title"], editor.get(f"users/{author}")["name"]
    try:
        yield editor
    finally:
        changes.restore(editor, title, name)


@pytest.fixture
def fresh(stack: Stack, site: Site) -> Site:
    """A stranger at a site of which nothing is kept."""
    forget(stack)
    return Site(site.settings, site.ca)


@pytest.mark.parametrize("path", ["/", "/hello-world/", "/feed/", "/?s=world", "/Not-there/"])
def test_a_page_is_made_once(fresh: Site, path: str) -> None:
    """The second visitor gets the first one's copy."""
    first, second = fresh.get(path), fresh.get(path)
    assert (kept(first), kept(second)) == ("MISS", "HIT")
    assert (first.status, first.text) == (second.status, second.text)


@pytest.mark.parametrize(
    "query",
    ["?utm_source=a&utm_medium=b", "?fbclid=x", "?gclid=x&utm_campaign=1&_ga=2.3", "?"],
)
def test_trackers_do_not_split_it(fresh: Site, query: str) -> None:
    """An address with what trackers add is the same page, and WordPress does not see what they added."""
    first = fresh.get(f"/{query}")
    assert (first.status, kept(first)) == (200, "MISS")
    assert "utm_" not in first.text
    assert kept(fresh.get("/")) == "HIT"


def test_trackers_beside_an_argument(fresh: Site) -> None:
    """What else an address asks for is still asked for."""
    plain = fresh.get("/?s=world")
    for query in ("?utm_source=a&s=world", "?s=world&utm_source=a&gclid=b", "?fbclid=c&s=world&utm_term=d"):
        assert kept(fresh.get(f"/{query}")) == "HIT", query
    assert fresh.get("/?s=nowhere&utm_source=a").text != plain.text


def test_trackers_follow_to_another_page(fresh: Site) -> None:
    """Who is led to the right address arrives with them, for the site's own counters."""
    assert fresh.get("/hello-world?utm_source=a").location.endswith("/hello-world/?utm_source=a")
    assert fresh.get("/hello-world").location.endswith("/hello-world/")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("identity", None),
    ],
)
def test_a_copy_for_each_encoding(fresh: Site, accepted: str, encoding: str | None) -> None:
    """Each browser gets what it understands, compressed when the page was made and never again."""
    first, second = (fresh.get("/", {"Accept-Encoding": accepted}) for _ in range(2))
    assert (kept(first), kept(second)) == ("MISS", "HIT")
    for page in (first, second):
        assert page.headers.get("Content-Encoding") == encoding
        assert page.headers.get_all("Vary") == ["Accept-Encoding"]
        assert ("</html>" in page.text) == (encoding is None)
    assert first.text == second.text


def test_compressed_copies_are_the_page(fresh: Site) -> None:
    """What curl unpacks is what it gets otherwise."""
    plain = fresh.curl().stdout
    assert "</html>" in plain
    for encoding in ("gzip", "br"):
        again = fresh.curl("--compressed", "--header", f"Accept-Encoding: {encoding}")
        assert again.stdout == plain, again.stderr


def test_each_port_has_its_own_pages(fresh: Site) -> None:
    """A copy has the links of its visitor's port, so another port's is another one."""
    assert fresh.settings.domain in fresh.get("/").text
    other = fresh.get("/", {"Host": f"{fresh.settings.domain}:4242"})
    assert kept(other) == "MISS"
    assert f"https://{fresh.settings.domain}:4242/" in other.text
    assert ":4242" not in fresh.get("/").text


def test_whoever_is_signed_in_gets_his_own(fresh: Site, administrator: Site, editor: changes.Editor) -> None:
    """Neither from the copies nor into them; a stranger's page is the same before and after."""
    before = fresh.get("/").text
    for path in ("/", "/wp-admin/", "/hello-world/"):
        page = administrator.get(path)
        assert (page.status, kept(page)) == (200, "BYPASS"), path
        assert "wp-admin-bar" in page.text or "wpadminbar" in page.text, path
    assert fresh.get("/").text == before
    assert "wpadminbar" not in before


@pytest.mark.parametrize(
    "cookie",
    [
        "wordpress_logged_in_0123=somebody",
        "comment_author_0123=somebody",
        "wp-postpass_0123=something",
        "woocommerce_cart_hash=1",
        "_ga=1; unheard_of=2",
    ],
)
def test_whoever_may_be_somebody_gets_his_own(fresh: Site, cookie: str) -> None:
    """An unknown cookie is somebody's, as those of readers of a guarded post and of comments are."""
    assert kept(fresh.get("/", {"Cookie": cookie})) == "BYPASS"
    assert kept(fresh.get("/")) == "MISS"
    assert kept(fresh.get("/", {"Cookie": cookie})) == "BYPASS"


@pytest.mark.parametrize("cookie", ["_ga=GA1.2.3; _gid=4", "wordpress_test_cookie=WP+Cookie+check", "_fbp=fb.1.2"])
def test_a_counter_s_cookie_is_nobody_s(fresh: Site, cookie: str) -> None:
    """Such a cookie does not keep its visitor from the copies."""
    fresh.get("/")
    assert kept(fresh.get("/", {"Cookie": cookie})) == "HIT"


@pytest.mark.parametrize(
    "path",
    [
        "/wp-login.php",
        "/wp-json/wp/v2/posts",
        "/?rest_route=/wp/v2/posts",
        "/?p=1&preview=true",
        "/hello-world/?unapproved=1&moderation-hash=0123",
        "/?%75napproved=1",
        "/wp-cron.php",
        "/not-there/",
    ],
)
def test_what_is_never_kept(fresh: Site, path: str) -> None:
    """Also in a spelling that NGINX does not know of."""
    assert kept(fresh.get(path)) in ("BYPASS", "MISS")
    assert kept(fresh.get(path)) in ("BYPASS", "MISS")


def test_a_sign_in_with_a_header_gets_its_own(fresh: Site) -> None:
    """What a program signs in with, no stranger gets the answer to."""
    assert kept(fresh.get("/", {"Authorization": "Basic Og=="})) == "BYPASS"


def test_a_form_is_not_answered_from_it(fresh: Site) -> None:
    """What is sent reaches WordPress, each time."""
    fresh.get("/")
    assert kept(fresh.post("/", {"s": "world"})) in ("", "BYPASS")


def test_a_page_behind_a_password_is_not_kept(fresh: Site, editor: changes.Editor) -> None:
    """Neither its form nor what is behind it."""
    post = editor.make("posts", title="Guarded", content=f"Hidden {word()}", status="publish", password="open")
    path = changes.path_of(post)
    for _ in range(2):
        page = fresh.get(path)
        assert (page.status, kept(page)) == (200, "MISS")
        assert "Hidden" not in page.text
    reader = Site(fresh.settings, fresh.ca)
    reader.post("/wp-login.php?action=postpass", {"post_password": "open"})
    assert "Hidden" in reader.get(path).text
    assert "Hidden" not in fresh.get(path).text


@pytest.mark.parametrize("kind", changes.KINDS)
def test_a_change_is_seen_at_once(site: Site, editor: changes.Editor, kind: str) -> None:
    """By the next request of a stranger, though the page was there already; and it is that page that is kept."""
    for _ in range(2):
        new = word()
        path = changes.KINDS[kind](editor, word())
        assert site.get(path).status == 200
        assert kept(site.get(path)) == "HIT"
        changes.KINDS[kind](editor, new)
        seen = site.get(path)
        assert (kept(seen), new in seen.text) == ("MISS", True)
        again = site.get(path)
        assert (kept(again), again.text) == ("HIT", seen.text)


CHANGES = {
    "a plugin is activated": 'do_action("activated_plugin", "none.php", false);',
    "a plugin is updated": 'do_action("upgrader_process_complete", null, ["action" => "update", "type" => "plugin"]);',
    "a widget": 'add_option("widget_verify", 1); delete_option("widget_verify");',
    "a theme's setting": 'set_theme_mod("verify", microtime(true)); remove_theme_mod("verify");',
    "a category": 'wp_delete_term(wp_insert_term("verify", "category")["term_id"], "category");',
    "a custom field": 'update_post_meta(1, "verify", microtime(true)); delete_post_meta(1, "verify");',
    "a post that goes to the trash": """
        $id = wp_insert_post(["post_title" => "verify", "post_status" => "publish"]);
        wp_trash_post($id);
        wp_delete_post($id, true);
    """,
    "links of another form": """
        global $wp_rewrite;
        $before = get_option("permalink_structure");
        $wp_rewrite->set_permalink_structure("/%post_id%/");
        $wp_rewrite->set_permalink_structure($before);
    """,
}

WORK = {
    "something for a while": 'set_transient("verify", microtime(true), 60); delete_transient("verify");',
    "the list of what is due": """
        wp_schedule_single_event(time() + 86400, "verify");
        wp_clear_scheduled_hook("verify");
    """,
    "who is at work on a post": 'update_post_meta(1, "_edit_lock", time() . ":1"); delete_post_meta(1, "_edit_lock");',
    "a sign-in": 'update_user_meta(1, "session_tokens", get_user_meta(1, "session_tokens", true) ?: []);',
    "a comment that waits": """
        $id = wp_insert_comment(["comment_post_ID" => 1, "comment_content" => "verify", "comment_approved" => 0]);
        // It goes as quietly as it came.
        array_map("remove_all_actions", ["deleted_comment", "transition_comment_status", "edit_comment"]);
        wp_delete_comment($id, true);
    """,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_every_page_anew(stack: Stack, site: Site, change: str) -> None:
    """Also when it is made from the command line, as by an update that runs by itself."""
    site.get("/")
    assert kept(site.get("/")) == "HIT"
    php(stack, CHANGES[change])
    assert kept(site.get("/")) == "MISS"


@pytest.mark.parametrize("work", WORK)
def test_work_that_nobody_sees_leaves_the_pages(stack: Stack, site: Site, work: str) -> None:
    """Else a site with many visitors or editors would keep nothing for long."""
    site.get("/")
    assert kept(site.get("/")) == "HIT"
    php(stack, WORK[work])
    assert kept(site.get("/")) == "HIT"


def test_a_page_that_was_begun_before_a_change_is_not_kept(stack: Stack, fresh: Site) -> None:
    """It was asked for before, is made during, and is done after a change: nobody else gets it."""
    old, new = word(), word()
    slow = Path(__file__).with_name("slow_page.php").read_text(encoding="utf-8")
    plugin = "/var/www/html/wp-content/mu-plugins/slow-page.php"
    php(stack, "update_option('slow_page', $argv[1]);", old)
    write = stack.execute("wordpress", "sh", "-c", 'printf %s "$0" >"$1"', slow, plugin)
    assert write.rc == 0, write.stderr
    try:
        pages: list[Page] = []
        visit = threading.Thread(target=lambda: pages.append(fresh.get("/?slow_page=1")))
        visit.start()
        wait_until("the page is begun", lambda: stack.execute("wordpress", "test", "-e", "/tmp/slow_page").rc == 0)
        php(stack, "update_option('slow_page', $argv[1]);", new)
        stack.execute("wordpress", "rm", "/tmp/slow_page")
        visit.join()
        assert old in pages[0].text
        after = fresh.get("/?slow_page=0")
        assert new in after.text
        # The very address of the page that came too late.
        late = threading.Thread(target=lambda: pages.append(fresh.get("/?slow_page=1")))
        late.start()
        wait_until("it is made anew", lambda: stack.execute("wordpress", "rm", "/tmp/slow_page").rc == 0)
        late.join()
        assert new in pages[1].text
        assert old not in pages[1].text
    finally:
        stack.execute("wordpress", "rm", "-f", plugin, "/tmp/slow_page")
        php(stack, "delete_option('slow_page');")


def test_many_at_once_cost_php_one_request(stack: Stack, fresh: Site) -> None:
    """Of 64 strangers who want a page that is not there yet, one waits for PHP and 63 for him."""
    before = asked_of_php(stack)
    pages: list[Page] = []
    visits = [threading.Thread(target=lambda: pages.append(fresh.get("/"))) for _ in range(64)]
    for visit in visits:
        visit.start()
    for visit in visits:
        visit.join()
    assert len(pages) == 64
    assert {page.status for page in pages} == {200}
    assert len({page.text for page in pages}) == 1
    assert [kept(page) for page in pages].count("MISS") == 1
    # Its health check may ask meanwhile: two requests a quarter of a minute. The 64 would be many more.
    assert asked_of_php(stack) - before < 32


def test_an_old_copy_while_php_is_down(stack: Stack, fresh: Site) -> None:
    """A page that was there is still there; one that was not is an error, and that is not kept."""
    page = fresh.get("/")
    try:
        stack.compose("stop wordpress")
        again = fresh.get("/")
        assert (again.status, kept(again), again.text) == (200, "HIT", page.text)
        other = fresh.get("/hello-world/")
        assert (other.status, other.headers["Retry-After"]) == (503, "10")
    finally:
        stack.compose("start wordpress")
        stack.wait_healthy()
    wait_until("the other page is there", lambda: fresh.get("/hello-world/").status == 200)


def test_an_error_of_the_database_is_not_kept(stack: Stack, fresh: Site) -> None:
    """Pages that were there stay; WordPress's error for another one is gone with its cause."""
    page = fresh.get("/")
    try:
        stack.compose("stop mariadb")
        assert (fresh.get("/").status, fresh.get("/").text) == (200, page.text)
        other = fresh.get("/hello-world/")
        assert (other.status, other.headers["Retry-After"]) == (503, "10")
    finally:
        stack.compose("start mariadb")
        stack.wait_healthy()
    found = fresh.get("/hello-world/")
    assert found.status == 200


def test_a_post_appears_when_its_time_has_come(stack: Stack, fresh: Site) -> None:
    """Nobody's visit is needed: the health check has WordPress publish it, and the copies go."""
    title = f"Timed {word()}"
    # WordPress publishes at once what is due within a minute, so the date comes nearer afterwards.
    code = """
        $id = wp_insert_post(["post_title" => $argv[1], "post_status" => "future",
            "post_date_gmt" => gmdate("Y-m-d H:i:s", time() + 3600)]);
        $when = gmdate("Y-m-d H:i:s", time() + 10);
        $GLOBALS["wpdb"]->update($GLOBALS["wpdb"]->posts,
            ["post_date_gmt" => $when, "post_date" => get_date_from_gmt($when)], ["ID" => $id]);
        clean_post_cache($id);
        wp_clear_scheduled_hook("publish_future_post", [$id]);
        wp_schedule_single_event(time() + 10, "publish_future_post", [$id]);
        echo $id;
    """
    made = php(stack, code, title)
    try:
        assert title not in fresh.get("/").text
        assert kept(fresh.get("/")) == "HIT"
        query = f"SELECT post_status FROM wp_posts WHERE ID = {int(made)}"
        wait_until("the post is published", lambda: stack.sql(query) == [["publish"]])
        wait_until("it is seen", lambda: title in fresh.get("/").text)
    finally:
        php(stack, "wp_delete_post((int) $argv[1], true);", made)


def test_it_is_bounded(stack: Stack) -> None:
    """The copies lie in memory, of which there is only so much; what anybody can think up lies apart."""
    for name, megabytes in (("pages", 72), ("files", 20), ("queries", 40)):
        kind, size = stack.execute("nginx", "df", "-PkT", f"/var/cache/{name}").stdout.splitlines()[-1].split()[1:3]
        assert (kind, size) == ("tmpfs", str(megabytes * 1024)), name
