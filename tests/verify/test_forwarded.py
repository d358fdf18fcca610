# SPDX-License-Identifier: GPL-3.0-or-later
"""The site through the port that the control node forwards to the machine."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from tests.verify.support import Settings, Site


@pytest.mark.rule("SVC-1", "SVC-2")
@pytest.mark.vm_core
def test_front_page(site: Site, settings: Settings, figure: Callable[[str], None]) -> None:
    """200 over HTTP/2, with the certificate verified, and the title that the inventory asked for."""
    answer = site.curl("--http2", "--dump-header", "-", "--write-out", "\n%{http_version} %{http_code} %{time_total}")
    assert answer.returncode == 0, answer.stderr
    version, status, seconds = answer.stdout.rsplit("\n", 1)[1].split()
    figure(f"front page through the forwarded port: {float(seconds) * 1000:.0f} ms")
    assert (version, status) == ("2", "200")
    title = re.search(r"<title>(.*?)</title>", answer.stdout, re.DOTALL)
    assert title
    # WordPress may add the tagline.
    assert html.unescape(title[1]).startswith(settings.title)


@pytest.mark.parametrize("path", ["/", "/hello-world/", "/sample-page/", "/wp-login.php"])
def test_links_stay_on_the_port(site: Site, settings: Settings, path: str) -> None:
    """No link of the site, in a page or in a header, leads to another port, where nobody may listen."""
    page = site.get(path)
    assert page.status == 200
    text = html.unescape(page.text).replace("\\/", "/") + "\n".join(page.headers.values())
    ports = re.findall(rf"https?://{re.escape(settings.domain)}(:[0-9]+)?(?![\w.:-])", text)
    assert ports, "a page without a link"
    assert set(ports) == {site.url.removeprefix(f"https://{settings.domain}")}
    assert f"http://{settings.domain}" not in text, "a link without TLS"


@pytest.mark.parametrize("path", ["/wp-admin/", "/sample-page", "/?p=1", "/index.php"])
def test_redirects_stay_on_the_port(site: Site, path: str) -> None:
    """Each of these is redirected by WordPress, to the same port."""
    page = site.get(path)
    assert page.status in (301, 302)
    assert page.location.startswith(f"{site.url}/")


def test_missing_slash_is_relative(site: Site) -> None:
    """nginx itself redirects this one; it names no host and no port, so the visitor's stay."""
    page = site.get("/wp-admin")
    assert page.status == 301
    assert page.location == "/wp-admin/"


def test_front_page_is_not_redirected(site: Site) -> None:
    """The address that a visitor types is the address of the page."""
    assert site.get("/").status == 200


def test_another_name_is_refused(site: Site) -> None:
    """A name that is not the site's gets nothing of it, so that nobody makes it link to their own."""
    page = site.get("/", headers={"Host": "evil.example"})
    assert page.status == 421
    assert "evil.example" not in page.text
