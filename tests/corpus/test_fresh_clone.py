# SPDX-License-Identifier: GPL-3.0-or-later
"""Item 4 by looking: what git noted and the files tell a fresh clone from a folder in which somebody works."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    PASS,
    UNDETERMINED,
    WARNING,
    Result,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read

from tests.corpus.build import base, git, put

Done = Callable[[Path], None]
DAY = datetime.date(2026, 11, 24)


def item_4(project: Path) -> Result:
    return next(one for one in read(Project(snapshot(str(project)), DAY)) if one.id == 4)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Of a project of two commits, one of whose files has the ends of lines of another system."""
    origin, folder = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    put(origin, base())
    (origin / "NOTES.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    (origin / "picture.png").write_bytes(b"\0\1")
    git(origin, "init", "--quiet", "--initial-branch=main")
    for message in ("A", "B"):
        (origin / "LOG.txt").write_text(message)
        git(origin, "add", "--all")
        git(origin, "commit", "--quiet", "--message", message)
    git(tmp_path, "clone", "--quiet", f"file://{origin}", "clone")
    return folder


def nothing(_clone: Path) -> None:
    pass


def what_git_has_not(clone: Path) -> None:
    (clone / "secrets").mkdir()
    (clone / "secrets/db_password.txt").write_text("x1y2")
    (clone / "srcs/.env").write_text("DOMAIN_NAME=wil.42.fr\n")


def brought_up_to_date(clone: Path) -> None:
    git(clone, "reset", "--quiet", "--hard", "HEAD~")
    (clone / ".git/logs/HEAD").write_text((clone / ".git/logs/HEAD").read_text().splitlines()[0] + "\n")
    git(clone, "pull", "--quiet", "--ff-only")


def another_branch(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "-b", "other")


def as_ansible_clones(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "--force", "main")
    git(clone, "reset", "--quiet", "--hard", "origin/main", "--")


def worked_in(clone: Path) -> None:
    (clone / "more.txt").write_text("x")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "more")


def no_clone(clone: Path) -> None:
    (clone / ".git/logs/HEAD").unlink()


def a_linked_log(clone: Path) -> None:
    (clone / ".git/logs").rename(clone / "logs")
    (clone / ".git/logs").symlink_to("../logs")


def edited(clone: Path) -> None:
    with (clone / "Makefile").open("a") as file:
        file.write("\n")


def removed(clone: Path) -> None:
    (clone / "NOTES.txt").unlink()


@pytest.mark.parametrize(
    ("done", "verdict"),
    [
        (nothing, PASS),
        (what_git_has_not, PASS),
        (brought_up_to_date, PASS),
        (another_branch, PASS),
        (as_ansible_clones, PASS),
        (worked_in, UNDETERMINED),
        (no_clone, UNDETERMINED),
        (a_linked_log, UNDETERMINED),
        (edited, WARNING),
        (removed, WARNING),
    ],
)
def test_a_fresh_clone_is_told(done: Done, verdict: str, clone: Path) -> None:
    done(clone)
    found = item_4(clone)
    assert found.verdict == verdict, found


def test_a_token_of_the_address_is_not_told(clone: Path) -> None:
    log = clone / ".git/logs/HEAD"
    log.write_text(log.read_text().replace("file://", "https://wil:Tr0ub4dor-3@"))
    found = item_4(clone)
    assert found.verdict == PASS
    assert "https:///" in found.evidence[0].text
    assert "Tr0ub4dor" not in str(found)
