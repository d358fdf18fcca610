#!/usr/bin/python3
"""Makes the page about the stack from the facts and the templates of conf/.

The versions are those that the distribution offers today, which are those that the images are built from."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template
from typing import Any

SHARE = Path("/usr/local/share")
SITE = Path("/srv/stack")

FAMILIES = {"debian": "Debian", "alpine": "Alpine"}

# What a visitor is told of each service. One that is not here is somebody's own.
ABOUT = {
    "nginx": "The way in. It ends TLS, serves files by itself, and hands the rest to WordPress.",
    "wordpress": "The site. php-fpm runs it, and a few workers wait for requests.",
    "mariadb": "The memory. Posts, pages, users and comments are tables here.",
    "redis": "The short memory. What WordPress has looked up once, it finds here the next time.",
    "ftp": "The back door for files, with TLS and a lock: the site&rsquo;s folder, and nothing above it.",
    "static": "This page. Plain files, compressed when the image was built.",
    "adminer": "A window onto the database, behind a second sign-in.",
    "analytics": "Counts visits from the log of NGINX: no script on a page, no cookie.",
    "mail": "WordPress&rsquo;s way to a mail relay, inside its own container.",
}


def offered(packages: list[str], family: str) -> dict[str, str]:
    """The version of each package that an image built now gets."""
    if family == "debian":
        command = ["apt-cache", "policy", *packages]
        pattern = r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)"
        found = re.findall(pattern, run(command), re.MULTILINE)
    else:
        pattern = rf"^({'|'.join(map(re.escape, packages))})-(\d\S*)$"
        found = re.findall(pattern, run(["apk", "search", "--exact", *packages]), re.MULTILINE)
    return dict(found)


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def upstream(version: str) -> str:
    """A package's version without what the distribution adds: 1:10.11.18-0+deb12u1 is 10.11.18."""
    return re.sub(r"[+~](?:dfsg|ds)[\d.]*$", "", re.sub(r"-[^-]*$", "", version.partition(":")[2] or version))


def series(version: str) -> str:
    """The first two numbers of a version: who looks for a hole need not be told whether it is mended."""
    found = re.match(r"[^.]*(?:\.\d+)?", version)
    return found[0] if found else version


