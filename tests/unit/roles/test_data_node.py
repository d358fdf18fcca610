# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node of a cluster has the data, and what is said where it cannot be asked."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.tests.unit.roles.test_host_and_docker import ROLES, render, trusted

NODES = ("one", "two", "three")
HAS_DATA = '[{"Spec": {"Labels": {"inception_node": "two", "inception_data": "inception"}}}]'
WELL = {"rc": 0, "stdout": HAS_DATA, "stderr": ""}
PLAY = yaml.safe_load((ROLES.parent / "playbooks/data_nodes.yml").read_text())[1]


def why_not(
    *,
    away: tuple[str, ...] = (),
    limit: tuple[str, ...] = NODES,
    told: dict[str, Any] | None = None,
    manager: str = "true",
) -> str:
    """What stands in the way, as the first manager that is reached has it."""
    hostvars: dict[str, Any] = {name: {"inventory_hostname": name} for name in NODES}
    for name in limit:
        hostvars[name]["__data_asked"] = {"unreachable": True} if name in away else {"stdout": manager, "rc": 0}
    first = next(name for name in limit if name not in away)
    hostvars[first]["__data_holders"] = told or WELL
    given = {
        **trusted(PLAY["vars"]),
        "__data_command": "make cluster",
        "hostvars": hostvars,
        "ansible_play_hosts": list(limit),
        "ansible_play_hosts_all": list(limit),
        "inventory_hostname": first,
    }
    return str(render("{{ __data_why_not }}", given))


def test_the_node_with_the_data_is_found() -> None:
    assert why_not() == ""


@pytest.mark.parametrize("away", [("one",), ("three",), ("one", "three")])
def test_others_may_be_away(away: tuple[str, ...]) -> None:
    assert why_not(away=away) == ""


def test_that_it_is_away_is_told() -> None:
    assert "two has the database, the secrets and the backups of the cluster, and cannot" in why_not(away=("two",))


def test_a_limit_that_leaves_it_out_is_told() -> None:
    assert why_not(limit=("one", "three")).startswith("two has the data of the cluster, and LIMIT")


def test_a_swarm_without_a_leader_says_nothing() -> None:
    said = "Error response from daemon: rpc error: The swarm does not have a leader."
    assert "the swarm has no leader" in why_not(told={"rc": 1, "stdout": "", "stderr": said})


def test_before_the_first_run_nobody_has_it() -> None:
    said = "docker node inspect requires at least 1 argument."
    none = {"rc": 1, "stdout": "", "stderr": said}
    assert why_not(told=none) == "No node of the cluster has the data yet: make cluster"
    assert "is a manager of a swarm that can be reached" in why_not(manager="false")
