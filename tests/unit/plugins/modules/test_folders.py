# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and keys in the home of somebody who is not trusted: no link of his is followed, wherever it stands."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _files
from ansible_collections.fortytwo.inception.plugins.modules import authorized_keys, folders, state_info

OWN = {"owner": str(os.geteuid()), "group": str(os.getegid())}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBUZXN0 wil@home"


def module(check_mode: Any = False, **params: Any) -> Any:
    return SimpleNamespace(params=params, check_mode=check_mode)


def make(*paths: Path, mode: str = "0750", check_mode: bool = False) -> dict[str, Any]:
    listed = [{"path": str(path), "mode": mode} for path in paths]
    return folders.run(module(check_mode, folders=listed, **OWN))


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Others than root can put links here, as the login can in its home."""
    path = tmp_path / "home"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What a link leads to: nothing of it may be read, changed or given away."""
    path = tmp_path / "elsewhere"
    path.mkdir()
    path.chmod(0o711)
    (path / "shadow").write_text("root:hash\n")
    return path


def test_folders_are_made_once(home: Path) -> None:
    """With their mode; the second run finds nothing to do, and check mode foresees it."""
    wanted = (home / "data", home / "data/volume")
    assert make(*wanted, check_mode=True)["changed_folders"] == [str(path) for path in wanted]
    assert not wanted[0].exists()
    assert make(*wanted)["changed_folders"] == [str(path) for path in wanted]
    assert [mode(path) for path in wanted] == [0o750, 0o750]
    assert make(*wanted) == {"changed": False, "changed_folders": []}


def test_a_folder_is_put_right(home: Path) -> None:
    """Its mode, and nothing of what is in it."""
    data = home / "data"
    data.mkdir(mode=0o700)
    (data / "file").touch()
    (data / "file").chmod(0o604)
    assert make(data)["changed"]
    assert (mode(data), mode(data / "file")) == (0o750, 0o604)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_link_in_the_place_of_a_folder_is_refused(home: Path, elsewhere: Path, check_mode: bool) -> None:
    (home / "data").symlink_to(elsewhere)
    with pytest.raises(_files.FileProblem, match=r"data is a symbolic link.*mount --bind"):
        make(home / "data", check_mode=check_mode)
    assert mode(elsewhere) == 0o711


def test_a_link_on_the_way_is_refused(home: Path, elsewhere: Path) -> None:
    (home / "inception").symlink_to(elsewhere)
    with pytest.raises(_files.FileProblem, match="inception is a symbolic link where a folder must be"):
        make(home / "inception/secrets")
    assert not (elsewhere / "secrets").exists()


def test_a_link_of_root_s_is_followed(tmp_path: Path, elsewhere: Path) -> None:
    """As /home is one to a larger disk on some machines."""
    (tmp_path / "homes").symlink_to(elsewhere)
    assert make(tmp_path / "homes/data")["changed"]
    assert mode(elsewhere / "data") == 0o750


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_what_is_no_folder_is_refused(home: Path, kind: str) -> None:
    path = home / "data"
    path.touch() if kind == "file" else os.mkfifo(path)
    with pytest.raises(_files.FileProblem, match="where a folder must be"):
        make(path)


@pytest.mark.parametrize(
    ("path", "mode", "said"),
    [
        ("/", "0755", "plainest form"),
        ("data", "0755", "plainest form"),
        ("/home/../etc", "0755", "plainest form"),
        ("/nowhere/at/all", "0755", "/nowhere/at does not exist; make it first"),
        ("/tmp/x", "755", "four octal digits; for example: '0755'"),
    ],
)
def test_bad_options(path: str, mode: str, said: str) -> None:
    with pytest.raises(_files.FileProblem, match=said):
        folders.run(module(folders=[{"path": path, "mode": mode}], **OWN))


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose home that is."""
    found = SimpleNamespace(pw_name="wil", pw_uid=os.geteuid(), pw_gid=os.getegid(), pw_dir=str(home))
    monkeypatch.setattr(pwd, "getpwnam", {"wil": found}.__getitem__)
    return home


def let_in(*keys: str, check_mode: bool = False, user: str = "wil") -> dict[str, Any]:
    return authorized_keys.run(module(check_mode, user=user, keys=list(keys)))


def test_keys_are_added_once(user: Path) -> None:
    """To those that are there, which stay, with a line's end where there was none."""
    assert let_in(KEY, check_mode=True) == {"changed": True, "added": 1}
    assert not (user / ".ssh").exists()
    assert let_in(KEY) == {"changed": True, "added": 1}
    file = user / ".ssh/authorized_keys"
    assert (mode(user / ".ssh"), mode(file)) == (0o700, 0o600)
    file.write_text(f"# of the owner\n{KEY}\nssh-rsa AAAA other")
    assert let_in(KEY, f"ssh-ed25519 BBBB\n# a comment\n\n{KEY}") == {"changed": True, "added": 1}
    assert file.read_text() == f"# of the owner\n{KEY}\nssh-rsa AAAA other\nssh-ed25519 BBBB\n"
    assert let_in(KEY, "ssh-ed25519 BBBB") == {"changed": False, "added": 0}


@pytest.mark.parametrize("link", [".ssh", ".ssh/authorized_keys"])
def test_a_link_gives_nothing_away(user: Path, elsewhere: Path, link: str) -> None:
    """Neither is another's folder given to the user, nor what he may not read copied to him."""
    if link != ".ssh":
        (user / ".ssh").mkdir()
    (user / link).symlink_to(elsewhere if link == ".ssh" else elsewhere / "shadow")
    with pytest.raises(_files.FileProblem, match="is a symbolic link where a"):
        let_in(KEY)
    assert mode(elsewhere) == 0o711
    assert sorted(path.name for path in elsewhere.iterdir()) == ["shadow"]
    assert (elsewhere / "shadow").read_text() == "root:hash\n"


def test_a_pipe_does_not_hang_and_a_large_file_is_not_read(user: Path) -> None:
    (user / ".ssh").mkdir()
    file = user / ".ssh/authorized_keys"
    os.mkfifo(file)
    with pytest.raises(_files.FileProblem, match="is a special file where a file must be"):
        let_in(KEY)
    file.unlink()
    with file.open("wb") as large:
        large.truncate(1 << 40)
    with pytest.raises(_files.FileProblem, match="larger than"):
        let_in(KEY)


def test_a_user_who_is_not_there_yet(user: Path) -> None:
    assert let_in(KEY, user="nobody-yet", check_mode=True) == {"changed": True, "added": 1}
    with pytest.raises(_files.FileProblem, match="no user 'nobody-yet'"):
        let_in(KEY, user="nobody-yet")


def test_the_look_reads_nothing_through_a_link_of_others(home: Path, elsewhere: Path) -> None:
    """What root reads becomes part of a result, which others see."""
    (home / "ca.crt").symlink_to(elsewhere / "shadow")
    (home / "secrets").symlink_to(elsewhere)
    os.mkfifo(home / "pipe")
    for path in ("ca.crt", "secrets/shadow", "pipe", "nothing"):
        assert state_info.read(str(home / path)) is None, path
    (elsewhere / "release").symlink_to("shadow")
    assert state_info.read(str(elsewhere / "release")) == "root:hash\n"
    (home / "own.crt").write_text("own\n")
    assert state_info.read(str(home / "own.crt")) == "own\n"