def programs(facts: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The programs of each service, and their versions."""
    wanted = {name: facts["programs"].get(name, {}) for name in facts["services"]}
    packages = {
        source.removeprefix("package:") for sources in wanted.values() for source in sources.values() if ":" in source
    }
    versions = offered(sorted(packages), facts["family"])
    return {
        name: {
            program: series(upstream(versions[source.removeprefix("package:")]) if ":" in source else source)
            for program, source in sources.items()
        }
        for name, sources in wanted.items()
    }


# The drawing. Boxes stand on a grid, lines join them.

Point = tuple[int, int]
HEIGHT = 62


def box(name: str, at: Point, caption: str, kind: str, width: int = 152) -> str:
    x, y = at
    return (
        f'<g class="box {kind}"><rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="10"/>'
        f'<text x="{x + width // 2}" y="{y + 27}">{name}</text>'
        f'<text class="small" x="{x + width // 2}" y="{y + 46}">{caption}</text></g>'
    )


def line(points: list[Point], kind: str = "side") -> str:
    path = "M" + "L".join(f"{x} {y}" for x, y in points)
    return f'<path class="{kind}" d="{path}"/>'


def mark(number: int, at: Point) -> str:
    x, y = at
    return f'<g class="mark"><circle cx="{x}" cy="{y}" r="13"/><text x="{x}" y="{y + 5}">{number}</text></g>'


def drawing(kind: str, size: Point, parts: Iterator[str], title: str, text: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-labelledby="{kind}-title {kind}-text">'
        f'<title id="{kind}-title">{title}</title><desc id="{kind}-text">{text}</desc>{"".join(parts)}</svg>'
    )


ROWS = (92, 192, 292, 392)


def depth(services: set[str]) -> int:
    """Where the lowest box of the wide drawing ends."""
    if "ftp" in services:
        return ROWS[3] + HEIGHT
    return ROWS[2 if "adminer" in services or {"static", "analytics"} <= services else 1] + HEIGHT


def wide(services: set[str]) -> Iterator[str]:
    """Three columns: what faces the visitor, WordPress, what it remembers by."""
    left, middle, right = 252, 502, 752
    bottom = depth(services)
    yield f'<rect class="machine" x="186" y="16" width="758" height="{bottom + 24}" rx="24"/>'

    # The visitor's way.
    yield line([(126, 123), (left, 123)], "way")
    yield line([(left + 152, 123), (middle, 123)], "way")
    yield line([(middle + 152, 123), (right, 123)], "way")
    if "redis" in services:
        yield line([(703, 123), (703, 223), (right, 223)], "way")
    # The files, from NGINX and from WordPress.
    yield line([(left + 110, 154), (left + 110, 173), (453, 173), (453, 216), (middle, 216)])
    yield line([(middle + 76, 154), (middle + 76, 192)])
    # What else NGINX leads to: on a rail at the left, and Adminer.
    places = dict(zip((name for name in ("static", "analytics") if name in services), ROWS[1:], strict=False))
    for y in places.values():
        yield line([(left + 20, 154), (left + 20, 173), (237, 173), (237, y + 31), (left, y + 31)])
    if "adminer" in services:
        yield line([(left + 152, 138), (468, 138), (468, 323), (middle, 323)])
        yield line([(middle + 152, 323), (916, 323), (916, 123), (right + 152, 123)])
    if "ftp" in services:
        yield line([(63, 154), (63, 423), (left, 423)])
        yield line([(left + 152, 423), (438, 423), (438, 232), (middle, 232)])

    yield box("You", (0, ROWS[0]), "a browser", "you", 126)
    yield box("nginx", (left, ROWS[0]), "443, TLS", "front")
    yield box("wordpress", (middle, ROWS[0]), "php-fpm", "both")
    yield box("mariadb", (right, ROWS[0]), "tables", "back")
    yield box("files", (middle, ROWS[1]), "a volume", "volume")
    if "redis" in services:
        yield box("redis", (right, ROWS[1]), "a cache", "back")
    for name, y in places.items():
        yield box(name, (left, y), {"static": "this page", "analytics": "visits"}[name], "front")
    if "adminer" in services:
        yield box("adminer", (middle, ROWS[2]), "a second sign-in", "both")
    if "ftp" in services:
        yield box("ftp", (left, ROWS[3]), "files, with TLS", "front")
    for number, at in enumerate(((156, 123), (453, 194), (445, 123), (703, 123)), 1):
        yield mark(number, at)


def tall(services: set[str]) -> Iterator[str]:
    """One column: the visitor's way alone."""
    backs = [name for name in ("redis", "mariadb") if name in services]
    end = 424 + 84 * len(backs)
    yield f'<rect class="machine" x="4" y="100" width="352" height="{end - 84}" rx="24"/>'
    yield line([(105, 70), (105, end - 53)], "way")
    yield line([(175, 187), (272, 187), (272, 236)])
    yield line([(175, 347), (272, 347), (272, 298)])
    yield box("You", (35, 8), "a browser", "you", 140)
    yield box("nginx", (35, 156), "443, TLS", "front", 140)
    yield box("files", (212, 236), "a volume", "volume", 120)
    yield box("wordpress", (35, 319), "php-fpm", "both", 140)
    for place, name in enumerate(backs):
        yield box(name, (35, 424 + 84 * place), {"redis": "a cache", "mariadb": "tables"}[name], "back", 140)
    for number, at in enumerate(((105, 85), (272, 212), (105, 268), (105, 402)), 1):
        yield mark(number, at)


def steps(services: set[str]) -> Iterator[str]:
    """The drawing in words."""
    yield "<b>Your browser knocks.</b> NGINX alone answers, on port 443, with TLS."
    yield "<b>Is it a file?</b> A picture or a style sheet comes straight from the volume; nothing is computed for it."
    yield "<b>Else WordPress is asked.</b> A worker of php-fpm takes the request over FastCGI and builds the page."
    if "redis" in services:
        yield "<b>It remembers.</b> What Redis has is not looked up again; the rest comes from MariaDB."
    else:
        yield "<b>It remembers.</b> Posts, pages and comments come from MariaDB, on a network that nobody else is on."


def card(name: str, versions: dict[str, str]) -> str:
    about = ABOUT.get(name, "A service of this site&rsquo;s owner.")
    rows = [f"<div><dt>{escape(program)}</dt><dd>{escape(version)}</dd></div>" for program, version in versions.items()]
    return f"<li><h3>{escape(name)}</h3><p>{about}</p>{'<dl>' * bool(rows)}{''.join(rows)}{'</dl>' * bool(rows)}</li>"


def ordered(services: list[str]) -> list[str]:
    """In the order in which a request meets them."""
    known = list(ABOUT)
    return sorted(services, key=lambda name: (known.index(name) if name in known else len(known), name))


def index(facts: dict[str, Any], versions: dict[str, dict[str, str]]) -> dict[str, str]:
    """What the template of the page is filled with."""
    services = set(facts["services"])
    title = "The way of a request"
    text = (
        "From your browser to NGINX, to WordPress, to what it remembers by. Each line between two services is a network"
        " of their own. The list below says the same in words."
    )
    return {
        "domain": escape(facts["domain"]),
        "login": escape(facts["login"]),
        "base": f"{FAMILIES[facts['family']]} {escape(facts['release'])}",
        # Mails leave by a program in WordPress's container.
        "count": str(len(services - {"mail"})),
        "wide": drawing("wide", (960, depth(services) + 56), wide(services), title, text),
        "tall": drawing("tall", (360, 612 if "redis" in services else 528), tall(services), title, text),
        "steps": "\n".join(f"<li>{step}</li>" for step in steps(services)),
        "rooms": "\n".join(card(name, versions[name]) for name in ordered(facts["services"])),
    }


def digest_name(name: str, content: str) -> str:
    """A name that is another one when the content is, so that browsers may keep the file for ever."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content.encode()).hexdigest()[:8]}{dot}{ending}"


def sent(*contents: str) -> str:
    """How much a visitor gets."""
    return f"{sum(len(gzip.compress(content.encode(), 9)) for content in contents) / 1000:.1f} kB"


def main() -> None:
    style, icon, page, missing, facts = (
        (SHARE / name).read_text(encoding="utf-8")
        for name in ("style.css", "icon.svg", "index.html", "404.html", "facts.json")
    )
    names = {"style": digest_name("style.css", style), "icon": digest_name("icon.svg", icon)}
    known = json.loads(facts)
    filling = {**names, **index(known, programs(known))}
    weight = sent(Template(page).substitute(filling, weight="10.0 kB"), style, icon)
    files = {
        "index.html": Template(page).substitute(filling, weight=weight),
        "404.html": Template(missing).substitute(names),
        names["style"]: style,
        names["icon"]: icon,
    }
    SITE.mkdir(parents=True)
    for name, content in files.items():
        (SITE / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
