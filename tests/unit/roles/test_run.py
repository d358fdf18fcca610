# SPDX-License-Identifier: GPL-3.0-or-later
"""When a deployment may leave compose alone: what compose plans, and what Docker says of the containers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.fortytwo.inception.tests.unit import rendering


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


def test_compose_is_left_alone_when_all_is_well_and_only_then(tmp_path: Path, collections_path: Path) -> None:
    expected = {name: up for name, (_, _, up) in CASES.items()}
    cases = [
        {"name": name, "plan": planned, "containers": containers} for name, (planned, containers, _) in CASES.items()
    ]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "__stack_is_up": yaml.safe_load((rendering.ROLE / "vars/main.yml").read_text())["__stack_is_up"],
            "__stack_services": ["nginx", "wordpress"],
            "__stack_plan": "{{ item.plan }}",
            "base_image_engine": {"containers": "{{ item.containers }}"},
        },
        "tasks": [
            {
                "ansible.builtin.copy": {
                    "content": "{{ __stack_is_up }}",
                    "dest": f"{tmp_path}/{{{{ item.name }}}}",
                    "mode": "0600",
                },
                "loop": cases,
            }
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    finished = subprocess.run(
        ["ansible-playbook", "-c", "local", "play.yml"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(rendering.ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert {name: (tmp_path / name).read_text() == "True" for name in CASES} == expected
