# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service.yml, rendered and read once: what it says, and in which line of the file it says it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_schema as service_schema
from ansible_collections.fortytwo.inception.plugins.plugin_utils._service_schema import Place

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A description is a page or two. What its aliases make of it may be more than any computer holds.
MOST_PIECES = 10_000
_SETTING = r"\s*\{\{[^}]*?\b((?:inception|stack)_\w+)"


@dataclass(frozen=True)
class Description:
    """What a service says of itself."""

    name: str
    file: str
    said: dict[str, Any]
    # Where each piece stands in the template, from 1.
    lines: dict[Place, int] = field(default_factory=dict)
    source: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def at(self, place: Place = ()) -> str:
        """The file and the line of a piece, or of what it would stand in."""
        while place not in self.lines and place:
            place = place[:-1]
        return f"{self.file}:{self.lines.get(place, 1)}"

    def setting_of(self, *place: str | int) -> str | None:
        """The setting that the template makes a value from."""
        line = self.source[self.lines[place] - 1] if place in self.lines else ""
        found = re.search(rf"\b{re.escape(str(place[-1]))}:{_SETTING}", line)
        return found[1] if found else None


def source_lines(source: str, rendered: str) -> list[int]:
    """For each rendered line the line of the template that it comes from, from 1: blocks and comments are gone, and
    what stands in braces has a value now, so lines are told by what they begin with."""

    def beginnings(text: str) -> list[str]:
        return [re.split(r"\{\{|: |:$", line, maxsplit=1)[0] for line in text.splitlines()]

    old, new = beginnings(source), beginnings(rendered)
    found = [0] * len(new)
    for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        for step in range(block.size):
            found[block.b + step] = block.a + step + 1
    last = 1
    for number, line in enumerate(found):
        last = line or last
        found[number] = last
    return found


def read(name: str, file: str, source: str, rendered: str) -> Description:
    """A description, with what is wrong with its form."""
    lines = source_lines(source, rendered)

    def line(number: int) -> int:
        return lines[min(number, len(lines) - 1)] if lines else 1

    try:
        node = yaml.compose(rendered, Loader=_Loader)
        if node is not None:
            _count(node, {})
        said = yaml.load(rendered, Loader=_Loader)  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A value such as 2026-13-01 is no date, and a ValueError.
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        return Description(name, file, {}, problems=(f"{file}:{line(mark.line) if mark else 1}: no YAML: {reason}",))
    if isinstance(said, dict) and isinstance(node, yaml.MappingNode):
        _keep_as_written(node, said)
    places: dict[Place, int] = {}
    twice = list(_places(node, (), places)) if node is not None else []
    description = Description(
        name,
        file,
        said if isinstance(said, dict) else {},
        {place: line(number) for place, number in places.items()},
        tuple(source.splitlines()),
    )
    wrong = [*twice, *service_schema.SERVICE.problems({} if said is None else said, ())]
    return Description(
        name,
        file,
        description.said,
        description.lines,
        description.source,
        tuple(f"{description.at(place)}: {text}" for place, text in wrong),
    )


def _places(node: yaml.Node, place: Place, places: dict[Place, int]) -> Iterator[service_schema.Problem]:
    """Note where each piece stands; says which keys are there twice."""
    places.setdefault(place, node.start_mark.line)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            if inner in places:
                yield inner, f"'{key.value}' is there twice"
            places[inner] = key.start_mark.line
            yield from _places(value, inner, places)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _places(value, (*place, number), places)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """How many pieces there are below a node, each alias with all that it stands for."""
    if id(node) in known:
        if not known[id(node)]:
            raise yaml.MarkedYAMLError(problem="an alias for what it stands in", problem_mark=node.start_mark)
        return known[id(node)]
    known[id(node)] = 0
    inner = node.value if isinstance(node, (yaml.MappingNode, yaml.SequenceNode)) else []
    pairs = inner if isinstance(node, yaml.SequenceNode) else [one for pair in inner for one in pair]
    found = 1 + sum(_count(one, known) for one in pairs)
    if found > MOST_PIECES:
        problem = f"aliases that make more than {MOST_PIECES} pieces of it"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    known[id(node)] = found
    return found


def _keep_as_written(node: yaml.MappingNode, said: dict[str, Any]) -> None:
    """Leave the values of .env as they were written: 1.10 is a version, 0755 a mode, and true no word of Python."""
    written = {key.value: value for key, value in node.value}
    env, values = written.get("env"), said.get("env")
    if isinstance(env, yaml.MappingNode) and isinstance(values, dict):
        for key, value in env.value:
            read_as = values.get(key.value)
            plain = read_as is None or (isinstance(read_as, (str, int)) and str(read_as) == value.value)
            if isinstance(value, yaml.ScalarNode) and not plain:
                values[key.value] = value.value
    others, contributions = written.get("contributes_to"), said.get("contributes_to")
    if isinstance(others, yaml.MappingNode) and isinstance(contributions, dict):
        for other, added in others.value:
            if isinstance(added, yaml.MappingNode) and isinstance(contributions.get(other.value), dict):
                _keep_as_written(added, contributions[other.value])
