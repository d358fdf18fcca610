# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own updates while visitors look: of the engine, and a reboot by unattended-upgrades at its time."""

from __future__ import annotations

import shlex
import subprocess
import sys

from tests.faults.bench import PATIENCE, Bench
from tests.updates.mirror import PAUSE
from tests.verify.support import wait_until

ENGINE = "docker.io containerd"
TOLD = "was updated and goes on as it was"


def runs(machine: str) -> bool:
    said = subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Running}}", machine], capture_output=True, text=True, check=True
    )
    return said.stdout.strip() == "true"


def deployed_before(bench: Bench) -> str:
    """A time of the day, soon, of which the deployment that sets it leaves some minutes."""
    for minutes in (4, 8, 16, 32):
        at = bench.root(f"date --date='{minutes} minutes' +%H:%M").strip()
        done = bench.deploy({"host_reboot_at": at})
        assert done.status == 0, done.output[-3000:]
        # The time's seconds are cut off.
        if (minutes - 1) * 60 - done.seconds > 120:
            return at
    raise AssertionError(f"a deployment took {done.seconds:.0f} s")


def test_an_update_of_the_engine_is_noticed_by_nobody_and_told_until_it_is_in_force(bench: Bench) -> None:
    """Debian's packages start containerd anew, and Docker goes on as it was until somebody starts it anew."""
    ids = bench.root("docker ps --no-trunc --quiet | sort")
    assert TOLD not in bench.root("inception status")
    with bench.visitors(pause=PAUSE) as tally:
        bench.root(f"DEBIAN_FRONTEND=noninteractive apt-get -qq --yes install --reinstall {ENGINE} >/dev/null")
    assert not tally.ended
    assert f"docker {TOLD}" in bench.root("inception status")
    # Docker takes its rules of the published ports away for a moment.
    with bench.visitors(failures=sys.maxsize) as tally:
        bench.root("systemctl restart docker")
        wait_until("its engine answers", lambda: bench.host.run("docker info").rc == 0, PATIENCE)
    print(*tally.lines(), sep="\n")
    assert not tally.ended
    assert TOLD not in bench.root("inception status")
    assert bench.root("docker ps --no-trunc --quiet | sort") == ids
    bench.settled()


def test_a_reboot_happens_at_its_time_and_the_site_comes_back_by_itself(bench: Bench) -> None:
    machine = str(bench.host.ansible.get_variables()["machine_name"])
    at = deployed_before(bench)
    assert "a reboot is needed" not in bench.root("inception status")
    bench.root("touch /run/reboot-required && echo linux-image-amd64 >/run/reboot-required.pkgs")
    assert "a reboot is needed: linux-image-amd64 wants it" in bench.root("inception status")
    hosts = bench.root("cat /etc/hosts")
    with bench.visitors(failures=sys.maxsize, pause=PAUSE) as tally:
        bench.root("unattended-upgrade")
        # It says nothing, and waits for its time.
        assert at in bench.root("date --date=@$(( $(sed -n 's/^USEC=//p' /run/systemd/shutdown/scheduled) / 1000000 ))")
        wait_until("it goes down", lambda: not runs(machine), 600)
        bench.switch_on(machine)
        wait_until("its engine answers", lambda: bench.host.run("docker info").rc == 0, PATIENCE)
        wait_until("all is well", lambda: not bench.unwell(), PATIENCE)
    print(*tally.lines()[:2], sep="\n")
    times = [float(line.split(" s: ")[0]) for line in tally.failures]
    assert times
    print(f"visitors got no answer for {times[-1] - times[0]:.1f} s")
    assert not tally.ended
    # The engine of the control node writes this file of its containers anew at each start.
    bench.root(f"printf %s {shlex.quote(hosts)} >/etc/hosts")
    again = bench.deploy({"host_reboot_at": at})
    assert (again.status, again.changed) == (0, 0), again.output[-6000:]
    assert "a reboot is needed" not in bench.root("inception status")
    # As the next tests find it.
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]
