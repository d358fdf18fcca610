# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Persistence and change. Private to this collection: it may change without notice."""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import Item, Section

_ITEMS = (
    Item(
        55,
        "Everything is there after a reboot",
        "After a reboot of the machine and another launch everything works, and the earlier comment and edit are "
        "there.",
        "Keep database and website files in volumes of the data folder.",
        rules=("VOL-3",),
        stop=True,
    ),
    Item(
        56,
        "A service's port can be changed",
        "The port of a service that the evaluator picks is changed; after a rebuild and a restart everything works.",
        "Write each port in one place, for example in `srcs/.env`, and use it everywhere else.",
        rules=("SVC-7",),
        stop=True,
        later=True,
    ),
)
SECTION = Section("Persistence and change", _ITEMS)
