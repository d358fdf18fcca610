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


class Galera(Cluster):
    """With a member of the database on each node."""

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
