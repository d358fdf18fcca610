# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own program as one archive, made of this collection's parts for modules, on the control node.

It is brought where it is another one than there is: a module that had it with it was packed and sent with all of it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

PACKAGE = "ansible_collections.fortytwo.inception.plugins.module_utils"
PARTS = (
    *("_acme", "_deployment", "_engine", "_failures", "_files", "_health", "_history", "_images", "_lease", "_notice"),
    *("_places", "_program", "_renewal", "_stack_start", "_stuck", "_takeover", "_tending", "_as_owner", "_backup"),
    *("_backup_commands", "_backup_state", "_dumps", "_restic", "_restore", "_trial_restore", "_sbom", "_site"),
    *("_adopt", "_export_site", "_foreign", "_import", "_decided", "_releases", "_secdb", "_updates", "_system"),
    *("_running", "_swarm", "_gluster", "_ports"),
)
FOLDER = Path(__file__).resolve().parents[1] / "module_utils"
MAIN = f"import sys\n\nfrom {PACKAGE}._program import main\n\nsys.exit(main())\n"


def archive() -> bytes:
    """The program without the line that starts it; the same each time."""
    files = {"__main__.py": MAIN}
    folder = ""
    for name in PACKAGE.split("."):
        folder += f"{name}/"
        files[f"{folder}__init__.py"] = ""
    files |= {f"{folder}{part}.py": (FOLDER / f"{part}.py").read_text(encoding="utf-8") for part in PARTS}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for name, text in sorted(files.items()):
            zipped.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


def digest(of: bytes) -> str:
    return hashlib.sha256(of).hexdigest()
