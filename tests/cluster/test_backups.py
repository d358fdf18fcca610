# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of a cluster: made by the node with the data alone, and restored on all nodes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cluster.conftest import NODES, Cluster

PLACE, PROGRAM, KEY = "/var/backups/site", "/usr/local/sbin/inception", "/etc/fortytwo.inception/backup.key"
UPLOADS = "/var/www/html/wp-content/uploads"
TIMERS = "systemctl list-timers --all --no-legend | grep -o 'inception-backup.timer' || true"
PHP = "php -r \"define('WP_USE_THEMES', false); require '/var/www/html/wp-load.php'; {}\""


def wordpress(cluster: Cluster, code: str) -> str:
    return cluster.anywhere("wordpress", PHP.format(code.replace("$", "\\$")))


def note(cluster: Cluster, word: str) -> None:
    """A title in the database, and a file beside it."""
    wordpress(cluster, f"update_option('blogname', '{word}');")
    cluster.anywhere("wordpress", f"sh -c 'echo {word} >{UPLOADS}/note.txt'")


def noted(cluster: Cluster) -> tuple[str, str]:
    return wordpress(cluster, "echo get_option('blogname');"), cluster.anywhere("wordpress", f"cat {UPLOADS}/note.txt")


def backup(cluster: Cluster) -> str:
    """Its number."""
    done = cluster.run(playbook="backup")
    assert done.status == 0, done.told()
    found = re.findall(r"([0-9a-f]{8}) in /var/backups/site", done.output)
    assert found, done.output
    return str(found[-1])


def restored(cluster: Cluster, **variables: str) -> str:
    done = cluster.run(playbook="restore", variables=variables)
    assert done.status == 0, done.told()
    cluster.settled()
    for name in NODES:
        assert cluster.page(name)[0] == 200
    return done.output


@pytest.fixture
def title(cluster: Cluster) -> Any:
    """The site's name, which is put back."""
    former = wordpress(cluster, "echo get_option('blogname');")
    yield former
    wordpress(cluster, f"update_option('blogname', '{former}');")


def test_one_node_makes_them(cluster: Cluster) -> None:
    """The first one was made at once; no other node has a timer, settings, or a key."""
    assert [name for name in NODES if cluster.root(name, TIMERS)] == ["one"]
    there = "ls /var/lib/fortytwo.inception/backup/settings.json 2>/dev/null || true"
    assert [name for name in NODES if cluster.root(name, there)] == ["one"]
    done = cluster.run(playbook="backups")
    assert done.status == 0, done.told()
    assert "wil.42.fr  the first one" in done.output


def test_a_timer_that_another_node_had_goes(cluster: Cluster) -> None:
    """As where that one had the data before."""
    units = "/etc/systemd/system/inception-backup"
    state, units = "/var/lib/fortytwo.inception/backup", "/etc/systemd/system/inception-backup"
    for command in (
        f'mkdir -p {state} && echo \'{{"place": "/tmp"}}\' >{state}/settings.json',
        f"printf '[Timer]\\nOnCalendar=daily\\n' >{units}.timer",
        f"printf '[Service]\\nExecStart=/bin/true\\n' >{units}.service",
        "systemctl daemon-reload && systemctl start inception-backup.timer",
    ):
        cluster.root("two", command)
    done = cluster.run()
    assert done.status == 0, done.told()
    assert [name for name in NODES if cluster.root(name, TIMERS)] == ["one"]


def test_what_was_lost_comes_back_everywhere(cluster: Cluster, title: str) -> None:
    """The database, a file and a secret, as they were; and the next run has nothing to put right."""
    note(cluster, "before")
    secret = cluster.secret("wp_admin_password")
    number = backup(cluster)
    note(cluster, "after")
    cluster.anywhere("wordpress", f"sh -c 'echo more >{UPLOADS}/more.txt'")
    output = restored(cluster, restore_to=number)
    assert f"Restored: {number}" in output
    assert noted(cluster) == ("before", "before")
    for name in NODES:
        assert cluster.page(name, "/wp-content/uploads/note.txt")[1] == "before\n"
        assert cluster.page(name, "/wp-content/uploads/more.txt")[0] == 404
    assert cluster.secret("wp_admin_password") == secret
    homes = "/home/wil/data/.* /home/wil/inception/.* /var/lib/fortytwo.inception/shared/.*"
    beside = f"ls -d {homes} | grep -E 'restore|former' || true"
    assert cluster.root("one", beside) == ""
    done = cluster.run()
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}


def test_a_part_of_it(cluster: Cluster, title: str) -> None:
    """Only the files: what was written to the database since stays."""
    note(cluster, "one")
    number = backup(cluster)
    note(cluster, "two")
    restored(cluster, restore_to=number, restore_only="files", restore_without_backup="yes")
    assert noted(cluster) == ("two", "one")


