# SPDX-License-Identifier: GPL-3.0-or-later
"""The module tree against a real file system."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _files
from ansible_collections.fortytwo.inception.plugins.modules import tree


class Place:
    """A tree and its manifest in a fresh folder."""

    def __init__(self, base: Path) -> None:
        self.root = base / "project"
        self.manifest = base / "state" / "manifest.json"

    def options(self, files: dict[str, str | tuple[str, str]], **more: Any) -> dict[str, Any]:
        """The options for files given as path -> content, or path -> (content, mode)."""
        listed = [
            {"path": path, "content": value} if isinstance(value, str) else
            {"path": path, "content": value[0], "mode": value[1]}
            for path, value in files.items()
        ]  # fmt: skip
        owner = {"owner": str(os.geteuid()), "group": str(os.getegid())}
        return {"path": str(self.root), "manifest": str(self.manifest), "files": listed, **owner, **more}

    def content(self) -> dict[str, str]:
        return {str(p.relative_to(self.root)): p.read_text() for p in sorted(self.root.rglob("*")) if p.is_file()}

    def folders(self) -> list[str]:
        return [str(p.relative_to(self.root)) for p in sorted(self.root.rglob("*")) if p.is_dir()]

    def remembered(self) -> list[str]:
        files: list[str] = json.loads(self.manifest.read_text())["files"]
        return files


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def outcome(result: dict[str, Any]) -> tuple[bool, list[str], list[str]]:
    return result["changed"], result["changed_files"], result["removed_files"]


def test_six_steps(run_module: Any, place: Place) -> None:
    files: dict[str, str | tuple[str, str]] = {"Makefile": "all:\n", "srcs/tools/start.sh": ("#!/bin/sh\n", "0755")}
    everything: tuple[bool, list[str], list[str]] = (True, ["Makefile", "srcs/tools/start.sh"], [])

    assert outcome(run_module(tree, place.options(files), check=True)) == everything
    assert not place.root.exists()
    assert not place.manifest.parent.exists()

    assert outcome(run_module(tree, place.options(files))) == everything
    assert place.content() == {"Makefile": "all:\n", "srcs/tools/start.sh": "#!/bin/sh\n"}
    assert mode(place.root / "Makefile") == 0o644
    assert mode(place.root / "srcs/tools/start.sh") == 0o755
    assert [mode(p) for p in (place.root, place.root / "srcs", place.root / "srcs/tools")] == [0o755] * 3
    assert mode(place.manifest) == 0o644
    assert place.remembered() == ["Makefile", "srcs/tools/start.sh"]

    assert outcome(run_module(tree, place.options(files), check=True)) == (False, [], [])
    assert outcome(run_module(tree, place.options(files))) == (False, [], [])

    changed: dict[str, str | tuple[str, str]] = {"Makefile": "none:\n", "srcs/.env": "A=1\n"}
    difference = (True, ["Makefile", "srcs/.env"], ["srcs/tools/start.sh"])
    assert outcome(run_module(tree, place.options(changed), check=True)) == difference
    assert place.content() == {"Makefile": "all:\n", "srcs/tools/start.sh": "#!/bin/sh\n"}
    assert place.remembered() == ["Makefile", "srcs/tools/start.sh"]

    assert outcome(run_module(tree, place.options(changed))) == difference
    assert place.content() == {"Makefile": "none:\n", "srcs/.env": "A=1\n"}
    assert place.folders() == ["srcs"]
    assert place.remembered() == ["Makefile", "srcs/.env"]
    assert outcome(run_module(tree, place.options(changed))) == (False, [], [])


def test_nothing_is_written_twice(run_module: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run_module(tree, place.options({"a": "1", "b": "2"}))
    before = {name: (place.root / name).stat().st_ino for name in "ab"}
    run_module(tree, place.options({"a": "1", "b": "3"}))
    after = {name: (place.root / name).stat().st_ino for name in "ab"}
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]

    def never(*args: Any) -> None:
        raise AssertionError("a file was written")

    monkeypatch.setattr(_files, "write_file", never)
    assert not run_module(tree, place.options({"a": "1", "b": "3"}))["changed"]


def test_the_mode_is_repaired(run_module: Any, place: Place) -> None:
    run_module(tree, place.options({"a": "1"}))
    (place.root / "a").chmod(0o666)
    result = run_module(tree, place.options({"a": "1"}), check=True, diff=True)
    assert outcome(result) == (True, ["a"], [])
    owner = f"{os.geteuid()}:{os.getegid()}"
    assert [(d["before"], d["after"]) for d in result["diff"]] == [
        (f"mode 0666, owner {owner}\n", f"mode 0644, owner {owner}\n")
    ]
    assert outcome(run_module(tree, place.options({"a": "1"}))) == (True, ["a"], [])
    assert mode(place.root / "a") == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_files_and_folders(run_module: Any, place: Place) -> None:
    given = place.options({"a/b/c": "1"}, owner="1234", group="4321")
    run_module(tree, given)
    paths = [place.root, *(place.root / p for p in ("a", "a/b", "a/b/c"))]
    assert {(p.stat().st_uid, p.stat().st_gid) for p in paths} == {(1234, 4321)}
    assert place.manifest.stat().st_uid == 0
    os.chown(place.root / "a/b", 0, 0)
    (place.root / "a/b").chmod(0o700)
    assert run_module(tree, given, check=True)["changed"]
    assert outcome(run_module(tree, given)) == (True, [], [])
    assert (place.root / "a/b").stat().st_uid == 1234
    assert mode(place.root / "a/b") == 0o700
    assert not run_module(tree, given)["changed"]


def test_what_was_changed_by_hand_is_named(run_module: Any, place: Place) -> None:
    """Changed, removed, and given another mode only; in check mode too. What becomes other by itself is none."""
    files: dict[str, str | tuple[str, str]] = {"a": "1", "b/c": "2", "d": "3", "e": "4"}
    assert run_module(tree, place.options(files))["changed_by_hand"] == []
    (place.root / "a").write_text("mine")
    (place.root / "b/c").unlink()
    (place.root / "d").chmod(0o600)
    for check in (True, False):
        result = run_module(tree, place.options(files | {"e": "5"}), check=check)
        assert result["changed_files"] == ["a", "b/c", "d", "e"]
        assert result["changed_by_hand"] == ["a", "b/c"]
        assert "changed by hand since it was written, and written again: a, b/c." in str(result["warnings"])
    (place.root / "a").write_text("what it becomes")
    assert run_module(tree, place.options(files | {"a": "what it becomes", "e": "5"}))["changed_by_hand"] == []
    assert run_module(tree, place.options(files))["changed_by_hand"] == ["a"]
    assert run_module(tree, place.options(files))["changed_by_hand"] == []


def test_files_of_others_stay(run_module: Any, place: Place) -> None:
    run_module(tree, place.options({"a/ours": "1", "b/ours": "2"}))
    (place.root / "a/theirs").write_text("theirs")
    (place.root / "empty").mkdir()
    assert outcome(run_module(tree, place.options({}))) == (True, [], ["a/ours", "b/ours"])
    assert place.content() == {"a/theirs": "theirs"}
    assert place.folders() == ["a", "empty"]
    assert place.root.is_dir()


def test_an_existing_file_is_taken_over(run_module: Any, place: Place) -> None:
    place.root.mkdir()
    (place.root / "a").write_text("1")
    (place.root / "a").chmod(0o644)
    assert outcome(run_module(tree, place.options({"a": "1"}), check=True)) == (True, [], [])
    assert outcome(run_module(tree, place.options({"a": "1"}))) == (True, [], [])
    assert place.remembered() == ["a"]
    assert not run_module(tree, place.options({"a": "1"}))["changed"]


def test_a_file_of_others_is_not_lost(run_module: Any, module_failed: Any, place: Place) -> None:
    place.root.mkdir(exist_ok=True)
    theirs = place.root / "Makefile"
    theirs.write_text("all: mine\n")
    for check in (True, False):
        with pytest.raises(module_failed, match=r"Makefile is there with another content.*move it away"):
            run_module(tree, place.options({"Makefile": "all: ours\n"}), check=check)
    assert theirs.read_text() == "all: mine\n"


def test_a_file_that_vanished_by_itself(run_module: Any, place: Place) -> None:
    run_module(tree, place.options({"a": "1", "b": "2"}))
    (place.root / "b").unlink()
    assert outcome(run_module(tree, place.options({"a": "1"}))) == (True, [], [])
    assert place.remembered() == ["a"]


@pytest.mark.parametrize(
    ("old", "new"),
    [({"x/y": "1", "z": "2"}, {"x": "3"}), ({"x": "1"}, {"x/y": "2"}), ({"x/y/z": "1"}, {"x/y": "2"})],
)
def test_a_folder_becomes_a_file_and_back(
    run_module: Any, place: Place, old: dict[str, str | tuple[str, str]], new: dict[str, str | tuple[str, str]]
) -> None:
    run_module(tree, place.options(old))
    expected = (True, sorted(new), sorted(old))
    assert outcome(run_module(tree, place.options(new), check=True)) == expected
    assert outcome(run_module(tree, place.options(new))) == expected
    assert place.content() == new
    assert not run_module(tree, place.options(new))["changed"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["/etc/passwd"], "is not relative"),
        ([""], "is not relative"),
        (["../up"], "has a '..' in it"),
        (["a/../../up"], "has a '..' in it"),
        (["a//b"], "is not in its plainest form, 'a/b'"),
        (["./a"], "is not in its plainest form, 'a'"),
        (["a/"], "is not in its plainest form, 'a'"),
        (["."], "is not in its plainest form"),
        (["a\nb"], "has a control character"),
        (["a", "a"], "is there twice"),
        (["a", "a/b"], "'a' is a file and, because of 'a/b', a folder"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_bad_paths(
    run_module: Any, module_failed: Any, place: Place, files: list[str], message: str, check: bool
) -> None:
    given = place.options({}) | {"files": [{"path": path, "content": ""} for path in files]}
    with pytest.raises(module_failed) as failure:
        run_module(tree, given, check=check)
    assert message in failure.value.msg
    assert not place.root.exists()


@pytest.mark.parametrize("bad", ["644", "420", "0999", "u=rw", "00644"])
def test_bad_modes(run_module: Any, module_failed: Any, place: Place, bad: str) -> None:
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a": ("1", bad)}))
    assert "is not four octal digits" in failure.value.msg


def test_links_in_the_way(run_module: Any, module_failed: Any, place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("untouched")
    run_module(tree, place.options({"a": "1"}))
    (place.root / "folder").symlink_to(elsewhere)
    (place.root / "link").symlink_to(elsewhere / "file")
    for path in ("folder/file", "folder/new/file", "link"):
        with pytest.raises(module_failed) as failure:
            run_module(tree, place.options({"a": "2", path: "new"}))
        assert "is a symbolic link" in failure.value.msg
    assert (elsewhere / "file").read_text() == "untouched"
    assert sorted(p.name for p in elsewhere.iterdir()) == ["file"]
    assert place.content()["a"] == "1"

    place.root.rename(tmp_path / "moved")
    place.root.symlink_to(tmp_path / "moved")
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a": "2"}))
    assert "is a symbolic link" in failure.value.msg


def test_a_removal_does_not_follow_links(run_module: Any, place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b").write_text("untouched")
    run_module(tree, place.options({"a/b": "1"}))
    (place.root / "a/b").unlink()
    (place.root / "a").rmdir()
    (place.root / "a").symlink_to(elsewhere)
    result = run_module(tree, place.options({}))
    assert result["removed_files"] == []
    assert "symbolic link" in str(result["warnings"])
    assert (elsewhere / "b").read_text() == "untouched"


def test_a_folder_in_the_way(run_module: Any, module_failed: Any, place: Place) -> None:
    run_module(tree, place.options({"a/b": "1"}))
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a/b": "1"}) | {"files": [{"path": "a", "content": ""}], "manifest": "/x/y"})
    assert "a is a folder where a file must be" in failure.value.msg


@pytest.mark.parametrize("text", ["", "[]", "{", '{"path": 1}', '{"path": "R", "files": ["/etc/passwd"]}'])
def test_a_bad_manifest(run_module: Any, module_failed: Any, place: Place, text: str) -> None:
    place.manifest.parent.mkdir()
    place.manifest.write_text(text.replace("R", str(place.root)))
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a": "1"}))
    assert "was not written by this module or is damaged" in failure.value.msg
    assert not place.root.exists()


def test_the_manifest_of_another_tree(run_module: Any, module_failed: Any, place: Place, tmp_path: Path) -> None:
    run_module(tree, place.options({"a": "1"}))
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a": "1"}, path=str(tmp_path / "other")))
    assert f"belongs to the tree {place.root}" in failure.value.msg


def test_a_manifest_inside(run_module: Any, module_failed: Any, place: Place) -> None:
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a": "1"}, manifest=str(place.root / "m.json")))
    assert "lies inside of the tree" in failure.value.msg


def test_a_missing_parent(run_module: Any, module_failed: Any, place: Place, tmp_path: Path) -> None:
    given = place.options({"a": "1"}, path=str(tmp_path / "no" / "project"))
    with pytest.raises(module_failed) as failure:
        run_module(tree, given)
    assert "does not exist" in failure.value.msg
    given |= {"owner": "nobody-yet", "group": "nobody-yet"}
    assert outcome(run_module(tree, given, check=True)) == (True, ["a"], [])


def test_an_unknown_owner(run_module: Any, module_failed: Any, place: Place) -> None:
    with pytest.raises(module_failed) as failure:
        run_module(tree, place.options({"a": "1"}, owner="nobody-yet"))
    assert failure.value.msg == "owner: there is no user 'nobody-yet' on this machine"


def test_the_difference(run_module: Any, place: Place) -> None:
    run_module(tree, place.options({"a": "1\n", "b": "2\n", "c": "3\n"}))
    result = run_module(tree, place.options({"a": "1\n", "b": "two\n", "d": "4\n"}), check=True, diff=True)
    shown = {Path(d["before_header"]).name: (d["before"], d["after"]) for d in result["diff"]}
    assert shown == {"b": ("2\n", "two\n"), "c": ("3\n", ""), "d": ("", "4\n")}


def test_text_is_written_as_it_is(run_module: Any, place: Place) -> None:
    text = "é € ツ\r\n\tno newline at the end"
    run_module(tree, place.options({"a": text}))
    assert (place.root / "a").read_bytes() == text.encode()


@pytest.mark.parametrize("then", ["forward", "back"])
@pytest.mark.parametrize("stop_at", range(1, 16))
def test_an_interrupted_run_is_completed(
    run_module: Any, place: Place, monkeypatch: pytest.MonkeyPatch, stop_at: int, then: str
) -> None:
    """Stopped before any of its changes, the next run still knows what is its own, whichever way it goes."""
    old: dict[str, str | tuple[str, str]] = {"a": "1", "old/x": "2"}
    new: dict[str, str | tuple[str, str]] = {"a": "one", "new/y": "3"}
    run_module(tree, place.options(old))
    calls = 0

    def spy(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "mkdir", "rmdir", "fsync"):
            patch.setattr(os, name, spy(getattr(os, name)))
        try:
            run_module(tree, place.options(new))
        except (KeyboardInterrupt, pytest.fail.Exception):
            assert (place.root / "a").read_text() in ("1", "one")
    wanted = new if then == "forward" else old
    run_module(tree, place.options(wanted))
    assert place.content() == wanted
    assert place.folders() == [then.replace("forward", "new").replace("back", "old")]
    assert place.remembered() == sorted(wanted)
    assert not run_module(tree, place.options(wanted))["changed"]


def test_a_folder_that_is_still_needed_stays(run_module: Any, place: Place) -> None:
    run_module(tree, place.options({"a/old": "1"}))
    (place.root / "a").chmod(0o700)
    before = (place.root / "a").stat().st_ino
    assert outcome(run_module(tree, place.options({"a/new": "2"}))) == (True, ["a/new"], ["a/old"])
    assert (place.root / "a").stat().st_ino == before
    assert mode(place.root / "a") == 0o700


def test_a_root_that_vanished_is_made_again(run_module: Any, place: Place) -> None:
    run_module(tree, place.options({}))
    place.root.rmdir()
    assert outcome(run_module(tree, place.options({}), check=True)) == (True, [], [])
    assert outcome(run_module(tree, place.options({}))) == (True, [], [])
    assert outcome(run_module(tree, place.options({}))) == (False, [], [])


def test_another_run_is_waited_for(run_module: Any, module_failed: Any, place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr(_files.locked.__wrapped__, "__defaults__", (0.2,))
    place.root.mkdir()
    descriptor = os.open(place.root, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(module_failed, match="another run has been at work"):
        run_module(tree, place.options({"a": "1"}))
    assert place.content() == {}
    os.close(descriptor)
    assert run_module(tree, place.options({"a": "1"}))["changed"]


def test_sixty_files_are_fast(run_module: Any, place: Place) -> None:
    files: dict[str, str | tuple[str, str]] = {f"folder{n % 9}/sub/file{n}": "x" * 4000 for n in range(60)}
    run_module(tree, place.options(files))
    start = time.monotonic()
    assert not run_module(tree, place.options(files))["changed"]
    assert time.monotonic() - start < 1.0


def test_a_file_that_is_no_text(run_module: Any, place: Place) -> None:
    picture = bytes(range(256))
    options = place.options({"a.txt": "text\n"})
    options["files"].append(
        {"path": "a.png", "content": base64.b64encode(picture).decode(), "mode": "0644", "encoding": "base64"}
    )
    result = run_module(tree, options, diff=True)
    assert (place.root / "a.png").read_bytes() == picture
    assert [entry["after"].split(",")[0] for entry in result["diff"]] == ["256 bytes that are no text", "text\n"]
    assert run_module(tree, options)["changed"] is False


def test_base64_that_is_none(run_module: Any, module_failed: Any, place: Place) -> None:
    options = place.options({})
    options["files"].append({"path": "a.png", "content": "not base64!", "encoding": "base64"})
    with pytest.raises(module_failed, match=r"'a\.png': the content is not base64"):
        run_module(tree, options)
