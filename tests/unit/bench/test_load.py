# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load tools say is read as it is meant, and an answer that is none is an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bench.target.load import CASES, Case, parse_h2load, parse_s_time, parse_speed, parse_wrk
from tests.bench.target.machine import Failed

WRK = """Running 3s test @ https://wil.42.fr/
  2 threads and 16 connections
Requests/sec:      6.66
RESULT {"microseconds": 2000000, "requests": 10, "p50": 1500.0, "p99": 9000.0, "failed": 1, "status": 4}
"""
H2LOAD = """Main benchmark duration is over for thread #0. Stopping all clients.
finished in 1.01s, 867.00 req/s, 171.97KB/s
requests: 867 total, 869 started, 867 done, 860 succeeded, 7 failed, 0 errored, 0 timeout
status codes: 860 2xx, 0 3xx, 7 4xx, 0 5xx
"""
S_TIME = """Collecting connection statistics for 1 seconds
**************************************************

50 connections in 0.07s; 714.29 connections/user sec, bytes read 0
50 connections in 2 real seconds, 0 bytes read per connection
"""
SPEED = "+F4:3:256:53611.111111:9850.000000\n+F5:22:253:31115.625000:0.000032\n"


def test_wrk() -> None:
    """An error's status is a failure; where one is expected, any other is."""
    assert parse_wrk(WRK, errors_expected=False) == (5.0, 1.5, 9.0, 10, 1 + 4)
    assert parse_wrk(WRK, errors_expected=True) == (5.0, 1.5, 9.0, 10, 1 + 6)


def test_h2load() -> None:
    assert parse_h2load(H2LOAD) == (867.0, 867, 7)


def test_s_time() -> None:
    """Each client tells its own; one that is silent is missed."""
    assert parse_s_time(S_TIME + S_TIME, 2) == 100
    with pytest.raises(Failed):
        parse_s_time(S_TIME, 2)


def test_speed() -> None:
    """Signatures and key exchanges; one without the other is no result."""
    assert parse_speed(SPEED) == (53611.111111, 31115.625)
    with pytest.raises(Failed):
        parse_speed(SPEED.splitlines()[0])


@pytest.mark.parametrize("parse", [lambda text: parse_wrk(text, errors_expected=False), parse_h2load, parse_speed])
def test_no_result(parse: Callable[[str], object]) -> None:
    with pytest.raises(Failed, match="unable to connect"):
        parse("unable to connect")


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({case.title for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (Case("a", "a", "/"), "plain"),
        (Case("a", "a", "/?s=UNIQUE"), "unique"),
        (Case("a", "a", "/wp-comments-post.php", comment=True), "comment"),
    ],
)
def test_kind(case: Case, kind: str) -> None:
    assert case.kind == kind
