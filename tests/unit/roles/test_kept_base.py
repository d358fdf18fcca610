# SPDX-License-Identifier: GPL-3.0-or-later
"""A managed host renews its base image by itself, and no file of the project changes for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.unit import rendering

DOCKER = """\
#!/bin/sh
echo "$*" >>"$(dirname "$0")/called"
case "$*" in "image inspect"*) exit {has};; esac
"""


def test_no_file_says_whether_it_came_from_a_registry(collections_path: Path) -> None:
    of_a_registry = rendering.project("debian-mandatory-package", str(collections_path))
    assert rendering.project("kept", str(collections_path)) == of_a_registry


@pytest.mark.parametrize(
    ("kept", "has", "called"),
    [
        (True, 1, ["image inspect debian:bookworm", "image load --input {base}"]),
        (True, 0, ["image inspect debian:bookworm"]),
        (False, 1, []),
    ],
)
def test_make_loads_it_where_it_is_kept_and_gone(
    collections_path: Path, tmp_path: Path, kept: bool, has: int, called: list[str]
) -> None:
    script = rendering.project("debian-mandatory-package", str(collections_path))["srcs/tools/prepare.sh"]
    base, docker = tmp_path / "base.tar", tmp_path / "docker"
    if kept:
        base.touch()
    docker.write_text(DOCKER.format(has=has))
    docker.chmod(0o755)
    part = script[script.index("\nbase=") :].replace(rendering.FACTS["base_image_kept"], str(base))
    subprocess.run(["sh", "-euc", part], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    log = tmp_path / "called"
    assert (log.read_text().splitlines() if log.exists() else []) == [one.format(base=base) for one in called]
