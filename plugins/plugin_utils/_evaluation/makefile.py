# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makefiles as their goals and recipes. Private to this collection: it may change without notice. Nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# No line that a person wrote is longer.
_LENGTH = 4_000


@dataclass
class Goal:
    """A target with what it needs first, and its recipe's lines with their numbers."""

    name: str
    line: int
    needs: list[str] = field(default_factory=list)
    recipe: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Makefile:
    """Goals in their order, and variables as they are written."""

    goals: dict[str, Goal] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    # What commands get of them: names, or everything by a bare `export`.
    exported: set[str] = field(default_factory=set)
    exports_all: bool = False
    includes: list[str] = field(default_factory=list)
    # Recipes of several lines that have a name, by define.
    defines: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What a recipe's commands get, as far as it is known."""
        chosen = self.variables if self.exports_all else {name: self.variables.get(name) for name in self.exported}
        return {name: self.expand(value) for name, value in chosen.items() if value is not None}

    @property
    def default(self) -> Goal | None:
        """What plain `make` makes."""
        chosen = self.variables.get(".DEFAULT_GOAL", "")
        if chosen in self.goals:
            return self.goals[chosen]
        return next((goal for name, goal in self.goals.items() if not name.startswith(".") and "%" not in name), None)

    def expand(self, text: str) -> str:
        """A text with the variables that are known; functions and others stay as they are written."""
        # A name may stand in a name's value, and a bomb of them is cut off.
        for _round in range(8):
            # A recipe's $$ is the shell's own $.
            expanded = _REFERENCE.sub(self._value, text)[:_LENGTH]
            if expanded == text:
                break
            text = expanded
        return text

    def _value(self, match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        return "make" if name == "MAKE" else self.variables.get(name, match.group(0))

    def commands(self, goal: Goal) -> list[tuple[int, str]]:
        """A recipe as shell text, with the lines that it stands in."""
        lines = [one for line, text in goal.recipe for one in self._called(line, text)]
        return [(line, self.expand(text).lstrip("@-+ \t").replace("$$", "$")) for line, text in lines if text.strip()]

    def _called(self, line: int, text: str, nested: int = 0) -> list[tuple[int, str]]:
        """A line of a recipe; the lines of a define where it is the call of one."""
        called = _CALL.match(text.strip())
        if not called or called[1] not in self.defines or nested > 3:
            return [(line, text)]
        return [one for at, inner in self.defines[called[1]] for one in self._called(at, inner, nested + 1)]

    def reached(self, start: Goal) -> list[Goal]:
        """A goal with all that it needs, also by calling make again."""
        found: list[Goal] = []
        waiting = [start]
        while waiting and len(found) < 200:
            goal = waiting.pop()
            if goal in found:
                continue
            found.append(goal)
            names = list(goal.needs)
            for _line, command in self.commands(goal):
                for called in re.findall(r"(?:^|[\s;&|])make\b([^;&|]*)", command):
                    names += [word for word in called.split() if not word.startswith("-")]
            waiting.extend(self.goals[name] for name in names if name in self.goals)
        return found


_REFERENCE = re.compile(r"(?<!\$)\$(?:\(([\w.-]+)\)|\{([\w.-]+)\}|(\w))")
_VARIABLE = re.compile(r"(?:export\s+|override\s+)*([\w.-]+)\s*(?::{0,3}|\?|\+|!)=\s*(.*)$")
_DEFINE = re.compile(r"(?:override\s+|export\s+)*define\s+([\w.-]+)")
_CALL = re.compile(r"[@+-]*\$[({](?:call\s+)?([\w.-]+)(?:\s*,[^)}]*)?[)}]$")
# No recipe that a person wrote is longer; one that calls itself in each of its lines is cut off.
_DEFINED = 200
_EXPORT = re.compile(r"export\s+((?:[\w.-]+|\$\([^)]*\))(?:\s+[\w.-]+)*)$")
_INCLUDE = re.compile(r"[-s]?include\s+(.+)$")
_RULE = re.compile(r"((?:[^\s:=#$]|\$\([^)]*\)|\s)+?)\s*::?(?!=)\s*([^;]*)(?:;(.*))?$")


def parse(text: str) -> Makefile:
    """A Makefile; conditional parts are all taken in."""
    makefile = Makefile()
    current: list[Goal] = []
    defined: list[tuple[int, str]] | None = None
    for number, line in _logical_lines(text):
        if defined is not None:
            if re.match(r"\s*endef\b", line):
                defined = None
            elif len(defined) < _DEFINED:
                defined.append((number, line))
            continue
        if line.startswith("\t"):
            for goal in current:
                goal.recipe.append((number, line[1:]))
            continue
        bare = re.sub(r"(?<!\\)#.*$", "", line).strip()
        if not bare:
            continue
        if begun := _DEFINE.match(bare):
            defined = makefile.defines[begun[1]] = []
        elif bare == "export":
            makefile.exports_all = True
        elif names := _EXPORT.match(bare):
            makefile.exported.update(makefile.expand(names[1]).split())
        elif taken := _INCLUDE.match(bare):
            makefile.includes += makefile.expand(taken[1]).split()
        elif variable := _VARIABLE.match(bare):
            name, value = variable[1], variable[2].strip()
            added = "+=" in bare[: variable.start(2)] and name in makefile.variables
            makefile.variables[name] = f"{makefile.variables[name]} {value}" if added else value
            if bare.startswith("export "):
                makefile.exported.add(name)
        elif (rule := _RULE.match(bare)) and not re.match(
            r"(?:if|ifdef|ifeq|ifneq|else|endif|include|-include)\b", bare
        ):
            current = _goals(makefile, rule, number)
    return makefile


def _goals(makefile: Makefile, rule: re.Match[str], number: int) -> list[Goal]:
    needs = [word for word in makefile.expand(rule[2]).split() if word != "|"]
    current = []
    for name in makefile.expand(rule[1]).split():
        # What .PHONY needs is not made by it.
        if name == ".PHONY":
            continue
        goal = makefile.goals.setdefault(name, Goal(name, number))
        goal.needs += needs
        if rule[3]:
            goal.recipe.append((number, rule[3]))
        current.append(goal)
    return current


def _logical_lines(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    first, parts = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not parts:
            first = number
        if line.endswith("\\"):
            parts = (parts + line[:-1])[:_LENGTH] + " "
            continue
        found.append((first, (parts + line)[:_LENGTH]))
        parts = ""
    if parts:
        found.append((first, parts[:_LENGTH]))
    return found
