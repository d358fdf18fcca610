# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments that go wrong: visitors notice nothing of the bad one, and the next good one heals.

In the scenario faults (make test-faults).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults import notes
from tests.faults.bench import Bench
from tests.rotation.load import Tally

SCREEN = 25
# A service as users write one.
SERVICE = "about: a service of the tests\nlimits: {memory: 32M, cpus: 1, pids: 10}\n"
COMPOSE = (
    "    tmpfs:\n      - /tmp:mode=1777\n    healthcheck:\n      test: [CMD-SHELL, '%s']\n      <<: *healthcheck\n"
)
FROM = "FROM {{ __stack_base_image }}\n"


def service(command: str, check: str = "true", more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        "service.yml": SERVICE,
        "compose.yml": COMPOSE % check,
        "Dockerfile": f'{FROM}CMD ["sh", "-c", "{command}"]\n',
        **(more or {}),
    }


@dataclass(frozen=True)
class Bad:
    """A deployment that must not succeed, and words of its screen."""

    says: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    service: Mapping[str, str] | None = None


BAD: dict[str, Bad] = {
    "a setting that none can be": Bad(
        settings={"stack_env": {"WORDPRESS_PORT": 99999}},
        says=("WORDPRESS_PORT", "no port"),
    ),
    "a setting that only a start finds out": Bad(
        settings={
            "stack_env": {"MARIADB_DATABASE": "word`press"},
            "stack_start_patience": 10,
            "stack_rotate_timeout": 10,
        },
        says=("mariadb", "Nothing was replaced: deployment "),
    ),
    "a route of NGINX": Bad(
        service=service(
            "sleep 100000", more={"contributes_to/nginx/conf/routes/broken.conf": "location /broken { nonsense on; }\n"}
        ),
        says=("The new nginx was tried", 'unknown directive "nonsense"', "Nothing was replaced"),
    ),
    "a service that is unhealthy": Bad(
        settings={"stack_start_patience": 5},
        service=service("echo waiting for somebody; sleep 100000", "echo nobody answers; exit 1"),
        says=("broken did not become healthy", "nobody answers", "It gave way: deployment"),
    ),
    "a service that ends at once": Bad(
        service=service("echo reading settings; exit 3"),
        says=("broken starts and ends again: exit code 3", "reading settings", "It gave way: deployment"),
    ),
    "an image that is not built": Bad(
        service=service("true", more={"Dockerfile": f"{FROM}RUN echo no such thing; exit 7\n"}),
        says=("The image of broken was not built", "Nothing was replaced"),
    ),
    "a base that is not there": Bad(
        service=service("true", more={"Dockerfile": "FROM localhost:1/none:1\n"}),
        says=("The image of broken was not built", "Nothing was replaced"),
    ),
    "a disk without room for the image": Bad(
        service=service("true", more={"Dockerfile": f"{FROM}RUN cat /etc/hostname >/dev/full\n"}),
        says=("The image of broken was not built", "No space left on device", "Nothing was replaced"),
    ),
    "a service that was taken away and is talked to": Bad(
        service=service("true", more={"service.yml": f"{SERVICE}talks_to: [redis]\n"}),
        says=("talks to 'redis', which is no other service of this stack",),
    ),
    "a secret that nobody has": Bad(
        service=service("sleep 100000", more={"compose.yml": f"    secrets: [nobody]\n{COMPOSE % 'true'}"}),
        says=("nobody", "Nothing was replaced"),
    ),
    "a place that NGINX does not find": Bad(
        service=service(
            "sleep 100000",
            more={"contributes_to/nginx/conf/routes/broken.conf": "location /x { proxy_pass http://no-such:1; }\n"},
        ),
        says=("The new nginx was tried", "no-such", "Nothing was replaced"),
    ),
    "an NGINX that starts and answers nobody": Bad(
        service=service("sleep 100000", more={"contributes_to/nginx/conf/routes/broken.conf": "return 503;\n"}),
        says=("The new nginx was tried", "its health check fails", "error: 503", "Nothing was replaced"),
    ),
    "an NGINX that shows nobody a page and is healthy": Bad(
        service=service(
            "sleep 100000", more={"contributes_to/nginx/conf/routes/broken.conf": "location ~ . { return 503; }\n"}
        ),
        says=("The new nginx was tried", "the front page is gone: it answers 503", "Nothing was replaced"),
    ),
    "an NGINX that leads everybody in a circle": Bad(
        service=service(
            "sleep 100000",
            more={"contributes_to/nginx/conf/routes/broken.conf": "return 301 https://$host$request_uri;\n"},
        ),
        says=("The new nginx was tried", "its health check fails", "answers 301", "Nothing was replaced"),
    ),
    "a port that somebody has": Bad(
        service=service("sleep 100000", more={"service.yml": f"{SERVICE}ports: [{{published: 22}}]\n"}),
        says=("port 22", "taken"),
    ),
    "a compose file that is none": Bad(
        service=service("sleep 100000", more={"compose.yml": "    nonsense: [\n"}),
        says=("Docker did not answer `docker compose config", "Nothing was replaced"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_deployment_is_not_noticed_and_the_next_good_one_heals(bench: Bench, name: str) -> None:
    """The same bad one twice, as somebody does who does not believe it."""
    bad = BAD[name]
    before = bench.root("docker ps --no-trunc --format '{{.ID}}' | sort")
    seconds, healed = 0.0, False
    tally = Tally()
    try:
        with bench.visitors(pause=0.5) as tally:
            for _time in range(2):
                done = bench.deploy(bad.settings, bad.service)
                seconds = max(seconds, done.seconds)
                assert done.status != 0, done.output[-3000:]
                shown = done.screen()
                assert len(shown.splitlines()) <= SCREEN, shown
                missing = [words for words in bad.says if words not in shown]
                assert not missing, shown
                assert not bench.unwell()
            good = bench.deploy()
            assert good.status == 0, good.output[-3000:]
        assert bench.root("docker ps --no-trunc --format '{{.ID}}' | sort") == before
        bench.settled()
        healed = True
    finally:
        answered, failed = tally.answers.total(), len(tally.failures)
        notes.note(
            notes.BAD, kind=name, tried=2, survived=healed, answered=answered, failed=failed, seconds=round(seconds, 1)
        )


def test_a_service_that_does_not_last_gives_way_by_itself(bench: Bench) -> None:
    """It is well for a while, and ends again and again when nobody looks any more."""
    with bench.visitors():
        done = bench.deploy(None, service("sleep 20; echo worn out; exit 3"))
        assert done.status == 0, done.output[-3000:]
        end = time.monotonic() + 240
        while "gave way" not in (told := bench.history().split("\n\n")[0].splitlines()[0]):
            assert time.monotonic() < end, bench.history()
            time.sleep(2)
    assert "gave way" in told
    assert "broken ended by itself 2 times" in bench.history()
    assert not bench.unwell()
    bench.settled()


# What somebody did to the machine: the next deployment puts it right.
DONE_BY_HAND: dict[str, str] = {
    "a container was removed": "docker rm --force inception-wordpress-1 || docker rm --force inception-wordpress-2",
    "the database was removed": "docker rm --force inception-mariadb-1",
    "a service was stopped": "docker stop inception-nginx-1",
    "a network was cut": "docker network disconnect inception_wordpress-to-mariadb inception-mariadb-1",
    "the way in was cut": "docker network disconnect inception_nginx-way-in inception-nginx-1",
    "a file was edited": "sed -i 's/^WORDPRESS_PORT=.*/WORDPRESS_PORT=9999/' /home/wil/inception/srcs/.env",
    "an image was removed": "docker rm --force inception-nginx-1; docker image rm $(docker image ls -q nginx)",
    "a container hangs": "docker pause inception-nginx-1",
    # docker/compose#1573, #4834: its names in between are left by one that was killed.
    "compose was killed before it gave a name back": (
        "docker stop inception-nginx-1; docker rename inception-nginx-1 0123456789ab_inception-nginx-1"
    ),
    "compose was killed when a successor was made": (
        "docker run --detach --name 0123456789ab_inception-nginx-1 --label com.docker.compose.project=inception"
        " --label com.docker.compose.service=nginx --label com.docker.compose.oneoff=False"
        " --label com.docker.compose.container-number=1"
        " --label com.docker.compose.project.working_dir=/home/wil/inception/srcs --entrypoint true"
        " $(docker inspect --format '{{.Config.Image}}' inception-nginx-1)"
    ),
}


@pytest.mark.parametrize("name", DONE_BY_HAND)
def test_what_was_done_by_hand_is_put_right(bench: Bench, name: str) -> None:
    bench.root(DONE_BY_HAND[name])
    done = bench.deploy()
    assert done.status == 0, done.output[-3000:]
    assert done.changed > 0, done.output[-3000:]
    assert bench.site.own().get("/").status == 200
    bench.settled()


# Values that several services share change on a stack that runs, and change back.
TOGETHER: dict[str, Mapping[str, Any]] = {
    "the database's port": {"stack_env": {"MARIADB_PORT": 3307}},
    "the database's user": {"stack_env": {"MARIADB_USER": "writer"}},
    "the database's name": {"stack_env": {"MARIADB_DATABASE": "another"}},
    "WordPress's port": {"stack_env": {"WORDPRESS_PORT": 9001}},
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_must_change_together_does(bench: Bench, name: str) -> None:
    for settings in (TOGETHER[name], {}):
        done = bench.deploy(settings)
        assert done.status == 0, done.output[-3000:]
        assert bench.site.own().get("/").status == 200
        again = bench.deploy(settings)
        assert (again.status, again.changed) == (0, 0), again.output[-3000:]
    assert not bench.unwell()


def test_the_second_of_two_runs_is_told_and_leaves(bench: Bench) -> None:
    first = bench.start(None, service("sleep 100000", "test $(cut -d. -f1 /proc/uptime) -gt 0; sleep 8"))
    end = time.monotonic() + 120
    while bench.host.run("test -e /run/fortytwo.inception/lease.json").rc != 0:
        assert time.monotonic() < end
        assert first.process.poll() is None
        time.sleep(0.2)
    second = bench.deploy()
    assert second.status != 0, second.output[-2000:]
    assert re.search(r"another one is at work on this machine: deployment by \S+ on \S+, since", second.screen())
    assert bench.finish(first).status == 0
    assert bench.deploy().status == 0
    bench.settled()


def test_the_way_back_and_forward_again(bench: Bench) -> None:
    with bench.visitors():
        titled = bench.deploy({"stack_env": {"WORDPRESS_PORT": 9002}})
        assert titled.status == 0, titled.output[-3000:]
        assert "settings WORDPRESS_PORT" in bench.history()
    back = bench.finish(bench.start(playbook="playbooks/rollback.yml"))
    assert back.status == 0, back.output[-3000:]
    assert "WORDPRESS_PORT=9000" in bench.root("cat /home/wil/inception/srcs/.env")
    assert not bench.unwell()
    # The project is as the inventory says again: the next deployment has nothing to do.
    bench.settled()
    listed = bench.finish(bench.start(playbook="playbooks/history.yml"))
    assert "rollback to" in listed.output
