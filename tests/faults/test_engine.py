# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's engine that is killed again and again, and a container that hangs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.bench import Bench
from tests.verify.support import Page, add_comment, wait_until

PAGE = "/var/www/html/slow.php"
# Children of php-fpm and who waits for one (its conf/php-fpm.conf), and some more.
CROWD = 8 + 128 + 24
# All at once, on the machine. Who gets no answer for 20 seconds leaves.
CROWDING = f"""
import http.client, ssl, threading, time
context = ssl._create_unverified_context()
def ask(number):
    began = time.monotonic()
    try:
        site = http.client.HTTPSConnection("wil.42.fr", timeout=20, context=context)
        site.request("GET", f"/slow.php?n={{number}}")
        answer = site.getresponse()
        told = f"{{answer.status}} {{answer.headers.get('Retry-After', '-')}}"
    except TimeoutError:
        told = "000 -"
    print(f"{{told}} {{time.monotonic() - began:.1f}}\\n", end="")
crowd = [threading.Thread(target=ask, args=(number,)) for number in range({CROWD})]
for one in crowd:
    one.start()
"""


def engine(bench: Bench) -> bool:
    return bool(bench.host.run("timeout 5 docker version").rc == 0)


def test_an_engine_that_is_killed_again_and_again_comes_back(bench: Bench) -> None:
    """Six times in a minute: systemd's own limit is three, and leaves it failed."""
    for _time in range(6):
        wait_until("the engine is there", lambda: engine(bench), 60)
        bench.root("systemctl kill --signal=KILL --kill-whom=main docker.service")
        time.sleep(3)
    wait_until("the engine is there", lambda: engine(bench), 60)
    wait_until("all is well", lambda: not bench.unwell(), 120)
    assert bench.site.own().get("/").status == 200


def test_one_that_hangs_is_started_again(bench: Bench) -> None:
    """Stopped by a signal, it does nothing: it is restarted five minutes after Docker calls it unhealthy."""
    process = bench.root("docker inspect --format '{{.State.Pid}}' inception-mariadb-1").strip()
    began = bench.root("docker inspect --format '{{.State.StartedAt}}' inception-mariadb-1")
    bench.root("systemctl start inception-health.service")
    bench.root(f"kill -STOP {process}")

    def is_another() -> bool:
        return bench.root("docker inspect --format '{{.State.StartedAt}}' inception-mariadb-1") != began

    wait_until("it was started again", is_another, 900)
    wait_until("all is well", lambda: not bench.unwell(), 300)
    wait_until("it is told", lambda: "mariadb made no progress for five minutes" in bench.root("inception status"), 180)
    assert bench.site.own().get(f"/?fresh={time.monotonic_ns()}").status == 200
    # Who waits for it is left alone.
    assert "restarting wordpress" not in bench.root("journalctl --no-pager -u inception-health")


# Docker dies while it starts a container with the site's port, until it holds the port for one that is gone: at about
# each tenth time.
HOLD = r"""
image=$(docker inspect --format '{{.Image}}' inception-nginx-1)
docker network create held >/dev/null
for number in $(seq 100); do
    docker create --name held --network held --publish 443:80 --entrypoint sleep "$image" 1000 >/dev/null
    docker start held >/dev/null 2>&1 &
    python3 -c 'import random, time; time.sleep(random.uniform(0.02, 0.6))'
    systemctl kill --signal=KILL --kill-whom=main docker.service
    wait
    until timeout 5 docker version >/dev/null 2>&1; do sleep 0.5; done
    docker rm --force held >/dev/null
    if ! docker run --rm --network held --publish 443:80 --entrypoint true "$image" 2>/tmp/held; then
        grep 'port is already allocated' /tmp/held && exit
    fi
done
"""


