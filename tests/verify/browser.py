# SPDX-License-Identifier: GPL-3.0-or-later
"""The site in Debian's Chromium, as a person sees it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.verify.support import PATIENCE, Secret, Site


@contextlib.contextmanager
def browse(site: Site, name: str | None = None, password: Secret | None = None) -> Iterator[Page]:
    """An empty page of a new visitor, who knows the way through the gate where a name and its password are given.

    The site's certificate is another test's business.
    """
    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium: apt-get install chromium"
    where = f"MAP {site.settings.domain} {site.settings.address}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[f"--host-resolver-rules={where}"])
        context = browser.new_context(
            base_url=site.url,
            ignore_https_errors=True,
            viewport=ViewportSize(width=1280, height=900),
            http_credentials={"username": name, "password": str(password)} if name and password else None,
        )
        context.set_default_timeout(PATIENCE * 1000)
        try:
            yield context.new_page()
        finally:
            browser.close()


def type_secret(page: Page, selector: str, value: Secret) -> None:
    """Into a field, as typed: an action that fails tells what it was to fill in, but not what the keyboard types."""
    page.click(selector)
    page.keyboard.insert_text(str(value))


def sign_in(page: Page, user: str, password: Secret, address: str = "/wp-login.php") -> None:
    """As a person does it. The page's own program moves the cursor to the name a fifth of a second after it has come:
    who types before that types the password into it."""
    page.goto(address)
    page.wait_for_function("document.activeElement?.id === 'user_login'")
    page.fill("#user_login", user)
    type_secret(page, "#user_pass", password)
    page.click("#wp-submit")
