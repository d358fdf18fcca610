# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets against a real file system: values that are made, kept, repaired and replaced at once."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _files
from ansible_collections.fortytwo.inception.plugins.modules import secrets

from tests.unit.plugins.modules.secrets.support import (
    NUMBERS,
    ONE,
    TWO,
    by_name,
    content,
    mode,
    options,
    put,
    steps,
    warned,
)


def created(result: dict[str, Any]) -> dict[str, bool]:
    return by_name(result, "created")


def test_six_steps(run_module: Any, folder: Path) -> None:
    file, other = folder / "db_password.txt", folder / "wp_salt.txt"

    result = steps(run_module, secrets, folder, options(folder, "db_password"))
    (returned,) = result["secrets"]
    assert returned.pop("serial")
    assert returned == {
        "name": "db_password", "path": str(file), "created": True, "phase": "finalized", "warnings": []
    }  # fmt: skip
    value = file.read_bytes()
    assert list(folder.iterdir()) == [file]

    changed = options(folder, "db_password", {"name": "wp_salt", "length": 64})
    result = steps(run_module, secrets, folder, changed)
    assert created(result) == {"db_password": False, "wp_salt": True}
    assert len(other.read_bytes()) == 64
    assert file.read_bytes() == value


def test_a_given_value_in_six_steps(run_module: Any, folder: Path) -> None:
    steps(run_module, secrets, folder, options(folder, {"name": "one", "value": ONE}, "other"))
    assert (folder / "one.txt").read_text() == ONE
    kept = (folder / "other.txt").read_text()

    result = steps(run_module, secrets, folder, options(folder, {"name": "one", "value": TWO}, "other"))
    assert created(result) == {"one": False, "other": False}
    assert content(folder) == {"one.txt": TWO, "other.txt": kept}
    assert not run_module(secrets, options(folder, "one", "other"))["changed"]


def test_replaced_staged_in_six_steps(run_module: Any, folder: Path) -> None:
    put(folder / "one.txt", ONE)
    assert not run_module(secrets, options(folder, {"name": "one", "value": ONE}, replace="staged"))["changed"]

    for value in (TWO, ONE[::-1]):
        given = options(folder, {"name": "one", "value": value}, replace="staged")
        result = steps(run_module, secrets, folder, given)
        assert by_name(result, "phase") == {"one": "staged"}
        assert by_name(result, "staged_path") == {"one": str(folder / "one.txt.next")}
        assert content(folder) == {"one.txt": ONE, "one.txt.next": value}


def test_a_staged_given_value_that_is_missing_is_made_at_once(run_module: Any, folder: Path) -> None:
    steps(run_module, secrets, folder, options(folder, {"name": "one", "value": ONE}, replace="staged"))
    assert content(folder) == {"one.txt": ONE}


@pytest.mark.parametrize("phase", ["staged", "promoted"])
def test_nothing_is_replaced_at_once_during_a_rotation(
    run_module: Any, module_failed: Any, folder: Path, phase: str
) -> None:
    put(folder / "one.txt", ONE)
    put(folder / ("one.txt.next" if phase == "staged" else "one.txt.previous"), ONE[::-1])
    before = content(folder)
    with pytest.raises(module_failed, match=rf"'one' has another value .* being rotated \({phase}\)"):
        run_module(secrets, options(folder, "other", {"name": "one", "value": TWO}))
    assert content(folder) == before


def test_a_promoted_secret_takes_a_given_value_later(run_module: Any, folder: Path) -> None:
    put(folder / "one.txt", ONE)
    put(folder / "one.txt.previous", ONE[::-1])
    result = run_module(secrets, options(folder, {"name": "one", "value": TWO}, replace="staged"))
    assert not result["changed"]
    assert by_name(result, "warnings")["one"] == warned(result)
    assert "the given value is staged by the first run after that is finalized" in warned(result)[0]
    (folder / "one.txt.previous").unlink()
    steps(run_module, secrets, folder, options(folder, {"name": "one", "value": TWO}, replace="staged"))
    assert content(folder) == {"one.txt": ONE, "one.txt.next": TWO}


