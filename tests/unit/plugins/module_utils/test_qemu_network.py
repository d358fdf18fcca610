# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine's own network lets through. That it does is seen in scenario vm (verify/test_machine.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _qemu, _qemu_network

SSH = {"host_address": "127.0.0.1", "host_port": 2222, "guest_port": 22}
DNS = {"host_address": "0.0.0.0", "host_port": 53, "guest_port": 53, "protocol": "udp"}


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("mirror.example.org", "mirror.example.org"),
        ("http://mirror.example.org/debian", "mirror.example.org"),
        ("http://mirror.example.org:3142/debian", "mirror.example.org"),
        ("https://user@mirror.example.org:3142", "mirror.example.org"),
        ("ssh://git@git.example.org:22/x.git", "git.example.org"),
        ("git@git.example.org:x.git", "git.example.org"),
        ("rest:https://backup.example.org:8000/wil", "backup.example.org"),
        ("sftp:wil@backup.example.org:/backups", "backup.example.org"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:5000", "10.1.2.3"),
        ("10.1.0.0/16", "10.1.0.0/16"),
        ("", ""),
    ],
)
def test_host_of_a_name(name: str, host: str) -> None:
    assert _qemu_network.host_of(name) == host


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("10.1.2.3", ["10.1.2.3/32"]),
        ("http://10.1.2.3:3142/debian", ["10.1.2.3/32"]),
        ("10.1.2.3/16", ["10.1.0.0/16"]),
        ("nobody.invalid", []),
        ("http://[2001:db8::1]/debian", []),
        ("", []),
        ("a" * 300, []),
    ],
)
def test_networks_of_a_name(name: str, networks: list[str]) -> None:
    assert _qemu_network.networks_of(name) == networks


def test_private_addresses_and_the_control_node_lead_nowhere() -> None:
    lines = _qemu_network.routes(["127.0.0.1", "192.168.1.5", "198.51.100.7"], []).splitlines()
    assert {f"route add unreachable {one}" for one in _qemu_network.PRIVATE} <= set(lines)
    # One that is public as well: there listens what was not meant for strangers' machines.
    assert "route add unreachable 198.51.100.7/32" in lines
    assert not [line for line in lines if "127.0.0.1" in line or line.startswith("route add default")]


def test_what_a_setting_names_is_reached_though_private() -> None:
    own = ["198.51.100.7"]
    lines = _qemu_network.routes(own, ["10.1.2.3/32", "203.0.113.1/32", "198.51.100.7/32", "10.0.0.0/8"]).splitlines()
    ways = [line for line in lines if " via " in line]
    # Of a public one there is a way anyway.
    assert ways == [
        "route add 10.0.0.0/8 via 10.0.2.2 dev tap0",
        "route add 10.1.2.3/32 via 10.0.2.2 dev tap0",
        "route add 198.51.100.7/32 via 10.0.2.2 dev tap0",
    ]
    # Two routes of the same network would be an error of ip's.
    assert "route add unreachable 10.0.0.0/8" not in lines
    assert "route add unreachable 198.51.100.7/32" not in lines


def test_answers_go_back_the_way_they_came() -> None:
    ports = _qemu_network.forwards([SSH, DNS])
    assert [(one.protocol, one.host_port, one.port) for one in ports] == [("tcp", 2222, 10000), ("udp", 53, 10001)]
    assert _qemu_network.rules(ports).splitlines()[1:] == [
        "rule add ipproto tcp sport 10000 lookup 42",
        "rule add ipproto udp sport 10001 lookup 42",
    ]


def programs(folder: Path, **contents: str) -> str:
    """A PATH with these programs alone."""
    for name in _qemu_network.NEEDED:
        (folder / name).write_text(f"#!/bin/sh\n{contents.get(name, 'exit 0')}\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("contents", "gone", "port", "obstacle"),
    [
        ({}, "", SSH, ""),
        ({}, "slirp4netns", SSH, "the package slirp4netns is missing"),
        ({}, "", {**SSH, "host_address": "::1"}, "slirp4netns forwards no port of an IPv6 address (::1)"),
        (
            {"unshare": "echo 'unshare: write failed uid_map: Operation not permitted' >&2; exit 1"},
            "",
            SSH,
            "this user may make no network namespace (unshare: write failed uid_map: Operation not permitted)",
        ),
    ],
)
def test_what_stands_in_the_way(
    contents: dict[str, str],
    gone: str,
    port: dict[str, Any],
    obstacle: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path, **contents))
    if gone:
        (tmp_path / gone).unlink()
    assert _qemu_network.obstacle([port]) == obstacle


@pytest.mark.parametrize("size", [10, _qemu.SERIAL_BYTES + 10, 5 * _qemu.SERIAL_BYTES + 10])
def test_the_console_s_log_has_a_bound_and_its_end_is_kept(size: int, tmp_path: Path) -> None:
    words = os.urandom(size)
    subprocess.run([sys.executable, "-c", _qemu.KEEP_SERIAL], input=words, cwd=tmp_path, check=True)
    kept = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir(), reverse=True))
    assert words.endswith(kept)
    assert len(kept) >= min(size, _qemu.SERIAL_BYTES)
    assert len(kept) <= 2 * (_qemu.SERIAL_BYTES + 65536)
