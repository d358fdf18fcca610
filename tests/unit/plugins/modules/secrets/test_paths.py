# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets: what may not be in the way to the files, or in their place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _files
from ansible_collections.fortytwo.inception.plugins.modules import secrets

from tests.unit.plugins.modules.secrets.support import ONE, content, mode, options, put

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize("state", ["present", "staged", "promoted", "finalized", "aborted"])
def test_a_missing_folder(run_module: Any, module_failed: Any, tmp_path: Path, state: str) -> None:
    missing = tmp_path / "no" / "where"
    with pytest.raises(module_failed, match=r"path: the folder .*/no/where does not exist; make it first"):
        run_module(secrets, options(missing, "one", state=state))
    if state != "staged":
        assert run_module(secrets, options(missing, "one", state=state), check=True)["changed"] == (state == "present")
    assert not missing.parent.exists()


@pytest.mark.parametrize("permissions", [0o770, 0o702, 0o1777])
@pytest.mark.parametrize("check", [True, False])
def test_a_folder_writable_by_others(
    run_module: Any, module_failed: Any, folder: Path, permissions: int, check: bool
) -> None:
    folder.chmod(permissions)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, "one"), check=check)
    assert failure.value.msg == (
        f"path: {folder} has mode {permissions:04o}, so that others than its owner can replace what is in it; "
        f"take that away: chmod 0700 {folder}"
    )
    assert list(folder.iterdir()) == []


@only_root
def test_a_folder_of_somebody_else(run_module: Any, module_failed: Any, folder: Path) -> None:
    os.chown(folder, 1234, 0)
    with pytest.raises(module_failed, match="belongs to the user with the number 1234"):
        run_module(secrets, options(folder, "one"))
    assert run_module(secrets, options(folder, "one", owner="1234"))["changed"]


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder for secrets with folders above it that a test can spoil."""
    path = tmp_path / "above" / "between" / "secrets"
    path.mkdir(parents=True, mode=0o700)
    return path


@pytest.mark.parametrize("permissions", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("check", [True, False])
def test_a_parent_writable_by_others(
    run_module: Any, module_failed: Any, deep: Path, permissions: int, level: int, check: bool
) -> None:
    parent = deep.parents[level]
    parent.chmod(permissions)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(deep, "one"), check=check)
    assert failure.value.msg == (
        f"path: {parent} has mode {permissions:04o}, so that others than its owner can replace {deep}; "
        f"take that away: chmod go-w {parent}"
    )
    # The sticky bit lets everybody replace only what is theirs.
    parent.chmod(permissions | 0o1000)
    assert run_module(secrets, options(deep, "one"), check=check)["changed"]


@only_root
@pytest.mark.parametrize("permissions", [0o755, 0o1777])
@pytest.mark.parametrize("level", [0, 1])
def test_a_parent_of_somebody_else(
    run_module: Any, module_failed: Any, deep: Path, level: int, permissions: int
) -> None:
    parent = deep.parents[level]
    parent.chmod(permissions)
    os.chown(parent, 1234, 0)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(deep, "one"))
    assert failure.value.msg == (
        f"path: {parent} belongs to the user with the number 1234, who could replace {deep}; "
        f"give it to another owner: chown root {parent}"
    )
    assert list(deep.iterdir()) == []
    # The owner of the secrets can read them anyway.
    assert run_module(secrets, options(deep, "one", owner="1234"))["changed"]


def test_a_parent_above_a_missing_folder_is_looked_at(run_module: Any, module_failed: Any, deep: Path) -> None:
    deep.rmdir()
    deep.parent.chmod(0o777)
    with pytest.raises(module_failed, match="has mode 0777"):
        run_module(secrets, options(deep, "one"), check=True)


@only_root
def test_a_parent_that_is_a_link_of_root(run_module: Any, module_failed: Any, deep: Path) -> None:
    for number, target in enumerate((str(deep.parent), "above/between", "../{}/above//./between/../between/")):
        link = deep.parents[2] / f"link{number}"
        link.symlink_to(target.format(deep.parents[2].name))
        run_module(secrets, options(link / "secrets", {"name": f"s{number}", "value": ONE}))
    assert content(deep) == {f"s{number}.txt": ONE for number in range(3)}

    # Whoever can write where the link leads can replace the folder as well.
    deep.parents[1].chmod(0o777)
    with pytest.raises(module_failed, match=f"path: .*above has mode 0777.*{link}"):
        run_module(secrets, options(link / "secrets", "one"))


@only_root
def test_a_parent_that_is_a_link_of_a_user(run_module: Any, module_failed: Any, deep: Path) -> None:
    """Root would follow the user to any folder of root's and give the user what is in it."""
    link = deep.parents[2] / "link"
    link.symlink_to(deep.parent)
    os.chown(link, 1234, 0, follow_symlinks=False)
    put(deep / "one.txt", ONE)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(link / "secrets", "one", owner="1234"))
    assert failure.value.msg == (
        f"path: {link} is a symbolic link of the user with the number 1234, who could lead it elsewhere; "
        f"name the folder by its real path: realpath {link / 'secrets'}"
    )
    assert (deep / "one.txt").stat().st_uid == 0


