# SPDX-License-Identifier: GPL-3.0-or-later
"""Every broken project of the corpus is found by the item it breaks, and no look-alike is blamed."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import FAIL, WARNING, Result
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read

from tests.corpus.build import Case, build
from tests.corpus.cases import BROKEN, DOUBTFUL, FINE

# The day by whose releases the corpus is right.
DATE = datetime.date(2026, 11, 24)


def judged(case: Case, folder: Path) -> dict[int, Result]:
    build(case, folder)
    return {one.id: one for one in read(Project(snapshot(str(folder)), DATE, domain="wil.42.fr"))}


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.item}-{case.name}")
def test_a_break_is_found(case: Case, tmp_path: Path) -> None:
    assert case.item is not None
    found = judged(case, tmp_path)[case.item]
    assert found.verdict == FAIL, f"{ITEMS[case.item].title}: {found.verdict} {found.evidence}"
    assert found.evidence
    assert all("Tr0ub4dor" not in one.text + one.where for one in found.evidence if case.item == 1)


@pytest.mark.parametrize("case", DOUBTFUL, ids=lambda case: f"{case.item}-{case.name}")
def test_a_doubt_is_a_warning(case: Case, tmp_path: Path) -> None:
    found = {one.id: one for one in judged(case, tmp_path).values() if one.verdict in (FAIL, WARNING)}
    assert {number: one.verdict for number, one in found.items()} == {case.item: WARNING}, found


@pytest.mark.parametrize("case", FINE, ids=lambda case: case.name)
def test_a_look_alike_is_not_blamed(case: Case, tmp_path: Path) -> None:
    blamed = [one for one in judged(case, tmp_path).values() if one.verdict in (FAIL, WARNING)]
    assert [(one.id, ITEMS[one.id].title, one.verdict, one.evidence) for one in blamed] == []


def test_the_corpus_is_broad() -> None:
    names = [case.name for case in (*BROKEN, *DOUBTFUL, *FINE)]
    assert len(names) == len(set(names))
    assert len(BROKEN) >= 60
    assert len(FINE) >= 60
