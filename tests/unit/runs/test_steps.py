# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a run: what waits for what, what is shown in which order, and what a failure leaves."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.tests.runs import steps
from ansible_collections.fortytwo.inception.tests.runs.steps import Line, Step, Steps


def ran(tmp_path: Path, *wanted: Step, at_a_time: int = 2) -> tuple[bool, Steps, list[str]]:
    said: list[str] = []
    runs = Steps(wanted, tmp_path, said.append, at_a_time=at_a_time)
    return runs.run(), runs, said


def results(runs: Steps) -> dict[str, str]:
    return {line.name: line.result for line in runs.lines()}


class TestParse:
    def test_of_this_repository(self, repository: Path) -> None:
        found = steps.parse((repository / ".ci/steps").read_text(encoding="utf-8"))
        assert found[0] == Step("venv", "make .venv/ready-dev")
        assert {"corpus", "default", "secrets", "vm"} <= {step.name for step in found}

    def test_words_and_comments(self) -> None:
        assert steps.parse("# no step\n\na - one  two\nb  a true\nc a,b true\n") == [
            Step("a", "one  two"),
            Step("b", "true", ("a",)),
            Step("c", "true", ("a", "b")),
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a -", "line 1: name, what it waits for and a command are needed"),
            ("a - true\na - true", "line 2: there is a step a already"),
            ("a b true\nb - true", "line 1: a waits for b, which is not above it"),
            ("a a true", "a waits for a"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            steps.parse(text)


class TestReady:
    STEPS = (Step("a", ""), Step("b", "", ("a",)), Step("c", "", ("a", "b")), Step("d", ""))

    @pytest.mark.parametrize(
        ("begun", "passed", "names"),
        [
            ([], [], ["a", "d"]),
            (["a"], [], ["d"]),
            (["a", "d"], ["a"], ["b"]),
            (["a", "b"], ["a"], ["d"]),
            (["a", "b", "d"], ["a", "b"], ["c"]),
        ],
    )
    def test_what_can_be_begun(self, begun: list[str], passed: list[str], names: list[str]) -> None:
        assert [step.name for step in steps.ready(self.STEPS, begun, passed)] == names


class TestRun:
    def test_two_at_a_time_and_what_they_wait_for(self, tmp_path: Path) -> None:
        first = Step("first", 'timeout 60 sh -c \'until [ -e "$0" ]; do sleep 0.05; done\' "$STEP_DIR/../here"')
        second = Step("second", 'touch "$STEP_DIR/../here"')
        third = Step("third", 'test -e "$STEP_DIR/../here"', ("first",))
        well, runs, _ = ran(tmp_path, first, second, third)
        assert well
        assert results(runs) == {"first": "ok", "second": "ok", "third": "ok"}

    def test_one_at_a_time(self, tmp_path: Path) -> None:
        well, _, _ = ran(
            tmp_path,
            Step("first", 'sleep 0.3; test ! -e "$STEP_DIR/../here"'),
            Step("second", 'touch "$STEP_DIR/../here"'),
            at_a_time=1,
        )
        assert well

    def test_output_is_in_order(self, tmp_path: Path) -> None:
        _, _, said = ran(
            tmp_path, Step("slow", "sleep 0.5; echo of slow; echo error >&2"), Step("quick", "echo of quick")
        )
        shown = [line for line in said if not line.startswith("---")]
        assert [line.strip() for line in shown if not line.startswith("\n===")] == ["of slow\nerror", "of quick"]

    def test_each_has_a_folder_and_no_input(self, tmp_path: Path) -> None:
        well, _, said = ran(tmp_path, Step("one", 'cat; cd "$STEP_DIR" && pwd'))
        assert well
        assert said[-1] == str(tmp_path / "one")

    def test_after_a_failure_what_runs_goes_on_and_nothing_new_is_begun(self, tmp_path: Path) -> None:
        well, runs, said = ran(
            tmp_path,
            Step("goes-on", 'sleep 0.5; touch "$STEP_DIR/../destroyed"'),
            Step("fails", "echo because; exit 3"),
            Step("never", 'touch "$STEP_DIR/../never"'),
            Step("waits", "true", ("fails",)),
        )
        assert not well
        assert results(runs) == {"goes-on": "ok", "fails": "failed (3)", "never": "not begun", "waits": "not begun"}
        assert (tmp_path / "destroyed").exists()
        assert not (tmp_path / "never").exists()
        assert "because" in said

    def test_all_of_them_where_that_is_wanted(self, tmp_path: Path) -> None:
        runs = Steps([Step("fails", "exit 3"), Step("next", "true")], tmp_path, [].append, keep_going=True)
        assert not runs.run()
        assert results(runs) == {"fails": "failed (3)", "next": "ok"}

    def test_what_ran_beside_a_gap_is_shown(self, tmp_path: Path) -> None:
        _, _, said = ran(
            tmp_path, Step("fails", "exit 1"), Step("waits", "true", ("fails",)), Step("beside", "sleep 0.3; echo seen")
        )
        assert "seen" in said

    def test_a_long_step_is_heard_of(self, tmp_path: Path) -> None:
        said: list[str] = []
        Steps([Step("long", "echo at work; sleep 1")], tmp_path, said.append, heartbeat=0.2).run()
        assert [line for line in said if line.startswith("--- long, ") and line.endswith("at work")]

    def test_ends_with_its_table_where_sigint_was_ignored(self, repository: Path, tmp_path: Path) -> None:
        """As in the background of a shell; and the step itself is interrupted too, to clean up."""
        wanted = """long - cd "$HOME"; trap 'touch destroyed; exit 9' INT; touch began; sleep 60 & wait"""
        (tmp_path / "steps").write_text(wanted)
        command = [sys.executable, "-m", "tests.runs.steps", str(tmp_path / "steps"), f"--table={tmp_path}/table"]
        with subprocess.Popen(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command],
            cwd=repository,
            env={**os.environ, "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
        ) as process:
            deadline = time.monotonic() + 60
            while not (tmp_path / "began").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.terminate()
            assert process.stdout
            assert b"interrupted" in process.stdout.read()
        assert process.returncode == 1
        assert (tmp_path / "destroyed").exists()
        assert "failed (9)" in (tmp_path / "table").read_text()

    def test_what_begins_as_the_whole_is_interrupted_is_interrupted_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        began = []
        step = Step("one", f"cd {tmp_path}; trap 'touch destroyed; exit 9' INT; : >began; sleep 60 & wait")

        class Popen(subprocess.Popen[bytes]):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                began.append(self)
                deadline = time.monotonic() + 60
                while not (tmp_path / "began").exists() and time.monotonic() < deadline:
                    time.sleep(0.05)
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(steps.subprocess, "Popen", Popen)
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            runs = Steps([step], tmp_path, lambda line: None)
            with pytest.raises(KeyboardInterrupt):
                runs.run()
            runs.stop()
            assert began[0].poll() == 9
            assert (tmp_path / "destroyed").exists()
        finally:
            signal.signal(signal.SIGINT, former)
            if began[0].poll() is None:
                os.killpg(began[0].pid, signal.SIGKILL)
                began[0].wait()


class TestTable:
    LINES = (
        Line("venv", 19, 40.4, "ok"),
        Line("secrets", 59.6, 223, "failed (2)"),
        Line("vm", None, None, "not begun"),
    )

    def test_is_on_the_screen_and_in_a_file(self, tmp_path: Path) -> None:
        screen, path = io.StringIO(), tmp_path / "new/table.txt"
        steps.conclude(self.LINES, [Line("packages", 0, 19, "ok")], 283, screen, path)
        expected = (
            "step      began  seconds  result\n"
            "packages      0       19  ok\n"
            "venv         19       40  ok\n"
            "secrets      60      223  failed (2)\n"
            "vm            -        -  not begun\n"
            "all           0      283  \n"
        )
        assert path.read_text() == expected
        assert screen.getvalue().endswith(expected)


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "..."), ("one\ntwo\n\n", "two"), ("x" * 300, "x" * 100), ("ä\n", "ä"), ("\n" * 5000, "...")],
)
def test_last_words(tmp_path: Path, content: str, words: str) -> None:
    log = tmp_path / "log"
    log.write_text(content, encoding="utf-8")
    assert steps.last_words(log) == words


