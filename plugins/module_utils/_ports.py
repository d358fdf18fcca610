# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port that Docker holds for a container that is gone. Private to this collection; part of the machine's own program.

Where Docker dies while it starts a container with a port, as by a power cut, it may find an endpoint of it at its next
start and hold the port for that (moby#20486): no container starts there until Docker itself is started anew.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time

ALLOCATED = re.compile(r"Bind for \S*?:(\d+) failed: port is already allocated")
# How long Docker may take until it answers again.
ANSWER_SECONDS = 120.0
RETOLD = "Docker held port {port} for a container that is gone, and was started anew; the containers went on"


def _docker(*argv: str) -> str | None:
    done = subprocess.run(["docker", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def lost(text: str) -> str:
    """The port of which Docker said that it is taken, if no container has it; else nothing."""
    if not (found := ALLOCATED.search(text)):
        return ""
    # Without a word, the filter means TCP; Docker's own words do not say which it is.
    either = [part for kind in ("tcp", "udp", "sctp") for part in ("--filter", f"publish={found[1]}/{kind}")]
    return found[1] if _docker("ps", "--quiet", *either) == "" else ""


def give_back() -> bool:
    """Starts Docker anew, if its containers go on meanwhile: they are not ours alone. Whether it answers again."""
    if _docker("info", "--format", "{{.LiveRestoreEnabled}}") != "true":
        return False
    openrc = shutil.which("rc-service")
    argv = [openrc, "docker", "restart"] if openrc else ["systemctl", "restart", "docker"]
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    end = time.monotonic() + ANSWER_SECONDS
    while _docker("version", "--format", "{{.Server.Version}}") is None:
        if time.monotonic() > end:
            return False
        time.sleep(1)
    return True
