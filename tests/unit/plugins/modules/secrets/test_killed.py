# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets, killed at every system call that writes, and run by several processes at once.

Whatever happens, each file is as it was or as it shall be, and the next run comes to the wanted state.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _files
from ansible_collections.fortytwo.inception.plugins.modules import secrets

from tests.unit.plugins.modules.secrets import killing
from tests.unit.plugins.modules.secrets.support import ONE, THREE, TWO, content, mode, options, put

RANDOM = r"[A-Za-z0-9]{32}"
SERIAL = r"[0-9a-f]+-[0-9a-f]+"
REVISION = rf"SECRETS=(one|two):{SERIAL}(,two:{SERIAL})?\n"
REVISIONS = {"both": ["one", "two"], "single": ["two"]}

Files = dict[str, str]

# What is there, the module's options, and what is there in the end; values that are made at random are patterns.
SCENARIOS: dict[str, tuple[Files, dict[str, Any], Files]] = {
    "made": (
        {},
        {"secrets": ["one", {"name": "two", "value": TWO}], "revisions": REVISIONS},
        {"one.txt": RANDOM, "two.txt": TWO, "both.env": REVISION, "single.env": REVISION},
    ),
    "repaired": ({"one.txt": ONE, "one.txt.next": TWO}, {}, {"one.txt": ONE, "one.txt.next": TWO}),
    "replaced": (
        {"one.txt": ONE, "two.txt": ONE, "both.env": "SECRETS=one:1-1,two:1-1\n"},
        {"secrets": ["one", {"name": "two", "value": TWO}], "revisions": {"both": ["one", "two"]}},
        {"one.txt": ONE, "two.txt": TWO, "both.env": REVISION},
    ),
    "given later": (
        {"one.txt": ONE},
        {"secrets": [{"name": "one", "value": TWO}], "replace": "staged"},
        {"one.txt": ONE, "one.txt.next": TWO},
    ),
    "undeclared": (
        {"one.txt": ONE, "old.txt": TWO, "old.txt.next": TWO, "old.txt.previous": TWO, "ca.key": "not ours"},
        {"remove_undeclared": True},
        {"one.txt": ONE, "ca.key": "not ours"},
    ),
    "staged": (
        {"one.txt": ONE, "two.txt": TWO},
        {"secrets": ["one", "two"], "state": "staged", "revisions": {"single": ["two"]}},
        {"one.txt": ONE, "one.txt.next": RANDOM, "two.txt": TWO, "two.txt.next": RANDOM, "single.env": REVISION},
    ),
    "staged anew": (
        {"one.txt": ONE, "one.txt.next": TWO},
        {"secrets": [{"name": "one", "value": THREE}], "state": "staged"},
        {"one.txt": ONE, "one.txt.next": THREE},
    ),
    "promoted": (
        {"one.txt": ONE, "one.txt.next": TWO, "two.txt": TWO, "two.txt.next": THREE, "single.env": "SECRETS=\n"},
        {"secrets": ["one", "two"], "state": "promoted", "revisions": REVISIONS},
        {
            "one.txt": TWO,
            "one.txt.previous": ONE,
            "two.txt": THREE,
            "two.txt.previous": TWO,
            "both.env": REVISION,
            "single.env": REVISION,
        },
    ),
    "finalized": (
        {"one.txt": TWO, "one.txt.previous": ONE, "two.txt": TWO, "two.txt.previous": ONE},
        {"secrets": ["one", "two"], "state": "finalized"},
        {"one.txt": TWO, "two.txt": TWO},
    ),
    "aborted": (
        {"one.txt": ONE, "one.txt.next": TWO, "two.txt": ONE, "two.txt.next": TWO},
        {"secrets": ["one", "two"], "state": "aborted"},
        {"one.txt": ONE, "two.txt": ONE},
    ),
    "aborted in a promotion": (
        {"one.txt": ONE, "one.txt.next": TWO, "one.txt.previous": "LINK"},
        {"state": "aborted"},
        {"one.txt": ONE},
    ),
    "absent": (
        {"one.txt": ONE, "one.txt.next": TWO, "two.txt": TWO, "two.txt.previous": ONE, "three.txt": THREE},
        {"secrets": ["one", "two"], "state": "absent"},
        {"three.txt": THREE},
    ),
    "left over": (
        {"one.txt": ONE, ".one.txt.next.inception-tmp": "half", ".gone.env.inception-tmp": ""},
        {"state": "finalized"},
        {"one.txt": ONE},
    ),
}


