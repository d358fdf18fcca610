# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command with the words of make's variable ARGS behind its own.

They are split as a shell splits them, and nothing in them is carried out: no $(...), no `...`, no ; and no * of a file.
"""

from __future__ import annotations

import os
import shlex
import sys


def main(command: list[str]) -> None:
    given = os.environ.pop("INCEPTION_ARGS", "")
    try:
        words = shlex.split(given)
    except ValueError as error:
        sys.exit(f"ARGS: {given!r} are no words ({error}); good ones are ARGS='-e evaluate_depth=runtime'")
    os.execvp(command[0], [*command, *words])


main(sys.argv[1:])
