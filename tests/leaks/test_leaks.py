# SPDX-License-Identifier: GPL-3.0-or-later
"""No value of a secret is anywhere but where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leaks.conftest import Searched


def test_no_value_is_anywhere(searched: Searched, figure: Callable[[str], None]) -> None:
    """0 found, of every value that a secret has had since the machine was made, in every form and every place."""
    for place, (contents, size) in searched.report.searched.items():
        figure(f"{place}: {contents} contents, {size} bytes")
    contents, size = (sum(column) for column in zip(*searched.report.searched.values(), strict=True))
    figure(f"all {len(searched.report.searched)} places: {contents} contents, {size} bytes, {searched.needles} needles")
    figure(f"values of each secret: {dict(searched.values)}")
    assert not searched.leaks, "\n".join(searched.leaks)


def test_nothing_was_passed_over(searched: Searched) -> None:
    """What could not be read was not searched."""
    assert not searched.report.unread, "\n".join(searched.report.unread)


def test_every_secret_is_searched_for(searched: Searched) -> None:
    """The passwords and the salt, with their values of before each rotation, and the two keys."""
    rotated = {"db_password", "db_root_password", "wp_admin_password", "wp_user_password", "wp_salt"}
    assert set(searched.values) >= rotated | {"ca", "tls"}
    assert {name for name in rotated if searched.values[name] == 1} == set()


def test_watch_kept_looking(searched: Searched, figure: Callable[[str], None]) -> None:
    """Process list and environments were read some ten times a second, from the first minute to now."""
    rate = searched.samples / searched.seconds
    figure(f"process list: {searched.samples} samples, {rate:.1f} a second, the longest pause {searched.longest:.2f} s")
    assert rate > 8


@pytest.mark.parametrize(
    ("file", "sign"),
    [
        ("output", "module_args:"),
        ("ansible.log", "module_args:"),
        ("junit/*", "<testcase"),
        ("plays/*", "module_args"),
        ("facts/*", "ansible_"),
    ],
)
def test_ansible_told_everything(ephemeral: Path, file: str, sign: str) -> None:
    """A search of what was never written would find nothing: each way that Ansible has to tell has told of modules."""
    assert any(sign in path.read_text(encoding="utf-8") for path in (ephemeral / "watched").glob(file))
