# SPDX-License-Identifier: GPL-3.0-or-later
"""What before.py leaves for after.py, in a file on the control node."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from tests.verify.support import Stack, Written


@dataclasses.dataclass(frozen=True)
class Notes:
    written: Written
    boot: str
    containers: dict[str, str]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Notes:
        assert path.exists(), f"{path} is not there: run before.py, then reboot the machine"
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(Written(**found["written"]), found["boot"], found["containers"])


def notes_path(stack: Stack) -> Path:
    """A file for each machine: molecule's own folder, unless INCEPTION_VERIFY_STATE names another."""
    folder = os.environ.get("INCEPTION_VERIFY_STATE") or os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]
    return Path(folder) / f"reboot-{stack.settings.login}.json"


def boot(stack: Stack) -> str:
    """Another one after each boot, of a virtual machine and of a system container."""
    return stack.root("cat /proc/sys/kernel/random/boot_id; cut -d ' ' -f 22 /proc/1/stat")
