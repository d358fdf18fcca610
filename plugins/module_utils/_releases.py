# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable releases of Debian and Alpine. Private to this collection: it may change without notice.

How the table is extended: when a release has come out (not when it is announced), append one line
at the end of its family with the date of the release from the page named in SOURCES. Nothing else
changes; the penultimate release follows from the dates. Only releases that exist are listed, so
the table grows old: stale() tells when the next release is overdue, and check_settings
says so to the user.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

SOURCES = {
    "debian": "https://www.debian.org/releases/",
    "alpine": "https://alpinelinux.org/releases/",
}


@dataclass(frozen=True)
class Release:
    """A stable release; `name` is what its image and its mirror call it."""

    version: str
    name: str
    date: datetime.date


def _release(version: str, name: str, date: str) -> Release:
    return Release(version, name, datetime.date.fromisoformat(date))


RELEASES: dict[str, tuple[Release, ...]] = {
    "debian": (
        _release("8", "jessie", "2015-04-25"),
        _release("9", "stretch", "2017-06-17"),
        _release("10", "buster", "2019-07-06"),
        _release("11", "bullseye", "2021-08-14"),
        _release("12", "bookworm", "2023-06-10"),
        _release("13", "trixie", "2025-08-09"),
    ),
    "alpine": (
        _release("3.17", "3.17", "2022-11-22"),
        _release("3.18", "3.18", "2023-05-09"),
        _release("3.19", "3.19", "2023-12-07"),
        _release("3.20", "3.20", "2024-05-22"),
        _release("3.21", "3.21", "2024-12-05"),
        _release("3.22", "3.22", "2025-05-30"),
        _release("3.23", "3.23", "2025-12-03"),
        # The day is from a report of the release; 3.24.1 was built on 2026-06-13.
        _release("3.24", "3.24", "2026-06-09"),
    ),
}

# The longest time between two releases so far, rounded up to months. After it, one is missing here.
_OVERDUE_DAYS = {"debian": 27 * 31, "alpine": 8 * 31}


def day(date: Any) -> datetime.date:
    """A day from its text; today in UTC for none."""
    if date is None:
        return datetime.datetime.now(tz=datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(str(date))
    except ValueError:
        raise ValueError(f"date: '{date}' is not a day; for example: 2026-11-24") from None


def known(family: str, date: datetime.date) -> list[Release]:
    """The releases that were out at a date, the oldest first."""
    if family not in RELEASES:
        raise ValueError(f"'{family}' is not a base family; known ones: {', '.join(sorted(RELEASES))}")
    return [release for release in RELEASES[family] if release.date <= date]


def penultimate(family: str, date: datetime.date) -> Release:
    """The second newest stable release at a date."""
    releases = known(family, date)
    if len(releases) < 2:
        raise ValueError(f"no two releases of {family} are known for {date}; see {SOURCES[family]}")
    return releases[-2]


def stale(family: str, date: datetime.date) -> bool:
    """Whether a newer release has probably come out by a date than the table knows."""
    return (date - RELEASES[family][-1].date).days > _OVERDUE_DAYS[family]


def reason(family: str, release: str, kept: bool, date: datetime.date) -> str:
    """Why a stack is built on a release: `kept` is what runs already. For whoever reads what a deployment says."""
    releases = known(family, date)
    wanted, newest = penultimate(family, date), releases[-1]
    since = f"since {family} {newest.version} ({newest.name}) came out on {newest.date}"
    if newest.name == newest.version:
        since = f"since {family} {newest.name} came out on {newest.date}"
    if release == wanted.name:
        return f"the penultimate stable release, {since}"
    if kept:
        return (
            f"what runs here keeps its release. {since[0].upper()}{since[1:]} the penultimate stable one is "
            f"{wanted.name}; to change to it: inception_base_release: "
            f"{wanted.name if family == 'debian' else repr(wanted.name)}"
        )
    return f"inception_base_release says so; the penultimate stable one is {wanted.name}, {since}"
