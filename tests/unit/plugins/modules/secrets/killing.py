# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the module that are killed at one of the calls by which it writes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Every function of os by which the module changes something, and those by which it only looks.
WRITES = ("open", "write", "fchown", "fchmod", "fsync", "replace", "link", "unlink")
LOOKS = ("close", "dup", "fstat", "geteuid", "getegid", "listdir", "pread", "readlink", "stat")
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DONE, _SURPRISE = 0, 3

# What an audit hook hears of when something is changed, or may be from outside of this process.
_CHANGES = ("os.", "shutil.", "subprocess.", "socket.", "tempfile.", "ctypes.")
_NO_CHANGES = ("os.kill", "os.listdir", "os.scandir")

_write = os.write


class Calls:
    """Counts the calls that write, and kills this process before, in or after the one with a number."""

    def __init__(self, number: int, when: str) -> None:
        self.number = number
        self.when = when
        self.count = 0
        self.inside = False

    def wrapped(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            fatal = False
            if (name != "open" or args[1] & _WRITING_FLAGS) and (name == "write" or self.when != "in"):
                self.count += 1
                fatal = self.count == self.number
            if fatal and self.when == "before":
                die()
            if fatal and self.when == "in":
                real(args[0], args[1][: len(args[1]) // 2])
                die()
            self.inside = True
            try:
                result = real(*args, **kwargs)
            finally:
                self.inside = False
            if fatal:
                die()
            return result

        return call

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Whatever is changed without one of the calls that are counted ends the process in an own way."""
        writes = event == "open" and isinstance(args[2], int) and args[2] & _WRITING_FLAGS
        if (writes or (event.startswith(_CHANGES) and event not in _NO_CHANGES)) and not self.inside:
            _write(2, f"not counted: {event} {args}\n".encode())
            os._exit(_SURPRISE)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _quiet_failure() -> Iterator[None]:
    """A child that fails must end, and not go on with the parent's tests."""
    try:
        yield
    except BaseException as error:
        _write(2, f"{error!r}\n".encode())
        os._exit(1)


def killed(run: Callable[[], object], number: int, when: str) -> bool:
    """Run in a process of its own, which is killed at its writing call with this number; False when it has fewer."""
    child = os.fork()
    if not child:
        calls = Calls(number, when)
        for name in WRITES:
            setattr(os, name, calls.wrapped(name))
        with _quiet_failure():
            sys.addaudithook(calls.hear)
            run()
        os._exit(_DONE)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (-signal.SIGKILL, _DONE), status
    return status != _DONE


def deaths(arrange: Callable[[], object], run: Callable[[], object]) -> Iterator[tuple[int, str]]:
    """Arrange and run again and again; each run is killed at another place, which is told after it."""
    for when in ("before", "in", "after"):
        arrange()
        number = 1
        while killed(run, number, when):
            yield number, when
            arrange()
            number += 1
