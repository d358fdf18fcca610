# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only way out of the browser that visits a stranger's site. Private to this collection.

A proxy of our own that leads to the evaluated site and nowhere else. The browser has no other way: it resolves no name,
and knows no address but the proxy's.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import socketserver
import threading
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place

_HEAD_BYTES = 8 * 1024
_CONNECTIONS = 64
# A connection on which nothing comes for so long is over.
_IDLE = 300
_CONNECT = re.compile(rb"CONNECT ([\w.:\[\]-]{1,255}):(\d{1,5}) HTTP/1\.[01]\r\n")
_ASKED = re.compile(rb"[A-Z]{1,20} ([!-~]{1,500}) HTTP/1\.[01]\r\n")
# What the browser itself asks; what a page asks of them the browser tells too.
_OF_THE_BROWSER = re.compile(r"(?:https?://)?[\w.-]+\.(?:google|googleapis|gvt1)\.com[:/]")


class Refusals:
    """Where the browser was led to, and did not go. A page may ask endlessly: only so many are kept."""

    MOST = 50

    def __init__(self) -> None:
        self._told: dict[str, None] = {}

    def note(self, what: str) -> None:
        if len(self._told) < self.MOST:
            self._told.setdefault(what[:300])

    def told(self) -> list[str]:
        return list(self._told)


class _Wall(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, place: Place, refusals: Refusals) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.place, self.refusals = place, refusals
        self.free = threading.BoundedSemaphore(_CONNECTIONS)

    def leads_to_the_site(self, host: bytes, port: int) -> bool:
        return host.decode().lower() == self.place.domain.lower() and port in (443, self.place.port)


class _Passage(socketserver.BaseRequestHandler):
    """One connection of the browser."""

    server: _Wall
    request: socket.socket

    def handle(self) -> None:
        if not self.server.free.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(OSError):
                self._pass()
        finally:
            self.server.free.release()

    def _pass(self) -> None:
        self.request.settimeout(_IDLE)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            more = self.request.recv(_HEAD_BYTES)
            if not more:
                return
            head += more
        wanted = _CONNECT.match(head)
        if not wanted or not self.server.leads_to_the_site(wanted[1], int(wanted[2])):
            # No answer at all: an answer would be shown as the page.
            asked = found[1].decode() if (found := _ASKED.match(head)) else "something that is no request"
            if not _OF_THE_BROWSER.match(asked):
                self.server.refusals.note(asked)
            return
        there = socket.create_connection((self.server.place.address, self.server.place.port), timeout=60)
        with there:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            if rest := head.partition(b"\r\n\r\n")[2]:
                there.sendall(rest)
            _relay(self.request, there)


def _relay(one: socket.socket, other: socket.socket) -> None:
    one.settimeout(_IDLE)
    other.settimeout(_IDLE)
    while True:
        ready, dummy, dummy = select.select([one, other], [], [], _IDLE)
        if not ready:
            return
        for source in ready:
            data = source.recv(64 * 1024)
            if not data:
                return
            (other if source is one else one).sendall(data)


@contextlib.contextmanager
def wall(place: Place, refusals: Refusals) -> Iterator[int]:
    """Its port, while it stands."""
    with _Wall(place, refusals) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
