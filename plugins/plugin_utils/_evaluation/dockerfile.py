# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dockerfiles as their instructions and stages. Private to this collection: it may change without notice."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][\w-]*)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"(?<!<)<<(-?)([\"']?)([A-Za-z_][\w.-]*)\2")
_FLAG = re.compile(r"--[a-z][a-z-]*(?:=\S+)?(?:\s+|$)")


@dataclass(frozen=True)
class Heredoc:
    """A here-document of an instruction: its name, its text, and the line that the text begins at."""

    name: str
    text: str
    line: int


@dataclass(frozen=True)
class Instruction:
    """`value` is what follows the name, in one line, without flags; `words` only where it is a JSON array."""

    name: str
    value: str
    line: int
    flags: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] | None = None
    heredocs: tuple[Heredoc, ...] = ()

    def __str__(self) -> str:
        flags = "".join(f"{name}={value} " if value else f"{name} " for name, value in self.flags.items())
        return f"{self.name} {flags}{self.value}"[:200]


@dataclass
class Stage:
    """What one FROM begins; `base` has its variables replaced as far as they are known."""

    base: str
    name: str
    origin: Instruction
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, name: str) -> Instruction | None:
        return next((one for one in reversed(self.instructions) if one.name == name), None)


@dataclass
class Dockerfile:
    """The instructions of a Dockerfile, and its stages."""

    instructions: list[Instruction]
    stages: list[Stage]

    def chain(self) -> list[Stage]:
        """The last stage and those of this file that it is built from, the nearest first."""
        found: list[Stage] = []
        base = ""
        for stage in reversed(self.stages):
            if not found or stage.name == base:
                found.append(stage)
                base = stage.base.lower()
        return found


def parse(text: str, arguments: Mapping[str, str] | None = None) -> Dockerfile:
    """A Dockerfile; `arguments` are the build arguments that the compose file gives."""
    instructions = _instructions(text)
    return Dockerfile(instructions, _stages(instructions, arguments or {}))


def _instructions(text: str) -> list[Instruction]:
    lines = text.split("\n")
    escape = _escape(lines)
    positions = _positions(lines)
    found: list[Instruction] = []
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line.startswith("#"):
            at += 1
            continue
        first = at
        logical: list[str] = []
        while at < len(lines):
            raw = lines[at]
            at += 1
            stripped = raw.strip()
            # Comments and empty lines within a continued instruction do not end it.
            if logical and (stripped.startswith("#") or not stripped):
                continue
            if raw.rstrip().endswith(escape):
                logical.append(raw.rstrip()[:-1])
                continue
            logical.append(raw)
            break
        value = " ".join(part.strip() for part in logical).strip()
        if not value:
            continue
        at, heredocs = _heredocs(value, lines, at, positions)
        found.append(_instruction(value, first + 1, heredocs))
    return found


def _escape(lines: list[str]) -> str:
    """The character that continues a line: parser directives stand before everything else."""
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if not directive:
            break
        if directive[1].lower() == "escape" and directive[2] in ("\\", "`"):
            return directive[2]
    return "\\"


def _positions(lines: list[str]) -> dict[str, list[int]]:
    """Where each line is; one that tabs may stand before is under a tab."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if len(line) < 100:
            found.setdefault(line, []).append(number)
            found.setdefault("\t" + line.lstrip("\t"), []).append(number)
    return found


def _heredocs(
    value: str, lines: list[str], at: int, positions: dict[str, list[int]]
) -> tuple[int, tuple[Heredoc, ...]]:
    """The here-documents that an instruction announces, and the line behind them."""
    if value.split(None, 1)[0].upper() not in ("RUN", "COPY", "ADD"):
        return at, ()
    found = []
    for announced in _HEREDOC.finditer(value):
        ends = positions.get(("\t" if announced[1] else "") + announced[3], [])
        end = next(iter(ends[bisect.bisect_left(ends, at) :][:1]), None)
        # `1<<X` in arithmetic announces nothing.
        if end is None:
            continue
        found.append(Heredoc(announced[3], "\n".join(lines[at:end]), at + 1))
        at = end + 1
    return at, tuple(found)


def _instruction(value: str, line: int, heredocs: tuple[Heredoc, ...]) -> Instruction:
    name, rest = (*value.split(None, 1), "")[:2]
    flags: dict[str, str] = {}
    while rest and (flag := _FLAG.match(rest)):
        key, dummy, flag_value = flag.group(0).strip().partition("=")
        flags[key] = flag_value
        rest = rest[flag.end() :]
    return Instruction(name.upper(), rest, line, flags, _json(rest), heredocs)


def _json(value: str) -> tuple[str, ...] | None:
    if not value.startswith("["):
        return None
    try:
        words = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


# --- Variables ---

# A value that a person wrote is shorter; a bomb of variables is not.
_LENGTH = 4_000
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^{}]*))?\})")


def expand(value: str, variables: Mapping[str, str]) -> str:
    """A value with its variables replaced; one that is not known stays as it is written."""

    def known(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not name:
            return match.group(0)
        operator, word = match[3] or "", match[4] or ""
        there = name in variables and (bool(variables[name]) or not operator.startswith(":"))
        if operator.endswith("-"):
            return variables[name] if there else word
        if operator.endswith("+"):
            return word if there else ""
        return variables.get(name, match.group(0))

    return _VARIABLE.sub(known, value[:_LENGTH])[:_LENGTH]


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'" else value


def _stages(instructions: list[Instruction], arguments: Mapping[str, str]) -> list[Stage]:
    stages: list[Stage] = []
    variables: dict[str, str] = {}
    for one in instructions:
        if one.name == "FROM":
            words = expand(one.value, variables).split()
            named = len(words) >= 3 and words[1].lower() == "as"
            stages.append(Stage(_unquoted(words[0]) if words else "", words[2].lower() if named else "", one))
        elif stages:
            stages[-1].instructions.append(one)
        elif one.name == "ARG":
            for name, default in re.findall(r"(\w+)(?:=(\"[^\"]*\"|'[^']*'|\S*))?", one.value):
                if name in arguments:
                    variables[name] = arguments[name]
                elif default or f"{name}=" in one.value:
                    variables[name] = expand(_unquoted(default), variables)
    return stages
