# SPDX-License-Identifier: GPL-3.0-or-later
"""One database on three nodes: it outlives each of them, and goes on with all that was acknowledged or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from time import sleep

import pytest

from tests.cluster import conftest as nodes
from tests.cluster.conftest import ANSWER_SECONDS, NODES, Load, until
from tests.galera.conftest import Galera

# How often each node dies.
TIMES = int(os.environ.get("INCEPTION_NODE_DEATHS", "1"))
# All that a node says to the others, and they to it, gets lost.
CUT = (
    "nft 'table inet cut {{ chain in {{ type filter hook input priority -300; ip saddr {{ {0} }} drop; }};"
    " chain out {{ type filter hook output priority -300; ip daddr {{ {0} }} drop; }}; }}'"
)


def machine(name: str) -> str:
    return f"inception-galera-{name}"


def whole(cluster: Galera, seconds: int = 240) -> float:
    """Until each node has a member that has everything."""
    return until(cluster.well, seconds, "not all members are well")


def test_each_node_has_all_data(cluster: Galera) -> None:
    assert whole(cluster) < 60
    assert [cluster.page(name)[0] for name in NODES] == [200, 200, 200]
    numbers = {cluster.asked(name, "wsrep_last_committed") for name in NODES}
    assert numbers != {""}


def test_a_second_run_changes_nothing(cluster: Galera) -> None:
    """On no node, and no container is another one."""
    before = {name: cluster.root(name, "docker ps --quiet --no-trunc | sort") for name in NODES}
    done = cluster.run()
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}
    assert {name: cluster.root(name, "docker ps --quiet --no-trunc | sort") for name in NODES} == before


def test_members_are_reached_by_members_and_proxies_alone(cluster: Galera) -> None:
    """WordPress asks the proxy, by the database's name, and knows no member; no value of a secret is an argument."""
    code = (
        "foreach (['mariadb', 'mariadb-1', 'mariadb-2'] as $name)"
        " { echo $name, gethostbyname($name) === $name ? ' unknown' : ' known', ' '; }"
    )
    said = cluster.anywhere("wordpress", f'php -r "{code.replace("$", chr(92) + "$")}"')
    assert said == "mariadb known mariadb-1 unknown mariadb-2 unknown"
    for secret in ("db_password", "db_root_password"):
        value = cluster.secret(secret)
        for name in NODES:
            assert value not in cluster.root(name, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), name


def test_one_is_written_to(cluster: Galera, load: Callable[..., Load]) -> None:
    """Whoever is asked, all of it goes to one member."""
    with load():
        sleep(6)
        asked = {name: int(cluster.asked(name, "wsrep_replicated")) for name in NODES}
        sleep(6)
        more = {name: int(cluster.asked(name, "wsrep_replicated")) - asked[name] for name in NODES}
    assert [name for name in NODES if more[name]] == ["one"], more


@pytest.mark.parametrize("name", ["three", "two", "one"])
@pytest.mark.parametrize("turn", range(TIMES))
def test_a_node_that_dies_takes_nothing_with_it(
    cluster: Galera, load: Callable[..., Load], name: str, turn: int
) -> None:
    """The one that is written to as little as another; when it is back, it has what was written meanwhile."""
    others = tuple(other for other in NODES if other != name)
    with load() as seen:
        sleep(5)
        cluster.outside("kill", machine(name))
        sleep(40)
        away, away_write = seen.longest, seen.longest_write
        assert cluster.well(*others)
        cluster.outside("start", machine(name))
        until(lambda: cluster.page(name)[0] == 200, 120, f"{name} does not serve the site again")
        took = whole(cluster)
        cluster.settled()
    print(f"{name}: away: a reader {away:.1f} s, a write {away_write:.1f} s; its member {took:.0f} s after its page")
    assert set(seen.taken) - cluster.comments() == set()
    assert len(seen.taken) > 20
    assert away <= ANSWER_SECONDS
    assert away_write <= ANSWER_SECONDS


