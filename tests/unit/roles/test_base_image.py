# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image's archive, which several hosts of one run want (roles/base_image/files/build.sh)."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.verify.support import ROOT

BUILD = ROOT / "roles/base_image/files/build.sh"


class Builder:
    """What calls build.sh, with an mmdebstrap that notes that it was called."""

    def __init__(self, folder: Path) -> None:
        self.archive, self.notes = folder / "debian.tar.zst", folder / "notes"
        program = folder / "bin/mmdebstrap"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho built >>"{self.notes}"\nsleep 1.5\necho "$$" >"$2"\n')
        program.chmod(0o755)
        self.path = f"{program.parent}:{os.environ['PATH']}"

    def start(self, refresh: bool) -> subprocess.Popen[str]:
        part = f"{self.archive}.partial"
        argv = ["sh", str(BUILD), str(self.archive), part, str(refresh), "bookworm", part]
        return subprocess.Popen(argv, env={**os.environ, "PATH": self.path}, stdout=subprocess.PIPE, text=True)

    def builds(self) -> int:
        return len(self.notes.read_text().splitlines()) if self.notes.exists() else 0


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def said(*runs: subprocess.Popen[str]) -> list[str]:
    return sorted(run.communicate(timeout=60)[0].strip() for run in runs)


def test_what_is_there_is_built_anew_when_it_is_asked_for(builder: Builder) -> None:
    assert said(builder.start(False)) == ["built"]
    assert said(builder.start(False)) == [""]
    # The next second, as the file system counts them.
    os.utime(builder.archive, (time.time() - 5, time.time() - 5))
    assert said(builder.start(True)) == ["built"]
    assert builder.builds() == 2


@pytest.mark.parametrize("refresh", [True, False])
def test_several_hosts_of_one_run_get_the_same(builder: Builder, refresh: bool) -> None:
    if refresh:
        builder.archive.write_text("old")
        os.utime(builder.archive, (time.time() - 3600, time.time() - 3600))
    assert said(*(builder.start(refresh) for _host in range(3))) == ["", "", "built"]
    assert builder.builds() == 1
    assert builder.archive.read_text() != "old"
