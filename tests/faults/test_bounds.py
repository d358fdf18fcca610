# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small changes one after the other: of what they leave, only what rollback offers is kept.

INCEPTION_CHANGES says how many (8).
"""

from __future__ import annotations

import json
import os

from tests.faults import notes
from tests.faults.bench import Bench
from tests.faults.test_faults import service

TIMES = int(os.environ.get("INCEPTION_CHANGES", "8"))
# The one that runs, and those that rollback offers.
KEPT = 1 + 5
ROUTE = "contributes_to/nginx/conf/routes/broken.conf"


def held(bench: Bench) -> dict[str, int]:
    """Images, and MiB of what the engine holds."""
    of = {"Images": "images_mib", "Build Cache": "cache_mib"}
    found = {"images": len(set(bench.root("docker image ls --all --quiet --no-trunc").split()))}
    units = {"B": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}
    for line in bench.root("docker system df --format json").splitlines():
        one = json.loads(line)
        if one["Type"] in of:
            number = one["Size"].rstrip("BkMG")
            found[of[one["Type"]]] = round(float(number) * units[one["Size"].removeprefix(number)])
    return found


def tags(bench: Bench, name: str) -> list[str]:
    return bench.root(f"docker image ls --format '{{{{.Tag}}}}' {name}").split()


def test_what_small_changes_leave_has_a_bound(bench: Bench) -> None:
    notes.begin(notes.BOUNDS)
    looks = [held(bench)]
    for number in range(TIMES):
        done = bench.deploy(None, service("sleep 100000", more={ROUTE: f"# change {number}\n"}))
        assert done.status == 0, done.output[-3000:]
        looks.append(held(bench))
        what = f"{number + 1} changes of one line"
        shown = (number + 1) % 10 == 0 or number + 1 in (1, KEPT, TIMES)
        notes.note(notes.BOUNDS, what=what, shown=shown, **looks[-1], tags=len(tags(bench, "nginx")))
        assert len(tags(bench, "nginx")) <= KEPT, tags(bench, "nginx")
    # From the moment when all that is kept is there, nothing is added.
    if full := looks[KEPT:]:
        assert max(one["images"] for one in full) == full[0]["images"], looks
        assert max(one["images_mib"] for one in full) <= full[0]["images_mib"] + 1, looks
        assert max(one["cache_mib"] for one in full) <= full[0]["cache_mib"] + 1, looks
    # What is offered is there.
    back = bench.finish(bench.start(playbook="playbooks/rollback.yml"))
    assert back.status == 0, back.output[-3000:]
    assert bench.deploy().status == 0
    bench.settled()
