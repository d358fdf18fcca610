# SPDX-License-Identifier: GPL-3.0-or-later
"""pebble on the machine, what it is made to do wrong, and the certificate that visitors get."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.bench import Bench
from tests.rotation.load import Load, Tally
from tests.verify.support import wait_until

FOLDER = "/var/lib/fortytwo.inception/acme"
STUB = Path(__file__).with_name("stub.py")


@dataclass(frozen=True)
class Served:
    """A certificate, as a visitor sees it who trusts the machine's authority and pebble's."""

    serial: str
    issuer: str
    names: frozenset[str]


@dataclass
class Authority:
    """What is asked of it, on the machine."""

    bench: Bench

    @contextmanager
    def visitors(self) -> Iterator[Tally]:
        """Eight strangers, an author and a writer look meanwhile, and none of their requests may fail."""
        with Load(self.bench.stack, self.bench.site, pause=1.0) as tally:
            yield tally
        assert not tally.failures, "\n".join(tally.lines())
        assert tally.answers["stranger"] > 0

    # -- the site's certificate --

    def connect(self, protocol: str | None = None, name: str = "") -> ssl.SSLSocket:
        settings = self.bench.stack.settings
        context = ssl.create_default_context(cafile=str(self.bench.site.ca))
        if protocol is not None:
            context.set_alpn_protocols([protocol])
        raw = socket.create_connection((settings.address, settings.forwarded_port), timeout=60)
        return context.wrap_socket(raw, server_hostname=name or settings.domain)

    def served(self, name: str = "") -> Served:
        with self.connect(name=name) as connection:
            found: Any = connection.getpeercert()
        issuer = dict(pair for part in found["issuer"] for pair in part)
        names = frozenset(value for kind, value in found["subjectAltName"])
        return Served(found["serialNumber"], issuer["commonName"], names)

    def shown(self) -> str:
        """What the site shows, whoever trusts it."""
        settings = self.bench.stack.settings
        return ssl.get_server_certificate((settings.address, settings.forwarded_port), timeout=60)

    # -- the machine's own program --

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.bench.root(f"cat {FOLDER}/state.json"))
        return found

    def set(self, **state: Any) -> None:
        """As if time had gone by."""
        told = json.dumps(self.state() | state)
        self.bench.root(f"printf %s '{told}' >{FOLDER}/state.json")

    def near_its_end(self) -> None:
        self.set(renew_at=0.0, next=0.0, until=0.0, failed=0)

    def tend(self) -> None:
        """What the timer does each minute; not as nice as the timer, so that it does not wait for the visitors."""
        self.bench.root("systemctl stop inception-health.timer inception-health.service")
        try:
            self.bench.root("inception tend")
        finally:
            self.bench.root("systemctl start inception-health.timer")

    def renewed(self, before: Served) -> Served:
        now = self.served()
        assert now.serial != before.serial
        assert now.issuer.startswith("Pebble Intermediate")
        return now

    def ask(self) -> str:
        """Somebody asks for another one; what is said when there is none."""
        done = self.bench.host.run("inception certificate --renew")
        return str(done.stderr) if done.rc else ""

    # -- pebble --

    def dns(self, what: str, **told: Any) -> None:
        self.bench.root(f"curl -fsS -d '{json.dumps(told)}' http://127.0.0.1:8055/{what}")

    def switch(self, state: str) -> None:
        self.bench.root(f"systemctl {state} pebble")
        if state != "stop":
            wait_until(
                "the authority answers", lambda: self.bench.host.run("curl -sk https://localhost:14000/dir").rc == 0, 30
            )

    def is_revoked(self, serial: str) -> bool:
        told = self.bench.root(f"curl -sk https://localhost:15000/cert-status-by-serial/{serial.lower()}")
        return bool(json.loads(told)["Status"] == "Revoked")

    # -- a stub in front of it, for what it cannot do --

    def start_stub(self, kind: str) -> None:
        name = str(self.bench.host.ansible.get_variables()["machine_name"])
        subprocess.run(["docker", "cp", str(STUB), f"{name}:/root/stub.py"], check=True, capture_output=True)
        self.bench.root(f"systemd-run --quiet --collect --unit=acme-stub /usr/bin/python3 /root/stub.py {kind}")
        wait_until("the stub answers", lambda: self.bench.host.run("curl -sk https://localhost:14001/dir").rc == 0, 30)

    def stub_saw(self) -> list[str]:
        return self.bench.root("cat /root/stub.log").splitlines()

    def stop_stub(self) -> None:
        self.bench.root("systemctl stop acme-stub")
