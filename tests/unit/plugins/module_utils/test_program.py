# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever called the machine's own program may be gone before it has ended its work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import IO

import pytest

WORK = """
import signal, sys
sys.path[:] = {path}
from ansible_collections.fortytwo.inception.plugins.module_utils import _program
signal.signal(signal.SIGHUP, signal.{hangup})
for number in range(3):
    _program.say(f"... step {{number}}")
open(sys.argv[1], "w").close()
"""


def pipe() -> IO[bytes]:
    """Whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb", buffering=0)


def terminal() -> IO[bytes]:
    """Whose window was closed."""
    master, slave = os.openpty()
    os.close(master)
    return os.fdopen(slave, "wb", buffering=0)


def disk() -> IO[bytes]:
    """Without room: what is said was wanted."""
    return open("/dev/full", "wb", buffering=0)


@pytest.mark.parametrize(
    ("gone", "hangup", "ends"),
    [
        (pipe, "SIG_IGN", True),
        (terminal, "SIG_IGN", True),
        (disk, "SIG_IGN", False),
        # Nothing was begun that a cut connection shall not end: a bill or a history that nobody reads.
        (pipe, "SIG_DFL", False),
    ],
)
def test_what_was_begun_is_ended_whoever_listens(
    tmp_path_factory: pytest.TempPathFactory, gone: Callable[[], IO[bytes]], hangup: str, ends: bool
) -> None:
    done = tmp_path_factory.mktemp("work") / "done"
    program = WORK.format(path=repr(sys.path), hangup=hangup)
    with gone() as output:
        ended = subprocess.run(
            [sys.executable, "-c", program, str(done)], stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.exists() is ends, ended.stderr
    assert (ended.returncode == 0) is ends, ended.stderr
