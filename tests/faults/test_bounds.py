# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small changes one after the other: of what they leave, only what rollback offers is kept.

INCEPTION_CHANGES says how many (8), INCEPTION_BASES how many other bases come after them (1).
"""

from __future__ import annotations

import json
import os

from tests.faults import notes
from tests.faults.bench import Bench
from tests.faults.test_faults import service

TIMES = int(os.environ.get("INCEPTION_CHANGES", "8"))
BASES = int(os.environ.get("INCEPTION_BASES", "1"))
# The one that runs, and those that rollback offers.
KEPT = 1 + 5
ROUTE = "contributes_to/nginx/conf/routes/broken.conf"


def held(bench: Bench) -> dict[str, int]:
    """Images, and MiB of what the engine holds."""
    of = {"Images": "images_mib", "Build Cache": "cache_mib"}
    found = {"images": len(set(bench.root("docker image ls --all --quiet --no-trunc").split()))}
    units = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
    for line in bench.root("docker system df --format json").splitlines():
        one = json.loads(line)
        if one["Type"] in of:
            number = one["Size"].rstrip("BkMG")
            found[of[one["Type"]]] = round(float(number) * units[one["Size"].removeprefix(number)] / (1 << 20))
    return found


def tags(bench: Bench, name: str) -> list[str]:
    return bench.root(f"docker image ls --format '{{{{.Tag}}}}' {name}").split()


# What makes another base of the one that is there: its label tells its content, as that of one that is built anew does.
BASE, BEFORE = "debian:bookworm", "tests/base:before"
ANOTHER = "FROM {before}\\nLABEL inception.base=sha256:{number:064d}\\nRUN echo {number} >/etc/base-of-tests\\n"


def look(bench: Bench, what: str, *, shown: bool) -> dict[str, int]:
    found = {**held(bench), "tags": len(tags(bench, "nginx"))}
    notes.note(notes.BOUNDS, what=what, shown=shown, **found)
    assert found["tags"] <= KEPT, tags(bench, "nginx")
    return found


def changed(bench: Bench, number: int) -> None:
    done = bench.deploy(None, service("sleep 100000", more={ROUTE: f"# change {number}\n"}))
    assert done.status == 0, done.output[-3000:]


# What of the build cache is kept where images have gone, and what Docker counts otherwise.
CACHE_MIB = 2048 + 256


def bounded(looks: list[dict[str, int]], full: dict[str, int]) -> None:
    for what, most in (("images", full["images"]), ("images_mib", full["images_mib"] + 1), ("cache_mib", CACHE_MIB)):
        assert max(one[what] for one in looks) <= most, (full, looks)


def test_what_small_changes_and_other_bases_leave_has_a_bound(bench: Bench) -> None:
    notes.begin(notes.BOUNDS)
    look(bench, "no change", shown=True)
    looks = []
    for number in range(1, TIMES + 1):
        changed(bench, number)
        shown = number % 10 == 0 or number in (1, KEPT, TIMES)
        looks.append(look(bench, f"{number} changes of one line", shown=shown))
    # From the moment when all that is kept is there, nothing is added.
    if full := looks[KEPT:]:
        bounded(full, full[0])
        assert max(one["cache_mib"] for one in full) <= full[0]["cache_mib"] + 1, full
    bench.root(f"docker tag {BASE} {BEFORE}")
    made = []
    try:
        for number in range(1, BASES + 1):
            dockerfile = ANOTHER.format(before=BEFORE, number=number)
            made.append(bench.root(f"printf '{dockerfile}' | docker build --quiet --tag {BASE} -").strip())
            before = tags(bench, "wordpress")
            done = bench.deploy()
            assert done.status == 0, done.output[-3000:]
            assert set(tags(bench, "wordpress")) - set(before), "nothing was built on the other base"
            look(bench, f"{number} changes of the base after them", shown=True)
    finally:
        bench.root(f"docker tag {BEFORE} {BASE}; docker image rm {BEFORE}")
    # Made by this test, and not by a deployment.
    bench.root(f"docker image rm {' '.join(made)}")
    # Of the other bases nothing is left when rollback offers none of them any more.
    for number in range(KEPT + 1):
        changed(bench, -number)
    last = look(bench, f"{KEPT + 1} changes of one line after those", shown=True)
    if full:
        bounded([last], full[0])
    # What is offered is there.
    back = bench.finish(bench.start(playbook="playbooks/rollback.yml"))
    assert back.status == 0, back.output[-3000:]
    assert bench.deploy().status == 0
    bench.settled()
