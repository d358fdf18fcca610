# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role's own services are in a swarm: of every variant of the project a stack file is made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _swarm_file as swarm_file
from ansible_collections.fortytwo.inception.tests.unit import rendering

TEMPLATES = rendering.ROLE / "templates"
# What a description says only where the database is on several nodes.
MEMBERS_ONLY = re.compile(r"(?s)\{% if __inception_galera \| default\(false\) %\}\n(.*?)\{% endif %\}\n")


def described(name: str, said: dict[str, Any], galera: bool = False) -> dict[str, Any]:
    """As far as the stack file asks."""
    [path] = TEMPLATES.glob(f"*/{name}/service.yml")
    text = MEMBERS_ONLY.sub(r"\1" if galera else "", path.read_text())
    several = re.search(r"(?m)^in_cluster: (\w+)$", text)
    return {
        "name": name,
        "in_cluster": several[1] if several else "one",
        "volumes": [
            {
                "name": (volume := line.split(":")[0]),
                "everywhere": bool(re.search(rf"{volume},.* everywhere: true", text)),
            }
            for line in said.get("volumes") or []
        ],
        "waits_for": list(said.get("depends_on") or {}),
        "ports": said.get("ports") or [],
        "listens": re.findall(r"(?m)^listens:", text),
        "update_order": "start_first" if "update_order: start_first" in text else "stop_first",
    }


def made(variant: str, collections_path: Path) -> dict[str, Any]:
    files = rendering.project(variant, str(collections_path))
    compose = files["srcs/docker-compose.yml"]
    services = [
        described(name, said, variant == "galera") for name, said in yaml.safe_load(compose)["services"].items()
    ]
    cluster = swarm_file.Cluster("inception", "/shared", "/live", "/home/wil/data", True, {"wordpress": 3})
    found: dict[str, Any] = swarm_file.stack_file(compose, swarm_file.env_of(files["srcs/.env"]), services, cluster)
    return found


@pytest.fixture(params=rendering.VARIANTS)
def stack(request: pytest.FixtureRequest, collections_path: Path) -> dict[str, Any]:
    return made(request.param, collections_path)


def test_nothing_is_left_to_fill_in(stack: dict[str, Any]) -> None:
    """No name of .env is there any more; a dollar sign that is left is one of a value, and doubled."""
    text = json.dumps(stack)
    assert not re.search(r"(?<!\$)(?:\$\$)*\$(?!\$)", text)


def test_there_is_one_database_and_a_door_on_each_node(stack: dict[str, Any]) -> None:
    deploy = {name: said["deploy"] for name, said in stack["services"].items()}
    assert deploy["mariadb"]["replicas"] == 1
    assert deploy["mariadb"]["placement"]["constraints"] == ["node.labels.inception_data==inception"]
    assert deploy["nginx"]["mode"] == "global"
    assert (deploy["wordpress"]["replicas"], deploy["wordpress"]["update_config"]["order"]) == (3, "start-first")


def test_the_website_s_files_are_shared_and_the_database_s_are_not(stack: dict[str, Any]) -> None:
    places = {name: of["driver_opts"]["device"] for name, of in stack["volumes"].items()}
    assert (places["wordpress"], places["mariadb"]) == ("/shared/wordpress", "/home/wil/data/mariadb")


def test_who_has_no_way_out_has_none_here(stack: dict[str, Any]) -> None:
    """Networks of two are internal, as they are on one machine."""
    pairs = [of for name, of in stack["networks"].items() if "-to-" in name]
    assert pairs
    assert all(of["internal"] for of in pairs)
    names = set(stack["services"]["mariadb"]["networks"])
    assert all(stack["networks"][name].get("internal") for name in names)


@pytest.mark.parametrize(("variant", "seconds"), [("node", 60), ("debian-archive", 0), ("debian-mandatory-package", 2)])
def test_only_on_a_node_php_seldom_looks_at_its_code(variant: str, seconds: int, collections_path: Path) -> None:
    """And there who changes code tells the others, which on one machine is nobody's need."""
    files = rendering.project(variant, str(collections_path))
    conf = "srcs/requirements/wordpress/conf"
    assert f"opcache.revalidate_freq = {seconds}\n" in files[f"{conf}/php.ini"]
    assert ("opcache_reset" in files[f"{conf}/inception.php"]) == (variant == "node")
    assert (".code-changed" in files["srcs/requirements/wordpress/tools/code.php"]) == (variant == "node")


