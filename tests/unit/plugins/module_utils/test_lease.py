# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: who is refused, and when a lease is free."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _lease
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Held, Lease


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    return Lease(tmp_path / "run")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(_lease, "clock", lambda: now[0])
    return now


def test_the_second_is_told_by_whom_and_since_when(lease: Lease) -> None:
    lease.take("one", "wil on build", "deployment")
    with pytest.raises(Held, match=r"deployment by wil on build, since \d{4}-\d\d-\d\d"):
        lease.take("two", "somebody", "deployment")


def test_the_same_run_has_it_again(lease: Lease) -> None:
    lease.take("one", "wil", "deployment")
    lease.take("one", "wil", "rotation")
    assert lease.holder() is not None


def test_a_minute_without_renewal_and_it_is_free(lease: Lease, clock: list[float]) -> None:
    lease.take("one", "wil", "deployment")
    clock[0] += 59
    assert lease.renew("one")
    clock[0] += 59
    with pytest.raises(Held):
        lease.take("two", "somebody", "deployment")
    clock[0] += 2
    lease.take("two", "somebody", "deployment")
    assert not lease.renew("one")


def test_that_of_a_run_that_died_is_free_at_once(lease: Lease) -> None:
    lease.take("one", "wil", "deployment")
    lease.take("two", "wil", "deployment", gone="one")
    holder = lease.holder()
    assert holder
    assert holder.run == "two"


def test_unless_the_machine_still_works_for_it(lease: Lease) -> None:
    lease.take("one", "wil", "deployment")
    with lease.kept("one"), pytest.raises(Held) as held:
        lease.take("two", "wil", "deployment", gone="one")
    assert held.value.holder.worker == os.getpid()
    lease.take("two", "wil", "deployment", gone="one")


def test_who_has_it_not_cannot_give_it_away(lease: Lease) -> None:
    lease.take("one", "wil", "deployment")
    lease.release("two")
    assert lease.holder()
    lease.release("one")
    assert lease.holder() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 1}'])
def test_a_damaged_file_is_no_lease(lease: Lease, text: str) -> None:
    lease.folder.mkdir()
    lease.file.write_text(text)
    assert lease.holder() is None
    lease.take("one", "wil", "deployment")
