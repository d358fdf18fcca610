# SPDX-License-Identifier: GPL-3.0-or-later
"""A change through any node is seen there at once, and at every node within a second. No page is older than it.

INCEPTION_FRESHNESS says how often each kind is changed (3).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from time import sleep

import pytest

from tests.cluster.conftest import NODES, Cluster
from tests.verify import changes

TIMES = int(os.environ.get("INCEPTION_FRESHNESS", "3"))
# Where the changes are seen.
PATHS = ("/", "/hello-world/", "/sample-page/")


@pytest.fixture(scope="module")
def editors(cluster: Cluster) -> Iterator[dict[str, changes.Editor]]:
    password = cluster.secret("wp_admin_password")
    user = cluster.settings.admin_user
    found = {name: changes.Editor(cluster.site(name).sign_in(user, password)) for name in NODES}
    first = found["one"]
    author = first.first("posts")["author"]
    title, name = first.get("settings")["title"], first.get(f"users/{author}")["name"]
    yield found
    changes.restore(first, title, name)


@pytest.mark.parametrize("kind", changes.KINDS)
def test_a_change_is_seen_everywhere(cluster: Cluster, editors: dict[str, changes.Editor], kind: str) -> None:
    """Each node has its own copy of the page before it, and none shows it after a second."""
    missed: Counter[str] = Counter()
    kept = 0
    for _turn in range(TIMES):
        for name in NODES:
            for path in PATHS:
                cluster.site(name).get(path)
        changed_on = random.choice(NODES)
        word = changes.word()
        path = changes.KINDS[kind](editors[changed_on], word)
        missed[f"at once on {changed_on}"] += word not in cluster.site(changed_on).get(path).text
        sleep(1)
        for name in NODES:
            missed[f"changed on {changed_on}, read on {name}"] += word not in cluster.site(name).get(path).text
            again = cluster.site(name).get(path)
            missed[f"changed on {changed_on}, kept on {name}"] += word not in again.text
            kept += again.headers.get("X-Page-Cache") == "HIT"
    for editor in editors.values():
        editor.clean()
    assert +missed == Counter()
    # Else it would be no cache that is right.
    assert kept > TIMES
