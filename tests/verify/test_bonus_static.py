# SPDX-License-Identifier: GPL-3.0-or-later
"""The bonus service static: its page about the stack, as it is sent and as it is seen."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.verify.browser import browse
from tests.verify.support import Site, Stack

PATH = "/stack/"
WITHOUT_END = {"meta", "link"}
CHILDLESS_IN_SVG = {"rect", "path", "circle"}

# How each program itself says which version it is, where it runs.
VERSIONS: dict[str, tuple[str, list[str]]] = {
    "NGINX": ("nginx", ["sh", "-c", "nginx -v 2>&1"]),
    "WordPress": ("wordpress", ["php", "-r", 'require "/var/www/html/wp-includes/version.php"; echo $wp_version;']),
    "PHP": ("wordpress", ["php", "-r", "echo PHP_VERSION;"]),
    "MariaDB": ("mariadb", ["mariadbd", "--version"]),
    "Redis": ("redis", ["redis-server", "--version"]),
    "pyftpdlib": ("ftp", ["python3", "-c", "import pyftpdlib; print(pyftpdlib.__ver__)"]),
    "Adminer": ("adminer", ["grep", "-m1", "@version", "/usr/local/lib/inception/adminer.php"]),
    "GoAccess": ("analytics", ["goaccess", "--version"]),
    "msmtp": ("wordpress", ["msmtp", "--version"]),
}


class Document(HTMLParser):
    """A page, read strictly: what is opened is closed, in the right order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], "left open at the end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in CHILDLESS_IN_SVG, f"<{tag}/>"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def programs(self) -> dict[str, str]:
        """The programs and their versions, from the cards."""
        pairs = itertools.pairwise(self.texts)
        found = {name: value for (tag, name), (next_tag, value) in pairs if (tag, next_tag) == ("dt", "dd")}
        return {name: value for name, value in found.items() if re.fullmatch(r"\d[\d.]*", value) and name in VERSIONS}


@pytest.fixture(scope="module")
def document(site: Site) -> Document:
    """The page as it is sent."""
    page = site.get(PATH)
    assert page.status == 200
    return Document(page.text)


@pytest.mark.rule("BON-3")
def test_it_is_sent_as_it_was_compressed(site: Site, stack: Stack) -> None:
    """Over https, each file goes out as the one that was compressed at the build; who wants none gets a plain one."""
    names = stack.execute("static", "ls", "/srv/stack").stdout.split()
    assert {"index.html", "404.html"} <= set(names)
    for name in [name for name in names if not name.endswith(".gz")]:
        sizes = stack.execute(
            "static", "stat", "-c", "%s", f"/srv/stack/{name}", f"/srv/stack/{name}.gz"
        ).stdout.split()
        plain = site.get(PATH + name)
        packed = site.get(PATH + name, {"Accept-Encoding": "gzip"})
        assert [plain.headers["Content-Length"], packed.headers["Content-Length"]] == sizes
        assert (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
        assert "Accept-Encoding" in packed.headers["Vary"]
        kept = "immutable" in plain.headers["Cache-Control"]
        assert kept is bool(re.search(r"\.[0-9a-f]{8}\.", name)), "only what has a digest in its name is kept for ever"


@pytest.mark.rule("BON-3")
def test_it_is_no_program(site: Site, stack: Stack, document: Document) -> None:
    """No script, no handler, no PHP, and the header that forbids them; the container has no PHP at all."""
    page = site.get(PATH)
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in document.tags}
    assert [
        name for _, attributes in document.tags for name in attributes if name.startswith("on") or name == "style"
    ] == []
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self'")
    assert "X-Powered-By" not in page.headers
    assert "Set-Cookie" not in page.headers
    assert stack.execute("static", "sh", "-c", "command -v php php-fpm node").stdout == ""


