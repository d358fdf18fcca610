# SPDX-License-Identifier: GPL-3.0-or-later
"""In front of pebble, on the machine: an authority that has had enough (limited), or one with profiles (profiles)."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

KIND = sys.argv[1] if len(sys.argv) > 1 else ""
ME, PEBBLE = "localhost:14001", "https://localhost:14000"
LOG = Path("/root/stub.log")


class Stub(http.server.BaseHTTPRequestHandler):
    """Hands everything on, but for what it is there for."""

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/order-plz":
            packed = json.loads(body)["payload"]
            with LOG.open("a") as log:
                log.write(base64.urlsafe_b64decode(packed + "==").decode() + "\n")
            if KIND == "limited":
                problem = {
                    "type": "urn:ietf:params:acme:error:rateLimited",
                    "detail": "too many certificates (5)",
                    "status": 429,
                }
                told = {"Content-Type": "application/problem+json", "Retry-After": "7200"}
                return self.answer(429, told, json.dumps(problem).encode())
        # pebble names itself as it is called.
        asked = urllib.request.Request(PEBBLE + self.path, body or None, method=self.command)
        asked.add_header("Host", ME)
        for name in ("Content-Type", "User-Agent"):
            if name in self.headers:
                asked.add_header(name, self.headers[name])
        try:
            with urllib.request.urlopen(asked, context=ssl._create_unverified_context()) as found:
                status, headers, said = found.status, dict(found.headers), found.read()
        except urllib.error.HTTPError as error:
            status, headers, said = error.code, dict(error.headers), error.read()
        if self.path == "/dir" and KIND == "profiles":
            directory = json.loads(said)
            directory["meta"]["profiles"] = {
                "classic": "https://x.test/classic",
                "shortlived": "https://x.test/six-days",
            }
            said = json.dumps(directory).encode()
        return self.answer(status, headers, said)

    do_GET = do_POST = do_HEAD = serve

    def log_message(self, *dummy: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    LOG.write_text("")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 14001), Stub)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/etc/pebble/server.crt", "/etc/pebble/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