@pytest.mark.parametrize("who", ["a deployment", "the machine by itself"])
def test_a_port_that_docker_holds_for_nobody_comes_back(bench: Bench, who: str) -> None:
    """As after a power cut; no container starts at it any more, and nobody has it."""
    began = bench.root("docker inspect --format '{{.State.StartedAt}}' inception-mariadb-1")
    bench.root("systemctl stop inception-health.timer; docker stop inception-nginx-1")
    try:
        assert "port is already allocated" in bench.root(f"cat >/root/hold.sh <<'SH'\n{HOLD}\nSH\nsh /root/hold.sh")
        assert "port is already allocated" in bench.host.run("docker start inception-nginx-1").stderr
        if who == "a deployment":
            done = bench.deploy()
            assert done.status == 0, done.output[-3000:]
            assert "Docker held port 443 for a container that is gone" in done.output
    finally:
        bench.root("systemctl start inception-health.timer")
        bench.root("docker rm --force held 2>/dev/null; docker network rm held")
    wait_until("all is well", lambda: not bench.unwell(), 300)
    assert bench.site.own().get("/").status == 200
    # The others went on.
    assert bench.root("docker inspect --format '{{.State.StartedAt}}' inception-mariadb-1") == began


def wordpress(bench: Bench) -> str:
    """Its container, which has another number after each taking over."""
    return bench.root("docker ps --quiet --filter label=com.docker.compose.service=wordpress").strip()


def fresh(bench: Bench) -> Page:
    """A page that WordPress makes now: who has a cookie gets no copy."""
    return bench.site.own().get(f"/?fresh={time.monotonic_ns()}", {"Cookie": "asked_by=tests"})


@contextmanager
def without_engine(bench: Bench) -> Iterator[None]:
    wait_until("all is well", lambda: not bench.unwell(), 120)
    # The health check has found the others by then.
    time.sleep(20)
    bench.root("systemctl stop docker.socket docker.service")
    try:
        yield
    finally:
        bench.root("systemctl start docker.socket docker.service")
        wait_until("the engine is there", lambda: engine(bench), 60)
        wait_until("all is well", lambda: not bench.unwell(), 120)


def test_without_the_engine_the_site_goes_on(bench: Bench) -> None:
    visitor = bench.site.sign_in("guest", bench.stack.secrets()["wp_user_password.txt"])
    with without_engine(bench):
        for _time in range(5):
            began = time.monotonic()
            page = fresh(bench)
            assert page.status == 200, page.text[:500]
            assert time.monotonic() - began < 10
        add_comment(visitor, f"without the engine {time.monotonic_ns()}")
    # And when it is back, with whoever has another address now.
    bench.root(f"docker restart {wordpress(bench)}")
    wait_until("all is well", lambda: not bench.unwell(), 120)
    assert fresh(bench).status == 200
    bench.settled()


def test_more_visitors_than_there_are_children_are_told_to_come_again(bench: Bench) -> None:
    bench.root(f"docker exec {wordpress(bench)} sh -c \"echo '<?php sleep(40); echo 1;' >{PAGE}\"")
    try:
        told_by = bench.host.run("python3 -c %s", CROWDING)
        answers = [line.split() for line in told_by.stdout.splitlines()]
        told = [one for one in answers if one[0] == "503"]
        assert len(told) >= 16, answers
        assert {one[1] for one in told} == {"10"}
        assert max(float(one[2]) for one in told) < 15
        # Nobody was told anything else: the others still wait.
        assert {one[0] for one in answers} == {"503", "000"}
    finally:
        bench.root(f"docker exec {wordpress(bench)} rm {PAGE}")
    # An end to it: it passes by itself.
    wait_until("the site is there", lambda: fresh(bench).status == 200, 400)


def test_a_database_that_gives_no_connection_says_so_and_comes_back(bench: Bench) -> None:
    hold = (
        "$all = []; $secret = rtrim(file_get_contents('/run/secrets/db_password'));"
        "try { while (true) { $all[] = new mysqli('mariadb', getenv('MARIADB_USER'), $secret); } }"
        "catch (mysqli_sql_exception $error) { touch('/tmp/full'); sleep(20); unlink('/tmp/full'); }"
    )
    bench.root(f'docker exec --detach {wordpress(bench)} php -r "{hold.replace("$", chr(92) + "$")}"')
    wait_until("it is full", lambda: bench.host.run(f"docker exec {wordpress(bench)} test -e /tmp/full").rc == 0, 30)
    page = fresh(bench)
    assert page.status == 503
    assert page.headers["Retry-After"] == "10"
    assert "The site is busy" in page.text
    assert not re.search("mysql|mariadb|database", page.text, re.IGNORECASE)
    wait_until("the site is there", lambda: fresh(bench).status == 200, 60)
