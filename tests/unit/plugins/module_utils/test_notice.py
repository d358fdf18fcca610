# SPDX-License-Identifier: GPL-3.0-or-later
"""A person is told by mail or by a webhook, at 127.0.0.1: what arrives, and what is said when it does not."""

from __future__ import annotations

import base64
import email
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _notice
from ansible_collections.fortytwo.inception.plugins.module_utils._notice import Message, Untold, Ways

PASSWORD = "s3cret of the relay"
MESSAGE = Message("[wil.42.fr] the disk is 91 % full — soon", "What to do: make room.\n.\nThe end.")
FACTS: dict[str, Any] = {"host": "here", "site": "wil.42.fr", "findings": ["the disk is 91 % full"]}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
            *("-keyout", str(folder / "key"), "-out", str(folder / "certificate")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def tls(identity: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity / "certificate", identity / "key")
    return context


@dataclass
class Relay:
    """A relay for mails, one at a time."""

    port: int
    encrypted: bool = False
    user: str = ""
    password: str = ""
    mails: list[bytes] = field(default_factory=list)
    to: list[str] = field(default_factory=list)


def serve(server: socket.socket, seen: Relay, context: ssl.SSLContext, mode: str) -> None:
    while True:
        try:
            connection, dummy = server.accept()
        except OSError:
            return
        connection.settimeout(10)
        try:
            if mode == "tls":
                connection = context.wrap_socket(connection, server_side=True)
                seen.encrypted = True
            talk(connection, seen, context, mode)
        except OSError:
            pass
        finally:
            connection.close()


def talk(connection: socket.socket, seen: Relay, context: ssl.SSLContext, mode: str) -> None:
    lines = connection.makefile("rb")

    def say(text: str) -> None:
        connection.sendall(text.encode() + b"\r\n")

    say("220 relay")
    while line := lines.readline().decode().strip():
        word = line.split(" ")[0].upper()
        if word == "EHLO":
            offered = "AUTH PLAIN" if seen.encrypted or mode == "none" else "STARTTLS"
            say(f"250-relay\r\n250-{offered}\r\n250 8BITMIME")
        elif word == "STARTTLS":
            say("220 go ahead")
            connection = context.wrap_socket(connection, server_side=True)
            lines = connection.makefile("rb")
            seen.encrypted = True
        elif word == "AUTH" and line.split(" ")[1] == "PLAIN":
            dummy, seen.user, seen.password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
            say("235 welcome" if seen.password == PASSWORD else "535 wrong")
        elif word == "RCPT":
            seen.to.append(line)
            say("250 ok")
        elif word == "DATA":
            say("354 go on")
            data = b""
            while (part := lines.readline()) != b".\r\n":
                data += part.removeprefix(b".").replace(b"\r\n", b"\n")
            seen.mails.append(data)
            say("250 taken")
        elif word == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok" if word in ("MAIL", "RSET") else "504 not that")


@pytest.fixture
def relay(request: pytest.FixtureRequest, identity: Path) -> Iterator[Relay]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = Relay(server.getsockname()[1])
        threading.Thread(target=serve, args=(server, seen, tls(identity), request.param), daemon=True).start()
        yield seen
        server.shutdown(socket.SHUT_RDWR)


def ways(relay: Relay, mode: str, user: str = "") -> Ways:
    return Ways("wil@example.org", "localhost", relay.port, mode, user, "wordpress@wil.42.fr")


def tell(told: Ways, identity: Path | None, password: str = PASSWORD) -> None:
    authority = (identity / "certificate").read_text() if identity else ""
    way = _notice.ways(told)[0]
    _notice.deliver(way, told, MESSAGE, FACTS, authority, lambda: password)


@pytest.mark.parametrize(
    ("relay", "mode", "user"),
    [("starttls", "starttls", "wil"), ("tls", "tls", "wil"), ("none", "none", ""), ("starttls", "starttls", "")],
    indirect=["relay"],
)
def test_a_mail_arrives(relay: Relay, identity: Path, mode: str, user: str) -> None:
    tell(ways(relay, mode, user), identity)
    assert relay.encrypted == (mode != "none")
    assert relay.user == user
    mail = email.message_from_bytes(relay.mails[0], policy=email.policy.default)
    assert (mail["To"], mail["From"]) == ("wil@example.org", "wordpress@wil.42.fr")
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Auto-Submitted"] == "auto-generated"
    # A line of one point is one, and no end.
    body = mail.get_body()
    assert body is not None
    assert body.get_content().split("\n")[-3:] == [".", "The end.", ""]
    assert PASSWORD.encode() not in relay.mails[0]


@pytest.mark.parametrize("relay", ["starttls"], indirect=True)
def test_a_relay_that_nobody_vouches_for_gets_nothing(relay: Relay, identity: Path) -> None:
    with pytest.raises(Untold, match="certificate verify failed"):
        tell(ways(relay, "starttls", "wil"), None)
    assert (relay.password, relay.mails) == ("", [])


@pytest.mark.parametrize("relay", ["none"], indirect=True)
@pytest.mark.parametrize("mode", ["starttls", "none"])
def test_without_tls_no_password_goes_out(relay: Relay, identity: Path, mode: str) -> None:
    with pytest.raises(Untold):
        tell(ways(relay, mode, "wil"), identity)
    assert (relay.password, relay.mails) == ("", [])


@pytest.mark.parametrize("relay", ["starttls"], indirect=True)
def test_a_wrong_password_is_said_and_not_shown(relay: Relay, identity: Path) -> None:
    with pytest.raises(Untold, match=r"does not let wil in \(535\)") as untold:
        tell(ways(relay, "starttls", "wil"), identity, "another one")
    assert "another one" not in str(untold.value)


def test_nobody_there_is_said(identity: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Untold, match=f"localhost:{port}.*refused"):
        tell(ways(Relay(port), "starttls"), identity)


def test_who_drips_his_answer_holds_nobody_up(identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_notice, "WHOLE_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, dummy = server.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"2")
                        time.sleep(0.1)
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(Untold):
            tell(ways(Relay(server.getsockname()[1]), "none"), identity)
        assert time.monotonic() - began < 10


class Hook(http.server.BaseHTTPRequestHandler):
    """What a chat's webhook is."""

    seen: list[tuple[str, Any]]
    answer = 200

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.seen.append((self.path, json.loads(self.rfile.read(length))))
        self.send_response(self.answer)
        if self.answer == 302:
            self.send_header("Location", f"https://localhost:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *dummy: Any) -> None:
        pass


@pytest.fixture
def hook(request: pytest.FixtureRequest, identity: Path) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    handler = type("One", (Hook,), {"seen": [], "answer": getattr(request, "param", 200)})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = tls(identity).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_port}/T0/B0/whoever-knows-it", handler.seen  # type: ignore[attr-defined]
        server.shutdown()


def test_a_webhook_gets_what_a_chat_reads(hook: tuple[str, list[tuple[str, Any]]], identity: Path) -> None:
    address, seen = hook
    tell(Ways(webhook=address), identity)
    path, body = seen[0]
    assert path == "/T0/B0/whoever-knows-it"
    assert body["text"].startswith(MESSAGE.subject)
    assert body["content"] == body["text"]
    assert body["findings"] == FACTS["findings"]


@pytest.mark.parametrize("hook", [302, 404, 500], indirect=True)
def test_another_answer_is_said_and_no_address(hook: tuple[str, list[tuple[str, Any]]], identity: Path) -> None:
    address, seen = hook
    with pytest.raises(Untold, match=r"localhost answered (302|404|500)") as untold:
        tell(Ways(webhook=address), identity)
    assert "whoever-knows-it" not in str(untold.value)
    # It goes nowhere else.
    assert len(seen) == 1


@pytest.mark.parametrize("identified", [True, False])
def test_a_webhook_that_is_not_reached_is_said_without_its_address(identity: Path, identified: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Untold) as untold:
        tell(Ways(webhook=f"https://localhost:{port}/whoever-knows-it"), identity if identified else None)
    assert "whoever-knows-it" not in str(untold.value)