def test_remove_undeclared_in_six_steps(run_module: Any, folder: Path) -> None:
    for name in ("one.txt", "old.txt", "old.txt.next", "old.txt.previous", "Strange name.txt", "new\nline.txt"):
        put(folder / name, ONE)
    for name in ("ca.key", "tls.crt", "one.env", "one.txt.copy", ".hidden.txt", "txt"):
        put(folder / name, "not a secret of the module")
    (folder / "folder.txt").mkdir()
    (folder / "link.txt").symlink_to("ca.key")
    undeclared = [
        str(folder / name)
        for name in ("Strange name.txt", "link.txt", "new\nline.txt", "old.txt", "old.txt.next", "old.txt.previous")
    ]
    before = sorted(path.name for path in folder.iterdir())
    for check in (True, False):
        result = run_module(secrets, options(folder, "one"), check=check)
        assert (result["changed"], result["undeclared"]) == (False, undeclared)
    for check in (True, False):
        assert sorted(path.name for path in folder.iterdir()) == before
        result = run_module(secrets, options(folder, "one", remove_undeclared=True), check=check)
        assert (result["changed"], result["undeclared"]) == (True, undeclared)
    assert sorted({*before} - {path.name for path in folder.iterdir()}) == sorted(map(os.path.basename, undeclared))
    assert (folder / "ca.key").read_text() == "not a secret of the module"
    for check in (True, False):
        result = run_module(secrets, options(folder, "one", remove_undeclared=True), check=check)
        assert (result["changed"], result["undeclared"]) == (False, [])


def test_a_revision_that_is_not_wanted_any_more_is_undeclared(run_module: Any, folder: Path) -> None:
    run_module(secrets, options(folder, "one", revisions={"old": ["one"], "new": ["one"]}))
    revisions = {"new": ["one"]}
    for check in (True, False):
        result = run_module(secrets, options(folder, "one", revisions=revisions), check=check)
        assert (result["changed"], result["undeclared"]) == (False, [str(folder / "old.env")])
    # Whoever has no revisions may have other files of that name.
    assert run_module(secrets, options(folder, "one", remove_undeclared=True))["undeclared"] == []
    for check in (True, False):
        result = run_module(secrets, options(folder, "one", revisions=revisions, remove_undeclared=True), check=check)
        assert (result["changed"], result["undeclared"]) == (True, [str(folder / "old.env")])
    assert sorted(path.name for path in folder.iterdir()) == ["new.env", "one.txt"]


def test_revisions_in_six_steps(run_module: Any, folder: Path) -> None:
    revisions = {"wordpress": ["wp_salt", "db_password"], "mariadb": ["db_password"], "nginx": []}
    result = steps(run_module, secrets, folder, options(folder, "db_password", "wp_salt", revisions=revisions))
    serials = by_name(result, "serial")
    db, salt = f"db_password:{serials['db_password']}", f"wp_salt:{serials['wp_salt']}"
    assert (folder / "wordpress.env").read_text() == f"SECRETS={db},{salt}\n"
    assert (folder / "mariadb.env").read_text() == f"SECRETS={db}\n"
    assert (folder / "nginx.env").read_text() == "SECRETS=\n"

    before = {name: (folder / f"{name}.env").stat() for name in revisions}
    given = options(folder, "db_password", {"name": "wp_salt", "value": TWO}, revisions=revisions)
    result = steps(run_module, secrets, folder, given)
    assert by_name(result, "serial")["db_password"] == serials["db_password"]
    assert by_name(result, "serial")["wp_salt"] != serials["wp_salt"]
    new = f"wp_salt:{by_name(result, 'serial')['wp_salt']}"
    assert (folder / "wordpress.env").read_text() == f"SECRETS={db},{new}\n"
    # The others were not even written again.
    changed = {name for name in revisions if (folder / f"{name}.env").stat().st_ino != before[name].st_ino}
    assert changed == {"wordpress"}

    (folder / "nginx.env").chmod(0o644)
    steps(run_module, secrets, folder, given)


def test_a_revision_follows_a_value_that_was_changed_by_hand(run_module: Any, folder: Path) -> None:
    given = options(folder, "one", revisions={"service": ["one"]})
    first = by_name(run_module(secrets, given), "serial")
    before = (folder / "service.env").read_text()
    put(folder / "one.txt", TWO)
    second = by_name(steps(run_module, secrets, folder, given), "serial")
    assert first != second
    assert (folder / "service.env").read_text() != before


