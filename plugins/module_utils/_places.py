# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the machine's own program keeps what it remembers, and the settings of it that a deployment writes down.

Private to this collection; part of the machine's own program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _history

# Below the root of the file system.
FAILURES, HISTORY, LEASE, HEALTH, UPDATES, WP_CLI = (
    "var/lib/fortytwo.inception/failures",
    "var/lib/fortytwo.inception/history",
    "run/fortytwo.inception",
    "var/lib/fortytwo.inception/health",
    "var/lib/fortytwo.inception/updates",
    "var/lib/fortytwo.inception/wp-cli",
)
SETTINGS = "settings.json"
# What is updated, and how often, where nothing was written down.
NO_UPDATES = {"mode": "none", "schedule": "daily"}


def told(folder: Path) -> dict[str, Any]:
    """What was written down; empty where nothing was."""
    return _history.read(folder / SETTINGS)


def tell(folder: Path, wanted: dict[str, Any], unsaid: dict[str, Any] | None = None) -> bool:
    """Writes settings down, for root alone; those that are not said are so anyway. Whether they are new."""
    unsaid = unsaid or {}
    if unsaid | wanted == unsaid | told(folder):
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _history.write(folder / SETTINGS, wanted)
    return True


def tell_updates(root: Path, mode: str, schedule: str) -> bool:
    """Writes down what is updated. Whether that is new."""
    is_on = mode != NO_UPDATES["mode"]
    wanted = {"mode": mode, "schedule": schedule} if is_on else NO_UPDATES
    return tell(root / UPDATES, wanted, NO_UPDATES)
