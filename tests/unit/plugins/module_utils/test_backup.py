# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: what is split, found, told and unpacked, without restic."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _as_owner,
    _backup,
    _backup_state,
    _dumps,
    _history,
    _restic,
    _restore,
    _trial_restore,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, State, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restic import Snapshot
from ansible_collections.fortytwo.inception.plugins.modules.backup import address

SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"
DUMP = (
    SANDBOX + b"-- MariaDB dump 10.19-11.8.3-MariaDB\n-- Server version\t11.8.3-MariaDB-0+deb13u1\n"
    b"/*!40101 SET NAMES utf8mb4 */;\n"
    b"--\n-- Table structure for table `wp_posts`\n--\nCREATE TABLE `wp_posts` (\n) ENGINE=InnoDB;\n"
    b"INSERT INTO `wp_posts` VALUES ('a\\n-- Table structure for table `no`');\n"
    b"--\n-- Table structure for table `a/b`\n--\nCREATE TABLE `a/b` (\n) ENGINE=MyISAM;\n"
    b"--\n-- Dumping events for database 'wordpress'\n--\n-- Dump completed\n"
)


def split(folder: Path, text: bytes) -> _dumps.Dump:
    dump = _dumps.Dump("mariadb")
    _dumps.split(io.BytesIO(text), folder, dump)
    return dump


def test_a_dump_is_a_file_for_each_table(tmp_path: Path) -> None:
    dump = split(tmp_path, DUMP)
    assert dump.files == ["begin.sql", "table.wp_posts.sql", "table.a%2Fb.sql", "rest.3.sql"]
    assert b"".join((tmp_path / name).read_bytes() for name in dump.files) == DUMP.removeprefix(SANDBOX)
    assert dump.server == "11.8.3-MariaDB-0+deb13u1"
    assert dump.unprotected == ["a/b"]
    assert _dumps.chosen(dump.told(), "wp_posts") == ["begin.sql", "table.wp_posts.sql"]
    with pytest.raises(BackupProblem, match="no table wp_x; those of mariadb: a/b, wp_posts"):
        _dumps.chosen(dump.told(), "wp_x")


def test_views_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """By the command, before the dump; not by what somebody has written."""
    said = b"-- Left out: wp_seen\n-- | wp_seen\tCREATE VIEW `wp_seen` AS SELECT 1\n"
    dump = split(tmp_path, said + DUMP.replace(b"INSERT", b"-- Left out: wp_posts\nINSERT"))
    assert dump.left_out == ["wp_seen"]
    assert (tmp_path / "begin.sql").read_bytes().startswith(said)
    assert split(tmp_path, DUMP).left_out == []


def test_a_table_with_a_long_name_has_a_file_too(tmp_path: Path) -> None:
    """Of 64 signs, each of which is nine in the name of a file."""
    name = "表" * 64
    dump = split(tmp_path, DUMP.replace(b"a/b", name.encode()))
    (file,) = [one for one in dump.files if one == dump.tables[name]]
    assert len(file) < 255
    assert b"".join((tmp_path / one).read_bytes() for one in dump.files).count(name.encode()) == 2
    assert _dumps.chosen(dump.told(), name) == ["begin.sql", file]


def test_what_members_are_given_is_all_innodb_s(tmp_path: Path) -> None:
    """Of rows in another engine each has its own; and a form that only that engine knows is no reason to refuse it."""
    row = b"INSERT INTO `wp_posts` VALUES (') ENGINE=MyISAM\\n) ENGINE=Aria');\n"
    dump = split(tmp_path, DUMP.replace(b"INSERT INTO", row + b"INSERT INTO", 1))
    given = b"".join(_dumps.in_innodb(tmp_path / name for name in dump.files))
    assert given.startswith(b"SET SESSION innodb_strict_mode = OFF;\n-- MariaDB dump")
    assert row in given
    whole = b"".join((tmp_path / name).read_bytes() for name in dump.files)
    assert given == _dumps.LENIENT + whole.replace(b"\n) ENGINE=MyISAM;", b"\n) ENGINE=InnoDB;")


