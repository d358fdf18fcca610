# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: MariaDB and its volume. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Service
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.images import (
    container_runs,
    no_nginx_seen,
    own_dockerfile,
    without_nginx,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project, Source, run_texts
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    open_unless,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.volumes import (
    VOLUME_FIX,
    in_data_folder,
    kept_in_data_folder,
)


def _closed(stack: Stack) -> Finding:
    """Root without a password is refused, and there is something in the database."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    unknown: list[Evidence] = []
    if stack.root_login is not None:
        told = str(stack.root_login["output"])
        entry = Evidence("mariadb -u root, without a password", told)
        refused = re.search(r"ERROR (1045|1698|1130)\b", told)
        (wrong if stack.root_login["ok"] else right if refused else unknown).append(entry)
    if stack.wordpress.tables:
        entry = Evidence("SHOW TABLES", f"{stack.wordpress.tables} tables, {stack.wordpress.posts} posts and pages")
        (right if stack.wordpress.posts else wrong).append(entry)
    service = stack.named("mariadb")
    answer = f"docker exec -it {service} mariadb -u root -p, with root's password." if service else ""
    state = FAIL if wrong else PASS if len(right) == 2 else UNDETERMINED
    return Finding(state, [*wrong, *right, *unknown], answer)


def _root_has_a_password(project: Project) -> Finding:
    """What makes the database, and gives root none: the socket lets root in then. That it is so is to be seen."""
    service = project.of("mariadb")
    if service is None or not service.built:
        return Finding(UNDETERMINED)
    lines = [one for source in _database_texts(project, service) for one in _statements(source)]
    made = [
        Evidence(where, f"nothing gives root a password: {line[:120]}") for where, line in lines if _MADE.search(line)
    ]
    given = any(_GIVEN.search(line) for _where, line in lines)
    return open_unless([], [] if given else made[:1])


def _database_texts(project: Project, service: Service) -> Iterator[Source]:
    """The scripts and statements of the database's image."""
    yield from project.start_scripts(service)
    for path in project.below(service.context):
        if path.endswith((".sql", ".sql.template", ".sql.tpl")) or project.is_script(path):
            yield Source(path, project.text(path) or "")
    for owner, stage in project.builders(service):
        for one in stage.instructions:
            yield from run_texts(one, project.dockerfile_path(owner)) if one.name == "RUN" else ()


def _statements(source: Source) -> Iterator[tuple[str, str]]:
    """The lines that are no comments, with their places."""
    for number, line in enumerate(source.text.splitlines(), source.first_line):
        if not re.match(r"\s*(?:#|--)", line):
            yield f"{source.path}:{number}", line.strip()


_MADE = re.compile(r"\bCREATE\s+(?:DATABASE|USER)\b", re.IGNORECASE)
# The ways in which people give root one, also by a name in a variable. Root from elsewhere ('%') is another root.
_ELSEWHERE = r"['\"`]?\s*@\s*['\"`]?%"
_GIVEN = re.compile(
    rf"\bALTER\s+USER\b(?!.{{0,20}}\broot{_ELSEWHERE})|\bSET\s+PASSWORD\b|\broot\b(?!{_ELSEWHERE}).{{0,80}}\bIDENTIFIED\b"
    r"|secure[_-]installation|root_password\s+password|\b(?:mysqladmin|mariadb-admin)\b.*\bpassword\b"
    r"|\bUPDATE\s+\S*(?:user|global_priv)\b|\bDROP\s+USER\b.*root",
    re.IGNORECASE,
)


def _ask_login(project: Project) -> tuple[str, str]:
    database = project.of("mariadb")
    client = f"docker compose exec {database.name if database else 'mariadb'} mariadb -u <user> -p"
    return "How do you log in to the database?", f"For example `{client}`; root asks for its password."


_ITEMS = (
    Item(
        50,
        "MariaDB has a Dockerfile",
        "There is a Dockerfile for MariaDB.",
        "Write `srcs/requirements/mariadb/Dockerfile`.",
        rules=("IMG-1", "SVC-3"),
        static=own_dockerfile("mariadb"),
        decided_by="as item 38",
    ),
    Item(
        51,
        "No NGINX in MariaDB's image",
        "MariaDB's image holds no NGINX.",
        "Take nginx out of MariaDB's Dockerfile and scripts.",
        rules=("SVC-3",),
        static=without_nginx("mariadb"),
        decided_by="as item 44",
        runtime=no_nginx_seen("mariadb"),
    ),
    Item(
        52,
        "MariaDB's container runs",
        "`docker compose ps` shows MariaDB's container.",
        "Look into the container's log.",
        rules=("SVC-3", "SVC-5"),
        runtime=container_runs("mariadb"),
    ),
    Item(
        53,
        "MariaDB's volume is in the data folder",
        "`docker volume ls` shows the volume of the database, and `docker volume inspect` `/home/<login>/data/`.",
        VOLUME_FIX,
        rules=("VOL-1", "VOL-2"),
        observed=True,
        static=in_data_folder("mariadb"),
        decided_by="as item 46",
        runtime=kept_in_data_folder("mariadb"),
    ),
    Item(
        54,
        "The database is closed and not empty",
        "The evaluated person explains how to log in to the database; it is not empty, and root without a password is "
        "refused.",
        "Give root a password on the first start, and let WordPress use a user of its own.",
        rules=("SVC-3",),
        stop=True,
        static=_root_has_a_password,
        decided_by="that something gives root a password, where a script makes the database: else a warning",
        runtime=_closed,
        ask=_ask_login,
    ),
)
SECTION = Section("MariaDB and its volume", _ITEMS)
