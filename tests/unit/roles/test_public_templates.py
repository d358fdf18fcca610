# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the project is for an authority that asks whether the domain is ours: no more than its challenge wants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.fortytwo.inception.tests.unit import rendering

SERVICE = "srcs/requirements/nginx"


def project(variant: str, collections_path: Path) -> dict[str, str]:
    return rendering.project(variant, str(collections_path))


@pytest.mark.parametrize(
    ("challenge", "ports", "volumes"),
    [
        ("tls-alpn-01", ["443:4431"], {"wordpress", "challenges"}),
        ("http-01", ["443:443", "80:80"], {"wordpress", "challenges"}),
        ("dns-01", ["443:443"], {"wordpress"}),
        ("redirect", ["443:4431", "80:80"], {"wordpress", "challenges"}),
        ("debian-mandatory-package", ["443:443"], {"wordpress"}),
    ],
)
def test_what_is_open(challenge: str, ports: list[str], volumes: set[str], collections_path: Path) -> None:
    files = project(challenge, collections_path)
    settings = dict(line.split("=", 1) for line in files["srcs/.env"].splitlines() if re.match(r"[A-Z_]+=", line))
    nginx = yaml.safe_load(files["srcs/docker-compose.yml"])["services"]["nginx"]
    published = [re.sub(r"\$\{(\w+)\}", lambda found: settings[found[1]], port) for port in nginx["ports"]]
    assert published == ports
    assert {one.split(":")[0] for one in nginx["volumes"]} == volumes
    # It asks nobody anything.
    assert "egress" not in str(nginx["networks"])


def test_the_door_is_there_with_its_challenge_alone(collections_path: Path) -> None:
    for variant in ("tls-alpn-01", "redirect", "http-01", "dns-01", "debian-package", "alpine-archive"):
        files = project(variant, collections_path)
        configuration, image = files[f"{SERVICE}/conf/nginx.conf"], files[f"{SERVICE}/Dockerfile"]
        has_door = variant in ("tls-alpn-01", "redirect")
        assert ("stream {" in configuration) is has_door
        assert ("nginx-mod-stream" in image or "libnginx-mod-stream" in image) is has_door
        assert ("load_module /usr/lib/nginx/modules/ngx_stream_module.so;" in configuration) is has_door
        # Whoever came through it has his own address.
        assert (
            "set_real_ip_from unix:;\nreal_ip_header proxy_protocol;" in files[f"{SERVICE}/conf/bounds.conf"]
        ) is has_door
        assert ("${DOOR_PORT}" in files[f"{SERVICE}/tools/entrypoint.sh"]) is has_door
        has_http = variant in ("http-01", "redirect")
        assert ("listen ${HTTP_PORT} default_server;" in configuration) is has_http
        assert ("${HTTP_PORT}" in files[f"{SERVICE}/tools/entrypoint.sh"]) is has_http
        assert ("acme-challenge" in configuration) is (variant == "http-01")


@pytest.mark.parametrize(
    "name", ["../../run/secrets/tls", "a/b.org", "wil", "", ".org", "a..b", "wil.org/", "wil.org\n"]
)
def test_no_name_is_a_path(name: str, collections_path: Path) -> None:
    configuration = project("tls-alpn-01", collections_path)[f"{SERVICE}/conf/nginx.conf"]
    [pattern] = re.findall(r'"~(\^\(\?<asked_name>.+)" \$asked_name;', configuration)
    pattern = pattern.replace("(?<", "(?P<").replace(")$", r")\Z")
    assert re.match(pattern, "www.wil.org")
    assert not re.match(pattern, name)
