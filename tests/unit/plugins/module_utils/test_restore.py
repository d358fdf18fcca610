# SPDX-License-Identifier: GPL-3.0-or-later
"""Between which backup and which moment a service kept its logs; and a database on several nodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _as_owner,
    _backup,
    _dumps,
    _history,
    _restore,
    _running,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store

WITH = {"services": [{"name": "mariadb", "backup": {"since": ["moment", "since"]}}]}
WITHOUT = {"services": [{"name": "mariadb", "backup": {"since": []}}]}


def whole(plans: list[dict[str, Any]], *, made: int = 1, first: int = 1, refused: int = 0) -> bool:
    """Whether the logs are whole since deployment `made`, by the deployments that are still known."""
    entries = [
        SimpleNamespace(number=number, result=_history.REFUSED if number == refused else "kept")
        for number in range(first, first + len(plans))
    ]
    history = SimpleNamespace(entries=lambda: entries, plan=lambda number: plans[number - first])
    work = SimpleNamespace(restore=SimpleNamespace(history=history), manifest={"deployment": made})
    return _restore.Work._logs_are_whole(work, "mariadb")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (whole([WITH, WITH, WITH]), True),
        (whole([WITHOUT, WITH]), True),
        (whole([WITH, WITHOUT, WITH]), False),
        (whole([WITH, {}, WITH]), False),
        (whole([WITH, WITHOUT, WITH], refused=2), True),
        (whole([WITH, WITH], first=2), False),
    ],
    ids=["all with", "the backup's own was before", "one without", "one of before them", "refused", "forgotten"],
)
def test_in_each_deployment_since_there_were_logs(found: bool, expected: bool) -> None:
    assert found is expected


# ---- A database on several nodes ----

SAID = {"dump": ["dump"], "load": ["load"], "empty": ["empty"]}
SERVICES = [
    {
        "name": "mariadb",
        "volumes": [{"name": "mariadb"}, {"name": "mariadb_members"}],
        "mounts": {"db_password": "db_password.txt"},
        "backup": SAID,
    },
    {"name": "wordpress", "volumes": [{"name": "wordpress"}], "mounts": {"wp_salt": "wp_salt.txt"}},
]


class Members:
    """A stack whose database is on several nodes, and writes down what it is asked for."""

    def __init__(self) -> None:
        self.content, self.asked, self.refuses = "what was there", list[str](), set[str]()

    def refusal(self) -> str:
        return ""

    def has_members(self, service: str) -> bool:
        return service == "mariadb"

    def container(self, service: str) -> str:
        return "mmm"

    def down(self) -> str:
        self.asked.append("down")
        return ""

    def up(self, *services: str) -> str:
        self.asked.append(f"up {' '.join(services)}".strip())
        return ""

    def take(self, service: str, container: str, command: list[str], folder: Path) -> _dumps.Dump:
        self.asked.append("dump")
        folder.mkdir(parents=True)
        (folder / "all.sql").write_text(self.content)
        return _dumps.Dump(service, files=["all.sql"])

    def load(self, service: str, container: str, command: list[str], chunks: Iterator[bytes]) -> None:
        self.asked.append(command[0])
        if command == ["empty"]:
            self.content = ""
            return
        given = b"".join(chunks).decode().removeprefix(_dumps.LENIENT.decode())
        if given in self.refuses:
            self.content = "half of it"
            raise BackupProblem("mariadb did not take the data: no")
        assert self.content == "", "it was not emptied before"
        self.content = given


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    found = Members()
    monkeypatch.setattr(_running, "of", lambda told: found)
    monkeypatch.setattr(_dumps, "take", found.take)
    monkeypatch.setattr(_dumps, "load", found.load)
    monkeypatch.setattr(_backup, "ask_for_room", lambda stage, source: None)
    for name in ("exchange", "give_back", "remove"):
        monkeypatch.setattr(_as_owner, name, lambda *of: None)
    return found


Make = Callable[..., _restore.Work]


@pytest.fixture
def work(tmp_path: Path, members: Members) -> Make:
    def made(only: str = "all", moment: str = "") -> _restore.Work:
        store = Store(tmp_path)
        store.make()
        restore = _restore.Restore(store, SimpleNamespace(), SimpleNamespace(), "wil", lambda line: None)
        settings = {"LOGIN_UID": str(os.getuid()), "LOGIN_GID": str(os.getgid()), "DATA_DIR": str(tmp_path / "data")}
        cluster = {"stack": {}, "shared": ["wordpress", "mariadb_members"], "shared_dir": str(tmp_path / "shared")}
        root = str(tmp_path / "project")
        stack = _backup.Stack(1, root, "inception", SERVICES, {}, {**settings, "DOMAIN": "wil.42.fr"}, cluster)
        manifest = {
            "domain": "wil.42.fr",
            "folders": {"wordpress": "/w"},
            "dumps": {"mariadb": {"service": "mariadb", "files": ["begin.sql"]}},
        }
        file = store.stage / "restore/mariadb/begin.sql"
        file.parent.mkdir(parents=True)
        file.write_text("what was kept")
        snapshot = SimpleNamespace(id="1234", short="1234")
        return _restore.Work(restore, stack, SimpleNamespace(size=lambda one: 0), snapshot, manifest, only, "", moment)

    return made


def test_members_are_emptied_while_they_run(members: Members, work: Make) -> None:
    """No folder of theirs is exchanged: the dump goes to all of them by the one that is here."""
    one = work()
    assert [Path(place).name for dummy, place, dummy in one.pairs()] == ["wordpress"]
    one.take()
    assert members.content == "what was kept"
    assert members.asked == ["down", "dump", "up mariadb", "empty", "load", "up"]
    assert not one.restore.store.journal.exists()


def test_what_members_had_comes_back_where_they_do_not_take_it(members: Members, work: Make) -> None:
    members.refuses = {"what was kept"}
    with pytest.raises(BackupProblem, match="what was there before runs again: mariadb did not take the data"):
        work().take()
    assert members.content == "what was there"
    assert members.asked[-5:] == ["down", "up mariadb", "empty", "load", "up"]


def test_one_that_was_cut_off_is_taken_back_by_the_journal_alone(members: Members, work: Make) -> None:
    one = work()

    def cut() -> None:
        members.content = "half of it"
        raise KeyboardInterrupt

    one._load = cut
    with pytest.raises(KeyboardInterrupt):
        one.take()
    assert _restore.take_back(one.restore.store) is True
    assert members.content == "what was there"
    assert not one.restore.store.stage.exists()


def test_cut_off_before_anything_was_emptied_nothing_is_loaded(members: Members, work: Make) -> None:
    one = work()

    def cut() -> None:
        raise KeyboardInterrupt

    one._put_aside = cut
    with pytest.raises(KeyboardInterrupt):
        one.take()
    assert _restore.take_back(one.restore.store) is True
    assert (members.content, members.asked) == ("what was there", ["down", "down", "up"])


def test_what_cannot_be_taken_back_stays_aside_and_is_told(members: Members, work: Make) -> None:
    """The next look tries again."""
    one = work()
    members.refuses = {"what was kept", "what was there"}
    with pytest.raises(
        BackupProblem, match=r"what mariadb had before the restore is still put aside, in .*/stage: mari"
    ):
        one.take()
    assert one.restore.store.journal.exists()
    members.refuses = set()
    assert _restore.take_back(one.restore.store) is True
    assert members.content == "what was there"


def test_only_files_leave_members_as_they_are(members: Members, work: Make) -> None:
    work("files").take()
    assert (members.content, members.asked) == ("what was there", ["down", "up"])


def test_members_have_no_moment(work: Make) -> None:
    with pytest.raises(BackupProblem, match=r"mariadb is on several nodes .* without a moment"):
        work(moment="2026-11-28 05:00:00").refuse()


def test_members_of_before_are_deployed_first(work: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a former version has written down knows no way to empty them: said before anything is held."""
    monkeypatch.setitem(SERVICES[0], "backup", {"dump": ["dump"], "load": ["load"]})
    with pytest.raises(BackupProblem, match="make cluster, and restore then"):
        work().refuse()


def test_members_keep_the_passwords_that_they_have(tmp_path: Path, work: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their accounts go by them, and one alone cannot change them; all other secrets are those of the backup."""
    for folder, word in (("project/secrets", "here"), ("project/.restore/secrets", "kept")):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("db_password", "wp_salt"):
            (tmp_path / folder / f"{name}.txt").write_text(word)
    fetched = tmp_path / "fetched"
    fetched.hardlink_to(tmp_path / "project/.restore/secrets/db_password.txt")
    work()._keep_what_belongs_here()
    # Its owner may not write into the one that was fetched.
    assert fetched.read_text() == "kept"
    found = {path.stem: path.read_text() for path in (tmp_path / "project/.restore/secrets").iterdir()}
    assert found == {"db_password": "here", "wp_salt": "kept"}
