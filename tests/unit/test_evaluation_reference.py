# SPDX-License-Identifier: GPL-3.0-or-later
"""An item lives in one place: whatever else names the sheet follows from it."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import items, services

from tests.corpus.cases import BROKEN, DOUBTFUL
from tests.unit import evaluation_reference as reference


def test_what_is_made_of_the_sheet_is_current() -> None:
    for path, made in ((reference.PAGE, reference.page), (reference.SCHEMA, reference.schema)):
        text = path.read_text(encoding="utf-8")
        assert made(text, items) == text, reference.__doc__


def test_the_page_tells_how_many_there_are() -> None:
    assert f"the {len(items.ITEMS)} items" in reference.PAGE.read_text(encoding="utf-8")


def test_the_sections_of_the_setting_are_those_of_the_sheet(repository: Path) -> None:
    specs = yaml.safe_load((repository / "roles/evaluate/meta/argument_specs.yml").read_text(encoding="utf-8"))
    choices = specs["argument_specs"]["main"]["options"]["evaluate_sections"]["choices"]
    assert choices == list(items.SECTIONS)


def test_what_files_decide_is_said_and_has_its_cases() -> None:
    """Item 4 is decided by whether the evaluation cloned the project, which no project has in it."""
    decided = {item.id for item in items.ITEMS.values() if item.static}
    assert decided == {item.id for item in items.ITEMS.values() if item.decided_by}
    assert {case.item for case in (*BROKEN, *DOUBTFUL)} == decided - {4}


def test_a_service_of_each_kind_is_known_by_its_name() -> None:
    assert set(services.MANDATORY) | set(services.BONUS) == set(services.KINDS)
