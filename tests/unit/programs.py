# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests put in the place of others, written in Python."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def python_program(path: Path, source: str) -> None:
    """Write a program for the Python of the tests, wherever that lies: a path after `#!` has no spaces."""
    path.write_text(f"""#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} "$0" "$@"\n' '''\n{source}""")
    path.chmod(0o755)
