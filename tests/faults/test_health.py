# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine looks after itself: what it finds, what it does about it, and that a person is told once.

The clock of the machine is that of the computer it runs on, so it is not set here.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.bench import Bench
from tests.verify.support import wait_until

# A chat's webhook on the machine, by the machine's own authority. It notes what it gets.
RECEIVER = """
import http.server, ssl, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/root/hook/got", "ab") as notes:
            notes.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *unused):
        pass
server = http.server.HTTPServer(("127.0.0.1", 4443), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/hook/certificate", "/root/hook/key")
server.socket = context.wrap_socket(server.socket, server_side=True)
open("/root/hook/ready", "w").close()
server.serve_forever()
"""
TOKEN = "B0-whoever-knows-it"
TOLD = {"stack_health_webhook": f"https://localhost:4443/hooks/{TOKEN}"}
SECRETS = "/home/wil/inception/secrets"
SIGN = f"""
openssl req -new -key {{key}} -subj /CN={{name}} |
    openssl x509 -req -days {{days}} -CA {SECRETS}/ca.crt -CAkey {SECRETS}/ca.key -out {{out}} \\
    -extfile <(echo subjectAltName=DNS:{{name}}; echo extendedKeyUsage=serverAuth)
"""


def look(bench: Bench, times: int = 1) -> None:
    for _time in range(times):
        bench.root("systemctl start inception-health.service")


@contextmanager
def by_hand(bench: Bench) -> Iterator[None]:
    """Looks are made by the test, one at a time."""
    bench.root("systemctl stop inception-health.timer")
    try:
        yield
    finally:
        bench.root("systemctl start inception-health.timer")


@pytest.fixture
def messages(bench: Bench) -> Iterator[Any]:
    """What the webhook got since the last time it was asked."""
    bench.root("mkdir -p /root/hook && rm -f /root/hook/*")
    bench.root("openssl ecparam -name prime256v1 -genkey -noout -out /root/hook/key")
    script = SIGN.format(key="/root/hook/key", name="localhost", days=2, out="/root/hook/certificate")
    bench.root(f"bash -ec '{script}'")
    bench.host.ansible("ansible.builtin.copy", f"dest=/root/hook/receiver content={json.dumps(RECEIVER)}", check=False)
    bench.root("systemd-run --quiet --unit=hook --collect python3 /root/hook/receiver")
    wait_until("the webhook is there", lambda: bench.host.file("/root/hook/ready").exists, 30)
    done = bench.deploy(TOLD)
    assert done.status == 0, done.output[-3000:]

    def got() -> list[dict[str, Any]]:
        text = bench.root("cat /root/hook/got 2>/dev/null; rm -f /root/hook/got")
        return [json.loads(line) for line in text.splitlines()]

    with by_hand(bench):
        # What the test's machine has of its own, such as a full disk, is told first.
        bench.root("rm -f /var/lib/fortytwo.inception/health/memory.json /run/fortytwo.inception/health.json")
        look(bench, 3)
        got()
        yield got
    bench.root("systemctl stop hook; rm -rf /root/hook")
    assert bench.deploy().status == 0


def days_left(bench: Bench) -> float:
    """Of the certificate that visitors get."""
    asked = "openssl s_client -connect 127.0.0.1:443 -servername wil.42.fr </dev/null 2>/dev/null"
    served = bench.root(f"{asked} | openssl x509 -noout -enddate")
    return (ssl.cert_time_to_seconds(served.strip().partition("=")[2]) - float(bench.root("date +%s"))) / 86400


def test_a_certificate_near_its_end_is_renewed_and_no_visitor_notices(bench: Bench) -> None:
    with by_hand(bench):
        script = SIGN.format(key=f"{SECRETS}/tls.key", name="wil.42.fr", days=20, out=f"{SECRETS}/new")
        bench.root(f"bash -ec '{script}'; chown wil: {SECRETS}/new; mv {SECRETS}/new {SECRETS}/tls.crt")
        # NGINX takes the short one first, as a deployment has it.
        bench.root("docker restart inception-nginx-1 || docker restart inception-nginx-2")
        wait_until("all is well", lambda: not bench.unwell(), 120)
        with bench.visitors():
            look(bench)
        assert 364 < days_left(bench) < 366
        assert bench.root(f"stat -c '%U %a' {SECRETS}/tls.crt").split() == ["wil", "444"]
        assert re.search(r"\*.*renewal of the certificate, kept; by the machine itself", bench.history())
        look(bench)
        assert "the certificate" not in bench.root("inception status")
    # A deployment finds nothing to do: it is as the role signs it.
    bench.settled()


