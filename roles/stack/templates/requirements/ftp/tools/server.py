#!/usr/bin/python3
"""The FTP server of the site's folder: one user, locked into it, over TLS.

conf/ftp.ini says what is granted; the rest comes from the environment and from /run/secrets.
"""

from __future__ import annotations

import configparser
import hmac
import logging
import os
import secrets
import signal
import socket
import sys
import time
from typing import Any, ClassVar

from OpenSSL import SSL
from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

FOLDER = "/var/www/html"
# The commands with which a client has the server open a connection.
ACTIVE = {"PORT", "EPRT"}
# Commands after which the site may look otherwise; a file that was sent is told of when it is complete.
CHANGES = {"DELE", "RNTO", "MKD", "RMD", "SITE CHMOD"}
# Where this link leads decides which pages nginx still knows (WordPress's conf/pages.php).
PAGES = f"{FOLDER}/wp-content/.pages"
# How long PHP may still run a program of which it has just looked at the date, in seconds.
OLD_CODE_SECONDS = 3
# Read by the command status.
STATUS = "/tmp/status"


class Guesses:
    """How long the answer to a wrong password is kept back, for each address that guesses."""

    def __init__(self, first: float, longest: float, forget: float) -> None:
        self.first = first
        self.longest = longest
        self.forget = forget
        self._seen: dict[str, tuple[int, float]] = {}

    def delay(self, address: str, now: float) -> float:
        self._seen = {known: seen for known, seen in self._seen.items() if now - seen[1] < self.forget}
        count = self._seen.get(address, (0, now))[0]
        self._seen[address] = (count + 1, now)
        # The exponent is kept small, for whoever guesses on for days.
        return min(self.first * 2 ** min(count, 16), self.longest)


class SignOfLife:
    """What the command status prints."""

    def __init__(self) -> None:
        self.last = "no login"
        self.logins = 0
        self.refused = 0
        self.write()

    def login(self) -> None:
        self.logins += 1
        self.last = f"last login {time.strftime('%Y-%m-%d %H:%M:%S %Z')}"
        self.write()

    def refusal(self) -> None:
        self.refused += 1
        self.write()

    def write(self) -> None:
        with open(f"{STATUS}.new", "w", encoding="utf-8") as file:
            file.write(f"{self.last}; {self.logins} logins and {self.refused} refused since the start\n")
        os.replace(f"{STATUS}.new", STATUS)


class Authorizer(DummyAuthorizer):
    """One user, whose password is a secret."""

    def __init__(self, user: str, password: bytes, permissions: str, guesses: Guesses, sign: SignOfLife) -> None:
        super().__init__()
        self.add_user(user, "", FOLDER, perm=permissions)
        self._user = user.encode()
        self._password = password
        self._guesses = guesses
        self._sign = sign

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        # Both are compared, whole, so that the time of an answer tells nothing.
        user_fits = hmac.compare_digest(username.encode("utf-8", "replace"), self._user)
        if not hmac.compare_digest(password.encode("utf-8", "replace"), self._password) or not user_fits:
            handler.auth_failed_timeout = self._guesses.delay(handler.remote_ip, time.monotonic())
            self._sign.refusal()
            raise AuthenticationFailed("Authentication failed.")
        self._sign.login()


class Transfer(TLS_DTPHandler):
    """A data channel. Some clients, curl among them, begin TLS before they say what is to be transferred."""

    def readable(self) -> bool:
        # Without a command the library would hang up on whoever sends something.
        return self._ssl_accepting or super().readable()

    def handle_close(self) -> None:
        # Without a command there is no transfer whose end would have to be told.
        if self._initialized:
            super().handle_close()
        else:
            self.close()


def forget_pages() -> None:
    """No page that was made before is found any more."""
    if not os.path.islink(f"{PAGES}/current"):
        return
    name = secrets.token_hex(8)
    try:
        os.mkdir(f"{PAGES}/{name}")
        os.symlink(name, f"{PAGES}/{name}/link")
        os.replace(f"{PAGES}/{name}/link", f"{PAGES}/current")
    except OSError as error:
        # Without the link, nginx keeps nothing and uses nothing that it kept.
        os.unlink(f"{PAGES}/current")
        logging.warning("The page cache is off: %s", error)


