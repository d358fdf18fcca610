# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets against a real file system."""

from __future__ import annotations

import fcntl
import grp
import json
import multiprocessing
import os
import pwd
import stat
import string
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _files
from ansible_collections.fortytwo.inception.plugins.modules import secrets

OWNER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "secrets"
    path.mkdir(mode=0o700)
    return path


def options(folder: Path, *secrets_: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"path": str(folder), "owner": OWNER, "group": GROUP, "secrets": list(secrets_), **more}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def created(result: dict[str, Any]) -> dict[str, bool]:
    return {secret["name"]: secret["created"] for secret in result["secrets"]}


def put(path: Path, value: bytes, permissions: int = 0o400) -> None:
    path.write_bytes(value)
    path.chmod(permissions)


def test_six_steps(run_module: Any, folder: Path) -> None:
    first, second = {"name": "db_password"}, {"name": "wp_salt", "length": 64}
    file, other = folder / "db_password.txt", folder / "wp_salt.txt"

    result = run_module(secrets, options(folder, first), check=True)
    assert result["changed"]
    assert created(result) == {"db_password": True}
    assert list(folder.iterdir()) == []

    result = run_module(secrets, options(folder, first))
    assert result["changed"]
    (returned,) = result["secrets"]
    assert returned.pop("serial")
    assert returned == {
        "name": "db_password", "path": str(file), "created": True, "phase": "settled", "warnings": []
    }  # fmt: skip
    value = file.read_bytes()
    assert mode(file) == 0o400
    assert list(folder.iterdir()) == [file]

    for check in (True, False):
        result = run_module(secrets, options(folder, first), check=check)
        assert not result["changed"]
        assert created(result) == {"db_password": False}

    result = run_module(secrets, options(folder, first, second), check=True)
    assert result["changed"]
    assert created(result) == {"db_password": False, "wp_salt": True}
    assert not other.exists()

    result = run_module(secrets, options(folder, first, second))
    assert result["changed"]
    assert created(result) == {"db_password": False, "wp_salt": True}
    assert len(other.read_bytes()) == 64
    assert file.read_bytes() == value


@pytest.mark.parametrize(
    ("declared", "length", "alphabet"),
    [
        ({}, 32, string.ascii_letters + string.digits),
        ({"length": 16}, 16, string.ascii_letters + string.digits),
        ({"length": 4096, "alphabet": "0123456789abcdef"}, 4096, "0123456789abcdef"),
    ],
)
def test_a_new_value(run_module: Any, folder: Path, declared: dict[str, Any], length: int, alphabet: str) -> None:
    run_module(secrets, options(folder, {"name": "one", **declared}, {"name": "two", **declared}))
    one, two = ((folder / f"{name}.txt").read_text("ascii") for name in ("one", "two"))
    assert len(one) == len(two) == length
    assert set(one) <= set(alphabet)
    assert one != two


def test_every_character_of_the_alphabet_is_used(run_module: Any, folder: Path) -> None:
    run_module(secrets, options(folder, {"name": "long", "length": 4096}))
    assert set((folder / "long.txt").read_text("ascii")) == set(string.ascii_letters + string.digits)


@pytest.mark.parametrize("value", [b"short", b"with 'quotes' & $signs/", b"two\nlines"])
def test_an_existing_value_is_kept(run_module: Any, folder: Path, value: bytes) -> None:
    put(folder / "mine.txt", value)
    result = run_module(secrets, options(folder, {"name": "mine"}))
    assert not result["changed"]
    assert (folder / "mine.txt").read_bytes() == value


