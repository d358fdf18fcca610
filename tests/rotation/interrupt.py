# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut a rotation off at random moments, and see that the site works after each and that the next rotation finishes.

    python -m tests.rotation.interrupt --inventory hosts.yml --host wil --port 8444 --ca ca.crt --times 50

A rotation is killed with all its processes on the control node, its ssh master too. On the machine, what it had started
is killed as well, or left to itself, as chance will have it. Then the site has to answer, the database has to accept
the passwords of the current files, and both users have to be let in with the value of the current file or of the
staged one. Mostly a rotation that nobody cuts off follows, after which everything has to be settled; sometimes the
next one is cut off too. Meanwhile strangers look at the site, and nothing may fail for them. The status is 0 when all
of that held.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.rotation.load import Load
from tests.rotation.machine import Machine, Rotation, add_machine_arguments, connect
from tests.verify.support import wait_until

# How often a rotation that goes on after another was cut off is cut off as well.
AGAIN = 0.25


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_machine_arguments(parser)
    parser.add_argument("--times", type=int, default=5, help="how often to cut off")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats a run")
    parser.add_argument(
        "--log", type=Path, default=Path(tempfile.gettempdir()) / "rotation.log", help="of the last rotation"
    )
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)

    def rotation() -> Rotation:
        return Rotation(arguments.inventory, arguments.log)

    stack, site = connect(arguments)
    machine = Machine(stack, site)
    wrong: list[str] = []

    def settle() -> float:
        """A rotation that nobody cuts off; how long it took."""
        started = time.monotonic()
        if not rotation().finish():
            wrong.append(f"a rotation failed: {arguments.log.read_text(errors='replace')[-3000:]}")
        wrong.extend(machine.unsettled() + machine.problems(""))
        return time.monotonic() - started

    with Load(stack, site, strangers_alone=True) as tally:
        whole = settle()
        cut = 0
        while cut < arguments.times and not wrong:
            running = rotation()
            # The first part of a rotation only looks.
            moment = chance.uniform(0.2, 1.0) * whole
            time.sleep(moment)
            if not running.kill():
                continue
            cut += 1
            fate = chance.choice(["killed", "left"])
            count = machine.left(*(["kill"] if fate == "killed" else []))
            problems = machine.problems("", ".next")
            wait_until("what was left on the machine has ended", lambda: machine.left() == 0)
            # It may have gone on in the meantime.
            problems += [problem for problem in machine.problems("", ".next") if problem not in problems]
            where = f"after {moment:.1f} s, in {running.last_task()}, {count} processes {fate}"
            print(f"{cut}. {where}: {problems or 'works'}", flush=True)
            wrong.extend(problems)
            if not wrong and chance.random() >= AGAIN:
                settle()
        if not wrong:
            settle()
    wrong.extend(tally.failures)
    print(f"cut off {cut} times", *tally.lines()[:2], *(wrong or ["everything is settled"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
