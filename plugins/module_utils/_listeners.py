# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens on the managed host, and what leads others in. Private to this collection."""

from __future__ import annotations

import fcntl
import fnmatch
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TypeAlias

PROC = Path("/proc")
LISTENS = "0A"
UNCONNECTED = "07"
SIOCGIFADDR = 0x8915
# Clients of DHCP, and names asked of everybody on the network, whose questions come to an address of many.
NO_SERVICES = {("udp", port) for port in (68, 546, 5353, 5355)}
# Programs that ask from any port; who answers them is let in, whatever the firewall.
ASKERS = frozenset({"avahi-daemon", "chronyd", "dhclient", "dhcpcd", "NetworkManager", "systemd-network"})
ASKERS |= {"systemd-resolve", "systemd-timesyn"}
DESTINATION = re.compile(r"\b(tcp|udp)\b.*?\bdports?\s+(\{[^}]*\}|[\d,:-]+).*\b(?:dnat|redirect|DNAT|REDIRECT)\b")
# Docker's own, and what the machine itself asks for.
LEFT_OUT_CHAIN = re.compile(r"\bchain (?:DOCKER|OUTPUT) |\bhook output\b")
LEFT_OUT_RULE = re.compile(r"^-A (?:DOCKER|OUTPUT) |(?:\bdaddr|\s-d) (?:127\.|::1\b)")

Address: TypeAlias = "IPv4Address | IPv6Address"
Port = tuple[str, int]


@dataclass(frozen=True)
class Listener:
    """A socket that takes what comes from others."""

    protocol: str
    address: Address
    port: int
    inode: str

    @property
    def key(self) -> Port:
        return self.protocol, self.port


def _address(text: str) -> Address:
    """An address as the kernel writes it: words of four bytes, each turned as the processor has them."""
    words = bytes.fromhex(text)
    turned = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    found = ip_address(turned)
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def listeners(proc: Path = PROC) -> list[Listener]:
    """Every TCP socket that listens, and every UDP socket that anybody may write to."""
    found = []
    for protocol, state in (("tcp", LISTENS), ("udp", UNCONNECTED)):
        for name in (protocol, f"{protocol}6"):
            try:
                lines = (proc / "net" / name).read_text().splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                fields = line.split()
                address, dummy, port = fields[1].rpartition(":")
                if fields[3] == state and int(port, 16):
                    found.append(Listener(protocol, _address(address), int(port, 16), fields[9]))
    return found


def programs(inodes: Iterable[str], proc: Path = PROC) -> dict[str, str]:
    """The names of the programs that hold these sockets. The kernel's own have none."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode != "0"}
    found: dict[str, str] = {}
    for process in proc.iterdir() if wanted else ():
        if not process.name.isdigit():
            continue
        try:
            for link in (process / "fd").iterdir():
                inode = wanted.get(os.readlink(link))
                if inode is not None and inode not in found:
                    found[inode] = (process / "comm").read_text().strip()
        except OSError:
            continue
    return found


def addresses_of(patterns: Iterable[str], proc: Path = PROC) -> set[Address]:
    """The machine's own addresses on these interfaces, in whose names a star stands for any ending."""
    patterns = list(patterns)
    found: set[Address] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for dummy, name in socket.if_nameindex():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                try:
                    told = fcntl.ioctl(asked, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                except OSError:
                    continue
                found.add(IPv4Address(told[20:24]))
    try:
        lines = (proc / "net/if_inet6").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        address, name = line.split()[0], line.split()[-1]
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            found.add(IPv6Address(bytes.fromhex(address)))
    return found


def redirected(rules: str) -> Iterator[Port]:
    """The ports that rules (nft list ruleset, iptables-save) lead elsewhere from outside; Docker's are left out."""
    left_out = False
    for line in rules.splitlines():
        left_out = bool(LEFT_OUT_CHAIN.search(line)) or (left_out and not re.search(r"^\s*chain ", line))
        if left_out or LEFT_OUT_RULE.search(line):
            continue
        if match := DESTINATION.search(line):
            for first, last in re.findall(r"(\d+)(?:[:-](\d+))?", match[2]):
                for port in range(int(first), min(int(last or first), 65535) + 1):
                    yield match[1], port


def written(port: Port) -> str:
    """As host_open_ports takes it."""
    return str(port[1]) if port[0] == "tcp" else f"{port[1]}/{port[0]}"


def read_port(text: str) -> set[Port]:
    """The ports of an entry of host_open_ports: 8080, 51820/udp, 60000-61000/udp."""
    numbers, dummy, protocol = str(text).partition("/")
    first, dummy, last = numbers.partition("-")
    return {(protocol or "tcp", port) for port in range(int(first), int(last or first) + 1)}


def runs(ports: Iterable[Port]) -> list[tuple[str, int, int]]:
    """Ports of which three or more stand side by side, together: protocol, first, last."""
    found: list[tuple[str, int, int]] = []
    for protocol, number in sorted(set(ports)):
        if found and found[-1][0] == protocol and found[-1][2] == number - 1:
            found[-1] = (protocol, found[-1][1], number)
        else:
            found.append((protocol, number, number))
    return [
        part
        for protocol, first, last in found
        for part in (
            [(protocol, one, one) for one in range(first, last + 1)] if last - first < 2 else [(protocol, first, last)]
        )
    ]


def shortened(ports: Iterable[Port]) -> list[str]:
    """Entries of host_open_ports for these ports."""
    return [
        (str(first) if first == last else f"{first}-{last}") + ("" if protocol == "tcp" else f"/{protocol}")
        for protocol, first, last in runs(ports)
    ]