def test_the_mode_is_repaired(run_module: Any, folder: Path) -> None:
    file = folder / "mine.txt"
    put(file, b"a value of my own", 0o644)
    for check, expected, after in (
        (True, True, 0o644),
        (False, True, 0o400),
        (True, False, 0o400),
        (False, False, 0o400),
    ):
        result = run_module(secrets, options(folder, {"name": "mine"}), check=check)
        assert result["changed"] is expected
        assert mode(file) == after
        assert created(result) == {"mine": False}
    assert file.read_bytes() == b"a value of my own"


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
        ([{"name": "short", "length": 15}], "the length 15 is not from 16"),
        ([{"name": "long", "length": 4097}], "the length 4097 is not from 16"),
        ([{"name": "../up"}], "a name is lowercase letters"),
        ([{"name": "Upper"}], "a name is lowercase letters"),
        ([{"name": "new\n"}], "a name is lowercase letters"),
        ([{"name": ""}], "a name is lowercase letters"),
        ([{"name": "poor", "alphabet": "0123456789"}], "fewer than 16 characters"),
        ([{"name": "skewed", "alphabet": "0123456789abcdeff"}], "a character twice"),
        ([{"name": "blank", "alphabet": "0123456789abcdef "}], "not printable ASCII"),
        ([{"name": "accent", "alphabet": "0123456789abcdefé"}], "not printable ASCII"),
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


def test_a_missing_folder(run_module: Any, module_failed: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(missing, {"name": "one"}))
    assert "does not exist" in failure.value.msg
    result = run_module(secrets, options(missing, {"name": "one"}, owner="nobody-yet"), check=True)
    assert result["changed"]
    assert created(result) == {"one": True}
    assert not missing.exists()


def test_an_unknown_owner(run_module: Any, module_failed: Any, folder: Path) -> None:
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}, owner="nobody-yet"))
    assert failure.value.msg == "owner: there is no user 'nobody-yet' on this machine"
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}, group="nobody-yet"))
    assert failure.value.msg == "group: there is no group 'nobody-yet' on this machine"


@pytest.mark.parametrize("permissions", [0o770, 0o702, 0o1777])
def test_a_folder_writable_by_others(run_module: Any, module_failed: Any, folder: Path, permissions: int) -> None:
    folder.chmod(permissions)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}))
    assert f"mode {permissions:04o}" in failure.value.msg
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_somebody_else(run_module: Any, module_failed: Any, folder: Path) -> None:
    os.chown(folder, 1234, 0)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}))
    assert "belongs to the user with the number 1234" in failure.value.msg
    assert run_module(secrets, options(folder, {"name": "one"}, owner="1234"))["changed"]


def test_links_in_the_way(run_module: Any, module_failed: Any, folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_text("untouched")
    (folder / "one.txt").symlink_to(elsewhere)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}))
    assert "one.txt is a symbolic link" in failure.value.msg
    assert elsewhere.read_text() == "untouched"

    link = folder.parent / "link"
    link.symlink_to(folder)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(link, {"name": "two"}))
    assert "link is a symbolic link" in failure.value.msg


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo], ids=["folder", "fifo"])
def test_something_else_in_the_way(run_module: Any, module_failed: Any, folder: Path, make: Any) -> None:
    make(folder / "one.txt")
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, {"name": "one"}))
    assert "where a file must be" in failure.value.msg


def test_no_value_is_returned(run_module: Any, folder: Path) -> None:
    put(folder / "mine.txt", b"a-value-of-my-own", 0o640)
    result = run_module(secrets, options(folder, {"name": "mine"}, {"name": "new"}), diff=True)
    printed = json.dumps(result)
    assert "a-value-of-my-own" not in printed
    assert (folder / "new.txt").read_text() not in printed
    owner = f"{os.geteuid()}:{os.getegid()}"
    serials = {secret["name"]: secret["serial"] for secret in result["secrets"]}
    line = "{0}.txt: present, mode {1:04o}, owner {2}, serial {3}\n"
    assert result["diff"]["before"] == line.format("mine", 0o640, owner, serials["mine"]) + "new.txt: absent\n"
    assert result["diff"]["after"] == "".join(line.format(n, 0o400, owner, serials[n]) for n in ("mine", "new"))


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
