# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's other names: each leads to the site, with a certificate that is good for it."""

from __future__ import annotations

import dataclasses
import socket

import pytest
from testinfra.host import Host

from tests.verify.support import Settings, Site

WAY = "/a%20page/?q=1&r=%C3%A9&s=a+b"


@pytest.fixture
def visitors(site: Site, settings: Settings) -> dict[str, Site]:
    """One who comes by each of the names; a wildcard is any name below it."""
    names = [name.replace("*", "any") for name in settings.aliases]
    assert names, "the scenario has no aliases"
    return {name: Site(dataclasses.replace(settings, domain=name), site.ca) for name in names}


def test_a_page_is_asked_for_again_at_the_site(site: Site, visitors: dict[str, Site]) -> None:
    """301 for good, by the same port, with the path and the query as they were; TLS is verified for the name."""
    for name, visitor in visitors.items():
        page = visitor.get(WAY)
        assert (page.status, page.location) == (301, site.url + WAY), name
        assert visitor.request("HEAD", "/").status == 301
        # No cookie is set for a name that is not the site's.
        assert not visitor.cookies


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_is_sent_is_sent_again(site: Site, visitors: dict[str, Site], method: str) -> None:
    """308: a browser asks again with the same method and the same body."""
    for visitor in visitors.values():
        page = visitor.request(method, "/wp-comments-post.php", "comment=x")
        assert (page.status, page.location) == (308, f"{site.url}/wp-comments-post.php")


def test_a_secret_of_the_stack_is_behind_no_other_name(site: Site, visitors: dict[str, Site]) -> None:
    """Nothing is answered there but the way: no health check, no gate, no file."""
    for visitor in visitors.values():
        for path in ("/healthz", "/gate", "/wp-login.php", "/wp-includes/js/jquery/jquery.min.js", "/.signed-in"):
            page = visitor.get(path)
            assert (page.status, page.location) == (301, site.url + path)


def test_without_tls_too(site: Site, settings: Settings, visitors: dict[str, Site]) -> None:
    """Who speaks plain HTTP at the port of TLS is led to the site at once, and not first to the other name."""
    for name in visitors:
        with socket.create_connection((settings.address, settings.forwarded_port), timeout=60) as plain:
            plain.sendall(f"GET /x?y=1 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: plain.recv(4096), b"")).decode()
        assert answer.startswith("HTTP/1.1 301 "), answer
        assert f"\r\nLocation: https://{settings.domain}/x?y=1\r\n" in answer


def test_below_and_beside_them_is_nobody(site: Site, settings: Settings, visitors: dict[str, Site]) -> None:
    """A name that is like one of them is refused as every other one."""
    likely = [f"{name}.evil.example" for name in visitors] + ["xwww.wil.42.fr", "_none", "wil.test", "xwil.test"]
    for other in likely:
        assert site.get("/", headers={"Host": other}).status == 421, other


def test_they_are_known_on_the_machine_and_inside(host: Host, settings: Settings) -> None:
    """/etc/hosts has them, and WordPress reaches NGINX by them, without a way out."""
    for name in (name for name in settings.aliases if "*" not in name):
        assert host.run("getent ahostsv4 %s", name).stdout.split()[0] == "127.0.0.1"
        found = host.run(
            "docker compose --project-directory %s/srcs exec -T wordpress php -r %s",
            settings.project,
            f"exit(gethostbyname('{name}') === gethostbyname('nginx') ? 0 : 1);",
        )
        assert found.rc == 0, found.stderr
