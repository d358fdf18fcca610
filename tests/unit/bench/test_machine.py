# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a machine's processes and of the layers of its images."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.bench.target.machine import Failed, chain_ids, cpu_seconds, proportional_bytes, run, waiting


def test_processor_time() -> None:
    """Of the process and of its children that have ended; a name with blanks and brackets is only a name."""
    stat = "12 (php-fpm: (x) y) S 1 12 12 0 -1 4194560 100 200 0 0 100 50 30 20 20 0 1 0 1000"
    assert cpu_seconds(stat) == 200 / os.sysconf("SC_CLK_TCK")


def test_memory() -> None:
    rollup = "55d0-7ffe ---p 00000000 00:00 0   [rollup]\nRss:   9000 kB\nPss:   1234 kB\nPss_Anon:   1000 kB\n"
    assert proportional_bytes(rollup) == 1234 * 1024
    # Of a process that has just ended there is nothing.
    assert proportional_bytes("") == 0


def test_chain_ids() -> None:
    """As the OCI image specification has them: the same layer on another one is another."""
    first, second = "sha256:aa", "sha256:bb"
    joined = "sha256:" + hashlib.sha256(b"sha256:aa sha256:bb").hexdigest()
    assert chain_ids([first, second]) == [first, joined]
    assert chain_ids([second]) == [second]
    assert chain_ids([]) == []


def test_a_failure_does_not_tell_stdin() -> None:
    with pytest.raises(Failed) as failure:
        run("sh", "-c", "cat >/dev/null; echo why >&2; exit 3", input=b"a value")
    assert "ended with 3" in str(failure.value)
    assert "why" in str(failure.value)
    assert "a value" not in str(failure.value)


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.mark.parametrize(
    ("state", "queues", "counted"),
    [
        # Kept open, nothing to do.
        ("01", "00000000:00000000", 0),
        ("01", "00000000:000003E8", 1),
        # What waits to be sent is the other side's to take.
        ("01", "000003E8:00000000", 0),
        # The visitor has left.
        ("08", "00000000:00000000", 1),
        # Of a listener, the second is how many connections nobody has taken; each is in the list by itself.
        ("0A", "00000000:00000005", 0),
        ("06", "00000000:00000000", 0),
    ],
)
def test_connections_that_wait(state: str, queues: str, counted: int) -> None:
    line = f"   0: 0500150A:2328 0400150A:8A2C {state} {queues} 00:00000000 00000000 1000 0 123 1 0 20 4 30 10 -1\n"
    assert waiting(HEAD + line) == counted
