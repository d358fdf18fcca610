# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a site becomes a cluster with that site: refused, cut off, given back, taken over while visitors look.

The tests build on one another, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import sleep

from tests.cluster.conftest import Load, until
from tests.cluster_from_one.conftest import MADE_BY_COMPOSE, NODE, STATE, Machine

OWN = "/home/wil/data/wordpress"
SHARED = "/var/lib/fortytwo.inception/shared/wordpress"
WP = "php -r \"define('WP_USE_THEMES', false); require '/var/www/html/wp-load.php'; {}\""
# Seconds that the site may be away at most, on whatever machine this runs; how long it was is printed.
AWAY_SECONDS = 180
# Of its own stack, and of the swarm's.
QUERY = "SELECT comment_content FROM wp_comments WHERE comment_content LIKE 0x6e756d6265722d25"
COMMENTS = (
    "docker exec $(docker ps --quiet --filter name=inception[-_]mariadb | head -1) mariadb"
    f" --defaults-file=/run/mysqld/client.cnf --skip-column-names --execute '{QUERY}' wordpress"
)
# Of the cluster's own program, of the firewall, and of the shared folder.
UNITS = [
    "inception-backup.service",
    "inception-backup.timer",
    "inception-firewall.service",
    "inception-health.service",
    "inception-health.timer",
    "inception-resume.service",
    "inception-shared-live.service",
    "inception-shared.service",
]
SERVICES = {"/inception-nginx-1", "/inception-wordpress-1", "/inception-mariadb-1", "/inception-redis-1"}


def test_somebody_writes(cluster: Machine, load: Callable[[], Load]) -> None:
    """Comments and a picture, which have to be there in the end."""
    with load() as seen:
        until(lambda: len(seen.taken) > 4, 120, "nobody can write")
    cluster.root(
        NODE,
        "docker exec inception-wordpress-1 sh -c 'mkdir -p /var/www/html/wp-content/uploads/2026/11 &&"
        " head -c 300000 /dev/urandom >/var/www/html/wp-content/uploads/2026/11/picture.jpg'",
    )
    assert set(seen.taken) <= set(cluster.root(NODE, COMMENTS).split())


def test_what_cannot_be_in_a_cluster_is_refused(cluster: Machine) -> None:
    """Before anything is changed."""
    before, containers = (
        cluster.root(NODE, "ls -R /var/lib/fortytwo.inception /etc/docker /etc/systemd/system"),
        cluster.own(),
    )
    done = cluster.cluster(inception_bonus_services=["redis", "analytics"])
    assert done.status != 0
    assert "inception_bonus_services: analytics cannot be in a cluster" in done.output
    assert cluster.root(NODE, "ls -R /var/lib/fortytwo.inception /etc/docker /etc/systemd/system") == before
    assert cluster.own() == containers


def test_without_a_backup_it_is_not_taken_over(cluster: Machine) -> None:
    """All is prepared by then, and the site goes on with the containers that it had, whatever became of the engine."""
    containers = cluster.own()
    assert set(containers) == SERVICES
    cluster.root(NODE, "mv /mnt/backup/wil /mnt/backup/away")
    try:
        done = cluster.cluster()
    finally:
        cluster.root(NODE, "mv /mnt/backup/away /mnt/backup/wil")
    assert done.status != 0
    assert "its site goes on as it was, and was not taken over" in done.output
    assert "cluster_without_backup=true" in done.output
    assert cluster.own() == containers
    assert cluster.root(NODE, "docker node ls --format '{{.Status}}'") == "Ready"
    assert cluster.page(NODE)[0] == 200


def test_cut_off_and_given_back(cluster: Machine) -> None:
    """Killed when its own stack has ended: by two commands that stack runs again, with all that it had."""
    before, comments = cluster.kept(OWN), cluster.root(NODE, COMMENTS)
    cluster.killed_at('"ended"')
    # What the machine itself had begun comes to its end: the swarm runs, and nobody has looked at it.
    until(lambda: cluster.is_free(), 600, "somebody has the machine's lease still")
    assert '"ended"' in cluster.root(NODE, f"cat {STATE}")
    assert cluster.own() == {}
    cluster.root(
        NODE,
        "docker stack rm --detach=false inception &&"
        # The last of its networks outlives the last container by a moment, and compose would take it for its own.
        ' while [ -n "$(docker network ls --quiet --filter name=^inception_)" ]; do sleep 1; done &&'
        " su wil -c 'make -C /home/wil/inception down all' >/tmp/back.log 2>&1",
    )
    assert set(cluster.own()) == SERVICES
    until(lambda: cluster.page(NODE)[0] == 200, 120, "the site is not back")
    assert cluster.kept(OWN) == before
    assert cluster.root(NODE, COMMENTS) == comments


