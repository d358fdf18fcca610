# SPDX-License-Identifier: GPL-3.0-or-later
"""What keepalived is told on each node of a cluster, and what stands in the way of a floating address."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.filter.interface_of import interface_of
from ansible_collections.fortytwo.inception.tests.unit.roles.test_host_and_docker import ROLES, render, trusted

ADDRESSES = {"one": "192.0.2.11", "two": "192.0.2.12", "three": "192.0.2.13"}
TEMPLATES = ROLES / "cluster/templates"


def told(node: str, **more: Any) -> dict[str, Any]:
    return {
        "inventory_hostname": node,
        "cluster_virtual_address": "192.0.2.10/24",
        "__cluster_nodes": list(ADDRESSES),
        "__cluster_node_address": ADDRESSES[node],
        "__cluster_vrrp_interface": "eth0",
        "__cluster_vrrp_word": "/etc/keepalived/word.conf",
        "__cluster_vrrp_check": "/usr/local/lib/inception-answers",
        "hostvars": {name: {"__cluster_node_address": address} for name, address in ADDRESSES.items()},
        "inception_domain": "www.example.org",
        "inception_https_port": 443,
        "inception_proxy_protocol": False,
        **more,
    }


def settings(node: str) -> str:
    return str(render((TEMPLATES / "keepalived.conf.j2").read_text(), told(node)))


@pytest.mark.parametrize("node", ADDRESSES)
def test_each_node_talks_to_the_others_alone(node: str) -> None:
    found = re.search(r"unicast_peer \{([^}]*)\}", settings(node))
    assert found
    assert found[1].split() == [address for name, address in ADDRESSES.items() if name != node]
    assert f"unicast_src_ip {ADDRESSES[node]}" in settings(node)


def test_nobody_takes_it_from_a_node_that_answers() -> None:
    """All begin alike, and of several that begin at once one is first."""
    texts = [settings(node) for node in ADDRESSES]
    assert all("state BACKUP" in text and re.search(r"(?m)^    nopreempt$", text) for text in texts)
    priorities = [int(re.findall(r"priority (\d+)", text)[0]) for text in texts]
    assert len(set(priorities)) == 3
    assert all(1 < one < 255 for one in priorities)


def test_the_word_stands_in_a_file_of_its_own() -> None:
    assert "auth_pass" not in settings("one")
    assert "include /etc/keepalived/word.conf" in settings("one")


@pytest.mark.parametrize(("proxied", "word"), [(True, "--haproxy-protocol"), (False, "")])
def test_a_node_asks_its_own_nginx(proxied: bool, word: str) -> None:
    text = str(render((TEMPLATES / "inception-answers.j2").read_text(), told("two", inception_proxy_protocol=proxied)))
    assert text.startswith("#!/bin/sh\n")
    assert "--resolve www.example.org:443:192.0.2.12 https://www.example.org:443/healthz" in text
    assert ("--haproxy-protocol" in text) is bool(word)


FACTS: dict[str, Any] = {
    "interfaces": ["eth0"],
    "eth0": {"device": "eth0", "type": "ether", "ipv4": {"address": "192.0.2.11", "netmask": "255.255.255.0"}},
    "default_ipv4": {"address": "192.0.2.11", "network": "192.0.2.0", "prefix": "24"},
    "all_ipv4_addresses": ["192.0.2.11"],
    "distribution": "Debian",
    "os_family": "Debian",
}


def obstacles(address: str, floating: str = "", **facts: Any) -> list[str]:
    given = {
        **trusted(yaml.safe_load((ROLES / "cluster/defaults/main.yml").read_text())),
        **trusted(yaml.safe_load((ROLES / "cluster/vars/main.yml").read_text())),
        "ansible_facts": {**FACTS, **facts},
        "ansible_check_mode": False,
        "inventory_hostname": "one",
        "groups": {"cluster": ["one", "two"]},
        "hostvars": {"one": {"inventory_hostname": "one"}, "two": {"inventory_hostname": "two"}},
        "inception_project": "inception",
        "cluster_address": "192.0.2.11",
        "cluster_encrypted": False,
        "cluster_virtual_address": address,
        "__cluster_state": {},
        "__cluster_known": [],
        "__cluster_floating": {"stdout": floating},
        "__cluster_vrrp_interface": interface_of(address, {**FACTS, **facts}) if address else "",
    }
    found: list[str] = render("{{ __cluster_obstacles }}", given)
    return found


@pytest.mark.parametrize(
    ("address", "floating", "addresses", "word"),
    [
        ("192.0.3.10/24", "", ["192.0.2.11"], "is in no network of it (192.0.2.11)"),
        ("192.0.2.11/24", "", ["192.0.2.11"], "is the address of one itself"),
        ("192.0.2.10/24", "", ["192.0.2.11", "192.0.2.10"], "is the address of one itself"),
        ("192.0.2.10/24", "other", ["192.0.2.11"], "it has settings of keepalived already"),
        ("192.0.2.10/24", "ours", ["192.0.2.11", "192.0.2.10"], ""),
        ("192.0.2.10/24", "", ["192.0.2.11"], ""),
        ("", "other", ["192.0.2.11"], ""),
    ],
    ids=[
        "another network",
        "its address",
        "another of its own",
        "keepalived is used",
        "it has it",
        "well",
        "none wanted",
    ],
)
def test_what_stands_in_the_way(address: str, floating: str, addresses: list[str], word: str) -> None:
    found = obstacles(address, floating, all_ipv4_addresses=addresses)
    assert (word in " ".join(found)) if word else found == []


def test_a_node_without_a_way_out_has_no_address_to_lose() -> None:
    assert obstacles("", default_ipv4={}) == []
