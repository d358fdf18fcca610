# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files as compose resolves them: anchors, merge keys, variables, extends and include, with their lines.

Private to this collection: it may change without notice. The safe loader makes no objects, and a file whose
aliases expand without end is refused.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_VALUES = 20_000
_MAX_DEPTH = 40
_MAX_FILES = 20


class ComposeError(ValueError):
    """A compose file cannot be read; the message names the file and says why."""


class Located(dict[str, Any]):
    """A mapping that knows its file, and where each of its keys stands: several files may have gone into it."""

    def __init__(self, file: str = "") -> None:
        super().__init__()
        self.file = file
        self.places: dict[str, str] = {}

    def where(self, key: str) -> str:
        return self.places.get(key) or self.file

    def put(self, key: str, value: Any, place: str) -> None:
        self[key] = value
        self.places[key] = place


class LocatedList(list[Any]):
    """A list that knows where each of its values stands."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def where(self, at: int) -> str:
        return self.places[at]


# --- Reading YAML ---


def _refuse_depth(file: str, text: str) -> None:
    """Refuse what is nested deeper than a real compose file: composing calls itself in C until the stack is used up."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ComposeError(f"{file} is nested deeper than {_MAX_DEPTH} levels")


class _Builder:
    """Makes values of YAML nodes, as many as a real compose file has, and as deep: an alias adds to the depth."""

    def __init__(self, file: str, variables: Mapping[str, str]) -> None:
        self._file = file
        self._variables = variables
        self._count = 0
        self._scalars = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, depth: int = 0) -> Any:
        self._count += 1
        if self._count > _MAX_VALUES:
            raise ComposeError(f"{self._file} expands to more than {_MAX_VALUES} values")
        if depth > _MAX_DEPTH:
            raise ComposeError(f"{self._file} is nested deeper than {_MAX_DEPTH} levels")
        if node.tag == "!reset":
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            values = LocatedList()
            for child in node.value:
                values.append(self.build(child, depth + 1))
                values.places.append(self._place(child))
            return values
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Located:
        values = Located(self._file)
        merged: list[Located] = []
        for key_node, child in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                found = self.build(child, depth + 1)
                merged.extend(
                    one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Located)
                )
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            values.put(str(key), self.build(child, depth + 1), self._place(key_node))
        for one in merged:
            for key, value in one.items():
                if key not in values:
                    values.put(key, value, one.places[key])
        return values

    def _place(self, node: yaml.Node) -> str:
        return f"{self._file}:{node.start_mark.line + 1}"

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"):
            return self._scalars.construct_object(node)
        # Numbers stay as they are written: 9000:9000 is no number of YAML 1.1's.
        return interpolate(str(node.value), self._variables)


# A value that a person wrote is shorter; a bomb of variables is not.
_LENGTH = 10_000
_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})")