def test_a_repair_leaves_the_serial(run_module: Any, folder: Path) -> None:
    given = options(folder, "one")
    serial = by_name(run_module(secrets, given), "serial")
    (folder / "one.txt").chmod(0o640)
    result = run_module(secrets, given)
    assert (result["changed"], by_name(result, "serial")) == (True, serial)


def test_a_serial_is_no_digest(run_module: Any, folder: Path) -> None:
    """Equal values have different serials, and the same value another one when it is written again."""
    result = run_module(secrets, options(folder, {"name": "one", "value": ONE}, {"name": "two", "value": ONE}))
    serials = by_name(result, "serial")
    assert serials["one"] != serials["two"]
    run_module(secrets, options(folder, {"name": "one", "value": TWO}))
    again = run_module(secrets, options(folder, {"name": "one", "value": ONE}))
    assert by_name(again, "serial")["one"] != serials["one"]


def test_the_mode_is_repaired(run_module: Any, folder: Path) -> None:
    put(folder / "mine.txt", "a value of my own", 0o640)
    result = steps(run_module, secrets, folder, options(folder, "mine"))
    assert created(result) == {"mine": False}
    assert content(folder) == {"mine.txt": "a value of my own"}


@pytest.mark.parametrize("state", ["present", "staged", "promoted", "finalized", "aborted"])
def test_every_state_repairs(run_module: Any, folder: Path, state: str) -> None:
    for name in ("one.txt", "two.txt", "two.txt.previous"):
        put(folder / name, ONE + name, 0o640)
    run_module(secrets, options(folder, "one", "two", state=state))
    assert {mode(path) for path in folder.iterdir()} == {0o400}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_stays_when_none_is_asked_for(run_module: Any, folder: Path) -> None:
    put(folder / "one.txt", ONE)
    os.chown(folder / "one.txt", 1234, 4321)
    given = {"path": str(folder), "secrets": [{"name": "one", "value": TWO}]}
    would = run_module(secrets, given, check=True, diff=True)
    run_module(secrets, given)
    run_module(secrets, {"path": str(folder), "secrets": [{"name": "one"}], "state": "staged"})
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.iterdir()} == {(1234, 4321)}
    assert "owner 1234:4321" in would["diff"]["after"]
    assert (folder / "one.txt").read_text() == TWO


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_repaired(run_module: Any, folder: Path) -> None:
    run_module(secrets, options(folder, {"name": "mine"}, owner="1234", group="4321"))
    file = folder / "mine.txt"
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)
    os.chown(file, 0, 0)
    assert run_module(secrets, options(folder, {"name": "mine"}, owner="1234", group="4321"), check=True)["changed"]
    assert file.stat().st_uid == 0
    assert run_module(secrets, options(folder, {"name": "mine"}, owner="1234", group="4321"))["changed"]
    assert (file.stat().st_uid, file.stat().st_gid, mode(file)) == (1234, 4321, 0o400)
    assert not run_module(secrets, options(folder, {"name": "mine"}, owner="1234", group="4321"))["changed"]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ([{"name": "twice"}, {"name": "twice"}], "'twice' is declared 2 times"),
        ([{"name": "../up"}], "a name is lowercase letters"),
        ([{"name": "Upper"}], "a name is lowercase letters"),
        ([{"name": "new\n"}], "a name is lowercase letters"),
        ([{"name": ""}], "a name is lowercase letters"),
        ([{"name": "a" * 65}], "a name is lowercase letters"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_bad_declarations(
    run_module: Any, module_failed: Any, folder: Path, declared: list[dict[str, Any]], message: str, check: bool
) -> None:
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "good"}, *declared), check=check)
    assert message in failure.value.msg
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [(b"", "is empty"), (b"a value\n", "truncate -s -1"), (b"a value\r\n", "ends with a newline")],
)
def test_bad_values(run_module: Any, module_failed: Any, folder: Path, value: bytes, message: str) -> None:
    put(folder / "bad.txt", value)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "good"}, {"name": "bad"}))
    assert message in failure.value.msg
    assert str(folder / "bad.txt") in failure.value.msg
    assert not (folder / "good.txt").exists()
    assert (folder / "bad.txt").read_bytes() == value


