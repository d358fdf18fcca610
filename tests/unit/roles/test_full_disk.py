# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk without room under the database, and a power failure: its start, `room` and `check`, with stand-ins."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import rendering

ROOM = "srcs/requirements/mariadb/tools/"
RESERVE = 32
MIB = 1024


@pytest.fixture
def place(collections_path: Path, tmp_path: Path) -> Path:
    """The container's folders, with its own scripts."""
    files = rendering.project("debian-package", str(collections_path))
    for folder in ("bin", "volume", "run"):
        (tmp_path / folder).mkdir()
    for name in ("room", "check"):
        text = files[f"{ROOM}{name}.sh"].replace("/var/lib/mysql", f"{tmp_path}/volume")
        command(tmp_path, name, text.replace("/run/mysqld", f"{tmp_path}/run"))
    return tmp_path


def command(place: Path, name: str, text: str) -> None:
    path = place / "bin" / name
    path.write_text(text)
    path.chmod(0o755)


def run(place: Path, *argv: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        env={"PATH": f"{place}/bin:{os.environ['PATH']}", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def disk(place: Path, all_kib: int | str, free_kib: int | str, device: str = "/dev/vda1") -> None:
    """A file system as df tells of it."""
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on"
    command(place, "df", f'#!/bin/sh\necho "{head}"\necho "{device} {all_kib} 7 {free_kib} 9% $2"\n')


class TestRoom:
    @pytest.mark.parametrize(
        ("free", "reserve", "wanted", "there"),
        [
            (64 * MIB, False, 64, True),
            (64 * MIB - 1, False, 64, False),
            # What is in reserve is given up where it is needed, so it is room.
            (32 * MIB, True, 64, True),
            (32 * MIB - 1, True, 64, False),
            (0, False, 64, False),
            (0, True, RESERVE, True),
            # Of a disk of many terabytes.
            (20 << 30, False, 128, True),
        ],
    )
    def test_what_is_free_and_what_is_in_reserve(
        self, place: Path, free: int, reserve: bool, wanted: int, there: bool
    ) -> None:
        disk(place, 100 << 30, free)
        if reserve:
            (place / "volume/reserve").touch()
        done = run(place, "room", str(wanted))
        assert (done.returncode == 0, done.stdout, done.stderr) == (there, "", "")

    @pytest.mark.parametrize("size", [0, "-"])
    def test_one_that_does_not_say_how_large_it_is_has_room(self, place: Path, size: int | str) -> None:
        """As some of FUSE and 9p: the database would never write there."""
        disk(place, size, size)
        assert run(place, "room", "64").returncode == 0

    def test_the_real_one_is_asked(self, place: Path) -> None:
        free = os.statvfs(place / "volume")
        there = free.f_bavail * free.f_frsize >> 20
        assert run(place, "room", str(there // 2)).returncode == 0
        assert run(place, "room", str(there * 2 + 1000)).returncode == 1

    def test_a_folder_that_cannot_be_asked_has_none(self, place: Path) -> None:
        (place / "volume").rmdir()
        assert run(place, "room", "64").returncode != 0


class TestStart:
    """With the logs of what is written, which a start after a kill reads (decision 0203)."""

    @pytest.fixture
    def began(self, place: Path, collections_path: Path) -> Path:
        """A data folder that is there, and the server that says what it is started with."""
        files = rendering.project("debian-archive", str(collections_path))
        text = files[f"{ROOM}entrypoint.sh"].replace("/var/lib/mysql-logs", f"{place}/logs")
        for former, new in {"/var/lib/mysql": "volume", "/run/mysqld": "run", "/run/secrets": "run"}.items():
            text = text.replace(former, f"{place}/{new}")
        command(place, "entrypoint", text.replace("/usr/local/lib/inception/quote.sh", f"{place}/quote.sh"))
        (place / "quote.sh").write_text(files[f"{ROOM}quote.sh"].replace("/run/mysqld", f"{place}/run"))
        command(place, "trial", "#!/bin/sh\n")
        command(place, "mariadbd", '#!/bin/sh\necho "$*"\n')
        (place / "volume/data").mkdir()
        for name in ("db_password", "db_root_password"):
            (place / "run" / name).write_text("a password\n")
        return place

    @pytest.mark.parametrize(("free", "says"), [(500 * MIB, ""), (0, "--read-only ")], ids=["room", "full"])
    def test_its_logs_are_read_on_a_full_disk_too(self, began: Path, free: int, says: str) -> None:
        disk(began, 100 << 30, free)
        for _start in range(2):
            done = self.start(began)
            series = (began / "volume/series").read_text().strip()
            started = f"{says}--log-bin={began}/logs/{series} --port=3306\n"
            assert (done.returncode, done.stdout) == (0, started), done.stderr

    @pytest.mark.parametrize(
        ("content", "stays"),
        [(b"", False), (b"\0" * 24576, False), (b"\xfe\x23\x05\x74" + b"\0" * 24572, True)],
        ids=["empty", "zeros", "whole"],
    )
    def test_what_a_power_failure_left_of_a_file_is_in_the_way_of_no_start(
        self, began: Path, content: bytes, stays: bool
    ) -> None:
        """MariaDB 11.8 ends over it: "Bad magic header in tc log", "Can't init tc log"."""
        disk(began, 100 << 30, 500 * MIB)
        log = began / "volume/data/tc.log"
        log.write_bytes(content)
        assert self.start(began).returncode == 0
        assert log.exists() is stays

    def start(self, place: Path) -> subprocess.CompletedProcess[str]:
        settings = {"MARIADB_USER": "wordpress", "MARIADB_DATABASE": "wordpress", "MARIADB_PORT": "3306"}
        return run(place, "entrypoint", "mariadbd", **settings)


class TestCheck:
    """Its process 1 is another one here."""

    @pytest.fixture
    def server(self, place: Path) -> Iterator[subprocess.Popen[bytes]]:
        script = (place / "bin/check").read_text()
        assert "kill -TERM 1\n" in script
        with subprocess.Popen(["sleep", "1000"]) as process:
            (place / "bin/check").write_text(script.replace("kill -TERM 1\n", f"kill -TERM {process.pid}\n"))
            command(place, "mariadb", f'#!/bin/sh\necho "$*" >"{place}/asked"\n')
            yield process
            process.kill()

    def ended(self, server: subprocess.Popen[bytes]) -> bool:
        try:
            return server.wait(1) == -signal.SIGTERM
        except subprocess.TimeoutExpired:
            return False

    @pytest.mark.parametrize(
        ("full", "free", "ends"),
        [
            # As it is on most days, also on a disk that was filled since.
            (False, 500 * MIB, False),
            (False, 0, False),
            # Started on a full disk: it goes on until there is room for good.
            (True, 0, False),
            (True, 128 * MIB - 1, False),
            (True, 128 * MIB, True),
        ],
    )
    def test_one_that_writes_nothing_is_started_again_when_there_is_room(
        self, place: Path, server: subprocess.Popen[bytes], full: bool, free: int, ends: bool
    ) -> None:
        disk(place, 100 << 30, free)
        if full:
            (place / "run/full").touch()
        done = run(place, "check")
        assert (done.returncode, done.stderr) == (0, "")
        assert self.ended(server) is ends
        assert (place / "asked").read_text() == f"--defaults-file={place}/run/client.cnf --execute=SELECT 1\n"

    def test_one_that_does_not_answer_is_ill_and_is_left_to_the_engine(
        self, place: Path, server: subprocess.Popen[bytes]
    ) -> None:
        disk(place, 100 << 30, 500 * MIB)
        (place / "run/full").touch()
        command(place, "mariadb", "#!/bin/sh\necho 'ERROR 2002 (HY000)' >&2\nexit 1\n")
        done = run(place, "check")
        assert (done.returncode, done.stderr) == (1, "ERROR 2002 (HY000)\n")
        assert not self.ended(server)