@pytest.mark.parametrize(("variant", "seconds", "on_a_node"), [("node", 10, True), ("debian-package", 60, False)])
def test_on_a_node_few_folders_of_pages_are_there(
    variant: str, seconds: int, on_a_node: bool, collections_path: Path
) -> None:
    """Each that is there while a node is away is healed when it comes back; on one machine nothing is healed."""
    text = rendering.project(variant, str(collections_path))["srcs/requirements/wordpress/conf/pages.php"]
    assert re.findall(r"const OLD_SECONDS = (\d+);", text) == [str(seconds)]
    assert ("ONE_SECONDS" in text) == on_a_node
    # A change is never the last one and left out.
    assert ("self::$forgot = 0.0;\n        self::forget();" in text) == on_a_node


@pytest.fixture
def galera(collections_path: Path) -> dict[str, Any]:
    return made("galera", collections_path)


def test_the_database_s_members_are_each_on_a_node_of_its_own(galera: dict[str, Any]) -> None:
    """With its own data, what it says of itself where all can read it, and one way to the one that is written to."""
    services = galera["services"]
    assert "mariadb" not in services
    for number in (1, 2, 3):
        said = services[f"mariadb-{number}"]
        assert said["deploy"]["placement"] == {"constraints": [f"node.labels.inception_member=={number}"]}
        assert said["environment"]["MEMBER"] == f"mariadb-{number}"
        assert set(said["networks"]) == {"dbproxy-to-mariadb", "mariadb-members"}
    assert services["dbproxy"]["deploy"]["mode"] == "global"
    places = {name: of["driver_opts"]["device"] for name, of in galera["volumes"].items()}
    assert (places["mariadb"], places["mariadb_members"]) == ("/home/wil/data/mariadb", "/shared/mariadb_members")
    assert galera["networks"]["mariadb-members"]["internal"] is True


def test_who_asks_the_database_asks_the_one_before_it(galera: dict[str, Any]) -> None:
    """By the name that it knows, and in no network with the members."""
    services = galera["services"]
    [network] = set(services["wordpress"]["networks"]) & set(services["dbproxy"]["networks"])
    assert "mariadb" in services["dbproxy"]["networks"][network]["aliases"]
    # Each asks the one of its own node first.
    nodes = {services[name]["environment"]["NODE"] for name in ("wordpress", "dbproxy")}
    assert nodes == {"{{.Node.Hostname}}"}
    members = {name for number in (1, 2, 3) for name in services[f"mariadb-{number}"]["networks"]}
    assert [name for name, said in services.items() if set(said["networks"]) & members] == [
        "mariadb-1",
        "mariadb-2",
        "mariadb-3",
        "dbproxy",
    ]


def test_members_come_before_who_asks_them(galera: dict[str, Any]) -> None:
    turn = {name: number for number, names in enumerate(galera["x-turns"]) for name in names}
    assert turn["mariadb-1"] == turn["mariadb-3"] < turn["dbproxy"] < turn["wordpress"]
    assert galera["x-members"] == ["mariadb-3", "mariadb-2", "mariadb-1"]


@pytest.mark.parametrize(("variant", "on_a_node"), [("node", True), ("debian-package", False)])
def test_a_node_without_the_files_says_so_and_not_that_there_is_no_page(
    variant: str, on_a_node: bool, collections_path: Path
) -> None:
    files = rendering.project(variant, str(collections_path))
    conf = "srcs/requirements/nginx/conf"
    for name in ("inside_server.conf", "nginx.conf"):
        text = files[f"{conf}/{name}"]
        assert ("try_files $uri @not_there;" in text) == on_a_node
        assert ("try_files $uri =404;" in text) != on_a_node
        assert text.count("location @not_there {") == int(on_a_node)
