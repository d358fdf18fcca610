# SPDX-License-Identifier: GPL-3.0-or-later
"""The block editor in a browser, as a person uses it."""

from __future__ import annotations

import html
import secrets as random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page

from tests.verify.browser import browse, sign_in
from tests.verify.support import Secret, Settings, Site

# What it shows to whoever is new to it lies over all else.
NO_GUIDE = """
    for (const place of ["core", "core/edit-post", "core/edit-site"]) {
        wp.data.dispatch("core/preferences").set(place, "welcomeGuide", false);
    }
"""


@pytest.fixture
def page(site: Site, settings: Settings, secrets: dict[str, Secret]) -> Iterator[Page]:
    """The administrator's browser, signed in; a program of a page that fails is an error."""
    with browse(site) as opened:
        wrong: list[str] = []
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        sign_in(opened, settings.admin_user, secrets["wp_admin_password.txt"])
        opened.wait_for_url("**/wp-admin/**")
        yield opened
        assert wrong == []


def canvas(page: Page) -> Page | FrameLocator:
    """Where people write: WordPress of today has a page of its own for it, within the editor's."""
    page.wait_for_selector("iframe[name='editor-canvas'], .wp-block-post-title")
    page.evaluate(NO_GUIDE)
    inside = page.query_selector("iframe[name='editor-canvas']")
    return page.frame_locator("iframe[name='editor-canvas']") if inside else page


def removed(page: Page, post: int) -> None:
    remove: Any = "post => wp.apiFetch({path: `/wp/v2/posts/${post}?force=true`, method: 'DELETE'}).then(() => true)"
    assert page.evaluate(remove, post)


def test_a_post_is_written_and_published(site: Site, page: Page) -> None:
    """Typed, published, and read by a stranger; another word in it, updated, and read again."""
    word, other = random.token_hex(8), random.token_hex(8)
    page.goto("/wp-admin/post-new.php")
    where = canvas(page)
    where.locator(".wp-block-post-title").click()
    page.keyboard.type(f"The title {word}")
    page.keyboard.press("Enter")
    page.keyboard.type(f"The text {word}")
    page.click(".editor-post-publish-panel__toggle, .editor-post-publish-button__button")
    page.click(".editor-post-publish-panel .editor-post-publish-button")
    page.wait_for_selector(".post-publish-panel__postpublish-header")
    post = page.evaluate("wp.data.select('core/editor').getCurrentPostId()")
    try:
        address = page.evaluate("wp.data.select('core/editor').getPermalink()")
        path = str(address).removeprefix(site.url)
        assert f"The text {word}" in site.own().get(path).text
        page.click(".editor-post-publish-panel button[aria-label='Close panel']")
        where.locator("p.wp-block-paragraph, p.block-editor-rich-text__editable").first.click()
        page.keyboard.press("End")
        page.keyboard.type(f" {other}")
        page.click(".editor-post-publish-button")
        page.wait_for_function("!wp.data.select('core/editor').isEditedPostDirty()")
        assert f"The text {word} {other}" in site.own().get(path).text
    finally:
        removed(page, post)


def test_the_site_editor_shows_the_site(site: Site, page: Page) -> None:
    """The look of a block theme, as it is changed: its canvas has the site's own front page."""
    title = html.unescape(site.own().get("/wp-json/").json()["name"])
    # Pictures of its guide are wordpress.org's, which a machine for tests does not reach.
    page.goto("/wp-admin/site-editor.php?canvas=edit", wait_until="domcontentloaded")
    page.wait_for_selector("iframe[name='editor-canvas']")
    shown = page.frame_locator("iframe[name='editor-canvas']").locator(".wp-block-site-title").first
    shown.wait_for()
    assert title in shown.inner_text()
