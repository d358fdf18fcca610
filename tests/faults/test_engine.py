# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's engine that is killed again and again, and a container that hangs."""

from __future__ import annotations

import time

from tests.faults.bench import Bench
from tests.verify.support import wait_until


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
