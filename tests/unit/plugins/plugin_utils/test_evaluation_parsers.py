# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers of the depth `static`; the corpus shows what the items make of them."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.credentials import (
    find_credentials,
    without_values,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import (
    compose,
    dockerfile,
    makefile,
    nginx,
    shell,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nRUN x \\\n# comment\n  && y\n", [("FROM", "a", 1), ("RUN", "x && y", 2)]),
        ("# escape=`\nFROM a\nRUN x `\n y\n", [("FROM", "a", 2), ("RUN", "x y", 3)]),
        ("FROM a\nRUN <<E\nCMD b\nE\nCMD c\n", [("FROM", "a", 1), ("RUN", "<<E", 2), ("CMD", "c", 5)]),
        ('from\ta\ncmd\t["b"]\n', [("FROM", "a", 1), ("CMD", '["b"]', 2)]),
        ("FROM --platform=linux/amd64 a AS b\n", [("FROM", "a AS b", 1)]),
    ],
)
def test_dockerfile_instructions(text: str, expected: list[tuple[str, str, int]]) -> None:
    found = dockerfile.parse(text).instructions
    assert [(one.name, one.value, one.line) for one in found] == expected


@pytest.mark.parametrize(
    ("text", "arguments", "bases"),
    [
        ("ARG T=12\nFROM debian:$T\n", {}, ["debian:12"]),
        ("ARG T=12\nFROM debian:${T}\n", {"T": "13"}, ["debian:13"]),
        ("ARG T\nFROM debian:${T:-11}\n", {}, ["debian:11"]),
        ("ARG T\nFROM debian:$T\n", {}, ["debian:$T"]),
        ("FROM a AS One\nFROM b\nFROM one\n", {}, ["one", "a"]),
    ],
)
def test_dockerfile_chain(text: str, arguments: dict[str, str], bases: list[str]) -> None:
    assert [stage.base for stage in dockerfile.parse(text, arguments).chain()] == bases


@pytest.mark.parametrize(
    ("text", "background", "endless", "bare"),
    [
        ("a && b 2>&1 &>/dev/null | c >&2", [], [], []),
        ("a &\nb", [1], [], []),
        ("x=$((1 & 2))", [], [], []),
        ("cat <<E\na & tail -f x\nE\n", [], [], []),
        ("\n# tail -f x &\necho 'b &'", [], [], []),
        ("while :\ndo sleep 1\ndone", [], [1], []),
        ("while true; do a && break; done", [], [], []),
        ("until mariadb-admin ping; do sleep 1; done", [], [], []),
        ("exec su-exec wil tail -n 1 -F x", [], [1], []),
        ("sh -c 'sleep infinity'", [], [1], []),
        ("timeout 5 tail -f x", [], [], []),
        ("tail +5f x\ntail f", [], [1], []),
        ("sh start.sh; echo a | bash; bash -l", [], [], [1]),
    ],
)
def test_shell(text: str, background: list[int], endless: list[int], bare: list[int]) -> None:
    found = shell.parse(text)
    assert [one.line for one in found.background] == background
    assert [one.line for one in found.endless] == endless
    assert [one.line for one in found.bare_shells] == bare


def loaded(files: dict[str, str], variables: dict[str, str] | None = None) -> dict[str, compose.Service]:
    return compose.services(compose.load(["srcs/a.yml"], files.get, variables or {}))


def test_compose_merges_extends_and_replaces_variables() -> None:
    text = (
        "x: &x {restart: always}\nservices:\n  a:\n    <<: *x\n"
        "    extends: {file: b.yml, service: b}\n    image: a:${TAG:-1}\n"
    )
    found = loaded({"srcs/a.yml": text, "srcs/b.yml": "services: {b: {ports: ['1:2'], image: b}}"})["a"]
    assert (found.image, found.raw["restart"], found.line("image")) == ("a:1", "always", "srcs/a.yml:6")
    assert [(one.host, one.container, one.where) for one in found.ports] == [("1", "2", "srcs/b.yml:1")]


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("${A}", {"A": "1"}, "1"),
        ("${A:-2}", {"A": ""}, "2"),
        ("${A-2}", {"A": ""}, ""),
        ("$$A", {"A": "1"}, "$A"),
        ("${A}", {}, "${A}"),
        ("${A:?no}", {}, "${A:?no}"),
        ("${A:-${B}}", {"B": "3"}, "3"),
    ],
)
def test_compose_variables(text: str, variables: dict[str, str], expected: str) -> None:
    assert compose.interpolate(text, variables) == expected


