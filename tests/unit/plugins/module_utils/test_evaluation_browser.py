# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger's site in the browser: it harms nobody, and what it tried is told. By a real Chromium, on this machine."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import browser, chromium, wall
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.browser import Login, visit_site
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.contained import contained, offspring
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import PASS, result
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place
from playwright.sync_api import Error

from tests.unit import https_server
from tests.unit.https_server import Pages

DOMAIN = "wil.42.fr"
NOBODY = Login("", "")
# Seconds, on a machine that does much else.
PATIENCE = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return https_server.self_signed(DOMAIN, tmp_path_factory.mktemp("tls") / "both.pem")


@contextlib.contextmanager
def serve(certificate: Path, pages: Pages) -> Iterator[Place]:
    with https_server.serve(certificate, pages) as port:
        yield Place(DOMAIN, "127.0.0.1", port)


class Bystander:
    """What the control node has open besides, by TCP and UDP; whoever asked is counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._tcp, daemon=True).start()
        threading.Thread(target=self._udp, daemon=True).start()

    def _tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self.tcp.accept()
                self.asked.append("tcp")
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nSECRET")
                connection.close()

    def _udp(self) -> None:
        with contextlib.suppress(OSError):
            while self.udp.recv(100):
                self.asked.append("udp")

    def close(self) -> None:
        self.tcp.close()
        self.udp.close()


@pytest.fixture
def bystander() -> Iterator[Bystander]:
    found = Bystander()
    yield found
    found.close()


def page(body: str) -> tuple[int, dict[str, str], str]:
    return 200, {}, f"<html><title>Inception</title><body><p>Words of the site</p>{body}</body></html>"


def visited(
    certificate: Path, tmp_path: Path, pages: Pages, administrator: Login = NOBODY, user: Login = NOBODY, **given: Any
) -> dict[str, Any]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with serve(certificate, pages) as place:
        return visit_site(place, administrator, user, str(folder), **given)


def item(found: dict[str, Any], number: int) -> dict[str, Any]:
    (one,) = [one for one in found["results"] if one["id"] == number]
    return dict(one)


def told(one: dict[str, Any]) -> str:
    return "\n".join(f"{evidence['where']}: {evidence['text']}" for evidence in one["evidence"])


def test_a_harmless_site_is_seen(certificate: Path, tmp_path: Path) -> None:
    """With a link of its own, a redirect of its own, and a port that it takes itself to have."""
    pages = {"/": (302, {"Location": f"https://{DOMAIN}/home"}, ""), "/home": page("<img src='/x.png'>")}
    found = visited(certificate, tmp_path, pages)
    assert item(found, 41)["verdict"] == "pass"
    assert "refused" not in told(item(found, 41))
    assert [one["verdict"] for one in found["results"]] == ["pass", *["undetermined"] * 3]
    (picture,) = found["screenshots"]
    assert Path(picture["path"]).read_bytes().startswith(b"\x89PNG")


# What a page may do by itself, with the port of something else of this machine.
TRIES = {
    "another port": "<img src='http://127.0.0.1:@/'>",
    "another port with TLS": "<img src='https://127.0.0.1:@/'>",
    "a name of this machine": "<img src='http://localhost:@/'>",
    "IPv6": "<img src='http://[::1]:@/'>",
    "a number": "<img src='http://2130706433:@/'>",
    "its own name": f"<img src='http://{DOMAIN}:@/'>",
    "its own name with TLS": f"<img src='https://{DOMAIN}:@/'>",
    "a frame": "<iframe src='http://127.0.0.1:@/'></iframe>",
    "a script": "<script>fetch('http://127.0.0.1:@/', {mode: 'no-cors'}).catch(() => 0)</script>",
    "a socket": "<script>new WebSocket('ws://127.0.0.1:@/')</script>",
    "a form": "<form id=f action='http://127.0.0.1:@/'></form><script>document.querySelector('#f').submit()</script>",
    "a beacon": "<script>navigator.sendBeacon('http://127.0.0.1:@/', 'x')</script>",
    "a prefetch": "<link rel=prefetch href='http://127.0.0.1:@/'><link rel=preconnect href='http://127.0.0.1:@'>",
    "a window": "<script>window.open('http://127.0.0.1:@/')</script>",
}
CALLS = """<script>
const call = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:@'},
    {urls: 'turn:127.0.0.1:@?transport=tcp', username: 'a', credential: 'b'}]});