@pytest.mark.rule("BON-3")
def test_it_can_be_read_by_everybody(document: Document) -> None:
    """Its language, its landmarks, its headings in order, names for what is drawn, and no anchor that leads nowhere."""
    assert document.all("html")[0]["lang"] == "en"
    assert "width=device-width" in str(next(meta for meta in document.all("meta") if meta.get("name") == "viewport"))
    count = Counter(tag for tag, _ in document.tags)
    assert [count[tag] for tag in ("header", "main", "footer", "nav", "h1")] == [1, 1, 1, 1, 1]
    # The page has a title, and each drawing.
    assert count["title"] == 1 + len([svg for svg in document.all("svg") if svg.get("role") == "img"])
    assert all(nav["aria-label"] for nav in document.all("nav"))

    levels = [int(tag[1]) for tag, _ in document.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))

    ids = [str(attributes["id"]) for _, attributes in document.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [str(attributes[key]) for _, attributes in document.tags for key in attributes if key == "aria-labelledby"]
    anchors = [str(link["href"])[1:] for link in document.all("a") if str(link["href"]).startswith("#")]
    assert {name for names in named for name in names.split()} | set(anchors) <= set(ids)
    for svg in document.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-labelledby"))


@pytest.mark.rule("BON-3")
def test_it_tells_the_truth(document: Document, stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """It names each container that runs and no other, and the first two numbers of each program's version."""
    shown = {text for tag, text in document.texts if tag == "h3"}
    assert shown - {"mail"} == set(containers)
    programs = document.programs()
    assert {"NGINX", "WordPress", "PHP", "MariaDB"} <= set(programs)
    running = {}
    for program in programs:
        service, command = VERSIONS[program]
        result = stack.execute(service, *command)
        found = re.search(r"\d+\.\d+", result.stdout)
        assert found, f"{program}: {result}"
        running[program] = found[0]
    assert programs == running


@pytest.mark.rule("BON-3")
def test_addresses_around_it(site: Site) -> None:
    """The missing slash is added on the visitor's port; a wrong address has a page of its own; the site goes on."""
    assert (site.get("/stack").status, site.get("/stack").location) == (301, PATH)
    lost = site.get(f"{PATH}nowhere")
    assert (lost.status, lost.title) == (404, "Not found")
    Document(lost.text)
    assert site.get("/").status == 200


# Each text on the page, with the contrast of its color to what is behind it.
_CONTRAST = """
() => {
    const numbers = color => color.match(/[\\d.]+/g).map(Number);
    const luminance = color => numbers(color).slice(0, 3).map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = element => {
        while (element && (numbers(getComputedStyle(element).backgroundColor)[3] ?? 1) === 0) {
            element = element.parentElement;
        }
        return getComputedStyle(element || document.documentElement).backgroundColor;
    };
    return [...document.querySelectorAll("h1, h1 em, h2, h3, p, a, li, dt, dd, b")]
        .filter(element => element.offsetParent)
        .map(element => {
            const [light, dark] = [luminance(getComputedStyle(element).color), luminance(behind(element))]
                .sort((a, b) => b - a);
            return [element.textContent.slice(0, 30), (light + 0.05) / (dark + 0.05)];
        });
}
"""


@pytest.mark.rule("BON-3")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_seen_in_a_browser(site: Site, scheme: str) -> None:
    """In Chromium, wide and narrow, in the light and in the dark: nothing is cut off, all can be read."""
    seen: list[str] = []
    with browse(site) as page:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on(
            "response", lambda response: problems.append(response.url) if response.status not in (200, 304) else None
        )
        for width, drawing, other in ((1280, "wide", "tall"), (320, "tall", "wide")):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(PATH)
            assert site.settings.domain in page.inner_text("h1")
            assert page.is_visible(f"svg.{drawing}")
            assert not page.is_visible(f"svg.{other}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"wider than {width}"
            contrasts = page.evaluate(_CONTRAST)
            assert len(contrasts) > 40
            assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
            seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert problems == []
        page.click("a.go")
        page.wait_for_url(f"{site.url}/")
    brightness = sum(int(value) for value in re.findall(r"\d+", seen[0]))
    assert (brightness > 600) is (scheme == "light")
