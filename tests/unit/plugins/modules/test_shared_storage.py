# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copies of the files come and go: one that had left never comes back with what it had then."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.modules import shared_storage

FOLDER = "/bricks/site"
ONE, TWO, THREE = (f"192.0.2.1{number}" for number in (1, 2, 3))


class Gluster:
    """GlusterFS whose copies are whole at once, and which notes what it is told."""

    def __init__(self) -> None:
        self.check_mode, self.said = False, list[tuple[str, ...]]()

    def do(self, what: str, *words: str) -> None:
        self.said.append(words[1:])

    def heal(self, name: str) -> None:
        self.said.append(("heal", name))

    def wait_until_healed(self, name: str) -> None:
        self.said.append(("whole", name))

    def away(self, name: str) -> set[str]:
        return set()


@pytest.fixture
def gluster(monkeypatch: pytest.MonkeyPatch) -> Gluster:
    monkeypatch.setattr(shared_storage.time, "time_ns", lambda: 0xABC)
    return Gluster()


def test_a_host_that_comes_back_has_a_folder_of_its_own(gluster: Gluster) -> None:
    """Seen on three nodes: what it had before was there three times under one name, and no page was kept any more."""
    shared_storage.place(gluster, "site", [f"{ONE}:{FOLDER}"], [ONE, TWO], FOLDER)
    assert gluster.said == [
        ("add-brick", "site", "replica", "2", f"{TWO}:{FOLDER}-abc", "force"),
        ("heal", "site"),
        ("whole", "site"),
    ]


def test_wherever_a_host_has_its_copy_it_is_one(gluster: Gluster) -> None:
    bricks = [f"{ONE}:{FOLDER}", f"{TWO}:{FOLDER}-123"]
    shared_storage.place(gluster, "site", bricks, [TWO, ONE], FOLDER)
    assert gluster.said == []


def test_one_comes_before_another_one_goes(gluster: Gluster) -> None:
    bricks = [f"{ONE}:{FOLDER}", f"{TWO}:{FOLDER}-123"]
    shared_storage.place(gluster, "site", bricks, [ONE, THREE], FOLDER)
    assert [words[0] for words in gluster.said] == ["add-brick", "heal", "whole", "whole", "remove-brick"]
    assert gluster.said[-1] == ("remove-brick", "site", "replica", "2", f"{TWO}:{FOLDER}-123", "force")
