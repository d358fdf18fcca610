# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the module secrets share."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path
from typing import Any

OWNER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
NUMBERS = f"{os.geteuid()}:{os.getegid()}"

ONE, TWO, THREE = (f"{word}-good-value-of-my-own" for word in ("one", "two", "three"))


def options(folder: Path, *secrets: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    """The module's options; a secret of which only the name is given is a password."""
    listed = [{"name": secret} if isinstance(secret, str) else secret for secret in secrets]
    return {"path": str(folder), "owner": OWNER, "group": GROUP, "secrets": listed, **more}


def put(path: Path, value: bytes | str, permissions: int = 0o400) -> None:
    path.write_bytes(value.encode() if isinstance(value, str) else value)
    path.chmod(permissions)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def content(folder: Path) -> dict[str, str]:
    """All files of the folder."""
    return {path.name: path.read_text("latin-1") for path in sorted(folder.iterdir())}


def by_name(result: dict[str, Any], key: str) -> dict[str, Any]:
    """One of the returned things for each secret."""
    return {secret["name"]: secret.get(key) for secret in result["secrets"]}


def warned(result: dict[str, Any]) -> list[str]:
    """The task's warnings; newer versions of Ansible wrap them."""
    return [w if isinstance(w, str) else w["event"]["msg"] for w in result.get("warnings", [])]


def steps(run: Any, module: Any, folder: Path, given: dict[str, Any], changes: bool = True) -> dict[str, Any]:
    """Check, real, check again, real again. Check mode tells what the real run does, and changes nothing itself."""
    before = content(folder)
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    would = run(module, given, check=True, diff=True)
    assert content(folder) == before
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == inodes
    does = run(module, given, diff=True)
    assert (would["changed"], does["changed"]) == (changes, changes)
    assert (content(folder) != before) <= changes
    assert would.get("undeclared") == does.get("undeclared")
    for key in ("name", "path", "created", "phase", "staged_path", "warnings"):
        assert by_name(would, key) == by_name(does, key), key
    for name, serial in by_name(would, "serial").items():
        assert serial in (None, by_name(does, "serial")[name])
    for key in ("before", "before_header", "after_header"):
        assert would["diff"][key] == does["diff"][key]
    written = [
        line for line in would["diff"]["after"].splitlines() if not line.endswith("not known before it is written")
    ]
    assert set(written) <= set(does["diff"]["after"].splitlines())
    after = content(folder)
    for check in (True, False):
        again = run(module, given, check=check, diff=True)
        assert not again["changed"]
        assert again["diff"]["before"] == again["diff"]["after"]
        assert content(folder) == after
        assert by_name(again, "serial") == by_name(does, "serial")
        assert by_name(again, "phase") == by_name(does, "phase")
    assert not [name for name in after if name.startswith(".")]
    assert {mode(path) for path in folder.iterdir()} <= {0o400}
    return dict(does)
