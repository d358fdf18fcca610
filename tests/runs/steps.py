# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands, some side by side, and say in one table what each took.

python3 -m tests.runs.steps FILE [--table FILE] [--spent NAME=SECONDS]...

FILE has a step a line: name, the names of the steps that it waits for (with commas, or -), and a command for the
shell; what is begun first stands first. Two steps run at a time. What a step says goes into a file of its own and is
shown when the steps before it are shown. STEP_DIR is a folder of the step's own outside /tmp. After a failure nothing
new is begun, what runs goes on to its end (a scenario destroys its machine there). Only Python's own library is used:
the virtual environment is not there yet.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

AT_A_TIME = 2
HEARTBEAT = 60.0
# Words with which pytest, Ansible, molecule, make and the shell begin the line that says why.
WHY = re.compile(r"^(?:E {2,}\S|(?:FAILED|fatal|failed|unreachable|ERROR|CRITICAL)\b|make: \*\*\*|AssertionError)")


@dataclass(frozen=True)
class Step:
    """One command, and what has to be over before it."""

    name: str
    command: str
    after: tuple[str, ...] = ()


@dataclass
class Run:
    """A step that was begun."""

    step: Step
    log: Path
    process: subprocess.Popen[bytes]
    began: float
    ended: float | None = None

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self.ended is None else self.ended) - self.began

    @property
    def result(self) -> str:
        code = self.process.returncode
        return "runs" if code is None else "ok" if code == 0 else f"failed ({code})"


@dataclass(frozen=True)
class Line:
    """A line of the table: when a step began, what it took, how it ended."""

    name: str
    began: float | None
    seconds: float | None
    result: str


def parse(text: str) -> list[Step]:
    """The steps of a file; a step waits for steps above it only, so that none waits for ever."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split(maxsplit=2)
        if len(words) != 3:
            raise ValueError(
                f"line {number}: name, what it waits for and a command are needed, as in: unit venv make unit"
            )
        name, waits, command = words
        after = () if waits == "-" else tuple(waits.split(","))
        known = {step.name for step in steps}
        if name in known:
            raise ValueError(f"line {number}: there is a step {name} already")
        if unknown := [other for other in after if other not in known]:
            raise ValueError(f"line {number}: {name} waits for {', '.join(unknown)}, which is not above it")
        steps.append(Step(name, command, after))
    return steps


def ready(steps: Iterable[Step], begun: Iterable[str], passed: Iterable[str]) -> list[Step]:
    """What can be begun, the first one first."""
    was, well = set(begun), set(passed)
    return [step for step in steps if step.name not in was and well.issuperset(step.after)]


def table(lines: Sequence[Line]) -> str:
    """Widths of the widest; times in whole seconds from the start."""

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    rows = [("step", "began", "seconds", "result")]
    rows += [(line.name, cell(line.began), cell(line.seconds), line.result) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {began:>{widths[1]}}  {seconds:>{widths[2]}}  {result}"
        for name, began, seconds, result in rows
    )


@dataclass
class Steps:
    """Runs them; `say` gets each line for the reader."""

    steps: Sequence[Step]
    folder: Path
    say: Callable[[str], None]
    at_a_time: int = AT_A_TIME
    heartbeat: float = HEARTBEAT
    keep_going: bool = False
    origin: float = field(default_factory=time.monotonic)
    runs: dict[str, Run] = field(default_factory=dict)
    shown: int = 0

    def run(self) -> bool:
        """All of them, or up to the first failure."""
        said = time.monotonic()
        while True:
            self._begin()
            running = [run for run in self.runs.values() if run.ended is None]
            if not running:
                break
            if self._look(running):
                said = time.monotonic()
            elif time.monotonic() - said >= self.heartbeat:
                said = time.monotonic()
                self.say(
                    "--- "
                    + "; ".join(f"{run.step.name}, {run.seconds:.0f} s: {last_words(run.log)}" for run in running)
                )
            time.sleep(0.1)
        self._show(everything=True)
        return all(self._passed(step.name) for step in self.steps)

    def stop(self) -> None:
        """Whoever interrupts the whole interrupts each: molecule then destroys what it made."""
        for run in self.runs.values():
            if run.process.poll() is None:
                os.killpg(run.process.pid, signal.SIGINT)
        for run in self.runs.values():
            run.process.wait()
            run.ended = run.ended or time.monotonic()
        self._show(everything=True)

    @property
    def spent(self) -> float:
        return time.monotonic() - self.origin

    def lines(self) -> list[Line]:
        return [self._line(step) for step in self.steps]

    def failures(self) -> dict[str, list[str]]:
        """Why a step failed, by its name."""
        return {
            name: reasons(run.log)
            for name, run in self.runs.items()
            if run.ended is not None and run.process.returncode
        }

    def _passed(self, name: str) -> bool:
        return name in self.runs and self.runs[name].process.returncode == 0

    def _begin(self) -> None:
        running = [run for run in self.runs.values() if run.ended is None]
        if not self.keep_going and any(run.process.returncode for run in self.runs.values() if run.ended is not None):
            return
        free = self.at_a_time - len(running)
        for step in ready(self.steps, self.runs, filter(self._passed, self.runs))[:free]:
            log = self.folder / f"{step.name}.log"
            own = self.folder / step.name
            own.mkdir()
            with log.open("wb") as output, undisturbed():
                process = subprocess.Popen(
                    ["bash", "-c", step.command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, "STEP_DIR": str(own)},
                )
                self.runs[step.name] = Run(step, log, process, time.monotonic())
            self.say(f"--- {step.name} begins after {self.spent:.0f} s: {step.command}")

    def _look(self, running: Iterable[Run]) -> bool:
        over = [run for run in running if run.process.poll() is not None]
        for run in over:
            run.ended = time.monotonic()
            self.say(f"--- {run.step.name} is over: {run.result} after {run.seconds:.0f} s")
        if over:
            self._show()
        return bool(over)

    def _show(self, everything: bool = False) -> None:
        """What was said, in the order of the steps; in the end also beside gaps."""
        for step in self.steps[self.shown :]:
            run = self.runs.get(step.name)
            if run is None or run.ended is None:
                if not everything:
                    return
            else:
                self.say(f"\n=== {step.name}: {run.result}, {run.seconds:.0f} s")
                self.say(run.log.read_text(encoding="utf-8", errors="replace").rstrip())
            self.shown += 1

    def _line(self, step: Step) -> Line:
        run = self.runs.get(step.name)
        if run is None:
            return Line(step.name, None, None, "not begun")
        return Line(step.name, run.began - self.origin, run.seconds, run.result)


def last_words(log: Path, most: int = 100) -> str:
    """The last line of a log, short."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:most] if lines else "..."


