# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of scenario galera: those of scenario cluster, at other places, and with a database on each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import conftest as nodes
from tests.cluster.conftest import NODES, Cluster, Load

nodes.PORTS = {"one": 8511, "two": 8512, "three": 8513}
nodes.ADDRESSES = {"one": "172.29.43.11", "two": "172.29.43.12", "three": "172.29.43.13"}
STATUS = "mariadb --no-defaults --user=check --socket=/run/mysqld/mysqld.sock --batch --skip-column-names --execute"


class Galera(Cluster):
    """With a member of the database on each node."""

    def member(self, name: str) -> str:
        """The container on a node, or nothing."""
        return self.root(name, "docker ps --quiet --filter name=inception_mariadb- | head -1")

    def asked(self, name: str, variable: str) -> str:
        """A value of the member's status, or nothing."""
        command = (
            f"docker exec {self.member(name)} {STATUS} \"SHOW GLOBAL STATUS LIKE '{variable}'\" 2>/dev/null | cut -f2"
        )
        return self.root(name, f"{command} || :")

    def well(self, *names: str) -> bool:
        """Whether these nodes' members have all that was written, and see all of these."""
        told = [
            (self.asked(name, "wsrep_cluster_size"), self.asked(name, "wsrep_local_state")) for name in names or NODES
        ]
        return told == [(str(len(names or NODES)), "4")] * len(names or NODES)

    def comments_of(self, name: str) -> set[str]:
        """What the member of a node has of what a test wrote."""
        query = "SELECT comment_content FROM wp_comments WHERE comment_content LIKE 0x6e756d6265722d25"
        words = f'mariadb --defaults-file=/run/mysqld/client.cnf --skip-column-names --execute "{query}" wordpress'
        return set(self.root(name, f"docker exec {self.member(name)} {words}").split())

    def comments(self) -> set[str]:
        """What every member has."""
        return set.intersection(*(self.comments_of(name) for name in NODES))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Galera:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    return Galera(inventory, tmp_path_factory.mktemp("galera"))


@pytest.fixture
def load(cluster: Galera) -> Callable[..., Load]:
    return lambda *names: Load(cluster, names or NODES)
