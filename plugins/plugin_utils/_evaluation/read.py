# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every item of the sheet by what the files of a project say, and by what its running stack shows. Private to this
collection: it may change without notice.

read() takes a snapshot (see module_utils/_evaluation/collect), look() what was observed. Nothing of the project is run
here, and a project that is not as it should be gives a verdict, never an exception.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import Finding, Item

# What this item says follows from files that a limit may have hidden.
_LIMITED = 5


# Whose time it is that the files and their history were collected in.
_COLLECTED = 1


def read(project: Project, collected: float = 0.0) -> list[Result]:
    """A result for each item of the sheet; `collected` is how long it took to get what is read."""
    results = []
    for item in ITEMS.values():
        started = time.monotonic()
        finding = _finding(item, project)
        question, answer = _asked(item, project)
        seconds = round(time.monotonic() - started + (collected if item.id == _COLLECTED else 0), 3)
        results.append(
            result(item.id, finding.verdict, finding.evidence, seconds=seconds, question=question, answer=answer)
        )
    return results


def kinds(project: Project) -> dict[str, str]:
    """What each service is, for the look at the running stack; nothing where the files do not tell."""
    try:
        return project.kinds
    except Exception:  # a stranger's project must not end the evaluation of others
        return {}


def _finding(item: Item, project: Project) -> Finding:
    if item.static is None:
        return Finding(UNDETERMINED)
    try:
        finding = item.static(project)
    except Exception as error:  # a stranger's project must not end the evaluation of others
        return Finding(WARNING, [Evidence("evaluate", f"this could not be read: {type(error).__name__}")])
    # Those of git are told by item 1.
    limits = project.snapshot["limits"]
    if limits and item.id == _LIMITED:
        evidence = [*finding.evidence, *(Evidence("evaluate", limit) for limit in limits)]
        return Finding(WARNING if finding.verdict == PASS else finding.verdict, evidence)
    return finding


def _asked(item: Item, project: Project) -> tuple[str, str]:
    if item.ask is None:
        return "", ""
    try:
        return item.ask(project)
    except Exception:  # a stranger's project must not end the evaluation of others
        return "", ""


def look(observed: Mapping[str, Any], day: datetime.date) -> list[Result]:
    """What the running stack says of each item that it shows."""
    stack = Stack.from_dict({**observed, "day": day.isoformat()})
    found = ((item.id, item.runtime(stack)) for item in ITEMS.values() if item.runtime)
    return [result(number, one.verdict, one.evidence, answer=one.answer) for number, one in found if one]
