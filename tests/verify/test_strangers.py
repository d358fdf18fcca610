# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks of strangers, each of which worked once: what they must not get, and that nobody else notices.

docs/security.md lists them by the names of these tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.verify.strangers import ADDRESSES, Stranger, outside, statuses
from tests.verify.support import Secret, Settings, Site, Stack, wait_until

UPLOADS = "wp-content/uploads"
# Larger than any letter, and as large as an upload may be.
LARGE = 62_000_000


@pytest.fixture(scope="module")
def stranger(stack: Stack) -> Iterator[Stranger]:
    with outside(stack) as found:
        yield found


@pytest.fixture(scope="module")
def administrator(site: Site, settings: Settings, secrets: dict[str, Secret]) -> Site:
    return site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])


def nonce(visitor: Site) -> dict[str, str]:
    return {"X-WP-Nonce": visitor.get("/wp-admin/admin-ajax.php?action=rest-nonce").text}


def copies(stack: Stack) -> dict[str, int]:
    """How many copies each cache of NGINX has."""
    counted = stack.execute(
        "nginx", "sh", "-c", 'cd /var/cache; for cache in pages files queries; do find "$cache" -type f | wc -l; done'
    )
    assert counted.rc == 0, counted.stderr
    return dict(zip(("pages", "files", "queries"), map(int, counted.stdout.split()), strict=True))


@pytest.fixture
def links(stack: Stack, settings: Settings) -> Iterator[list[str]]:
    """Links among the uploads to what is NGINX's own, as a plugin with a hole would make them: their paths."""
    made = {"key.txt": "/run/secrets/tls_key", "key.css": "/run/secrets/tls_key", "secrets": "/run/secrets"}
    folder = f"{settings.data}/wordpress/{UPLOADS}"
    for name, target in made.items():
        stack.login(f"ln -s {target} {folder}/{name}")
    try:
        yield [f"/{UPLOADS}/{path}" for path in ("key.txt", "key.css", "key.css?ver=1", "secrets/tls_key")]
    finally:
        for name in made:
            stack.login(f"rm {folder}/{name}")


def test_a_link_on_the_volume_leads_nowhere(site: Site, links: list[str]) -> None:
    """NGINX follows none, wherever it hands out files."""
    for path in links:
        page = site.get(path)
        assert "PRIVATE KEY" not in page.text, path
        assert page.status in (403, 404), path


def test_versions_that_are_thought_up_make_no_copies(stack: Stack, site: Site, stranger: Stranger) -> None:
    """As many copies as files: a version in an address is none of what a copy is found by."""
    path = "/wp-includes/css/dist/block-library/style.min.css"
    assert stranger.get(path).status == 200
    before = copies(stack)
    answers = stranger.ask_all({"path": f"{path}?ver=NUMBER", "times": 500}, most=0)
    assert statuses(answers) == {200: 500}
    assert copies(stack)["files"] <= before["files"] + 1
    assert {answer.headers["Cache-Control"] for answer in answers} == {"max-age=3600"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/?x=NUMBER", {}),
        ("/not-there-NUMBER/", {}),
        ("/search/NUMBER/", {}),
        ("/Hello-World/NUMBER/", {}),
        ("/hello-world/comment-page-NUMBER/", {}),
        ("/hello-world/NUMBER/", {}),
        ("/hello-world/0NUMBER/", {}),
        ("/page/0NUMBER/", {}),
        ("/category/NUMBER/uncategorized/", {}),
        ("/category/NUMBER/uncategorized/feed/", {}),
    ],
)
def test_addresses_that_are_thought_up_push_out_no_page(
    stack: Stack, stranger: Stranger, path: str, headers: dict[str, str]
) -> None:
    """Among the site's own pages no copy is kept of what anybody can ask for in any number."""
    assert stranger.get("/").status == 200
    before = copies(stack)["pages"]
    answers = stranger.ask_all({"path": path, "headers": headers, "times": 25}, most=0)
    assert set(statuses(answers)) <= {200, 301, 404}
    assert copies(stack)["pages"] <= before
    assert stranger.get("/").headers["X-Page-Cache"] == "HIT"


