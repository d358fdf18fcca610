# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of one database that becomes one of three while people read and write.

There is no way back once it is, so this is what comes last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.conftest import NODES, Cluster, Load, until

WANTED = {"cluster_database": "galera"}
POSTS = "SELECT ID, post_title FROM wp_posts ORDER BY ID"
# What two others get of a database is larger.
SMALL = "mount -t tmpfs -o size=64M,uid=$(id -u wil),gid=$(id -g wil),mode=0755 small /home/wil/data/mariadb"


def services(cluster: Cluster) -> list[str]:
    return cluster.root("one", "docker service ls --format '{{.Name}}' | grep mariadb | sort").split()


@pytest.fixture
def without_room(cluster: Cluster) -> Iterator[str]:
    """A node that has none for a database."""
    name = "three"
    cluster.root(name, f"install -d -o wil -g wil /home/wil/data/mariadb; {SMALL}")
    yield name
    cluster.root(name, "umount /home/wil/data/mariadb")


def test_a_table_that_members_cannot_have_is_told_before_anything_ends(cluster: Cluster) -> None:
    """InnoDB counts in the first column of an index alone."""
    container = cluster.member("one")
    cluster.sql("one", "CREATE TABLE wp_odd (a INT, b INT AUTO_INCREMENT, PRIMARY KEY (a, b)) ENGINE=MyISAM")
    try:
        done = cluster.run(variables=WANTED)
        assert done.status != 0
        told = " ".join(done.told().split())
        assert "mariadb runs as before" in told
        assert "wp_odd cannot be InnoDB" in told
        assert cluster.member("one") == container
        assert services(cluster) == ["inception_mariadb"]
    finally:
        cluster.sql("one", "DROP TABLE wp_odd")
    done = cluster.run()
    assert done.status == 0, done.told()
    assert cluster.member("one") == container


def test_where_not_all_become_well_the_one_goes_on(
    cluster: Cluster, without_room: str, load: Callable[..., Load]
) -> None:
    """With all that was written to it, and by itself: the third has no room for what the first gives it."""
    with load() as seen:
        done = cluster.run(variables=WANTED)
    assert done.status != 0
    told = " ".join(done.told().split())
    assert re.search(rf"mariadb-\d ended 3 times on {without_room}", told)
    assert "mariadb runs again, with all that it had" in told
    assert services(cluster) == ["inception_mariadb"]
    assert set(seen.taken) - cluster.comments() == set()
    for name in NODES:
        assert cluster.page(name, Cookie="asked_by=test")[0] == 200
    print(f"a page is made again after {seen.longest:.1f} s, a comment taken after {seen.longest_write:.1f} s")
    # As if nobody had wanted three.
    done = cluster.run()
    assert done.status == 0, done.told()


def test_one_database_becomes_three(cluster: Cluster, load: Callable[..., Load]) -> None:
    """All have what the one had, also where its engine is none that members have in common."""
    cluster.sql("one", "CREATE TABLE wp_old (id INT PRIMARY KEY, word TEXT, FULLTEXT(word)) ENGINE=MyISAM")
    cluster.sql("one", "INSERT INTO wp_old VALUES (42, 0x776f7264)")
    before = cluster.sql("one", POSTS)
    with load() as seen:
        done = cluster.run(variables=WANTED)
        assert done.status == 0, done.told()
    until(cluster.well, 240, "not all members are well")
    comments = cluster.comments_of("one")
    assert set(seen.taken) - comments == set()
    for name in NODES:
        assert cluster.comments_of(name) == comments
        assert cluster.sql(name, POSTS) == before
        assert cluster.sql(name, "SELECT id, word FROM wp_old") == "42\tword"
        assert cluster.page(name, Cookie="asked_by=test")[0] == 200
    print(f"a page is made again after {seen.longest:.1f} s, a comment taken after {seen.longest_write:.1f} s")
    cluster.sql("one", "DROP TABLE wp_old")


def test_there_is_nothing_left_to_do(cluster: Cluster) -> None:
    """For a second run, and in check mode; what the one had is no database any more that could start."""
    for arguments in ((), ("--check",)):
        done = cluster.run(*arguments, variables=WANTED)
        assert done.status == 0, done.told()
        assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}
    assert services(cluster) == ["inception_mariadb-1", "inception_mariadb-2", "inception_mariadb-3"]
