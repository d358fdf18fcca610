# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the stacks under load, and what the load tools say."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass

from tests.bench.target.machine import Failed, cpu
from tests.bench.target.stacks import Client, Stack

# What is put into the site's folder for the comparison with a file.
STATIC = "/inception-bench.html"
# A small one, for handshakes.
SMALL = "/inception-bench.txt"
# Stands for the path of a post of the benchmark's content.
POST = "(a post)"
BOTH = ("reference", "ours")
# A round has at least so many answers, and at most takes so many seconds twice.
FEWEST = 5
LONGEST = 30
# Requests on one connection of HTTP/2.
CONNECTION = 900


@dataclass(frozen=True)
class Case:
    """One kind of visit. In a path, UNIQUE is another word in each request."""

    name: str
    title: str
    path: str
    connections: int = 16
    keep_alive: bool = True
    gzip: bool = False
    signed_in: bool = False
    comment: bool = False
    http2: bool = False
    status: int = 200
    stacks: tuple[str, ...] = BOTH

    @property
    def kind(self) -> str:
        return "comment" if self.comment else "unique" if "UNIQUE" in self.path else "plain"


CASES = (
    Case("front_1", "front page, 1 connection", "/", connections=1),
    Case("front_16", "front page, 16 connections", "/"),
    Case("front_64", "front page, 64 connections", "/", connections=64),
    Case("front_16_close", "front page, 16, a connection for each request", "/", keep_alive=False),
    Case("front_16_gzip", "front page, 16, gzip", "/", gzip=True),
    Case("front_16_http2", "front page, 16, HTTP/2", "/", http2=True, stacks=("ours",)),
    Case("static_16", "a file of the front page's size, 16", STATIC),
    Case("static_16_gzip", "the same, compressed before, 16", f"{STATIC}.gz", stacks=("ours",)),
    Case("static_16_http2", "a file of the front page's size, 16, HTTP/2", STATIC, http2=True, stacks=("ours",)),
    Case("post_16", "a post, 16", POST),
    Case("missing_16", "a page that is not there, 16, each another", "/nothing-UNIQUE/", status=404),
    Case("search_16", "a search, 16, each for another word", "/?s=UNIQUE"),
    Case("front_signed_1", "front page, signed in, 1 connection", "/", connections=1, signed_in=True),
    Case("front_signed_16", "front page, signed in, 16", "/", signed_in=True),
    Case("dashboard_1", "dashboard, 1 connection", "/wp-admin/index.php", connections=1, signed_in=True),
    Case("dashboard_16", "dashboard, 16", "/wp-admin/index.php", signed_in=True),
    Case(
        "comment_4", "writing comments, 4 connections", "/wp-comments-post.php",
        connections=4, signed_in=True, comment=True, status=302,
    ),
)  # fmt: skip