def test_links_without_an_end(run_module: Any, module_failed: Any, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(module_failed, match="leads through more than 40 symbolic links"):
        run_module(secrets, options(tmp_path / "one" / "secrets", "one"))


def test_no_descriptor_is_left_open(run_module: Any, module_failed: Any, deep: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    link = deep.parents[2] / "link"
    link.symlink_to(deep.parent)
    run_module(secrets, options(link / "secrets", "one"))
    with pytest.raises(module_failed):
        run_module(secrets, options(deep / "one.txt" / "secrets", "one"))
    assert _files.open_safe_folder(str(deep / "missing" / "too"), frozenset({os.geteuid(), 0})) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_is_a_link(run_module: Any, module_failed: Any, folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    for path in (link, f"{link}/", f"{link}/."):
        with pytest.raises(module_failed, match="link is a symbolic link where a folder must be"):
            run_module(secrets, {"path": str(path), "secrets": [{"name": "two"}]})
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("part", ["file", "file/secrets"])
def test_a_folder_that_is_none(run_module: Any, module_failed: Any, tmp_path: Path, part: str) -> None:
    (tmp_path / "file").write_text("untouched")
    with pytest.raises(module_failed, match="/file is a file where a folder must be"):
        run_module(secrets, options(tmp_path / part, "one"))


PLACES = ["one.txt", "one.txt.next", "one.txt.previous", "service.env"]


@pytest.mark.parametrize(
    ("state", "place"),
    [(state, place) for state in ("present", "staged", "promoted", "finalized", "aborted") for place in PLACES]
    + [("absent", place) for place in PLACES[:3]],
)
def test_links_in_the_way(run_module: Any, module_failed: Any, folder: Path, state: str, place: str) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_text("untouched")
    put(folder / "one.txt", ONE)
    put(folder / "one.txt.next", ONE)
    (folder / place).unlink(missing_ok=True)
    (folder / place).symlink_to(elsewhere)
    before = content(folder)
    more = {} if state == "absent" else {"revisions": {"service": ["one"]}}
    with pytest.raises(module_failed, match=f"{place} is a symbolic link where a file must be; move it away"):
        run_module(secrets, options(folder, "one", state=state, **more))
    assert content(folder) == before
    assert elsewhere.read_text() == "untouched"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo], ids=["folder", "fifo"])
def test_something_else_in_the_way(run_module: Any, module_failed: Any, folder: Path, place: str, make: Any) -> None:
    make(folder / place)
    with pytest.raises(module_failed, match="where a file must be"):
        run_module(secrets, options(folder, "one", revisions={"service": ["one"]}))
    assert [path.name for path in folder.iterdir()] == [place]


@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_is_another_one_as_well(run_module: Any, module_failed: Any, folder: Path, place: str) -> None:
    """The owner of the folder may have linked somebody else's file into it: a repair would give it away."""
    theirs = folder.parent / "theirs"
    put(theirs, "SECRETS=", 0o600)
    put(folder / "one.txt", ONE)
    (folder / place).unlink(missing_ok=True)
    (folder / place).hardlink_to(theirs)
    with pytest.raises(module_failed, match=f"{place} has another name elsewhere"):
        run_module(secrets, options(folder, "one", "new", revisions={"service": ["one"]}))
    assert mode(theirs) == 0o600
    assert not (folder / "new.txt").exists()


def test_a_file_with_another_name_that_needs_no_repair(run_module: Any, folder: Path) -> None:
    """Backups are made of hard links."""
    put(folder / "one.txt", ONE)
    (folder.parent / "backup").hardlink_to(folder / "one.txt")
    assert not run_module(secrets, options(folder, "one"))["changed"]
