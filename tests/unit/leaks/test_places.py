# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are searched once each, in the place that is theirs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.leaks.places import HOME, Place, Report, apart, git_history, search, text
from tests.leaks.plants import commit, file, git, line
from tests.leaks.search import needles

VALUE = "Qm7XkP2vLr9TzW4cHs8NbJ5gYd3FaE6u"


def searched(roots: dict[str, tuple[str, ...]], without: tuple[str, ...] = (), since: float = 0) -> Report:
    return search(apart(roots, without, since), needles("a", VALUE.encode()))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path in ("log/a", "log/b/c", "log/b/d.gz", "home/x/.history", "home/y/.history", "home/x/other"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        content = VALUE.encode()
        (tmp_path / path).write_bytes(gzip.compress(content) if path.endswith(".gz") else content)
    return tmp_path


def test_the_nearest_place_has_a_file(tree: Path) -> None:
    """Folders and single files go to the place that names them; a place that holds them does not search them again."""
    report = searched({"all": (f"{tree}",), "b": (f"{tree}/log/b",), "histories": (f"{tree}/home/*/.history",)})
    assert {(place, where.removeprefix(f"{tree}/")) for _, _, place, where in report.found} == {
        ("all", "log/a"),
        ("all", "home/x/other"),
        ("b", "log/b/c"),
        ("b", "log/b/d.gz"),
        ("histories", "home/x/.history"),
        ("histories", "home/y/.history"),
    }
    # Beside the files, their names.
    assert {place: contents for place, (contents, _) in report.searched.items()} == {"all": 3, "b": 3, "histories": 3}


def test_what_is_excepted_is_left_out(tree: Path) -> None:
    report = searched({"all": (str(tree),)}, without=(f"{tree}/log", f"{tree}/home/x/other"))
    assert {where for _, _, _, where in report.found} == {f"{tree}/home/x/.history", f"{tree}/home/y/.history"}


def test_what_is_older_is_left_out(tree: Path) -> None:
    assert searched({"all": (str(tree),)}, since=(tree / "log/a").stat().st_ctime + 3600).found == []


def test_the_name_of_a_file_is_searched(tmp_path: Path) -> None:
    (tmp_path / f"backup of {VALUE}").touch()
    [(_, form, _, where)] = searched({"all": (str(tmp_path),)}).found
    assert (form, where) == ("as it is", "names of files")


def test_no_link_is_followed(tree: Path) -> None:
    (tree / "home/x/link").symlink_to(tree / "log/a")
    (tree / "home/x/links").symlink_to(tree / "log")
    found = {where for _, _, _, where in searched({"x": (f"{tree}/home/x",)}).found}
    assert found == {f"{tree}/home/x/.history", f"{tree}/home/x/other"}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A place that was not searched is no place without a leak; one that went in the meantime is none at all."""

    def refuse() -> BinaryIO:
        raise PermissionError("not for you")

    def gone() -> BinaryIO:
        raise FileNotFoundError

    sources = [("a", refuse), ("b", gone), text("c", VALUE.encode())]
    report = search({"here": lambda: sources}, needles("v", VALUE.encode()))
    assert report.unread == ["here: a: not for you"]
    assert report.searched == {"here": (1, len(VALUE))}


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("db_password.txt", True),
        ("db_password.txt.next", True),
        ("db_password.txt.previous", True),
        ("tls.key", True),
        ("db_password.txt.bak", False),
        (".db_password.txt", False),
        ("wordpress.env", False),
        ("tls.crt", False),
        ("db_password.txt~", False),
    ],
)
def test_home_of_a_value(name: str, home: bool) -> None:
    assert bool(HOME.fullmatch(name)) is home


def test_git_forgets_nothing(tmp_path: Path) -> None:
    """A file that was committed and removed is found, and after the plant has gone it is not."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=a")
    place: dict[str, Place] = {"git": lambda: git_history(tmp_path)}
    wanted = needles("v", VALUE.encode())
    with commit(tmp_path, VALUE):
        assert [where for _, _, _, where in search(place, wanted).found] == ["objects"]
        assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "a"]
    assert search(place, wanted).found == []


def test_plants_go_again(tmp_path: Path) -> None:
    """After a failure too, and what was there before is as it was."""
    (tmp_path / "log").write_text("one\n")

    def fail() -> None:
        assert (tmp_path / "log").read_text() == "one\ntwo\n"
        assert (tmp_path / "a/b/c").read_text() == VALUE
        raise RuntimeError

    with pytest.raises(RuntimeError), line(tmp_path / "log", "two"), file(tmp_path / "a/b/c", VALUE):
        fail()
    assert (tmp_path / "log").read_text() == "one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
