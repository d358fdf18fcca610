# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of a user's own, from a folder outside of the collection (tests/services): its name is all that was set.

It answers at a port of TCP and of UDP: its description alone opens the firewall.
"""

from __future__ import annotations

import shlex
import socket
from typing import Any

import pytest

from tests.verify.support import Stack

PORT = 7007


def published(host: Any, protocol: str) -> int:
    """The port of the control node that leads to the machine's."""
    for port in host.ansible.get_variables()["machine_published_ports"]:
        text, _, kind = port.partition("/")
        if text.endswith(f":{PORT}") and (kind or "tcp") == protocol:
            return int(text.split(":")[-2])
    raise AssertionError(f"the scenario publishes no port {PORT}/{protocol} of the machine")


def test_it_is_reached_through_the_firewall_over_tcp(host: Any) -> None:
    """By somebody on another machine, which the control node is."""
    with socket.create_connection(("127.0.0.1", published(host, "tcp")), timeout=10) as connection:
        connection.sendall(b"tcp")
        assert connection.recv(512) == b"heard tcp"


def test_it_is_reached_through_the_firewall_over_udp(host: Any) -> None:
    """The same over UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(10)
        connection.connect(("127.0.0.1", published(host, "udp")))
        connection.send(b"udp")
        assert connection.recv(512) == b"heard udp"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_firewall_lets_in_this_port_and_no_neighbour(stack: Stack, protocol: str) -> None:
    """The rules name it, and not the one beside it."""
    rules = stack.root("nft list chain inet inception prerouting")
    [line] = [one.strip() for one in rules.splitlines() if one.strip().startswith(f"{protocol} dport")]
    ports = line.partition("dport")[2].replace("{", "").replace("}", "").replace("accept", "").replace(",", " ").split()
    assert str(PORT) in ports
    assert str(PORT + 1) not in ports


def test_it_reaches_nobody_and_nobody_reaches_it(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """It talks to nobody: its only network is the way in to its port."""
    assert set(containers["echo"]["NetworkSettings"]["Networks"]) == {"inception_echo-way-in"}
    look = "import socket; socket.gethostbyname('mariadb')"
    assert stack.execute("echo", "python3", "-c", look).rc != 0
    assert "echo" in shlex.split(stack.compose("ps --services"))
