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
ROUNDS, WRITES = 7, 500
# Each one is a transaction, as WordPress's are: how many seconds they take, and what the server had to work for them.
WRITE = """
set -eu
work() { awk '{print $14 + $15}' /proc/1/stat; }
before=$(work) began=$(date +%s%N)
i=0
while [ $i -lt {writes} ]; do
    i=$((i + 1))
    echo "INSERT INTO cost (name, value) VALUES ('_transient_$i', REPEAT('x', 400));"
done | mariadb --defaults-file=/run/mysqld/client.cnf
echo $(($(date +%s%N) - began)) $(($(work) - before))
"""


def moment(bench: Bench) -> str:
    """Now, with seconds before and after it in which nothing is written."""
    time.sleep(2)
    now = bench.root("date -u '+%Y-%m-%d %H:%M:%S'").strip()
    time.sleep(2)
    return now


def cost(bench: Bench) -> tuple[float, float]:
    """Milliseconds of a write, and of the processor in it."""
    stack = bench.stack
    stack.sql("CREATE TABLE cost (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64), value TEXT) ENGINE=InnoDB")
    found = []
    for _round in range(ROUNDS):
        done = stack.execute("mariadb", "sh", "-c", WRITE.replace("{writes}", str(WRITES)))
        assert done.rc == 0, done.stderr
        found.append([int(one) for one in done.stdout.split()])
    stack.sql("DROP TABLE cost")
    spent, worked = zip(*found, strict=True)
    return statistics.median(spent) / 1e6 / WRITES, statistics.median(worked) * 10 / WRITES


def test_any_moment_comes_back_and_what_it_costs(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.deploy().status == 0
    timers(bench, "stop")
    # Off, nobody who reads the project's folder meets it.
    assert bench.host.run("grep -rqE 'mariadb_logs|binlog' /home/wil/inception").rc == 1
    without = cost(bench)
    done = bench.deploy(ON)
    assert done.status == 0, done.output[-3000:]
    again = bench.deploy(ON)
    assert (again.status, again.changed) == (0, 0), again.output[-3000:]
    timers(bench, "stop")
    with_logs = cost(bench)
    with capsys.disabled():
        print(
            f"\na write: {without[0]:.2f} ms and {without[1]:.3f} ms of the processor; with logs {with_logs[0]:.2f} "
            f"and {with_logs[1]:.3f}: {with_logs[0] / without[0]:.2f} and {with_logs[1] / without[1]:.2f} times"
        )

    bench.root("inception backup")
    post = write_post(bench, "wanted")
    bench.stack.sql(
        "UPDATE wp_options SET option_value = CONCAT(option_value, ' of then') WHERE option_name = 'blogname'"
    )
    then, kept = moment(bench), rows(bench.stack)
    bench.stack.sql(f"DELETE FROM wp_posts WHERE ID = {post}")
    write_post(bench, "later")
    later, kept_later = moment(bench), rows(bench.stack)
    assert kept != kept_later

    # Written an hour ago, and deleted since. Files stay as they are.
    said = bench.root(f"inception restore '{then}' --only database")
    assert f"what its database was told until {then} UTC" in said
    assert rows(bench.stack) == kept
    front = bench.site.own().get("/").text
    assert "/wanted/" in front
    assert "/later/" not in front
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
    logs = bench.root(f"ls -t {LOGS} | grep -v index").split()
    bench.root(f"cd {LOGS} && touch -d '9 days ago' {' '.join(logs[4:])}")
    assert bench.stack.execute("mariadb", "moment", "tidy").rc == 0
    left = bench.root(f"ls -t {LOGS} | grep -v index").split()
    assert left == logs[:4], logs
    bench.root("inception backup; inception trial")

    # Without them for a while, nobody knows what was written.
    bench.root("inception backup")
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]
    done = bench.deploy(ON)
    assert done.status == 0, done.output[-3000:]
    timers(bench, "stop")
    now = moment(bench)
    assert "kept no logs all the time since" in refused(bench, f"inception restore '{now}' --without-backup")
    assert bench.deploy().status == 0
    settled(bench)
