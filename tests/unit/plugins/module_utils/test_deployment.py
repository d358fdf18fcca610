# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment is kept, refused or gives way; and one that was cut off is gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _backup, _deployment, _program
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._deployment import Deployment, Wish, resume, roll_back
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import Failure
from ansible_collections.fortytwo.inception.plugins.module_utils._history import File, History
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import GivenUp
from ansible_collections.fortytwo.inception.plugins.module_utils._takeover import Plan

ENV = "srcs/.env"


class SwitchedOff(BaseException):
    """Nobody is left to clean up."""


class Machine:
    """What runs is the number in .env; so a plan is empty when that is what runs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        (self.root / "srcs").mkdir(parents=True)
        self.manifest = folder / "manifest.json"
        self.history = History(folder / "history")
        self.runs = ""
        # What a trial and a take-over do with a number: fail, or are cut off.
        self.at_trial: dict[str, BaseException] = {}
        self.at_take: dict[str, BaseException] = {}
        # What each take-over that ended well was followed by.
        self.finished: list[str] = []

    def write(self, number: str) -> None:
        (self.root / ENV).write_text(f"NUMBER={number}\n")
        self.manifest.write_text(f'{{"path": "{self.root}", "files": ["{ENV}"]}}')

    def wanted(self) -> str:
        return (self.root / ENV).read_text().strip()[7:]

    def takeover(self, _deployment: Any) -> Any:
        def end(what: dict[str, BaseException]) -> None:
            if error := what.pop(self.wanted(), None):
                raise error

        def try_out(_plan: Plan) -> None:
            end(self.at_trial)

        def take(_plan: Plan) -> None:
            if self.wanted() in self.at_take:
                self.runs = f"half {self.wanted()}"
            end(self.at_take)
            self.runs = self.wanted()

        return SimpleNamespace(
            stack=SimpleNamespace(missing=list, build=lambda names: None, described={}, warnings=[]),
            plan=lambda: Plan() if self.runs == self.wanted() else Plan(absent=["site"]),
            remove_trials=lambda: None,
            when_started=lambda plan: plan,
            let_in=lambda: None,
            containers=lambda: [SimpleNamespace(running=bool(self.runs))],
            connect=lambda plan: None,
            up=lambda: take(Plan()),
            try_out=try_out,
            take=take,
            finish=lambda: self.finished.append(self.runs),
        )

    def deploy(self, number: str) -> Any:
        self.write(number)
        return Deployment(Wish(str(self.root), str(self.manifest), []), "wil", "deployment", self.history, print).run()

    def results(self) -> list[tuple[int, str, str]]:
        return [(one.number, one.what, one.result) for one in self.history.entries()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path)
    monkeypatch.setattr(Deployment, "takeover", lambda work: made.takeover(work))
    monkeypatch.setattr(_deployment, "running_now", lambda project: {(made.runs, "")})
    monkeypatch.setattr(_deployment, "remove_images", lambda stack, history: None)
    monkeypatch.setattr(_deployment, "refusal", lambda entry, history, files: "")
    monkeypatch.setattr(_program, "watch_later", lambda number, root: None)
    yield made
    assert made.runs == made.wanted()
    assert not made.history.under_way()


def bad(what: str) -> GivenUp:
    return GivenUp(Failure(what=what))


def test_what_is_well_is_kept_and_the_second_run_does_nothing(machine: Machine) -> None:
    assert machine.deploy("1").changed
    assert not machine.deploy("1").changed
    assert machine.results() == [(1, "deployment", "kept")]
    assert machine.finished == ["1"]


def test_whether_there_is_anything_to_do(machine: Machine) -> None:
    def settled() -> int:
        wish = Wish(str(machine.root), str(machine.manifest), [])
        return Deployment(wish, "wil", "deployment", machine.history, print).settled()

    machine.write("1")
    assert settled() == 0
    machine.deploy("1")
    assert settled() == 1
    machine.runs = ""
    assert settled() == 0
    machine.write("2")
    machine.runs = "2"
    assert settled() == 0
    machine.deploy("2")
    assert settled() == 2


def test_what_fails_in_its_trial_has_changed_nothing(machine: Machine) -> None:
    machine.deploy("1")
    machine.at_trial = {"2": bad("it is not well")}
    with pytest.raises(GivenUp) as failure:
        machine.deploy("2")
    assert failure.value.failure.what.startswith("it is not well\nNothing was replaced: deployment 1")
    assert (machine.wanted(), machine.results()[-1]) == ("1", (2, "deployment", "refused"))


DATABASE = [{"name": "mariadb", "volumes": [{"name": "mariadb"}]}, {"name": "nginx", "volumes": []}]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"mariadb": "FROM debian:bookworm"}, {"mariadb": "FROM debian:trixie"}, ["mariadb"]),
        ({"mariadb": "FROM debian:bookworm"}, {"mariadb": "FROM debian:bookworm"}, []),
        ({"bonus/mariadb": "FROM a"}, {"bonus/mariadb": "FROM b"}, ["mariadb"]),
        ({"nginx": "FROM a"}, {"nginx": "FROM b"}, []),
        ({}, {"mariadb": "FROM a"}, []),
    ],
)
def test_which_services_with_data_are_built_in_another_way(
    before: dict[str, str], now: dict[str, str], found: list[str]
) -> None:
    files = [
        {f"srcs/requirements/{name}/Dockerfile": File(text.encode(), 0o644) for name, text in one.items()}
        for one in (before, now)
    ]
    assert _deployment.built_anew(DATABASE, *files) == found


def test_a_backup_comes_before_what_cannot_be_undone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the trial, before anything is replaced; where it fails, nothing is."""
    asked: list[str] = []
    fails = [BackupProblem("the storage is full")]

    def before(history: History, who: str, why: str, tell: Any) -> None:
        asked.append(f"{why}, {machine.runs} runs")
        if fails:
            raise fails.pop()

    monkeypatch.setattr(_deployment, "built_anew", lambda services, former, files: ["mariadb"])
    monkeypatch.setattr(_backup, "before", before)
    machine.deploy("1")
    assert asked == []
    machine.at_trial = {"2": bad("it is not well")}
    with pytest.raises(GivenUp, match="it is not well"):
        machine.deploy("2")
    assert asked == []
    with pytest.raises(GivenUp) as failure:
        machine.deploy("2")
    assert "could not be backed up: the storage is full\nNothing was replaced" in failure.value.failure.what
    assert (machine.wanted(), machine.runs) == ("1", "1")
    machine.deploy("2")
    assert asked == ["before another mariadb, 1 runs"] * 2


