# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings of a cluster may not say together, by the role's own expressions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.tests.unit.roles.test_host_and_docker import ROLES, render, trusted

TASKS = yaml.safe_load((ROLES / "cluster/tasks/settings.yml").read_text())
NAME = "Check that the passwords of three databases stay"
GALERA = {"cluster_database": "galera"}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (GALERA, ""),
        ({"rotate_secrets": "all"}, ""),
        ({**GALERA, "rotate_secrets": "wp_salt"}, ""),
        ({**GALERA, "rotate_secrets": "all"}, "rotate_secrets: all: with cluster_database: galera"),
        ({**GALERA, "rotate_secrets": "wp_salt, db_password"}, "example: -e rotate_secrets=wp_salt"),
        ({**GALERA, "rotate_secrets": ["db_root_password"]}, "example: -e rotate_secrets=wp_salt"),
    ],
)
def test_what_cannot_be_together_is_refused(settings: dict[str, Any], word: str) -> None:
    task = next(one for one in TASKS if one["name"] == NAME)
    said = task["ansible.builtin.assert"]
    given = {
        "cluster_database": "single",
        **trusted(task.get("vars") or {}),
        **settings,
    }
    assert render("{{ " + said["that"] + " }}", given) is not bool(word)
    if word:
        assert word in str(render(said["fail_msg"], given))
