# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: each file of this folder is a section, and is found by being here. Private to this collection.

To add an item is to add an Item to the file of its section; reports, the bounds of docs/evaluation.schema.json and the
table of docs/evaluate.md follow (`make readmes`), and the corpus (tests/corpus/cases) wants its cases.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import Item, Section


def _found() -> dict[str, Section]:
    names = [path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"]
    sections: dict[str, Section] = {name: importlib.import_module(f"{__name__}.{name}").SECTION for name in names}
    return dict(sorted(sections.items(), key=lambda named: named[1].items[0].id))


_SECTIONS = _found()
# The title of each section, and each item by its number, in the order of the sheet.
SECTIONS: dict[str, str] = {name: section.title for name, section in _SECTIONS.items()}
ITEMS: dict[int, Item] = {
    item.id: replace(item, section=name) for name, section in _SECTIONS.items() for item in section.items
}