def test_a_missing_folder_in_check_mode(run_module: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    given = options(missing, "one", owner="nobody-yet", group="nobody-yet", revisions={"service": ["one"]})
    result = run_module(secrets, given, check=True, diff=True)
    assert result["changed"]
    assert created(result) == {"one": True}
    assert by_name(result, "serial") == {"one": None}
    assert result["diff"]["before"] == "one.txt: absent\nservice.env: absent\n"
    assert not missing.exists()


def test_an_unknown_owner(run_module: Any, module_failed: Any, folder: Path) -> None:
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}, owner="nobody-yet"))
    assert failure.value.msg == "owner: there is no user 'nobody-yet' on this machine"
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}, group="nobody-yet"))
    assert failure.value.msg == "group: there is no group 'nobody-yet' on this machine"


def test_no_value_is_returned(run_module: Any, folder: Path) -> None:
    put(folder / "mine.txt", b"a-value-of-my-own", 0o640)
    result = run_module(secrets, options(folder, {"name": "mine"}, {"name": "new"}), diff=True)
    printed = json.dumps(result)
    assert "a-value-of-my-own" not in printed
    assert (folder / "new.txt").read_text() not in printed
    serials = {secret["name"]: secret["serial"] for secret in result["secrets"]}
    line = "{0}.txt: present, mode {1:04o}, owner {2}, serial {3}\n"
    assert result["diff"]["before"] == line.format("mine", 0o640, NUMBERS, serials["mine"]) + "new.txt: absent\n"
    assert result["diff"]["after"] == "".join(line.format(n, 0o400, NUMBERS, serials[n]) for n in ("mine", "new"))


def test_a_value_is_written_aside_and_synced(run_module: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others could see while the value is written, and what a power cut could leave."""
    seen: list[tuple[str, list[str], int]] = []

    def spy(name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append((name, sorted(os.listdir(folder)), mode(next(folder.iterdir()))))
            return real(*args, **kwargs)

        return call

    for name in ("fchown", "fsync", "replace"):
        monkeypatch.setattr(_files.os, name, spy(name, getattr(os, name)))
    run_module(secrets, options(folder, {"name": "one"}))
    assert seen == [
        ("fchown", [".one.txt.inception-tmp"], 0o600),
        ("fsync", [".one.txt.inception-tmp"], 0o400),
        ("replace", [".one.txt.inception-tmp"], 0o400),
        ("fsync", ["one.txt"], 0o400),
    ]


def test_what_an_interrupted_run_left_is_mended(run_module: Any, folder: Path) -> None:
    put(folder / ".one.txt.inception-tmp", b"half a va")
    assert run_module(secrets, options(folder, {"name": "one"}))["changed"]
    assert [path.name for path in folder.iterdir()] == ["one.txt"]
    assert len((folder / "one.txt").read_bytes()) == 32


def test_a_failed_write_leaves_nothing(
    run_module: Any, module_failed: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}))
    assert "No space left on device" in failure.value.msg
    assert list(folder.iterdir()) == []


def test_another_run_is_waited_for(run_module: Any, module_failed: Any, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(_files.locked.__wrapped__, "__defaults__", (0.2,))
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(module_failed, match="another run has been at work"):
        run_module(secrets, options(folder, {"name": "one"}))
    assert list(folder.iterdir()) == []
    os.close(descriptor)
    assert run_module(secrets, options(folder, {"name": "one"}))["changed"]


def _contend(run_module: Any, start: Any, folder: Path, results: Any) -> None:
    start.wait(20)
    run_module(secrets, options(folder, {"name": "one"}))
    results.put((folder / "one.txt").read_text())


def test_runs_at_the_same_time_agree(run_module: Any, folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    results, start = context.Queue(), context.Barrier(8)
    runs = [context.Process(target=_contend, args=(run_module, start, folder, results)) for _ in range(8)]
    for run in runs:
        run.start()
    values = {results.get(timeout=20) for _ in runs}
    for run in runs:
        run.join(20)
    assert len(values) == 1
    assert [path.name for path in folder.iterdir()] == ["one.txt"]
