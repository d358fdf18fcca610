# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens, as the kernel tells it, and ports as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(address: str, port: int, state: str, inode: int) -> str:
    return (
        f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000 0 {inode} 1\n"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    files = {
        "tcp": line("00000000", 80, "0A", 1) + line("0100007F", 6379, "0A", 2) + line("00000000", 81, "01", 3),
        "tcp6": line("00000000000000000000000000000000", 443, "0A", 4)
        + line("0000000000000000FFFF00000100007F", 8443, "0A", 5),
        "udp": line("00000000", 5555, "07", 6) + line("00000000", 6666, "01", 7),
    }
    for name, lines in files.items():
        (tmp_path / "net" / name).write_text(HEAD + lines)
    return tmp_path


def test_what_listens_is_read_from_the_kernel(proc: Path) -> None:
    found = {(one.protocol, one.port): str(one.address) for one in _listeners.listeners(proc)}
    assert found == {
        ("tcp", 80): "0.0.0.0",
        ("tcp", 6379): "127.0.0.1",
        ("tcp", 443): "::",
        ("tcp", 8443): "127.0.0.1",
        ("udp", 5555): "0.0.0.0",
    }


def test_a_program_is_named_by_its_socket(tmp_path: Path) -> None:
    for pid, name, inode in (("7", "nginx", "11"), ("8", "named", "12")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(f"socket:[{inode}]")
        (tmp_path / pid / "comm").write_text(f"{name}\n")
    assert _listeners.programs(["12", "0", "13"], tmp_path) == {"12": "named"}
    assert _listeners.programs(["0"], tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("8080", {("tcp", 8080)}),
        ("8080/tcp", {("tcp", 8080)}),
        ("51820/udp", {("udp", 51820)}),
        ("60000-60002/udp", {("udp", 60000), ("udp", 60001), ("udp", 60002)}),
    ],
)
def test_an_entry_of_host_open_ports(entry: str, expected: set[tuple[str, int]]) -> None:
    assert _listeners.read_port(entry) == expected


def test_ports_side_by_side_are_told_together() -> None:
    ports = [("udp", port) for port in range(10000, 10006)] + [("tcp", 80), ("tcp", 82), ("tcp", 80)]
    assert _listeners.shortened(ports) == ["80", "82", "10000-10005/udp"]


RULES = """\
table ip nat {
	chain DOCKER {
		iifname != "br-1" tcp dport 9000 counter packets 0 bytes 0 dnat to 172.18.0.2:9000
	}
	chain PREROUTING {
		tcp dport 2200 counter packets 0 bytes 0 dnat to 10.0.3.5:22
		udp dport { 6000-6001, 7000 } redirect to :53
		tcp dport 4444 drop
	}
	chain own {
		type nat hook output priority dstnat; policy accept;
		tcp dport 8080 redirect to :3128
	}
	chain DOCKER_OUTPUT {
		ip daddr 127.0.0.11 udp dport 53 counter packets 0 bytes 0 dnat to 127.0.0.11:34679
	}
	chain more {
		ip6 daddr ::1 tcp dport 5353 dnat to [::1]:53
		tcp dport 2202 dnat to 10.0.3.5:22
	}
}
-A OUTPUT -p tcp -m tcp --dport 3306 -j DNAT --to-destination 10.0.3.5:3306
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:46763
-A PREROUTING -p tcp -m tcp --dport 2201 -j DNAT --to-destination 10.0.3.5:22
-A PREROUTING -p tcp -m multiport --dports 25,587 -j REDIRECT --to-ports 2525
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 9001 -j DNAT --to-destination 172.17.0.2:80
"""


def test_what_rules_lead_elsewhere_from_outside_is_found_and_dockers_left_out() -> None:
    assert set(_listeners.redirected(RULES)) == {
        ("tcp", 2200),
        ("udp", 6000),
        ("udp", 6001),
        ("udp", 7000),
        ("tcp", 2201),
        ("tcp", 2202),
        ("tcp", 25),
        ("tcp", 587),
    }


def test_the_loopback_is_an_interface_with_an_address() -> None:
    assert "127.0.0.1" in {str(address) for address in _listeners.addresses_of(["lo*"])}
    assert _listeners.addresses_of(["no-such-*"]) == set()
