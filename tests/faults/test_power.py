# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes while somebody writes, and the disk forgets what was not flushed: nothing acknowledged is lost.

The disk is forgetful.py, under the database's folder. All containers end with it, as they do with the power.
INCEPTION_POWER_CUTS says how often (3); batches add up in notes.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import notes
from tests.faults.bench import Bench
from tests.faults.writers import writers
from tests.verify.support import wait_until

TIMES = int(os.environ.get("INCEPTION_POWER_CUTS", "3"))
DATA = "/home/wil/data/mariadb"
PLACE = "/root/power"
DATABASE = "inception-mariadb-1"
STACK = "$(docker ps --all --quiet --filter label=com.docker.compose.project=inception)"
# What is started again by itself would be so without its disk.
SETTLE = f"""
apt-get -qq install --yes python3-fusepy >/dev/null
mknod -m 600 /dev/fuse c 10 229 || true
systemctl stop inception-health.timer
docker update --restart=no {DATABASE} >/dev/null
docker stop {DATABASE}
mkdir -p {PLACE}/disk
cp -a {DATA}/. {PLACE}/disk/
chown --reference={DATA} {PLACE}/disk
chmod --reference={DATA} {PLACE}/disk
"""
ON = f"""
systemd-run --quiet --unit=forgetful --collect python3 {PLACE}/forgetful.py {PLACE}/disk {PLACE}/live {DATA}
until mountpoint -q {DATA}; do sleep 0.1; done
docker start {DATABASE} {STACK}
"""
OFF = f"""
systemctl kill --signal=USR1 forgetful
while ls {DATA} >/dev/null 2>&1; do sleep 0.05; done
timeout 60 docker kill {STACK} || true
umount --lazy {DATA}
systemctl kill --signal=KILL forgetful || true
until ! systemctl is-active --quiet forgetful; do sleep 0.1; done
"""
LEAVE = f"""
docker stop {DATABASE}
cp -a {DATA} {PLACE}/kept
systemctl stop forgetful
umount --lazy {DATA} || true
cp -a {PLACE}/kept/. {DATA}/
rm -rf {PLACE}
docker update --restart={{restart}} {DATABASE} >/dev/null
docker start {DATABASE}
systemctl start inception-health.timer
"""


@contextmanager
def forgetful(bench: Bench) -> Iterator[None]:
    restart = bench.root(f"docker inspect --format '{{{{.HostConfig.RestartPolicy.Name}}}}' {DATABASE}").strip()
    bench.root(f"bash -ec '{SETTLE}'")
    source = Path(__file__).with_name("forgetful.py")
    bench.host.ansible("ansible.builtin.copy", f"src={source} dest={PLACE}/forgetful.py", check=False)
    bench.root(f"bash -ec '{ON}'")
    wait_until("all is well", lambda: not bench.unwell(), 120)
    try:
        yield
    finally:
        bench.root(f"bash -ec '{LEAVE.format(restart=restart)}'")
        wait_until("all is well", lambda: not bench.unwell(), 120)


@pytest.fixture(scope="module")
def disk(bench: Bench) -> Iterator[None]:
    with forgetful(bench):
        yield
    bench.settled()


def test_the_disk_forgets(bench: Bench, disk: None) -> None:
    """Else nothing below would be proved."""
    block = "head -c 400000 /dev/urandom"
    bench.root(f"{block} >{DATA}/loose; {block} >{DATA}/flushed; sync {DATA}/flushed; cp {DATA}/flushed {PLACE}/same")
    try:
        bench.root(f"bash -ec '{OFF}'")
        assert bench.host.run(f"cmp {PLACE}/disk/flushed {PLACE}/same").rc == 0
        assert int(bench.root(f"tr -d '\\0' <{PLACE}/disk/loose | wc -c")) < 300000
    finally:
        bench.root(f"rm {PLACE}/disk/loose {PLACE}/disk/flushed; bash -ec '{ON}'")
    wait_until("all is well", lambda: not bench.unwell(), 120)


@pytest.mark.parametrize("cut", range(TIMES))
def test_nothing_that_was_acknowledged_is_lost_with_the_power(bench: Bench, disk: None, cut: int) -> None:
    with writers(bench, 3) as written:
        time.sleep(random.uniform(2, 8))
        bench.root(f"bash -ec '{OFF}'")
        if random.random() < 0.5:
            # And once more while the database starts and repairs itself.
            bench.root(f"bash -ec '{ON} sleep {random.uniform(0, 1.5):.2f}; {OFF}'")
        began = time.monotonic()
        bench.root(f"bash -ec '{ON}'")
        wait_until("all is well", lambda: not bench.unwell(), 120)
        seconds = time.monotonic() - began
    intact = bench.stack.sql("CHECK TABLE wp_comments EXTENDED")[-1][-1] == "OK"
    notes.note(
        notes.POWER,
        acknowledged=written.acknowledged,
        lost=len(written.lost),
        survived=intact and not written.lost,
        seconds=round(seconds, 1),
    )
    assert written.acknowledged > 0
    assert not written.lost
    assert intact
