# SPDX-License-Identifier: GPL-3.0-or-later
"""After another release was deployed over the one of before.py: nothing is lost, and the site is well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.upgrade.before import picture
from tests.upgrade.notes import Notes, digests, notes_path, rows
from tests.verify.support import SERVICES, Site, Stack


@pytest.fixture(scope="module")
def notes() -> Notes:
    """What before.py noted."""
    return Notes.load(notes_path())


def test_every_service_is_well(stack: Stack) -> None:
    """Each container became healthy, and none restarts."""
    stack.wait_healthy()
    containers = stack.containers()
    assert set(SERVICES) <= set(containers)
    assert {
        name: container["RestartCount"] for name, container in containers.items() if container["RestartCount"]
    } == {}


def test_nothing_is_lost_in_numbers(stack: Stack, notes: Notes) -> None:
    """As many posts, comments, users and pictures as before."""
    assert {name: len(table) for name, table in rows(stack).items()} == notes.rows


def test_nothing_has_changed(stack: Stack, notes: Notes) -> None:
    """What people wrote, the files that they uploaded, and every secret are the same to the letter."""
    now = digests(stack)
    assert sorted(name for name in notes.digests if now.get(name) != notes.digests[name]) == []


def test_a_visitor_sees_it(site: Site, notes: Notes, tmp_path: Path) -> None:
    """The post with its picture, byte for byte, the comment and the title, without a cookie."""
    page = site.get(notes.post)
    assert page.status == 200
    assert notes.picture in page.text
    path, comment = json.loads(notes.comment)
    assert comment in site.get(path).text
    assert "own title" in site.get("/").title
    fetched = tmp_path / "square.png"
    assert site.curl("--fail", "--output", str(fetched), path=notes.picture).stderr == ""
    assert fetched.read_bytes() == picture()


def test_people_are_let_in(stack: Stack, site: Site, notes: Notes) -> None:
    """The administrator with the password of before, the user with the one chosen in the dashboard."""
    site.sign_in(stack.settings.admin_user, stack.secrets()["wp_admin_password.txt"])
    site.sign_in(stack.settings.user, notes.password)
