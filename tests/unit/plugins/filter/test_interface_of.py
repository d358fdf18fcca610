# SPDX-License-Identifier: GPL-3.0-or-later
"""By which interface of a machine an address can be had."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.filter.interface_of import interface_of

FACTS: dict[str, Any] = {
    "interfaces": ["lo", "eth0", "br-lan", "eth1.5", "eth2"],
    "lo": {"device": "lo", "type": "loopback", "ipv4": {"address": "127.0.0.1", "netmask": "255.0.0.0"}},
    "eth0": {"device": "eth0", "type": "ether", "ipv4": {"address": "192.0.2.11", "netmask": "255.255.255.0"}},
    "br_lan": {"device": "br-lan", "type": "bridge", "ipv4": {"address": "198.51.100.7", "prefix": "25"}},
    "eth1_5": {"device": "eth1.5", "type": "ether", "ipv4": {"address": "10.0.0.9", "netmask": "255.255.0.0"}},
    "eth2": {"device": "eth2", "type": "ether"},
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.10/24", "eth0"),
        ("192.0.2.10", "eth0"),
        ("198.51.100.10/25", "br-lan"),
        ("10.0.7.7/16", "eth1.5"),
        ("198.51.100.200/25", ""),
        ("192.0.2.10/25", ""),
        ("192.0.3.10/24", ""),
        ("127.0.0.2/8", ""),
    ],
    ids=[
        "its network",
        "without bits",
        "a bridge",
        "a name with a dot",
        "beside it",
        "other bits",
        "another",
        "its own",
    ],
)
def test_the_interface_that_has_the_network(address: str, expected: str) -> None:
    assert interface_of(address, FACTS) == expected


def test_a_machine_without_a_network_has_none() -> None:
    assert interface_of("192.0.2.10/24", {}) == ""
