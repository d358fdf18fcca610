# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that never end: a byte now and then keeps a socket's own time-out from coming."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import adminer, disturb, observe, run, site

ENDLESS = 600
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>a site</title>"


class Dripping:
    """A server of one port that gives a beginning, and then a piece every tenth of a second."""

    def __init__(self, begin: bytes, piece: bytes, context: ssl.SSLContext | None = None) -> None:
        self.begin, self.piece, self.context, self.over = begin, piece, context, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while not self.over.is_set():
            try:
                one = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        try:
            with self.context.wrap_socket(one, server_side=True) if self.context else one as connection:
                connection.sendall(self.begin)
                while not self.over.wait(0.1):
                    connection.sendall(self.piece)
        except OSError:
            return


@pytest.fixture
def dripping() -> Iterator[Callable[..., Dripping]]:
    made: list[Dripping] = []

    def make(*arguments: object) -> Dripping:
        made.append(Dripping(*arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.over.set()
        one.listener.close()


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    pair = (tmp_path / "key.pem", tmp_path / "certificate.pem")
    made = run.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=wil.42.fr"),
            *("-keyout", str(pair[0]), "-out", str(pair[1])),
        ]
    )
    assert made.ok, made.output
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair[1], pair[0])
    return context


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((site, "PAGE_SECONDS"), (disturb, "PAGE_SECONDS"), (observe, "_PAGE_SECONDS")):
        monkeypatch.setattr(module, name, 1.0)
    monkeypatch.setattr(adminer, "TIMEOUT", 1.0)
    monkeypatch.setattr(site, "TLS_SECONDS", 3.0)


def test_a_page_that_never_ends_fails(dripping: Callable[..., Dripping], context: ssl.SSLContext) -> None:
    place = site.Place("wil.42.fr", "127.0.0.1", dripping(HEAD, b"<p>", context).port)
    found = {one.id: one for one in site.pages(place)}
    assert {one.verdict for one in found.values()} == {"fail"}
    assert "not all there" in found[27].evidence[0].text


def test_a_handshake_that_never_ends_is_open(dripping: Callable[..., Dripping]) -> None:
    # The beginning of a record of TLS of 16 KiB.
    place = site.Place("wil.42.fr", "127.0.0.1", dripping(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x03").port)
    assert {one.id: one.verdict for one in site.pages(place)} == {27: "fail", 29: "fail", 41: "fail"}
    assert {one.id for one in site.tls_in_time(place)} == {28, 42}


def test_a_page_of_a_container(dripping: Callable[..., Dripping]) -> None:
    assert observe.ask_for_page("127.0.0.1", dripping(HEAD, b"<p>").port, "") == ""
    assert observe.ask_for_page("127.0.0.1", dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x").port, "") == ""


def test_an_adminer(dripping: Callable[..., Dripping]) -> None:
    account = adminer.Account("mariadb", "wordpress", "x", "wordpress")
    assert adminer.sign_in("127.0.0.1", [dripping(HEAD, b"<p>").port], account) == ""


def test_an_ftp_server(dripping: Callable[..., Dripping]) -> None:
    with pytest.raises(OSError, match="not all there"), run.within(1):
        disturb.signed_in("127.0.0.1", dripping(b"", b"220-more\r\n").port, "wil", "x")


def test_the_site_on_the_machine_itself(dripping: Callable[..., Dripping], context: ssl.SSLContext) -> None:
    assert disturb.site_status("127.0.0.1", dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x", context).port) == 0


def around() -> None:
    with run.within(0.4):
        with run.within(30):
            time.sleep(0.1)
        time.sleep(ENDLESS)


def test_what_is_within_leaves_the_rest_its_time() -> None:
    with pytest.raises(TimeoutError):
        around()
    with run.within(0.1):
        pass
    time.sleep(0.2)
