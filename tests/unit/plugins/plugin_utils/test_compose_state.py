# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker and compose say of a stack, judged."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state

PROJECT = "com.docker.compose.project"


def labelled(name: str, **labels: str) -> dict[str, Any]:
    return {"Name": name, "Labels": {f"com.docker.compose.{key}": value for key, value in labels.items()}}


def test_what_is_left_is_the_projects_own_and_no_longer_named() -> None:
    engine = {
        "images": [
            labelled("old", project="inception", service="ftp"),
            labelled("used", project="inception", service="nginx"),
            labelled("others", project="other", service="ftp"),
            {"Name": "base", "Labels": None},
        ],
        "volumes": [
            labelled("inception_ftp", project="inception", volume="ftp"),
            labelled("inception_site", project="inception", volume="site"),
        ],
        "networks": [
            labelled("inception_backend", project="inception", network="backend"),
            labelled("inception_a-b", project="inception", network="a-b"),
            {"Name": "bridge", "Labels": {}},
        ],
    }
    kept = {"images": {"nginx"}, "volumes": {"site"}, "networks": {"a-b"}}
    found = compose_state.unused(engine, kept, "inception")
    assert {kind: [one["Name"] for one in objects] for kind, objects in found.items()} == {
        "images": ["old"],
        "volumes": ["inception_ftp"],
        "networks": ["inception_backend"],
    }


def test_an_engine_that_was_asked_for_less_has_nothing_left() -> None:
    kept: dict[str, set[str]] = {"images": set(), "volumes": set(), "networks": set()}
    assert compose_state.unused({"images": None}, kept, "inception") == {"images": [], "volumes": [], "networks": []}


COMPOSE = """\
services:
  nginx:
    ports:
      - "${HTTPS_PORT}:${HTTPS_PORT}"
  ftp:
    ports:
      - "${FTP_PORT}:21"
      - "${FTP_DATA_PORTS}:${FTP_DATA_PORTS}"
  echo:
    ports:
      - "7007:7007/udp"
  quiet:
"""
ENV = 'HTTPS_PORT=443\nFTP_PORT=21\nFTP_DATA_PORTS=21000-21001\nTITLE="a b"\n'


@pytest.mark.parametrize(
    ("compose", "env", "expected"),
    [
        (COMPOSE, ENV, {"tcp": [21, 443, 21000, 21001], "udp": [7007]}),
        (COMPOSE, "", {"tcp": [], "udp": [7007]}),
        ("", "", {"tcp": [], "udp": []}),
        ("services: [", ENV, {"tcp": [], "udp": []}),
        ("- no project", ENV, {"tcp": [], "udp": []}),
    ],
)
def test_what_is_published_already(compose: str, env: str, expected: dict[str, list[int]]) -> None:
    assert compose_state.published(compose, env) == expected


PORTS = [
    {"service": "nginx", "protocol": "tcp", "first": 443, "last": 443, "setting": "inception_https_port"},
    {"service": "echo", "protocol": "udp", "first": 53, "last": 54, "setting": "my/echo/service.yml:5"},
]


def test_only_new_ports_are_looked_at() -> None:
    found = compose_state.new_ports(PORTS, {"tcp": [443], "udp": [53]})
    assert [(port["protocol"], port["number"]) for port in found] == [("udp", 54)]


def test_who_holds_a_port_is_named() -> None:
    listening = [
        {"port": 443, "protocol": "tcp", "name": "apache2"},
        {"port": 443, "protocol": "tcp", "name": "docker-proxy"},
        {"port": 53, "protocol": "tcp", "name": "dnsmasq"},
        {"port": 54, "protocol": "udp", "name": "docker-proxy"},
    ]
    new = compose_state.new_ports(PORTS, {})
    assert compose_state.taken(new, listening, {"docker-proxy"}) == [
        "inception_https_port: port 443 (tcp), which the service nginx publishes, is taken by apache2; "
        "stop that program, or choose another port; for example: 8443"
    ]


def test_what_runs_joins_the_networks_that_it_is_not_in() -> None:
    networks = [{"name": "site-data", "members": ["site", "data"]}, {"name": "site-out", "members": ["site"]}]
    containers = [
        {"Name": "inception-data-1", "Service": "data", "State": "running", "Networks": ["inception_backend"]},
        {
            "Name": "inception-site-1",
            "Service": "site",
            "State": "running",
            "Networks": ["inception_frontend", "inception_other"],
        },
        {"Name": "inception-site-2", "Service": "site", "State": "exited", "Networks": [""]},
        {"Name": "inception-site-3", "Service": "site", "State": "running", "Networks": ["x", "inception_site-data"]},
        {"Name": "inception-gone-1", "Service": "gone", "State": "running", "Networks": ["inception_backend"]},
    ]
    assert compose_state.unconnected(containers, networks, "inception") == [
        {"container": "inception-data-1", "network": "inception_site-data", "alias": "data"},
        {"container": "inception-site-1", "network": "inception_site-data", "alias": "site"},
    ]
