# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the projects of the corpus: a good one, and each case's change to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BASE = Path(__file__).parent / "base"
# A project's texts by path; None is an empty folder.
Files = dict[str, str | None]
Change = Callable[[Files], None]


@dataclass(frozen=True)
class Case:
    """A small change to the good project.

    `item` is the one that the change breaks, None for a look-alike that breaks nothing.
    `doubtful`: a person has to look.
    `commits`: changes made one after the other, each committed; without them there is no repository.
    """

    name: str
    item: int | None
    changes: tuple[Change, ...] = ()
    commits: tuple[tuple[Change, ...], ...] = ()
    doubtful: bool = False


def doubts(item: int, name: str, *changes: Change) -> Case:
    return Case(name, item, changes, doubtful=True)


def breaks(item: int, name: str, *changes: Change) -> Case:
    return Case(name, item, changes)


def fine(name: str, *changes: Change) -> Case:
    return Case(name, None, changes)


def history(item: int | None, name: str, *commits: tuple[Change, ...]) -> Case:
    return Case(name, item, commits=commits)


# --- Changes ---


def write(path: str, text: str) -> Change:
    return lambda files: files.update({path: text})


def append(path: str, text: str) -> Change:
    return lambda files: files.update({path: f"{files[path]}{text}"})


def remove(*paths: str) -> Change:
    def change(files: Files) -> None:
        for path in paths:
            for one in [name for name in files if name == path or name.startswith(f"{path}/")]:
                del files[one]

    return change


def rename(old: str, new: str) -> Change:
    def change(files: Files) -> None:
        for path in [name for name in files if name == old or name.startswith(f"{old}/")]:
            files[new + path[len(old) :]] = files.pop(path)

    return change


def replace(path: str, old: str, new: str) -> Change:
    def change(files: Files) -> None:
        text = files[path] or ""
        assert old in text, f"{old!r} is not in {path}"
        files[path] = text.replace(old, new, 1)

    return change


# --- Projects ---


def base() -> Files:
    """The good project; `dot_` stands for the dot that would hide a file from this repository."""
    found: Files = {}
    for path in sorted(BASE.rglob("*")):
        if path.is_file():
            name = "/".join(part.replace("dot_", ".", 1) for part in path.relative_to(BASE).parts)
            found[name] = path.read_text()
    return found


def put(folder: Path, files: Files) -> None:
    """Writes a project, and removes what is not in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        relative = path.relative_to(folder).as_posix()
        if relative.split("/")[0] != ".git" and path.is_file() and relative not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_text(text)


def build(case: Case, folder: Path) -> None:
    """Makes a case's project in an empty folder."""
    files = base()
    for change in case.changes:
        change(files)
    put(folder, files)
    if case.commits:
        git(folder, "init", "--quiet", "--initial-branch=main")
    for number, changes in enumerate(case.commits):
        for change in changes:
            change(files)
        put(folder, files)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", f"Step {number}")


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{who}_NAME": "wil", f"GIT_{who}_EMAIL": "wil@42.fr"}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **identity}).stdout
