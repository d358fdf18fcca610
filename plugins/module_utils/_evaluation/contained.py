# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that may be led astray, in a process that ends with all that it started. Private to this collection."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_PIECE = 64 * 1024
_MESSAGE_BYTES = 16 * 1024 * 1024


def _parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def _children() -> set[int]:
    """Those of this process, of all its threads."""
    found: set[int] = set()
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb") as file:
            found.update(map(int, file.read().split()))
    return found


def offspring(root: int, without: Collection[int] = ()) -> set[int]:
    """All that a process started, and what those started, but for some with all of theirs."""
    below: dict[int, list[int]] = {}
    for process, parent in _parents().items():
        below.setdefault(parent, []).append(process)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        fresh = [one for one in below.get(waiting.pop(), []) if one not in found and one not in without]
        found.update(fresh)
        waiting += fresh
    return found


@contextlib.contextmanager
def ending_all() -> Iterator[Callable[[], None]]:
    """What is started from here on ends when the given function is called, sessions of their own and daemons too.

    Whose parent has ended becomes a child of this process, so that nothing gets away.
    """
    adopted = _adopts()
    _adopt(True)
    before = _children()

    def end() -> None:
        for _round in range(200):
            left = offspring(os.getpid(), before)
            # All stand still first, so that none starts another meanwhile.
            for order in (signal.SIGSTOP, signal.SIGKILL):
                for process in left:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(process, order)
            for process in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process, os.WNOHANG)
            if not left:
                return
            time.sleep(0.02)

    try:
        yield end
    finally:
        # Whoever looks after something else meanwhile goes on with it.
        _adopt(adopted)


def _adopts() -> bool:
    whether = ctypes.c_int()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(whether), 0, 0, 0)
    return bool(whether.value)


def _adopt(whether: bool) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0)


def _largest(processes: set[int]) -> int:
    """The memory of the largest one."""
    most = 0
    for process in processes:
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{process}/statm", "rb") as file:
            most = max(most, int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    return most


def contained(work: Callable[[Callable[[Any], None]], None], seconds: float, most_bytes: int) -> tuple[list[Any], str]:
    """What the work told, and why it was ended: "" where it came to its end by itself."""
    with ending_all() as end:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _child(work, reading, writing)
        os.close(writing)
        try:
            return _listen(reading, child, time.monotonic() + seconds, seconds, most_bytes)
        finally:
            os.close(reading)
            end()


def _child(work: Callable[[Callable[[Any], None]], None], reading: int, writing: int) -> None:
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "w", encoding="ascii") as out:

            def tell(message: Any) -> None:
                out.write(json.dumps(message) + "\n")
                out.flush()

            work(tell)
        code = 0
    finally:
        # Nothing of the parent's is finished here.
        os._exit(code)


def _listen(reading: int, child: int, ends: float, seconds: float, most_bytes: int) -> tuple[list[Any], str]:
    kept, why = bytearray(), ""
    while not why:
        if time.monotonic() >= ends:
            why = f"it took longer than {seconds:.0f} s"
        elif len(kept) > _MESSAGE_BYTES:
            why = f"it told more than {_MESSAGE_BYTES} bytes"
        elif _largest(offspring(os.getpid())) > most_bytes:
            why = f"it took more than {most_bytes} bytes of memory"
        elif select.select([reading], [], [], min(1.0, max(0.0, ends - time.monotonic())))[0]:
            piece = os.read(reading, _PIECE)
            if not piece:
                break
            kept += piece
    if not why:
        _process, status = os.waitpid(child, 0)
        why = "" if status == 0 else "it broke off"
    return [json.loads(line) for line in kept.split(b"\n")[:-1]], why
