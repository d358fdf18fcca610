# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the database's members begins after all were away: that is known, or nobody does (tools/member.sh)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.unit import rendering

MEMBERS = ("mariadb-1", "mariadb-2", "mariadb-3")
ONE, OTHER = "49ccac43-ec24-11f1-8df7-0eef0636015e", "bdae2124-ec26-11f1-b0a1-56ed5f701149"

Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def member(tmp_path: Path, collections_path: Path) -> Script:
    """The script with places of its own, on the member's node."""
    text = rendering.project("galera", str(collections_path))["srcs/requirements/mariadb/tools/member.sh"]
    for place in ("volume=/var/lib/mysql", "common=/var/lib/mysql-members", "apart=/run/mysqld/apart", "noted=/run/mysqld/noted"):
        name, dummy, path = place.partition("=")
        assert f"\n{place}\n" in text
        text = text.replace(f"\n{place}\n", f"\n{name}={tmp_path}{path}\n")
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "var/lib/mysql/data").mkdir(parents=True)
    (tmp_path / "var/lib/mysql-members").mkdir()
    script = tmp_path / "member"
    script.write_text(text)
    environment = {"PATH": "/usr/bin:/bin", "MEMBER": MEMBERS[0], "MEMBERS": " ".join(MEMBERS), "MARIADB_PORT": "3306"}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(script), *words],
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run


def write(tmp_path: Path, positions: Mapping[str, str], beginnings: Mapping[str, int] | None = None) -> None:
    for name, position in positions.items():
        line = f"7 10.201.255.2 {position} {(beginnings or {}).get(name, 1)} 0 - -\n"
        (tmp_path / "var/lib/mysql-members" / name).write_text(line)


@pytest.mark.parametrize(
    ("positions", "chosen"),
    [
        # Of one history, the highest number; as numbers, and not as words.
        ((f"{ONE}:9", f"{ONE}:100", f"{ONE}:20"), "mariadb-2"),
        ((f"{ONE}:100", f"{ONE}:100", f"{ONE}:100"), "mariadb-1"),
        ((f"{ONE}:-1", "spoiled", "none"), "mariadb-1"),
        (("none", f"{ONE}:0", "spoiled"), "mariadb-2"),
        (("joining", "joining", f"{ONE}:7"), "mariadb-3"),
        # The first start, and that of a database that was one.
        (("none", "none", "none"), "mariadb-1"),
        (("none", "own", "none"), "mariadb-2"),
        # What does not go together, and what nobody knows.
        ((f"{ONE}:9", f"{OTHER}:100", "none"), ""),
        (("own", "own", "none"), ""),
        (("own", f"{ONE}:9", "none"), ""),
        (("none", "spoiled", "none"), ""),
        (("spoiled", "spoiled", "spoiled"), ""),
        (("lost", "lost", "lost"), ""),
        # Who had nothing yet, and had got nothing: the data is somewhere else.
        (("joining", "joining", "joining"), ""),
        (("none", "joining", "none"), ""),
        (("own", "lost", "none"), ""),
    ],
)
def test_the_one_that_has_the_most_begins(
    member: Script, tmp_path: Path, positions: tuple[str, ...], chosen: str
) -> None:
    write(tmp_path, dict(zip(MEMBERS, positions, strict=True)))
    done = member("most_advanced", *MEMBERS)
    assert (done.stdout.strip(), done.stderr) == (chosen, "")


def test_who_missed_the_last_beginning_knows_an_older_history(member: Script, tmp_path: Path) -> None:
    """Its number may be the higher one: of what was given up then."""
    write(
        tmp_path,
        {"mariadb-1": f"{ONE}:900", "mariadb-2": f"{ONE}:20", "mariadb-3": f"{ONE}:21"},
        {"mariadb-1": 3, "mariadb-2": 4, "mariadb-3": 4},
    )
    assert member("most_advanced", *MEMBERS).stdout.strip() == "mariadb-3"


def test_exactly_one_may_begin(member: Script, tmp_path: Path) -> None:
    """And that one again, where it was cut off before it did."""
    common = tmp_path / "var/lib/mysql-members"
    (common / "begun").write_text("4\n")
    (common / "after-4").symlink_to("mariadb-2")
    assert member("claim").returncode != 0
    assert (common / "begun").read_text() == "4\n"
    assert member("claim", MEMBER="mariadb-2").returncode == 0
    assert (common / "begun").read_text() == "5\n"
    assert member("claim", MEMBER="mariadb-3").returncode == 0
    assert (common / "after-5").readlink() == Path("mariadb-3")


@pytest.mark.parametrize(
    ("files", "position"),
    [
        ({}, "own"),
        ({"data/grastate.dat": f"uuid:    {ONE}\nseqno:   17\nsafe_to_bootstrap: 0\n"}, f"{ONE}:17"),
        ({"data/grastate.dat": f"uuid:    {'0' * 8}-0000-0000-0000-{'0' * 12}\nseqno:   -1\n"}, "spoiled"),
        # What was not brought to its end is nothing.
        ({"joining": "", "data/grastate.dat": f"uuid:    {ONE}\nseqno:   17\n"}, "joining"),
    ],
)
def test_how_far_a_member_is(member: Script, tmp_path: Path, files: dict[str, str], position: str) -> None:
    for name, text in files.items():
        (tmp_path / "var/lib/mysql" / name).write_text(text)
    assert member("position").stdout.strip() == position


def test_nothing_where_there_was_something_is_lost(member: Script, tmp_path: Path) -> None:
    """Of a member with an empty folder nobody knows what it had; at the very first start there was nothing."""
    (tmp_path / "var/lib/mysql/data").rmdir()
    assert member("position").stdout.strip() == "none"
    (tmp_path / "var/lib/mysql-members/was-mariadb-1").touch()
    assert member("position").stdout.strip() == "lost"
