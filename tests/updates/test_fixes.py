# SPDX-License-Identifier: GPL-3.0-or-later
"""A published fix on its way into what runs: seen, brought by hand and by itself, given up when it is bad."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Mapping

from tests.faults.bench import PATIENCE, Bench, Deployed
from tests.updates.mirror import BY_ITSELF, PAUSE, Mirror
from tests.verify.support import wait_until

# Of packages and of the base image, so many in a row after those of the other tests (docs/tests.md).
MANY = int(os.environ.get("INCEPTION_UPDATES", "2"))
MANY_BASES = int(os.environ.get("INCEPTION_BASE_UPDATES", "0"))

# So many deployments are kept, and so many bytes are none: a database's log, or a cache's list.
KEPT, NOTHING = 6, 32 << 20
JOURNAL = "/var/lib/fortytwo.inception/history/journal.json"


def images(bench: Bench) -> str:
    return bench.root("docker image ls --all --no-trunc --quiet | sort")


def number(bench: Bench) -> int:
    """Of the deployment that runs."""
    found = re.search(r"(?m)^\*\s+(\d+) ", bench.history())
    assert found
    return int(found[1])


def changes_nothing(bench: Bench, settings: Mapping[str, str] = BY_ITSELF) -> None:
    """The deployment from the inventory, after what the machine did by itself."""
    assert not bench.unwell()
    again = bench.deploy(settings)
    assert (again.status, again.changed) == (0, 0), again.output[-6000:]
    assert "was edited" not in again.output


def update(bench: Bench) -> Deployed:
    return bench.finish(bench.start(playbook="playbooks/update.yml"))


def by_itself(bench: Bench) -> int:
    """What the timer starts; its status."""
    return int(bench.host.run("systemctl start inception-update.service").rc)


def test_nothing_is_built_where_nothing_is_newer(bench: Bench, mirror: Mirror) -> None:
    before, began = (images(bench), number(bench)), time.monotonic()
    said = bench.root("inception update")
    print(f"asked in {time.monotonic() - began:.1f} s")
    assert "Nothing is newer than what runs." in said
    assert (images(bench), number(bench)) == before
    changes_nothing(bench)


def test_a_fix_is_seen_with_its_cve_and_brought_while_visitors_look(bench: Bench, mirror: Mirror) -> None:
    version = mirror.publish("nginx", "nginx", "A request could do harm: CVE-2099-4242.")
    before = number(bench)
    bench.root("inception update --check")
    seen = next(line for line in bench.root("inception status").splitlines() if line.startswith("image of nginx: "))
    assert f"-> {version} (CVE-2099-4242)" in seen
    assert "CVE-2001-0001" not in seen
    assert number(bench) == before
    with bench.visitors(pause=PAUSE):
        done = update(bench)
    assert done.status == 0, done.output[-3000:]
    assert mirror.installed("nginx", "nginx") == version
    assert f"-> {version}" in bench.history()
    assert number(bench) == before + 1
    changes_nothing(bench)
    # Nor does it build anything for another time.
    built = images(bench)
    assert "Nothing is newer" in bench.root("inception update")
    assert images(bench) == built


def test_a_fix_of_what_wordpress_is_made_of_comes_into_its_volume_while_visitors_look(
    bench: Bench, mirror: Mirror
) -> None:
    """The files of its former container would change under its hands: it does not work beside the new one."""
    version = mirror.publish("wordpress", "php-getid3", "In a file that WordPress has of it: CVE-2099-4300.")
    with bench.visitors(pause=PAUSE):
        done = update(bench)
    assert done.status == 0, done.output[-3000:]
    assert mirror.installed("wordpress", "php-getid3") == version
    assert version in bench.root(f"cat {bench.stack.settings.data}/wordpress/.release")
    changes_nothing(bench)


def test_the_timer_brings_it_and_a_bad_one_is_given_up_and_named(bench: Bench, mirror: Mirror) -> None:
    assert bench.root("systemctl is-enabled inception-update.timer").strip() == "enabled"
    good = mirror.publish("nginx", "nginx", "Another one: CVE-2099-4243.")
    with bench.visitors(pause=PAUSE):
        assert by_itself(bench) == 0
    assert mirror.installed("nginx", "nginx") == good
    changes_nothing(bench)
    bad = mirror.publish("nginx", "nginx", "One that does not work: CVE-2099-4244.", bad=True)
    with bench.visitors(pause=PAUSE):
        assert by_itself(bench) != 0
    assert mirror.installed("nginx", "nginx") == good
    warned = next(line for line in bench.root("inception status").splitlines() if line.startswith("updates: WARNING: "))
    assert "was given up" in warned
    assert re.search(r"The new nginx was tried \(.*\) and is not well\.", warned)
    assert f"-> {bad} (CVE-2099-4244)" in warned
    assert "was given up" in bench.host.run("inception health").stdout
    changes_nothing(bench)
    # Three times it tries by itself; then a person is needed, or a newer one.
    by_itself(bench)
    by_itself(bench)
    tries = bench.history().count("update, refused")
    assert by_itself(bench) == 0
    assert bench.history().count("update, refused") == tries == 3
    better = mirror.publish("nginx", "nginx", "Mended: CVE-2099-4244.")
    assert by_itself(bench) == 0
    assert mirror.installed("nginx", "nginx") == better
    assert "updates: WARNING" not in bench.root("inception status")
    # The machine's own look takes nothing for over that it misses once.
    wait_until("it is over", lambda: "was given up" not in bench.root("inception status"), PATIENCE)


def test_an_update_that_was_gone_back_from_does_not_come_back_by_itself(bench: Bench, mirror: Mirror) -> None:
    version = mirror.publish("nginx", "nginx", "One more: CVE-2099-4245.")
    assert by_itself(bench) == 0
    assert mirror.installed("nginx", "nginx") == version
    bench.root("inception rollback")
    assert mirror.installed("nginx", "nginx") != version
    assert by_itself(bench) == 0
    assert mirror.installed("nginx", "nginx") != version
    changes_nothing(bench)
    bench.root("inception update")
    assert mirror.installed("nginx", "nginx") == version


def test_a_fix_of_the_base_reaches_each_image_and_one_that_was_gone_back_from_does_not_come_back(
    bench: Bench, mirror: Mirror
) -> None:
    """Neither by itself nor with the next deployment, which would build everything on it again."""
    package = "debian-archive-keyring"
    before, tags = mirror.installed("nginx", package), bench.root("docker ps --format '{{.Image}}' | sort")
    version = mirror.publish("nginx", package, "In the base image: CVE-2099-5000.")
    with bench.visitors(pause=PAUSE):
        assert by_itself(bench) == 0
    for service in ("nginx", "wordpress", "mariadb"):
        assert mirror.installed(service, package) == version
    changes_nothing(bench)
    bench.root("inception rollback")
    changes_nothing(bench)
    assert mirror.installed("mariadb", package) == before
    assert bench.root("docker ps --format '{{.Image}}' | sort") == tags
    assert by_itself(bench) == 0
    assert mirror.installed("mariadb", package) == before
    # Forward again by hand, and whoever cleaned up the engine meanwhile had the base image.
    bench.root("docker image rm debian:bookworm")
    with bench.visitors(pause=PAUSE):
        done = update(bench)
    assert done.status == 0, done.output[-3000:]
    assert mirror.installed("mariadb", package) == version
    changes_nothing(bench)


def test_one_that_is_cut_off_is_gone_on_with(bench: Bench, mirror: Mirror) -> None:
    version = mirror.publish("nginx", "nginx", "And one more: CVE-2099-4246.")
    bench.root("systemd-run --quiet --collect --unit=cut-off /usr/local/sbin/inception update")
    wait_until("it is under way", lambda: bench.host.file(JOURNAL).exists, PATIENCE)
    bench.root("systemctl kill --signal=KILL cut-off")
    assert mirror.installed("nginx", "nginx") != version
    # The machine's own look goes on with it, when the lease of the dead one has run out.
    wait_until("it was gone on with", lambda: not bench.host.file(JOURNAL).exists, PATIENCE)
    assert mirror.installed("nginx", "nginx") == version
    changes_nothing(bench)


def kept(bench: Bench) -> int:
    """How many deployments can be gone back to, with the one that runs."""
    return len(re.findall(r"(?m)^[* ] +\d+ ", bench.history()))


def used(bench: Bench) -> int:
    """What Docker's folder takes on the disk, in bytes."""
    return int(bench.root("du --summarize --bytes --one-file-system /var/lib/docker").split()[0])


def test_many_updates_do_not_fill_the_disk(bench: Bench, mirror: Mirror) -> None:
    nameless = "docker image ls --filter dangling=true --quiet"
    before = bench.root(nameless)
    packages, sizes = ["nginx"] * MANY + ["debian-archive-keyring"] * MANY_BASES, []
    for turn, package in enumerate(packages):
        was_full = kept(bench) == KEPT
        mirror.publish("nginx", package, f"CVE-2099-{6000 + turn}.")
        bench.root("inception update")
        sizes.append((package, was_full, used(bench)))
        print(f"{package}: {sizes[-1][2] >> 20} MiB, {kept(bench)} deployments")
        changes_nothing(bench)
    # What the deployments need that can be gone back to: when their number is reached, nothing is added any more.
    assert kept(bench) == KEPT
    full = [size for package, was_full, size in sizes if was_full and package == "nginx"]
    assert len(full) > 1
    assert all(later - earlier < NOTHING for earlier, later in itertools.pairwise(full))
    assert len(bench.root("docker image ls --quiet inception-base").split()) < KEPT
    assert bench.root(nameless) == before
