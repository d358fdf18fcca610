# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the scenarios: which are there, how a result is written and read, and when it is old."""

from __future__ import annotations

import datetime
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.runs import scenarios
from ansible_collections.fortytwo.inception.tests.runs.scenarios import BEGIN, END, Row, Scenario, Wrong
from ansible_collections.fortytwo.inception.tests.runs.steps import Line

TODAY = datetime.date(2026, 11, 27)
PAGE = f"# Before\n\n{BEGIN}\n{END}\n\nAfter.\n"
LIST = """\
shared: [roles]
scenarios:
  one: {command: "test -e roles/ok", inputs: [molecule/one]}
  two: {command: "true", inputs: [molecule/two]}
"""
# Made by make bench, which verifies nothing.
OF_THE_BENCHMARK = {"bench"}


def git(folder: Path, *command: str) -> str:
    names = ["-c", "user.name=wil", "-c", "user.email=wil@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *names, *command], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with two scenarios, and a home of its own."""
    for path, content in {
        "roles/ok": "",
        "molecule/one/molecule.yml": "one",
        "molecule/two/molecule.yml": "two",
        "docs/tests.md": PAGE,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    home = tmp_path.parent / f"{tmp_path.name}-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(place: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert scenarios.stale(place, scenarios.load(LIST)) == 0
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()}


def ran(place: Path, *names: str) -> int:
    done = scenarios.run(place, scenarios.load(LIST), list(names))
    commit(place)
    return done


class TestList:
    def test_every_scenario_is_on_it(self, repository: Path) -> None:
        listed = {scenario.name for scenario in scenarios.load((repository / scenarios.LIST).read_text())}
        there = {path.parent.name for path in (repository / "molecule").glob("*/molecule.yml")}
        assert there - OF_THE_BENCHMARK - listed == set()

    def test_its_commands_and_paths_are_there(self, repository: Path) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
        for scenario in scenarios.load((repository / scenarios.LIST).read_text()):
            make, target = scenario.command.split()
            assert make == "make"
            assert target in targets
            assert [path for path in scenario.inputs if not (repository / path).exists()] == []

    def test_the_page_has_its_marks(self, repository: Path) -> None:
        scenarios.read((repository / scenarios.PAGE).read_text(encoding="utf-8"))

    def test_a_name_that_is_none(self) -> None:
        with pytest.raises(Wrong, match="there is no scenario three; there are one, two"):
            scenarios.chosen(scenarios.load(LIST), ["one", "three"])


class TestTable:
    ROWS = (
        Row("one", "make test-one", "ok", "61", "2026-11-27", "abc1234", "0123456789ab"),
        Row("two", "make test-two", "failed (2)", "5"),
    )

    def test_is_read_as_written(self) -> None:
        page = scenarios.write(PAGE, self.ROWS)
        assert scenarios.read(page) == {row.name: row for row in self.ROWS}
        assert page.startswith("# Before\n\n")
        assert page.endswith("\n\nAfter.\n")
        assert scenarios.write(page, self.ROWS) == page

    @pytest.mark.parametrize("page", ["", BEGIN, PAGE + PAGE])
    def test_a_page_without_its_marks(self, page: str) -> None:
        with pytest.raises(Wrong, match="needs one line"):
            scenarios.read(page)

    @pytest.mark.parametrize(
        ("line", "inputs", "expected"),
        [
            (Line("one", 0, 60.6, "ok"), "new", Row("one", "c", "ok", "61", "2026-11-27", "head", "new")),
            (Line("one", 0, 60.6, "failed (2)"), "new", Row("one", "c", "failed (2)", "61", "before", "then", "old")),
            # What is not committed cannot be found again.
            (Line("one", 0, 60.6, "ok"), None, Row("one", "c", "ok", "61", "before", "then", "old")),
        ],
    )
    def test_only_green_is_remembered(self, line: Line, inputs: str | None, expected: Row) -> None:
        before = Row("one", "c", "ok", "1", "before", "then", "old")
        assert scenarios.after_run(before, line, TODAY, "head", inputs) == expected


class TestRun:
    def test_all_run_also_after_a_failure(self, place: Path) -> None:
        (place / "roles/ok").rename(place / "roles/no")
        commit(place)
        assert ran(place) == 1
        rows = scenarios.read((place / "docs/tests.md").read_text())
        assert {name: row.result for name, row in rows.items()} == {"one": "failed (1)", "two": "ok"}
        assert rows["one"].green == "-"

    def test_the_others_stay_as_they_were(self, place: Path) -> None:
        ran(place)
        before = scenarios.read((place / "docs/tests.md").read_text())
        assert ran(place, "two") == 0
        assert scenarios.read((place / "docs/tests.md").read_text())["one"] == before["one"]


class TestStale:
    def test_never_then_green_then_changed(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert told(place, capsys)["one"].endswith("stale: never green")
        assert ran(place) == 0
        assert [word.split()[-3] for word in told(place, capsys).values()] == ["green", "green"]
        (place / "molecule/one/molecule.yml").write_text("changed")
        assert told(place, capsys)["one"].endswith("stale: not committed: molecule/one/molecule.yml")
        commit(place)
        now = told(place, capsys)
        assert now["one"].endswith("since then changed: molecule/one/molecule.yml")
        assert "green since" in now["two"]
        (place / "roles/new").touch()
        commit(place)
        assert all("roles/new" in line for line in told(place, capsys).values())

    def test_a_commit_that_is_gone(self) -> None:
        row = Row("one", "c", "ok", "1", "2026-11-27", "abc1234", "old")
        assert scenarios.age(row, "new", [], []).endswith("since then changed: what this history does not have")

    def test_many_paths_are_counted(self) -> None:
        assert scenarios.few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"

    def test_a_path_that_is_not_there(self, place: Path) -> None:
        with pytest.raises(Wrong, match=r"molecule/three of .* is not in the last commit"):
            scenarios.digest(place, Scenario("three", "true", ("molecule/three",)).inputs)
