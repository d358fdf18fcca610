# SPDX-License-Identifier: GPL-3.0-or-later
"""From Debian 12 to 13 with its data, and back by a restore: an older MariaDB reads nothing that a newer one wrote.
And from Debian to Alpine and back, each by a restore; Alpine's packages are those of the stand-in (docs/alpine.md).

A part of `make test-backup-long`, since each base has its images built.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.test_backup import different, newest, playbook, settled, whole, write_post
from tests.faults.bench import Bench
from tests.upgrade.notes import rows
from tests.verify.support import ROOT

pytestmark = pytest.mark.long

TWELVE = {"inception_base_release": "bookworm"}
THIRTEEN = {"inception_base_release": "trixie", "inception_base_release_forced": True}


# As in the scenario alpine-images.
ALPINE = {
    "inception_base_family": "alpine",
    "inception_base_release": "3.23",
    "inception_base_source": "bootstrap",
    "base_image_alpine_mirror": "http://10.231.43.2",
}
# Beside the one of the scenarios alpine-images and alpine, and where no Docker makes networks by itself.
NETWORK = "inception-alpine-backup"
# In such a network names are Docker's, by rules in the machine that our firewall would close.
NAMES = {"host_open_ports": [53, "53/udp"]}
STAND_IN = {
    "stand_in_network": NETWORK,
    "stand_in_subnet": "10.231.43.0/24",
    "stand_in_address": "10.231.43.2",
    "stand_in_machine": "inception-alpine-machine:{{ stand_in_tag }}-backup",
    # Made once, as theirs: its address is in it.
    "stand_in_dir": "{{ stand_in_cache }}/alpine-stand-in-{{ stand_in_tag }}-backup",
}


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


@pytest.fixture
def mirror(bench: Bench) -> Iterator[dict[str, str]]:
    """Alpine's packages for the control node and for the machine: the settings that lead there."""
    folder, machine = (
        Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]),
        bench.host.ansible.get_variables()["machine_name"],
    )

    settings = STAND_IN | {
        "molecule_ephemeral_directory": str(folder),
        "stand_in_users": str(bench.folder / "stand-in-users"),
    }

    def play(name: str) -> None:
        command = [str(Path(sys.executable).parent / "ansible-playbook"), f"molecule/alpine/{name}.yml"]
        done = subprocess.run(
            [*command, f"--extra-vars={json.dumps(settings)}"],
            cwd=ROOT,
            env=bench.environment() | {"MOLECULE_SCENARIO_NAME": "backup"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]

    play("mirror")
    connected = subprocess.run(["docker", "network", "connect", NETWORK, machine], capture_output=True, text=True)
    try:
        assert connected.returncode == 0 or "already exists" in connected.stderr, connected.stderr
        yield ALPINE | {"base_image_cache_dir": str(bench.folder / "cache")}
    finally:
        subprocess.run(["docker", "network", "disconnect", NETWORK, machine], check=False)
        (folder / "inventory/sources.yml").unlink()
        play("mirror_away")


def test_from_debian_to_alpine_and_back(bench: Bench, mirror: dict[str, str]) -> None:
    """Each on a stack that was removed before."""

    def family() -> str:
        return bench.stack.execute("mariadb", "sh", "-c", ". /etc/os-release; echo $ID").stdout.strip()

    def anew(settings: dict[str, object]) -> None:
        gone = playbook(bench, "remove", inception_yes="true")
        assert gone.status == 0, gone.output[-3000:]
        made = bench.deploy({**settings, **NAMES})
        assert made.status == 0, made.output[-3000:]

    write_post(bench, "ofdebian")
    of_debian = rows(bench.stack)
    bench.root("inception backup")
    wanted, kept = newest(bench), whole(bench)
    anew({**mirror})
    assert family() == "alpine"
    assert rows(bench.stack) != of_debian
    bench.root(f"inception restore {wanted} --without-backup")
    assert rows(bench.stack) == of_debian
    assert "/ofdebian/" in bench.site.own().get("/").text
    assert not bench.unwell()
    write_post(bench, "ofalpine")
    of_alpine = rows(bench.stack)
    bench.root("inception backup; inception trial")
    wanted_later = newest(bench)

    anew({**TWELVE})
    assert family() == "debian"
    bench.root(f"inception restore {wanted_later} --without-backup")
    assert rows(bench.stack) == of_alpine
    front = bench.site.own().get("/")
    assert (front.status, "/ofalpine/" in front.text) == (200, True)
    bench.root(f"inception restore {wanted}")
    assert different(kept, whole(bench)) == []
    # The authority is the old one again, which the control node learns.
    assert bench.deploy(NAMES).changed == 1
    again = bench.deploy(NAMES)
    assert (again.status, again.changed) == (0, 0), again.output[-3000:]
