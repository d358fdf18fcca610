# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack file of a swarm, out of the compose file of one machine."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _swarm_file as swarm_file

COMPOSE = """
name: inception
x-hardened: &hardened
  user: ${LOGIN_UID}:${LOGIN_GID}
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  restart: unless-stopped
services:
  db:
    <<: *hardened
    build: {context: requirements/db}
    image: db:1
    environment: {WORD: "a$$b", TITLE: "${TITLE}"}
    tmpfs: ["/run/db:uid=${LOGIN_UID},mode=700,size=4m"]
    networks: {site-to-db: {aliases: [asked.db]}}
    volumes: ["db:/var/lib/db:nocopy"]
    secrets: [db_password]
    deploy: {resources: {limits: {memory: 512M, pids: 200}}}
  site:
    <<: *hardened
    image: site:1
    networks: {site-to-db: , site-way-out: }
    volumes: ["site:/srv:ro,nocopy"]
    depends_on: {db: {condition: service_healthy}}
    deploy: {resources: {limits: {memory: 512M, pids: 100}}}
  door:
    <<: *hardened
    image: door:1
    networks: {door-way-in: }
    ports: ["${HTTPS_PORT}:4430", "21000-21001:21000-21001/udp"]
    volumes: ["site:/srv:ro,nocopy"]
    deploy: {resources: {limits: {memory: 64M, pids: 10}}}
networks:
  site-to-db: {internal: true, driver_opts: {com.docker.network.bridge.name: inc-1}}
  site-way-out: {driver_opts: {com.docker.network.bridge.name: inc-out1}}
  door-way-in: {driver_opts: {com.docker.network.bridge.name: inc-2}}
volumes:
  db: {driver: local, driver_opts: {type: none, o: bind, device: "${DATA_DIR}/db"}}
  site: {driver: local, driver_opts: {type: none, o: bind, device: "${DATA_DIR}/site"}}
secrets:
  db_password: {file: ../secrets/db_password.txt}
"""
ENV = """
# A comment
LOGIN_UID=1000
LOGIN_GID=1001
DATA_DIR=/home/wil/data
HTTPS_PORT=443
TITLE="A \\"quoted\\" \\$word"
"""
CLUSTER = swarm_file.Cluster("inception", "/shared", "/live", "/home/wil/data", True, {"site": 3})


def described(name: str, in_cluster: str = "one", **more: Any) -> dict[str, Any]:
    return {"name": name, "in_cluster": in_cluster, "volumes": [], "ports": [], "listens": [], **more}


SERVICES = [
    described("db", volumes=[{"name": "db"}], listens=[3306]),
    described("site", "many", volumes=[{"name": "site"}], update_order="start_first"),
    described("door", "every_node", volumes=[{"name": "site"}], ports=["443:4430"], update_order="hold_connections"),
]


@pytest.fixture
def stack() -> dict[str, Any]:
    found: dict[str, Any] = swarm_file.stack_file(COMPOSE, swarm_file.env_of(ENV), SERVICES, CLUSTER)
    return found


def test_values_of_env_are_filled_in(stack: dict[str, Any]) -> None:
    """A dollar sign of a value stays one: docker stack deploy reads the file once more."""
    db = stack["services"]["db"]
    assert db["user"] == "1000:1001"
    assert db["environment"] == {"WORD": "a$$b", "TITLE": 'A "quoted" $$word', "ASKED_AT": "0.0.0.0"}


def test_a_value_that_env_has_not_is_an_error() -> None:
    with pytest.raises(swarm_file.SwarmProblem, match=r"asks for LOGIN_UID, which \.env has not"):
        swarm_file.stack_file(COMPOSE, {}, SERVICES, CLUSTER)


def test_a_default_stands_in() -> None:
    assert swarm_file.resolved("${NONE:-} ${NONE:-x}", {}) == " x"


def test_what_a_swarm_has_not_is_left_out(stack: dict[str, Any]) -> None:
    for said in stack["services"].values():
        assert not set(said) & swarm_file.NOT_THERE
        assert said["cap_drop"] == ["ALL"]
        assert said["read_only"] is True


def test_an_unknown_key_is_refused() -> None:
    """And not dropped without a word."""
    with pytest.raises(swarm_file.SwarmProblem, match="db: a swarm knows no 'privileged'"):
        swarm_file.stack_file(
            COMPOSE.replace("image: db:1", "image: db:1\n    privileged: true"),
            swarm_file.env_of(ENV),
            SERVICES,
            CLUSTER,
        )


def test_places_in_memory(stack: dict[str, Any]) -> None:
    assert {"type": "tmpfs", "target": "/run/db", "tmpfs": {"size": 4 << 20}} in stack["services"]["db"]["volumes"]


def test_ports_are_the_node_s_own(stack: dict[str, Any]) -> None:
    assert stack["services"]["door"]["ports"] == [
        {"target": 4430, "published": 443, "protocol": "tcp", "mode": "host"},
        {"target": 21000, "published": 21000, "protocol": "udp", "mode": "host"},
        {"target": 21001, "published": 21001, "protocol": "udp", "mode": "host"},
    ]


