# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands before a database on three nodes: it knows the members' names, and asks each as a client would."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _swarm_file as swarm_file
from ansible_collections.fortytwo.inception.tests.unit import rendering


@pytest.fixture
def files(collections_path: Path) -> dict[str, str]:
    return rendering.project("galera", str(collections_path))


@pytest.fixture
def settings(files: dict[str, str]) -> str:
    return files["srcs/requirements/dbproxy/conf/haproxy.cfg"]


def test_the_scripts_are_sound(files: dict[str, str], tmp_path: Path) -> None:
    scripts = [path for path in files if re.search(r"requirements/(mariadb|dbproxy)/.*\.sh$", path)]
    assert len(scripts) > 7
    for path in scripts:
        script = tmp_path / path.replace("/", "-")
        script.write_text(files[path])
        done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout


def test_a_member_that_is_another_one_is_asked_at_its_new_address(settings: str) -> None:
    """Seen on three nodes: with the former address kept, no proxy had anybody to ask when the members were replaced."""
    held = dict(re.findall(r"(?m)^    hold (\w+) (\S+)$", settings))
    assert held["obsolete"] == "0s"
    assert held["valid"] == "1s"


@pytest.fixture
def backends(settings: str) -> dict[str, str]:
    return {part.split()[0]: part for part in settings.split("\nbackend ")[1:]}


@pytest.mark.parametrize("name", ["written", "shown"])
def test_one_is_written_to_and_the_others_wait_in_order(backends: dict[str, str], name: str) -> None:
    servers = re.findall(r"(?m)^    server (\S+) \S+ check(.*)$", backends[name])
    assert [name for name, dummy in servers] == swarm_file.members_of("mariadb")
    assert ["backup" in words.split() for dummy, words in servers] == [False, True, True]
    # Who comes before another one takes its sessions; the last one is before nobody.
    assert ["on-marked-up" in words for dummy, words in servers] == [True, True, False]


def test_who_writes_nothing_is_asked_only_where_nobody_does(settings: str, backends: dict[str, str]) -> None:
    """A member whose disk is full has everything, and refuses what is written."""
    assert "use_backend written if { nbsrv(written) gt 0 }\n    default_backend shown\n" in settings
    assert "@@GLOBAL.read_only = 0" in backends["written"]
    assert "read_only" not in backends["shown"]
    # Its answer is in no question, which the server says back.
    assert backends["written"].count("writable") == 1


@pytest.mark.parametrize("name", ["written", "shown"])
def test_each_is_asked_in_the_server_s_own_words(backends: dict[str, str], name: str) -> None:
    """Each packet says how long it is; the question is the one that is written above it."""
    sent = [bytes.fromhex(one) for one in re.findall(r"send-binary ([0-9a-f]+)", backends[name])]
    for packet in sent:
        assert int.from_bytes(packet[:3], "little") == len(packet) - 4
    login, query, end = (packet[4:] for packet in sent)
    # Without a password, in protocol 4.1.
    assert login[32:] == b"check\0\0"
    assert (query[:1], end) == (b"\x03", b"\x01")
    assert f"# {query[1:].decode()}\n" in backends[name]


def test_who_asks_so_has_no_right(files: dict[str, str]) -> None:
    """The account is there for looking alone, and only from the cluster's own networks."""
    script = files["srcs/requirements/mariadb/tools/entrypoint.sh"]
    assert re.findall(r"CREATE USER IF NOT EXISTS 'check'@'(\S+)'", script) == ["$CLUSTER_NETWORKS", "localhost"]
    assert not re.search(r"GRANT[^;\n]*check", script)


def test_all_that_a_transfer_calls_is_there(files: dict[str, str]) -> None:
    """Without ps, wsrep_sst_mariabackup takes its own server for ended, and gives up."""
    image = files["srcs/requirements/mariadb/Dockerfile"]
    for package in ("galera-4", "iproute2", "mariadb-backup", "procps", "socat"):
        assert re.search(rf"(?m)^        {package} ", image), package
    assert "wsrep_sst_common" in image


def test_the_children_of_ten_nodes_have_a_connection_each(files: dict[str, str], collections_path: Path) -> None:
    """And those of one more, which starts before another stops. On one machine there are as many as ever."""

    def number(text: str, name: str) -> int:
        return sum(map(int, re.findall(rf"(?m)^{name} = (\d+)$", text)))

    children = number(files["srcs/requirements/wordpress/conf/php-fpm.conf"], "pm[.]max_children")
    assert number(files["srcs/requirements/mariadb/conf/mariadb.cnf"], "max_connections") > 11 * children
    alone = rendering.project("debian-archive", str(collections_path))["srcs/requirements/mariadb/conf/mariadb.cnf"]
    assert number(alone, "max_connections") == 50
