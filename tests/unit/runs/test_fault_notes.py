# SPDX-License-Identifier: GPL-3.0-or-later
"""What the batches of the scenario faults counted is kept, added up, and written where people read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.faults import notes

CUT = {"what": "a rotation", "died": "Ansible", "survived": True, "seconds": 1.5, "acknowledged": 1200, "lost": 0}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "ROOT", tmp_path)
    for name in ("FOLDER", "KEPT", "FIGURES"):
        monkeypatch.setattr(notes, name, tmp_path / name.lower())
    notes.FIGURES.write_text(f"before\n{notes.BEGIN}of another day\n{notes.END}\nafter\n")


def test_batches_add_up_and_are_written() -> None:
    notes.note(notes.CUTS, **CUT)
    notes.keep()
    notes.note(notes.CUTS, **CUT | {"survived": False, "seconds": 12.5, "lost": 1})
    notes.keep()
    text = notes.FIGURES.read_text()
    assert text.startswith(f"before\n{notes.BEGIN}")
    assert text.endswith(f"{notes.END}\nafter\n")
    assert "| a rotation, Ansible | 2 | 1 | 1 of 2,400 | 7.0, 12.5 |" in text
    assert "of another day" not in text
    assert len(json.loads(notes.KEPT.read_text())[notes.CUTS]) == 2
    assert notes.read(notes.CUTS) == []


def test_a_bad_deployment_is_tried_as_often_as_it_was_made() -> None:
    bad = {"kind": "a route", "tried": 2, "answered": 90, "seconds": 8.0}
    notes.note(notes.BAD, **bad, survived=True, failed=0)
    notes.note(notes.BAD, **bad, survived=False, failed=10)
    assert "| a route | 4 | 2 | 10 of 190 | 8.0, 8.0 |" in notes.tables()


def test_of_a_series_the_last_one_counts() -> None:
    look = {"tags": 1, "images": 5, "images_mib": 900, "cache_mib": 0}
    notes.note(notes.BOUNDS, what="no change", shown=True, **look)
    notes.keep()
    notes.begin(notes.BOUNDS)
    notes.note(notes.BOUNDS, what="1 change", shown=True, **look)
    notes.note(notes.BOUNDS, what="2 changes", shown=False, **look)
    lines = "\n".join(notes.tables())
    assert "| 1 change | 1 | 5 | 900 | 0 |" in lines
    assert "no change" not in lines
    assert "2 changes" not in lines


def test_figures_without_a_place_are_left_alone() -> None:
    notes.FIGURES.write_text("nothing of it\n")
    notes.note(notes.CUTS, **CUT)
    with pytest.raises(SystemExit, match="has no place for the tables"):
        notes.keep()
    assert notes.FIGURES.read_text() == "nothing of it\n"
    assert notes.read(notes.CUTS)
