# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter penultimate_release and its table."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.filter.penultimate_release import penultimate_release
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases


@pytest.mark.parametrize(
    ("family", "date", "expected"),
    [
        ("debian", "2026-11-24", "bookworm"),
        ("debian", "2025-08-09", "bookworm"),
        ("debian", "2025-08-08", "bullseye"),
        ("debian", "2023-06-10", "bullseye"),
        ("debian", "2021-08-13", "stretch"),
        ("alpine", "2026-11-24", "3.23"),
        ("alpine", "2026-06-09", "3.23"),
        ("alpine", "2026-06-08", "3.22"),
        ("alpine", "2025-12-02", "3.21"),
        ("alpine", "2023-12-07", "3.18"),
    ],
)
def test_by_date(family: str, date: str, expected: str) -> None:
    assert penultimate_release(family, date) == expected


def test_today_is_the_default() -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    assert penultimate_release("debian") == penultimate_release("debian", today)


@pytest.mark.parametrize(
    ("family", "date", "message"),
    [
        ("suse", "2026-11-24", "'suse' is not a base family; known ones: alpine, debian"),
        ("debian", "24.11.2026", "'24.11.2026' is not a day"),
        ("debian", "2000-01-01", "no two releases of debian are known for 2000-01-01"),
    ],
)
def test_bad_input(family: str, date: str, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        penultimate_release(family, date)


@pytest.mark.parametrize("family", sorted(_releases.RELEASES))
def test_the_table_is_in_order(family: str) -> None:
    releases = _releases.RELEASES[family]
    assert [r.date for r in releases] == sorted({r.date for r in releases})
    assert len({r.name for r in releases}) == len({r.version for r in releases}) == len(releases)
    assert [r.ends for r in releases] == sorted({r.ends for r in releases})
    assert all(r.date < r.ends for r in releases)
    assert family in _releases.SOURCES
    assert family in _releases.FIXES


@pytest.mark.parametrize(
    ("family", "date", "expected"),
    [
        ("debian", "2026-11-24", False),
        ("debian", "2027-11-01", False),
        ("debian", "2028-01-01", True),
        ("alpine", "2026-11-24", False),
        ("alpine", "2027-03-01", True),
    ],
)
def test_an_old_table_is_noticed(family: str, date: str, expected: bool) -> None:
    assert _releases.stale(family, datetime.date.fromisoformat(date)) is expected


@pytest.mark.parametrize(
    ("family", "name", "date", "what", "todo"),
    [
        ("debian", "bookworm", "2028-04-02", "debian bookworm gets no more security fixes after 2028-06-30", "trixie"),
        ("debian", "bookworm", "2028-06-30", "debian bookworm gets no more security fixes after 2028-06-30", "trixie"),
        (
            "debian",
            "bookworm",
            "2028-07-01",
            "debian bookworm gets no security fixes any more, since 2028-06-30",
            "trixie",
        ),
        (
            "debian",
            "bullseye",
            "2026-11-29",
            "debian bullseye gets no security fixes any more, since 2026-08-31",
            "bookworm",
        ),
        ("alpine", "3.21", "2026-11-29", "alpine 3.21 gets no security fixes any more, since 2026-11-01", "'3.23'"),
    ],
)
def test_a_release_that_ends_is_told(family: str, name: str, date: str, what: str, todo: str) -> None:
    found = _releases.ending(family, name, datetime.date.fromisoformat(date))
    assert found == (what, f"`inception_base_release: {todo}` and a deployment change it")


def test_where_no_release_has_fixes_a_newer_collection_knows_one() -> None:
    found = _releases.ending("debian", "trixie", datetime.date(2031, 1, 1))
    assert found is not None
    assert found[1] == "a newer version of this collection knows of a newer release"


@pytest.mark.parametrize(
    ("family", "name", "date"),
    [
        ("debian", "bookworm", "2028-03-31"),
        ("debian", "sid", "2028-03-31"),
        ("suse", "15", "2028-03-31"),
        ("alpine", "3.23", "2026-11-29"),
    ],
)
def test_of_a_release_that_gets_fixes_or_is_not_known_nothing_is_told(family: str, name: str, date: str) -> None:
    assert _releases.ending(family, name, datetime.date.fromisoformat(date)) is None
