# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this connection came to the managed host. Private to this collection."""

from __future__ import annotations

import os
import re
from pathlib import Path


def ssh_port(proc: Path = Path("/proc")) -> int | None:
    """The port at which this connection came in; sudo hides it from what it starts, and not from root."""
    pid = os.getpid()
    while pid > 1:
        try:
            environment = (proc / str(pid) / "environ").read_bytes().split(b"\0")
            status = (proc / str(pid) / "status").read_text()
        except OSError:
            return None
        for entry in environment:
            name, dummy, value = entry.partition(b"=")
            if name == b"SSH_CONNECTION" and len(value.split()) == 4:
                return int(value.split()[3])
        parent = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
        pid = int(parent[1]) if parent else 0
    return None