def test_one_that_cannot_be_read_gives_way(cluster: Cluster, title: str) -> None:
    """The database does not take its dump: what was there before is there again, on each node."""
    note(cluster, "good")
    number = backup(cluster)
    note(cluster, "better")
    history = cluster.root("one", "ls -t /var/lib/fortytwo.inception/history/[0-9]*.json | head -1")
    cluster.root("one", f"cp {history} /tmp/kept.json")
    broken = (
        f"import json; told = json.load(open('{history}')); "
        "[one['backup'].update(load=['false']) for one in told['plan']['services'] if one['name'] == 'mariadb']; "
        f"json.dump(told, open('{history}', 'w'))"
    )
    cluster.root("one", f'python3 -c "{broken}"')
    try:
        done = cluster.run(playbook="restore", variables={"restore_to": number, "restore_without_backup": "yes"})
    finally:
        cluster.root("one", f"mv /tmp/kept.json {history}")
    assert done.status != 0
    said = " ".join(done.told().split())
    assert f"{number} was not restored, and what was there before runs again: mariadb did not take the data" in said
    cluster.settled()
    assert noted(cluster) == ("better", "better")
    for name in NODES:
        assert cluster.page(name)[0] == 200


def test_one_that_is_cut_off_is_taken_back(cluster: Cluster, title: str) -> None:
    """Killed while all services are held: the machine itself brings back what was there."""
    note(cluster, "first")
    number = backup(cluster)
    note(cluster, "second")
    cut = (
        f"setsid {PROGRAM} restore {number} --without-backup >/tmp/restore.log 2>&1 & pid=$!; "
        "for i in $(seq 600); do [ -e /home/wil/data/.former ] && break; sleep 0.2; done; kill -KILL $pid"
    )
    cluster.root("one", f"bash -c '{cut}'")
    cluster.root("one", f"{PROGRAM} resume")
    cluster.settled()
    assert noted(cluster) == ("second", "second")
    for name in NODES:
        assert cluster.page(name)[0] == 200


def test_a_trial_restores_it_beside(cluster: Cluster) -> None:
    """By compose, on the node with the data, and with the same front page; nothing of it is left."""
    backup(cluster)
    assert "shows the same front page" in cluster.root("one", f"{PROGRAM} trial")
    assert (
        cluster.root("one", "docker ps --all --quiet --filter label=com.docker.compose.project=inception-trial") == ""
    )


def test_a_node_that_is_away_is_a_reason_not_to_begin(cluster: Cluster) -> None:
    number = backup(cluster)
    cluster.outside("pause", "inception-cluster-three")
    try:
        away = "for i in $(seq 60); do docker node ls --format '{{.Status}}' | grep -q Down && break; sleep 1; done"
        cluster.root("one", away)
        # A backup is made all the same.
        backup(cluster)
        done = cluster.run(playbook="restore", variables={"restore_to": number, "restore_without_backup": "yes"})
        assert done.status != 0
        assert "three cannot be reached, and may still write to the site's files" in done.told()
        assert cluster.page("one")[0] == 200
    finally:
        cluster.outside("unpause", "inception-cluster-three")
    cluster.settled()


def test_the_history_and_the_machine_s_own_look(cluster: Cluster) -> None:
    done = cluster.run(playbook="history")
    assert done.status == 0, done.told()
    assert re.search(r"\* +\d+  .* deployment, kept; by ", done.output), done.output
    assert cluster.root("one", f"{PROGRAM} health || true") == "All is well."


@pytest.mark.parametrize(
    ("playbook", "todo"),
    [
        ("rotate", "make cluster ARGS='-e rotate_secrets=all'"),
        ("update", "another word in cluster_packages"),
        ("rollback", "put them into the inventory again"),
        ("import", "restore that one here"),
    ],
)
def test_what_a_cluster_does_in_another_way_says_how(cluster: Cluster, playbook: str, todo: str) -> None:
    done = cluster.run(playbook=playbook)
    assert done.status != 0
    assert todo in " ".join(done.output.split())


def test_new_values_of_secrets(cluster: Cluster) -> None:
    """Drawn, brought to all nodes, and the former ones are nowhere any more."""
    names = ("db_password", "wp_admin_password")
    before = {name: cluster.secret(name) for name in names}
    done = cluster.run(variables={"rotate_secrets": ",".join(names)})
    assert done.status == 0, done.told()
    after = {name: cluster.secret(name) for name in names}
    assert all(before[name] != after[name] for name in names)
    cluster.settled()
    for name in NODES:
        assert cluster.inside(name, "wordpress", "cat /run/secrets/db_password") == after["db_password"]
        site = cluster.site(name)
        assert site.sign_in(site.settings.admin_user, after["wp_admin_password"]).cookies
    assert cluster.root("one", "ls /home/wil/inception/secrets | grep -E 'staged|former|old' || true") == ""
    done = cluster.run()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}


def test_a_secret_that_there_is_not_is_refused(cluster: Cluster) -> None:
    done = cluster.run(variables={"rotate_secrets": "db_pasword"})
    assert done.status != 0
    assert "'db_pasword' is no secret of this stack" in " ".join(done.told().split())


def test_no_secret_is_in_what_is_written_down(cluster: Cluster) -> None:
    """The history has the stack file and the project, for root alone, and no value."""
    folder = "/var/lib/fortytwo.inception/history"
    told = cluster.root("one", f"cat {folder}/*.json; stat -c %a {folder}")
    assert told.endswith("700")
    values = [cluster.secret(name) for name in ("db_password", "db_root_password", "wp_admin_password")]
    packed = json.loads(cluster.root("one", f"cat $(ls -t {folder}/[0-9]*.json | head -1)"))["files"]
    assert not [value for value in values if value in told or value in json.dumps(packed)]
