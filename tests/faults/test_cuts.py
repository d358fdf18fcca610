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
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults import notes
from tests.faults.bench import Bench
from tests.faults.writers import Written, writers
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
# At once: who sees its own part die first gives way, and does not go on.
LEFT = r"""
ours='local/sbin/inception\|AnsiballZ\|docker[ -]compose\|docker-buildx\|docker \(stop\|start\|rm\) '
for signal in STOP KILL; do
    for place in /proc/[0-9]*; do
        # Not this one, which names them too.
        [ "$place" != "/proc/$$" ] && [ "$place" != "/proc/$PPID" ] || continue
        if tr '\0' ' ' <$place/cmdline 2>/dev/null | grep -q "$ours"; then
            kill -$signal ${place#/proc/} 2>/dev/null
        fi
    done
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


@dataclass
class Cut:
    """One that is under way, and what is noted of it."""

    what: str
    died: str
    moment: float
    # Whether there was something to cut off.
    was_running: bool = False
    task: str = ""
    survived: bool = False
    seconds: float = 0.0
    written: Written = field(default_factory=Written)

    def within(self) -> bool:
        """Whether visitors waited no longer than they may."""
        return self.seconds <= LOST or self.died == MACHINE

    def note(self) -> None:
        if self.was_running:
            notes.note(
                notes.CUTS,
                what=self.what,
                died=self.died,
                task=self.task,
                moment=round(self.moment, 1),
                survived=self.survived,
                seconds=round(self.seconds, 1),
                acknowledged=self.written.acknowledged,
                lost=len(self.written.lost),
            )


@contextmanager
def visitors(bench: Bench, cut: Cut) -> Iterator[Prober]:
    """One who looks all the time and one who writes. However it ends, it is noted."""
    prober = Prober(bench)
    try:
        with writers(bench) as cut.written:
            prober.start()
            yield prober
            cut.seconds = prober.seconds()
        assert not cut.written.lost, cut
        assert cut.within(), cut
        cut.survived = True
    finally:
        prober.over.set()
        cut.note()


@pytest.mark.parametrize("number", range(TIMES))
def test_cut_off_at_a_random_moment(bench: Bench, number: int) -> None:
    chance = random.Random()
    what, playbook, settings = WORKS[chance.randrange(len(WORKS))]
    cut = Cut(what, chance.choice([ANSIBLE, ALL, MACHINE]), chance.uniform(0.0, 15.0))
    with visitors(bench, cut) as prober:
        run = bench.start(settings, playbook=playbook)
        if chance.random() < 0.7:
            # When it changes the stack, or has just done so.
            wait_until("the work has begun", lambda: at_work(bench) or run.process.poll() is not None, 300)
        time.sleep(cut.moment)
        cut.was_running = bench.kill(run)
        if cut.died == ALL:
            bench.host.run(LEFT)
        if cut.died == MACHINE:
            bench.switch_off_and_on()
        told = run.log.read_text(errors="replace")
        cut.task = ([line for line in told.splitlines() if line.startswith("TASK [")] or ["(none)"])[-1]
        # What is left on the machine ends by itself.
        wait_until("what was left has ended", lambda: not at_work(bench), 300)
        wait_until("the site is there", lambda: prober.last and not bench.unwell(), 300)
        healing = bench.deploy()
        assert healing.status == 0, f"{cut}: {healing.output[-4000:]}"
        bench.settled()


@pytest.fixture(scope="module")
def part(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    source = tmp_path_factory.mktemp("part") / "part.py"
    source.write_text(PART)
    bench.host.ansible("ansible.builtin.copy", f"src={source} dest=/root/part.py", check=False)
    yield "/root/part.py"
    assert bench.deploy().status == 0
    bench.settled()


@pytest.mark.parametrize("number", range(TIMES))
def test_the_machines_own_part_is_cut_off_and_goes_on_by_itself(bench: Bench, part: str, number: int) -> None:
    """It ends what it began, though nobody comes."""
    chance = random.Random()
    what = "the machine's own part of a deployment of another php-fpm port"
    cut = Cut(what, chance.choice([ALL, ALL, ALL, MACHINE]), chance.uniform(0.0, 15.0))
    used = "docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' inception-nginx-1"
    port = "9003" if "WORDPRESS_PORT=9000" in bench.root(used) else "9000"
    with visitors(bench, cut) as prober:
        unit = bench.root(f"python3 {part} {port}").strip()
        time.sleep(cut.moment)
        cut.was_running = bench.host.run(f"systemctl is-active --quiet {unit}").rc == 0
        # Before it has written down what is under way, its end with the machine is as if nobody had come.
        begun = cut.died == ALL or bench.host.run("test -e /var/lib/fortytwo.inception/history/journal.json").rc == 0
        if cut.died == ALL:
            bench.host.run(LEFT)
        else:
            bench.switch_off_and_on()
        wait_until("what was left has ended", lambda: not at_work(bench), 300)
        wait_until("the site is there", lambda: prober.last and not bench.unwell(), 300)
        assert f"WORDPRESS_PORT={port}" in bench.root(used) or not begun
