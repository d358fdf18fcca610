# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that a long task prints now and then."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterator

import pytest
from ansible_collections.fortytwo.inception.plugins.callback.heartbeat import Heart, usually

INTERVAL = 0.05
PATIENCE = 10


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def heard(reader: int, seconds: float) -> str:
    """What was written within that time, or nothing."""
    readable, _, _ = select.select([reader], [], [], seconds)
    return os.read(reader, 4096).decode() if readable else ""


def test_a_long_task_is_named_again_and_again(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    heart = Heart(INTERVAL, writer)
    heart.watch("Build the image")
    for _ in range(3):
        assert re.match(r"\.\.\. Build the image: still at work after 0 min 00 s\n", heard(reader, PATIENCE))
    heart.watch(None)


def test_the_newest_task_is_named(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    heart = Heart(INTERVAL, writer)
    heart.watch("first")
    heart.watch("second")
    assert "second" in heard(reader, PATIENCE)
    heart.watch(None)


def test_nothing_is_said_when_nothing_is_at_work(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    heart = Heart(INTERVAL, writer)
    assert heard(reader, 4 * INTERVAL) == ""
    heart.watch("work")
    assert heard(reader, PATIENCE) != ""
    heart.watch(None)
    while heard(reader, 4 * INTERVAL):
        pass
    assert heard(reader, 4 * INTERVAL) == ""


def test_it_is_said_soon_how_long_a_task_takes_as_a_rule(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    heart = Heart(INTERVAL, writer)
    heart.watch("Build", "1 min")
    said = ""
    while said.count("\n") < 2:
        said += heard(reader, PATIENCE)
    heart.watch(None)
    first, second = said.splitlines()[:2]
    assert first == "... Build (usually 1 min)"
    assert second == "... Build (usually 1 min): still at work after 0 min 00 s"


def test_it_is_said_before_the_first_beat(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    heart = Heart(60, writer)
    heart.watch("Build", "1 min")
    assert heard(reader, PATIENCE) == "... Build (usually 1 min)\n"
    heart.watch(None)


def test_a_task_says_how_long_it_takes_by_a_variable_of_its_own() -> None:
    assert usually({"__stack_usually": "1 min", "other": "2 min"}) == "1 min"
    assert usually({"other": "2 min"}) == ""
