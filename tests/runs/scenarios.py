# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the scenarios and keep their table, or show which of them are old.

python -m tests.runs.scenarios all [NAME]...   (make test-all)
python -m tests.runs.scenarios stale           (make stale)

scenarios.yml says what there is and which paths each depends on; the table is in docs/tests.md. A result is old when
git's own hashes of these paths are others than when it was last green.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.runs.steps import Line, Step, Steps, conclude, interruptible

ROOT = Path(__file__).resolve().parents[2]
LIST = Path("tests/runs/scenarios.yml")
PAGE = Path("docs/tests.md")
BEGIN, END = "<!-- make test-all writes from here -->", "<!-- to here -->"
COLUMNS = ("scenario", "command", "last result", "seconds", "last green", "commit", "inputs")
NEVER = "-"


@dataclass(frozen=True)
class Scenario:
    """A command, and what decides whether its last result still counts."""

    name: str
    command: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A line of the table. What is never known is a dash."""

    name: str
    command: str
    result: str = NEVER
    seconds: str = NEVER
    green: str = NEVER
    commit: str = NEVER
    inputs: str = NEVER


class Wrong(Exception):
    """Something in the repository is not as needed; the message says what."""


def git(repository: Path, *command: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"git {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def load(text: str) -> list[Scenario]:
    listed = yaml.safe_load(text)
    return [
        Scenario(name, entry["command"], tuple(sorted({*listed["shared"], *entry["inputs"]})))
        for name, entry in listed["scenarios"].items()
    ]


def digest(repository: Path, inputs: Iterable[str]) -> str:
    """Of the hashes that git has of these paths in the last commit."""
    hashes = []
    for path in inputs:
        found = git(repository, "ls-tree", "HEAD", "--", path)
        if not found:
            raise Wrong(f"{path} of {LIST} is not in the last commit")
        hashes.append(found)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:12]


def uncommitted(repository: Path, inputs: Iterable[str]) -> list[str]:
    lines = git(repository, "status", "--porcelain", "--untracked-files=normal", "--", *inputs).splitlines()
    return [line[3:] for line in lines]


def read(page: str) -> dict[str, Row]:
    """The rows between the two marks."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise Wrong(f"{PAGE} needs one line {BEGIN} and one line {END}")
    rows = {}
    for line in page[page.index(BEGIN) + len(BEGIN) : page.index(END)].splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(COLUMNS) and cells[0] not in (COLUMNS[0], "---"):
            rows[cells[0]] = Row(*cells)
    return rows


def write(page: str, rows: Iterable[Row]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    lines += [(row.name, f"`{row.command}`", *dataclasses.astuple(row)[2:]) for row in rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    return f"{before}{BEGIN}\n\n{table}\n\n{after}"


def after_run(row: Row, line: Line, today: datetime.date, commit: str, inputs: str | None) -> Row:
    """With a new result; only a green one of committed inputs is remembered as the last green one."""
    row = dataclasses.replace(row, result=line.result, seconds=NEVER if line.seconds is None else f"{line.seconds:.0f}")
    if line.result != "ok" or inputs is None:
        return row
    return dataclasses.replace(row, green=today.isoformat(), commit=commit, inputs=inputs)


def age(row: Row, now: str, changed: list[str], open_changes: list[str]) -> str:
    """What make stale says of a scenario."""
    if row.green == NEVER:
        return "stale: never green"
    if open_changes:
        return f"stale: not committed: {few(open_changes)}"
    if row.inputs != now:
        return f"stale: green on {row.green} at {row.commit}; since then changed: {few(changed)}"
    return f"green since {row.green}"


def few(paths: list[str], most: int = 3) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more if paths else "what this history does not have"


def changed_since(repository: Path, commit: str, inputs: Iterable[str]) -> list[str]:
    try:
        return git(repository, "diff", "--name-only", commit, "HEAD", "--", *inputs).splitlines()
    except Wrong:
        # It was rewritten since.
        return []


def chosen(scenarios: list[Scenario], names: list[str]) -> list[Scenario]:
    known = {scenario.name for scenario in scenarios}
    if unknown := [name for name in names if name not in known]:
        raise Wrong(f"there is no scenario {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [scenario for scenario in scenarios if not names or scenario.name in names]


def run(repository: Path, scenarios: list[Scenario], names: list[str]) -> int:
    """One after the other, all of them also after a failure; then the table."""
    interruptible()
    wanted = chosen(scenarios, names)
    # What is tested is what is there when it begins.
    commit = git(repository, "rev-parse", "--short", "HEAD").strip()
    inputs = {
        scenario.name: None if uncommitted(repository, scenario.inputs) else digest(repository, scenario.inputs)
        for scenario in wanted
    }
    steps = [Step(scenario.name, scenario.command) for scenario in wanted]
    cache = Path.home() / ".cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="steps-", dir=cache) as folder:
        runs = Steps(steps, Path(folder), lambda line: print(line, flush=True), at_a_time=1, keep_going=True)
        try:
            well = runs.run()
        except KeyboardInterrupt:
            runs.stop()
            well = False
        lines = {line.name: line for line in runs.lines() if line.began is not None}
        conclude(runs.lines(), [], runs.spent, sys.stdout, None)
    page = (repository / PAGE).read_text(encoding="utf-8")
    rows = table_of(scenarios, read(page))
    today = datetime.datetime.now(datetime.UTC).date()
    rows = [
        after_run(row, lines[row.name], today, commit, inputs[row.name]) if row.name in lines else row for row in rows
    ]
    (repository / PAGE).write_text(write(page, rows), encoding="utf-8")
    return 0 if well else 1


def table_of(scenarios: list[Scenario], rows: Mapping[str, Row]) -> list[Row]:
    """A row for each scenario in the order of the list; those of scenarios that are no more go."""
    return [
        dataclasses.replace(rows.get(scenario.name, Row(scenario.name, "")), command=scenario.command)
        for scenario in scenarios
    ]


def stale(repository: Path, scenarios: list[Scenario]) -> int:
    rows = table_of(scenarios, read((repository / PAGE).read_text(encoding="utf-8")))
    for scenario, row in zip(scenarios, rows, strict=True):
        said = age(
            row,
            digest(repository, scenario.inputs),
            changed_since(repository, row.commit, scenario.inputs) if re.fullmatch("[0-9a-f]+", row.commit) else [],
            uncommitted(repository, scenario.inputs),
        )
        print(f"{scenario.name:<10} {scenario.command:<20} {said}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.runs.scenarios", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("do", choices=["all", "stale"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    scenarios = load((ROOT / LIST).read_text(encoding="utf-8"))
    try:
        return run(ROOT, scenarios, asked.names) if asked.do == "all" else stale(ROOT, chosen(scenarios, asked.names))
    except Wrong as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