@pytest.mark.parametrize("name", ["three", "two", "one"])
def test_a_node_that_is_cut_off_answers_nobody(cluster: Galera, load: Callable[..., Load], name: str) -> None:
    """The one that is written to or another, for a minute: two go on, and nothing is there twice or lost."""
    with load() as seen:
        sleep(5)
        cluster.root(name, CUT.format(", ".join(nodes.ADDRESSES[other] for other in NODES if other != name)))
        try:
            sleep(60)
            away, away_write = seen.longest, seen.longest_write
            # Swarm ends a container that is not well, there too.
            assert cluster.asked(name, "wsrep_cluster_status") in ("non-Primary", "")
            assert cluster.page(name, "/?now", Cookie="asked_by=test")[0] != 200
        finally:
            cluster.root(name, "nft delete table inet cut")
        whole(cluster)
        cluster.settled()
    print(f"{name} cut off: a reader {away:.1f} s, a write {away_write:.1f} s")
    assert set(seen.taken) - cluster.comments() == set()
    assert away <= ANSWER_SECONDS
    assert away_write <= ANSWER_SECONDS


def test_all_at_once_off_and_on(cluster: Galera, load: Callable[..., Load]) -> None:
    """The one that has the most begins by itself, and the others have it all."""
    machines = [machine(name) for name in NODES]
    with load() as seen:
        sleep(10)
        cluster.outside("kill", *machines)
        sleep(5)
        cluster.outside("start", *machines)
        until(lambda: all(cluster.page(name)[0] == 200 for name in NODES), 300, "the site is not there again")
        took = whole(cluster)
        cluster.settled()
    print(f"all members are well {took:.0f} s after all pages")
    assert len(seen.taken) > 5
    assert set(seen.taken) - cluster.comments() == set()


def test_without_the_third_nobody_begins(cluster: Galera) -> None:
    """After a power cut two do not know what the third had, wait, and say so; they go on with it when it is there."""
    running = "docker ps --filter name=inception_mariadb- --format '{{.Names}}'"
    first, third = (cluster.root(name, running).partition(".")[0] for name in ("one", "three"))
    cluster.outside("kill", *[machine(name) for name in NODES])
    try:
        cluster.outside("start", machine("one"), machine("two"))
        until(lambda: cluster.page("one")[0] != 0, 120, "the first node does not come back")
        missing = f"not known without {third.removeprefix('inception_')}"
        says = f"docker service logs --tail 20 {first} 2>&1 | grep -c '{missing}' || :"
        until(
            lambda: cluster.root("one", says) not in ("", "0"), 180, "the first member does not say what it waits for"
        )
        assert cluster.page("one", "/?now", Cookie="asked_by=test")[0] != 200
    finally:
        cluster.outside("start", machine("three"))
    whole(cluster)
    cluster.settled()


def test_members_are_replaced_one_after_the_other(cluster: Galera, load: Callable[..., Load]) -> None:
    """Readers and a writer go on meanwhile, and all members are other ones."""
    service = cluster.folder / "services/another"
    for path, text in {
        "service.yml": "about: a file of the tests\ncontributes_to: {mariadb: {waits_for: []}}\n",
        "contributes_to/mariadb/conf/another.cnf": "# Another.\n",
    }.items():
        (service / path).parent.mkdir(parents=True, exist_ok=True)
        (service / path).write_text(text)
    before = [cluster.member(name) for name in NODES]
    with load() as seen:
        done = cluster.run(
            variables={
                "inception_service_dirs": [str(service.parent)],
                "inception_bonus_services": ["redis", "another"],
            }
        )
        assert done.status == 0, done.told()
    whole(cluster)
    assert not set(before) & {cluster.member(name) for name in NODES}
    assert set(seen.taken) - cluster.comments() == set()
    assert seen.longest_write <= ANSWER_SECONDS


def test_its_passwords_stay(cluster: Galera) -> None:
    """Another value that somebody gives is refused, and leaves nothing behind."""
    # What other tests have left is not replaced with it.
    done = cluster.run()
    assert done.status == 0, done.told()
    former = cluster.secret("db_password")
    done = cluster.run(variables={"inception_secrets": {"db_password": "Another-value-of-the-tests-42"}})
    assert done.status != 0
    assert "inception_secrets: db_password has another value there" in " ".join(done.told().split())
    assert cluster.secret("db_password") == former
    assert cluster.root("one", "ls /home/wil/inception/secrets | grep -E 'next|previous' || true") == ""
    done = cluster.run()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}


def test_there_is_no_way_back(cluster: Galera) -> None:
    """One of three alone would go on where the others are not: refused before anything is changed."""
    done = cluster.run(variables={"cluster_database": "single"})
    assert done.status != 0
    assert "its database is one of three (galera)" in " ".join(done.output.split())
    assert cluster.well()
