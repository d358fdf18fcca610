# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the deployed stack beside the reference stack, on the machine that this runs on, as root.

    python3 -m tests.bench.target --project /home/wil/inception --result site.json --seconds 3 --rounds 5

It builds the reference stack and the client from the base image that is there, writes the same content into both sites,
and removes all of it in the end, also after a failure. What it says on stderr is for people.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.target import load
from tests.bench.target.machine import Failed, describe, docker, images, memory
from tests.bench.target.stacks import Client, Reference, Stack, base_of, connect, ours

PAGES = 1000
# Rounds of what differs little.
FEW = 3
AT_ONCE = 64
COUNTER = "/var/www/html/wp-content/mu-plugins/inception-bench.php"
COUNTED = "/tmp/inception-bench.requests"
FILES = (load.STATIC, f"{load.STATIC}.gz", load.SMALL)


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def put_files(stack: Stack, page: bytes, compressed: bytes) -> None:
    """The front page as a file, as it is and compressed, and a small one for handshakes."""
    for path, content in zip(FILES, (page, compressed, b"ok\n"), strict=True):
        stack.put(f"/var/www/html{path}", content)


def measure_load(
    client: Client, stacks: dict[str, Stack], cases: list[load.Case], rounds: int, seconds: int
) -> dict[str, Any]:
    """Each case on both stacks in turn, round by round, so that what disturbs the machine disturbs both."""
    found: dict[str, Any] = {
        case.name: {"title": case.title, "connections": case.connections, **{name: [] for name in case.stacks}}
        for case in cases
    }
    for case in cases:
        for name in case.stacks:
            load.check(stacks[name], case)
    for number in range(1, rounds + 1):
        for case in cases:
            for name in case.stacks:
                # The round before has changed the site: what a cache makes anew then is measured in measure_cold.
                load.check(stacks[name], case)
                result = load.measure(client, stacks[name], case, seconds)
                found[case.name][name].append(asdict(result))
                say(f"round {number}: {case.title}, {name}: {result.rate:.1f}/s, {result.failed} failed")
    return found


def measure_tls(client: Client, stacks: dict[str, Stack], rounds: int, seconds: int) -> dict[str, Any]:
    found: dict[str, Any] = {"signatures": [], "exchanges": [], "reference": [], "ours": []}
    for number in range(1, rounds + 1):
        signatures, exchanges = load.what_a_core_can(client, seconds)
        found["signatures"].append(signatures)
        found["exchanges"].append(exchanges)
        for name, stack in stacks.items():
            result = load.handshakes(client, stack, seconds)
            found[name].append(asdict(result))
            say(f"round {number}: TLS handshakes, {name}: {result.full:.0f}/s, resumed {result.resumed:.0f}/s")
    return found


