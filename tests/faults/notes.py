# SPDX-License-Identifier: GPL-3.0-or-later
"""What was tried on the machine of the scenario faults and what became of it, kept from batch to batch.

    python -m tests.faults.notes

prints the tables for docs/figures.md.
"""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / ".cache"
CUTS, BAD, BOUNDS, POWER = (f"faults-{name}.json" for name in ("cuts", "bad", "bounds", "power"))


def read(name: str) -> list[dict[str, Any]]:
    place = FOLDER / name
    return list(json.loads(place.read_text())) if place.exists() else []


def note(name: str, **what: Any) -> None:
    """At once, so that a batch that is cut off itself keeps what it has done."""
    FOLDER.mkdir(exist_ok=True)
    new = FOLDER / f"{name}.new"
    new.write_text(json.dumps([*read(name), what], indent=1))
    new.replace(FOLDER / name)


def cuts() -> list[str]:
    """By what was cut off and what died."""
    by: dict[tuple[str, str], list[dict[str, Any]]] = collections.defaultdict(list)
    for one in read(CUTS):
        by[one["what"], one["died"]].append(one)
    lines = [
        "| what was cut off | what died | tried | survived | most seconds without a page |",
        "|---|---|---|---|---|",
    ]
    for (what, died), found in sorted(by.items()):
        good = sum(one["survived"] for one in found)
        lines.append(f"| {what} | {died} | {len(found)} | {good} | {max(one['seconds'] for one in found):.1f} |")
    return lines


def bad() -> list[str]:
    """By the kind of the bad deployment."""
    by: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for one in read(BAD):
        by[one["kind"]].append(one)
    lines = [
        "| bad deployment | tried | healed by the next one | requests answered | failed | seconds until it was told |",
        "|---|---|---|---|---|---|",
    ]
    for kind, found in sorted(by.items()):
        tried = sum(one["tried"] for one in found)
        healed = sum(one["tried"] for one in found if one["healed"])
        answered, failed = (sum(one[key] for one in found) for key in ("answered", "failed"))
        lines.append(
            f"| {kind} | {tried} | {healed} | {answered} | {failed} | {max(one['seconds'] for one in found):.0f} |"
        )
    return lines


def bounds() -> list[str]:
    """What the engine held after so many changes of one line."""
    lines = [
        "| changes of one line | tags of nginx | images | MiB of images | MiB of build cache |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['change']} | {one['tags']} | {one['images']} | {one['images_mib']} | {one['cache_mib']} |"
        for one in read(BOUNDS)
    ]
    return lines


def power() -> list[str]:
    """The power's ends, with a disk that forgets what was not flushed."""
    found = read(POWER)
    acknowledged, lost = (sum(one[key] for one in found) for key in ("acknowledged", "lost"))
    slowest = max((one["seconds"] for one in found), default=0.0)
    return [
        "| power cuts | comments acknowledged | lost | seconds until the site was there, at most |",
        "|---|---|---|---|",
        f"| {len(found)} | {acknowledged} | {lost} | {slowest:.0f} |",
    ]


if __name__ == "__main__":
    print("\n".join([*bad(), "", *cuts(), "", *bounds(), "", *power()]))
