# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's certificate, looked at and signed anew by the machine's own authority, as the role stack signs it.

Private to this collection; part of the machine's own program. The secrets folder is its owner's, who may put links
there: each file is opened by itself and never through one, and OpenSSL gets what was opened.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.fortytwo.inception.plugins.module_utils import _files

DAY = 86400
# A certificate that has fewer days left is renewed; a new one has so many (roles/stack: tls_local_ca_sign.yml).
RENEWED_BEFORE = 30
VALID = 365
# What an authority may have left before it is told: whoever trusts it has to be given another one.
AUTHORITY_BEFORE = 60
PATIENCE = 60
DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
REQUEST = """\
[req]
prompt = no
distinguished_name = name
string_mask = utf8only
[name]
CN = {domain}
"""
EXTENSIONS = """\
subjectAltName = {names}
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class RenewalProblem(Exception):
    """Why there is no new certificate."""


@contextlib.contextmanager
def secrets_folder(root: str) -> Iterator[int]:
    """The project's folder of secrets."""
    with contextlib.ExitStack() as opened:
        folder = _files.open_folder(root)
        opened.callback(os.close, folder)
        inner = _files.open_folder("secrets", folder, f"{root}/secrets")
        opened.callback(os.close, inner)
        yield inner


def read(root: str, name: str) -> bytes | None:
    """A file of that folder."""
    with (
        secrets_folder(root) as folder,
        _files.opened_file(name, folder, f"{root}/secrets/{name}") as descriptor,
    ):
        return None if descriptor is None else _files.read_all(descriptor)


def openssl(*argv: str, given: bytes = b"", descriptors: tuple[int, ...] = ()) -> bytes:
    try:
        done = subprocess.run(
            ["openssl", *argv], input=given, capture_output=True, check=False, pass_fds=descriptors, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RenewalProblem(f"openssl {argv[0]}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        raise RenewalProblem(f"openssl {argv[0]}: {said[0][:200]}")
    return done.stdout


@dataclass(frozen=True)
class Validity:
    """From when to when a certificate is good, in seconds of the clock."""

    begins: float
    ends: float

    def days_left(self, now: float) -> int:
        return int((self.ends - now) // DAY)

    def is_due(self, now: float) -> bool:
        """Whether it is about to end, or begins later: somebody signed it while the clock was wrong."""
        return self.ends - now < RENEWED_BEFORE * DAY or self.begins - now > DAY


def validity(certificate: bytes) -> Validity:
    told = openssl("x509", "-noout", "-startdate", "-enddate", given=certificate).decode(errors="replace")
    found = dict(line.partition("=")[::2] for line in told.splitlines())
    try:
        return Validity(*(ssl.cert_time_to_seconds(found[name]) for name in ("notBefore", "notAfter")))
    except (KeyError, ValueError) as error:
        raise RenewalProblem(f"openssl x509 told no dates: {told[:100]}") from error


@contextlib.contextmanager
def in_memory(text: bytes) -> Iterator[int]:
    """A file that has no name, for a program that reads files only."""
    descriptor = os.memfd_create("inception")
    try:
        os.write(descriptor, text)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def sign(folder: int, root: str, names: Sequence[str]) -> bytes:
    """A new certificate of the site's own key, by the authority's; the site's own name comes first."""
    domain = names[0]
    for number, name in enumerate(names):
        if not DOMAIN.fullmatch(name.removeprefix("*.") if number else name):
            raise RenewalProblem(f"{name[:100]!r} is no domain")
    with contextlib.ExitStack() as opened:

        def file(name: str) -> int:
            found = opened.enter_context(_files.opened_file(name, folder, f"{root}/secrets/{name}"))
            if found is None:
                raise RenewalProblem(f"{root}/secrets/{name} is not there")
            return found

        key, authority, authority_key = file("tls.key"), file("ca.crt"), file("ca.key")
        request = opened.enter_context(in_memory(REQUEST.format(domain=domain).encode()))
        extensions = opened.enter_context(
            in_memory(EXTENSIONS.format(names=",".join(f"DNS:{name}" for name in names)).encode())
        )
        asked = openssl(
            *("req", "-new", "-sha256", "-key", f"/dev/fd/{key}", "-config", f"/dev/fd/{request}"),
            descriptors=(key, request),
        )
        # The highest bit is none of a number's that has to be positive.
        serial = secrets.randbits(159)
        signed = openssl(
            *("x509", "-req", "-sha256", "-days", str(VALID), "-set_serial", str(serial)),
            *("-CA", f"/dev/fd/{authority}", "-CAkey", f"/dev/fd/{authority_key}"),
            *("-extfile", f"/dev/fd/{extensions}"),
            given=asked,
            descriptors=(authority, authority_key, extensions),
        )
        new = opened.enter_context(in_memory(signed))
        openssl(
            *("verify", "-purpose", "sslserver", "-verify_hostname", domain),
            *("-CAfile", f"/dev/fd/{authority}", f"/dev/fd/{new}"),
            descriptors=(authority, new),
        )
        return signed


def renew(root: str, names: Sequence[str]) -> None:
    """Puts a new certificate into the place of the one that is about to end."""
    with secrets_folder(root) as folder, _files.locked(folder, f"{root}/secrets"):
        certificate = sign(folder, root, names)
        _files.write_file("tls.crt", folder, certificate, _files.Attributes(0o444))
        _files.sync(folder)


def now() -> float:
    return time.time()
