# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The depth `static` of the evaluation: every item that the files of a project decide. Private to this collection: it
may change without notice.

read() takes a snapshot (see _evaluation_snapshot) and gives a result for each item of the sheet. Nothing of the project
is run, no Docker is needed, and a project that is not as it should be gives a verdict, never an exception.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import (
    ITEMS,
    UNDETERMINED,
    WARNING,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import (
    _evaluation_read_containers as containers,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import (
    _evaluation_read_files as files,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import (
    _evaluation_read_services as services,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_findings import Finding
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_questions import questions

_CHECKS = {**files.CHECKS, **containers.CHECKS, **services.CHECKS}
# What these items say follows from files that a limit may have hidden.
_LIMITED = 5


def read(snapshot: Mapping[str, Any], date: datetime.date | None = None) -> list[Result]:
    """A result for each item of the sheet; `date` is the day by which the penultimate release is told."""
    project = Project(snapshot)
    asked = questions(project)
    results = []
    for number in ITEMS:
        started = time.monotonic()
        finding = _finding(number, project, date or datetime.date.today())
        question, answer = asked.get(number, ("", ""))
        results.append(
            result(
                number,
                finding.verdict,
                finding.evidence,
                seconds=round(time.monotonic() - started, 3),
                question=question,
                answer=answer,
            )
        )
    return results


def _finding(number: int, project: Project, date: datetime.date) -> Finding:
    check = _CHECKS.get(number)
    if check is None:
        return Finding(UNDETERMINED)
    try:
        finding = check(project, date)
    except Exception as error:  # a stranger's project must not end the evaluation of others
        return Finding(WARNING, [Evidence("evaluate", f"this could not be read: {type(error).__name__}")])
    limits = [*project.snapshot["limits"], *project.snapshot["git"].get("limits", [])]
    if limits and number == _LIMITED:
        evidence = [*finding.evidence, *(Evidence("evaluate", limit) for limit in limits)]
        return Finding(WARNING if finding.verdict == "pass" else finding.verdict, evidence)
    return finding