def at_once(stack: Stack, count: int) -> list[float]:
    """Seconds of each of so many first visits at the same moment, all handshakes done before."""
    address = stack.address()
    sockets = [connect(address, stack.port, stack.domain) for _ in range(count)]
    request = f"GET / HTTP/1.1\r\nHost: {stack.host}\r\nConnection: close\r\n\r\n".encode()
    start = threading.Barrier(count)
    times: list[float] = []

    def visit(place: int) -> None:
        start.wait()
        started = time.monotonic()
        sockets[place].sendall(request)
        answer = b""
        while chunk := sockets[place].recv(65536):
            answer += chunk
        sockets[place].close()
        if answer.startswith(b"HTTP/1.1 200") and b"</html>" in answer:
            times.append(time.monotonic() - started)

    threads = [threading.Thread(target=visit, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def measure_cold(stack: Stack, rounds: int) -> dict[str, Any]:
    """The first anonymous visits after a change on the site, beside a signed-in visit; and how many of them PHP saw."""
    found: dict[str, Any] = {"first": [], "signed_in": [], "php": [], "answered": [], "slowest": []}
    wordpress = stack.containers()["wordpress"]
    stack.put(COUNTER, (Path(__file__).parent / "php/count.php").read_bytes())
    try:
        for _ in range(rounds):
            stack.get("/", signed_in=True)
            found["signed_in"].append(stack.get("/", signed_in=True).seconds)
            stack.php("touch.php")
            found["first"].append(stack.get("/").seconds)

            stack.php("touch.php")
            stack.settle()
            docker("exec", wordpress, "sh", "-c", f": >{COUNTED}")
            times = at_once(stack, AT_ONCE)
            stack.settle()
            requests = docker("exec", wordpress, "cat", COUNTED).splitlines()
            found["php"].append(requests.count("/"))
            found["answered"].append(len(times))
            found["slowest"].append(max(times, default=0.0))
    finally:
        stack.take_away(COUNTER, COUNTED)
    say(f"cold entry, {stack.name}: {found['php']} requests of {AT_ONCE} reached PHP")
    return found


def measure_memory(stack: Stack) -> dict[str, Any]:
    """Idle, after a thousand pages: half of them anonymous, half signed in, the front page and a post in turn."""
    address = stack.address()

    def visit(number: int) -> None:
        path = "/" if number % 4 < 2 else stack.content["path"]
        answer = stack.get(path, address=address, signed_in=number % 2 == 1)
        if answer.status != 200:
            raise Failed(f"{path} of {stack.name} answers {answer.status}")

    with ThreadPoolExecutor(4) as visitors:
        list(visitors.map(visit, range(PAGES)))
    stack.settle()
    time.sleep(5)
    found = memory(stack.containers())
    say(f"memory, {stack.name}: {sum(each['pss'] + each['tmpfs'] for each in found.values()) / 1e6:.0f} MB")
    return found


def measure_stops(stacks: dict[str, Stack], client: Client, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {name: {"stop": [], "start": []} for name in stacks}
    for _ in range(rounds):
        for name, stack in stacks.items():
            found[name]["stop"].append(stack.stop())
            found[name]["start"].append(stack.start())
            say(f"{name}: stopped in {found[name]['stop'][-1]:.2f} s, good page after {found[name]['start'][-1]:.2f} s")
    client.know(list(stacks.values()))
    return found


def versions(stack: Stack, client: Client) -> dict[str, str]:
    asked = {"nginx": "nginx -v", "wordpress": "php --version", "mariadb": "mariadbd --version"}
    found = {
        service: docker("exec", stack.containers()[service], "sh", "-c", f"{command} 2>&1").splitlines()[0]
        for service, command in asked.items()
    }
    found["wordpress itself"] = stack.php("version.php")
    found["openssl"] = client.execute("openssl", "version").strip()
    # It ends with a status of its own after it has said which it is.
    found["wrk"] = client.execute("sh", "-c", "wrk --version || true").splitlines()[0]
    return found


def measure(project: Path, rounds: int, seconds: int, only_php: bool) -> dict[str, Any]:
    base, mine = base_of(project), ours(project)
    if sorted(mine.containers()) != ["mariadb", "nginx", "wordpress"]:
        raise Failed(f"the stack of {project} is not running: deploy first (make deploy)")
    reference, client = Reference(base, mine.image("wordpress")), Client(base)
    # What a run that was cut off has left.
    reference.down()
    client.down()
    report: dict[str, Any] = {"on": describe(), "rounds": rounds, "seconds": seconds, "base": base}
    stacks = {"reference": reference.stack, "ours": mine}
    try:
        say("Building the reference stack and the client")
        client.up()
        report["reference_build"] = reference.up()
        for stack in stacks.values():
            stack.prepare()
        client.know(list(stacks.values()))
        page, compressed = mine.get("/").body, mine.get("/", gzip=True).body
        for stack in stacks.values():
            put_files(stack, page, compressed)
        report["page_bytes"] = {name: len(stack.get("/").body) for name, stack in stacks.items()}
        report["versions"] = versions(mine, client)
        report["images"] = {name: images(stack.images()) for name, stack in stacks.items()}
        cases = [case for case in load.CASES if case.name in load.BY_PHP or not only_php]
        report["load"] = measure_load(client, stacks, cases, rounds, seconds)
        report["cold"] = {name: measure_cold(stack, min(rounds, FEW)) for name, stack in stacks.items()}
        if only_php:
            return report
        report["tls"] = measure_tls(client, stacks, rounds, min(seconds, 2))
        report["memory"] = {name: measure_memory(stack) for name, stack in stacks.items()}
        report["stops"] = measure_stops(stacks, client, min(rounds, FEW))
        report["on"]["load_after"] = describe()["load"]
    finally:
        clean_up(mine, reference, client)
    return report


def clean_up(mine: Stack, reference: Reference, client: Client) -> None:
    """Each step even if one before it fails; a failure is told all the same."""
    failures = []
    for step in (
        lambda: mine.take_away(*(f"/var/www/html{path}" for path in FILES)),
        mine.clean_up,
        reference.down,
        client.down,
    ):
        try:
            step()
        except (Failed, OSError, KeyError) as failure:
            failures.append(str(failure))
    if failures:
        raise Failed("not all of the benchmark could be removed:\n" + "\n".join(failures))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True, help="the folder of the deployed project")
    parser.add_argument("--result", type=Path, required=True, help="where to write the figures")
    parser.add_argument("--seconds", type=int, default=2, help="of load in each round of each case")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only-php", action="store_true", help="only the visits that WordPress answers")
    arguments = parser.parse_args()
    # Told to end, it cleans up first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    try:
        report = measure(arguments.project, arguments.rounds, arguments.seconds, arguments.only_php)
    except Failed as failure:
        sys.exit(str(failure))
    arguments.result.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