def test_ports_that_are_thought_up_push_out_no_page(stack: Stack, settings: Settings, stranger: Stranger) -> None:
    """A copy for each port, but among the site's own pages only for the ports that it is known by."""
    stranger.get("/")
    before = copies(stack)["pages"]
    answers = stranger.ask_all(
        *({"path": "/", "headers": {"Host": f"{settings.domain}:{port}"}} for port in range(50000, 50025)), most=0
    )
    assert statuses(answers) == {200: 25}
    assert copies(stack)["pages"] <= before


def test_the_place_for_what_is_thought_up_does_not_run_over(stack: Stack, site: Site) -> None:
    """However many there are, NGINX makes room for the next one."""
    answers = [site.get(f"/?s=word{number}") for number in range(60)]
    assert {page.status for page in answers} == {200}
    free = stack.execute("nginx", "df", "-P", "/var/cache/queries").stdout.splitlines()[-1].split()
    assert int(free[3]) > int(free[1]) // 4


def test_one_address_does_not_take_all_of_php(stranger: Stranger, site: Site) -> None:
    """It is slowed down, and refused what is too much; files and kept pages do not count, and others do not notice."""
    assert stranger.get("/").status == 200
    answers = stranger.ask_all({"path": "/?n=NUMBER", "times": 300}, at_once=300, most=0)
    found = statuses(answers)
    assert set(found) == {200, 429}
    assert found[200] >= 75
    assert statuses(stranger.ask_all({"path": "/", "times": 300}, most=0)) == {200: 300}
    assert site.own().get("/").status == 200
    # Nobody is locked out.
    wait_until("the stranger is answered again", lambda: stranger.get("/?n=again").status == 200)


@pytest.mark.parametrize(
    "request_of",
    [
        {"path": "/", "method": "POST"},
        {"path": "/wp-login.php", "method": "POST"},
        {"path": "/wp-comments-post.php", "method": "POST", "chunked": True},
        {"path": "/wp-admin/async-upload.php", "method": "POST"},
        {"path": "/wp-json/wp/v2/media", "method": "POST", "chunked": True},
        {"path": "/wp-json/wp/v2/media", "method": "PUT", "headers": {"Cookie": "wordpress_logged_in_0=wil|1|2|3"}},
        {"path": "/", "method": "GET", "chunked": True},
        {"path": "/hello-world/", "method": "DELETE"},
    ],
)
def test_a_stranger_s_large_body_is_not_taken(stack: Stack, stranger: Stranger, request_of: dict[str, object]) -> None:
    """Five of 62 MB at once: refused, without a place for them in memory; NGINX goes on with the same workers."""
    workers = {process.pid for process in stack.processes("nginx") if "worker process" in process.args}
    answers = stranger.ask_all({**request_of, "zeros": LARGE, "times": 5}, at_once=5)
    assert set(statuses(answers)) <= {401, 403, 405, 413}, statuses(answers)
    assert {process.pid for process in stack.processes("nginx") if "worker process" in process.args} == workers


def test_who_is_signed_in_may_upload(stack: Stack, administrator: Site) -> None:
    """20 MB, by the media library's own way; the file is there, and nothing is left where it came through."""
    # A WAV's head, so that WordPress knows what it is.
    head = "524946462400000057415645666d7420100000000100010044ac00008858010002001000" + b"data".hex()
    body = bytes.fromhex(head) + b"\0" * 20_000_000
    headers = {**nonce(administrator), "Content-Type": "audio/wav", "Content-Disposition": 'inline; filename="l.wav"'}
    made = administrator.request("POST", "/wp-json/wp/v2/media", body, headers).json()
    try:
        path = made["source_url"].partition("/wp-content/")[2]
        size = stack.root("stat -c %%s %s", f"{stack.settings.data}/wordpress/wp-content/{path}")
        assert int(size) == len(body)
        assert stack.root("find %s -type f", f"{stack.settings.data}/wordpress/wp-content/.incoming") == ""
    finally:
        administrator.request("DELETE", f"/wp-json/wp/v2/media/{made['id']}?force=true", None, nonce(administrator))


