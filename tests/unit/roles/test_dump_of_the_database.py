# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database says of its data to a backup: a view that cannot be read is left out, and ends nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.fortytwo.inception.tests.unit.roles.test_host_and_docker import ROLES

# A client that knows these views, and a program that says how it was called.
CLIENT = """#!/bin/sh
for statement; do :; done
case "$statement" in
    *information_schema.VIEWS*) printf '%b' "$VIEWS" ;;
    *'SELECT 1 FROM `wp_gone'*) exit 1 ;;
    'SHOW CREATE VIEW'*) printf 'wp_gone\\tCREATE VIEW\\nTable structure for table `x`\\n' ;;
esac
exit "$CODE"
"""
DUMP = """#!/bin/sh
printf '%s\\n' "-- MariaDB dump" "$@"
"""


def command() -> list[str]:
    text = (ROLES / "stack/templates/requirements/mariadb/service.yml").read_text()
    plain = re.sub(r"(?m)^\{%.*%\}\n|\{[{#].*?[}#]\}", "", text)
    return [str(word) for word in yaml.safe_load(plain)["backup"]["dump"]]


def said(tmp_path: Path, views: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    for name, text in {"mariadb": CLIENT, "mariadb-dump": DUMP}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "MARIADB_DATABASE": "site", "VIEWS": views, "CODE": str(code)}
    return subprocess.run(command(), env=environment, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("views", ["", "wp_good\n"])
def test_without_such_a_view_nothing_is_said_before_the_dump(tmp_path: Path, views: str) -> None:
    done = said(tmp_path, views)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("-- MariaDB dump\n--defaults-file=/run/mysqld/client.cnf\n")
    assert done.stdout.endswith("--no-tablespaces\nsite\n")


def test_one_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    """Each line of how it was made is a comment that is taken for nothing else; a name may have spaces."""
    done = said(tmp_path, "wp_gone\\nwp_good\\nwp_gone too\\n")
    assert (done.returncode, done.stderr) == (0, "")
    first, dump = done.stdout.split("-- MariaDB dump\n")
    assert re.findall(r"(?m)^-- Left out: (.+)$", first) == ["wp_gone", "wp_gone too"]
    assert all(line.startswith(("-- Left out: ", "-- | ")) for line in first.splitlines())
    assert dump.splitlines()[-3:] == ["--ignore-table=site.wp_gone", "--ignore-table=site.wp_gone too", "site"]


def test_a_database_that_does_not_answer_is_no_dump(tmp_path: Path) -> None:
    done = said(tmp_path, "", code=1)
    assert (done.returncode, done.stdout) == (1, "")
