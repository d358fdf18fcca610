# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own program as one file, made of what a module of this collection is made of. Private to it."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _deployment,
    _failures,
    _files,
    _history,
    _images,
    _lease,
    _program,
    _stack_start,
    _takeover,
)

# Seconds between two looks at whether it has answered.
PAUSE = 0.2
PLACE = "usr/local/sbin/inception"
PACKAGE = "ansible_collections.fortytwo.inception.plugins.module_utils"
PARTS = (_deployment, _failures, _files, _history, _images, _lease, _program, _stack_start, _takeover)
MAIN = f"import sys\n\nfrom {PACKAGE}._program import main\n\nsys.exit(main())\n"


def content(python: str) -> bytes:
    """The program; the same each time."""
    files = {"__main__.py": MAIN}
    folder = ""
    for name in PACKAGE.split("."):
        folder += f"{name}/"
        files[f"{folder}__init__.py"] = ""
    for part in PARTS:
        loader = importlib.import_module(part.__name__).__loader__
        source = loader.get_source(part.__name__)  # type: ignore[union-attr]
        files[f"{folder}{part.__name__.rpartition('.')[2]}.py"] = source
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), text)
    # Nothing of the caller's environment or folder comes into it.
    return f"#!{python} -I\n".encode() + packed.getvalue()


RESUME = "inception-resume.service"
UNITS = "etc/systemd/system"
# Docker has started what it knows by then; the rest is what was cut off.
UNIT = f"""\
# Written by fortytwo.inception.
[Unit]
Description=Go on with a deployment that was cut off
ConditionPathExists=/{_program.HISTORY}/{_history.JOURNAL}
After=docker.service
Wants=docker.service

[Service]
Type=oneshot
ExecStart=/{PLACE} resume
Environment=HOME=/root

[Install]
WantedBy=multi-user.target
"""


def install_resume(root: Path) -> bool:
    """Has the machine go on by itself after a start. Whether that was another unit, or none; where systemd starts."""
    if not Path("/run/systemd/system").is_dir():
        return False
    unit, wanted = root / UNITS / RESUME, root / UNITS / "multi-user.target.wants" / RESUME
    with contextlib.suppress(OSError):
        if unit.read_text(encoding="utf-8") == UNIT and wanted.is_symlink():
            return False
    wanted.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = unit.with_name(f".{RESUME}.new")
    new.write_text(UNIT, encoding="utf-8")
    new.chmod(0o644)
    new.replace(unit)
    wanted.unlink(missing_ok=True)
    wanted.symlink_to(f"../{RESUME}")
    return True


def install(place: Path, python: str = sys.executable) -> bool:
    """Whether it was not there, or another one."""
    wanted = content(python)
    try:
        if place.read_bytes() == wanted and place.stat().st_uid == os.geteuid():
            return False
    except OSError:
        pass
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    new.write_bytes(wanted)
    new.chmod(0o755)
    new.replace(place)
    return True


def follow(argv: list[str], words: Path, over: Callable[[], bool]) -> int:
    """Runs the program apart from its caller, who may die, until it ended and `over` says so. Its exit status."""
    with (
        words.open("ab") as said,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True) as process,
    ):
        while process.poll() is None or not over():
            time.sleep(PAUSE)
    return process.returncode
