# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release the scenario upgrade comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.upgrade.former import NoFormer, former, unpack


def git(folder: Path, *command: str) -> str:
    names = ["-c", "user.name=wil", "-c", "user.email=wil@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *names, *command], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path, content: str) -> str:
    (folder / "file").write_text(content)
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--message", content)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[str]]:
    git(tmp_path, "init", "--quiet")
    return tmp_path, [commit(tmp_path, content) for content in ("one", "two", "three")]


class TestFormer:
    def test_the_commit_before(self, history: tuple[Path, list[str]]) -> None:
        folder, commits = history
        assert former(folder) == commits[1]

    def test_the_newest_tag_before(self, history: tuple[Path, list[str]]) -> None:
        folder, commits = history
        git(folder, "tag", "v1.0.0", commits[0])
        assert former(folder) == commits[0]

    def test_its_own_tag_is_not_the_one_before(self, history: tuple[Path, list[str]]) -> None:
        folder, commits = history
        git(folder, "tag", "1.0.0", commits[0])
        git(folder, "tag", "1.1.0", commits[2])
        assert former(folder) == commits[0]

    @pytest.mark.parametrize("name", ["HEAD~2", "start"])
    def test_one_that_is_named(self, history: tuple[Path, list[str]], name: str) -> None:
        folder, commits = history
        git(folder, "branch", "start", commits[0])
        git(folder, "tag", "v1.0.0", commits[1])
        assert former(folder, name) == commits[0]

    def test_a_name_that_is_none(self, history: tuple[Path, list[str]]) -> None:
        with pytest.raises(NoFormer, match="INCEPTION_UPGRADE_FROM=v9 is no commit here"):
            former(history[0], "v9")

    def test_the_first_commit(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet")
        commit(tmp_path, "one")
        with pytest.raises(NoFormer, match=r"There is one commit\."):
            former(tmp_path)

    def test_a_shallow_history(self, history: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("shallow")
        git(folder, "clone", "--quiet", "--depth=1", f"file://{history[0]}", ".")
        with pytest.raises(NoFormer, match="git fetch --unshallow"):
            former(folder)

    def test_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(NoFormer, match="is no git repository"):
            former(tmp_path)


def test_unpack_replaces_what_was_there(
    history: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, commits = history
    root = tmp_path_factory.mktemp("root")
    unpack(folder, commits[2], root)
    (root / "left").touch()
    placed = unpack(folder, commits[0], root)
    assert placed == root / "ansible_collections/fortytwo/inception"
    assert (placed / "file").read_text() == "one"
    assert not (root / "left").exists()