def test_what_fails_later_gives_way(machine: Machine) -> None:
    machine.deploy("1")
    machine.at_take = {"2": bad("it is not well")}
    with pytest.raises(GivenUp) as failure:
        machine.deploy("2")
    assert failure.value.failure.what.startswith("it is not well\nIt gave way: deployment 1")
    assert (machine.wanted(), machine.results()[-1]) == ("1", (2, "deployment", "gave way"))


@pytest.mark.parametrize("when", ["at_trial", "at_take"])
def test_what_goes_on_puts_its_own_back(machine: Machine, when: str) -> None:
    """What was given up may have left something on a volume, though nothing that ran was replaced."""
    machine.deploy("1")
    setattr(machine, when, {"2": bad("it is not well")})
    with pytest.raises(GivenUp):
        machine.deploy("2")
    assert machine.finished == ["1", "1"]


def test_a_deployment_that_was_cut_off_is_gone_on_with(machine: Machine) -> None:
    machine.deploy("1")
    machine.at_take = {"2": SwitchedOff()}
    with pytest.raises(SwitchedOff):
        machine.deploy("2")
    assert machine.runs == "half 2"
    # It was tried already, and somebody waits.
    machine.at_trial = {"2": AssertionError("tried again")}
    resume(machine.history, print)
    assert (machine.runs, machine.results()[-1]) == ("2", (2, "deployment", "kept"))


def test_it_gives_way_then_as_ever(machine: Machine) -> None:
    machine.deploy("1")
    machine.at_take = {"2": SwitchedOff()}
    with pytest.raises(SwitchedOff):
        machine.deploy("2")
    machine.at_take = {"2": bad("it is not well")}
    with pytest.raises(GivenUp):
        resume(machine.history, print)
    assert (machine.runs, machine.results()[-1]) == ("1", (2, "deployment", "gave way"))


def test_giving_way_that_was_cut_off_is_gone_on_with(machine: Machine) -> None:
    machine.deploy("1")
    machine.at_take = {"2": bad("it is not well"), "1": SwitchedOff()}
    with pytest.raises(SwitchedOff):
        machine.deploy("2")
    assert machine.runs == "half 1"
    resume(machine.history, print)
    assert (machine.runs, machine.results()[-1]) == ("1", (2, "deployment", "gave way"))
    assert machine.history.entries()[-1].said == "it is not well"


