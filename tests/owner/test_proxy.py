# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine reaches the world by its proxy alone; what goes to the stack itself never goes there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.faults.bench import Bench

CALL = """
    require "/var/www/html/wp-load.php";
    $answer = wp_remote_get($argv[1], ["timeout" => 30]);
    echo is_wp_error($answer) ? $answer->get_error_message() : wp_remote_retrieve_response_code($answer);
"""
NOWHERE = {"proxies": {"default": {"httpProxy": "http://127.0.0.1:9", "httpsProxy": "http://127.0.0.1:9"}}}
Asked = Callable[[], list[str]]


@pytest.fixture
def misled(bench: Bench) -> Iterator[None]:
    """Docker's client hands a proxy that is none to each container and each build: root's, and the login's."""
    places = ["/root/.docker", "/home/wil/.docker"]
    for place in places:
        bench.root(f"[ ! -e {place} ] || mv {place} {place}.before; mkdir {place}")
        bench.root(f"echo '{json.dumps(NOWHERE)}' >{place}/config.json; chown -R --reference={place}/.. {place}")
    yield
    for place in places:
        bench.root(f"rm -r {place}; [ ! -e {place}.before ] || mv {place}.before {place}")


def test_the_deployment_came_by_the_proxy(bench: Bench, asked: Asked) -> None:
    """Packages of the machine and of the images; and of the stack's own names, none."""
    hosts = {line.split()[1] for line in asked()}
    assert "deb.debian.org" in hosts
    assert not hosts & {bench.stack.settings.domain, "localhost", "127.0.0.1", "::1", "nginx", "wordpress", "mariadb"}
    assert not bench.unwell()


def test_the_machine_is_updated(bench: Bench, asked: Asked) -> None:
    """By apt, by hand and by what does it each day."""
    before = len(asked())
    said = bench.root("apt-get update 2>&1")
    assert "Err:" not in said
    said = bench.root("unattended-upgrade --dry-run --debug 2>&1")
    assert "Allowed origins" in said
    assert len(asked()) > before


def test_the_site_calls_out_and_itself(bench: Bench, asked: Asked) -> None:
    """Out by the proxy, as for updates of plugins; itself without."""
    before = len(asked())
    assert bench.stack.execute("wordpress", "php", "-r", CALL, "--", "http://deb.debian.org/").stdout == "200"
    assert [line for line in asked()[before:] if "deb.debian.org" in line]
    assert (
        bench.stack.execute("wordpress", "php", "-r", CALL, "--", f"https://{bench.stack.settings.domain}/").stdout
        == "200"
    )
    assert not [line for line in asked() if bench.stack.settings.domain in line]


def test_a_backup_is_made(bench: Bench, asked: Asked) -> None:
    """Into a folder; and a place of the world is asked for by the proxy."""
    bench.root("inception backup")
    before = len(asked())
    # As the machine's own program asks it.
    told = json.loads(bench.root("cat /var/lib/fortytwo.inception/proxy.json"))
    environment = " ".join(f"{name}={value}" for name, value in told.items())
    bench.host.run(
        f"env {environment} RESTIC_PASSWORD=x timeout 20 restic -r rest:https://backup.example.org/x snapshots"
    )
    assert "CONNECT backup.example.org" in asked()[before:]


@pytest.mark.usefixtures("misled")
def test_what_docker_s_client_is_told_misleads_nobody(bench: Bench, asked: Asked) -> None:
    """All is built and started anew with it; health checks, the site's calls and its database do not go there."""
    bench.root("cd /home/wil/inception && su wil -c 'make clean' && docker builder prune --all --force >/dev/null")
    before = len(asked())
    bench.root("cd /home/wil/inception && su wil -c make")
    assert [line for line in asked()[before:] if "deb.debian.org" in line]
    assert not bench.unwell()
    assert (
        bench.stack.execute("wordpress", "php", "-r", CALL, "--", f"https://{bench.stack.settings.domain}/").stdout
        == "200"
    )
    assert "http://127.0.0.1:9" in bench.stack.execute("wordpress", "env").stdout


def test_without_the_setting_nothing_of_it_is_left(bench: Bench) -> None:
    """Neither on the machine nor in the project; and with it again, all is as it was."""
    done = bench.deploy({"inception_proxy": ""})
    assert done.status == 0, done.output[-3000:]
    left = bench.host.run("grep -rl 3164 /etc /home/wil/inception /var/lib/fortytwo.inception/*.json")
    assert left.stdout == ""
    again = bench.deploy()
    assert again.status == 0, again.output[-3000:]
    bench.settled()
