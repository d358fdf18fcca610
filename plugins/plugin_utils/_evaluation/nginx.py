# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as its directives. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"#[^\n]*|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{};]|(?:[^\s{};\"'#$]|\$(?:\{\w*\})?|(?<=\S)#)+|\n|[\"']"
)


@dataclass(frozen=True)
class Directive:
    """A directive as its words, and its line."""

    words: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return " ".join(self.words)[:200]


def parse(text: str) -> list[Directive]:
    """The directives of a configuration, those within blocks too."""
    found: list[Directive] = []
    words: list[str] = []
    line = start = 1
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token.startswith("#"):
            continue
        elif token in "{};":
            if words:
                found.append(Directive(tuple(words), start))
            words = []
        else:
            if not words:
                start = line
            words.append(token.strip("\"'") if token[0] in "\"'" else token)
            line += token.count("\n")
    return found
