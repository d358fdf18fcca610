# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/settings.md, made from the argument specs of the roles.

python -m tests.unit.settings_reference --write
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/settings.md"

HEAD = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
# All settings

Made from the argument specs of the roles (`make readmes`); a test compares.

A setting goes into the inventory (`host_vars/<host>.yml`, `group_vars/`), or for one run on the command line
(`-e stack_page_cache=false`). Before anything is changed anywhere, all names and values of all hosts are checked on
the control node:

```
inception_htps_port (inventory/host_vars/wil.yml:4): unknown setting; did you mean inception_https_port?
host_open_ports (inventory/host_vars/wil.yml:6): 99999 is more than 65535; for example: [8080, 51820/udp]
```

Every variable `inception_*` has to be a setting. Other prefixes are words that other roles use too: there, only a
name that is nearly one of these is refused. A setting that was renamed is refused with its new name.
"""


def plain(text: str) -> str:
    """A description's markup as Markdown."""
    text = re.sub(r"\b[OV]\((?:[\w.]+#\w+:)?([\w\[\]]+)=([^)]*)\)", r"`\1: \2`", text)
    text = re.sub(r"\bRV\(([^)]*:)?([^)]*)\)", r"`\2`", text)
    text = re.sub(r"\b[OVCMP]\(((?:[^()]|\([^()]*\))*)\)", lambda found: f"`{found[1].partition('#')[0]}`", text)
    return re.sub(r"\bU\(([^)]*)\)", r"<\1>", text)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def kind(option: dict[str, Any]) -> str:
    name: str = option.get("type", "str")
    if name == "list" and "elements" in option:
        name = f"list of {option['elements']}"
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", ()))
    return f"{name}: {choices}" if choices else name


def default(name: str, option: dict[str, Any], defaults: dict[str, Any]) -> str:
    if option.get("required"):
        return "required"
    value = option.get("default", defaults.get(name))
    if value is None:
        return ""
    if "{{" in str(value):
        return "computed"
    if isinstance(value, (list, dict)) and len(str(value)) > 60:
        return "see `defaults/main.yml`"
    shown = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")
    return f"`{shown}`" if len(shown) <= 60 else f"`{shown[:24]}...`"


def rows(options: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    found = []
    for name, option in options.items():
        told = option["description"]
        sentences = plain(" ".join(told) if isinstance(told, list) else told)
        found.append(
            f"| `{name}` | {cell(kind(option))} | {cell(default(name, option, defaults))} | {cell(sentences)} |"
        )
    return found


def section(role: Path) -> list[str]:
    """One role: the settings of its main entry point, then those that only others have."""
    entries = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    path = role / "defaults/main.yml"
    defaults = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
    seen: set[str] = set()
    lines: list[str] = []
    for entry, spec in entries.items():
        options = {name: option for name, option in (spec.get("options") or {}).items() if name not in seen}
        seen |= set(options)
        if not options:
            continue
        title = (
            f"## {role.name}: {spec['short_description']}" if entry == "main" else f"### {spec['short_description']}"
        )
        lines += ["", plain(title), "", "| setting | type | default | what it is |", "|---|---|---|---|"]
        lines += rows(options, defaults)
    return lines


def page() -> str:
    roles = sorted((ROOT / "roles").iterdir(), key=lambda role: (role.name != "inception", role.name))
    lines = [line for role in roles if (role / "meta/argument_specs.yml").exists() for line in section(role)]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
    else:
        print(page(), end="")
