# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches whom, as seen from inside each container, beside the table that the descriptions make."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.verify.strangers import MACHINE, THERE, outside
from tests.verify.support import Stack, wait_until

# Tries to connect to each address from the network namespace that it is run in.
_CONNECT = """
import concurrent.futures, json, socket, sys

def tried(target):
    try:
        socket.create_connection(tuple(target), timeout=3).close()
        return True
    except OSError:
        return False

targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps(list(pool.map(tried, targets))))
"""
_ROW = re.compile(r"\| (\S+) \| (the world|\S+) \| ([\d, ]+|any) \|")
PRIVATE = ("10.255.255.7", "172.31.255.7", "192.168.255.7", "100.64.255.7", "169.254.169.254")


def table(project_files: dict[str, bytes]) -> set[tuple[str, str, str]]:
    """The rows of the project's own DEV_DOC.md: who asks, who is asked, at which port."""
    text = project_files["DEV_DOC.md"].decode()
    section = text.partition("## Who reaches whom")[2].partition("\n## ")[0]
    return {
        (asks, asked, port)
        for asks, asked, ports in _ROW.findall(section)
        for port in ports.split(", ")
        if port.isdecimal() or port == "any"
    }


def tried(stack: Stack, pid: int, targets: list[tuple[str, int]]) -> list[bool]:
    """Which addresses can be connected to from a container."""
    answer = stack.root("nsenter --target %s --net python3 -c %s %s", str(pid), _CONNECT, json.dumps(targets))
    found: list[bool] = json.loads(answer)
    return found


def listening(stack: Stack, pid: int) -> set[int]:
    """The ports of TCP that a container listens at, but for what is its own alone and Docker's name server."""
    ports = set()
    for line in stack.root("cat %s %s", f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6").splitlines():
        fields = line.split()
        if fields[3] == "0A" and not re.match(r"[0-9A-F]{6}7F:", fields[1]):
            ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def addresses(container: dict[str, Any]) -> list[str]:
    return [network["IPAddress"] for network in container["NetworkSettings"]["Networks"].values()]


def gateways(stack: Stack, container: dict[str, Any]) -> set[str]:
    """The machine's own addresses in a container's networks, of those without a way out, too."""
    names = " ".join(container["NetworkSettings"]["Networks"])
    found = json.loads(stack.root(f"docker network inspect {names}"))
    return {
        one["Gateway"].partition("/")[0] for network in found for one in network["IPAM"]["Config"] if "Gateway" in one
    }


@pytest.mark.vm_core
def test_each_pair_that_is_not_in_the_table_is_refused(
    stack: Stack, containers: dict[str, dict[str, Any]], project_files: dict[str, bytes]
) -> None:
    """From inside each container to each port that any other listens at, by all its addresses: no difference."""
    pids = {name: container["State"]["Pid"] for name, container in containers.items()}
    ports = {name: sorted(listening(stack, pid)) for name, pid in pids.items()}
    seen = set()
    for asks, pid in pids.items():
        targets = [
            (asked, address, port)
            for asked, container in containers.items()
            if asked != asks
            for address in addresses(container)
            # Every port that listens anywhere: nobody else's is open by accident.
            for port in sorted({port for of in ports.values() for port in of})
        ]
        answers = tried(stack, pid, [(address, port) for _, address, port in targets])
        seen |= {
            (asks, asked, str(port)) for (asked, _, port), is_open in zip(targets, answers, strict=True) if is_open
        }
    said = {row for row in table(project_files) if row[0] in pids and row[1] in pids}
    assert said
    assert seen == said


@pytest.mark.vm_core
def test_no_container_reaches_the_machine(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """Its sshd by the address of no bridge, and by none of its own."""
    own = set(re.findall(r"inet ([\d.]+)", stack.root("ip -4 address"))) - {"127.0.0.1"}
    assert own
    for name, container in containers.items():
        for address in gateways(stack, container) | own:
            (ssh,) = tried(stack, container["State"]["Pid"], [(address, 22)])
            assert not ssh, (name, address)
    (address, *_) = gateways(stack, containers["wordpress"])
    # It is the firewall that refuses: root on the machine comes in by the same address.
    assert json.loads(stack.root("python3 -c %s %s", _CONNECT, json.dumps([(address, 22)]))) == [True]


@pytest.mark.vm_core
def test_only_who_has_a_way_out_reaches_the_world_and_nobody_private_networks(
    stack: Stack, containers: dict[str, dict[str, Any]], project_files: dict[str, bytes]
) -> None:
    """The world and the private networks are a machine beyond this one, with an address of each."""
    with outside(stack):
        world = {asks for asks, asked, _ in table(project_files) if asked == "the world"}
        address = "203.0.113.2"
        for private in PRIVATE:
            stack.root(f"{THERE} ip address add {private}/32 dev to-machine")
            stack.root(f"ip route add {private} via {address} dev to-stranger")
        server = stack.root(f"{THERE} sh -c %s", "python3 -m http.server 8099 >/dev/null 2>&1 & echo $!").strip()
        try:
            wait_until("the server out there answers the machine", lambda: tried(stack, 1, [(address, 8099)]) == [True])
            for name, container in containers.items():
                pid = container["State"]["Pid"]
                targets = [(one, 8099) for one in (address, *PRIVATE)]
                answers = tried(stack, pid, targets)
                assert answers == [name in world, *(False for _ in PRIVATE)], name
            assert tried(stack, 1, [(one, 8099) for one in PRIVATE]) == [True] * len(PRIVATE)
        finally:
            stack.root("kill %s", server)


def test_the_bridges_are_known_to_the_firewall(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """Each network of ours has a bridge of the name that the firewall looks for."""
    names = {network for container in containers.values() for network in container["NetworkSettings"]["Networks"]}
    for network in json.loads(stack.root("docker network inspect " + " ".join(names))):
        bridge = network["Options"]["com.docker.network.bridge.name"]
        is_out = "-way-" in network["Name"] and network["Name"].endswith("out")
        assert re.fullmatch(r"inc-out[0-9a-f]{8}" if is_out else r"inc-[0-9a-f]{11}", bridge), network["Name"]
        assert stack.root("ip link show %s", bridge)
    assert MACHINE not in stack.root("ip address")
