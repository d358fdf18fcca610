# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site shows from outside, by a server of each kind on this machine."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place, pages, plain_http, tls

from tests.unit import https_server

DOMAIN = "wil.42.fr"
SITE = "<html><title>Inception</title><link href='/wp-content/themes/x.css'>Hello</html>"
Pages = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return https_server.self_signed(DOMAIN, tmp_path_factory.mktemp("tls") / "both.pem")


@contextlib.contextmanager
def serve(certificate: Path, answers: Pages, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Iterator[Place]:
    """A site whose pages are path: (status, location, text)."""
    answered = {
        path: (status, {"Location": location} if location else {}, text)
        for path, (status, location, text) in answers.items()
    }
    with https_server.serve(certificate, answered, oldest) as port:
        yield Place(DOMAIN, "127.0.0.1", port)


INSTALL = "/wp-admin/install.php"


@pytest.mark.parametrize(
    ("answers", "failed"),
    [
        ({"/": (200, "", SITE)}, set()),
        ({"/": (301, f"https://{DOMAIN}/home/", ""), "/home/": (200, "", SITE)}, set()),
        ({"/": (302, INSTALL, ""), INSTALL: (200, "", "<title>WordPress</title><form id=setup>")}, {29, 41}),
        ({"/": (200, "", "<title>WordPress</title> wp-content <form id=\"setup\">")}, {29, 41}),
        ({"/": (200, "", "<title>Welcome to nginx!</title>")}, {41}),
        ({"/": (502, "", "<title>502 Bad Gateway</title>")}, {27, 29, 41}),
        ({"/": (200, "", "")}, {29, 41}),
        ({"/": (302, "/", "")}, {29, 41}),
        ({"/": (302, "https://elsewhere.example/", "")}, {29, 41}),
    ],
)  # fmt: skip
def test_what_the_front_page_is(certificate: Path, answers: Pages, failed: set[int]) -> None:
    with serve(certificate, answers) as place:
        found = {one.id: one.verdict for one in pages(place)}
    assert set(found) == {27, 29, 41}
    assert {number for number, verdict in found.items() if verdict == "fail"} == failed


def test_no_site() -> None:
    assert {one.verdict for one in pages(Place(DOMAIN, "127.0.0.1", 1))} == {"fail"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("oldest", "verdict"),
    [(ssl.TLSVersion.TLSv1_2, "pass"), (ssl.TLSVersion.TLSv1_3, "pass"), (ssl.TLSVersion.TLSv1, "fail")],
)
def test_old_tls_is_found(certificate: Path, oldest: ssl.TLSVersion, verdict: str) -> None:
    with serve(certificate, {}, oldest) as place:
        found = {one.id: one for one in tls(place)}
    assert found[42].verdict == verdict
    assert found[28].verdict == "pass"
    told = {entry.where.rpartition(", ")[2]: entry.text for entry in found[42].evidence}
    assert (told["TLS 1.0"] == "refused") is (verdict == "pass")
    assert DOMAIN in found[28].evidence[0].text


def test_port_80_of_this_computer_is_not_the_machines() -> None:
    assert list(plain_http(Place(DOMAIN, "127.0.0.1", 8443))) == []