call.createDataChannel('x'); call.createOffer().then(offer => call.setLocalDescription(offer));
</script>"""
WAIT = "<script>const ends = Date.now() + 1500; while (Date.now() < ends); </script>"


def test_nothing_but_the_site_is_reached(certificate: Path, tmp_path: Path, bystander: Bystander) -> None:
    """Each a page of its own, in one browser: to start one takes longer than all of them."""
    bodies = {name: tried.replace("@", str(bystander.port)) + SLOWLY for name, tried in TRIES.items()}
    paths = {name: f"/{number}/" for number, name in enumerate(bodies)}
    refusals = wall.Refusals()

    def work(tell: Callable[[Any], None]) -> None:
        with browser.browser(place, refusals) as visitors:
            for name, path in paths.items():
                visit = browser.Visit(tmp_path, visitors)
                browser.attempt(41, functools.partial(seen, visitors, path, visit, refusals), visit)
                tell([name, [one.to_dict() for one in visit.results]])
                refusals._told.clear()

    with serve(certificate, {paths[name]: page(body) for name, body in bodies.items()}) as place:
        found, why = contained(work, 300.0, 4 * 1024**3)
    assert why == ""
    assert bystander.asked == []
    refused = {name: [told(one) for one in results] for name, results in found}
    assert list(refused) == list(TRIES)
    sign = re.compile(r"refused: .*(127\.0\.0\.1|localhost|::1|window|wil\.42\.fr)")
    assert [name for name, texts in refused.items() if not any(map(sign.search, texts))] == []


def seen(visitors: browser.Visitors, path: str, visit: browser.Visit, refusals: wall.Refusals) -> None:
    """A page is complete before all that its scripts begin has got to the wall."""
    opened = visitors()
    browser.go(opened, path)
    ends = time.monotonic() + PATIENCE
    while not refusals.told() and time.monotonic() < ends:
        opened.wait_for_timeout(50)
    visit.results.append(result(41, PASS, []))


# The page is complete a moment later.
SLOWLY = "<img src='/slow'>" + "".join(f"<img src='/{number}'>" for number in range(20))


def test_calls_are_not_made(certificate: Path, tmp_path: Path, bystander: Bystander) -> None:
    """WebRTC has sockets of its own, which no proxy sees."""
    body = CALLS.replace("@", str(bystander.port)) + WAIT + SLOWLY
    found = visited(certificate, tmp_path, {"/": page(body)})
    assert item(found, 41)["verdict"] == "pass"
    assert bystander.asked == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:@/", "file:///etc/passwd"])
def test_a_site_that_leads_away_is_not_seen(
    certificate: Path, tmp_path: Path, bystander: Bystander, address: str
) -> None:
    away = address.replace("@", str(bystander.port))
    found = visited(certificate, tmp_path, {"/": (302, {"Location": away}, "")})
    assert item(found, 41)["verdict"] == "fail"
    assert not found["screenshots"]
    assert bystander.asked == []


def sign_in_page() -> tuple[int, dict[str, str], str]:
    return page(
        "<div id=wpadminbar>bar</div><form action='/wp-login.php'>"
        "<input id=user_login autofocus><input id=user_pass type=password>"
        "<button id=wp-submit type=button>in</button></form>"
    )


@pytest.fixture
def login(tmp_path: Path) -> Login:
    (tmp_path / "password").write_text("Tr0ub4dor-3\n")
    return Login("wil", str(tmp_path / "password"))


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///etc/passwd", None),
        ("http://127.0.0.1:8/", None),
        ("view-source:file:///etc/passwd", None),
        ("//127.0.0.1:8/x", None),
        ("data:text/html,x", None),
        ("http://[::1/", None),
        (f"https://{DOMAIN}@127.0.0.1/", None),
        (f"https://{DOMAIN}:8443/a?b=c", "/a?b=c"),
        (f"http://{DOMAIN}/a", "/a"),
        ("/a?b=c#d", "/a?b=c"),
        (f"//{DOMAIN}//x", "/x"),
    ],
)
def test_only_paths_of_the_site_are_opened(address: str, path: str | None) -> None:
    visitors = browser.Visitors(Place(DOMAIN, "127.0.0.1", 443), wall.Refusals(), lambda: pytest.fail("opened"))
    if path is None:
        with pytest.raises(browser.LedAway, match="the site leads to"):
            visitors.path(address)
    else:
        assert visitors.path(address) == path


@pytest.mark.parametrize("address", ["file:///etc/passwd", "//127.0.0.1:@/x"])
def test_addresses_that_the_site_gives(
    certificate: Path, tmp_path: Path, bystander: Bystander, login: Login, address: str
) -> None:
    """A file of the control node was in a picture of the report."""
    away = address.replace("@", str(bystander.port))
    posts = f'[{{"comment_status": "open", "link": "{away}"}}]'
    pages: Pages = {
        "/": page(""),
        "/wp-login.php": sign_in_page(),
        "/?rest_route=/wp/v2/posts": (200, {"Content-Type": "application/json"}, posts),
        "/wp-admin/": page("<div id=adminmenu>menu</div>"),
        "/wp-admin/edit.php?post_type=page&post_status=publish": page(f"<a class=row-title href='{away}'>x</a>"),
    }
    found = visited(certificate, tmp_path, pages, login, login)
    for number in (47, 49):
        assert item(found, number)["verdict"] == "fail"
        assert f"the site leads to {away}" in told(item(found, number))
    assert f"refused: {away}" in told(item(found, 47))
    assert bystander.asked == []
    assert [one["item"] for one in found["screenshots"]] == [41, 48]


# As WordPress's: the cursor is moved to the name some time after the page has come, whatever is typed meanwhile.
MOVES_THE_CURSOR = """
<div id=bar></div>
<form action='/wp-login.php'><input id=user_login><input id=user_pass type=password></form>
<button id=wp-submit onclick="if (user_pass.value && user_login.value === 'wil') bar.id = 'wpadminbar'">in</button>
<script>
let moved = false;
setTimeout(() => { moved = true; user_login.focus(); user_login.select(); }, 700);
user_pass.addEventListener('focus', () => { if (!moved) user_login.focus(); });
</script>"""


def test_who_signs_in_waits_for_the_cursor(certificate: Path, tmp_path: Path, login: Login) -> None:
    """On a busy computer the password came into the name, and a good project failed for it."""
    pages: Pages = {
        "/": page(""),
        "/wp-login.php": page(MOVES_THE_CURSOR),
        "/wp-admin/": page("<div id=adminmenu>menu</div>"),
    }
    found = visited(certificate, tmp_path, pages, login, login)
    assert item(found, 48)["verdict"] == "pass", told(item(found, 48))


def test_a_password_is_typed_into_nothing_else(
    certificate: Path, tmp_path: Path, bystander: Bystander, login: Login
) -> None:
    away = (302, {"Location": f"http://127.0.0.1:{bystander.port}/"}, "")
    found = visited(certificate, tmp_path, {"/": page(""), "/wp-login.php": away}, user=login)
    assert item(found, 47)["verdict"] == "fail"
    assert bystander.asked == []


@pytest.mark.parametrize(
    ("script", "refused"),
    [
        ("location = '/file.zip'", "a download"),
        ("window.open('/file.zip')", "a window of its own"),
    ],
)
def test_downloads_and_windows_are_refused(certificate: Path, tmp_path: Path, script: str, refused: str) -> None:
    pages: Pages = {
        "/": page(f"<script>onload = () => {{ {script} }}</script>"),
        "/other": page(""),
        "/file.zip": (200, {"Content-Type": "application/zip", "Content-Disposition": "attachment"}, "x" * 1000),
    }
    found = visited(certificate, tmp_path, pages, seconds=60.0)
    assert f"refused: {refused}" in told(item(found, 41))
    assert not list(tmp_path.rglob("*.zip"))


def test_the_visit_has_its_time(certificate: Path, tmp_path: Path, login: Login) -> None:
    """No action's own limit ends a script that the page keeps busy; what was found until then stands."""
    before = offspring(os.getpid())
    busy = "<script>fetch = () => { for (;;); }</script>"
    pages: Pages = {"/": page(""), "/wp-login.php": page(sign_in_page()[2] + busy)}
    start = time.monotonic()
    found = visited(certificate, tmp_path, pages, login, login, seconds=PATIENCE)
    assert time.monotonic() - start >= PATIENCE
    assert item(found, 41)["verdict"] == "pass"
    assert f"it took longer than {PATIENCE:.0f} s" in told(item(found, 47))
    assert item(found, 49)["verdict"] == "undetermined"
    assert not offspring(os.getpid()) - before


