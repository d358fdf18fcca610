# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore to a moment between two backups, by the database's own logs, and what these cost.

A part of `make test-backup-long`. What it cost is printed: `pytest -s`.
"""

from __future__ import annotations

import statistics
import time

import pytest

from tests.backup.test_backup import DATA, different, newest, refused, settled, timers, whole, write_post
from tests.faults.bench import Bench
from tests.upgrade.notes import rows

pytestmark = pytest.mark.long

ON = {"inception_backup_point_in_time": True}
LOGS = f"{DATA}/mariadb_logs"
ROUNDS, WRITES = 9, 300
# Two servers side by side, one with logs: each write is a transaction, as WordPress's are, as large as a small option.
# Microseconds of each by the clock and of the server's processors, in turn, so that what else the computer does meets
# both alike; then the bytes of the logs.
COST = """
set -eu
options="--defaults-file=/etc/mysql/inception.cnf --user=root --skip-networking"
options="$options --innodb_temp_data_file_path=ibtmp1:12M:autoextend"
mkdir /d/logs
for name in off on; do
    mkdir /d/$name
    mariadb-install-db --no-defaults --datadir=/d/$name/data --tmpdir=/tmp --skip-test-db \\
        --auth-root-authentication-method=normal >/dev/null
    [ $name = off ] || options="$options --log-bin=/d/logs/log"
    mariadbd $options --datadir=/d/$name/data --socket=/d/$name.sock --pid-file=/d/$name.pid >/dev/null 2>&1 &
    until mariadb --user=root --socket=/d/$name.sock --execute='CREATE DATABASE cost' 2>/dev/null; do sleep 0.3; done
    mariadb --user=root --socket=/d/$name.sock cost \\
        --execute='CREATE TABLE cost (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64), value TEXT)'
done
worked() { awk '{print $14 + $15}' "/proc/$(cat /d/$1.pid)/stat"; }
for round in $(seq {rounds}); do
    for name in off on; do
        before=$(worked $name) began=$(date +%s%N) i=0
        while [ $i -lt {writes} ]; do
            i=$((i + 1))
            echo "INSERT INTO cost (name, value) VALUES ('_transient_$i', REPEAT('x', 400));"
        done | mariadb --user=root --socket=/d/$name.sock cost
        echo $name $((($(date +%s%N) - began) / 1000 / {writes})) $((($(worked $name) - before) * 10000 / {writes}))
    done
