# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable releases of Debian and Alpine. Private to this collection: it may change without notice.

How the table is extended: when a release has come out (not when it is announced), append one line
at the end of its family with the date of the release and the one of its last fixes, from the pages
named in SOURCES and FIXES. Nothing else changes; the penultimate release follows from the dates.
Only releases that exist are listed, so the table grows old: stale() tells when the next release is
overdue, and check_settings says so to the user.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

SOURCES = {
    "debian": "https://www.debian.org/releases/",
    "alpine": "https://alpinelinux.org/releases/",
}
# Debian's security archive has the fixes of its long term support, too, which lasts for five years.
FIXES = {"debian": "https://wiki.debian.org/LTS", "alpine": SOURCES["alpine"]}
# So many days before there are no fixes any more it is told.
ENDS_SOON = 90


@dataclass(frozen=True)
class Release:
    """A stable release; `name` is what its image and its mirror call it, and `ends` the last day of its fixes."""

    version: str
    name: str
    date: datetime.date
    ends: datetime.date


def _release(version: str, name: str, date: str, ends: str) -> Release:
    return Release(version, name, datetime.date.fromisoformat(date), datetime.date.fromisoformat(ends))


RELEASES: dict[str, tuple[Release, ...]] = {
    "debian": (
        _release("8", "jessie", "2015-04-25", "2020-06-30"),
        _release("9", "stretch", "2017-06-17", "2022-06-30"),
        _release("10", "buster", "2019-07-06", "2024-06-30"),
        _release("11", "bullseye", "2021-08-14", "2026-08-31"),
        _release("12", "bookworm", "2023-06-10", "2028-06-30"),
        _release("13", "trixie", "2025-08-09", "2030-06-30"),
    ),
    "alpine": (
        _release("3.17", "3.17", "2022-11-22", "2024-11-22"),
        _release("3.18", "3.18", "2023-05-09", "2025-05-09"),
        _release("3.19", "3.19", "2023-12-07", "2025-11-01"),
        _release("3.20", "3.20", "2024-05-22", "2026-04-01"),
        _release("3.21", "3.21", "2024-12-05", "2026-11-01"),
        _release("3.22", "3.22", "2025-05-30", "2027-05-01"),
        _release("3.23", "3.23", "2025-12-03", "2027-11-01"),
        # The day is from a report of the release; 3.24.1 was built on 2026-06-13. Fixes come for two years.
        _release("3.24", "3.24", "2026-06-09", "2028-05-01"),
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


def ends(family: str, name: str) -> datetime.date | None:
    """The last day on which the distribution mends a release; none where nobody here knows it."""
    return next((one.ends for one in RELEASES.get(family, ()) if one.name == name), None)


def ending(family: str, name: str, date: datetime.date) -> tuple[str, str] | None:
    """What a person is to be told of a release that gets no fixes any more, or not for long, and what to do."""
    last = ends(family, name)
    if last is None or (last - date).days > ENDS_SOON:
        return None
    says = "gets no security fixes any more, since" if last < date else "gets no more security fixes after"
    better = [one.name for one in known(family, date)[-2:] if (one.ends - date).days > ENDS_SOON]
    if not better:
        return f"{family} {name} {says} {last}", "a newer version of this collection knows of a newer release"
    wanted = better[0] if family == "debian" else repr(better[0])
    return f"{family} {name} {says} {last}", f"`inception_base_release: {wanted}` and a deployment change it"