def wrong(number: int) -> dict[str, object]:
    return {
        "path": "/wp-login.php",
        "method": "POST",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "body": f"log=wil&pwd=wrong{number}&wp-submit=Log+In",
    }


def test_guessing_is_slow(site: Site, stranger: Stranger, settings: Settings, secrets: dict[str, Secret]) -> None:
    """Of one address; another one signs in meanwhile, and that one too, a little later."""
    answers = stranger.ask_all(*map(wrong, range(60)), at_once=60, most=0)
    found = statuses(answers)
    assert set(found) == {200, 429}
    # 20 wait for their turn.
    assert found[200] <= 30
    site.sign_in(settings.user, secrets["wp_user_password.txt"])
    other = Stranger(stranger.stack, ADDRESSES[1])
    assert other.ask_all(wrong(0))[0].status == 200
    wait_until("the guesser may try again", lambda: stranger.ask_all(wrong(0))[0].status == 200)


def test_xmlrpc_is_off(stranger: Stranger) -> None:
    """No guesses there, no invitation to it."""
    call = "<methodCall><methodName>system.listMethods</methodName></methodCall>"
    assert stranger.get("/xmlrpc.php", method="POST", body=call).status == 404
    page = stranger.get("/hello-world/?n=1")
    assert "X-Pingback" not in page.headers
    assert "xmlrpc" not in page.text


def test_names_are_for_who_is_signed_in(
    stranger: Stranger, administrator: Site, settings: Settings, secrets: dict[str, Secret]
) -> None:
    """No address, page or feed tells a stranger whom to guess for."""
    for path in ("/?author=1", "/?author=2", f"/author/{settings.admin_user}/", f"/author/{settings.user}/"):
        answer = stranger.get(path)
        assert (answer.status, answer.headers.get("Location")) == (404, None), path
    for path in ("/wp-json/wp/v2/users", "/wp-json/wp/v2/users/1", "/?rest_route=/wp/v2/users"):
        assert stranger.get(path).status == 401, path
    assert stranger.get("/wp-sitemap-users-1.xml").status == 404
    told = [
        "/feed/",
        "/comments/feed/",
        "/hello-world/?n=2",
        "/wp-json/wp/v2/posts?_embed=author",
        "/wp-json/wp/v2/comments",
        f"/wp-json/oembed/1.0/embed?url=https://{settings.domain}/hello-world/",
    ]
    for path in told:
        text = stranger.get(path).text
        for name in (settings.admin_user, settings.user):
            # The domain begins with the login.
            seen = text.replace(settings.domain, "").replace(settings.title, "")
            for sign in (f">{name}<", f'"{name}"', f"author/{name}", f"comment-author-{name}", f"[{name}]"):
                assert sign not in seen, (path, sign)
    headers = nonce(administrator)
    assert administrator.get("/wp-json/wp/v2/users/1?context=edit", headers).json()["username"] == settings.admin_user


def test_a_refusal_tells_nothing(site: Site, settings: Settings) -> None:
    """Wrong name, wrong password: the same words, in the same form."""

    def refusal(name: str) -> str:
        page = site.post("/wp-login.php", {"log": name, "pwd": "wrong", "wp-submit": "Log In"})
        # The domain begins with the login, and so does the administrator's name.
        return page.text.replace(settings.domain, "DOMAIN").replace(name, "NAME")

    def lost(name: str) -> tuple[int, str]:
        page = site.post("/wp-login.php?action=lostpassword", {"user_login": name})
        return page.status, page.text.replace(settings.domain, "DOMAIN").replace(name, "NAME")

    assert refusal(settings.admin_user) == refusal("nobody-at-all")
    assert lost(settings.user) == lost("nobody-at-all") == lost("nobody@example.org")