def test_where_the_logs_go_on_from_a_dump(tmp_path: Path) -> None:
    assert split(tmp_path, DUMP).logged == []
    place = b"-- CHANGE MASTER TO MASTER_LOG_FILE='log-20261129120000.000003', MASTER_LOG_POS=342;\n"
    first, rest = DUMP.split(b"/*!40101", 1)
    assert split(tmp_path, first + place + b"/*!40101" + rest).logged == ["log-20261129120000.000003", "342"]
    # Not what somebody has written.
    assert split(tmp_path, DUMP.replace(b"INSERT", place + b"INSERT")).logged == []


@pytest.mark.parametrize(
    ("wanted", "moment"),
    [
        ("2026-11-28 05:00", "2026-11-28 05:00:00"),
        ("2026-11-28 05:00:07 UTC", "2026-11-28 05:00:07"),
        ("2026-11-28", "2026-11-28 00:00:00"),
        ("latest", ""),
        ("4f1c2d3e", ""),
    ],
)
def test_a_moment_is_one_second(wanted: str, moment: str) -> None:
    assert _backup.moment_of(wanted) == moment


LOGGING = {
    "name": "mariadb",
    "backup": {"dump": ["say"], "load": ["read"], "since": ["moment", "since"]},
    "volumes": [{"name": "mariadb"}, {"name": "mariadb_logs", "outlasts_restores": True}],
}
SILENT = {**LOGGING, "backup": {"dump": ["say"], "load": ["read"]}}


def work_of(tmp_path: Path, *plans: dict[str, Any] | None) -> _restore.Work:
    """The restore of a backup of deployment 1, on a machine that has had others since."""
    history = _history.History(tmp_path / "a/b/c/history")
    for number, service in enumerate((LOGGING, *plans), 1):
        what = _history.Entry(number, "then", "wil", "a deployment", digest=str(number))
        if service is None:
            what.result = _history.GAVE_WAY
        history.add(what, {} if service else None, {"services": [service]})
    store, manifest = Store(tmp_path), {"deployment": 1, "dumps": {"mariadb": {}}, "folders": {}}
    stack = _backup.Stack(1, "/srv/project", "inception", [LOGGING], {}, {"DATA_DIR": "/srv/data"})
    restore = _restore.Restore(store, history, Lease(tmp_path / "lease"), "wil", lambda line: None)
    snapshot = Snapshot("4f1c2d3e", "2026-11-28 05:00:00 UTC", "wil.42.fr")
    return _restore.Work(restore, stack, _restic.Repository(store, "/mnt/backup"), snapshot, manifest, "all", "")


def test_the_logs_outlast_a_restore(tmp_path: Path) -> None:
    work = work_of(tmp_path)
    assert work.fresh_volumes() == ["mariadb"]
    assert [place for _new, place, _former in work.pairs()] == ["/srv/data/mariadb"]


@pytest.mark.parametrize(
    ("since", "whole"),
    [([], True), ([LOGGING], True), ([LOGGING, SILENT, LOGGING], False), ([None], False), ([LOGGING] * 9, False)],
    ids=["none", "with logs", "without in between", "one that gave way", "more than are remembered"],
)
def test_logs_that_were_off_for_a_while_are_not_whole(
    tmp_path: Path, since: list[dict[str, Any] | None], whole: bool
) -> None:
    assert work_of(tmp_path, *since)._logs_are_whole("mariadb") is whole


