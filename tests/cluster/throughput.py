# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster carries when one, two or all three of its nodes are asked, and what a request costs their processors.

    python -m tests.cluster.throughput      on the machines of scenario cluster, as they are deployed now

Writes docs/bench/cluster.json. Where all nodes share this computer's processors, the processor time of a request is the
honest figure: it says what machines of their own would carry.
Environment: BENCH_SECONDS, of load in a round of a case (5), and BENCH_ROUNDS (3).
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.deploy import host_seconds
from tests.bench.lab import ephemeral, setting
from tests.cluster.conftest import NODES, Cluster
from tests.verify.support import ROOT, Page, Site

RESULT = ROOT / "docs/bench/cluster.json"
VISITORS = 8
MACHINE = "inception-cluster-{}"


def worked() -> float:
    """Seconds of the processors for all three nodes, whatever they did."""
    return sum(host_seconds(MACHINE.format(name)) for name in NODES)


def under_load(sites: list[Site], ask: Callable[[Site, int], bool], seconds: int) -> dict[str, float]:
    """Visitors who ask one after the other, each one node: answers in a second, and milliseconds of the processors."""
    answered = [0] * VISITORS
    until = time.monotonic() + seconds

    def visit(number: int) -> None:
        site = sites[number % len(sites)]
        while time.monotonic() < until:
            if not ask(site, number):
                raise AssertionError(f"{site.url} gave another answer than it should")
            answered[number] += 1

    before, began = worked(), time.monotonic()
    threads = [threading.Thread(target=visit, args=(number,)) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 120)
    took, cost, total = time.monotonic() - began, worked() - before, sum(answered)
    if not all(answered):
        raise AssertionError(f"somebody had no answer: {answered}")
    return {"a_second": total / took, "milliseconds": 1000 * cost / total}


def good(page: Page) -> bool:
    return page.status == 200 and len(page.text) > 1000


def measure(cluster: Cluster, seconds: int, rounds: int) -> dict[str, Any]:
    """Of each case and number of nodes, the rounds."""
    user, password = cluster.settings.admin_user, cluster.secret("wp_admin_password")
    strangers = {name: cluster.site(name) for name in NODES}
    editors = {name: strangers[name].sign_in(user, password) for name in NODES}
    post = str(strangers["one"].get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]["id"])

    def comment(site: Site, number: int) -> bool:
        text = f"throughput {number} {time.time_ns():x}"
        fields = {"comment": text, "comment_post_ID": post, "comment_parent": "0", "submit": "Post Comment"}
        return site.post("/wp-comments-post.php", fields).status == 302

    cases: dict[str, tuple[dict[str, Site], Callable[[Site, int], bool]]] = {
        "a page that is kept": (strangers, lambda site, dummy: good(site.get("/"))),
        "a page that PHP makes, signed in": (editors, lambda site, dummy: good(site.get("/"))),
        "a comment, signed in": (editors, comment),
    }
    began, idle = time.monotonic(), worked()
    time.sleep(10)
    found: dict[str, Any] = {"idle": (worked() - idle) / (time.monotonic() - began), "cases": {}}
    for _round in range(rounds):
        for case, (sites, ask) in cases.items():
            for size in (1, 2, 3):
                asked = [sites[name] for name in NODES[:size]]
                one = under_load(asked, ask, seconds)
                found["cases"].setdefault(case, {}).setdefault(str(size), []).append(one)
                print(f"{case}, {size} asked: {one['a_second']:.1f} a second, {one['milliseconds']:.1f} ms", flush=True)
    return found


def table(found: dict[str, Any]) -> str:
    lines = ["| what | nodes asked | answers a second | processors of all nodes for one |", "|---|---|---|---|"]
    for case, sizes in found["cases"].items():
        for size, rounds in sizes.items():
            speed, cost = (statistics.median(one[key] for one in rounds) for key in ("a_second", "milliseconds"))
            lines.append(f"| {case} | {size} | {speed:.1f} | {cost:.1f} ms |")
    return "\n".join(lines)


def main() -> None:
    folder = ephemeral("cluster")
    os.environ |= {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="inception-bench-") as scratch:
        cluster = Cluster(folder / "inventory", Path(scratch))
        found = measure(cluster, setting("BENCH_SECONDS", 5), setting("BENCH_ROUNDS", 3))
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = {"processors": os.cpu_count(), "load": load}
    RESULT.write_text(json.dumps({"date": date, "machine": machine, **found}, indent=1) + "\n", encoding="utf-8")
    print(f"idle: {found['idle']:.2f} of a processor\n{table(found)}")


if __name__ == "__main__":
    main()