class Handler(TLS_FTPHandler):
    """One connection. The server never opens one by itself, so no client can point it at another machine."""

    banner = "Ready."
    sign_in_seconds = 30
    dtp_handler = Transfer
    proto_cmds: ClassVar = {name: TLS_FTPHandler.proto_cmds[name] for name in TLS_FTPHandler.proto_cmds.keys() - ACTIVE}

    def on_connect(self) -> None:
        self.ioloop.call_later(self.sign_in_seconds, self.make_way)

    def make_way(self) -> None:
        """A connection that nobody has signed in through is nobody's."""
        if not self.authenticated and not self._closed:
            self.close()

    def on_file_received(self, file: str) -> None:
        self.changed()

    def on_incomplete_file_received(self, file: str) -> None:
        self.changed()

    def process_command(self, cmd: str, *what: Any, **how: Any) -> None:
        super().process_command(cmd, *what, **how)
        if cmd in CHANGES:
            self.changed()

    def changed(self) -> None:
        """Pages are made anew: at once, and when PHP is sure to have seen the change."""
        forget_pages()
        self.ioloop.call_later(OLD_CODE_SECONDS, forget_pages)

    def log(self, *what: Any, **how: Any) -> None:
        # The health check, from inside the container, is no news.
        if self.remote_ip != "127.0.0.1":
            super().log(*what, **how)


class Server(FTPServer):
    """Connections that nobody has signed in through lock nobody out: the oldest of them makes way."""

    def handle_accepted(self, sock: socket.socket, addr: tuple[str, int]) -> None:
        mine = self.ip_map.count(addr[0]) >= self.max_cons_per_ip
        if mine or len(self.ip_map) >= self.max_cons:
            idle = [
                handler
                for handler in self.ioloop.socket_map.values()
                if isinstance(handler, Handler)
                and not handler.authenticated
                and (not mine or handler.remote_ip == addr[0])
            ]
            if idle:
                min(idle, key=lambda handler: handler.started).make_way()
        super().handle_accepted(sock, addr)


def tls_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION)
    # As NGINX: forward secrecy, and no cipher in CBC mode.
    context.set_cipher_list(
        b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    )
    context.use_certificate_chain_file("/run/secrets/tls_certificate")
    context.use_privatekey_file("/run/secrets/tls_key")
    return context


def passive_address(name: str) -> str | None:
    """The address that a client is told for a transfer: its own of the machine, since the container's leads nowhere."""
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        logging.warning("FTP_DATA_ADDRESS has no address, so clients have to use EPSV: %r: %s", name, error)
        return None


def main() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    settings = configparser.ConfigParser()
    settings.read("/etc/inception/ftp.ini", encoding="utf-8")
    server, guesses = settings["server"], settings["guesses"]
    with open("/run/secrets/ftp_password", "rb") as file:
        password = file.read().rstrip(b"\r\n")

    Handler.authorizer = Authorizer(
        os.environ["FTP_USER"],
        password,
        server["permissions"],
        Guesses(guesses.getfloat("first"), guesses.getfloat("longest"), guesses.getfloat("forget")),
        SignOfLife(),
    )
    Handler.timeout = server.getint("idle_seconds")
    Handler.sign_in_seconds = server.getint("sign_in_seconds")
    Handler.ssl_context = tls_context()
    Handler.tls_control_required = Handler.tls_data_required = os.environ["FTP_PLAIN"] != "true"
    first, last = os.environ["FTP_DATA_PORTS"].split("-")
    Handler.passive_ports = range(int(first), int(last) + 1)
    Handler.masquerade_address = passive_address(os.environ["FTP_DATA_ADDRESS"])

    Server.max_cons = server.getint("connections")
    Server.max_cons_per_ip = server.getint("connections_per_address")
    # As WordPress writes: the owner is the same, nginx only reads.
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server(("0.0.0.0", int(os.environ["FTP_PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main()
