# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the database's members begins after all were away: that is known, or nobody does (tools/member.sh)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.unit import rendering

MEMBERS = ("mariadb-1", "mariadb-2", "mariadb-3")
ONE, OTHER = "49ccac43-ec24-11f1-8df7-0eef0636015e", "bdae2124-ec26-11f1-b0a1-56ed5f701149"

Script = Callable[..., subprocess.CompletedProcess[str]]
PLACES = (
    "volume=/var/lib/mysql",
    "common=/var/lib/mysql-members",
    "apart=/run/mysqld/apart",
    "noted=/run/mysqld/noted",
)


@pytest.fixture
def text(collections_path: Path) -> str:
    return rendering.project("galera", str(collections_path))["srcs/requirements/mariadb/tools/member.sh"]


def placed(text: str, places: Mapping[str, Path]) -> str:
    """The script with other places."""
    for place in PLACES:
        name, dummy, path = place.partition("=")
        assert f"\n{place}\n" in text
        text = text.replace(f"\n{place}\n", f"\n{name}={places.get(name, places['root'] / path[1:])}\n")
    return text


@pytest.fixture
def member(tmp_path: Path, text: str) -> Script:
    """The script with places of its own, on the member's node."""
    text = placed(text, {"root": tmp_path})
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
        # A database that was one again: what the others had got of it before is worth nothing, and no beginning.
        (("own", "void", "void"), "mariadb-1"),
        (("void", "own", "none"), "mariadb-2"),
        (("void", f"{ONE}:9", "void"), "mariadb-2"),
        (("void", "void", "none"), ""),
        (("own", "void", "lost"), ""),
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


def test_where_one_goes_on_without_the_others_what_they_have_is_void(member: Script, tmp_path: Path) -> None:
    """Whatever that is; and the one itself has no members any more."""
    data, common = tmp_path / "var/lib/mysql/data", tmp_path / "var/lib/mysql-members"
    for name in ("grastate.dat", "gvwstate.dat"):
        (data / name).write_text(f"uuid:    {ONE}\nseqno:   17\n")
    done = member("void")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one.name for one in common.iterdir()) == ["void-mariadb-2", "void-mariadb-3"]
    assert list(data.iterdir()) == []
    assert member("position").stdout.strip() == "own"
    assert member("position", MEMBER="mariadb-2").stdout.strip() == "void"
    (tmp_path / "var/lib/mysql/joining").touch()
    assert member("position", MEMBER="mariadb-3").stdout.strip() == "void"


