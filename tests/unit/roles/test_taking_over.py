# SPDX-License-Identifier: GPL-3.0-or-later
"""Of which host a cluster takes the site over, and what of it is refused; by the role's own expressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles/cluster"
OWN = {"own": {"phase": ""}, "backed_up": True}
NONE = {"own": {}, "backed_up": False}


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


class Nodes:
    """Two or three hosts, of which some have a stack of their own, and what one of them sees."""

    def __init__(self, own: dict[str, dict[str, Any]], labels: dict[str, dict[str, str]] | None = None) -> None:
        self.own, self.labels = own, labels or {}

    def seen(self, host: str, **settings: Any) -> dict[str, Any]:
        listed = [{"ID": name, "Spec": {"Labels": of}} for name, of in self.labels.items()]
        hostvars: dict[str, dict[str, Any]] = {
            name: {
                "inventory_hostname": name,
                "__inception_host": found,
                "__cluster_node_address": "192.0.2.11",
                "__cluster_state": {
                    "ControlAvailable": bool(listed),
                    "LocalNodeState": "active" if listed else "inactive",
                },
                "__cluster_listed": listed,
            }
            for name, found in self.own.items()
        }
        given: dict[str, Any] = {}
        for name in ("defaults/main.yml", "vars/main.yml"):
            given |= trusted(yaml.safe_load((ROLE / name).read_text()))
        facts = {"all_ipv4_addresses": ["192.0.2.11"], "distribution": "Debian", "os_family": "Debian"}
        return {
            **given,
            **hostvars[host],
            "groups": {"cluster": list(self.own)},
            "hostvars": hostvars,
            "ansible_facts": facts,
            "cluster_address": "192.0.2.11",
            "cluster_encrypted": False,
            "inception_project": "inception",
            "__cluster_without_backup": False,
            "__cluster_floating": {"stdout": ""},
            "__cluster_state": {**hostvars[host]["__cluster_state"], "NodeID": host},
            **settings,
        }

    def obstacles(self, host: str, **settings: Any) -> list[str]:
        return list(render("{{ __cluster_obstacles }}", self.seen(host, **settings)))


def render(text: str, given: dict[str, Any]) -> Any:
    return Templar(loader=DataLoader(), variables=given).template(trust_as_template(text))


def test_the_host_with_a_stack_is_the_node_with_the_data() -> None:
    """And the one that begins the swarm, wherever it stands in the group."""
    seen = Nodes({"one": NONE, "two": OWN, "three": NONE}).seen("two")
    assert render("{{ __cluster_data }}", seen) == "two"
    assert render("{{ __cluster_director }}", seen) == "two"
    assert render("{{ __cluster_takes_over }}", seen) is True
    assert render("{{ __cluster_manager_names[0] }}", seen) == "two"
    assert Nodes({"one": NONE, "two": OWN}).obstacles("two") == []
    seen = Nodes({"one": NONE, "two": OWN}).seen("one")
    assert render("{{ __cluster_takes_over }}", seen) is False


def test_without_any_nothing_is_taken_over() -> None:
    seen = Nodes({"one": NONE, "two": NONE}).seen("one", cluster_data_node="two")
    assert render("{{ __cluster_data }}", seen) == "two"
    assert render("{{ __cluster_takes_over }}", seen) is False
    assert Nodes({"one": NONE, "two": NONE}).obstacles("one") == []


def test_a_run_that_was_cut_off_is_gone_on_with() -> None:
    """By then the node has its label, and needs no other backup."""
    there = {"one": {"inception_node": "one", "inception_data": "inception"}}
    nodes = Nodes({"one": {"own": {"phase": "ended"}, "backed_up": False}}, there)
    assert nodes.obstacles("one") == []
    assert render("{{ __cluster_takes_over }}", nodes.seen("one")) is True


@pytest.mark.parametrize(
    ("own", "labels", "settings", "words"),
    [
        ({"one": OWN, "two": OWN}, {}, {}, "it has a stack of its own, and so has two; a cluster has one site"),
        (
            {"one": OWN, "two": NONE},
            {"one": {"inception_node": "one"}, "two": {"inception_node": "two", "inception_data": "inception"}},
            {},
            "the cluster has a site already, on two;",
        ),
        ({"one": OWN, "two": NONE}, {}, {"cluster_data_node": "two"}, "for example: cluster_data_node: one"),
        ({"one": OWN}, {}, {"cluster_database": "galera"}, "cluster_database: single, and galera in a run after it"),
    ],
)
def test_what_cannot_be_is_refused(own: Any, labels: Any, settings: dict[str, Any], words: str) -> None:
    said = Nodes(own, labels).obstacles("one", **settings)
    assert [sentence for sentence in said if words in sentence], said


def test_without_a_place_for_a_backup_it_is_said_how() -> None:
    nodes = Nodes({"one": {"own": {"phase": ""}, "backed_up": False}})
    assert nodes.obstacles("one", __cluster_without_backup=True) == []
    text = (ROLE / "vars/main.yml").read_text()
    assert "'cluster_without_backup: it has a stack of its own" in text
