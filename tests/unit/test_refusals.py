# SPDX-License-Identifier: GPL-3.0-or-later
"""No bad value, misspelt name or wrong description passes, and each is told in a way that helps (refusals.py)."""

from __future__ import annotations

import pytest

from tests.unit import refusals

# How many of each kind are tried at least.
LEAST = {
    refusals.SHARED: 300,
    refusals.OF_ROLES: 300,
    "misspelt names": 300,
    "values in service.yml": 300,
    "keys in service.yml": 100,
}


@pytest.fixture(scope="module")
def found() -> list[refusals.Case]:
    return [*refusals.values(), *refusals.misspelt_names(), *refusals.descriptions()]


@pytest.mark.parametrize("kind", LEAST)
def test_each_is_refused_with_its_name_and_an_example(found: list[refusals.Case], kind: str) -> None:
    of_kind = [case for case in found if case.kind == kind]
    wrong = [f"{case.name} = {case.value!r}: {case.problem()}" for case in of_kind if case.problem()]
    assert not wrong, "\n".join(wrong)
    assert len(of_kind) >= LEAST[kind]


def test_nothing_else_was_tried(found: list[refusals.Case]) -> None:
    print(f"\n{refusals.table(found)}")
    assert {case.kind for case in found} == set(LEAST)
