# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs in to the database through an Adminer, as a person would at its form. Private to this collection."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import within

# Where people put it.
PATHS = ("/", "/adminer.php", "/adminer/", "/index.php")
# A page that is looked at is a small one.
MOST = 256 * 1024
TIMEOUT = 20.0
_FORM = re.compile(r"""name=["']auth\[username\]["']""")
_OPTION = re.compile(r"""<option[^>]*value=["']?([\w-]+)|name=["']auth\[driver\]["'][^>]*value=["']([\w-]+)""")
_ERROR = re.compile(r"""<div class=["']error["']>(.*?)</div>""", re.DOTALL)


@dataclass(frozen=True)
class Account:
    """Of the database. Its password is in no text that is made of it."""

    server: str
    user: str
    password: str
    database: str

    def __repr__(self) -> str:
        return f"{self.user} at {self.server}"


class Visit:
    """Pages of one server, with its cookies; nobody else is asked, wherever it leads."""

    def __init__(self, address: str, port: int) -> None:
        self.address, self.port = address, port
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """The status, where it leads, and the page."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=TIMEOUT)
        headers = {"User-Agent": "fortytwo.inception"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            with within(TIMEOUT):
                connection.request("GET" if form is None else "POST", path, urlencode(form) if form else None, headers)
                answer = connection.getresponse()
                text = answer.read(MOST).decode("utf-8", "replace")
            for line in answer.headers.get_all("Set-Cookie") or []:
                self._take(line)
            return answer.status, answer.headers.get("Location", ""), text
        finally:
            connection.close()

    def _take(self, line: str) -> None:
        try:
            self.cookies |= {name: one.coded_value for name, one in SimpleCookie(line).items()}
        except CookieError:
            return


def sign_in(address: str, ports: Iterable[int], account: Account) -> str:
    """How it went, "signed in as ..." or what the form said; "" where there is no Adminer to be seen."""
    for port in ports:
        for path in PATHS:
            try:
                told = _sign_in(Visit(address, port), path, account)
            except (OSError, http.client.HTTPException):
                break
            if told:
                return told.replace(account.password, "***") if account.password else told
    return ""


def _sign_in(visit: Visit, path: str, account: Account) -> str:
    status, location, text = visit.ask(path)
    if status != 200 or not _FORM.search(text):
        return ""
    drivers = [first or second for first, second in _OPTION.findall(text)]
    driver = next((one for one in ("server", "mysql") if one in drivers), "server")
    form = {
        "auth[driver]": driver,
        "auth[server]": account.server,
        "auth[username]": account.user,
        "auth[password]": account.password,
        "auth[db]": account.database,
    }
    status, location, text = visit.ask(path, form)
    if status in (301, 302, 303):
        query = location.partition("?")[2].partition("#")[0]
        text = visit.ask(f"{path}?{query}")[2]
    if 'name="logout"' in text or "name='logout'" in text:
        return f"signed in as {account!r}"
    error = _ERROR.search(text)
    said = " ".join(unescape(re.sub(r"<[^>]*>", " ", error[1])).split()) if error else "it asks for the password again"
    return f"not signed in as {account!r}: {said[:200]}"
