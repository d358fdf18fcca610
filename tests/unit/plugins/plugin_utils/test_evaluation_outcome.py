# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheet, the joining of the two depths, and the verdict over all results."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
    Result,
    readable,
    result,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS, SECTIONS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.outcome import (
    and_more,
    asked_for,
    merge,
    outcome,
)

ORAL = [2, 17, 18, 19, 20, 37]


def sheet(default: str = PASS, **verdicts: str) -> list[Result]:
    """A result for every item; oral ones are undetermined, and `i34="fail"` sets one."""
    chosen = {int(name[1:]): verdict for name, verdict in verdicts.items()}
    return [
        result(number, chosen.get(number, UNDETERMINED if item.oral else default)) for number, item in ITEMS.items()
    ]


def test_the_sheet_is_whole() -> None:
    assert list(ITEMS) == list(range(1, 62))
    assert [item.id for item in ITEMS.values() if item.zero] == [1, 3]
    assert [item.id for item in ITEMS.values() if item.oral] == ORAL
    assert [item.id for item in ITEMS.values() if item.later] == [8, 21, 22, 23, 24, 25, 26, 56]
    stops = [9, 10, 11, 12, 23, 26, 30, 31, 33, 34, 35, 37, 42, 49, 54, 55, 56]
    assert [item.id for item in ITEMS.values() if item.stop] == stops
    assert {item.section for item in ITEMS.values()} == set(SECTIONS)
    assert all(item.title and item.rule and item.fix for item in ITEMS.values())


def test_a_result_survives_json() -> None:
    one = result(9, FAIL, [Evidence("srcs/docker-compose.yml:3", "links:")], seconds=0.5, question="Why?", answer="So.")
    assert Result.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match="'maybe' is not a verdict; known ones: fail, warning, pass"):
        result(9, "maybe")


@pytest.mark.parametrize(
    ("item", "read", "full", "expected"),
    [
        (36, PASS, PASS, PASS),
        (36, FAIL, PASS, FAIL),
        (36, PASS, FAIL, FAIL),
        (36, PASS, UNDETERMINED, PASS),
        (36, UNDETERMINED, PASS, PASS),
        (36, UNDETERMINED, UNDETERMINED, UNDETERMINED),
        # The files do not tell for sure, the running stack does.
        (36, WARNING, PASS, PASS),
        (36, WARNING, UNDETERMINED, WARNING),
        # What docker volume inspect shows outweighs what the files declare.
        (46, FAIL, PASS, PASS),
        (46, FAIL, UNDETERMINED, FAIL),
        (57, FAIL, NOT_APPLICABLE, FAIL),
    ],
)
def test_two_depths_are_joined(item: int, read: str, full: str, expected: str) -> None:
    said, seen = Evidence("srcs/docker-compose.yml:3", "a"), Evidence("docker network ls", "b")
    static, runtime = result(item, read, [said], seconds=1), result(item, full, [seen, said], seconds=2)
    joined = merge([static], [runtime], ITEMS)
    assert [one.id for one in joined] == list(ITEMS)
    (found,) = (one for one in joined if one.id == item)
    assert (found.verdict, found.evidence, found.seconds) == (expected, [said, seen], 3)


@pytest.mark.parametrize(
    ("verdicts", "status", "stopped_by", "headline"),
    [
        ({}, "passed", None, "Everything mandatory is right, and 5 of 5 bonus points"),
        ({"i60": FAIL}, "passed", None, "Everything mandatory is right, and 4 of 5 bonus points"),
        ({"i13": FAIL}, "failed", None, "1 item failed, item 13, The base is the"),
        ({"i13": FAIL, "i34": FAIL, "i49": FAIL}, "stopped", 34, "The evaluation ends at item 34, Each image has"),
        ({"i9": FAIL, "i1": FAIL}, "zero", 9, "Mark 0 by item 1, No credential in git; item 9 would end"),
        ({"i47": UNDETERMINED}, "passed", None, "Nothing failed so far"),
    ],
)
def test_the_verdict(verdicts: dict[str, str], status: str, stopped_by: int | None, headline: str) -> None:
    found = outcome(sheet(**verdicts))
    assert (found.status, found.stopped_by) == (status, stopped_by)
    assert found.headline.startswith(headline)
    assert found.oral == ORAL


