# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that is told to stop while it is getting ready does so. Its first process gets no signal that it does not
ask for: without that, it gets ready, runs on, and is killed when its time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit import rendering

ROOT = Path(__file__).resolve().parents[3]
ENTRYPOINTS = sorted((ROOT / "roles/stack/templates/requirements").glob("**/entrypoint.sh"))
WORDPRESS = "srcs/requirements/wordpress/tools/entrypoint.sh"


@pytest.mark.parametrize("path", ENTRYPOINTS, ids=lambda path: path.parents[1].name)
def test_each_begins_with_what_it_does_then(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[:2] == ["set -eu", "trap 'exit 143' QUIT TERM"]


class Container:
    """WordPress's entrypoint as the first process of a place with processes of its own. PHP is a stand-in."""

    def __init__(self, folder: Path, text: str, php: str) -> None:
        self.folder = folder
        for name, script in (("php", php), ("bring", ""), ("settle", ""), ("server", "echo >serving; sleep 30")):
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        for place in ("/var/www/html", "/usr/src/wordpress", "/run/secrets", "/etc/ssl/certs"):
            (folder / place.lstrip("/")).mkdir(parents=True)
            text = text.replace(place, f"{folder}{place}")
        for file in ("run/secrets/ca_certificate", "etc/ssl/certs/ca-certificates.crt"):
            (folder / file).touch()
        (folder / "entrypoint.sh").write_text(text.replace("/tmp/", f"{folder}/tmp-"))
        self.process = subprocess.Popen(
            [
                "env",
                "--default-signal",
                "unshare",
                "--map-root-user",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "entrypoint.sh",
                "./server",
            ],
            cwd=folder,
            env={"PATH": f"{folder}:{os.environ['PATH']}", "WORDPRESS_PORT": "9000"},
        )

    def wait_for(self, name: str) -> None:
        end = time.monotonic() + 30
        while not (self.folder / name).exists():
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self, number: int) -> int:
        """As Docker does it: the first process is told, from outside."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(children[0]), number)
        return self.process.wait(60)


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(
    "php", ["touch asked; sleep 1; echo 1", "touch asked; sleep 1; exit 75"], ids=["getting ready", "no database yet"]
)
def test_it_stops_before_it_serves(collections_path: Path, tmp_path: Path, php: str, number: int) -> None:
    made = Container(tmp_path, rendering.project("debian-package", str(collections_path))[WORDPRESS], php)
    made.wait_for("asked")
    assert made.stop(number) == 143
    assert not (tmp_path / "serving").exists()


@pytest.mark.parametrize(
    ("php", "code", "asked"),
    [("echo x >>asked; exit 75", 1, 12), ("echo x >>asked; exit 1", 1, 1), ("echo x >>asked; exit 255", 1, 1)],
    ids=["no database", "another failure", "PHP's own"],
)
def test_a_database_is_asked_for_in_turns(
    collections_path: Path, tmp_path: Path, php: str, code: int, asked: int
) -> None:
    made = Container(tmp_path, rendering.project("debian-package", str(collections_path))[WORDPRESS], php)
    assert made.process.wait(60) == code
    assert len((tmp_path / "asked").read_text().split()) == asked


def test_a_database_that_comes_late_is_enough(collections_path: Path, tmp_path: Path) -> None:
    php = 'echo x >>asked; [ "$(wc -l <asked)" -gt 3 ] || exit 75; echo 60421'
    made = Container(tmp_path, rendering.project("debian-package", str(collections_path))[WORDPRESS], php)
    made.wait_for("serving")
    made.process.kill()
    made.process.wait(60)