def test_taken_over_while_visitors_look(cluster: Machine, load: Callable[[], Load]) -> None:
    """Comments, pictures, secrets and the certificate are the same; it was away for less than a minute or two."""
    before, shown, shown_at = cluster.kept(OWN), cluster.shown(), cluster.root(NODE, "date -u '+%F %T UTC'")
    assert "Fingerprint" in shown
    with load() as seen:
        until(lambda: len(seen.taken) > 4, 120, "nobody can write")
        done = cluster.cluster()
        written = len(seen.taken)
        assert done.status == 0, done.told()
        until(lambda: len(seen.taken) > written + 4, 120, "nobody can write on the cluster")
    print(f"without a page for {seen.longest:.1f} s, without a written comment for {seen.longest_write:.1f} s")
    assert cluster.kept(SHARED) == before
    assert cluster.shown() == shown
    assert set(seen.taken) - set(cluster.root(NODE, COMMENTS).split()) == set()
    state = "/var/lib/fortytwo.inception/backup/state.json"
    assert shown_at < cluster.root(NODE, f'sed -n \'s/.*"succeeded": "\\(.*\\)".*/\\1/p\' {state}')
    assert seen.longest < AWAY_SECONDS
    assert "with its data, secrets and certificate" in done.output


def test_nothing_of_the_one_is_left_to_start(cluster: Machine) -> None:
    """No container, timer, program or project could run it beside the cluster; its data and history are kept."""
    assert cluster.root(NODE, f"docker ps --all --quiet --filter label={MADE_BY_COMPOSE}") == ""
    assert (
        cluster.root(NODE, "systemctl list-unit-files 'inception-*' --no-legend | awk '{print $1}' | sort").split()
        == UNITS
    )
    assert cluster.root(NODE, "ls /var/lib/fortytwo.inception/wil.json 2>/dev/null || :") == ""
    assert cluster.root(NODE, "ls -A /home/wil/inception") == "secrets"
    kept = cluster.root(NODE, "cd /var/lib/fortytwo.inception/before-cluster && find . -maxdepth 2").split()
    assert {"./wil.json", "./history/history.json", "./project/Makefile"} <= set(kept)
    assert cluster.root(NODE, "cat /home/wil/data/wordpress.before-cluster/.release") == cluster.root(
        NODE, f"cat {SHARED}/.release"
    )


def test_its_program_is_the_cluster_s(cluster: Machine) -> None:
    """Its only deployment is the cluster's, by which it looks after that, and keeps what is on it."""
    numbers = re.findall(r'"number": (\d+)', cluster.root(NODE, "cat /var/lib/fortytwo.inception/history/history.json"))
    assert numbers == ["1"]
    cluster.root(NODE, "/usr/local/sbin/inception tend")
    assert cluster.own() == {}
    assert cluster.page(NODE)[0] == 200


def test_its_backups_go_on(cluster: Machine) -> None:
    """In the same place and with the same key: both are there, and the cluster's has the files that are shared."""
    before = cluster.root(NODE, "/usr/local/sbin/inception backups").splitlines()
    cluster.root(NODE, "/usr/local/sbin/inception backup --why 'of the cluster'")
    after = cluster.root(NODE, "/usr/local/sbin/inception backups").splitlines()
    assert "of the cluster" in after[0]
    assert after[1:] == before
    assert [line for line in after if "before the cluster" in line]


def test_a_second_run_changes_nothing(cluster: Machine) -> None:
    before = cluster.root(NODE, "docker ps --quiet --no-trunc | sort")
    done = cluster.cluster()
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}
    assert cluster.root(NODE, "docker ps --quiet --no-trunc | sort") == before


def test_after_the_machine_s_next_start_it_is_the_cluster(cluster: Machine) -> None:
    """And nothing else."""
    comments = cluster.root(NODE, COMMENTS)
    cluster.outside("restart", "--timeout", "60", "inception-from-one")
    until(lambda: cluster.page(NODE)[0] == 200, 300, "the site is not back")
    sleep(5)
    assert cluster.own() == {}
    assert cluster.root(NODE, COMMENTS) == comments