class Scene:
    """One of the scenarios in a folder."""

    def __init__(self, name: str, folder: Path, run_module: Any) -> None:
        self.name = name
        self.folder = folder
        self.run_module = run_module
        self.before, more, self.after = SCENARIOS[name]
        given = {"secrets": ["one"], **more}
        self.given = {secret["value"] for secret in given["secrets"] if isinstance(secret, dict)}
        self.options = options(folder, *given.pop("secrets"), **given)

    def arrange(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for name, value in self.before.items():
            if value == "LINK":
                (self.folder / name).hardlink_to(self.folder / "one.txt")
            else:
                put(self.folder / name, value, 0o640 if self.name == "repaired" else 0o400)

    def run(self) -> bool:
        return bool(self.run_module(secrets, self.options)["changed"])

    def check_whole(self) -> None:
        """Each file is one that was there before or will be in the end."""
        for name, value in content(self.folder).items():
            if re.fullmatch(r"\..*\.inception-tmp", name):
                continue
            old, new = self.before.get(name), self.after.get(name)
            if old == "LINK" or (name.endswith(".previous") and self.options.get("state") == "promoted"):
                old = ONE if name.startswith("one") else TWO
            assert value == old or (new is not None and fits(value, new)), (name, value)
        # What is there before and in the end is there at every moment, and so is the current value of a secret.
        kept = self.before.keys() & self.after.keys()
        assert kept <= set(content(self.folder))

    def check_converged(self) -> None:
        found = content(self.folder)
        assert set(found) == set(self.after)
        for name, value in found.items():
            assert fits(value, self.after[name]), (name, value)
            assert mode(self.folder / name) == 0o400
        assert not self.run()


def fits(value: str, expected: str) -> bool:
    return value == expected or (expected in (RANDOM, REVISION) and re.fullmatch(expected, value) is not None)


@pytest.fixture(params=SCENARIOS)
def scene(request: pytest.FixtureRequest, folder: Path, run_module: Any) -> Scene:
    return Scene(request.param, folder, run_module)


def test_uninterrupted(scene: Scene) -> None:
    scene.arrange()
    assert scene.run()
    scene.check_converged()


def test_killed_at_every_call_that_writes(scene: Scene) -> None:
    places: list[tuple[int, str]] = []
    for number, when in killing.deaths(scene.arrange, scene.run):
        places.append((number, when))
        scene.check_whole()
        # What the next run does depends on what is left; that it converges does not.
        scene.run()
        scene.check_converged()
    numbers = {when: [number for number, w in places if w == when] for when in ("before", "in", "after")}
    assert numbers["before"] == numbers["after"]
    # Each file that is new, changed or gone took at least one call, and each that has another content a write.
    assert len(numbers["before"]) >= len(scene.before.keys() ^ scene.after.keys())
    written = {value for value in scene.after.values() if value in (RANDOM, REVISION, *scene.given)}
    assert len(numbers["in"]) >= len(written)


def test_killed_again_and_again(scene: Scene) -> None:
    """Each run gets one call further than the one before it, from what that one left."""
    scene.arrange()
    runs = 1
    while killing.killed(scene.run, runs, "before"):
        scene.check_whole()
        runs += 1
        assert runs < 200
    scene.check_converged()


def test_a_removal_that_was_killed_can_be_taken_back(folder: Path, run_module: Any) -> None:
    """The current file goes last, so that what is left is never the rest of a lost secret, which would be refused."""
    scene = Scene("absent", folder, run_module)
    for _death in killing.deaths(scene.arrange, scene.run):
        run_module(secrets, options(folder, "one", "two", "three"))
        run_module(secrets, options(folder, "one", "two", state="staged"))


def test_a_kill_is_seen_where_files_are_written_in_place(
    folder: Path, run_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same search finds torn files when the module writes like everybody else."""

    def in_place(name: str, folder: int, data: bytes, attributes: _files.Attributes) -> None:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder)
        os.write(descriptor, data)
        attributes.apply(descriptor)
        os.close(descriptor)

    monkeypatch.setattr(_files, "write_file", in_place)
    scene = Scene("replaced", folder, run_module)
    torn = set()
    for _number, when in killing.deaths(scene.arrange, scene.run):
        try:
            scene.check_whole()
        except AssertionError:
            torn.add((when, (folder / "two.txt").read_text()))
    assert torn >= {("before", ""), ("after", ""), ("in", TWO[: len(TWO) // 2])}


SOURCES = ("modules/secrets.py", *(f"module_utils/{name}.py" for name in ("_files", "_secrets", "_secret_files")))
SOURCES += ("module_utils/_secret_values.py",)


def test_every_call_that_writes_is_known(repository: Path) -> None:
    """The module reaches the system through functions of os that the tests know, and in no other way.

    That what they count is all of it is also heard by the audit hook in killing.py.
    """
    used: set[str] = set()
    imported: set[str] = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse((repository / "plugins" / source).read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                used.add(node.attr)
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).removeprefix("ansible_collections.fortytwo.inception.plugins."))
            elif isinstance(node, ast.Name):
                assert node.id not in ("open", "exec", "eval", "__import__")
    functions = {name for name in used if callable(getattr(os, name)) and not isinstance(getattr(os, name), type)}
    assert functions == {*killing.WRITES, *killing.LOOKS}
    assert imported <= {
        *("__future__", "collections", "collections.abc", "contextlib", "dataclasses", "typing"),
        *("errno", "fcntl", "grp", "math", "os", "pwd", "re", "secrets", "stat", "string", "time"),
        *("ansible.module_utils.basic", "module_utils", "module_utils._secret_files", "module_utils._secret_values"),
    }


def test_the_search_hears_of_what_it_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for change in (
        lambda: (tmp_path / "file").write_text("changed"),
        lambda: os.truncate(tmp_path / "file", 0),
        lambda: os.mkdir(tmp_path / "folder"),
        lambda: os.rename(tmp_path / "file", tmp_path / "other"),
    ):
        with pytest.raises(AssertionError, match="3"):
            killing.killed(change, 1, "before")


def _together(count: int, work: Callable[[Any], Any]) -> list[Any]:
    """The results of several processes that begin at the same moment."""
    context = multiprocessing.get_context("fork")
    results, start = context.Queue(), context.Barrier(count)

    def one() -> None:
        start.wait(20)
        results.put(work(None))

    runs = [context.Process(target=one) for _ in range(count)]
    for run in runs:
        run.start()
    found = [results.get(timeout=60) for _ in runs]
    for run in runs:
        run.join(20)
    assert [run.exitcode for run in runs] == [0] * count
    return found


def test_runs_at_the_same_time_agree(scene: Scene) -> None:
    """Of eight runs at once, one does the work, and the others find it done."""
    scene.arrange()
    assert sorted(_together(8, lambda _: scene.run())) == [False] * 7 + [True]
    scene.check_converged()


def test_a_reader_always_finds_a_whole_value(run_module: Any, folder: Path) -> None:
    """While values are replaced in every way by several processes, a service that starts can read its secret."""
    put(folder / "one.txt", ONE)
    ways: list[dict[str, Any]] = [
        {"state": "staged"},
        {"state": "promoted", "revisions": {"service": ["one"]}},
        {"state": "finalized"},
        {"state": "staged"},
        {"state": "aborted"},
        {},
    ]
    end = time.monotonic() + 2

    def rotate(_: Any) -> int:
        rounds = 0
        # On a busy machine a round may take longer than that.
        while time.monotonic() < end or rounds < 2:
            for way in ways:
                run_module(secrets, options(folder, "one", **way))
            rounds += 1
        return rounds

    def read(_: Any) -> set[str]:
        values = set()
        while time.monotonic() < end:
            values.add((folder / "one.txt").read_text())
        return values

    turn = multiprocessing.get_context("fork").Value("i", 0)

    def work(_: Any) -> Any:
        with turn.get_lock():
            turn.value += 1
            reader = turn.value % 2
        return read(None) if reader else rotate(None)

    found = _together(4, work)
    rounds, values = [f for f in found if isinstance(f, int)], [f for f in found if isinstance(f, set)]
    assert min(rounds) > 1
    for seen in values:
        assert len(seen) > 1
        assert all(value == ONE or re.fullmatch(RANDOM, value) for value in seen)
