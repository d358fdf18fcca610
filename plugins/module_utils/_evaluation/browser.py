# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An evaluator at a browser. Private to this collection.

Signs in, writes a comment, edits a page, keeps pictures, and later looks for what was written. The site is a
stranger's: the browser reaches it and nothing else (chromium, wall), ends with all that it started when its time is
over (contained), and wherever it was led to and did not go is evidence.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import chromium
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.contained import contained
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.wall import Refusals, wall

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

# How long a page may take, in milliseconds; an emulated machine is slow.
PATIENCE = 120_000
# A page can keep its reader busy without an end, or fill memory.
_SECONDS = 1_200.0
# Milliseconds that a complete page may take for what its scripts begin then.
_SETTLED = 5_000
# And for moving the cursor to the name of who signs in; a page may be without it.
_CURSOR = 5_000
_MOST_BYTES = 4 * 1024**3
_REFUSED = 5
# So many times the network may change while one page comes.
_CHANGES = 3


class LedAway(Exception):
    """The site leads to something that is not the site."""


@dataclass(frozen=True)
class Login:
    """A user of the site, and the file on the control node with the password; it is read only to be typed."""

    name: str
    password_file: str

    @property
    def known(self) -> bool:
        return bool(self.name) and bool(self.password_file) and Path(self.password_file).is_file()

    def password(self) -> str:
        return Path(self.password_file).read_text(encoding="utf-8").strip("\r\n")


@dataclass
class Visit:
    """What was found, written and seen."""

    folder: Path
    visitors: Visitors
    results: list[Result] = field(default_factory=list)
    screenshots: list[dict[str, Any]] = field(default_factory=list)
    written: list[dict[str, str]] = field(default_factory=list)
    # Of the pictures that are there already
    offset: int = 0

    def picture(self, page: Page, item: int, title: str) -> None:
        self.visitors.at_the_site(page)
        path = self.folder / f"{item}-{self.offset + len(self.screenshots)}.png"
        page.screenshot(path=str(path))
        self.screenshots.append({"item": item, "title": title, "path": str(path)})


