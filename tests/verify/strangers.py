# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors from outside, with addresses of their own: in a network namespace of the machine, beyond its firewall."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.verify.support import Stack

# Documentation's own network (RFC 5737).
MACHINE = "203.0.113.1"
ADDRESSES = tuple(f"203.0.113.{number}" for number in range(2, 6))

NAMESPACE = "/run/netns/stranger"
# What a command begins with that a stranger runs. Busybox's ip knows no namespaces.
THERE = f"nsenter --net={NAMESPACE}"

_MAKE = """
set -e
mkdir -p /run/netns
: >{namespace}
unshare --net mount --bind /proc/self/ns/net {namespace}
{there} sh -ec '
    ip link add to-machine type veth
    ip link set veth0 name to-stranger
    ip link set to-stranger netns 1
    for address in {addresses}; do ip address add $address/24 dev to-machine; done
    ip link set to-machine up
    ip link set lo up
'
ip address add {machine}/24 dev to-stranger
ip link set to-stranger up
{there} ip route add default via {machine}
"""

# Sends requests, some at a time, and says what became of each: a status, or the error.
_ASK = """
import http.client, json, queue, ssl, sys, threading
told = json.loads(sys.argv[1])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
waiting, answers = queue.SimpleQueue(), []
for place, request in enumerate(told["requests"]):
    for number in range(request.get("times", 1)):
        waiting.put(((place, number), {**request, "path": request["path"].replace("NUMBER", str(number))}))

def body(request):
    if "zeros" not in request:
        return request.get("body")
    whole = b"0" * request["zeros"]
    return (whole[at : at + 65536] for at in range(0, len(whole), 65536)) if request.get("chunked") else whole

def ask(request):
    connection = http.client.HTTPSConnection(
        told["machine"], told["port"], timeout=300, context=context, source_address=(told["address"], 0)
    )
    try:
        headers = {"Host": told["host"], **request.get("headers", {})}
        try:
            connection.request(
                request.get("method", "GET"), request["path"], body(request), headers,
                encode_chunked=request.get("chunked", False),
            )
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            # The server has answered before it had heard all.
            pass
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return [answer.status, dict(answer.getheaders()), text[: told["most"]]]
    except (OSError, http.client.HTTPException) as error:
        return [0, {}, type(error).__name__]
    finally:
        connection.close()

def work():
    while True:
        try:
            number, request = waiting.get_nowait()
        except queue.Empty:
            return
        answers.append((number, ask(request)))

threads = [threading.Thread(target=work) for _ in range(told["at_once"])]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([answer for _, answer in sorted(answers, key=lambda one: one[0])]))
"""


@dataclass(frozen=True)
class Answer:
    """What became of a request; 0 without an answer."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class Stranger:
    """One visitor from outside."""

    stack: Stack
    address: str = ADDRESSES[0]

    def ask_all(self, *requests: dict[str, Any], at_once: int = 4, most: int = 200_000) -> list[Answer]:
        """The answers to requests, of which some are under way at once. One of many `times` has NUMBER in its path."""
        told = {
            "machine": MACHINE,
            "address": self.address,
            "port": self.stack.settings.https_port,
            "host": self.stack.settings.domain,
            "requests": requests,
            "at_once": at_once,
            "most": most,
        }
        answers = self.stack.root(f"{THERE} python3 -c %s %s", _ASK, json.dumps(told))
        return [Answer(*answer) for answer in json.loads(answers)]

    def get(self, path: str, **more: Any) -> Answer:
        return self.ask_all({"path": path, **more})[0]


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


@contextmanager
def outside(stack: Stack) -> Iterator[Stranger]:
    """A stranger, whose network is gone afterwards; what a test that was cut off left goes first."""
    away = f"umount {NAMESPACE} && rm {NAMESPACE}"
    stack.host.run(f"{away}; ip link delete to-stranger")
    make = _MAKE.format(namespace=NAMESPACE, there=THERE, machine=MACHINE, addresses=" ".join(ADDRESSES))
    stack.root("sh -c %s", make)
    try:
        yield Stranger(stack)
    finally:
        stack.root(away)