class Members:
    """Members that wait at the same time, as far as their beginnings go: there is no server, and none is asked."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.common = folder / "common"
        self.common.mkdir()
        self.waiting: dict[str, subprocess.Popen[str]] = {}
        # Of the programs that it calls: an address of its own, and who is Primary where a test says so.
        for name, lines in {
            "ip": 'echo "1: lo    inet 127.0.0.1/8 scope host lo"\n'
            'echo "2: eth0    inet 10.201.255.${MEMBER#mariadb-}/24 scope global eth0"',
            "mariadb": 'file="$PRIMARY/$(printf "%s\\n" "$@" | sed -n "s/^--host=//p")"; [ -f "$file" ] || exit 1\n'
            'case "$*" in *state_uuid*) printf "x\\t%s\\n" "$(cat "$file")" ;; *) printf "x\\tPrimary\\n" ;; esac',
        }.items():
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{lines}\n")
            (folder / "bin" / name).chmod(0o755)
        for name in MEMBERS:
            volume = folder / name
            volume.mkdir()
            # A turn is two seconds; here nothing takes so long.
            script = placed(text, {"root": folder, "common": self.common, "volume": volume}).replace(
                "sleep 2", "sleep 0.3"
            )
            (folder / f"{name}.sh").write_text(script)

    def has(self, name: str, seqno: int, history: str = ONE, seen: str = "", safe: int = 0, beginning: int = 1) -> None:
        """What a member was left with; of whom it saw last, the names' numbers."""
        data = self.folder / name / "data"
        data.mkdir(exist_ok=True)
        (data / "grastate.dat").write_text(f"uuid:    {history}\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n")
        if seen:
            lines = [f"my_uuid: {name[-1] * 8}", *(f"member: {number * 8} 0" for number in seen)]
            (data / "gvwstate.dat").write_text("\n".join(lines) + "\n")
        (self.folder / name / "beginning").write_text(f"{beginning}\n")
        (self.common / "begun").write_text(f"{beginning}\n")

    def start(self, *names: str, members: tuple[str, ...] = MEMBERS, network: str = "10.201.255.") -> None:
        for name in names:
            self.waiting[name] = subprocess.Popen(
                ["sh", str(self.folder / f"{name}.sh"), "way"],
                env={
                    "PATH": f"{self.folder}/bin:/usr/bin:/bin",
                    "MEMBER": name,
                    "MEMBERS": " ".join(members),
                    "MEMBERS_NETWORK": network,
                    "MARIADB_PORT": "3306",
                    "PRIMARY": str(self.folder),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )

    def begun(self, seconds: float) -> dict[str, str]:
        """What those say that know their way, as soon as one does, or when the time is over; and all others end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and all(one.poll() is None for one in self.waiting.values()):
            time.sleep(0.1)
        # A second one that takes itself for chosen has its turn, too.
        time.sleep(1)
        self.said = {}
        found = {}
        for name, one in self.waiting.items():
            if one.poll() is None:
                os.killpg(one.pid, 15)
            output, self.said[name] = one.communicate(timeout=10)
            if output:
                found[name] = output.strip()
        self.waiting = {}
        return found


@pytest.fixture
def members(tmp_path: Path, text: str) -> Members:
    return Members(tmp_path, text)


def test_at_the_first_start_the_first_begins(members: Members) -> None:
    members.start(*MEMBERS)
    assert members.begun(30) == {"mariadb-1": "begin none"}


def test_one_that_is_the_only_one_begins(members: Members) -> None:
    """As in a trial restore, in a network of its own."""
    members.start("mariadb-1", members=("mariadb-1",), network="127.0.0.")
    assert members.begun(30) == {"mariadb-1": "begin none"}
    assert (members.common / "mariadb-1").read_text().split()[1] == "127.0.0.1"


def test_after_a_power_cut_the_one_with_the_most_begins(members: Members) -> None:
    for name, seqno in zip(MEMBERS, (98, 100, 99), strict=True):
        members.has(name, seqno, seen="123")
    members.start(*MEMBERS)
    assert members.begun(30) == {"mariadb-2": f"begin {ONE}:100"}


def test_without_one_that_was_there_last_nobody_begins(members: Members) -> None:
    """What it wrote of itself before is not what it has now. A person may give it up, for this beginning."""
    for name in MEMBERS:
        members.has(name, 50, seen="123")
    write_old = f"900 10.201.255.3 {ONE}:10 1 0 33333333 11111111,22222222,33333333,\n"
    (members.common / "mariadb-3").write_text(write_old)
    members.start("mariadb-1", "mariadb-2")
    assert members.begun(5) == {}
    assert "who has the newest is not known without mariadb-3" in members.said["mariadb-1"]
    (members.common / "without").write_text("0 mariadb-3\n")
    members.start("mariadb-1", "mariadb-2")
    assert members.begun(5) == {}
    (members.common / "without").write_text("1 mariadb-3\n")
    members.start("mariadb-1", "mariadb-2")
    assert members.begun(30) == {"mariadb-1": f"begin {ONE}:50"}
    assert not (members.common / "without").exists()


def test_those_that_were_there_last_need_no_other(members: Members) -> None:
    """The third had been put out before; it has less, and whatever it believes does not count."""
    members.has("mariadb-1", 40, seen="123")
    members.has("mariadb-2", 60, seen="23")
    members.has("mariadb-3", 61, seen="23")
    members.start("mariadb-2", "mariadb-3")
    assert members.begun(30) == {"mariadb-3": f"begin {ONE}:61"}


def test_the_one_that_ended_last_needs_nobody(members: Members) -> None:
    members.has("mariadb-1", 40)
    members.has("mariadb-3", 45, safe=1)
    members.start("mariadb-3")
    assert members.begun(30) == {"mariadb-3": f"begin {ONE}:45"}


def test_one_that_ended_last_once_and_missed_a_beginning_waits(members: Members) -> None:
    members.has("mariadb-1", 40, safe=1)
    (members.common / "begun").write_text("2\n")
    members.start("mariadb-1")
    assert members.begun(5) == {}
    assert "has begun anew without this one" in members.said["mariadb-1"]


def test_two_that_had_got_nothing_begin_nothing(members: Members) -> None:
    """Seen on three nodes: the only one with data had left in order, and the two that waited for it were a majority."""
    for name in ("mariadb-2", "mariadb-3"):
        members.has(name, -1, seen="23")
        (members.folder / name / "joining").touch()
    members.start("mariadb-2", "mariadb-3")
    assert members.begun(5) == {}
    members.has("mariadb-1", 7)
    members.start(*MEMBERS)
    assert members.begun(30) == {"mariadb-1": f"begin {ONE}:7"}


def test_who_finds_the_others_joins_them(members: Members) -> None:
    """By the addresses that they said; one that has the same history keeps what it has."""
    members.has("mariadb-3", 7)
    for number in (1, 2):
        (members.common / f"mariadb-{number}").write_text(f"3 10.201.255.{number} {ONE}:7 1 0 - -\n")
        (members.folder / f"10.201.255.{number}").write_text(ONE)
    members.start("mariadb-3")
    assert members.begun(30) == {"mariadb-3": f"join {ONE}:7 10.201.255.1,10.201.255.2"}


def test_no_history_is_replaced_by_another_one(members: Members) -> None:
    """All data would be; where two have begun, a person has to say which one it is."""
    members.has("mariadb-3", 7)
    (members.common / "mariadb-1").write_text(f"3 10.201.255.1 {OTHER}:900 1 0 - -\n")
    (members.folder / "10.201.255.1").write_text(OTHER)
    members.start("mariadb-3")
    assert members.begun(5) == {}
    assert f"The others have another history, {OTHER}, than this one, {ONE}" in members.said["mariadb-3"]
