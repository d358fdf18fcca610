# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the evaluation's sheet: the table of docs/evaluate.md, the bounds of docs/evaluation.schema.json.

python -m tests.unit.evaluation_reference --write
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/evaluate.md"
SCHEMA = ROOT / "docs/evaluation.schema.json"
_TABLE = re.compile(r"(<!-- The sheet, by `make readmes` -->\n).*?(<!-- -->)", re.DOTALL)


def table(items: ModuleType) -> Iterator[str]:
    yield "| item | | by its files | while it runs |"
    yield "|---|---|---|---|"
    for item in items.ITEMS.values():
        title = item.title + (" (**mark 0**)" if item.zero else " (**ends it**)" if item.stop else "")
        files = "a person asks" if item.oral else item.decided_by
        yield f"| {item.id} | {title} | {files} | {'looked at' if item.runtime else ''} |"


def page(text: str, items: ModuleType) -> str:
    """The page with its table as it shall be."""
    made = "\n".join(table(items))
    return _TABLE.sub(lambda found: f"{found[1]}{made}\n{found[2]}", text)


def schema(text: str, items: ModuleType) -> str:
    """The schema with the bounds of the sheet."""
    text = re.sub(r'("minimum": 1, "maximum": )\d+', rf"\g<1>{max(items.ITEMS)}", text)
    sections = json.dumps(list(items.SECTIONS))
    return re.sub(r'("section": \{"enum": )\[[^\]]*\]', lambda found: found[1] + sections, text)


def sheet() -> Any:
    from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import items

    return items


if __name__ == "__main__":
    for path, made in ((PAGE, page), (SCHEMA, schema)):
        text = made(path.read_text(encoding="utf-8"), sheet())
        if sys.argv[1:] == ["--write"]:
            path.write_text(text, encoding="utf-8")
        else:
            print(text, end="")
