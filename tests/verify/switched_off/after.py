# SPDX-License-Identifier: GPL-3.0-or-later
"""After every bonus service was taken off the list and its data removed: nothing of them is left."""

from __future__ import annotations

import json
import re

import pytest

from tests.verify.support import BONUS, MANDATORY, Site, Stack

PROJECT_LABEL = "label=com.docker.compose.project=inception"

# A machine without a way out cannot ask wordpress.org for updates, and WordPress says so.
PHP_ERROR = re.compile(r"PHP (Fatal|Warning)(?!.*could not establish a secure connection to WordPress\.org)")


def test_only_the_mandatory_containers_run(stack: Stack) -> None:
    """The others are gone, and these are well."""
    stack.wait_healthy()
    assert set(stack.containers()) == set(MANDATORY)


def test_their_images_are_gone(stack: Stack) -> None:
    """Of the images that compose built, each is a mandatory service's."""
    ids = stack.root("docker image ls --quiet --filter %s", PROJECT_LABEL).split()
    images = json.loads(stack.root("docker image inspect " + " ".join(sorted(set(ids)))))
    left = {image["Config"]["Labels"]["com.docker.compose.service"] for image in images}
    assert left == set(MANDATORY)


def test_their_volumes_and_data_are_gone(stack: Stack) -> None:
    """Docker's volumes, and the folders that they were."""
    volumes = stack.root("docker volume ls --quiet --filter %s", PROJECT_LABEL).split()
    assert sorted(volumes) == ["inception_mariadb", "inception_wordpress"]
    assert sorted(stack.root("ls -A %s", stack.settings.data).split()) == ["mariadb", "wordpress"]


def test_their_secrets_are_gone(stack: Stack) -> None:
    """Those of the mandatory services stay."""
    assert sorted(name for name in stack.secrets() if name.endswith(".txt")) == [
        "db_password.txt",
        "db_root_password.txt",
        "wp_admin_password.txt",
        "wp_salt.txt",
        "wp_user_password.txt",
    ]
    assert stack.root("sh -c %s", f"cd {stack.settings.project}/secrets && ls *.env").split() == ["wordpress.env"]


def test_the_project_names_none_of_them(stack: Stack) -> None:
    """Neither a folder nor the compose file."""
    assert not [path for path in stack.files() if "/bonus/" in path]
    assert stack.host.run("ls %s/srcs/requirements/bonus", stack.settings.project).rc != 0
    assert set(stack.config()["services"]) == set(MANDATORY)


@pytest.mark.parametrize("service", BONUS)
def test_nginx_knows_no_way_to_them(stack: Stack, service: str) -> None:
    """Its image was built without their routes."""
    result = stack.execute("nginx", "sh", "-c", f"cat /etc/nginx/inception/routes/{service}.conf")
    assert result.rc != 0


def test_the_site_goes_on(stack: Stack, site: Site) -> None:
    """Also without its object cache: no drop-in of ours is left behind, and no error is logged."""
    site.wait_answers()
    assert stack.execute("wordpress", "test", "-e", "/var/www/html/wp-content/object-cache.php").rc != 0
    assert site.get("/wp-login.php").status == 200
    log = stack.compose("logs --no-color --since 2m wordpress")
    assert not [line for line in log.splitlines() if PHP_ERROR.search(line)]
