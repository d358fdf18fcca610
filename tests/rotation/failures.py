# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a rotation fail, and see that the old values go on and that the next one succeeds.

    python -m tests.rotation.failures --inventory hosts.yml --host wil --port 8444 --ca ca.crt

Once WordPress lets nobody in who comes with a new password: all is as before then. Once it does not start with the new
secrets: the old container goes on, with its old values. Meanwhile strangers look at the site, and nothing may fail for
them. The status is 0 when all of that held.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.rotation.load import Load
from tests.rotation.machine import Machine, Rotation, add_machine_arguments, connect

# Each is a must-use plugin, put where WordPress finds it, and taken away again.
NOBODY_COMES_IN = "<?php add_filter('authenticate', static fn () => new WP_Error('no', 'No.'), 99);"
NO_NEW_CONTAINER = "<?php if (PHP_SAPI === 'cli' && defined('WP_INSTALLING')) { exit(1); }"


class Failures:
    def __init__(self, machine: Machine, inventory: Path, log: Path) -> None:
        self.machine, self.inventory, self.log = machine, inventory, log
        self.wrong: list[str] = []

    def rotate(self, *, fails_with: str = "") -> None:
        done = Rotation(self.inventory, self.log).finish()
        said = self.log.read_text(errors="replace")
        if done is bool(fails_with) or fails_with not in " ".join(said.split()):
            self.wrong.append(f"the rotation {'succeeded' if done else 'failed'}: {said[-3000:]}")

    def plugin(self, text: str = "") -> None:
        """Put an obstacle into WordPress's way, or remove it."""
        path = f"{self.machine.stack.settings.data}/wordpress/wp-content/mu-plugins/obstacle.php"
        if text:
            self.machine.stack.root("sh -c %s sh %s %s", 'echo "$1" >"$2"; chmod 644 "$2"', text, path)
        else:
            self.machine.stack.root("rm %s", path)

    def refused(self) -> None:
        before = self.machine.values()
        self.plugin(NOBODY_COMES_IN)
        try:
            self.rotate(fails_with="so the old ones stay")
        finally:
            self.plugin()
        if self.machine.values() != before:
            self.wrong.append("values have changed, or staged ones have stayed")
        self.wrong += self.machine.unsettled() + self.machine.problems("")

    def not_started(self) -> None:
        self.plugin(NO_NEW_CONTAINER)
        try:
            self.rotate(fails_with="The one with the old values goes on")
            self.wrong += self.machine.problems("")
        finally:
            self.plugin()

    def settled(self) -> None:
        self.rotate()
        self.wrong += self.machine.unsettled() + self.machine.problems("")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_machine_arguments(parser)
    log = Path(tempfile.gettempdir()) / "rotation.log"
    parser.add_argument("--log", type=Path, default=log, help="of the last rotation")
    arguments = parser.parse_args()

    stack, site = connect(arguments)
    failures = Failures(Machine(stack, site), arguments.inventory, arguments.log)
    with Load(stack, site, strangers_alone=True) as tally:
        for step in (failures.settled, failures.refused, failures.not_started, failures.settled):
            if not failures.wrong:
                print(step.__name__, flush=True)
                step()
    wrong = failures.wrong + tally.failures
    print(*tally.lines()[:2], *(wrong or ["everything is settled"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
