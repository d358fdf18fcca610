# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of an evaluated project: with a limit of time and of output. Private to this collection."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.contained import ending_all

# Seconds for a page, an upload and what else a server is asked for; what a healthy one takes is a small part of it.
PAGE_SECONDS = 60.0

# Only the end of a long output is kept, as it says what went wrong.
KEPT = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """How a command ended; `code` is None where its time was over."""

    code: int | None
    output: str
    seconds: float
    # It had done its work, and was left running.
    left: bool = False

    @property
    def ok(self) -> bool:
        return self.code == 0 or self.left

    def tail(self, lines: int = 25) -> str:
        """The last lines of what it printed."""
        return "\n".join(self.output.splitlines()[-lines:])


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """All that is done in it has so much time: a socket's own begins anew with each byte that drips in."""

    def over(*_unused: object) -> None:
        raise TimeoutError(f"it was not all there after {seconds:.0f} s")

    former, begun = signal.signal(signal.SIGALRM, over), time.monotonic()
    around, _interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, former)
        # What it is done within has what is left of its own time.
        signal.setitimer(signal.ITIMER_REAL, max(0.001, around - (time.monotonic() - begun)) if around else 0)


# How often a command that may never end is asked whether its work is done, and how often that has to be so.
_LOOK, _LOOKS = 10.0, 2


def run(
    argv: Sequence[str],
    timeout: float = 60,
    cwd: str | None = None,
    *,
    errors: bool = True,
    done: Callable[[], bool] | None = None,
) -> Answer:
    """Run a command with no input; what it started goes with it when its time is over, sessions of their own too.

    For people, `errors` are part of what it printed; a program that reads the rest leaves them out. A command that
    stays in the foreground is left alone when what it was to bring about is `done`.
    """
    with ending_all() as end:
        return _run(argv, timeout, cwd, errors, done, end)


def _run(
    argv: Sequence[str],
    timeout: float,
    cwd: str | None,
    errors: bool,
    done: Callable[[], bool] | None,
    end: Callable[[], None],
) -> Answer:
    start = time.monotonic()
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
        cwd=cwd,
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if process.stdout is None:
        raise AssertionError("a pipe was asked for")
    kept = bytearray()
    over = left_running = False
    looks, next_look = 0, start + _LOOK
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = start + timeout - time.monotonic()
            if left <= 0:
                over = True
                break
            if done and time.monotonic() >= next_look:
                looks = looks + 1 if done() else 0
                next_look = time.monotonic() + _LOOK
                if looks >= _LOOKS and process.poll() is None:
                    left_running = True
                    break
            if not selector.select(min(left, 1)):
                # A child may hold the pipe open although the command itself is over.
                if process.poll() is not None:
                    break
                continue
            chunk = os.read(process.stdout.fileno(), KEPT)
            if not chunk:
                break
            kept += chunk
            del kept[:-KEPT]
    if left_running:
        # Nobody reads what it prints any more; what it started goes on.
        process.stdout.close()
        return Answer(None, kept.decode("utf-8", "replace"), time.monotonic() - start, left=True)
    if not over:
        try:
            process.wait(max(0.1, start + timeout - time.monotonic()))
        except subprocess.TimeoutExpired:
            over = True
    if over:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        end()
    process.wait()
    process.stdout.close()
    return Answer(None if over else process.returncode, kept.decode("utf-8", "replace"), time.monotonic() - start)


def as_login(login: str, folder: str, command: str, timeout: float, done: Callable[[], bool] | None = None) -> Answer:
    """The same as the login, in a session of its own, in a folder."""
    return run(["su", "-", login, "-c", f"cd {shlex.quote(folder)} && {command}"], timeout, done=done)