@dataclass
class Visitors:
    """Makes empty pages of new visitors, for whom the domain is where the site is, and for whom nothing else is."""

    place: Place
    refusals: Refusals
    make: Callable[[], BrowserContext]
    pages: list[Page] = field(default_factory=list)
    windows: list[Page] = field(default_factory=list)

    def __call__(self) -> Page:
        context = self.make()
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        self.pages.append(page)
        context.on("request", lambda request: self._look(request.url))
        context.on("page", self._refuse)
        page.on("download", lambda download: self.refusals.note(f"a download: {download.url}"))
        page.on("websocket", lambda socket: self._look(socket.url))
        return page

    def _look(self, address: str) -> None:
        if not self.of_the_site(address):
            self.refusals.note(address)

    def _refuse(self, page: Page) -> None:
        self.refusals.note(f"a window of its own: {page.url}")
        self.windows.append(page)

    def close_windows(self) -> None:
        """Those too that the browser has just opened, and not yet told of."""
        ends = time.monotonic() + _SETTLED / 1000
        while self.pages and len(self.windows) < self._opened_by_pages() and time.monotonic() < ends:
            self.pages[-1].wait_for_timeout(50)
        while self.windows:
            self.windows.pop().close()

    def _opened_by_pages(self) -> int:
        browser = self.pages[-1].context.browser
        if browser is None:
            return 0
        session = browser.new_browser_cdp_session()
        try:
            targets = session.send("Target.getTargets")["targetInfos"]
        finally:
            session.detach()
        return sum(one["type"] == "page" and "openerId" in one for one in targets)

    def of_the_site(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
            port = parts.port or 443
        except ValueError:
            return False
        if parts.scheme in ("data", "blob", "about"):
            return True
        ours = parts.scheme in ("https", "wss") and port in (443, self.place.port)
        return ours and (parts.hostname or "") == self.place.domain.lower()

    def path(self, address: str) -> str:
        """The path of an address that the site gave, for whatever port it takes itself to have."""
        try:
            parts = urlsplit(urljoin(f"https://{self.place.domain}/", address))
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or (parts.hostname or "") != self.place.domain.lower():
            self.refusals.note(address)
            raise LedAway(f"the site leads to {address[:200]}")
        return "/" + parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")

    def at_the_site(self, page: Page) -> None:
        """Nothing is typed into something else, and no picture is made of it."""
        if page.url != "about:blank" and not self.of_the_site(page.url):
            self.refusals.note(page.url)
            raise LedAway(f"the site leads to {page.url[:200]}")


@contextlib.contextmanager
def browser(place: Place, refusals: Refusals) -> Iterator[Visitors]:
    from playwright.sync_api import sync_playwright

    with contextlib.ExitStack() as opened:
        folder = Path(
            opened.enter_context(tempfile.TemporaryDirectory(dir=chromium.room(), ignore_cleanup_errors=True))
        )
        port = opened.enter_context(wall(place, refusals))
        # Its profile is made there.
        os.environ["TMPDIR"] = str(folder)
        playwright = opened.enter_context(sync_playwright())
        path, home = chromium.executable(folder, playwright.chromium.executable_path)
        started = playwright.chromium.launch(
            executable_path=path,
            chromium_sandbox=True,
            args=chromium.arguments(port),
            env=chromium.environment(home),
        )
        opened.callback(started.close)
        yield Visitors(
            place,
            refusals,
            lambda: started.new_context(
                base_url=f"https://{place.domain}",
                ignore_https_errors=True,
                viewport={"width": 1280, "height": 900},
                accept_downloads=False,
                service_workers="block",
            ),
        )


def go(page: Page, address: str) -> None:
    """Again where the control node's network changed meanwhile, as it does with each container that starts there.

    The browser breaks off what it was loading then; it says nothing of the site.
    """
    from playwright.sync_api import Error

    for left in range(_CHANGES, -1, -1):
        try:
            page.goto(address)
            return
        except Error as error:
            if not left or "ERR_NETWORK_CHANGED" not in str(error):
                raise


def settle(page: Page) -> None:
    """What a page begins when it is complete is seen too, if it ends some time."""
    from playwright.sync_api import Error

    with contextlib.suppress(Error):
        page.wait_for_load_state("networkidle", timeout=_SETTLED)


def type_secret(page: Page, selector: str, value: str) -> None:
    """As typed: an action that fails tells what it was to fill in, but not what the keyboard types."""
    page.click(selector)
    page.keyboard.insert_text(value)


def sign_in(page: Page, login: Login, visitors: Visitors) -> bool:
    """Through the form that a person uses; whether the dashboard opened."""
    from playwright.sync_api import Error

    go(page, "/wp-login.php")
    visitors.at_the_site(page)
    # WordPress's own program moves the cursor there some time after the page has come, from the password too.
    with contextlib.suppress(Error):
        page.wait_for_function("document.activeElement?.id === 'user_login'", timeout=_CURSOR)
    page.fill("#user_login", login.name)
    type_secret(page, "#user_pass", login.password())
    page.click("#wp-submit")
    page.wait_for_load_state()
    return page.locator("#wpadminbar").count() > 0 or "/wp-admin" in page.url


def first_post(page: Page) -> str:
    """The address of the newest post that takes comments."""
    posts = page.evaluate("fetch('/?rest_route=/wp/v2/posts').then(answer => answer.json()).catch(() => [])")
    takes = [post["link"] for post in posts if post.get("comment_status") == "open"] if isinstance(posts, list) else []
    return str(takes[0]) if takes else "/?p=1"


def comment(visitor: Visitors, login: Login, visit: Visit) -> None:
    """47: the user writes a comment, and sees it."""
    page = visitor()
    if not sign_in(page, login, visitor):
        visit.picture(page, 47, f"{login.name} is not let in")
        visit.results.append(result(47, FAIL, [Evidence("/wp-login.php", f"{login.name} is not let in")]))
        return
    text = f"Commented by the evaluation {secrets.token_hex(6)}"
    post = first_post(page)
    go(page, visitor.path(post))
    where = re.sub(r"^https://[^/]+", "", page.url)
    if not page.locator("#comment").count():
        visit.picture(page, 47, "No form for a comment")
        visit.results.append(result(47, FAIL, [Evidence(where, "no form for a comment")]))
        return
    page.fill("#comment", text)
    page.locator("#commentform [type=submit]").first.click()
    page.wait_for_load_state()
    shown = text in page.content()
    visit.picture(page, 47, f"The comment of {login.name}")
    told = "shown" if shown else "not shown after it was sent"
    visit.results.append(result(47, PASS if shown else FAIL, [Evidence(where, f"{login.name}: {text}: {told}")]))
    if shown:
        stranger = visitor()
        go(stranger, where)
        if text in stranger.content():
            visit.written.append({"path": where, "text": text, "what": "the comment"})


# The editor's own way, as its buttons use it; an older WordPress has a form instead.
_EDIT = """async text => {
    const editor = wp.data.select("core/editor"), act = wp.data.dispatch("core/editor");
    for (let i = 0; i < 300 && !editor.getCurrentPostId(); i++) await new Promise(next => setTimeout(next, 100));
    const block = wp.blocks.createBlock("core/paragraph", {content: text});
    await wp.data.dispatch("core/block-editor").insertBlocks(block);
    await act.savePost();
    return editor.didPostSaveRequestSucceed();
}"""


def edit(visitor: Visitors, login: Login, visit: Visit) -> None:
    """48, 49: the administrator signs in and edits a page from the dashboard; a stranger sees the change."""
    page = visitor()
    let_in = sign_in(page, login, visitor)
    go(page, "/wp-admin/")
    dashboard = let_in and page.locator("#adminmenu").count() > 0
    visit.picture(page, 48, f"The dashboard of {login.name}" if dashboard else f"{login.name} is not let in")
    called = "admin" in login.name.lower()
    told = Evidence("/wp-login.php", f"{login.name} {'signs in' if dashboard else 'is not let in'}")
    visit.results.append(result(48, PASS if dashboard and not called else FAIL, [told]))
    if not dashboard:
        return
    go(page, "/wp-admin/edit.php?post_type=page&post_status=publish")
    links = page.locator("a.row-title")
    if not links.count():
        visit.results.append(
            result(49, UNDETERMINED, [Evidence("/wp-admin/edit.php?post_type=page", "there is no page to edit")])
        )
        return
    address = str(links.first.get_attribute("href"))
    text = f"Edited by the evaluation {secrets.token_hex(6)}"
    go(page, visitor.path(address))
    number = re.search(r"post=(\d+)", address)
    page.wait_for_function(
        "() => (window.wp && wp.data && wp.data.select('core/editor')) || document.querySelector('#publish')"
    )
    if page.locator("#publish").count():
        page.locator("#content-html").click()
        page.locator("#content").press_sequentially(f" {text}")
        page.click("#publish")
        page.wait_for_load_state()
        saved = True
    else:
        saved = bool(page.evaluate(_EDIT, text))
        with contextlib.suppress(Exception):
            page.keyboard.press("Escape")
    visit.picture(page, 49, "The page in the editor")
    stranger = visitor()
    go(stranger, f"/?page_id={number[1] if number else ''}")
    where = re.sub(r"^https://[^/]+", "", stranger.url)
    shown = text in stranger.content()
    if shown:
        stranger.get_by_text(text).first.scroll_into_view_if_needed()
        visit.written.append({"path": where, "text": text, "what": "the edit"})
    visit.picture(stranger, 49, "The page as a visitor sees it after the edit")
    told = Evidence(where, f"{text}: {'shown' if shown else 'not shown'}{'' if saved else '; the editor did not save'}")
    visit.results.append(result(49, PASS if shown else FAIL, [told]))


def front_page(visitor: Visitors, visit: Visit) -> None:
    """41: how the site looks."""
    page = visitor()
    go(page, "/")
    settle(page)
    visit.picture(page, 41, "The front page")
    words = len(page.inner_text("body").split())
    told = Evidence("/ in a browser", f"title: {page.title()}; {words} words")
    visit.results.append(result(41, PASS if words else FAIL, [told]))


def attempt(number: int, step: Callable[[], None], visit: Visit) -> None:
    """A step that the site made impossible is a failure of its item, with what the browser said."""
    start, before = time.monotonic(), len(visit.results)
    known = set(visit.visitors.refusals.told())
    from playwright.sync_api import Error

    try:
        step()
        visit.visitors.close_windows()
    except (Error, LedAway) as error:
        told = str(error).partition("\nCall log")[0]
        visit.results.append(result(number, FAIL, [Evidence("in a browser", told)]))
    refused = [Evidence("in a browser, refused", one) for one in visit.visitors.refusals.told() if one not in known]
    more = [Evidence("in a browser, refused", f"{len(refused) - _REFUSED} more")] if len(refused) > _REFUSED else []
    for one in visit.results[before:]:
        one.seconds = (time.monotonic() - start) / (len(visit.results) - before)
        one.evidence += [*refused[:_REFUSED], *more]


def visit_site(
    place: Place, administrator: Login, user: Login, folder: str, seconds: float = _SECONDS
) -> dict[str, Any]:
    """All of it; what cannot be tried stays undetermined, with the reason."""

    def work(tell: Callable[[Any], None]) -> None:
        try:
            with browser(place, Refusals()) as visitors:
                _visit(visitors, administrator, user, folder, tell)
        except ImportError:
            tell({"unable": "playwright is not on the control node: pip install -r requirements-evaluate.txt"})
        except Exception as error:
            # Playwright has its own errors, which are only known where it is.
            tell({"unable": why_not(str(error))})

    told, why = contained(work, seconds, _MOST_BYTES)
    found: dict[str, Any] = {"results": [], "screenshots": [], "written": []}
    for message in told:
        why = message.pop("unable", "") or why
        for name, values in message.items():
            found[name] += values
    if why:
        decided = {one["id"] for one in found["results"]}
        found["results"] += [one.to_dict() for one in unable(f"the visit was ended: {why}") if one.id not in decided]
    return found


def why_not(said: str) -> str:
    if "sandbox" in said.lower():
        return (
            "the browser has no sandbox here, and does without it open no stranger's page; where the kernel allows no "
            "namespaces to users, install Debian's: apt-get install chromium-sandbox"
        )
    return f"the browser did not start: {(said.strip().splitlines() or ['no reason was told'])[0]}"


def _visit(visitors: Visitors, administrator: Login, user: Login, folder: str, tell: Callable[[Any], None]) -> None:
    missing = "no password: name the file with it in {}"

    def one(number: int, step: Callable[[Visit], None]) -> None:
        visit = Visit(Path(folder), visitors, offset=len(list(Path(folder).iterdir())))
        attempt(number, lambda: step(visit), visit)
        results = [found.to_dict() for found in visit.results]
        tell({"results": results, "screenshots": visit.screenshots, "written": visit.written})

    def without(name: str, setting: str, numbers: tuple[int, ...]) -> None:
        told = [Evidence(name, missing.format(setting))]
        tell({"results": [result(number, UNDETERMINED, told).to_dict() for number in numbers]})

    one(41, lambda visit: front_page(visitors, visit))
    if user.known:
        one(47, lambda visit: comment(visitors, user, visit))
    else:
        without(user.name or "no second user", "evaluate_user_password_file", (47,))
    if administrator.known:
        one(49, lambda visit: edit(visitors, administrator, visit))
    else:
        without(administrator.name or "no administrator", "evaluate_admin_password_file", (48, 49))


def unable(why: str) -> list[Result]:
    return [result(number, UNDETERMINED, [Evidence("in a browser", why)]) for number in (47, 48, 49)]


def still_there(place: Place, written: list[dict[str, str]], fetch: Callable[[str], str]) -> Result:
    """55: what was written before is there."""
    if not written:
        return result(55, UNDETERMINED, [Evidence("before the reboot", "nothing was written that could be looked for")])
    told, good = [], True
    for entry in written:
        there = entry["text"] in fetch(entry["path"])
        good = good and there
        told.append(
            Evidence(f"https://{place.domain}{entry['path']}", f"{entry['what']} is {'there' if there else 'gone'}")
        )
    return result(55, PASS if good else FAIL, told)
