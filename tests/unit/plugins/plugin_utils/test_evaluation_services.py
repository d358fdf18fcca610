# SPDX-License-Identifier: GPL-3.0-or-later
"""Which service is which: what it holds weighs more than a name that resembles."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.services import OTHER, Traits, kinds

NGINX = Traits("nginx", frozenset({"nginx"}))
WORDPRESS = Traits("wordpress", frozenset({"php-fpm"}), frozenset({"wordpress"}))


def service(name: str, *holds: str, mentions: str = "", pages: bool = False) -> Traits:
    return Traits(name, frozenset(holds), frozenset({mentions} - {""}), pages)


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (service("mariadb", "mariadb-server"), "mariadb"),
        (service("database", "mariadb-server"), "mariadb"),
        (service("db"), "mariadb"),
        (service("storage", "mariadb"), "mariadb"),
        (service("my_db", "mysqld_safe"), "mariadb"),
        (service("mongodb", "mongodb"), OTHER),
        (service("mongodb"), OTHER),
        (service("database", "postgresql"), OTHER),
        (service("phpmyadmin", "php-fpm"), OTHER),
        (service("mysqld-exporter"), OTHER),
        (service("redis"), "redis"),
        (service("cache", "redis-server"), "redis"),
        (service("cache", "memcached"), OTHER),
        (service("keyvalue", "valkey"), "redis"),
        (service("files", "vsftpd"), "ftp"),
        (service("ftp-server"), "ftp"),
        (service("adminer"), "adminer"),
        (service("dbadmin", "php-fpm", mentions="adminer"), "adminer"),
        (service("portfolio", "nginx", pages=True), "static"),
        (service("me", "lighttpd", pages=True), "static"),
        (service("grafana"), OTHER),
    ],
    ids=lambda value: value.name + "-" + "-".join(sorted(value.holds)) if isinstance(value, Traits) else str(value),
)
def test_a_service_beside_the_others(one: Traits, kind: str) -> None:
    found = kinds([NGINX, WORDPRESS, one])
    assert found == {"nginx": "nginx", "wordpress": "wordpress", one.name: kind}


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        # The proxy has no name of its own, and the site has NGINX too.
        (
            [service("web", "nginx"), service("site", "nginx", pages=True), WORDPRESS],
            {"web": "nginx", "site": "static", "wordpress": "wordpress"},
        ),
        # The exporter of a database is no database; the order is nothing.
        (
            [service("mariadb-exporter"), service("mariadb", "mariadb-server")],
            {"mariadb-exporter": OTHER, "mariadb": "mariadb"},
        ),
        ([service("php", "php-fpm", mentions="wordpress"), NGINX], {"php": "wordpress", "nginx": "nginx"}),
        ([service("redis-commander", "nodejs"), service("redis")], {"redis-commander": OTHER, "redis": "redis"}),
        ([], {}),
    ],
)
def test_all_of_a_project(services: list[Traits], expected: dict[str, str]) -> None:
    assert kinds(services) == expected