def reasons(log: Path, most: int = 25, length: int = 200, below: int = 60) -> list[str]:
    """The last lines of a log that say why it failed; those of others are between them in thousands.

    What Ansible lays out below a failure, indented, is part of it: its last `below` lines.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found: list[list[str]] = []
    for number, line in enumerate(lines):
        if not WHY.match(line.strip()):
            continue
        found.append([line.strip()[:length]])
        if line.startswith("fatal: ") and line.rstrip().endswith("=>"):
            laid_out = itertools.takewhile(lambda said: not said.strip() or said[0] == " ", lines[number + 1 :])
            found[-1] += [said.rstrip()[:length] for said in laid_out if said.strip()][-below:]
    return [line for one in found[-most:] for line in one]


@contextmanager
def undisturbed() -> Iterator[None]:
    """A signal waits: who interrupts the whole interrupts what it knows, and what is begun shall be known."""
    came: list[int] = []
    former = {
        one: signal.signal(one, lambda number, _frame: came.append(number)) for one in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)
    for number in came:
        signal.raise_signal(number)


def interruptible() -> None:
    """Both signals end it. What a shell puts into the background has SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def conclude(lines: Sequence[Line], spent: Sequence[Line], total: float, to: IO[str], path: Path | None) -> None:
    """The table, on the screen and as a file."""
    text = table([*spent, *lines, Line("all", 0, total, "")])
    print(f"\n=== What took how long\n{text}", file=to, flush=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.runs.steps", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--spent", action="append", default=[], metavar="NAME=SECONDS", help="what was done before")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    spent: list[Line] = []
    for text in asked.spent:
        name, _, seconds = text.partition("=")
        spent.append(Line(name, sum(line.seconds or 0 for line in spent), float(seconds), "ok"))
    before = sum(line.seconds or 0 for line in spent)
    steps = parse(asked.file.read_text(encoding="utf-8"))
    interruptible()
    # A short path: sockets below it have 107 letters at most.
    cache = Path.home() / ".cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="steps-", dir=cache) as folder:
        runs = Steps(steps, Path(folder), lambda line: print(line, flush=True), origin=time.monotonic() - before)
        well = False
        try:
            well = runs.run()
        except KeyboardInterrupt:
            print("--- interrupted: what runs is ended", flush=True)
            runs.stop()
        finally:
            conclude(runs.lines(), spent, runs.spent, sys.stdout, asked.table)
            # Last of all: of a long log, the end is what one sees.
            for name, why in runs.failures().items():
                print("\n".join([f"\n=== Why {name} failed", *why]), flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
