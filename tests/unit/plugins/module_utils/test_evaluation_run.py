# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that never end, print without end, or leave something behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import run as commands
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import run


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [("echo a; echo b >&2", 0, "a\nb\n"), ("exit 3", 3, ""), ("cat", 0, ""), (r"printf '\377'", 0, "�")],
)
def test_what_a_command_did(script: str, code: int, output: str) -> None:
    answer = run(["sh", "-c", script])
    assert (answer.code, answer.output, answer.ok) == (code, output, code == 0)


def test_errors_may_be_left_out() -> None:
    assert run(["sh", "-c", "echo a; echo b >&2"], errors=False).output == "a\n"


@pytest.mark.parametrize("script", ["sleep 60", "yes", "exec 1>&- 2>&-; sleep 60", "trap '' TERM INT; sleep 60 & wait"])
def test_a_command_that_never_ends(script: str) -> None:
    answer = run(["sh", "-c", script], timeout=0.5)
    assert answer.code is None
    assert answer.seconds < 5
    assert len(answer.output) <= commands.KEPT


def test_its_children_go_with_it(tmp_path: Path) -> None:
    run(["sh", "-c", f"(sleep 1; touch {tmp_path}/late) & sleep 60"], timeout=0.3)
    time.sleep(1.2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    [
        "setsid sh -c 'sleep 1; touch {}/late' & sleep 60",
        "(setsid -f sh -c 'sleep 1; touch {}/late') ; sleep 60",
        "nohup setsid sh -c 'trap \"\" TERM HUP; (sleep 1; touch {}/late) &' >/dev/null 2>&1 & exec sleep 60",
        "setsid -f sh -c 'while :; do sleep 0.3; touch {}/late & done'; exec sleep 60",
    ],
)
def test_sessions_of_their_own_go_too(tmp_path: Path, script: str) -> None:
    """One whose leader was a process of its own outlived the end of its time."""
    assert run(["sh", "-c", script.replace("{}", str(tmp_path))], timeout=0.2).code is None
    (tmp_path / "late").unlink(missing_ok=True)
    time.sleep(1.5)
    assert list(tmp_path.iterdir()) == []


def test_what_is_begun_after_a_look_goes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look runs a command of its own, and what was begun after its end got away."""
    monkeypatch.setattr(commands, "_LOOK", 0.1)
    script = f"while :; do setsid -f sh -c 'while :; do sleep 0.3; touch {tmp_path}/late; done'; sleep 0.1; done"
    assert run(["sh", "-c", script], timeout=4, done=lambda: not run(["true"]).ok).code is None
    (tmp_path / "late").unlink(missing_ok=True)
    time.sleep(1.5)
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_stays_does_not_hold_it_up() -> None:
    start = time.monotonic()
    assert run(["sh", "-c", "sleep 20 & echo started"], timeout=15).output == "started\n"
    assert time.monotonic() - start < 5


def test_only_the_end_is_kept() -> None:
    answer = run(["sh", "-c", "yes x | head -c 1000000; echo end"])
    assert len(answer.output) <= commands.KEPT
    assert answer.tail(1) == "end"


def test_what_stays_in_the_foreground_is_left_when_its_work_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As `docker compose up` does: it goes on, and nobody waits for it."""
    monkeypatch.setattr(commands, "_LOOK", 0.1)
    up = tmp_path / "up"
    answer = commands.run(["sh", "-c", f"touch {up}; echo started; exec sleep 20"], 60, done=up.exists)
    assert (answer.ok, answer.left, answer.code) == (True, True, None)
    assert "started" in answer.output
    assert answer.seconds < 30


def test_what_never_gets_well_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_LOOK", 0.1)
    answer = commands.run(["sleep", "600"], 1, done=lambda: False)
    assert (answer.ok, answer.left, answer.code) == (False, False, None)


def test_what_ends_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_LOOK", 0.0)
    answer = commands.run(["true"], 10, done=lambda: True)
    assert (answer.ok, answer.left, answer.code) == (True, False, 0)
