# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in through an Adminer: as its form asks, at no other server, and without a word of the password."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.adminer import Account, sign_in

ACCOUNT = Account("mariadb", "wp_user", "correct-horse-battery", "wordpress")
FORM = """<form method='post'><select name='auth[driver]'><option value="server" selected>MySQL<option value="sqlite">
</select><input name="auth[username]"><input type="password" name="auth[password]"></form>"""


class Adminer(BaseHTTPRequestHandler):
    """As Adminer 4 and 5 do: a session, a redirect after the form, and then the database or an error."""

    password = "correct-horse-battery"
    path_of_it = "/"
    leads_to = "?server=mariadb&username=wp_user"

    def answer(self, status: int, text: str, **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        path, dummy, query = self.path.partition("?")
        if path != self.path_of_it:
            self.answer(404, "nothing")
        elif "in=yes" in self.headers.get("Cookie", "") and query:
            self.answer(200, '<form><input type="submit" name="logout" value="Logout"></form>')
        elif "in=no" in self.headers.get("Cookie", ""):
            self.answer(200, f"<div class='error'>Access denied for <b>wp_user</b> ({ACCOUNT.password})</div>{FORM}")
        else:
            self.answer(200, FORM, Set_Cookie="adminer_sid=1; path=/; HttpOnly")

    def do_POST(self) -> None:
        given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        right = given["auth[password]"] == [self.password] and given["auth[driver]"] == ["server"]
        right = right and "adminer_sid=1" in self.headers.get("Cookie", "")
        self.answer(302, "", Location=self.leads_to, Set_Cookie=f"in={'yes' if right else 'no'}; path=/")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """An Adminer with some things other."""
    handler = type("Handler", (Adminer,), getattr(request, "param", {}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "port",
    [{}, {"path_of_it": "/adminer.php"}, {"leads_to": "http://127.0.0.1:1/adminer/?server=mariadb"}],
    indirect=True,
    ids=["at its root", "in a file", "led elsewhere: only its own server is asked"],
)
def test_signs_in(port: int) -> None:
    assert sign_in("127.0.0.1", [port], ACCOUNT) == "signed in as wp_user at mariadb"


@pytest.mark.parametrize("port", [{"password": "another"}], indirect=True)
def test_an_error_is_told_without_the_password(port: int) -> None:
    told = sign_in("127.0.0.1", [port], ACCOUNT)
    assert told == "not signed in as wp_user at mariadb: Access denied for wp_user (***)"
    assert ACCOUNT.password not in told
    assert ACCOUNT.password not in repr(ACCOUNT)


@pytest.mark.parametrize("port", [{"path_of_it": "/elsewhere"}], indirect=True)
def test_no_adminer_is_nothing(port: int) -> None:
    assert sign_in("127.0.0.1", [port, 1], ACCOUNT) == ""
