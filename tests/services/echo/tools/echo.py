#!/usr/bin/python3
"""Says back what it hears, over TCP and UDP; --ask asks the one that runs, and --trial only whether it can start."""

import os
import signal
import socket
import socketserver
import sys
import threading
from pathlib import Path

PORT = int(os.environ["ECHO_PORT"])
ANSWER = Path("/etc/echo-answer").read_bytes().strip() + b" "


class Stream(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(ANSWER + self.request.recv(512))


class Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        text, answer = self.request
        answer.sendto(ANSWER + text, self.client_address)


def ask() -> None:
    with socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
        connection.sendall(b"it")
        if connection.recv(512) != ANSWER + b"it":
            sys.exit("It says something else.")


def serve() -> None:
    servers = [
        socketserver.ThreadingTCPServer(("", PORT), Stream),
        socketserver.ThreadingUDPServer(("", PORT), Datagram),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait([signal.SIGTERM, signal.SIGINT])


if __name__ == "__main__":
    # Before a thread begins, so that every one of them leaves it to sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    if "--ask" in sys.argv:
        ask()
    elif "--trial" not in sys.argv:
        serve()
