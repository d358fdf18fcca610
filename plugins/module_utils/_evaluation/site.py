# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site of an evaluated project from outside: TLS, its certificate, its pages. Private to this collection."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.contained import contained
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import PAGE_SECONDS, within
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.tls import unverified

# How much of a page is read; an endless one ends here.
MAX_PAGE = 2_000_000
TLS_SECONDS, TLS_BYTES = 300.0, 2 << 30
OLD, NEW = ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1"), ("TLS 1.2", "TLS 1.3")


@dataclass(frozen=True)
class Place:
    """The site, and where the control node reaches it."""

    domain: str
    address: str
    port: int

    @property
    def forwarded(self) -> bool:
        """A port of the control node leads there; its other ports are not the machine's."""
        return self.port != 443 or self.address.startswith("127.")


@dataclass(frozen=True)
class Page:
    status: int
    location: str
    text: str

    @property
    def title(self) -> str:
        found = re.search(r"<title[^>]*>(.*?)</title>", self.text, re.DOTALL | re.IGNORECASE)
        return unescape(found[1]).strip() if found else ""


def get(place: Place, path: str) -> Page:
    """A page, whoever signed the certificate; redirects are not followed."""
    context = unverified()
    connection = http.client.HTTPSConnection(place.domain, place.port, timeout=PAGE_SECONDS, context=context)
    try:
        with within(PAGE_SECONDS):
            raw = socket.create_connection((place.address, place.port), timeout=PAGE_SECONDS)
            connection.sock = context.wrap_socket(raw, server_hostname=place.domain)
            connection.request("GET", path, headers={"Host": place.domain, "User-Agent": "fortytwo.inception"})
            answer = connection.getresponse()
            text = answer.read(MAX_PAGE).decode("utf-8", "replace")
            return Page(answer.status, answer.headers.get("Location", ""), text)
    finally:
        connection.close()


def follow(place: Place, path: str = "/", most: int = 5) -> tuple[list[str], Page]:
    """A page, and the way to it over redirects of the site itself."""
    way = []
    while True:
        page = get(place, path)
        way.append(f"{path}: {page.status}{f' -> {page.location}' if page.location else ''}")
        there = re.match(rf"(?:https://{re.escape(place.domain)}(?::\d+)?)?(/.*)$", page.location)
        if not there or len(way) >= most:
            return way, page
        path = there[1]


def pages(place: Place) -> Iterator[Result]:
    """27, 29, 41: the page opens, and is the site and no installation."""
    address = f"https://{place.domain}"
    try:
        way, page = follow(place)
    except (OSError, http.client.HTTPException, ValueError) as error:
        told = [Evidence(f"{address}/", f"{type(error).__name__}: {error}")]
        for number in (27, 29, 41):
            yield result(number, FAIL, told)
        return
    told = [Evidence(f"{address}/", "\n".join([*way, f"title: {page.title or 'none'}"]))]
    yield result(27, PASS if page.status < 500 else FAIL, told)
    installing = (
        "/wp-admin/install.php" in " ".join(way) or 'id="setup"' in page.text or "setup-config.php" in page.text
    )
    shown = page.status == 200 and not installing and bool(page.title)
    yield result(29, FAIL if installing else PASS if shown else FAIL, told)
    is_wordpress = bool(re.search(r"/wp-(content|includes|json)\b", page.text))
    yield result(41, PASS if shown and is_wordpress else FAIL, told)


def plain_http(place: Place) -> Iterator[Result]:
    """30, 40: from outside too, where the machine's own port 80 can be told from another's."""
    if place.forwarded:
        return
    try:
        socket.create_connection((place.address, 80), timeout=10).close()
        state, told = FAIL, "takes a connection"
    except OSError as error:
        state, told = PASS, f"no connection ({type(error).__name__})"
    for number in (30, 40):
        yield result(number, state, [Evidence(f"{place.address}:80 from outside", told)])


