# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One result for each item, and the verdict over all of them. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
    Result,
    one_line,
    result,
    worst,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS, SECTIONS


def asked_for(sections: Iterable[str] = (), sheet_version: int = 5) -> list[int]:
    """The items of these sections, of all when there are none; an older sheet leaves out what only the newest has."""
    wanted = list(sections) or list(SECTIONS)
    return [
        number for number, item in ITEMS.items() if item.section in wanted and (sheet_version >= 5 or not item.later)
    ]


def merge(static: Iterable[Result], runtime: Iterable[Result], items: Iterable[int]) -> list[Result]:
    """One result for each of the items, of all that was found; undetermined where nothing was."""
    by_files = {one.id: one for one in static}
    by_looks: dict[int, list[Result]] = {}
    for one in _one_cause(list(runtime)):
        by_looks.setdefault(one.id, []).append(one)
    return [_merged(number, by_files.get(number), by_looks.get(number, [])) for number in items]


# make, and what nobody sees where it did not bring it up.
_MAKE = 16
_BROUGHT_UP = frozenset({27, 28, 29, 35, 39, 41, 42, 45, 52})


def _one_cause(runtime: list[Result]) -> Iterator[Result]:
    """One cause is one failure: where make failed, what it was to bring up is open."""
    failed = any(one.id == _MAKE and one.verdict in (FAIL, WARNING) for one in runtime)
    for one in runtime:
        if failed and one.id in _BROUGHT_UP and one.verdict == FAIL:
            yield replace(
                one, verdict=UNDETERMINED, evidence=[Evidence("make", "did not end well: see item 16"), *one.evidence]
            )
        else:
            yield one


def _merged(number: int, said: Result | None, looks: list[Result]) -> Result:
    """A failure of either depth stands, except that the running stack outweighs the files on `observed` items.

    A warning of the files (they do not tell for sure) gives way to what was seen. Of several looks the worst counts.
    """
    everything = [*([said] if said else []), *looks]
    if not everything:
        return result(number, UNDETERMINED)
    verdict = worst(one.verdict for one in everything)
    if said and looks:
        seen = worst(one.verdict for one in looks)
        if seen in (PASS, WARNING, FAIL) and (ITEMS[number].observed or said.verdict == WARNING):
            verdict = seen
    answers = [one.answer for one in looks if one.answer] or [one.answer for one in everything if one.answer]
    return result(
        number,
        verdict,
        list(dict.fromkeys(entry for one in everything for entry in one.evidence)),
        seconds=sum(one.seconds for one in everything),
        question=next((one.question for one in everything if one.question), ""),
        answer="\n".join(answers),
    )


@dataclass(frozen=True)
class Outcome:
    """The verdict over all results; the numbers in it are ids of items.

    `status`: `zero` (mark 0), `stopped` (a failure ended the evaluation, the first one is `stopped_by`), `failed`
    (failures, none of which ends it), `passed` (no failure; `undetermined` is what a person or another depth decides).
    `bonus_counts` is None as long as something mandatory is undetermined or a warning.
    """

    status: str
    headline: str
    zero: list[int]
    stopped_by: int | None
    failures: list[int]
    warnings: list[int]
    undetermined: list[int]
    oral: list[int]
    bonus: list[int]
    bonus_failures: list[int]
    bonus_counts: bool | None
    decided: int
    total: int

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def outcome(results: Iterable[Result]) -> Outcome:
    """What an evaluator would say of the items that were asked for, one result each."""
    considered = list(results)
    by_id = {one.id: one for one in considered}
    mandatory = [one for one in considered if ITEMS[one.id].section != "bonus"]
    bonus = [one for one in considered if ITEMS[one.id].section == "bonus"]

    def ids(among: list[Result], verdict: str) -> list[int]:
        return [one.id for one in among if one.verdict == verdict]

    failures = ids(mandatory, FAIL)
    zero = [number for number in failures if ITEMS[number].zero]
    stopped_by = next((number for number in failures if ITEMS[number].stop), None)
    warnings = ids(considered, WARNING)
    undecided = [one.id for one in mandatory if one.verdict in (UNDETERMINED, WARNING) and not ITEMS[one.id].oral]
    bonus_counts = False if failures else None if undecided else True
    status = "zero" if zero else "stopped" if stopped_by else "failed" if failures else "passed"
    undecided_items = ids(considered, UNDETERMINED)
    return Outcome(
        status=status,
        headline=_headline(by_id, zero, stopped_by, failures, ids(bonus, PASS), bonus_counts),
        zero=zero,
        stopped_by=stopped_by,
        failures=failures,
        warnings=warnings,
        undetermined=[number for number in undecided_items if not ITEMS[number].oral],
        oral=[number for number in undecided_items if ITEMS[number].oral],
        bonus=ids(bonus, PASS),
        bonus_failures=ids(bonus, FAIL),
        bonus_counts=bonus_counts,
        decided=len(considered) - len(undecided_items),
        total=len(considered),
    )


def named(one: Result, limit: int = 160) -> str:
    """An item with what its result rests on, in one line: the first place, and how many more there are."""
    title = f"item {one.id}, {ITEMS[one.id].title}"
    if not one.evidence:
        return title
    first = one.evidence[0]
    told = one_line(" ".join(f"{first.where}: {first.text}".strip(": ").split()), limit)
    return f"{title}: {told}{and_more([entry.text for entry in one.evidence])}"


def and_more(texts: Sequence[str]) -> str:
    """How many places there are beside the first, those too that a cap left out."""
    left_out = re.fullmatch(r"and (\d+) more", texts[-1]) if texts else None
    more = len(texts) - 1 + (int(left_out[1]) - 1 if left_out else 0)
    return f" (and {more} more)" if more > 0 else ""


def _headline(
    results: Mapping[int, Result],
    zero: list[int],
    stopped_by: int | None,
    failures: list[int],
    bonus: list[int],
    bonus_counts: bool | None,
) -> str:
    """The fault itself, and not the rule; which item is mark 0, and which one ends the evaluation."""
    if zero:
        ends = f"; item {stopped_by} would end the evaluation" if stopped_by else ""
        return f"Mark 0 by {named(results[zero[0]])}{ends}"
    if stopped_by is not None:
        return f"The evaluation ends at {named(results[stopped_by])}"
    if failures:
        many = "1 item failed" if len(failures) == 1 else f"{len(failures)} items failed, the first is"
        return (
            f"{many} {named(results[failures[0]])}".replace("failed item", "failed, item")
            + "; the bonus does not count"
        )
    if bonus and bonus_counts:
        return f"Everything mandatory is right, and {len(bonus)} of 5 bonus points"
    if bonus_counts:
        return "Everything mandatory is right"
    return "Nothing failed so far"