done
cat /d/logs/log.0* | wc -c
"""


def moment(bench: Bench) -> str:
    """Now, with seconds before and after it in which nothing is written."""
    time.sleep(2)
    now = bench.root("date -u '+%Y-%m-%d %H:%M:%S'").strip()
    time.sleep(2)
    return now


def cost(bench: Bench) -> str:
    """Of a write, without logs and with them."""
    image = bench.root("docker inspect --format '{{.Config.Image}}' inception-mariadb-1").strip()
    bench.root("rm -rf /root/cost; mkdir /root/cost")
    script = COST.replace("{rounds}", str(ROUNDS)).replace("{writes}", str(WRITES))
    said = bench.stack.root(
        "docker run --rm --user 0 --network none --tmpfs /tmp --volume /root/cost:/d --entrypoint sh %s -c %s",
        image,
        script,
    ).split()
    bench.root("rm -r /root/cost")
    found = list(zip(said[:-1:3], said[1:-1:3], said[2:-1:3], strict=True))
    off, on = (
        [statistics.median(int(one[place]) for one in found if one[0] == name) for place in (1, 2)]
        for name in ("off", "on")
    )
    size = int(said[-1]) // (ROUNDS * WRITES)
    return (
        f"a write by the clock {off[0]} and with logs {on[0]} microseconds, {on[0] / off[0]:.2f} times; of the "
        f"processors {off[1]} and {on[1]}, {on[1] / off[1]:.2f} times; {size} bytes of logs"
    )


def test_any_moment_comes_back_and_what_it_costs(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.deploy().status == 0
    timers(bench, "stop")
    # Off, nobody who reads the project's folder meets it.
    assert bench.host.run("grep -rqE 'mariadb_logs|binlog' /home/wil/inception").rc == 1
    done = bench.deploy(ON)
    assert done.status == 0, done.output[-3000:]
    again = bench.deploy(ON)
    assert (again.status, again.changed) == (0, 0), again.output[-3000:]
    timers(bench, "stop")
    with capsys.disabled():
        print(f"\n{cost(bench)}")

    bench.root("inception backup")
    # On a machine that was kept there are those of before.
    wanted, unwanted = f"wanted-{time.time_ns()}", f"unwanted-{time.time_ns()}"
    post = write_post(bench, wanted)
    bench.stack.sql(
        "UPDATE wp_options SET option_value = CONCAT(option_value, ' of then') WHERE option_name = 'blogname'"
    )
    then, kept = moment(bench), rows(bench.stack)
    bench.stack.sql(f"DELETE FROM wp_posts WHERE ID = {post}")
    write_post(bench, unwanted)
    later, kept_later = moment(bench), rows(bench.stack)
    assert kept != kept_later

    # Written an hour ago, and deleted since. Files stay as they are.
    said = bench.root(f"inception restore '{then}' --only database")
    assert f"what its database was told until {then} UTC" in said
    assert rows(bench.stack) == kept
    front = bench.site.own().get("/").text
    assert f"/{wanted}/" in front
    assert f"/{unwanted}/" not in front
    # And what there was before that restore, which is the moment before it.
    bench.root(f"inception restore '{later}' --only database")
    assert rows(bench.stack) == kept_later

    # From a backup over a restore leads no way; and nothing is touched then.
    write_post(bench, "over")
    now = moment(bench)
    before = whole(bench)
    assert "all data was replaced at" in refused(bench, f"inception restore '{now}' --without-backup")
    assert different(before, whole(bench)) == []
    bench.root("inception backup")
    based = newest(bench)
    write_post(bench, "again")
    then, kept = moment(bench), rows(bench.stack)
    write_post(bench, "last")
    bench.root(f"inception restore '{then}'")
    assert rows(bench.stack) == kept
    assert based in bench.root("inception backups")

    # A value of a secret is in none of the logs, also after a rotation.
    done = bench.finish(bench.start({**ON, "rotate_secrets": ["db_password"]}, playbook="playbooks/rotate.yml"))
    assert done.status == 0, done.output[-3000:]
    timers(bench, "stop")
    for name, value in bench.stack.secrets().items():
        if name.endswith(".txt"):
            assert bench.host.run(f"grep -rqF -f - {LOGS} <<'E'\n{value}\nE").rc == 1, name
    assert bench.root(f"stat -c %a {LOGS}").strip() in ("700", "755")
    assert set(bench.root(f"stat -c %a {LOGS}/*").split()) <= {"600", "660"}

    # What is too old goes, and what the server writes stays.
    for _log in range(6):
        bench.stack.execute("mariadb", "sh", "-c", "kill -HUP 1")
        time.sleep(1)
    logs = bench.root(f"ls -t {LOGS} | grep '[0-9]$'").split()
    bench.root(f"cd {LOGS} && touch -d '9 days ago' {' '.join(logs[4:])}")
    assert bench.stack.execute("mariadb", "moment", "tidy").rc == 0
    left = bench.root(f"ls -t {LOGS} | grep '[0-9]$'").split()
    assert left == logs[:4], logs
    # Of the former data folders' there is nothing any more.
    series = logs[0].partition(".")[0]
    assert bench.root(f"ls {LOGS} | grep -v ^{series} || true") == ""
    bench.root("inception backup; inception trial")

    # Without them for a while nobody knows what was written: what was backed up before they came back is there alone.
    bench.root("inception backup")
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]
    kept = rows(bench.stack)
    done = bench.deploy(ON)
    assert done.status == 0, done.output[-3000:]
    timers(bench, "stop")
    write_post(bench, f"lost-{time.time_ns()}")
    now = moment(bench)
    said = bench.root(f"inception restore '{now}' --without-backup")
    assert "inception_backup_point_in_time was off, and it is mariadb as of the backup" in said
    assert rows(bench.stack) == kept
    assert bench.deploy().status == 0
    settled(bench)
