# SPDX-License-Identifier: GPL-3.0-or-later
"""Between which backup and which moment a service kept its logs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _history, _restore

WITH = {"services": [{"name": "mariadb", "backup": {"since": ["moment", "since"]}}]}
WITHOUT = {"services": [{"name": "mariadb", "backup": {"since": []}}]}


def whole(plans: list[dict[str, Any]], *, made: int = 1, first: int = 1, refused: int = 0) -> bool:
    """Whether the logs are whole since deployment `made`, by the deployments that are still known."""
    entries = [
        SimpleNamespace(number=number, result=_history.REFUSED if number == refused else "kept")
        for number in range(first, first + len(plans))
    ]
    history = SimpleNamespace(entries=lambda: entries, plan=lambda number: plans[number - first])
    work = SimpleNamespace(restore=SimpleNamespace(history=history), manifest={"deployment": made})
    return _restore.Work._logs_are_whole(work, "mariadb")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (whole([WITH, WITH, WITH]), True),
        (whole([WITHOUT, WITH]), True),
        (whole([WITH, WITHOUT, WITH]), False),
        (whole([WITH, {}, WITH]), False),
        (whole([WITH, WITHOUT, WITH], refused=2), True),
        (whole([WITH, WITH], first=2), False),
    ],
    ids=["all with", "the backup's own was before", "one without", "one of before them", "refused", "forgotten"],
)
def test_in_each_deployment_since_there_were_logs(found: bool, expected: bool) -> None:
    assert found is expected
