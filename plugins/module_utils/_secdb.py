# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CVEs Alpine says that it has mended, and in which version: its packages themselves say nothing of it.

Private to this collection; part of the machine's own program. Alpine's mirrors do not have it, so it is asked for by
the machine's own proxy; who does not reach it gets the same updates, without the names of CVEs.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

ADDRESS = "https://secdb.alpinelinux.org"
REPOSITORIES = ("main", "community")
SECONDS = 30.0
# Ten times of what the largest has.
MOST = 16 << 20
CHUNK = 1 << 16
STABLE = re.compile(r"(\d+\.\d+)\.\d+\s*")
VERSION = re.compile(r"\d[\w.~-]*")
CVE = re.compile(r"CVE-\d{4}-\d{4,7}")
# By source package, and by the version that mended them.
Fixes = dict[str, dict[str, set[str]]]


class SecdbProblem(Exception):
    """Why nothing is known of CVEs; for a person."""


def branch_of(release: str) -> str:
    """The branch of a release as /etc/alpine-release has it; what is no stable one is edge."""
    found = STABLE.fullmatch(release)
    return f"v{found[1]}" if found else "edge"


def fixes(release: str) -> Fixes:
    """Whatever Alpine has mended in a branch."""
    found: Fixes = {}
    for repository in REPOSITORIES:
        address = f"{ADDRESS}/{branch_of(release)}/{repository}.json"
        try:
            for one in json.loads(_fetched(address))["packages"]:
                _add(found, one["pkg"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SecdbProblem(f"{address} has no list of packages") from None
    return found


def _add(found: Fixes, told: dict[str, Any]) -> None:
    versions = found.setdefault(str(told["name"]), {})
    for version, names in (told.get("secfixes") or {}).items():
        # They become words of a command.
        if VERSION.fullmatch(version):
            versions.setdefault(version, set()).update(CVE.findall(" ".join(map(str, names or []))))


def _fetched(address: str) -> bytes:
    end, data = time.monotonic() + SECONDS, b""
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            while chunk := answer.read1(CHUNK):
                data += chunk
                if len(data) > MOST:
                    raise SecdbProblem(f"{address} has more than {MOST >> 20} MiB")
                if time.monotonic() > end:
                    raise SecdbProblem(f"{address} did not come within {SECONDS:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        raise SecdbProblem(f"{address}: {getattr(error, 'reason', None) or error}") from error
    return data


def mended(versions: Mapping[str, set[str]], old: str, new: str, order: Mapping[tuple[str, str], str]) -> set[str]:
    """What the way from one version to a newer one mends, by the package manager's own order of them.

    Some are named once more in a later version: what the old one has mended already is no news.
    """

    def named(fits: Callable[[str], bool]) -> set[str]:
        return {cve for version, cves in versions.items() if fits(version) for cve in cves}

    late = ("<", "=")
    had = named(lambda version: order.get((version, old)) in late)
    return named(lambda version: order.get((version, old)) == ">" and order.get((version, new)) in late) - had