# What of it depends on WordPress.
BY_PHP = (
    "front_16", "post_16", "missing_16", "search_16", "comment_4",
    "front_signed_1", "front_signed_16", "dashboard_1", "dashboard_16",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """Of one round; milliseconds a request, as the client saw them. Another status than expected is a failure."""

    rate: float
    p50: float | None
    p99: float | None
    requests: int
    failed: int
    # Of all the stack's processes, for one request.
    cpu_ms: float


def parse_wrk(output: str, *, errors_expected: bool) -> tuple[float, float, float, int, int]:
    """Requests a second, milliseconds at p50 and p99, requests, failures, from the line of wrk.lua."""
    line = re.search(r"^RESULT (\{.*\})$", output, re.MULTILINE)
    if line is None:
        raise Failed(f"wrk has no result: {output[-1000:]}")
    found = json.loads(line[1])
    requests = found["requests"]
    wrong = requests - found["status"] if errors_expected else found["status"]
    seconds = found["microseconds"] / 1e6
    return requests / seconds, found["p50"] / 1000, found["p99"] / 1000, requests, found["failed"] + wrong


def parse_h2load(output: str) -> tuple[float, int, int]:
    """Requests a second, requests, failures."""
    rate = re.search(r"^finished in [\d.]+\w+, ([\d.]+) req/s", output, re.MULTILINE)
    counts = re.search(r"^requests: .*?(\d+) done, (\d+) succeeded", output, re.MULTILINE)
    if rate is None or counts is None:
        raise Failed(f"h2load has no result: {output[-1000:]}")
    done, succeeded = int(counts[1]), int(counts[2])
    return float(rate[1]), done, done - succeeded


def parse_s_time(output: str, clients: int) -> int:
    """How many handshakes all clients of openssl s_time made together."""
    found = [int(count) for count in re.findall(r"^(\d+) connections in \d+ real seconds", output, re.MULTILINE)]
    if len(found) != clients or sum(found) == 0:
        raise Failed(f"openssl s_time has no result: {output[-1000:]}")
    return sum(found)


def parse_speed(output: str) -> tuple[float, float]:
    """ECDSA signatures and X25519 key exchanges a second, from openssl speed -mr."""
    found = [re.search(rf"^\+{mark}:\d+:\d+:([\d.]+):", output, re.MULTILINE) for mark in ("F4", "F5")]
    if None in found:
        raise Failed(f"openssl speed has no result: {output[-1000:]}")
    signatures, exchanges = (float(match[1]) for match in found if match)
    return signatures, exchanges


def measure(client: Client, stack: Stack, case: Case, seconds: int) -> Result:
    """One round of one case. Of a stack that is slower than that, it takes longer."""
    result = attempt(client, stack, case, seconds)
    while result.requests < FEWEST:
        if seconds > LONGEST:
            raise Failed(
                f"{stack.name} gave {result.requests} answers in {seconds} s, and {result.failed} failed: {case.title}"
            )
        seconds *= 2
        result = attempt(client, stack, case, seconds)
    return result


def attempt(client: Client, stack: Stack, case: Case, seconds: int) -> Result:
    """So many seconds of load. The stack is at rest before it."""
    stack.settle()
    containers = list(stack.containers().values())
    before = cpu(containers)
    if case.http2:
        rate, requests, failed = parse_h2load(client.execute(*h2load(stack, case)))
        p50 = p99 = None
    else:
        output = client.execute(*wrk(stack, case, seconds))
        rate, p50, p99, requests, failed = parse_wrk(output, errors_expected=case.status >= 400)
    used = cpu(containers) - before
    return Result(rate, p50, p99, requests, failed, 1000 * used / max(requests, 1))


def h2load(stack: Stack, case: Case) -> list[str]:
    """A number of requests and no time, since nginx ends a connection after a thousand and h2load opens none anew."""
    requests = case.connections * CONNECTION
    return ["h2load", "--requests", str(requests), "--clients", str(case.connections), stack.url + path_of(stack, case)]


def wrk(stack: Stack, case: Case, seconds: int) -> list[str]:
    headers = [] if case.keep_alive else ["--header", "Connection: close"]
    headers += ["--header", "Accept-Encoding: gzip"] if case.gzip else []
    return [
        # Two threads, or the client itself may be what is measured.
        "wrk", "--threads", str(min(2, case.connections)), "--connections", str(case.connections),
        "--duration", f"{seconds}s", "--timeout", "60s", "--latency", "--script", "/wrk.lua", *headers,
        stack.url + path_of(stack, case), "--",
        case.kind, f"/session/{stack.name}" if case.signed_in else "-", f"{time.time_ns():x}",
        str(stack.content["comment_on"]),
    ]  # fmt: skip


def path_of(stack: Stack, case: Case) -> str:
    return str(stack.content["path"]) if case.path == POST else case.path


def check(stack: Stack, case: Case) -> None:
    """One visit before the load: the answer has to be what the case is about."""
    if case.comment:
        return
    path = path_of(stack, case).replace("UNIQUE", "first")
    answer = stack.get(path, signed_in=case.signed_in, gzip=case.gzip)
    marker = {
        "/wp-admin/index.php": b'id="wpadminbar"',
        STATIC: b"</html>",
        POST: stack.content["title"].encode(),
        f"{STATIC}.gz": b"\x1f\x8b",
    }.get(case.path, b"</html>")
    compressed = answer.headers.get("content-encoding") == "gzip"
    if case.signed_in and case.path == "/":
        marker = b'id="wpadminbar"'
    if answer.status != case.status or (not compressed and marker not in answer.body):
        raise Failed(f"{stack.url}{path} of {stack.name} answers {answer.status} and is not what is to be measured")
    if case.gzip and stack.name == "ours" and not compressed:
        raise Failed(f"{stack.url}{path} is not compressed for one who asks for gzip")


@dataclass(frozen=True)
class Handshakes:
    """Full and resumed handshakes a second, of wall time and of nginx's processor time."""

    full: float
    full_per_core: float
    resumed: float
    resumed_per_core: float


def handshakes(client: Client, stack: Stack, seconds: int) -> Handshakes:
    """TLS 1.3. The clients, one for each processor, work more than the server, and on the same processors."""
    nginx = [stack.containers()["nginx"]]
    clients = os.cpu_count() or 1
    s_time = f"openssl s_time -connect {stack.domain}:{stack.port} -new -tls1_3 -time {seconds} 2>&1"
    stack.settle()
    before = cpu(nginx)
    output = client.execute("sh", "-c", " & ".join([s_time] * clients) + " & wait")
    full, full_cpu = parse_s_time(output, clients), cpu(nginx) - before

    # wrk resumes its sessions; a small file comes over each connection.
    resumed = Case("resumed", "TLS resumption", SMALL, connections=clients, keep_alive=False)
    stack.settle()
    before = cpu(nginx)
    rate, _, _, count, failed = parse_wrk(client.execute(*wrk(stack, resumed, seconds)), errors_expected=False)
    resumed_cpu = cpu(nginx) - before
    if failed:
        raise Failed(f"{failed} of {count} connections to {stack.name} failed")
    return Handshakes(full / seconds, full / max(full_cpu, 0.01), rate, count / max(resumed_cpu, 0.01))


def what_a_core_can(client: Client, seconds: int) -> tuple[float, float]:
    """P-256 signatures and X25519 key exchanges of one core in a second, by the OpenSSL of the images' own base."""
    return parse_speed(client.execute("openssl", "speed", "-mr", "-seconds", str(seconds), "ecdsap256", "ecdhx25519"))