def test_application_passwords_work(administrator: Site, site: Site, settings: Settings) -> None:
    """A program signs in with one of its own, by the header."""
    headers = {**nonce(administrator), "Content-Type": "application/json"}
    path = "/wp-json/wp/v2/users/me/application-passwords"
    made = administrator.request("POST", path, json.dumps({"name": "a program"}), headers).json()
    try:
        credentials = base64.b64encode(f"{settings.admin_user}:{made['password']}".encode()).decode()
        program = Site(site.settings, site.ca).get(
            "/wp-json/wp/v2/users/me?context=edit", {"Authorization": f"Basic {credentials}"}
        )
        assert program.json()["username"] == settings.admin_user
    finally:
        administrator.request("DELETE", f"{path}/{made['uuid']}", None, nonce(administrator))


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/gate",
        "/.signed-in",
        "/readme.html",
        "/license.txt",
        "/wp-config.php",
        "/wp-config-sample.php",
        "/wp-config.php.bak",
        "/wp-content/debug.log",
    ],
)
def test_what_is_for_nobody_is_not_there(stranger: Stranger, path: str) -> None:
    """What is for the container itself, tells of versions, or is the copy of a program."""
    assert stranger.get(path).status == 404


def test_a_hidden_program_is_not_run(stack: Stack, settings: Settings, stranger: Stranger) -> None:
    """Nor one among the uploads, in whatever letters."""
    planted = [".hidden.php", f"{UPLOADS}/ran.php", f"{UPLOADS}/.ran.php"]
    folder = f"{settings.data}/wordpress"
    for path in planted:
        stack.login(f"echo '<?php echo 6 * 7, \"-ran\";' >{folder}/{path}")
    try:
        for path in planted:
            answer = stranger.get(f"/{path}")
            assert "42-ran" not in answer.text, path
            assert answer.status == 404, path
    finally:
        for path in planted:
            stack.login(f"rm {folder}/{path}")


def test_versions_are_nobody_s_business(stranger: Stranger) -> None:
    """WordPress's in no page or feed, NGINX's and PHP's in no header."""
    for path in ("/?n=3", "/feed/?n=3", "/wp-login.php", "/stack/"):
        answer = stranger.get(path)
        assert 'name="generator"' not in answer.text, path
        assert "wordpress.org/?v=" not in answer.text, path
        assert answer.headers.get("Server") == "nginx", path
        assert "X-Powered-By" not in answer.headers, path


# A server for questions, with the bounds as they are, beside the real one; it ends with the test.
_BOUNDS = """
pid /tmp/asked.pid;
events {}
http {
    include /etc/nginx/inception/bounds.conf;
    access_log off;
    client_body_temp_path /tmp/a;
    proxy_temp_path /tmp/b;
    fastcgi_temp_path /tmp/c;
    scgi_temp_path /tmp/d;
    uwsgi_temp_path /tmp/e;
    server {
        listen unix:/tmp/asked.sock;
        set_real_ip_from unix:;
        real_ip_header X-Real-IP;
        real_ip_recursive off;
        location / { return 200 $counted; }
    }
}
"""
_COUNTED = """
cat >/tmp/asked.conf
nginx -e /dev/stderr -c /tmp/asked.conf
for address do
    printf '%s %s\\n' "$address" "$(curl --silent --unix-socket /tmp/asked.sock --header "X-Real-IP: $address" http://asked/)"
done
kill "$(cat /tmp/asked.pid)"
rm /tmp/asked.conf
"""


def test_who_counts_as_one(stack: Stack) -> None:
    """An address; of IPv6 a whole /64, however it is written; and nobody where everybody has the same."""
    wanted = {
        "203.0.113.9": "203.0.113.9",
        "10.0.2.2": "",
        "2001:db8::1": "2001:db8::",
        "2001:db8:0:0:5::1": "2001:db8::",
        "2001:db8:1:2:3:4:5:6": "2001:db8:1:2:",
        "2001:db8:1:2::7": "2001:db8:1:2:",
        "2001:db8::1:2:3:4:5": "2001:db8:0:1:",
        "::1": "::",
    }
    # The gateway of its own network, which is everybody who comes from the machine itself.
    networks = stack.containers()["nginx"]["NetworkSettings"]["Networks"]
    wanted[networks["inception_nginx-way-in"]["Gateway"]] = ""
    container = stack.containers()["nginx"]["Id"]
    told = stack.root(
        "printf %%s %s | docker exec -i %s sh -c %s asked" + " %s" * len(wanted), _BOUNDS, container, _COUNTED, *wanted
    )
    assert dict(line.split(" ", 1) for line in told.splitlines()) == wanted