def test_how_many_there_are_and_where(stack: dict[str, Any]) -> None:
    deploy = {name: said["deploy"] for name, said in stack["services"].items()}
    assert (deploy["db"]["replicas"], deploy["site"]["replicas"], deploy["door"]["mode"]) == (1, 3, "global")
    assert deploy["db"]["placement"] == {"constraints": ["node.labels.inception_data==inception"]}
    assert deploy["site"]["placement"]["preferences"] == [{"spread": "node.id"}]
    assert "placement" not in deploy["door"]
    assert {one["endpoint_mode"] for one in deploy.values()} == {"dnsrr"}


def test_how_they_give_way(stack: dict[str, Any]) -> None:
    order = {name: said["deploy"]["update_config"]["order"] for name, said in stack["services"].items()}
    assert order == {"db": "stop-first", "site": "start-first", "door": "stop-first"}
    assert stack["services"]["site"]["deploy"]["update_config"]["failure_action"] == "rollback"


def test_where_the_volumes_are(stack: dict[str, Any]) -> None:
    """What several nodes use is on the shared folder, under a name that no volume of one machine has."""
    places = {name: (of["name"], of["driver_opts"]["device"]) for name, of in stack["volumes"].items()}
    assert places == {
        "db": ("inception_db", "/home/wil/data/db"),
        "site": ("inception-shared_site", "/shared/site"),
        "site-live": ("inception-live_site", "/live/site"),
    }
    sources = {
        name: [one["source"] for one in said["volumes"] if "source" in one] for name, said in stack["services"].items()
    }
    # Who only reads looks anew each time.
    assert sources == {"db": ["db"], "site": ["site-live"], "door": ["site-live"]}


def test_networks(stack: dict[str, Any]) -> None:
    assert stack["networks"]["site-to-db"] == {
        "driver": "overlay",
        "internal": True,
        "driver_opts": {"encrypted": ""},
    }
    assert "internal" not in stack["networks"]["door-way-in"]
    assert stack["services"]["db"]["networks"] == {"site-to-db": {"aliases": ["asked.db"]}}


def test_secrets_are_for_the_container_s_user(stack: dict[str, Any]) -> None:
    assert stack["services"]["db"]["secrets"] == [
        {"source": "db_password", "target": "db_password", "uid": "1000", "gid": "1001", "mode": 0o400}
    ]
    assert stack["secrets"] == {"db_password": "db_password.txt"}


def test_a_container_is_given_up_when_its_time_is_over() -> None:
    """What starts and never becomes well holds the update up no longer than the setting says."""
    compose = COMPOSE.replace("image: site:1", "image: site:1\n    healthcheck: {test: [CMD, check]}")
    cluster = swarm_file.Cluster("inception", "/shared", "/live", "/home/wil/data", True, {}, 42)
    said = swarm_file.stack_file(compose, swarm_file.env_of(ENV), SERVICES, cluster)["services"]["site"]
    assert said["healthcheck"] == {"test": ["CMD", "check"], "start_period": "42s"}


def test_of_one_on_each_node_none_starts_beside_another() -> None:
    services = [*SERVICES[:2], {**SERVICES[2], "update_order": "start_first"}]
    said = swarm_file.stack_file(COMPOSE, swarm_file.env_of(ENV), services, CLUSTER)["services"]
    assert said["site"]["deploy"]["update_config"]["order"] == "start-first"
    assert said["door"]["deploy"]["update_config"]["order"] == "stop-first"
    assert said["door"]["deploy"]["rollback_config"]["order"] == "stop-first"


def test_nobody_waits_for_minutes_for_a_node_that_is_gone(stack: dict[str, Any]) -> None:
    """But a visitor may be in a tunnel."""
    waits = {name: said["sysctls"] for name, said in stack["services"].items()}
    assert {one["net.ipv4.tcp_syn_retries"] for one in waits.values()} == {"1"}
    assert ["net.ipv4.tcp_retries2" in waits[name] for name in ("db", "site", "door")] == [True, True, False]


def test_who_waits_for_another_comes_after_it() -> None:
    services = [
        described("door", waits_for=["site"]),
        described("site", waits_for=["db", "not_there"]),
        described("db"),
        described("cache"),
    ]
    assert swarm_file.turns(services) == [["cache", "db"], ["site"], ["door"]]
    services[2]["waits_for"] = ["door"]
    assert swarm_file.turns(services) == [["cache"], ["db", "door", "site"]]


def test_a_bad_one_is_noticed_before_the_next_is_replaced(stack: dict[str, Any]) -> None:
    """Swarm goes on at once otherwise: two of three nodes had a bad NGINX."""
    assert {said["deploy"]["update_config"]["delay"] for said in stack["services"].values()} == {"2s"}


@pytest.mark.parametrize(("copies", "nodes", "most"), [(1, 1, 2), (3, 3, 2), (3, 2, 3), (7, 3, 4), (2, 0, 3)])
def test_no_node_gets_more_copies_than_its_share_and_one(copies: int, nodes: int, most: int) -> None:
    """So that a newer one has room beside the former, and what a dead node had, on the others."""
    cluster = swarm_file.Cluster("inception", "/shared", "/live", "/d", True, {"site": copies}, nodes=nodes)
    site = described("site", in_cluster="many", update_order="start_first")
    deploy = swarm_file.deployed_as(site, {}, cluster, [])
    assert deploy["placement"]["max_replicas_per_node"] == most
