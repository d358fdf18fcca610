# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An evaluator at a browser. Private to this collection.

Signs in, writes a comment, edits a page, keeps pictures, and later looks for what was written.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place

if TYPE_CHECKING:
    from playwright.sync_api import Page

# How long a page may take, in milliseconds; an emulated machine is slow.
PATIENCE = 120_000


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
    results: list[Result] = field(default_factory=list)
    screenshots: list[dict[str, Any]] = field(default_factory=list)
    written: list[dict[str, str]] = field(default_factory=list)

    def picture(self, page: Page, item: int, title: str) -> None:
        path = self.folder / f"{item}-{len(self.screenshots)}.png"
        page.screenshot(path=str(path))
        self.screenshots.append({"item": item, "title": title, "path": str(path)})


@contextlib.contextmanager
def browser(place: Place) -> Iterator[Callable[[], Page]]:
    """Makes empty pages of new visitors, for whom the domain is where the site is."""
    from playwright.sync_api import sync_playwright

    where = f"MAP {place.domain} {place.address}:{place.port}"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=[f"--host-resolver-rules={where}"],
        )
        try:

            def visitor() -> Page:
                context = started.new_context(
                    base_url=f"https://{place.domain}",
                    ignore_https_errors=True,
                    viewport={"width": 1280, "height": 900},
                )
                context.set_default_timeout(PATIENCE)
                return context.new_page()

            yield visitor
        finally:
            started.close()


def type_secret(page: Page, selector: str, value: str) -> None:
    """As typed: an action that fails tells what it was to fill in, but not what the keyboard types."""
    page.click(selector)
    page.keyboard.insert_text(value)


def sign_in(page: Page, login: Login) -> bool:
    """Through the form that a person uses; whether the dashboard opened."""
    page.goto("/wp-login.php")
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


def comment(visitor: Callable[[], Page], login: Login, visit: Visit) -> None:
    """47: the user writes a comment, and sees it."""
    page = visitor()
    if not sign_in(page, login):
        visit.picture(page, 47, f"{login.name} is not let in")
        visit.results.append(result(47, FAIL, [Evidence("/wp-login.php", f"{login.name} is not let in")]))
        return
    text = f"Commented by the evaluation {secrets.token_hex(6)}"
    post = first_post(page)
    page.goto(re.sub(r"^https?://[^/]+", "", post))
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
        stranger.goto(where)
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


def edit(visitor: Callable[[], Page], login: Login, visit: Visit) -> None:
    """48, 49: the administrator signs in and edits a page from the dashboard; a stranger sees the change."""
    page = visitor()
    let_in = sign_in(page, login)
    page.goto("/wp-admin/")
    dashboard = let_in and page.locator("#adminmenu").count() > 0
    visit.picture(page, 48, f"The dashboard of {login.name}" if dashboard else f"{login.name} is not let in")
    called = "admin" in login.name.lower()
    told = Evidence("/wp-login.php", f"{login.name} {'signs in' if dashboard else 'is not let in'}")
    visit.results.append(result(48, PASS if dashboard and not called else FAIL, [told]))
    if not dashboard:
        return
    page.goto("/wp-admin/edit.php?post_type=page&post_status=publish")
    links = page.locator("a.row-title")
    if not links.count():
        visit.results.append(
            result(49, UNDETERMINED, [Evidence("/wp-admin/edit.php?post_type=page", "there is no page to edit")])
        )
        return
    address = str(links.first.get_attribute("href"))
    text = f"Edited by the evaluation {secrets.token_hex(6)}"
    page.goto(address)
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
    stranger.goto(f"/?page_id={number[1] if number else ''}")
    where = re.sub(r"^https://[^/]+", "", stranger.url)
    shown = text in stranger.content()
    if shown:
        stranger.get_by_text(text).first.scroll_into_view_if_needed()
        visit.written.append({"path": where, "text": text, "what": "the edit"})
    visit.picture(stranger, 49, "The page as a visitor sees it after the edit")
    told = Evidence(where, f"{text}: {'shown' if shown else 'not shown'}{'' if saved else '; the editor did not save'}")
    visit.results.append(result(49, PASS if shown else FAIL, [told]))


def front_page(visitor: Callable[[], Page], visit: Visit) -> None:
    """41: how the site looks."""
    page = visitor()
    page.goto("/")
    visit.picture(page, 41, "The front page")
    words = len(page.inner_text("body").split())
    told = Evidence("/ in a browser", f"title: {page.title()}; {words} words")
    visit.results.append(result(41, PASS if words else FAIL, [told]))


def attempt(number: int, step: Callable[[], None], visit: Visit) -> None:
    """A step that the site made impossible is a failure of its item, with what the browser said."""
    start, before = time.monotonic(), len(visit.results)
    from playwright.sync_api import Error

    try:
        step()
    except Error as error:
        told = str(error).partition("\nCall log")[0]
        visit.results.append(result(number, FAIL, [Evidence("in a browser", told)]))
    for one in visit.results[before:]:
        one.seconds = (time.monotonic() - start) / (len(visit.results) - before)


def visit_site(place: Place, administrator: Login, user: Login, folder: str) -> dict[str, Any]:
    """All of it; what cannot be tried stays undetermined, with the reason."""
    visit = Visit(Path(folder))
    missing = "no password: name the file with it in {}"
    try:
        with browser(place) as visitor:
            attempt(41, lambda: front_page(visitor, visit), visit)
            if user.known:
                attempt(47, lambda: comment(visitor, user, visit), visit)
            else:
                told = [Evidence(user.name or "no second user", missing.format("evaluate_user_password_file"))]
                visit.results.append(result(47, UNDETERMINED, told))
            if administrator.known:
                attempt(49, lambda: edit(visitor, administrator, visit), visit)
            else:
                told = [
                    Evidence(administrator.name or "no administrator", missing.format("evaluate_admin_password_file"))
                ]
                visit.results += [result(number, UNDETERMINED, told) for number in (48, 49)]
    except ImportError:
        visit.results += unable("playwright is not on the control node: pip install -r requirements-evaluate.txt")
    except Exception as error:
        # Playwright has its own errors, which are only known where it is.
        visit.results += unable(f"the browser did not start: {str(error).strip().splitlines()[0]}")
    return {
        "results": [one.to_dict() for one in visit.results],
        "screenshots": visit.screenshots,
        "written": visit.written,
    }


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
