# SPDX-License-Identifier: GPL-3.0-or-later
"""From Debian 12 to 13 with its data, and back by a restore: an older MariaDB reads nothing that a newer one wrote.

A part of `make test-backup-long`, since each base has its images built.
"""

from __future__ import annotations

import pytest

from tests.backup.test_backup import different, newest, playbook, settled, whole, write_post
from tests.faults.bench import Bench
from tests.upgrade.notes import rows

pytestmark = pytest.mark.long

TWELVE = {"inception_base_release": "bookworm"}
THIRTEEN = {"inception_base_release": "trixie", "inception_base_release_forced": True}


def version(bench: Bench) -> str:
    """Of the server."""
    return str(bench.stack.sql("SELECT SUBSTRING_INDEX(VERSION(), '.', 2)")[0][0])


def test_debian_13_and_back_by_a_restore(bench: Bench) -> None:
    write_post(bench, "of12")
    kept = whole(bench)
    bench.root("inception backup")
    of_twelve, there = newest(bench), len(bench.root("inception backups").splitlines())
    done = bench.deploy(THIRTEEN)
    assert done.status == 0, done.output[-3000:]
    assert version(bench) == "11.8"
    # Before anything was replaced, one was made.
    assert len(bench.root("inception backups").splitlines()) == there + 1
    assert "/of12/" in bench.site.own().get("/").text
    write_post(bench, "of13")
    later = rows(bench.stack)

    # Over newer data an older server is refused, and both are named; the site goes on.
    refused = bench.deploy(TWELVE)
    assert refused.status != 0
    assert "11.8" in (said := refused.screen()), refused.output[-6000:]
    assert "10.11" in said, said
    assert rows(bench.stack) == later
    assert not bench.unwell()

    gone = playbook(bench, "remove", inception_yes="true")
    assert gone.status == 0, gone.output[-3000:]
    back = bench.deploy(TWELVE)
    assert back.status == 0, back.output[-3000:]
    assert version(bench) == "10.11"
    # What was written on 13, on 12: a dump fits both, and WordPress's newer files came with it.
    listed = [line for line in bench.root("inception backups").splitlines() if "before" in line]
    bench.root(f"inception restore {listed[0].split()[0]} --without-backup")
    assert rows(bench.stack) == later
    front = bench.site.own().get("/")
    assert (front.status, "/of13/" in front.text) == (200, True)
    # And all of it as it was before 13.
    bench.root(f"inception restore {of_twelve}")
    assert different(kept, whole(bench)) == []
    assert "/of13/" not in bench.site.own().get("/").text
    # The authority is the old one again, which the control node learns.
    assert bench.deploy().changed == 1
    settled(bench)
