# SPDX-License-Identifier: GPL-3.0-or-later
"""The look at an imported site, once it is in its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _backup, _import
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem

STACK = _backup.Stack(1, "/p", "inception", [], {}, {})


def answers(monkeypatch: pytest.MonkeyPatch, *pages: str) -> Iterator[str]:
    """What the site says, one time after the other; nothing of a page is none."""
    left = iter(pages)

    def front_page(*_stack: object) -> list[str]:
        page = next(left)
        if page == "away":
            raise BackupProblem("the front page does not come (503)")
        return page.split()

    monkeypatch.setattr(_backup, "front_page", front_page)
    monkeypatch.setattr(_import, "LOOK_SECONDS", 0)
    return left


def test_one_that_comes_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    left = answers(monkeypatch, "away", "", "A blog", "never asked for")
    _import.look(STACK)
    assert list(left) == ["never asked for"]


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("away", "the front page does not come"),
        ("", "its first page is empty"),
        ("Sorry: There has been a critical error on this website", "its first page says: There has been"),
    ],
)
def test_one_that_has_no_page(monkeypatch: pytest.MonkeyPatch, page: str, why: str) -> None:
    answers(monkeypatch, *[page] * _import.LOOKS)
    with pytest.raises(BackupProblem, match=f"in its place, {why}"):
        _import.look(STACK)
