# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot: everything came back by itself, with what before.py wrote."""

from __future__ import annotations

import pytest

from tests.verify.reboot.notes import Notes, boot, notes_path
from tests.verify.support import BOOT_PATIENCE, Site, Stack


@pytest.fixture
def notes(stack: Stack) -> Notes:
    """What before.py noted."""
    return Notes.load(notes_path(stack))


@pytest.mark.rule("SVC-5", "VOL-3")
def test_containers_come_back(stack: Stack, notes: Notes) -> None:
    """The machine has booted since, and the very containers of before became healthy without anybody's help."""
    assert boot(stack) != notes.boot, "the machine was not rebooted"
    stack.wait_healthy(BOOT_PATIENCE)
    assert {name: container["Id"] for name, container in stack.containers().items()} == notes.containers


@pytest.mark.rule("VOL-3")
def test_the_database_ended_in_order(stack: Stack, notes: Notes) -> None:
    """It was told that the machine ends, and had the time to write what it knew: it has nothing to recover."""
    stack.wait_healthy(BOOT_PATIENCE)
    starts = stack.root(f"docker logs {notes.containers['mariadb']} 2>&1").split("ready for connections")
    assert len(starts) > 2, "the log does not tell one start from the other"
    assert "crash recovery" not in starts[-2], starts[-2]


@pytest.mark.rule("VOL-3")
def test_what_people_wrote_is_there(stack: Stack, site: Site, notes: Notes) -> None:
    """A visitor sees the comment and the edit of before."""
    stack.wait_healthy()
    site.wait_answers()
    assert notes.written.missing(site) == []