def test_it_is_shut_in_and_nobody(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the processes themselves, while a page is open."""
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD", "Tr0ub4dor-3")
    seen: list[tuple[int, str, str]] = []

    def look() -> None:
        while not done.is_set():
            for process in offspring(os.getpid()):
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
                    if "chromium" in words and "with_args" not in words and "/browser" not in words.split(" ")[2:3]:
                        surroundings = Path(f"/proc/{process}/environ").read_text(errors="replace")
                        status = Path(f"/proc/{process}/status").read_text()
                        uid = int(re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1])  # type: ignore[index]
                        seen.append((uid, words, surroundings))
            time.sleep(0.05)

    done = threading.Event()
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        found = visited(certificate, tmp_path, {"/": page(SLOWLY)})
    finally:
        done.set()
        watcher.join()
    assert item(found, 41)["verdict"] == "pass"
    of_the_browser = [one for one in seen if "--type=renderer" in one[1]]
    assert of_the_browser
    assert all("--no-sandbox" not in words for _uid, words, _surroundings in seen)
    assert all("Tr0ub4dor" not in surroundings for _uid, _words, surroundings in of_the_browser)
    users = {uid for uid, _words, _surroundings in of_the_browser}
    if os.geteuid() == 0:
        assert len(users) == 1
        assert users <= set(chromium._USERS)
        with pytest.raises(KeyError):
            pwd.getpwuid(users.pop())


def test_without_a_sandbox_no_page_is_opened(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the kernel allows no namespaces to users, and Debian's helper is not there."""
    monkeypatch.setattr(chromium, "arguments", lambda wall: ["--disable-namespace-sandbox", "--disable-setuid-sandbox"])
    found = visited(certificate, tmp_path, {"/": page("")})
    assert {one["verdict"] for one in found["results"]} == {"undetermined"}
    assert "has no sandbox here" in told(found["results"][0])


def test_root_runs_no_browser_of_its_own(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only root can start would be started as root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(chromium.shutil, "which", lambda _name: "")
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(chromium.NoBrowser, match="apt-get install chromium"):
        chromium.executable(tmp_path, str(tmp_path / "closed/chrome"))


def test_refusals_are_bounded() -> None:
    refusals = browser.Refusals()
    for number in range(10_000):
        refusals.note(f"http://{number}/{'x' * 10_000}")
    assert len(refusals.told()) == refusals.MOST
    assert max(map(len, refusals.told())) == 300


class Changing:
    """A page during whose first loads the network changes."""

    def __init__(self, said: str, times: int) -> None:
        self.said, self.left, self.opened = said, times, 0

    def goto(self, address: str) -> None:
        self.opened += 1
        if self.left:
            self.left -= 1
            raise Error(f"Page.goto: net::{self.said} at https://{DOMAIN}{address}")


@pytest.mark.parametrize(
    ("said", "times", "opened", "comes"),
    [
        ("ERR_NETWORK_CHANGED", 0, 1, True),
        ("ERR_NETWORK_CHANGED", 3, 4, True),
        ("ERR_NETWORK_CHANGED", 9, 4, False),
        ("ERR_CONNECTION_REFUSED", 1, 1, False),
    ],
)
def test_a_network_that_changes_says_nothing_of_the_site(said: str, times: int, opened: int, comes: bool) -> None:
    """A container that starts on the control node breaks off what the browser loads."""
    page: Any = Changing(said, times)
    with contextlib.nullcontext() if comes else pytest.raises(Error, match=said):
        browser.go(page, "/")
    assert page.opened == opened


def test_its_folder_is_one_that_it_gets_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As .ci/run has it, root's TMPDIR may be in root's own home."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert chromium.room() == str(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert chromium.room() in ("/tmp", "/var/tmp")
    monkeypatch.setattr(chromium, "_all_may_run", lambda path: False)
    with pytest.raises(chromium.NoBrowser, match="chmod 1777 /tmp"):
        chromium.room()