def test_makefile_reaches_what_a_goal_needs() -> None:
    text = "X := up\nall: a\n\t@$(MAKE) b\na: ; echo $$HOME\nb:\n\tdocker compose $(X) # now\n.PHONY: all a b\n"
    found = makefile.parse(text)
    assert found.default
    reached = found.reached(found.default)
    assert sorted(goal.name for goal in reached) == ["a", "all", "b"]
    commands = [command for goal in reached for _line, command in found.commands(goal)]
    assert "docker compose up # now" in commands
    assert "echo $HOME" in commands


def test_nginx_directives() -> None:
    text = "server {\n  # listen 80;\n  listen 443 ssl;\n  root ${X};\n  return 200 'listen 80;';\n}\n"
    found = [(one.words[0], one.line) for one in nginx.parse(text)]
    assert found == [("server", 1), ("listen", 3), ("root", 4), ("return", 5)]


@pytest.mark.parametrize(
    ("path", "line", "certain"),
    [
        (".env", "MYSQL_PASSWORD=Tr0ub4dor-3", True),
        (".env.example", "MYSQL_PASSWORD=Tr0ub4dor-3", False),
        (".env.example", "MYSQL_PASSWORD=change-me", None),
        (".env", "MYSQL_PASSWORD_FILE=/run/secrets/x", None),
        ("a.sh", 'DB_PASS="$(cat /run/secrets/x)"', None),
        ("a.sh", "wp core install --admin_password=Tr0ub4dor-3", True),
        ("a.php", "define('DB_PASSWORD', getenv('X'));", None),
        ("a.yml", "  password: ${DB_PASSWORD}", None),
        ("README.md", "Set MYSQL_PASSWORD=Tr0ub4dor-3 first.", False),
        ("secrets/db.txt", "Tr0ub4dor-3", True),
        # What people reported to other programs that look for credentials.
        ("a.yml", "password: REDACTED", None),
        ("gradle.lockfile", "secret=org.slf4j:slf4j-api:2.0.6=default", None),
        ("README.md", "key AKIAIOSFODNN7EXAMPLE", None),
        ("README.md", "key AKIAIOSFODNN7EXAMPLF", False),
        ("a.yml", "key: AKIAIOSFODNN7EXAMPLF", True),
        ("a.yml", "url: mysql://wil:Tr0ub4dor-3@db:3306/wp", True),
        ("a.yml", "url: postgres://wil:password@db/wp", False),
        ("a.yml", "url: mysql://wil:${DB_PASSWORD}@db:3306/wp", None),
        ("a.sh", "git clone ssh://git@github.com:22/wil/inception", None),
        ("keys.json", '"key": "ctrl+shift+down",', None),
        ("a.yml", "vmPassword: '$(VM_PASSWORD)'", None),
        ("new.html.erb", '<%= f.password_field :password, autocomplete: "new-password" %>', None),
        ("secrets/README.md", "One file for each.", None),
    ],
)
def test_credentials(path: str, line: str, certain: bool | None) -> None:
    found = find_credentials(path, f"{line}\n".encode(), {}, place=path)
    assert [one.certain for one in found] == ([] if certain is None else [certain])
    assert not [one for one in found if "Tr0ub4dor" in one.text]


def test_an_environment_file_leaves_the_host_without_values() -> None:
    text = "A=1\nMYSQL_PASSWORD=Tr0ub4dor-3\n# DB_PASS=Tr0ub4dor-3\n"
    assert "Tr0ub4dor" not in without_values("srcs/.env", text)
    assert "A=1" in without_values("srcs/.env", text)
