# SPDX-License-Identifier: GPL-3.0-or-later
"""A database on three nodes is kept and restored while its members run, on all of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cluster.conftest import CLIENT, NODES
from tests.cluster.test_backups import PROGRAM, backup, note, noted, restored, wordpress
from tests.galera.conftest import Galera

HISTORY = "ls -t /var/lib/fortytwo.inception/history/[0-9]*.json | head -1"


def on_all(cluster: Galera, statement: str) -> set[str]:
    return {cluster.sql(name, statement) for name in NODES}


@pytest.fixture
def title(cluster: Galera) -> Any:
    former = wordpress(cluster, "echo get_option('blogname');")
    yield former
    wordpress(cluster, f"update_option('blogname', '{former}');")


def test_what_was_lost_comes_back_on_all_members(cluster: Galera, title: str) -> None:
    """With a table that came since, and is gone; the passwords of the database stay as they are."""
    members = [cluster.member(name) for name in NODES]
    cluster.sql("one", "DROP TABLE IF EXISTS wp_since")
    note(cluster, "before")
    number = backup(cluster)
    note(cluster, "after")
    cluster.sql("one", "CREATE TABLE wp_since (id INT PRIMARY KEY)")
    password = cluster.secret("db_password")
    output = restored(cluster, restore_to=number)
    assert f"Restored: {number}" in output
    assert noted(cluster) == ("before", "before")
    assert on_all(cluster, 'SELECT option_value FROM wp_options WHERE option_name = "blogname"') == {"before"}
    assert on_all(cluster, 'SHOW TABLES LIKE "wp_since"') == {""}
    assert cluster.secret("db_password") == password
    assert cluster.well()
    # None of them was ended for it.
    assert [cluster.member(name) for name in NODES] == members
    done = cluster.run()
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}


def test_one_that_is_not_taken_gives_way(cluster: Galera, title: str) -> None:
    """Emptied already, all members get back what they had."""
    note(cluster, "good")
    number = backup(cluster)
    note(cluster, "better")
    history = cluster.root("one", HISTORY)
    cluster.root("one", f"cp {history} /tmp/kept.json")
    # The first one takes it, and the one that is put aside has a command of its own.
    broken = (
        f"import json; told = json.load(open('{history}')); "
        "[one['backup'].update(load=['sh', '-c', '[ -e /tmp/once ] && exec '"
        " + ' '.join(one['backup']['load']) + '; touch /tmp/once; exit 1'])"
        " for one in told['plan']['services'] if one['name'] == 'mariadb']; "
        f"json.dump(told, open('{history}', 'w'))"
    )
    cluster.root("one", f'python3 -c "{broken}"')
    try:
        done = cluster.run(playbook="restore", variables={"restore_to": number, "restore_without_backup": "yes"})
    finally:
        cluster.root("one", f"mv /tmp/kept.json {history}")
        cluster.root("one", f"docker exec {cluster.member('one')} rm -f /tmp/once")
    assert done.status != 0
    said = " ".join(done.told().split())
    assert f"{number} was not restored, and what was there before runs again: mariadb did not take the data" in said
    cluster.settled()
    assert noted(cluster) == ("better", "better")
    assert on_all(cluster, 'SELECT option_value FROM wp_options WHERE option_name = "blogname"') == {"better"}


def test_one_that_is_cut_off_while_nothing_is_there_is_taken_back(cluster: Galera, title: str) -> None:
    note(cluster, "first")
    number = backup(cluster)
    note(cluster, "second")
    there = f"docker exec {cluster.member('one')} {CLIENT} --execute 'SELECT 1 FROM wp_posts LIMIT 1' >/dev/null 2>&1"
    cut = (
        f"setsid {PROGRAM} restore {number} --without-backup >/tmp/restore.log 2>&1 & pid=$!; "
        f"for i in $(seq 3000); do {there} || break; kill -0 $pid || break; sleep 0.1; done; kill -KILL $pid"
    )
    cluster.root("one", f'bash -c "{cut.replace("$", chr(92) + "$")}"')
    assert cluster.root("one", "tail -1 /tmp/restore.log") == "... giving mariadb its data"
    cluster.root("one", f"{PROGRAM} resume")
    cluster.settled()
    assert noted(cluster) == ("second", "second")
    assert on_all(cluster, 'SELECT option_value FROM wp_options WHERE option_name = "blogname"') == {"second"}
    for name in NODES:
        assert cluster.page(name)[0] == 200


def test_a_trial_restores_it_beside(cluster: Galera) -> None:
    """One member that is the only one there, with the same front page; nothing of it is left, and the members stay."""
    backup(cluster)
    assert "shows the same front page" in cluster.root("one", f"{PROGRAM} trial")
    assert (
        cluster.root("one", "docker ps --all --quiet --filter label=com.docker.compose.project=inception-trial") == ""
    )
    assert cluster.well()


def test_what_another_engine_would_keep_is_on_all_members(cluster: Galera) -> None:
    """A plugin that wants MyISAM gets InnoDB, which all members get; whoever asks the database itself is refused."""
    try:
        wordpress(
            cluster,
            "global $wpdb; $wpdb->query('CREATE TABLE wp_old (id INT PRIMARY KEY) ENGINE=MyISAM');"
            " $wpdb->query('ALTER TABLE wp_old ENGINE=MyISAM');"
            " $wpdb->query('INSERT INTO wp_old VALUES (42)');",
        )
        assert on_all(cluster, "SELECT id FROM wp_old") == {"42"}
        client = f"docker exec {cluster.member('one')} {CLIENT} --execute 'ALTER TABLE wp_old ENGINE=Aria' 2>&1 || :"
        assert "ENFORCE_STORAGE_ENGINE" in cluster.root("one", client)
    finally:
        cluster.sql("one", "DROP TABLE IF EXISTS wp_old")
