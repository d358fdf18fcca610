# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: WordPress and its volume. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import FAIL, UNDETERMINED, Evidence
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import compose, shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Located
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.images import (
    container_runs,
    no_nginx_seen,
    own_dockerfile,
    without_nginx,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project, run_texts
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    judged,
    lines_with,
    listed,
    open_unless,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.volumes import (
    VOLUME_FIX,
    in_data_folder,
    kept_in_data_folder,
)

_ADMIN_KEY = re.compile(r"ADMIN(?:ISTRATOR)?_?(?:USER(?:_?NAME)?|USR|LOGIN|NAME|N|ID)?$", re.IGNORECASE)


_OTHER_KEY = re.compile(r"MAIL|PASS|PWD|PW$|FILE|URL|TITLE|ADMINER|MYADMIN|PORT|DB_|MYSQL|MARIADB|ROOT", re.IGNORECASE)


def _administrator(project: Project) -> Finding:
    found = [*_admin_by_command(project), *_admin_by_variable(project)]
    failures = [
        Evidence(where, f"the administrator is called {name}") for where, name in found if "admin" in name.lower()
    ]
    if failures or not found:
        return open_unless(failures)
    return judged([], [], [Evidence(where, f"the administrator is called {name}") for where, name in found])


def _environment(project: Project) -> Iterator[tuple[str, str, str]]:
    """The variables that services get, with where each stands."""
    for path in project.files():
        name = path.rpartition("/")[2]
        if (name.startswith(".env") or name.endswith(".env")) and not re.search(r"example|sample|template|dist", name):
            text = project.text(path) or ""
            lines: dict[str, int] = {}
            for number, one in enumerate(text.split("\n"), 1):
                if named := re.match(r"\s*(?:export\s+)?([\w.-]+)", one):
                    lines.setdefault(named[1], number)
            for key, value in compose.environment_file(text).items():
                yield f"{path}:{lines.get(key, 1)}", key, value
    for service in project.services.values():
        environment = service.raw.get("environment")
        for key, value in service.environment.items():
            where = environment.where(key) if isinstance(environment, Located) else service.line("environment")
            yield where, key, value


def _admin_by_variable(project: Project) -> Iterator[tuple[str, str]]:
    for where, key, value in _environment(project):
        if _ADMIN_KEY.search(key) and not _OTHER_KEY.search(key) and value and "$" not in value and "@" not in value:
            yield where, value


def _admin_by_command(project: Project) -> Iterator[tuple[str, str]]:
    """What `wp core install --admin_user=` gets, as far as variables are known."""
    known = {key: value for _where, key, value in _environment(project)}
    for source in project.shell_scripts():
        for command in shell.parse(source.text, source.first_line).commands:
            joined = list(command.words)
            if "install" not in joined or "core" not in joined:
                continue
            for at, word in enumerate(joined):
                name = ""
                if word.startswith("--admin_user="):
                    name = word.partition("=")[2]
                elif word == "--admin_user" and at + 1 < len(joined):
                    name = joined[at + 1]
                name = compose.interpolate(name.strip("\"'"), known)
                if name and "$" not in name and "`" not in name:
                    yield f"{source.path}:{command.place.line}", name


def _ask_root(project: Project) -> tuple[str, str]:
    places = lines_with(project, re.compile(r"--allow-root"), [source.path for source in project.shell_scripts()])
    if not places:
        return "", ""
    return (
        "Why `--allow-root` here?",
        "wp-cli refuses to work as root, since the code of every plugin would run as root too; whoever allows it runs "
        f"its container as root. Here: {listed(places)}.",
    )


def _second_user(project: Project) -> Finding:
    """Where a script installs WordPress, one makes the second user too."""
    if not (wordpress := project.of("wordpress")):
        return Finding(UNDETERMINED)
    sources = [*project.shell_scripts(), *project.start_scripts(wordpress)]
    for owner, stage in project.builders(wordpress):
        for one in stage.instructions:
            sources += run_texts(one, project.dockerfile_path(owner)) if one.name == "RUN" else []
    commands = [
        (f"{source.path}:{command.place.line}", command)
        for source in sources
        for command in shell.parse(source.text, source.first_line).commands
    ]
    installs = {where: one for where, one in commands if {"core", "install"} <= set(one.words)}
    texts = [*(source.text for source in sources), *(project.text(path) or "" for path in project.below("srcs"))]
    if not installs or any(_MAKES_A_USER.search(text) for text in texts):
        return Finding(UNDETERMINED)
    told = [Evidence(where, one.place.text) for where, one in installs.items()]
    if not any(_CREATES_A_USER.search(text) for text in texts):
        return Finding(FAIL, [Evidence(wordpress.where, "nothing makes a second user"), *told])
    # Whose name is the administrator's is not the second one.
    made = {where: name for where, one in commands if (name := _created(one.words))}
    administrators = {word.partition("=")[2] for one in installs.values() for word in one.words if "=" in word}
    if made and administrators >= set(made.values()):
        same = [Evidence(where, f"makes the administrator again: {name}") for where, name in made.items()]
        return Finding(FAIL, [*same, *told])
    return Finding(UNDETERMINED)


def _created(words: tuple[str, ...]) -> str:
    """The name that a `wp user create` makes a user of."""
    for at, word in enumerate(words[:-1]):
        if (word, words[at + 1]) == ("user", "create"):
            return next((one for one in words[at + 2 :] if not one.startswith("-")), "")
    return ""


_CREATES_A_USER = re.compile(r"\buser\s+create\b", re.IGNORECASE)
_MAKES_A_USER = re.compile(
    r"\buser\s+(?:import-csv|generate)\b|wp_(?:create|insert)_user|INSERT\s+INTO\s+[`'\"]?\w*users|wp\s+(?:db\s+)?import|multisite",
    re.IGNORECASE,
)


def _users(stack: Stack) -> list[Evidence]:
    where = f"get_users() in {stack.named('wordpress')}"
    return [Evidence(where, f"{login}: {', '.join(roles) or 'no role'}") for login, roles in stack.wordpress.users]


def _administrator_seen(stack: Stack) -> Finding | None:
    if not stack.running("wordpress"):
        return None
    if stack.wordpress.problem:
        return Finding(UNDETERMINED, [Evidence("WordPress", stack.wordpress.problem)])
    administrators = [login for login, roles in stack.wordpress.users if "administrator" in roles]
    bad = not administrators or any("admin" in login.lower() for login in administrators)
    # That the administrator can sign in is for the browser to show.
    return Finding(FAIL if bad else UNDETERMINED, _users(stack))


def _second_user_seen(stack: Stack) -> Finding | None:
    if not stack.running("wordpress") or stack.wordpress.problem or len(stack.wordpress.users) > 1:
        return None
    return Finding(FAIL, [*_users(stack), Evidence("get_users()", "there is no second user")])


_ITEMS = (
    Item(
        43,
        "WordPress has a Dockerfile",
        "There is a Dockerfile for WordPress with php-fpm.",
        "Write `srcs/requirements/wordpress/Dockerfile`.",
        rules=("IMG-1", "SVC-2"),
        ask=_ask_root,
        static=own_dockerfile("wordpress"),
        decided_by="as item 38",
    ),
    Item(
        44,
        "No NGINX in WordPress's image",
        "WordPress's image holds no NGINX.",
        "Take nginx out of WordPress's Dockerfile and scripts.",
        rules=("SVC-2",),
        static=without_nginx("wordpress"),
        decided_by="packages that its image installs, commands in its scripts",
        runtime=no_nginx_seen("wordpress"),
    ),
    Item(
        45,
        "WordPress's container runs",
        "`docker compose ps` shows WordPress's container.",
        "Look into the container's log.",
        rules=("SVC-2", "SVC-5"),
        runtime=container_runs("wordpress"),
    ),
    Item(
        46,
        "WordPress's volume is in the data folder",
        "`docker volume ls` shows the volume of the website files, and `docker volume inspect` `/home/<login>/data/`.",
        VOLUME_FIX,
        rules=("VOL-1", "VOL-2"),
        observed=True,
        static=in_data_folder("wordpress"),
        decided_by="mounts and `device`, as declared; what `docker volume inspect` shows outweighs it",
        runtime=kept_in_data_folder("wordpress"),
    ),
    Item(
        47,
        "A comment can be added",
        "The WordPress user can add a comment.",
        "Make a second user, and use a theme that shows comments.",
        rules=("SVC-4",),
        static=_second_user,
        decided_by="where `wp core install` is, that something makes a second user",
        runtime=_second_user_seen,
    ),
    Item(
        48,
        "The administrator signs in, and is not called admin",
        "The administrator can sign in, and the name does not contain `admin` in any letter case.",
        "Give the administrator another name.",
        rules=("SVC-4",),
        observed=True,
        static=_administrator,
        decided_by="`--admin_user` of `wp core install` with its variable replaced, and variables of that meaning",
        runtime=_administrator_seen,
    ),
    Item(
        49,
        "A page can be edited",
        "A page edited from the dashboard is changed on the site.",
        "Look into the logs of wordpress and mariadb; the files and the database must be writable.",
        rules=("SVC-2",),
        stop=True,
    ),
)
SECTION = Section("WordPress with php-fpm and its volume", _ITEMS)
