# SPDX-License-Identifier: GPL-3.0-or-later
"""The database's logs for a restore to a moment: its command `moment`, with a stand-in for mariadb-binlog."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit import rendering

TOOLS = "srcs/requirements/mariadb/tools/"
FORMER, SERIES = "log-20261128000000", "log-20261129000000"


@pytest.fixture
def place(collections_path: Path, tmp_path: Path) -> Path:
    """Logs of two data folders, of which the later one is there; with MariaDB 11.4's files beside its logs."""
    files = rendering.project("debian-archive", str(collections_path))
    for folder in ("bin", "volume", "logs"):
        (tmp_path / folder).mkdir()
    for name in ("moment", "room"):
        text = files[f"{TOOLS}{name}.sh"].replace("/var/lib/mysql-logs", f"{tmp_path}/logs")
        command(tmp_path, name, text.replace("/var/lib/mysql", f"{tmp_path}/volume"))
    command(tmp_path, "mariadb-binlog", '#!/bin/sh\necho "$@"\n')
    (tmp_path / "volume/series").write_text(f"{SERIES}\n")
    for name, count in ((FORMER, 2), (SERIES, 7)):
        for number in range(1, count + 1):
            for end in ("", ".idx"):
                # From 02:00 to 05:00 on the day of the name.
                log = tmp_path / f"logs/{name}.{number:06}{end}"
                log.touch()
                at = f"{name[4:8]}-{name[8:10]}-{name[10:12]} 0{2 + number // 2}:00:00 UTC"
                subprocess.run(["touch", "-d", at, log], check=True)
        for end in ("index", "state"):
            (tmp_path / f"logs/{name}.{end}").touch()
    (tmp_path / "logs/#binlog_cache_files").mkdir()
    return tmp_path


def command(place: Path, name: str, text: str) -> None:
    path = place / "bin" / name
    path.write_text(text)
    path.chmod(0o755)


def moment(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["moment", *words],
        env={"PATH": f"{place}/bin:{os.environ['PATH']}", "MARIADB_DATABASE": "wordpress"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_was_written_since_is_in_the_logs_from_its_place_on(place: Path) -> None:
    done = moment(place, "since", f"{SERIES}.000005", "342", "2026-11-29 12:00:00")
    assert (done.returncode, done.stderr) == (0, "")
    logs = [f"{place}/logs/{SERIES}.{number:06}" for number in (5, 6, 7)]
    options = ["--no-defaults", "--database=wordpress", "--start-position=342", "--stop-datetime=2026-11-29 12:00:00"]
    assert done.stdout == " ".join([*options, *logs]) + "\n"


@pytest.mark.parametrize(
    ("log", "until", "reason"),
    [
        (f"{SERIES}.000009", "2026-11-29 12:00:00", "the log log-20261129000000.000009 is gone"),
        (f"{FORMER}.000001", "2026-11-29 12:00:00", "all data was replaced at 20261128030000 UTC"),
        (f"{SERIES}.000001", "2026-11-28 01:00:00", "from 20261128000000 to 20261128030000 UTC other data was there"),
    ],
    ids=["gone", "replaced", "other data"],
)
def test_what_the_logs_do_not_reach_is_refused(place: Path, log: str, until: str, reason: str) -> None:
    done = moment(place, "since", log, "342", until)
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr


def test_a_moment_of_before_the_restore_is_in_the_former_logs(place: Path) -> None:
    done = moment(place, "since", f"{FORMER}.000001", "342", "2026-11-28 02:30:00")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-2:] == [f"{place}/logs/{FORMER}.{number:06}" for number in (1, 2)]


def test_what_is_too_old_goes_and_the_newest_four_stay(place: Path) -> None:
    long_ago = time.time() - 10 * 86400
    for number, log in enumerate(sorted(place.glob("logs/log-*[0-9]"))):
        os.utime(log, (long_ago + number, long_ago + number))
    assert moment(place, "tidy").returncode == 0
    assert sorted(log.name for log in place.glob("logs/log-*[0-9]")) == [
        f"{SERIES}.{number:06}" for number in (4, 5, 6, 7)
    ]
    # Of a series that is gone nothing stays that names it.
    assert sorted(log.name for end in ("index", "state") for log in place.glob(f"logs/*.{end}")) == [
        f"{SERIES}.index",
        f"{SERIES}.state",
    ]
