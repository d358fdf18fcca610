# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX's trial and its health check, with stand-ins: which answers of the new one are no reason to take over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit import rendering

TOOLS = "srcs/requirements/nginx/tools/"
# Of the new one's health check, the new one's front page, the present one's.
CURL = """#!/bin/sh
case $* in
    */healthz) told="$HEALTH" ;;
    *--resolve*) told="$NEW" ;;
    *) told="$PRESENT" ;;
esac
printf '%s' "${told%/*}"
exit "${told##*/}"
"""
# What curl writes, and its code.
WELL, SITE = "204/0", "200 /0"


@pytest.fixture
def place(collections_path: Path, tmp_path: Path) -> Path:
    files = rendering.project("debian-package", str(collections_path))
    programs = {
        name: files[f"{TOOLS}{name}.sh"].replace("/tmp/known", f"{tmp_path}/known") for name in ("check", "trial")
    }
    programs |= {"curl": CURL, "nginx": "#!/bin/sh\n", "sleep": "#!/bin/sh\n", "getent": "#!/bin/sh\n"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def tried(place: Path, health: str, new: str, present: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(place / "trial")],
        env={
            "PATH": f"{place}:{os.environ['PATH']}",
            "DOMAIN": "wil.42.fr",
            "HTTPS_PORT": "443",
            "HEALTH": health,
            "NEW": new,
            "PRESENT": present,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("new", "present"),
    [
        (SITE, SITE),
        # Whoever comes from elsewhere may get in.
        ("403 /0", SITE),
        ("401 /0", SITE),
        # WordPress is busy, or somewhere else from now on.
        ("503 10/0", SITE),
        # Slow, or leads to another site.
        ("000 /28", SITE),
        ("301 /6", SITE),
        # Nobody is there, or it is as bad already.
        ("503 /0", "000 /7"),
        ("503 /0", "503 /0"),
        ("404 /0", "301 /47"),
    ],
)
def test_it_is_taken_that_shows_what_visitors_have(place: Path, new: str, present: str) -> None:
    done = tried(place, WELL, new, present)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("new", ["404 /0", "410 /0", "500 /0", "503 /0", "301 /47", "000 /52"])
def test_one_without_the_front_page_is_not_taken(place: Path, new: str) -> None:
    done = tried(place, WELL, new, SITE)
    assert done.returncode != 0
    assert f"the front page is gone: it answers {new[:3]} in place of 200" in done.stderr


@pytest.mark.parametrize("health", ["503/22", "301/0", "200/0", "000/7"])
def test_one_that_is_not_healthy_is_not_taken(place: Path, health: str) -> None:
    """A redirect of everybody is no health, and neither is the same page for everybody."""
    done = tried(place, health, SITE, SITE)
    assert done.returncode != 0
    assert "its health check fails" in done.stderr
