# SPDX-License-Identifier: GPL-3.0-or-later
"""What was deployed, and the project's files as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _history
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, File, History, Project


class Folder:
    """A project folder with its manifest."""

    def __init__(self, place: Path) -> None:
        self.root, self.manifest = place / "project", place / "state/wil.json"
        self.root.mkdir()
        self.manifest.parent.mkdir()
        self.project = Project(str(self.root), str(self.manifest))

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.manifest.write_text(
            json.dumps({"path": str(self.root), "files": [name.replace("__", "/") for name in files]})
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_files_come_back_and_no_other_ones_of_ours(folder: Folder) -> None:
    folder.write(Makefile="old", srcs__env="A=1", srcs__old__x="x")
    before = folder.project.read()
    (folder.root / "srcs/old/x").unlink()
    (folder.root / "srcs/old").rmdir()
    folder.write(Makefile="new", srcs__env="A=2", srcs__new__y="y")
    (folder.root / "mine").write_text("the owner's own")
    folder.project.restore(before)
    assert folder.project.read() == before
    assert sorted(str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()) == [
        "Makefile",
        "mine",
        "srcs/env",
        "srcs/old/x",
    ]
    assert not (folder.root / "srcs/new").exists()
    assert sorted(json.loads(folder.manifest.read_text())["files"]) == ["Makefile", "srcs/env", "srcs/old/x"]


def test_no_link_of_the_owner_leads_elsewhere(folder: Folder, tmp_path: Path) -> None:
    folder.write(srcs__env="A=1")
    before = folder.project.read()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder.root / "srcs/env").unlink()
    (folder.root / "srcs").rmdir()
    (folder.root / "srcs").symlink_to(elsewhere)
    with pytest.raises(_history._files.FileProblem, match="symbolic link"):
        folder.project.restore(before)
    assert not list(elsewhere.iterdir())


def files(text: str) -> dict[str, File]:
    return {"srcs/.env": File(f"A={text}\n".encode(), 0o644)}


def history(place: Path, *texts: str) -> History:
    made = History(place / "history")
    for number, text in enumerate(texts, 1):
        made.add(Entry(number, "now", "wil", "deployment", digest=_history.digest(files(text))), files(text), {})
    return made


def test_five_can_be_gone_back_to(tmp_path: Path) -> None:
    made = history(tmp_path, *"abcdefgh")
    assert [one.number for one in made.kept()] == [3, 4, 5, 6, 7, 8]
    assert made.files(3) == files("c")
    assert made.files(2) == {}
    assert len(made.entries()) == 8


def test_the_same_again_is_no_other_one_to_go_back_to(tmp_path: Path) -> None:
    made = history(tmp_path, "a", "b", "a")
    assert [one.number for one in made.kept()] == [2, 3]


def test_what_gave_way_is_told_and_not_offered(tmp_path: Path) -> None:
    made = history(tmp_path, "a", "b")
    made.mark(2, _history.GAVE_WAY, "it ended")
    current = made.current()
    assert current
    assert current.number == 1
    assert made.entries()[-1].said == "it ended"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, files("1"), ["the first one that is known"]),
        (files("1"), files("2"), ["settings A"]),
        (files("1"), files("1"), []),
        (
            files("1"),
            {**files("1"), "srcs/requirements/bonus/redis/Dockerfile": File(b"", 0o644), "Makefile": File(b"", 0o644)},
            ["services redis", "files Makefile"],
        ),
    ],
)
def test_what_changed_is_told_in_few_words(before: _history.Files, after: _history.Files, told: list[str]) -> None:
    assert _history.differences(before, after) == told


def test_a_damaged_history_is_an_empty_one(tmp_path: Path) -> None:
    made = history(tmp_path, "a")
    made.list.write_text("{")
    assert made.entries() == []
    assert made.current() is None


def test_what_runs_is_told_by_its_images(tmp_path: Path) -> None:
    """The same word on each machine, whatever the order of its services, its number and its settings are."""
    found = []
    for number, images in ((1, {"nginx": "nginx:1", "web": "web:1"}), (7, {"web": "web:1", "nginx": "nginx:1"})):
        history = History(tmp_path / str(number))
        assert history.runs() == {}
        history.add(Entry(number, "", "wil", "deployment", digest="x", images=images), {}, {})
        found.append(history.runs())
    assert [one["number"] for one in found] == [1, 7]
    assert found[0]["version"] == found[1]["version"]
    history.add(Entry(8, "", "wil", "deployment", digest="y", images={"nginx": "nginx:2", "web": "web:1"}), {}, {})
    assert history.runs()["version"] != found[0]["version"]