def test_the_headline_names_the_fault() -> None:
    places = [Evidence("commit 1a2b3c: srcs/.env:4", "MYSQL_PASSWORD = ********"), Evidence("srcs/a.sh:1", "b")]
    zero = [result(1, FAIL, places), result(9, FAIL)]
    told = "Mark 0 by item 1, No credential in git: commit 1a2b3c: srcs/.env:4: MYSQL_PASSWORD = ******** (and 1 more)"
    assert outcome(zero).headline == f"{told}; item 9 would end the evaluation"
    two = outcome([result(5, FAIL, [Evidence("conf/x.conf", "is outside srcs")]), result(13, FAIL)]).headline
    first = "item 5, All configuration is in srcs: conf/x.conf: is outside srcs"
    assert two == f"2 items failed, the first is {first}; the bonus does not count"


@pytest.mark.parametrize(
    ("texts", "told"),
    [([], ""), (["a"], ""), (["a", "b"], " (and 1 more)"), (["a", "b", "and 17 more"], " (and 18 more)")],
)
def test_how_many_there_are(texts: list[str], told: str) -> None:
    assert and_more(texts) == told


@pytest.mark.parametrize(("verdict", "counts"), [(PASS, True), (FAIL, False), (WARNING, None), (UNDETERMINED, None)])
def test_the_bonus_needs_a_perfect_rest(verdict: str, counts: bool | None) -> None:
    assert outcome(sheet(i35=verdict)).bonus_counts is counts


def test_what_undecided_items_is_counted() -> None:
    found = outcome(sheet(i47=UNDETERMINED, i25=WARNING, i58=NOT_APPLICABLE))
    assert (found.undetermined, found.warnings, found.decided, found.total) == ([47], [25], 54, 61)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [([PASS, UNDETERMINED], PASS), ([PASS, FAIL, PASS], FAIL), ([WARNING, PASS], WARNING), ([UNDETERMINED], PASS)],
)
def test_the_worst_of_several_looks_counts(looks: list[str], expected: str) -> None:
    runtime = [result(41, look, [Evidence(f"look {at}", look)], seconds=1) for at, look in enumerate(looks)]
    (found,) = merge([result(41, PASS, seconds=0.5)], runtime, [41])
    assert (found.verdict, [one.text for one in found.evidence]) == (expected, looks)
    assert found.seconds == 0.5 + len(looks)


def test_older_sheets_do_not_ask_for_documents() -> None:
    newest, older = asked_for(), asked_for(sheet_version=3)
    assert newest == list(ITEMS)
    assert set(newest) - set(older) == {item.id for item in ITEMS.values() if item.later}
    without = sheet(i21=FAIL, i23=FAIL)
    assert outcome(merge(without, [], newest)).stopped_by == 23
    assert outcome(merge(without, [], older)).status == "passed"
    assert outcome(merge(without, [], older)).total == len(older)


def test_only_some_sections() -> None:
    assert asked_for(["nginx"]) == [38, 39, 40, 41, 42]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("naïve ✓ 日本", "naïve ✓ 日本"),
        ("\x1b[31m\r", "␛[31m␍"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\x7f\x85", "␡⟨U+0085⟩"),
        ("\udcff", "⟨U+DCFF⟩"),
    ],
)
def test_each_character_is_seen(text: str, seen: str) -> None:
    assert readable(text) == seen
    # It goes through several hands, and each may clean it.
    assert readable(readable(text)) == seen


def test_what_was_cut_is_not_cut_again() -> None:
    once = readable("x" * 10_000)
    assert once.endswith("… (6000 more characters)")
    assert readable(once) == once


@pytest.mark.parametrize(
    ("make", "item", "verdict"),
    [("fail", 39, "undetermined"), ("warning", 41, "undetermined"), ("pass", 39, "fail"), ("fail", 36, "fail")],
)
def test_a_make_that_failed_is_one_failure(make: str, item: int, verdict: str) -> None:
    """What it was to bring up is open, and says why; what else was seen stands."""
    found = {one.id: one for one in merge([], [result(16, make), result(item, "fail")], [16, item])}
    assert found[16].verdict == make
    assert found[item].verdict == verdict
    assert any("item 16" in one.text for one in found[item].evidence) == (verdict == "undetermined")
