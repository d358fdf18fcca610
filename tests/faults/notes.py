# SPDX-License-Identifier: GPL-3.0-or-later
"""What was tried on the machine of the scenario faults and what became of it, kept from batch to batch.

    python -m tests.faults.notes

prints the tables of what docs/bench/faults.json and the batches since then hold.

    python -m tests.faults.notes keep

moves the batches there, and writes the tables into docs/figures.md.
"""

from __future__ import annotations

import collections
import json
import statistics
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache"
KEPT = ROOT / "docs/bench/faults.json"
FIGURES = ROOT / "docs/figures.md"
BEGIN, END = "<!-- faults: written by python -m tests.faults.notes keep -->\n", "<!-- faults: end -->"
CUTS, BAD, BOUNDS, POWER, OTHERS = (f"faults-{name}.json" for name in ("cuts", "bad", "bounds", "power", "others"))
Notes = list[dict[str, Any]]


def read(name: str) -> Notes:
    """Those of the batches since they were last kept."""
    place = FOLDER / name
    return list(json.loads(place.read_text())) if place.exists() else []


def note(name: str, **what: Any) -> None:
    """At once, so that a batch that is cut off itself keeps what it has done."""
    FOLDER.mkdir(exist_ok=True)
    new = FOLDER / f"{name}.new"
    day = datetime.now(UTC).date().isoformat()
    new.write_text(json.dumps([*read(name), {**what, "day": day}], indent=1))
    new.replace(FOLDER / name)


def begin(name: str) -> None:
    """A series of which the last one alone counts."""
    (FOLDER / name).unlink(missing_ok=True)


def everything() -> dict[str, Notes]:
    """Of all batches. Of the bounds, which are one series, those of the last one."""
    kept: dict[str, Notes] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    found = {name: [*kept.get(name, []), *read(name)] for name in (BAD, CUTS, POWER, OTHERS)}
    return {**found, BOUNDS: read(BOUNDS) or kept.get(BOUNDS, [])}


def row(what: str, found: Notes, lost: str) -> str:
    seconds = [one["seconds"] for one in found]
    tried = sum(one.get("tried", 1) for one in found)
    good = sum(one.get("tried", 1) for one in found if one["survived"])
    return f"| {what} | {tried} | {good} | {lost} | {statistics.median(seconds):.1f}, {max(seconds):.1f} |"


def grouped(found: Notes, *keys: str) -> Iterable[tuple[str, Notes]]:
    by: dict[str, Notes] = collections.defaultdict(list)
    for one in found:
        by[", ".join(one[key] for key in keys)].append(one)
    return sorted(by.items())


def total(found: Notes, key: str) -> int:
    return sum(one.get(key, 0) for one in found)


def table(title: str, head: tuple[str, str, str], rows: Iterable[str]) -> list[str]:
    what, lost, seconds = head
    lines = list(rows)
    if not lines:
        return []
    return [
        title,
        "",
        f"| {what} | tried | survived | {lost} | {seconds} |",
        "|---|---|---|---|---|",
        *lines,
        "",
    ]


def tables() -> list[str]:
    notes = everything()

    def requests(found: Notes) -> str:
        return f"{total(found, 'failed')} of {total(found, 'failed') + total(found, 'answered'):,}"

    def comments(found: Notes) -> str:
        return f"{total(found, 'lost')} of {total(found, 'acknowledged'):,}"

    def all_of(found: Notes, lost: Any) -> list[str]:
        return [row("**all**", found, lost(found))] if found else []

    days = sorted({one["day"] for found in notes.values() for one in found})
    lines = [f"Counted from {days[0]} to {days[-1]}.", ""] if days else []
    lines += table(
        "Bad deployments, each made twice and then a good one, under eight readers, an author and a writer. Survived:"
        " no request failed, the same containers as before, and the good one heals. A request is lost that failed.",
        ("bad deployment", "requests lost", "seconds until it was told: median, most"),
        [
            *(row(kind, found, requests(found)) for kind, found in grouped(notes[BAD], "kind")),
            *all_of(notes[BAD], requests),
        ],
    )
    lines += table(
        "Cuts at random moments, while one visitor looks and one writes. Survived: ten seconds without a page at most"
        " (a machine that was switched off: its start as well), whole by itself, and no comment lost.",
        ("what was cut off, and what died", "comments lost", "seconds without a page: median, most"),
        [
            *(row(what, found, comments(found)) for what, found in grouped(notes[CUTS], "what", "died")),
            *all_of(notes[CUTS], comments),
        ],
    )
    lines += table(
        "The power's end under three writers, with a disk that forgets what was not flushed.",
        ("", "comments lost", "seconds until all is well: median, most"),
        [row("power cuts", notes[POWER], comments(notes[POWER]))] if notes[POWER] else [],
    )
    lines += table(
        "What else the scenario's tests did, to the machine and to its deployments.",
        ("test", "lost", "seconds of the test: median, most"),
        (row(what, found, "-") for what, found in grouped(notes[OTHERS], "what")),
    )
    if series := notes[BOUNDS]:
        lines += [
            "What small changes leave, and changes of the base.",
            "",
            "| after | tags of nginx | images | MiB of images | MiB of build cache |",
            "|---|---|---|---|---|",
            *(
                f"| {one['what']} | {one['tags']} | {one['images']} | {one['images_mib']} | {one['cache_mib']} |"
                for one in series
                if one["shown"]
            ),
            "",
        ]
    return lines


def keep() -> None:
    before, begin, rest = FIGURES.read_text().partition(BEGIN)
    _tables, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{FIGURES.relative_to(ROOT)} has no place for the tables: {BEGIN.strip()} {END}")
    text = "\n".join([before + begin, *tables(), end + after])
    KEPT.write_text(json.dumps(everything(), indent=1) + "\n")
    FIGURES.write_text(text)
    for name in (BAD, CUTS, POWER, OTHERS, BOUNDS):
        (FOLDER / name).unlink(missing_ok=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["keep"]:
        keep()
    print("\n".join(tables()))
