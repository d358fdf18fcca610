# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/service-reference.md, made from the schema of service.yml.

python -m tests.unit.service_reference --write
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/service-reference.md"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def default(value: object) -> str:
    if value is None:
        return ""
    text = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else ""


def table(schema: ModuleType, record: object) -> Iterator[str]:
    yield "| key | value | without it | what it says |"
    yield "|---|---|---|---|"
    for name, key in record.keys.items():  # type: ignore[attr-defined]
        value = inner(schema, key.value)
        named = f"see [`{name}`](#{name})" if value is not None and name in SECTIONS else key.value.named()
        needed = "an error" if key.required else default(key.default)
        yield f"| `{name}` | {cell(named)} | {needed} | {cell(key.about)} |"


def inner(schema: ModuleType, value: object) -> object:
    """The record that a value is made of, if it is."""
    while isinstance(value, (schema.List, schema.Table)):
        value = value.of
    return value if isinstance(value, schema.Record) else None


SECTIONS = ("secrets", "volumes", "ports", "limits", "credentials", "contributes_to")


def page(schema: ModuleType) -> str:
    lines = [
        # REUSE-IgnoreStart
        "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->",
        # REUSE-IgnoreEnd
        "<!-- Made from plugins/plugin_utils/_service_schema.py by `make readmes`; a test compares. -->",
        "# service.yml",
        "",
        "What a service says of itself, in its folder of `roles/stack/templates/requirements/` or of one in "
        "`inception_service_dirs`. It is a template that knows the settings.",
        "[services.md](services.md#a-service-of-your-own) shows a whole one. "
        "A mistake is refused before anything is changed, with its file and line:",
        "",
        "    my/redis/service.yml:7: unknown key 'egres'; did you mean 'egress'?",
        "",
        *table(schema, schema.SERVICE),
        "",
        "A folder without a `Dockerfile` is no service of its own: it says "
        + " and ".join(f"`{key}`" for key in schema.CONTRIBUTOR_KEYS)
        + " alone, and adds to others.",
    ]
    for name in SECTIONS:
        lines += ["", f"## {name}", "", *table(schema, inner(schema, schema.SERVICE.keys[name].value))]
    lines += ["", "## Names of former versions", "", "| was | is |", "|---|---|"]
    # A key that was renamed in several places stands here once, as the service itself has it.
    renamed = {**schema.CONTRIBUTION.renamed, **schema.SECRET.renamed, **schema.SERVICE.renamed}
    lines += [f"| `{old}` | {cell(new)} |" for old, new in sorted(renamed.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    made = page(importlib.import_module("plugins.plugin_utils._service_schema"))
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(made)
    else:
        print(made, end="")
