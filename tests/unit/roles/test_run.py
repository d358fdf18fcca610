# SPDX-License-Identifier: GPL-3.0-or-later
"""When a deployment may leave compose alone: what compose plans, and what Docker says of the containers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.filter.compose_is_up import compose_is_up


def planned(*states: str) -> dict[str, list[str]]:
    """What `docker compose --dry-run create` prints, by the states that it names."""
    return {"stderr_lines": [f" DRY-RUN MODE -  Container inception-{i}-1  {state}" for i, state in enumerate(states)]}


def container(status: str, project: str = "inception") -> dict[str, Any]:
    return {"Labels": {"com.docker.compose.project": project}, "Status": status}


WELL = [container("Up 2 minutes (healthy)"), container("Up 2 minutes")]

# name: the plan, the containers that run, and whether all is well
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], bool]] = {
    "all is well": (planned("Running", "Running"), WELL, True),
    "a trailing space": (planned("Running ", "Running"), WELL, True),
    "another project is not": (
        planned("Running", "Running"),
        [*WELL, container("Up 2 minutes (unhealthy)", "other")],
        True,
    ),
    "not asked": ({"skipped": True}, WELL, False),
    "nothing was said": (planned(), WELL, False),
    "one is missing in the plan": (planned("Running"), WELL, False),
    "stopped": (planned("Running", "Created"), WELL, False),
    "paused": (planned("Running", "Running", "Restart", "Restarted"), WELL, False),
    "another configuration": (planned("Running", "Recreate", "Recreated"), WELL, False),
    "an orphan": (planned("Running", "Running", "Stopping", "Stopped", "Removing", "Removed"), WELL, False),
    "unhealthy": (planned("Running", "Running"), [container("Up 2 minutes (unhealthy)")], False),
    "not healthy yet": (planned("Running", "Running"), [container("Up 2 seconds (health: starting)")], False),
}


@pytest.mark.parametrize("case", CASES)
def test_compose_is_left_alone_when_all_is_well_and_only_then(case: str) -> None:
    plan, containers, up = CASES[case]
    assert compose_is_up(plan.get("stderr_lines", []), 2, containers) is up
