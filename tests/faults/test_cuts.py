# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments and rotations that are cut off at random moments: visitors lose ten seconds at most, what runs is whole
without anybody's help, and the next run settles it. Of a machine that is switched off, they lose its start as well.

INCEPTION_CUTS says how often (3). Each cut is noted at once, so that batches add up: python -m tests.faults.notes
A deployment from its first task on takes long, and most of it changes nothing that visitors see. So as many cuts more
hit the machine's own part of one, begun as the collection's module does.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import notes
from tests.faults.bench import Bench
from tests.verify.support import wait_until

TIMES = int(os.environ.get("INCEPTION_CUTS", "3"))
# Seconds without a page that visitors may notice.
LOST = 10.0
# What runs when it is cut off: a playbook and its settings.
WORKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("a deployment of another php-fpm port", "playbooks/deploy.yml", {"stack_env": {"WORDPRESS_PORT": 9003}}),
    ("a deployment of pages without a cache", "playbooks/deploy.yml", {"stack_page_cache": False}),
    ("a rotation", "playbooks/rotate.yml", {}),
)
# What dies: Ansible on the control node alone, or also what it started on the machine, or the machine.
ANSIBLE, ALL, MACHINE = "Ansible", "Ansible and what it had started", "the machine"
LEFT = r"""
for place in /proc/[0-9]*; do
    # Not this one, which names them too.
    [ "$place" != "/proc/$$" ] && [ "$place" != "/proc/$PPID" ] || continue
    if tr '\0' ' ' <$place/cmdline 2>/dev/null |
        grep -q 'local/sbin/inception\|AnsiballZ\|docker[ -]compose\|docker-buildx\|docker \(stop\|start\|rm\) '; then
        kill -KILL ${place#/proc/} 2>/dev/null
    fi
done
true
"""


# The machine's own part of a deployment of another php-fpm port, as the module begins it.
PART = r"""
import json, pathlib, subprocess, sys, tempfile, time
pathlib.Path("/run/fortytwo.inception").mkdir(exist_ok=True)
port, folder = sys.argv[1], pathlib.Path(tempfile.mkdtemp(dir="/run/fortytwo.inception", prefix="run-"))
settings = pathlib.Path("/home/wil/inception/srcs/.env")
lines = settings.read_text().splitlines()
text = "".join((f"WORDPRESS_PORT={port}" if one.startswith("WORDPRESS_PORT=") else one) + "\n" for one in lines)
settings.write_text(text)
history = pathlib.Path("/var/lib/fortytwo.inception/history")
kept = {int(one.stem): json.loads(one.read_text()) for one in history.glob("[0-9]*.json")}
plan = next(kept[number]["plan"] for number in sorted(kept, reverse=True) if kept[number].get("plan"))
lease = {"run": folder.name, "who": "a test", "what": "deployment", "since": "now", "worker": 0}
clock = time.clock_gettime(time.CLOCK_BOOTTIME)
pathlib.Path("/run/fortytwo.inception/lease.json").write_text(json.dumps({**lease, "renewed": clock}))
question = {"run": folder.name, "who": "a test", "what": "deployment", "wish": plan, "answer": f"{folder}/answer.json"}
(folder / "question").write_text(json.dumps(question))
unit = ["systemd-run", "--quiet", "--collect", f"--unit=inception-{folder.name}", "--setenv=HOME=/root"]
unit += [f"--property={one}" for one in ("Restart=on-abnormal", "RestartSec=200ms")]
subprocess.run([*unit, "/usr/local/sbin/inception", "deploy", f"{folder}/question"], check=True)
print(f"inception-{folder.name}")
"""


