# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can talk to whom."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from typing import Any

import pytest

from tests.verify.support import SERVICES, Settings, Stack


def joined(container: dict[str, Any]) -> set[str]:
    return set(container["NetworkSettings"]["Networks"])


@pytest.mark.rule("NET-1")
def test_networks_are_named(project_files: dict[str, bytes], compose_config: dict[str, Any]) -> None:
    """The compose file has networks, and each service is in some of them by name."""
    assert re.search(rb"^networks:", project_files["srcs/docker-compose.yml"], re.MULTILINE)
    for name, service in compose_config["services"].items():
        assert service["networks"], name
        assert "default" not in service["networks"], name


@pytest.mark.rule("NET-1")
def test_networks_join_the_containers(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """docker network ls shows them, and each container is in the project's networks only."""
    networks = set(stack.root("docker network ls --format %s", "{{.Name}}").split())
    for container in containers.values():
        assert joined(container)
        assert joined(container) <= networks - {"bridge", "host", "none"}
    assert joined(containers["nginx"]) & joined(containers["wordpress"])
    assert joined(containers["wordpress"]) & joined(containers["mariadb"])


@pytest.mark.rule("NET-2")
def test_nothing_forbidden_is_written(project_files: dict[str, bytes]) -> None:
    """No network: host, network_mode: host, links: or --link, in any file of the project that does something."""
    forbidden = re.compile(
        r"network(?:_mode)?['\"]?\s*[:=]\s*['\"]?host|--net(?:work)?[= ]host|\blinks['\"]?\s*:|--link\b"
    )
    found = []
    for path, content in project_files.items():
        if not path.endswith(".md"):
            found += [f"{path}: {line}" for line in content.decode().splitlines() if forbidden.search(line)]
    assert found == []


@pytest.mark.rule("NET-2")
def test_nothing_forbidden_is_in_effect(containers: dict[str, dict[str, Any]], compose_config: dict[str, Any]) -> None:
    """No container has the machine's network, or a link."""
    assert set(containers) == set(SERVICES)
    for name, container in containers.items():
        assert container["HostConfig"]["NetworkMode"] != "host", name
        assert not container["HostConfig"]["Links"], name
    for name, service in compose_config["services"].items():
        assert "links" not in service, name
        assert "network_mode" not in service, name


@pytest.mark.vm_core
def test_each_two_who_talk_have_a_network_of_their_own(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """No third is in it, and no way leads out of it; what has a way in or out is one service's alone."""
    members: dict[str, set[str]] = {}
    for name, container in containers.items():
        for network in joined(container):
            members.setdefault(network, set()).add(name)
    for network in json.loads(stack.root("docker network inspect " + " ".join(members))):
        found = members[network["Name"]]
        if len(found) == 2:
            assert network["Name"] in {f"inception_{'-to-'.join(pair)}" for pair in itertools.permutations(found)}
        assert len(found) == (2 if network["Internal"] else 1), network["Name"]
        masquerade = network["Options"].get("com.docker.network.bridge.enable_ip_masquerade", "true")
        assert network["Internal"] or masquerade == str("out" in network["Name"].split("-")).lower(), network["Name"]
    assert {name for name in containers if f"inception_{name}-way-out" in members} == {"wordpress"}


@pytest.mark.vm_core
def test_database_is_in_no_network_with_a_way_out(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """Nor in one with nginx."""
    networks = joined(containers["mariadb"])
    assert all(one["Internal"] for one in json.loads(stack.root("docker network inspect " + " ".join(networks))))
    assert not networks & joined(containers["nginx"])


@pytest.mark.vm_core
def test_nginx_does_not_reach_the_database(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """Neither by name nor by address; WordPress, by the same address, does."""
    address = containers["mariadb"]["NetworkSettings"]["Networks"]["inception_wordpress-to-mariadb"]["IPAddress"]
    connect = 'exit(@fsockopen($argv[1], (int) getenv("MARIADB_PORT"), $e, $m, 10) ? 0 : 1);'
    assert stack.execute("wordpress", "php", "-r", connect, address).rc == 0
    assert stack.execute("wordpress", "php", "-r", connect, "mariadb").rc == 0

    port = next(value for value in containers["wordpress"]["Config"]["Env"] if value.startswith("MARIADB_PORT=")).split(
        "="
    )[1]
    # nginx's own port through the same client: it is curl that can, and the network that cannot.
    own = stack.execute(
        "nginx", "sh", "-c", 'curl --silent --insecure --output /dev/null "https://127.0.0.1:$HTTPS_PORT/"'
    )
    assert own.rc == 0
    for name in (address, "mariadb"):
        tried = stack.execute("nginx", "curl", "--silent", "--max-time", "5", f"http://{name}:{port}/")
        # 6: no such name; 7: no connection; 28: no answer. A database would answer, with rubbish for HTTP.
        assert tried.rc in (6, 7, 28), f"nginx reached {name}: {tried}"


# php-fpm runs whatever it is told: who reaches its port is WordPress.
_CONNECT = """
import socket, sys
for address in sys.argv[1:]:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        print("open")
    except OSError:
        print("closed")
"""


@pytest.mark.rule("SVC-6")
@pytest.mark.vm_core
def test_a_user_of_the_machine_reaches_no_container(
    stack: Stack, settings: Settings, containers: dict[str, dict[str, Any]]
) -> None:
    """By the address of no network. The published port is open to everybody; to root, who may anyway, all are."""
    ports = {"wordpress": 9000, "mariadb": 3306}
    inner = [
        f"{network['IPAddress']}:{port}"
        for name, port in ports.items()
        for network in containers[name]["NetworkSettings"]["Networks"].values()
    ]
    assert len(inner) >= 4
    published = f"{settings.domain}:{settings.https_port}"
    tried = shlex.join(["python3", "-c", _CONNECT, *inner, published])
    assert stack.root("su -s /bin/sh nobody -c %s", tried).split() == ["closed"] * len(inner) + ["open"]
    answers = zip([*inner, published], stack.root("sh -c %s", tried).split(), strict=True)
    open_ports = {address.rpartition(":")[2] for address, answer in answers if answer == "open"}
    assert open_ports == {*map(str, ports.values()), str(settings.https_port)}


@pytest.mark.rule("SVC-2")
@pytest.mark.vm_core
def test_wordpress_reaches_itself(stack: Stack, settings: Settings) -> None:
    """WordPress opens its own address through nginx, with the certificate verified, as its cron and health check do."""
    code = """
        require "/var/www/html/wp-load.php";
        // WordPress's own limit of five seconds is short for a busy emulated machine.
        $answer = wp_remote_get(home_url("/"), ["timeout" => 120]);
        echo home_url("/"), " ";
        echo is_wp_error($answer) ? $answer->get_error_message() : wp_remote_retrieve_response_code($answer);
    """
    result = stack.execute("wordpress", "php", "-r", code)
    assert result.stdout == f"{settings.url(settings.https_port)}/ 200", result.stderr
