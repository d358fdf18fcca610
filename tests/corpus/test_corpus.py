# SPDX-License-Identifier: GPL-3.0-or-later
"""Every broken project of the corpus is found by the item it breaks, and no look-alike is blamed."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    UNDETERMINED,
    WARNING,
    Result,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read

from tests.corpus.build import Case, Change, build, fine, remove, replace, write
from tests.corpus.cases import BROKEN, COMPOSE, DOUBTFUL, FINE, NGINX, START_NGINX

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


@pytest.mark.parametrize(
    ("changes", "item"),
    [((remove(COMPOSE),), 3), ((write(COMPOSE, "services: [\n"),), 10), ((write(COMPOSE, "\0"),), 10)],
    ids=["missing", "broken", "binary"],
)
def test_one_cause_is_one_failure(changes: tuple[Change, ...], item: int, tmp_path: Path) -> None:
    """The rest is open, and says why."""
    found = judged(Case("a", item, changes), tmp_path)
    failed = {number for number, one in found.items() if one.verdict == FAIL}
    assert failed - {6} == {item}
    assert found[31].verdict == UNDETERMINED
    assert found[31].evidence


def test_a_project_in_a_folder_below_is_pointed_at(tmp_path: Path) -> None:
    build(fine("a"), tmp_path / "inception")
    found = {one.id: one for one in read(Project(snapshot(str(tmp_path)), DATE))}[3]
    assert found.verdict == WARNING
    assert f"evaluate_project, {tmp_path}/inception" in found.evidence[0].text


@pytest.mark.parametrize(
    ("base", "committed", "verdict"),
    [
        ("debian:bullseye", "2024-03-01", WARNING),
        ("debian:bullseye", "2025-12-01", FAIL),
        ("debian:bullseye", "", FAIL),
        ("debian:latest", "2024-03-01", FAIL),
        ("debian:bookworm", "2024-03-01", "pass"),
        ("debian:bookworm", "2026-03-01", "pass"),
    ],
)
def test_whose_day_counts_is_the_evaluators_choice(base: str, committed: str, verdict: str, tmp_path: Path) -> None:
    build(Case("a", 13, (replace(NGINX, "debian:bookworm", base),)), tmp_path)
    collected = snapshot(str(tmp_path))
    collected["git"]["committed"] = committed
    found = {one.id: one for one in read(Project(collected, DATE))}
    assert (found[13].verdict, found[33].verdict) == (verdict, verdict)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ('nginx -g "daemon off;" &\nwait $!', True),
        ('nginx -g "daemon off;" &\nwait', True),
        ('sleep 1 &\nwait $!\nexec "$@"', False),
    ],
)
def test_a_shell_that_waits_for_its_server_stays_pid_1(end: str, told: bool, tmp_path: Path) -> None:
    """What it put in the background is item 14's; that signals reach the shell and not the server is told too."""
    found = judged(Case("a", 12, (replace(START_NGINX, 'exec "$@"', end),)), tmp_path)
    assert found[14].verdict == FAIL
    assert (found[12].verdict == WARNING) is told


def test_without_srcs_where_the_configuration_is_stays_open(tmp_path: Path) -> None:
    """Item 3 has it; that all of it is in srcs is not so."""
    build(Case("a", 3, (remove("srcs"), write("nginx/Dockerfile", "FROM debian:bookworm\n"))), tmp_path)
    found = {one.id: one for one in read(Project(snapshot(str(tmp_path)), DATE))}
    assert (found[3].verdict, found[5].verdict) == (FAIL, UNDETERMINED)


def test_the_corpus_is_broad() -> None:
    names = [case.name for case in (*BROKEN, *DOUBTFUL, *FINE)]
    assert len(names) == len(set(names))
    assert len(BROKEN) >= 60
    assert len(FINE) >= 60
