# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the data is, and what it survives. The heaviest tests of all stand last."""

from __future__ import annotations

import json
import secrets as random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.verify.support import MANDATORY, Settings, Site, Stack, write


@pytest.mark.rule("VOL-1")
def test_volumes_are_named(compose_config: dict[str, Any]) -> None:
    """One for the database and one for the website, each in the compose file by name; no service binds a path."""
    mounted = {
        name: {mount["source"]: mount["target"] for mount in compose_config["services"][name]["volumes"]}
        for name in MANDATORY
    }
    assert mounted["mariadb"] == {"mariadb": "/var/lib/mysql"}
    assert mounted["wordpress"] == {"wordpress": "/var/www/html"}
    assert mounted["nginx"]["wordpress"] == "/var/www/html"
    assert {"mariadb", "wordpress"} <= set(compose_config["volumes"])
    for service in compose_config["services"].values():
        assert {mount["type"] for mount in service.get("volumes", [])} <= {"volume"}


@pytest.mark.rule("VOL-1")
@pytest.mark.parametrize("service", MANDATORY)
@pytest.mark.vm_core
def test_volumes_are_in_use(containers: dict[str, dict[str, Any]], service: str) -> None:
    """As Docker sees it: nothing but named volumes, and the files of secrets read-only."""
    mounts = containers[service]["Mounts"]
    assert [mount for mount in mounts if mount["Type"] == "volume"]
    for mount in mounts:
        if mount["Type"] != "volume":
            assert mount["Destination"].startswith("/run/secrets/")
            assert mount["RW"] is False
    if service == "nginx":
        assert not [mount for mount in mounts if mount["RW"]], "nginx could change the site"


@pytest.mark.rule("VOL-2")
def test_volumes_are_in_the_data_folder(stack: Stack, settings: Settings, compose_config: dict[str, Any]) -> None:
    """docker volume inspect of each shows a folder below /home/<login>/data/, another for each."""
    devices = []
    for volume in compose_config["volumes"].values():
        (shown,) = json.loads(stack.root("docker volume inspect %s", volume["name"]))
        devices.append((shown["Options"] or {}).get("device", "none of its own"))
    assert len(set(devices)) == len(devices)
    assert [device for device in devices if not device.startswith(f"{settings.data}/")] == []


@pytest.mark.rule("VOL-2")
@pytest.mark.vm_core
def test_data_really_goes_there(stack: Stack, settings: Settings) -> None:
    """What a service writes into its volume appears in the folder, as the login's own."""
    marker = f"verify-{random.token_hex(8)}"
    for service, path in (("wordpress", "/var/www/html"), ("mariadb", "/var/lib/mysql")):
        assert stack.execute(service, "sh", "-c", f"echo {marker} > {path}/{marker}").rc == 0
        assert (
            stack.login(f"cat {settings.data}/{service}/{marker} && rm {settings.data}/{service}/{marker}").strip()
            == marker
        )


@pytest.mark.rule("VOL-3", "LAY-1")
def test_data_outlives_containers_and_images(stack: Stack, site: Site) -> None:
    """A comment and an edited page are still there after `make down`, `make clean` (the images) and `make`."""
    written = write(stack, site, random.token_hex(8))
    assert written.missing(site) == []
    before = {container["Id"] for container in stack.containers().values()}
    images = {container["Config"]["Image"] for container in stack.containers().values()}
    stack.login("make down")
    assert stack.containers() == {}
    stack.login("make clean")
    left = set(stack.root("docker image ls --format %s", "{{.Repository}}:{{.Tag}}").split())
    assert left & images == set()
    stack.login("make")
    stack.wait_healthy()
    assert before.isdisjoint(container["Id"] for container in stack.containers().values())
    site.wait_answers()
    assert written.missing(site) == []


# What an evaluator types before anything else, in the words of the sheet.
CLEAN_OUT = """
docker stop $(docker ps -qa)
docker rm $(docker ps -qa)
docker rmi -f $(docker images -qa)
docker volume rm $(docker volume ls -q)
docker network rm $(docker network ls -q) 2>/dev/null
rm -rf ~/data/*
true
"""


@pytest.mark.rule("LAY-1", "VOL-2", "VOL-3")
def test_make_after_the_clean_out(stack: Stack, site: Site, settings: Settings, figure: Callable[[str], None]) -> None:
    """Containers, all images, volumes, networks and data go; `make`, by the login without sudo, brings all back."""
    stack.login(f"sh -c '{CLEAN_OUT}' >&2")
    for kind in ("ps --all", "image ls --all", "volume ls"):
        assert stack.root(f"docker {kind} --quiet") == ""
    assert set(stack.root("docker network ls --format %s", "{{.Name}}").split()) == {"bridge", "host", "none"}
    assert stack.entries(settings.data) == []

    start = time.monotonic()
    stack.login("make >&2")
    figure(f"make after the evaluator's clean-out: {time.monotonic() - start:.0f} s")
    stack.wait_healthy()
    site.wait_answers()
    assert site.get("/").title.startswith(settings.title)
    users = {row[0] for row in stack.sql("SELECT user_login FROM wp_users")}
    assert users == {settings.admin_user, settings.user}
    assert sorted(stack.entries(settings.data)) == sorted(stack.config()["volumes"])