def tls(place: Place) -> Iterator[Result]:
    """28, 42: a certificate, and which versions of TLS the server speaks, tried by sslyze."""
    try:
        import sslyze
    except ImportError:
        told = [Evidence("sslyze", "not on the control node: pip install -r requirements-evaluate.txt")]
        for number in (28, 42):
            yield result(number, UNDETERMINED, told)
        return
    commands = {
        "SSL 2.0": sslyze.ScanCommand.SSL_2_0_CIPHER_SUITES,
        "SSL 3.0": sslyze.ScanCommand.SSL_3_0_CIPHER_SUITES,
        "TLS 1.0": sslyze.ScanCommand.TLS_1_0_CIPHER_SUITES,
        "TLS 1.1": sslyze.ScanCommand.TLS_1_1_CIPHER_SUITES,
        "TLS 1.2": sslyze.ScanCommand.TLS_1_2_CIPHER_SUITES,
        "TLS 1.3": sslyze.ScanCommand.TLS_1_3_CIPHER_SUITES,
    }
    request = sslyze.ServerScanRequest(
        server_location=sslyze.ServerNetworkLocation(place.domain, place.port, ip_address=ip_of(place.address)),
        network_configuration=sslyze.ServerNetworkConfiguration(
            tls_server_name_indication=place.domain, network_timeout=30, network_max_retries=2
        ),
        scan_commands={*commands.values(), sslyze.ScanCommand.CERTIFICATE_INFO},
    )
    scanner = sslyze.Scanner()
    scanner.queue_scans([request])
    (found,) = scanner.get_results()
    if not found.scan_result:
        told = [
            Evidence(f"sslyze {place.domain}", f"no TLS: {found.connectivity_error_trace or 'no connection'}"[-500:])
        ]
        for number in (28, 42):
            yield result(number, FAIL, told)
        return
    scanned = found.scan_result
    accepted, unknown = {}, []
    for version in commands:
        attempt = getattr(scanned, f"{version.lower().replace(' ', '_').replace('.', '_')}_cipher_suites")
        if attempt.result is None:
            unknown.append(version)
        else:
            accepted[version] = [suite.cipher_suite.name for suite in attempt.result.accepted_cipher_suites]
    told = [
        Evidence(f"sslyze {place.domain}, {version}", f"accepted: {', '.join(suites[:4])}" if suites else "refused")
        for version, suites in accepted.items()
    ]
    old = [version for version in OLD if accepted.get(version)]
    new = [version for version in NEW if accepted.get(version)]
    yield result(42, FAIL if old or not new else UNDETERMINED if unknown else PASS, told)
    yield certificate(place, scanned.certificate_info.result)


def certificate(place: Place, info: object) -> Result:
    """28: whose certificate it is. Self-signed is fine; a name that is not the site's is told."""
    deployments = getattr(info, "certificate_deployments", [])
    if not deployments:
        return result(28, FAIL, [Evidence(f"sslyze {place.domain}", "no certificate")])
    leaf = deployments[0].received_certificate_chain[0]
    told = "\n".join(
        (
            f"subject: {leaf.subject.rfc4514_string()}",
            f"issuer: {leaf.issuer.rfc4514_string()}",
            f"valid until: {leaf.not_valid_after_utc:%Y-%m-%d}",
        )
    )
    return result(28, PASS, [Evidence(f"the certificate of {place.domain}", told)])


def ip_of(address: str) -> str:
    """sslyze wants a number."""
    return str(socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][4][0])


def tls_in_time(place: Place) -> list[Result]:
    """sslyze has no time for all of its work, and works in threads."""

    def work(tell: Callable[[Any], None]) -> None:
        for one in tls(place):
            tell(one.to_dict())

    told, why = contained(work, TLS_SECONDS, TLS_BYTES)
    found = [Result.from_dict(one) for one in told]
    left = {28, 42} - {one.id for one in found}
    return [
        *found,
        *(result(number, UNDETERMINED, [Evidence(f"sslyze {place.domain}", why)]) for number in sorted(left)),
    ]


def look(place: Place) -> list[Result]:
    """All of it."""
    return [*pages(place), *plain_http(place), *tls_in_time(place)]