@pytest.mark.parametrize("text", [b"", DUMP.removesuffix(b"-- Dump completed\n"), DUMP[: len(DUMP) // 2]])
def test_a_dump_without_an_end_is_none(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(BackupProblem, match="has no end"):
        split(tmp_path, text)


def archive(*members: tuple[str, bytes, str]) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, link, 0o755
            packed.addfile(member)
    made.seek(0)
    return made


def test_what_is_unpacked_stays_below_its_folder(tmp_path: Path) -> None:
    target = tmp_path / "new"
    _as_owner.unpack(
        archive(("/", tarfile.DIRTYPE, ""), ("/a", tarfile.DIRTYPE, ""), ("/a/b", tarfile.REGTYPE, "")),
        str(target),
        0o750,
    )
    assert target.stat().st_mode & 0o777 == 0o750
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["a", "a/b"]
    with pytest.raises(BackupProblem, match="has a file with the name"):
        _as_owner.unpack(archive(("a/../../b", tarfile.REGTYPE, "")), str(tmp_path / "other"), 0o750)
    assert not (tmp_path / "b").exists()


def test_what_was_there_first_comes_back(tmp_path: Path) -> None:
    """Also when a second restore was begun after one that was cut off, and with folders that forbid to be written."""
    place, new, aside = (str(tmp_path / name) for name in ("place", "new", "aside"))
    pairs = [(new, place, aside)]

    def put(text: str, at: str) -> None:
        Path(at, "closed").mkdir(parents=True)
        Path(at, "closed/file").write_text(text)
        Path(at, "closed").chmod(0o555)

    put("first", place)
    for text in ("half", "second"):
        put(text, new)
        _as_owner.exchange(os.geteuid(), os.getegid(), pairs)
        assert Path(place, "closed/file").read_text() == text
    _as_owner.give_back(os.geteuid(), os.getegid(), pairs)
    assert Path(place, "closed/file").read_text() == "first"
    assert not os.path.exists(aside)
    assert not os.path.exists(new)


def test_what_had_its_place_is_kept_where_that_is_wanted(tmp_path: Path) -> None:
    """As the former site of an import is, whose way back fails; and again where that was cut off."""
    place, new, aside = (str(tmp_path / name) for name in ("place", "kept/one", "aside"))
    pairs = [(new, place, aside)]
    for path, text in ((place, "runs"), (new, "former")):
        Path(path).mkdir(parents=True)
        Path(path, "file").write_text(text)
    _as_owner.exchange(os.geteuid(), os.getegid(), pairs)
    assert Path(place, "file").read_text() == "former"
    for dummy in range(2):
        _as_owner.give_back(os.geteuid(), os.getegid(), pairs, keeps=True)
        assert (Path(place, "file").read_text(), Path(new, "file").read_text()) == ("runs", "former")


def test_the_failure_of_the_owner_s_work_is_told() -> None:
    def work() -> None:
        raise OSError("no room")

    with pytest.raises(BackupProblem, match="no room"):
        _as_owner.as_owner(os.geteuid(), os.getegid(), work)


SNAPSHOTS = [
    Snapshot("4f1c2d3e00", "2026-11-27 03:00:00 UTC", "wil.42.fr"),
    Snapshot("5a1c2d3e00", "2026-11-28 03:00:00 UTC", "wil.42.fr"),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", "5a1c2d3e"),
        ("latest", "5a1c2d3e"),
        ("4f1c", "4f1c2d3e"),
        ("2026-11-27", "4f1c2d3e"),
        ("2026-11-28 02:59", "4f1c2d3e"),
        ("2026-11-28 03:00", "5a1c2d3e"),
        ("2026-11-26", "there is no backup of 2026-11-26 or before"),
        ("ffff", "ffff is no backup"),
    ],
)
def test_a_backup_is_found(wanted: str, found: str) -> None:
    if " " not in found:
        assert _backup.find(SNAPSHOTS, wanted).short == found
        return
    with pytest.raises(BackupProblem, match=found):
        _backup.find(SNAPSHOTS, wanted)


def test_times_and_tags() -> None:
    assert _restic.utc("2026-11-28T05:00:01.123456789+02:00") == "2026-11-28 03:00:01 UTC"
    assert _restic.utc("2026-11-28T05:00:01Z") == "2026-11-28 05:00:01 UTC"
    assert _restic.tag("before a restore, of x") == "before_a_restore_of_x"


AGAIN = "Stat(<config/>) returned error, retrying after 1.1s: Stat: "
ASKED = "Is there a repository at the following location?"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        # Each as restic 0.18 says it; what it would try again for a quarter of an hour is over at once.
        (f"echo '{AGAIN}The specified bucket does not exist' >&2; sleep 60", "there are no backups in"),
        (
            f"echo '{AGAIN}The AWS Access Key Id you provided does not exist in our records.' >&2; sleep 60",
            "does not let this machine in, or not to do that; look at inception_backup_credentials",
        ),
        (
            f"echo '{AGAIN}The request signature we calculated does not match the signature you provided.' >&2;"
            f"trap 'echo {ASKED} >&2; exit 1' TERM; sleep 60 & wait",
            "does not let this machine in",
        ),
        (
            f"echo '{AGAIN}tls: failed to verify certificate: x509: certificate signed by unknown authority' >&2;"
            "sleep 60",
            "has a certificate that this machine does not trust; inception_backup_authority",
        ),
        (f"echo '{AGAIN}dial tcp 127.0.0.1:8002: connect: connection refused' >&2; sleep 60", "cannot be reached"),
        (
            "echo 'Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized' >&2;"
            f"echo '{ASKED}' >&2; exit 1",
            "does not let this machine in",
        ),
        ("echo 'subprocess ssh: Host key verification failed.' >&2; exit 1", "inception_backup_known_hosts"),
        ("echo 'ssh: connect to host a port 2223: Connection refused' >&2; exit 1", "cannot be reached"),
        (
            "echo 'Fatal: unable to start the sftp session, error: unexpected EOF' >&2; exit 1",
            "or no server of sftp; look at .*known_hosts",
        ),
        (f"echo 'Fatal: unable to open config file: no such file' >&2; echo '{ASKED}' >&2; exit 1", "are no backups"),
    ],
)
def test_what_a_place_answers_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    repository = _restic.Repository(Store(tmp_path), "s3:https://wil:geheim@host/bucket")
    repository.patience = 0.1
    monkeypatch.setattr(repository, "command", lambda *words: ["sh", "-c", script])
    with pytest.raises(BackupProblem, match=sentence) as problem:
        repository.ask("cat", "config")
    assert "geheim" not in str(problem.value)


def test_a_place_that_is_full_ends_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some servers of S3 say it, again and again."""
    repository = _restic.Repository(Store(tmp_path), "s3:https://host/bucket")
    said = "Save(<lock/3313c6aab2>) returned error, retrying after 1.3s: Data byte limit exceeded for this tenant."
    monkeypatch.setattr(repository, "command", lambda *words: ["sh", "-c", f"echo '{said}'; exec sleep 60"])
    with pytest.raises(BackupProblem, match="the storage of s3:https://host/bucket is full"):
        repository.take([], "wil.42.fr", "asked for", print)


def test_a_place_that_answers_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it said before is no part of the answer; and once it has answered, restic's own patience is ours."""
    repository = _restic.Repository(Store(tmp_path), "rest:http://host/a")
    script = f"echo '{AGAIN}dial tcp: connection refused' >&2; sleep 1; echo '{{}}'"
    monkeypatch.setattr(repository, "command", lambda *words: ["sh", "-c", script])
    assert repository.ask("cat", "config") == "{}\n"
    assert repository.patience is None


@pytest.mark.parametrize(
    ("leads_to", "inside"),
    [
        ("home/wil/data/kept", True),
        ("home/wil/inception", True),
        ("var/lib/fortytwo.inception/kept", True),
        ("home/wil/data2", False),
        ("mnt/disk", False),
    ],
)
def test_a_place_that_leads_into_what_a_removal_takes(tmp_path: Path, leads_to: str, inside: bool) -> None:
    """By whatever link."""
    root = tmp_path.resolve()
    (root / leads_to).mkdir(parents=True)
    (root / "link").symlink_to(root / leads_to)
    stack = _backup.Stack(1, f"{root}/home/wil/inception", "inception", [], {}, {"DATA_DIR": f"{root}/home/wil/data"})
    for place in ("link", "link/wil", leads_to):
        with pytest.raises(BackupProblem, match="which goes when the stack does") if inside else nullcontext():
            _backup.ask_for_a_place_outside(f"{root}/{place}", stack, Store(root))
    _backup.ask_for_a_place_outside("sftp:wil@host:/home/wil/data", stack, Store(root))


def test_a_password_may_have_what_has_a_meaning_in_an_address(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("wil:a@b:/#%?\n")
    assert address("rest:https://host:8000/name", file) == "rest:https://wil:a%40b%3A%2F%23%25%3F@host:8000/name"
    assert address("s3:https://host/bucket", file) == "s3:https://host/bucket"


@pytest.mark.parametrize(
    ("state", "keys"),
    [
        (State(since="2026-11-28 00:00:00 UTC"), []),
        (State(since="2026-11-20 00:00:00 UTC"), ["backup"]),
        (State(since="2026-11-20 00:00:00 UTC", succeeded="2026-11-28 00:00:00 UTC"), []),
        (State(succeeded="2026-11-27 00:00:00 UTC", failed="2026-11-28 00:00:00 UTC", said="full"), ["backup"]),
        (State(succeeded="2026-11-28 00:00:00 UTC", trial_failed="2026-11-28 00:00:00 UTC"), ["backup trial"]),
    ],
)
def test_what_a_person_is_told(tmp_path: Path, state: State, keys: list[str]) -> None:
    store = Store(tmp_path)
    store.save(state)
    wall = _backup_state.seconds_of("2026-11-28 06:00:00 UTC")
    assert list(_backup_state.troubles(store, wall)) == []
    store.settings_file.write_text('{"place": "/mnt/backup"}', encoding="utf-8")
    assert [one.key for one in _backup_state.troubles(store, wall)] == keys


def test_a_stack_beside_has_no_way_out() -> None:
    told: dict[str, Any] = {
        "services": {"nginx": {"image": "nginx:1", "ports": ["443"], "build": {}, "networks": {"in": None}}},
        "volumes": {
            "wordpress": {"name": "inception_wordpress", "driver_opts": {"device": "/home/wil/data/wordpress"}}
        },
        "secrets": {"tls_key": {"file": "/t/secrets/tls.key"}},
        "networks": {"in": {"name": "inception_in", "driver_opts": {"x": "y"}}},
    }
    made = _trial_restore.beside(told, "inception-trial", "/home/wil/data/.trial")
    assert made["services"]["nginx"] == {"image": "nginx:1", "networks": {"in": None}, "restart": "no"}
    assert made["networks"] == {"in": {"internal": True}}
    assert made["volumes"]["wordpress"]["driver_opts"]["device"] == "/home/wil/data/.trial/wordpress"
    assert made["secrets"] == {"tls_key": {"file": "/home/wil/data/.trial/secrets/tls.key"}}


def test_of_several_members_one_stands_beside_alone() -> None:
    """It begins by itself, and who stands before the members finds it by the name of the first."""
    told: dict[str, Any] = {
        "services": {
            "mariadb": {"environment": {"MARIADB_PORT": "3306"}, "networks": {"way": {"aliases": ["asked.mariadb"]}}},
            "dbproxy": {"networks": {"way": None}},
        }
    }
    members = ["mariadb-3", "mariadb-2", "mariadb-1"]
    made = _trial_restore.beside(told, "inception-trial", "/home/wil/data/.trial", members)["services"]
    assert made["mariadb"]["networks"] == {"way": {"aliases": ["asked.mariadb", "mariadb-1"]}}
    environment = made["mariadb"]["environment"]
    assert (environment["MEMBERS"], environment["MEMBER"]) == ("mariadb-1", "mariadb-1")
    assert environment["MARIADB_PORT"] == "3306"
    assert made["dbproxy"] == {"networks": {"way": None}, "restart": "no"}