def interpolate(text: str, variables: Mapping[str, str], depth: int = 0) -> str:
    """A text with its variables as compose replaces them; one that is not known stays as it is written."""

    def known(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name, operator, word = match[2] or match[3], match[4] or "", match[5] or ""
        there = name in variables and (bool(variables[name]) or not operator.startswith(":"))
        if operator.endswith("-") and not there:
            return interpolate(word, variables, depth + 1) if depth < 5 else word
        if operator.endswith("+"):
            return word if there else ""
        return variables.get(name, match.group(0))

    return _VARIABLE.sub(known, text)[:_LENGTH] if len(text) <= _LENGTH else text


def environment_file(text: str) -> dict[str, str]:
    """The variables of an .env file."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        line = line[:_LENGTH]
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$", line)
        if not match:
            continue
        value = match[2].strip()
        if value[:1] in ("'", '"'):
            end = value.find(value[0], 1)
            literal, quote = (value[1:end] if end > 0 else value[1:]), value[0]
        else:
            literal, quote = re.sub(r"(?<!\s)\s+#.*$", "", value).strip(), ""
        found[match[1]] = literal if quote == "'" else interpolate(literal, found)
    return found


# --- Compose ---

ReadFile = Callable[[str], "str | None"]


def load(files: list[str], read: ReadFile, variables: Mapping[str, str]) -> Located:
    """Several compose files as one, the later ones over the earlier."""
    seen: list[str] = []
    whole = Located()
    for file in files:
        _over(whole, _file(file, read, variables, seen))
    services = whole.get("services")
    if isinstance(services, Located):
        for name in list(services):
            services.put(name, _extended(services, name, read, variables, seen, 0), services.where(name))
    return whole


def _file(file: str, read: ReadFile, variables: Mapping[str, str], seen: list[str]) -> Located:
    seen.append(file)
    if len(seen) > _MAX_FILES:
        raise ComposeError(f"{file} takes in more than {_MAX_FILES} other files")
    text = read(file)
    if text is None:
        raise ComposeError(f"{file} is not there, or is not a text")
    try:
        _refuse_depth(file, text)
        node = yaml.compose(text, Loader=_LOADER)
        found = _Builder(file, variables).build(node) if node is not None else None
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "nothing can be read"
        mark = getattr(error, "problem_mark", None)
        raise ComposeError(f"{file}{f':{mark.line + 1}' if mark else ''} is not YAML: {problem}") from None
    if not isinstance(found, Located):
        raise ComposeError(f"{file} is not a mapping with `services:`")
    whole = Located(file)
    for included in _paths(found.get("include")):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), included))
        if path not in seen:
            _over(whole, _file(path, read, variables, seen))
    return _over(whole, found)


def _paths(include: Any) -> Iterator[str]:
    for one in include if isinstance(include, list) else [include] if include else []:
        path = one.get("path") if isinstance(one, dict) else one
        yield from (str(each) for each in (path if isinstance(path, list) else [path]) if each)


def _over(base: Located, top: Mapping[str, Any]) -> Located:
    """Lays one mapping over another, as compose does with several files."""
    for key, value in top.items():
        place = top.where(key) if isinstance(top, Located) else ""
        below = base.get(key)
        if isinstance(below, Located) and isinstance(value, Located):
            merged = _over(_copy(below), value)
            merged.file = value.file
            base.put(key, merged, place)
        elif isinstance(below, LocatedList) and isinstance(value, LocatedList) and key not in ("command", "entrypoint"):
            both = LocatedList()
            both.extend([*below, *value])
            both.places = [*below.places, *value.places]
            base.put(key, both, place)
        else:
            base.put(key, value, place)
        base.file = base.file or getattr(top, "file", "")
    return base


def _copy(one: Located) -> Located:
    copied = Located(one.file)
    copied.update(one)
    copied.places = dict(one.places)
    return copied


def _extended(
    services: Located, name: str, read: ReadFile, variables: Mapping[str, str], seen: list[str], depth: int
) -> Any:
    service = services[name]
    extends = service.get("extends") if isinstance(service, Located) else None
    if not extends or depth > 10:
        return service
    source, file = (extends.get("service"), extends.get("file")) if isinstance(extends, dict) else (extends, None)
    origin = services
    if file:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(service.file), str(file)))
        origin = _file(path, read, variables, seen).get("services") or Located(path)
    if not isinstance(origin, Located) or source not in origin:
        return service
    base = _extended(origin, str(source), read, variables, seen, depth + 1)
    return _over(_copy(base), service) if isinstance(base, Located) else service


# --- Services ---


@dataclass(frozen=True)
class Mount:
    """Something mounted into a service: `kind` is `volume`, `bind`, `tmpfs` or what the file says."""

    kind: str
    source: str
    target: str
    where: str


@dataclass(frozen=True)
class Port:
    """A published port; `host` is "" where docker chooses one."""

    host: str
    container: str
    where: str


@dataclass
class Service:
    """A service of the compose file in one shape, whichever way it is written."""

    name: str
    raw: Located
    where: str
    image: str = ""
    built: bool = False
    context: str = ""
    dockerfile: str = ""
    inline: str | None = None
    arguments: dict[str, str] = field(default_factory=dict)
    networks: list[str] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def line(self, key: str) -> str:
        return self.raw.where(key) if key in self.raw else self.where


def services(whole: Located) -> dict[str, Service]:
    """The services of a loaded compose file."""
    found: dict[str, Service] = {}
    declared = whole.get("services")
    if not isinstance(declared, Located):
        return found
    for name, raw in declared.items():
        if isinstance(raw, Located):
            found[name] = _service(name, raw, declared.where(name))
    return found


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {key: "" if one is None else str(one) for key, one in value.items()}
    pairs = [str(one).partition("=") for one in value] if isinstance(value, list) else []
    return {name: text for name, _equals, text in pairs}


def _service(name: str, raw: Located, where: str) -> Service:
    service = Service(name, raw, where, image=str(raw.get("image") or ""))
    build = raw.get("build")
    folder = posixpath.dirname(raw.file)
    if build:
        service.built = True
        options = build if isinstance(build, dict) else {"context": build}
        service.context = posixpath.normpath(posixpath.join(folder, str(options.get("context") or ".")))
        service.dockerfile = posixpath.normpath(
            posixpath.join(service.context, str(options.get("dockerfile") or "Dockerfile"))
        )
        inline = options.get("dockerfile_inline")
        service.inline = str(inline) if inline else None
        service.arguments = _pairs(options.get("args"))
    networks = raw.get("networks")
    service.networks = [str(one) for one in networks] if isinstance(networks, (list, dict)) else []
    service.environment = _pairs(raw.get("environment"))
    for at, one in enumerate(raw.get("volumes") or []):
        service.mounts.append(_mount(one, _line(raw["volumes"], at)))
    for at, one in enumerate(raw.get("ports") or []):
        service.ports.append(_port(one, _line(raw["ports"], at)))
    return service


def _line(values: Any, at: int) -> str:
    return values.where(at) if isinstance(values, LocatedList) else ""


def at_colons(text: str) -> list[str]:
    """The parts between colons; the one of ${NAME:-default} parts nothing."""
    parts, end, within = [], len(text), False
    # From the end, so that each character is looked at once.
    for at in range(len(text) - 1, -1, -1):
        if text[at] in "{}":
            within = text[at] == "}"
        elif text[at] == ":" and not within:
            parts.append(text[at + 1 : end])
            end = at
    return [text[:end], *reversed(parts)]


def _mount(one: Any, where: str) -> Mount:
    if isinstance(one, dict):
        return Mount(str(one.get("type", "")), str(one.get("source") or ""), str(one.get("target") or ""), where)
    parts = at_colons(str(one))
    if len(parts) == 1:
        return Mount("volume", "", parts[0], where)
    bind = parts[0].startswith((".", "/", "~", "$"))
    return Mount("bind" if bind else "volume", parts[0], parts[1], where)


def _port(one: Any, where: str) -> Port:
    if isinstance(one, dict):
        return Port(str(one.get("published") or ""), str(one.get("target") or ""), where)
    parts = at_colons(str(one).partition("/")[0])
    return Port(parts[-2] if len(parts) > 1 else "", parts[-1], where)