def test_a_rollback_that_was_cut_off_is_gone_on_with(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the project's files are the former ones only in part."""
    machine.deploy("1")
    machine.deploy("2")

    def cut_off(_project: Any, _files: Any) -> None:
        raise SwitchedOff

    with monkeypatch.context() as patched:
        patched.setattr(_deployment.Project, "restore", cut_off)
        with pytest.raises(SwitchedOff):
            roll_back(machine.history, None, "wil", print)
    resume(machine.history, print)
    assert (machine.runs, machine.results()[-1]) == ("1", (3, "rollback to 1", "kept"))


@pytest.mark.parametrize(("before", "waits"), [(None, True), (set(), False), ({("1", "")}, False)])
def test_who_gives_way_waits_for_starts_only_when_it_goes_on_with_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, before: set[tuple[str, str]] | None, waits: bool
) -> None:
    """What was given up a moment ago hangs, maybe, and visitors wait."""
    machine.deploy("1")
    machine.deploy("2")
    made, asked = machine.takeover(None), []

    def when_started(plan: Plan) -> Plan:
        asked.append(plan)
        return plan

    made.when_started = when_started
    monkeypatch.setattr(Deployment, "takeover", lambda work: made)
    work = Deployment(Wish(str(machine.root), str(machine.manifest), []), "wil", "deployment", machine.history, print)
    work.give_way(machine.history.entries()[0], before)
    assert (machine.runs, bool(asked)) == ("1", waits)


def test_one_that_was_killed_while_it_gave_way_and_is_begun_again_gives_way(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By systemd, with the same question: the project's files are the former ones by then."""
    machine.deploy("1")
    machine.at_take = {"2": bad("it is not well")}

    def killed(work: Deployment, former: Any, _before: Any) -> bool:
        work.project.restore(machine.history.files(former.number))
        raise SwitchedOff

    with monkeypatch.context() as patched:
        patched.setattr(Deployment, "give_way", killed)
        with pytest.raises(SwitchedOff):
            machine.deploy("2")
    assert (machine.runs, machine.wanted()) == ("half 2", "1")
    question = {"wish": asdict(Wish(str(machine.root), str(machine.manifest), [])), "who": "wil", "what": "deployment"}
    with pytest.raises(GivenUp, match=r"it is not well\nIt gave way: deployment 1 runs again"):
        _program.deploy(question, machine.history, machine.root, print)
    assert (machine.runs, machine.results()[-1]) == ("1", (2, "deployment", "gave way"))
    # Another one's wish is its own.
    machine.write("3")
    assert _program.deploy(question, machine.history, machine.root, print)["changed"]


def test_what_another_run_has_begun_to_write_is_its_own(machine: Machine) -> None:
    machine.deploy("1")
    machine.at_take = {"2": SwitchedOff()}
    with pytest.raises(SwitchedOff):
        machine.deploy("2")
    said = _deployment.interrupted(machine.history, _deployment.Project(str(machine.root), str(machine.manifest)))
    assert said.startswith("deployment 2 by wil of")
    machine.write("half of 3")
    resume(machine.history, print)
    assert machine.runs == "half 2"
    machine.deploy("3")


def test_nothing_to_go_on_with(machine: Machine) -> None:
    machine.deploy("1")
    resume(machine.history, print)
    assert machine.results() == [(1, "deployment", "kept")]


@pytest.mark.parametrize(
    ("there", "gone"),
    [
        (["site:1", "site:2", "site:3"], ["site:1"]),
        (["site:2", "site:3"], []),
        (["site:1", "<none>:<none>", "site:3"], ["site:1"]),
    ],
)
def test_what_images_that_go_were_built_from_has_a_bound(there: list[str], gone: list[str]) -> None:
    asked: list[tuple[str, ...]] = []

    def ask(*argv: str, check: bool = True) -> str:
        asked.append(argv)
        return "\n".join(there)

    stack = SimpleNamespace(ask=ask, described={"site": {"image": "site:3"}}, project="p")
    kept = SimpleNamespace(kept=lambda: [SimpleNamespace(images={"site": "site:2"})])
    _deployment.remove_images(stack, kept)
    prune = ("builder", "prune", "--force", "--keep-storage", "2GB")
    assert asked[1:] == ([("image", "rm", *gone), prune] if gone else [])
