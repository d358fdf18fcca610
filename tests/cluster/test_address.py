# SPDX-License-Identifier: GPL-3.0-or-later
"""One address that is always at a node that answers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from time import sleep

import pytest

from tests.cluster.conftest import ADDRESSES, ANSWER_SECONDS, NODES, Cluster, until

NETWORK = ADDRESSES["one"].rpartition(".")[0]
ADDRESS = f"{NETWORK}.100"
WANTED = {"cluster_virtual_address": f"{ADDRESS}/24"}


def holders(cluster: Cluster, *nodes: str) -> list[str]:
    shown = f"ip -4 -oneline address show to {ADDRESS}/32"
    return [name for name in nodes or NODES if cluster.root(name, shown)]


def answered() -> bool:
    """Whether a visitor by that address gets a page."""
    way = ["--resolve", f"wil.42.fr:443:{ADDRESS}", "https://wil.42.fr/"]
    words = ["curl", "--silent", "--insecure", "--fail", "--output", "/dev/null", "--max-time", "3"]
    return subprocess.run([*words, *way], check=False, timeout=10).returncode == 0


@pytest.fixture(scope="module", autouse=True)
def floating(cluster: Cluster) -> Iterator[None]:
    done = cluster.run(variables=WANTED)
    assert done.status == 0, done.told()
    yield
    done = cluster.run()
    assert done.status == 0, done.told()
    assert holders(cluster) == []
    files = "/etc/keepalived/keepalived.conf /etc/keepalived/inception-word.conf"
    left = f"ls {files} 2>/dev/null || true; systemctl is-active keepalived || true"
    assert {cluster.root(name, left) for name in NODES} == {"inactive"}


def test_one_node_has_it_and_answers(cluster: Cluster) -> None:
    until(lambda: len(holders(cluster)) == 1 and answered(), 30, "nobody answers at the address")
    done = cluster.run(variables=WANTED)
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}


def test_who_is_no_node_has_no_say(cluster: Cluster) -> None:
    rule = "nft list table inet inception | grep -c 'ip saddr != .* meta l4proto vrrp jump refuse'"
    assert {cluster.root(name, rule) for name in NODES} == {"1"}


def test_the_word_is_the_same_and_root_s_alone(cluster: Cluster) -> None:
    told = {cluster.root(name, "cat /etc/keepalived/inception-word.conf") for name in NODES}
    assert len(told) == 1
    assert re.fullmatch(r"auth_pass [0-9a-f]{8}", told.pop())
    modes = {cluster.root(name, "stat -c '%a %U' /etc/keepalived/*.conf | sort -u") for name in NODES}
    assert modes == {"600 root"}


def test_a_node_that_dies_loses_it_and_does_not_take_it_back(cluster: Cluster) -> None:
    (first,) = holders(cluster)
    others = [name for name in NODES if name != first]
    cluster.outside("kill", f"inception-cluster-{first}")
    try:
        seconds = until(lambda: len(holders(cluster, *others)) == 1 and answered(), 60, "the address went nowhere")
        (second,) = holders(cluster, *others)
    finally:
        cluster.outside("start", f"inception-cluster-{first}")
    print(f"answered by another node after {seconds:.1f} s")
    assert seconds <= ANSWER_SECONDS
    cluster.settled()
    sleep(20)
    assert holders(cluster) == [second]
    assert answered()


def test_a_node_whose_nginx_does_not_answer_loses_it(cluster: Cluster) -> None:
    (first,) = holders(cluster)
    container = cluster.container(first, "nginx")
    cluster.root(first, f"docker pause {container}")
    try:
        until(lambda: [name for name in holders(cluster) if name != first] != [] and answered(), 60, "it stayed there")
    finally:
        cluster.root(first, f"docker unpause {container} || true")
    cluster.settled()
    assert len(holders(cluster)) == 1


# What nodes say to each other of the address gets lost.
DEAF = "nft 'table inet deaf { chain in { type filter hook input priority -300; meta l4proto vrrp drop; }; }'"


def test_two_that_did_not_hear_each_other_agree_again(cluster: Cluster) -> None:
    """Each takes the address meanwhile, so that somebody has it; afterwards it is one's, and visitors find that one."""
    for name in NODES:
        cluster.root(name, DEAF)
    try:
        until(lambda: len(holders(cluster)) > 1, 60, "they hear each other")
    finally:
        for name in NODES:
            cluster.root(name, "nft delete table inet deaf")
    until(lambda: len(holders(cluster)) == 1, 30, "several have it")
    until(answered, ANSWER_SECONDS, "visitors look for it at another one")


def test_the_status_names_the_node(cluster: Cluster) -> None:
    (name,) = holders(cluster)
    done = cluster.run(playbook="status", variables=WANTED)
    assert f"{ADDRESS}/24 on {name}" in done.output


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("192.0.2.10/24", f"is in no network of it ({NETWORK}."),
        (f"{ADDRESSES['two']}/24", "is the address of two itself"),
        (ADDRESS, "does not say the bits of its network"),
    ],
)
def test_one_that_cannot_be_is_refused(cluster: Cluster, address: str, word: str) -> None:
    before = holders(cluster)
    done = cluster.run(variables={"cluster_virtual_address": address})
    assert done.status != 0
    assert word in " ".join(done.told().split())
    assert holders(cluster) == before