class TestReasons:
    def test_are_found_among_much(self, tmp_path: Path) -> None:
        script = """
            for i in $(seq 500); do echo "ok: [wil] $i"; done
            echo "    E         AssertionError: 502"
            echo "fatal: [wil]: FAILED! => {}"
            echo "Everything failed? No."
            echo "make: *** [Makefile:1: all] Error 2"
            for i in $(seq 500); do echo "ok: [wil] $i"; done
            exit 2
        """
        well, runs, _ = ran(tmp_path, Step("one", "echo 'ERROR not this'"), Step("two", script))
        assert not well
        assert runs.failures() == {
            "two": [
                "E         AssertionError: 502",
                "fatal: [wil]: FAILED! => {}",
                "make: *** [Makefile:1: all] Error 2",
            ]
        }

    def test_are_few_and_short(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_text("".join(f"ERROR {number} {'x' * 500}\n" for number in range(100)), encoding="utf-8")
        found = steps.reasons(log)
        assert (len(found), found[-1][:9], max(map(len, found))) == (25, "ERROR 99 ", 200)

    def test_what_ansible_lays_out_below_a_failure_is_part_of_it(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        laid_out = [f"    - line {number}" for number in range(80)]
        log.write_text("\n".join(["fatal: [wil]: FAILED! => ", *laid_out, "", "PLAY RECAP ***"]), encoding="utf-8")
        assert steps.reasons(log) == ["fatal: [wil]: FAILED! =>", *laid_out[-60:]]
