# SPDX-License-Identifier: GPL-3.0-or-later
"""From Debian 12 to 13 with its data, and back by a restore: an older MariaDB reads nothing that a newer one wrote.
And from Debian to Alpine and back, each by a restore; Alpine's packages are those of the stand-in (docs/alpine.md).

A part of `make test-backup-long`, since each base has its images built.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.backup.test_backup import different, newest, playbook, settled, whole, write_post
from tests.faults.bench import Bench
from tests.upgrade.notes import rows
from tests.verify.support import ROOT, wait_until

pytestmark = pytest.mark.long

TWELVE = {"inception_base_release": "bookworm"}
THIRTEEN = {"inception_base_release": "trixie", "inception_base_release_forced": True}


# As in the scenario alpine-images; its mirror, and where WordPress comes from, are told by the fixture.
ALPINE = {"inception_base_family": "alpine", "inception_base_release": "3.23", "inception_base_source": "bootstrap"}
PORT = 9323


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
def mirror(bench: Bench) -> Iterator[dict[str, Any]]:
    """Alpine's packages, served to the control node and to the machine: the settings that lead there."""
    address = bench.root("ip -4 route show default").split()[2]
    url = f"http://{address}:{PORT}"
    made_of = "".join((ROOT / "tests/alpine" / name).read_text() for name in ("facts.yml", "mirror.py"))
    # Made once: it takes minutes.
    tag = hashlib.sha256(f"{made_of} {url}".encode()).hexdigest()[:12]
    folder = Path.home() / f".cache/fortytwo.inception/alpine-stand-in-{tag}-backup"
    make = [sys.executable, "-m", "tests.alpine.mirror", str(folder), f"--url={url}", "--release=3.23"]
    subprocess.run(make, cwd=ROOT, check=True, capture_output=True)
    serve = [sys.executable, "-m", "http.server", str(PORT), "--bind", address, "--directory", str(folder)]
    with (
        (bench.folder / "mirror.log").open("w") as log,
        subprocess.Popen(serve, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            wait_until(
                "the mirror answers", lambda: bench.host.run(f"bash -c '</dev/tcp/{address}/{PORT}'").rc == 0, 60
            )
            yield {
                **ALPINE,
                **yaml.safe_load((folder / "checksums.yml").read_text()),
                "base_image_alpine_mirror": url,
                "base_image_cache_dir": str(bench.folder / "cache"),
                "stack_wordpress_archive_url": f"{url}/sources/wordpress.tar.gz",
                "stack_wp_cli_url": f"{url}/sources/wp-cli.phar",
            }
        finally:
            server.terminate()


def test_from_debian_to_alpine_and_back(bench: Bench, mirror: dict[str, Any]) -> None:
    """Each on a stack that was removed before."""

    def family() -> str:
        return bench.stack.execute("mariadb", "sh", "-c", ". /etc/os-release; echo $ID").stdout.strip()

    def anew(settings: dict[str, Any]) -> None:
        gone = playbook(bench, "remove", inception_yes="true")
        assert gone.status == 0, gone.output[-3000:]
        made = bench.deploy(settings)
        assert made.status == 0, made.output[-3000:]

    write_post(bench, "ofdebian")
    of_debian = rows(bench.stack)
    bench.root("inception backup")
    wanted, kept = newest(bench), whole(bench)
    anew(mirror)
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

    anew(TWELVE)
    assert family() == "debian"
    bench.root(f"inception restore {wanted_later} --without-backup")
    assert rows(bench.stack) == of_alpine
    front = bench.site.own().get("/")
    assert (front.status, "/ofalpine/" in front.text) == (200, True)
    bench.root(f"inception restore {wanted}")
    assert different(kept, whole(bench)) == []
    # The authority is the old one again, which the control node learns.
    assert bench.deploy().changed == 1
    settled(bench)