def test_one_that_ends_again_and_again_is_told_once_and_when_it_is_over(bench: Bench, messages: Any) -> None:
    look(bench)
    seen = {"0"}

    def process() -> str:
        return bench.root("docker inspect --format '{{.State.Pid}}' inception-nginx-1").strip()

    def is_another() -> bool:
        return process() not in seen

    for _time in range(3):
        seen.add(process())
        bench.root(f"kill -KILL {process()}")
        wait_until("it is there again", is_another, 60)
    look(bench, 3)
    (told,) = messages()
    assert "nginx ends and starts again: 3 times in 15 minutes" in told["text"]
    assert told["site"] == "wil.42.fr"
    assert "nginx ends and starts again" in bench.root("inception status")
    assert bench.host.run("inception health").rc == 1
    wait_until("all is well", lambda: not bench.unwell(), 120)


def test_what_is_stopped_is_told_and_its_end_too(bench: Bench, messages: Any) -> None:
    bench.root("docker stop inception-nginx-1")
    look(bench)
    assert messages() == []
    look(bench, 3)
    (told,) = messages()
    assert "nginx does not run" in told["text"]
    bench.root("docker start inception-nginx-1")
    wait_until("all is well", lambda: not bench.unwell(), 120)
    look(bench, 5)
    (told,) = messages()
    assert "Over: nginx does not run" in told["text"]
    look(bench, 2)
    assert messages() == []


def test_a_disk_that_fills_is_told_though_nothing_can_be_written(bench: Bench, messages: Any) -> None:
    bench.root("mount -t tmpfs -o size=20m tmpfs /home/wil/data")
    # Where it is remembered is full too: it is told once all the same.
    bench.root("cp -a /var/lib/fortytwo.inception/health /root/health")
    bench.root("mount -t tmpfs -o size=16k tmpfs /var/lib/fortytwo.inception/health")
    try:
        bench.root("cp -a /root/health/. /var/lib/fortytwo.inception/health/")
        bench.root("head -c 20M /dev/zero >/var/lib/fortytwo.inception/health/full || true")
        bench.root("head -c 18M /dev/zero >/home/wil/data/full")
        look(bench, 3)
        (told,) = messages()
        assert "the disk of /home/wil/data is 90 % full, 2 MiB are free" in told["text"]
        assert "the disk of /home/wil/data is 90 % full" in bench.root("inception status")
        bench.root("rm /home/wil/data/full")
        look(bench, 5)
        (told,) = messages()
        assert "Over: the disk of /home/wil/data" in told["text"]
    finally:
        bench.root("umount /home/wil/data /var/lib/fortytwo.inception/health; rm -rf /root/health")


def test_the_webhook_s_address_is_in_no_log_and_nobody_else_reads_it(bench: Bench, messages: Any) -> None:
    bench.root("systemctl stop hook; docker stop inception-nginx-1")
    look(bench, 4)
    shown = bench.root("inception status; inception health || true; journalctl --no-pager -u inception-health")
    assert "nobody could be told: by webhook: localhost" in shown
    assert TOKEN not in shown
    assert bench.root(f"grep -rl {TOKEN} /var/lib/fortytwo.inception /run/fortytwo.inception || true").split() == [
        "/var/lib/fortytwo.inception/health/settings.json"
    ]
    assert bench.root("stat -c %a /var/lib/fortytwo.inception/health/settings.json").strip() == "600"
    bench.root("docker start inception-nginx-1; systemd-run --quiet --unit=hook --collect python3 /root/hook/receiver")
    wait_until("all is well", lambda: not bench.unwell(), 120)
    look(bench, 8)
    # Nothing is lost that could not be told in time.
    assert ["nginx does not run" in one["text"] for one in messages()] == [True, True]
