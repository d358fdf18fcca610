# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as its directives. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"#[^\n]*|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{};]|(?:[^\s{};\"'#$]|\$(?:\{\w*\})?|(?<=\S)#)+|\n|[\"']"
)


_DEPTH = 20


@dataclass(frozen=True)
class Directive:
    """A directive as its words, and its line."""

    words: tuple[str, ...]
    line: int
    # The lines of the blocks around it, the innermost last, with their names: (("http", 3), ("server", 7)).
    within: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return " ".join(self.words)[:200]


def parse(text: str) -> list[Directive]:
    """The directives of a configuration, those within blocks too."""
    found: list[Directive] = []
    words: list[str] = []
    within: list[tuple[str, int]] = []
    line = start = 1
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token.startswith("#"):
            continue
        elif token in "{};":
            if words:
                found.append(Directive(tuple(words), start, tuple(within)))
            if token == "{":
                # A stranger's nesting has no limit of its own.
                within = [*within, (words[0] if words else "", start)][:_DEPTH]
            elif token == "}":
                within = within[:-1]
            words = []
        else:
            if not words:
                start = line
            words.append(token.strip("\"'") if token[0] in "\"'" else token)
            line += token.count("\n")
    return found
