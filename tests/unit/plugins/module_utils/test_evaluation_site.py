# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site shows from outside, by a server of each kind on this machine."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place, pages, plain_http, tls
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DOMAIN = "wil.42.fr"
SITE = "<html><title>Inception</title><link href='/wp-content/themes/x.css'>Hello</html>"
Pages = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.datetime.now(tz=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return path


@contextlib.contextmanager
def serve(certificate: Path, answers: Pages, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Iterator[Place]:
    """A server with TLS whose pages are path: (status, location, text)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, location, text = answers.get(self.path, (404, "", ""))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = oldest

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            # The handshake belongs into the thread of its connection.
            with contextlib.suppress(OSError), context.wrap_socket(request, server_side=True) as secure:
                Handler(secure, client_address, self)

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Place(DOMAIN, "127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


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
