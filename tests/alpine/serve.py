# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the stand-in: its files as they are, and its repositories of git as a git host does.

    python3 serve.py DIRECTORY [PORT]

It runs on the stand-in's own Python and git, in a container, and needs nothing of this project.
"""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
from functools import partial
from http import HTTPStatus

BACKEND = ("git", "http-backend")


def answer(output: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """What a CGI program wrote: the status, the headers and the body."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = [tuple(line.split(": ", 1)) for line in head.decode("latin-1").split("\r\n") if ": " in line]
    status = next((int(value.split()[0]) for name, value in headers if name == "Status"), HTTPStatus.OK)
    return status, [(name, value) for name, value in headers if name != "Status"], body


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/git/"):
            self.ask_git(b"")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.ask_git(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def ask_git(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.directory,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = subprocess.run(BACKEND, input=body, env=environment, stdout=subprocess.PIPE, check=False)
        status, headers, text = answer(done.stdout)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main() -> None:
    directory, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 80
    server = http.server.ThreadingHTTPServer(("", port), partial(Handler, directory=directory))
    server.serve_forever()


if __name__ == "__main__":
    main()
