# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of a compose file as text, since their comments and anchors are for people."""

from __future__ import annotations

import json
import re
import textwrap

import yaml

ENVIRONMENT = re.compile(r"^( *)environment:(?P<rest>.*)\n(?P<lines>(?:(?:\1 +.*|\1- .*| *)\n)*)", re.MULTILINE)


def with_environment(piece: str, anchor: str) -> str:
    """A service's piece, with a mapping merged into its environment; in every form that compose takes it."""
    text = piece.rstrip() + "\n"
    indent = re.search(r"^( *)[a-z_]+:", text, re.MULTILINE)
    margin = indent[1] if indent else "    "
    found = next((one for one in ENVIRONMENT.finditer(text) if one[1] == margin), None)
    if found is None:
        return f"{text}{margin}environment: *{anchor}".rstrip()
    merged = f"{margin}environment:\n{margin}  <<: *{anchor}\n"
    if not found["rest"].partition("#")[0].strip() and not re.match(r" *- ", found["lines"].lstrip("\n")):
        return (text[: found.start()] + merged + found["lines"] + text[found.end() :]).rstrip()
    # A list, or a mapping on one line: the same as a mapping on lines of its own.
    told = yaml.safe_load(textwrap.dedent(found[0]))["environment"] or {}
    pairs = told.items() if isinstance(told, dict) else (str(one).partition("=")[::2] for one in told)
    lines = "".join(f"{margin}  {name}: {json.dumps(value)}\n" for name, value in pairs)
    return (text[: found.start()] + merged + lines + text[found.end() :]).rstrip()
