# SPDX-License-Identifier: GPL-3.0-or-later
"""A base image of a registry, newer there or not yet, and gone back to; one of this machine's own, built anew."""

from __future__ import annotations

from tests.faults.bench import Bench
from tests.updates.mirror import PAUSE, Mirror
from tests.updates.test_fixes import changes_nothing
from tests.verify.support import wait_until

REGISTRY = "127.0.0.1:5000"
PORT_ANSWERS = "bash -c '</dev/tcp/127.0.0.1/5000'"
BASE = f"{REGISTRY}/debian:bookworm"
FROM_THERE = {"base_image_reference": BASE, "inception_base_source": "registry"}
PACKAGE = "debian-archive-keyring"
# As the makers of an image give it to a registry: it says nothing of ours.
PLAIN = "FROM debian:bookworm\\nLABEL inception.base=\\n"
NEWER = "RUN apt-get -qq update && apt-get -qq --yes dist-upgrade && rm -rf /var/lib/apt/lists/*\\n"


def push(bench: Bench, dockerfile: str) -> None:
    """Into the registry; the image that has the name on this machine keeps it."""
    before = bench.root(f"docker image ls --quiet --no-trunc {BASE}").strip()
    bench.root("mkdir -p /srv/pushed")
    # On a machine that was kept the engine knows a step of before.
    bench.root(f"printf '{dockerfile}' | docker build --quiet --no-cache --tag {BASE} -f - /srv/pushed")
    bench.root(f"docker push --quiet {BASE}")
    bench.root(f"docker tag {before} {BASE}" if before else f"docker image rm {BASE}")


def labels(bench: Bench) -> str:
    return bench.root(f"docker image inspect --format '{{{{index .Config.Labels \"inception.base\"}}}}' {BASE}").strip()


def test_a_base_of_a_registry_is_renewed_and_gone_back_to(bench: Bench, mirror: Mirror) -> None:
    bench.root("DEBIAN_FRONTEND=noninteractive apt-get -qq --yes install docker-registry >/dev/null")
    # Debian's wants a password of everybody.
    bench.root("sed -i '/^auth:/,/path:/d' /etc/docker/registry/config.yml")
    bench.root("systemctl restart docker-registry")
    wait_until("the registry answers", lambda: bench.host.run(PORT_ANSWERS).rc == 0, 60)
    push(bench, PLAIN)
    done = bench.deploy(FROM_THERE)
    assert done.status == 0, done.output[-3000:]
    assert labels(bench) == ""
    changes_nothing(bench, FROM_THERE)
    # The registry has a newer one: it is pulled.
    first = mirror.publish("nginx", PACKAGE, "In the registry: CVE-2099-8001.")
    push(bench, PLAIN + NEWER)
    with bench.visitors(pause=PAUSE):
        assert f"-> {first}" in bench.root("inception update")
    assert mirror.installed("mariadb", PACKAGE) == first
    assert labels(bench) == ""
    changes_nothing(bench, FROM_THERE)
    # It has none yet: the one that there is is renewed here.
    second = mirror.publish("nginx", PACKAGE, "Not in the registry yet: CVE-2099-8002.")
    bench.root("inception update")
    assert mirror.installed("mariadb", PACKAGE) == second
    assert labels(bench).startswith("sha256:")
    changes_nothing(bench, FROM_THERE)
    # And back to the registry's.
    bench.root("inception rollback")
    assert mirror.installed("mariadb", PACKAGE) == first
    assert labels(bench) == ""
    changes_nothing(bench, FROM_THERE)
    # As the next tests find it.
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]


def test_the_base_is_built_anew_when_it_is_asked_for(bench: Bench, mirror: Mirror) -> None:
    """The last one here: that base knows nothing of the mirror on the machine."""
    before = bench.root("docker image inspect --format '{{.Id}}' debian:bookworm")
    running = bench.root("docker ps --format '{{.Image}}' | sort").splitlines()
    with bench.visitors(pause=PAUSE):
        done = bench.deploy({"base_image_refresh": True})
    assert done.status == 0, done.output[-3000:]
    assert bench.root("docker image inspect --format '{{.Id}}' debian:bookworm") != before
    assert not set(running) & set(bench.root("docker ps --format '{{.Image}}'").splitlines())
    changes_nothing(bench, {})
