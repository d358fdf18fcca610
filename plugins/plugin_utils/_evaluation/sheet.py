# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an item of the evaluation sheet is: its words, its checks, its question, in one piece. Private to this
collection: it may change without notice.

The items themselves are in the package `items`, one file for each section; a file that is there is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project

# More of the same says nothing new; how many there are is said.
_MOST = 20


@dataclass
class Finding:
    """A verdict with its evidence, and for the running stack an answer to the item's question."""

    verdict: str
    evidence: list[Evidence] = field(default_factory=list)
    answer: str = ""


# What files say of an item; what the running stack says, None for nothing; a question with its answer.
Check = Callable[[Project], Finding]
Look = Callable[[Stack], "Finding | None"]
Ask = Callable[[Project], "tuple[str, str]"]


@dataclass(frozen=True)
class Item:
    """An item of the sheet; `rules` are the ids of the exercise's rules that it checks."""

    id: int
    title: str
    rule: str
    fix: str
    rules: tuple[str, ...] = ()
    stop: bool = False  # a failure ends the evaluation
    zero: bool = False  # a failure is mark 0
    oral: bool = False  # only a person can judge it
    later: bool = False  # only the newest sheet has it
    observed: bool = False  # what the running stack shows outweighs what the files say
    static: Check | None = None
    decided_by: str = ""  # what `static` looks at, for docs/evaluate.md
    runtime: Look | None = None
    ask: Ask | None = None
    section: str = ""  # the name of its file


@dataclass(frozen=True)
class Section:
    """A file of the sheet: its items follow each other."""

    title: str
    items: tuple[Item, ...]


def judged(failures: Iterable[Evidence], warnings: Iterable[Evidence] = (), good: Iterable[Evidence] = ()) -> Finding:
    """The worst that was found, with its evidence; `good` is what a pass rests on."""
    for verdict, among in ((FAIL, failures), (WARNING, warnings), (PASS, good)):
        found = list(dict.fromkeys(among))
        if found:
            more = [Evidence("", f"and {len(found) - _MOST} more")] if len(found) > _MOST else []
            return Finding(verdict, [*found[:_MOST], *more])
    return Finding(PASS)


def open_unless(failures: list[Evidence], warnings: list[Evidence] | None = None) -> Finding:
    """Reading shows that it fails, or shows nothing."""
    return judged(failures, warnings or []) if failures or warnings else Finding(UNDETERMINED)


def seen(wrong: list[Evidence], right: list[Evidence]) -> Finding:
    """A failure with what is wrong, else a pass with what is right; undetermined where there is neither."""
    return Finding(FAIL if wrong else PASS if right else UNDETERMINED, wrong or right)


def absent(what: str = "there is no such service") -> Finding:
    """What the project does not have, and need not have."""
    return Finding(NOT_APPLICABLE, [Evidence("srcs/docker-compose.yml", what)])


def lines_with(project: Project, pattern: re.Pattern[str], paths: Iterable[str]) -> list[Evidence]:
    """Where a word stands in some of the project's files, for a question about these very lines."""
    return [
        Evidence(f"{path}:{number}", line.strip()[:120])
        for path in dict.fromkeys(paths)
        for number, line in enumerate((project.text(path) or "").split("\n"), 1)
        if pattern.search(line) and not line.lstrip().startswith("#")
    ]


def listed(places: list[Evidence], most: int = 3) -> str:
    """Places in a sentence."""
    told = "; ".join(f"{one.where} `{one.text}`" for one in places[:most])
    return f"{told}, and {len(places) - most} more" if len(places) > most else told


def unreadable(project: Project) -> Finding | None:
    """Why items about the compose file cannot be decided, if it cannot be read. One cause is one failure: of item 3
    where there is no compose file, of item 10 where it is none; these are open.
    """
    if project.compose_problem:
        return Finding(UNDETERMINED, [Evidence("srcs/docker-compose.yml", project.compose_problem)])
    return None
