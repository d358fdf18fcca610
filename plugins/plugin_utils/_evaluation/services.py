# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which service of a project is which. Private to this collection: it may change without notice.

This is the only place that tells: what reads the files asks it, and the look at the running stack is given its answer.
People call a service as they like, so what its image holds and starts weighs more than a name that only resembles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MANDATORY = ("nginx", "wordpress", "mariadb")
BONUS = {"redis": 57, "ftp": 58, "static": 59, "adminer": 60}
# Whatever else a project has: the service of choice.
OTHER = "other"

_NEVER = r"(?!)"


@dataclass(frozen=True)
class Kind:
    """A kind of service by what gives it away."""

    # Names that people give it.
    called: re.Pattern[str]
    # Packages that are installed for nothing else, and programs that a container of it runs.
    holds: re.Pattern[str]
    # The same of what would be another kind under this one's name.
    foreign: re.Pattern[str]


def _kind(called: str, holds: str, foreign: str = _NEVER) -> Kind:
    return Kind(re.compile(called), re.compile(rf"(?:{holds})$"), re.compile(rf"(?:{foreign})"))


KINDS: dict[str, Kind] = {
    "nginx": _kind(
        r"nginx|^web$|webserver|web-?server|proxy|^server$|^http",
        r"nginx(?:-\w+)*",
        r"apache2?$|httpd$|caddy$|lighttpd$|haproxy$|traefik$|nodejs$|node$|gunicorn$|php-?\w*fpm|squid",
    ),
    "wordpress": _kind(
        r"wordpress|^wp|(?:^|[_-])wp(?:$|[_-])|^php$|php-?fpm|wp-php",
        r"wordpress|wp|wp-cli",
        r"nodejs$|python3?$",
    ),
    "mariadb": _kind(
        r"maria|mysql(?!d?[_-]exporter)|(?<![a-z])db(?![a-z])|^database$|^data-?base",
        r"(?:mariadb|mysql|default-mysql)-server(?:-[\d.]+)?|mariadb|mysql|mariadbd|mysqld|mysqld_safe|mariadbd-safe",
        r"postgres|mongo|memcached|sqlite|couchdb|influxdb|cassandra",
    ),
    "redis": _kind(r"redis|valkey|^cache$", r"redis(?:-server)?|valkey(?:-server)?", r"memcached|varnish|nodejs$"),
    "ftp": _kind(r"ftp", r"vsftpd|proftpd(?:-\w+)?|pure-ftpd|(?:s|t)?ftpd"),
    "adminer": _kind(r"adminer", r"adminer"),
    "static": _kind(
        r"static|web-?site|site$|portfolio|resume|showcase|landing|^cv$|^html|my-?page|^web$|^hugo$|^page|personal",
        _NEVER,
    ),
}


@dataclass(frozen=True)
class Traits:
    """What is known of a service: its name, what its image holds and starts, what its files mention."""

    name: str
    holds: frozenset[str]
    mentions: frozenset[str] = frozenset()
    # It brings pages of its own.
    pages: bool = False


def _weight(kind: str, traits: Traits) -> int:
    """How much speaks for a service being of a kind, 0 for nothing."""
    name, its = traits.name.lower(), KINDS[kind]
    held = any(its.holds.match(one) for one in traits.holds)
    if name == kind:
        return 100
    if not held and any(its.foreign.match(one) for one in traits.holds):
        return 0
    weight = 60 if held else 0
    if its.called.search(name):
        weight += 30
    if kind in traits.mentions:
        weight += 25
    if kind == "static" and traits.pages:
        weight += 15
    return weight


def kinds(services: list[Traits]) -> dict[str, str]:
    """The kind of each service, the surest first; there is one of each kind at most, the rest are others."""
    weights = [
        (-weight, at, traits.name, kind)
        for at, traits in enumerate(services)
        for kind in KINDS
        if (weight := _weight(kind, traits))
    ]
    found: dict[str, str] = {}
    for _weight_, _at, name, kind in sorted(weights):
        if name not in found and kind not in found.values():
            found[name] = kind
    return {traits.name: found.get(traits.name, OTHER) for traits in services}


def service_of(kind: str, found: Mapping[str, str]) -> str | None:
    """The service of a kind, if there is one."""
    return next((name for name, its in found.items() if its == kind), None)