class Prober(threading.Thread):
    """A visitor who looks all the time, and notes how long there was nothing to see."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(daemon=True)
        self.site, self.over, self.longest = bench.site, threading.Event(), 0.0
        # Whether there was a page at last.
        self.last = False

    def run(self) -> None:
        last = time.monotonic()
        while not self.over.wait(0.2):
            try:
                # Who has a cookie gets a page that WordPress makes now.
                page = self.site.own().get("/?fresh=" + str(time.monotonic_ns()))
                good = page.status == 200
            except OSError:
                good = False
            now = time.monotonic()
            self.longest, self.last = max(self.longest, now - last), good
            if good:
                last = now

    def seconds(self) -> float:
        self.over.set()
        self.join()
        return self.longest


def at_work(bench: Bench) -> bool:
    if not bench.reached():
        return True
    told = bench.host.run("inception status")
    return bool(told.rc != 0 or re.search("^(at work|cut off):", told.stdout, re.MULTILINE))


@pytest.mark.parametrize("cut", range(TIMES))
def test_cut_off_at_a_random_moment(bench: Bench, cut: int) -> None:
    chance = random.Random()
    what, playbook, settings = WORKS[chance.randrange(len(WORKS))]
    died = chance.choice([ANSIBLE, ALL, MACHINE])
    prober = Prober(bench)
    prober.start()
    run = bench.start(settings, playbook=playbook)
    if chance.random() < 0.7:
        # When it changes the stack, or has just done so.
        wait_until("the work has begun", lambda: at_work(bench) or run.process.poll() is not None, 300)
    moment = chance.uniform(0.0, 15.0)
    time.sleep(moment)
    was_running = bench.kill(run)
    if died == ALL:
        bench.host.run(LEFT)
    if died == MACHINE:
        bench.switch_off_and_on()
    told = run.log.read_text(errors="replace")
    task = ([line for line in told.splitlines() if line.startswith("TASK [")] or ["(none)"])[-1]
    # What is left on the machine ends by itself.
    wait_until("what was left has ended", lambda: not at_work(bench), 300)
    survived, seconds = False, 0.0
    try:
        wait_until("the site is there", lambda: prober.last and not bench.unwell(), 300)
        healing = bench.deploy()
        seconds = prober.seconds()
        assert healing.status == 0, f"{what}, {moment:.1f} s, {task}, {died}: {healing.output[-4000:]}"
        bench.settled()
        assert seconds <= LOST or died == MACHINE, (
            f"{seconds:.1f} s without a page: {what}, {moment:.1f} s, {task}, {died}"
        )
        survived = True
    finally:
        prober.seconds()
        if was_running:
            notes.note(
                notes.CUTS,
                what=what,
                died=died,
                task=task,
                moment=round(moment, 1),
                survived=survived,
                seconds=round(seconds, 1),
            )


@pytest.fixture(scope="module")
def part(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    source = tmp_path_factory.mktemp("part") / "part.py"
    source.write_text(PART)
    bench.host.ansible("ansible.builtin.copy", f"src={source} dest=/root/part.py", check=False)
    yield "/root/part.py"
    assert bench.deploy().status == 0
    bench.settled()


@pytest.mark.parametrize("cut", range(TIMES))
def test_the_machines_own_part_is_cut_off_and_goes_on_by_itself(bench: Bench, part: str, cut: int) -> None:
    """It ends what it began, though nobody comes."""
    chance = random.Random()
    died = chance.choice([ALL, ALL, ALL, MACHINE])
    used = "docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' inception-nginx-1"
    port = "9003" if "WORDPRESS_PORT=9000" in bench.root(used) else "9000"
    prober = Prober(bench)
    prober.start()
    unit = bench.root(f"python3 {part} {port}").strip()
    moment = chance.uniform(0.0, 15.0)
    time.sleep(moment)
    was_running = bench.host.run(f"systemctl is-active --quiet {unit}").rc == 0
    # Before it has written down what is under way, its end with the machine is as if nobody had come.
    begun = died == ALL or bench.host.run("test -e /var/lib/fortytwo.inception/history/journal.json").rc == 0
    if died == ALL:
        bench.host.run(LEFT)
    else:
        bench.switch_off_and_on()
    survived, seconds = False, 0.0
    try:
        wait_until("what was left has ended", lambda: not at_work(bench), 300)
        wait_until("the site is there", lambda: prober.last and not bench.unwell(), 300)
        seconds = prober.seconds()
        assert f"WORDPRESS_PORT={port}" in bench.root(used) or not begun
        assert seconds <= LOST or died == MACHINE, f"{seconds:.1f} s without a page: {moment:.1f} s, {died}"
        survived = True
    finally:
        prober.seconds()
        if was_running:
            what = "the machine's own part of a deployment of another php-fpm port"
            notes.note(
                notes.CUTS,
                what=what,
                died=died,
                task="",
                moment=round(moment, 1),
                survived=survived,
                seconds=round(seconds, 1),
            )
