# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad values and misspelt names, made from what says which settings there are: the argument specs, and the schema of
service.yml. Each has to be refused on the control node, before anything is changed: with the name, what is wrong, and
a good example.

python -m pytest -s tests/unit/test_refusals.py
"""

from __future__ import annotations

import collections
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_description as description
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_schema as schema
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings as settings
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_names as names
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_specs as specs

TODAY = datetime.date(2026, 11, 24)
# What some settings are nothing without, and what is known besides.
BESIDE = {"inception_login": "wil", "inception_mail_host": "smtp.example.org"}
KNOWN = {
    "inception_available_services": ["redis", "ftp"],
    "inception_available_secrets": ["db_password", "wp_salt"],
}
LINES = ("a\nb", "a\x00b", "a\x1b[31mb")
# By the type that the argument spec names. Texts stand for what `-e` makes of everything.
OF_TYPE: dict[str, tuple[Any, ...]] = {
    "bool": ("maybe", "", "y", "ja", None, 2, 1.5, [], {}, [True]),
    "int": ("ten", "", None, True, 1.5, -1, "-1", "0x50", "1e3", "8080;reboot", [], {}, [1]),
    "str": (None, True, 1.5, [], {}, ["x"], {"x": 1}, *LINES),
    "path": ("relative/x", "", None, 1, True, [], {}, "~/x", "./x", "/a\nb", "C:\\x"),
    "list": ("one, two", 5, True, None, {"a": 1}, {}, [[]], [{}], [None], [True]),
    "dict": ("a=1", 5, True, None, ["a"], [], {1: 2}, {"": 1}, {"a b": 1}),
}
# By what its name says.
OF_NAME: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (r"_ports?$", (0, 65536, "http", "80:80", "80,81", 10**9)),
    (r"_(timeout|patience)$", (0, "10s", "1h", 10**9)),
    (r"_(url|mirror|repository)$", ("", "example.org/x", "ftp://example.org/x", "https://", "http://a b/", "//x/y")),
    (r"_(email|from)$", ("", "wil", "wil@", "@wil.42.fr", "wil@wil@42.fr", "wil @42.fr", "wil@localhost", "a,b@c.d")),
    (r"_(sha1|sha256|sha512|commit)$", ("", "abc", "main", "z" * 40, "a" * 39, "sha256:" + "a" * 64)),
    (r"_domain$", ("", "wil", "https://wil.42.fr", "wil.42.fr/", "wil.42.fr:443", "Wil.42.fr", "wil_.fr", "1.2.3.4")),
    (r"_login$", ("", "Wil", "wil 2", "wil/..", "-wil", "w" * 33)),
    (r"_(admin_user|user)$", ("a\tb",)),
    (r"_title$", ("", "  ", "x" * 121)),
    (r"_(memory|disk|cpus)$", (0, "4G", 10**9)),
    (r"_(release|version)$", ("latest ", "-x", "a b")),
)
# What is good for these, of settings and of keys.
GOOD: dict[str, tuple[Any, ...]] = {
    # A folder below the current one.
    "evaluate_report_dir": ("relative/x", "./x", "~/x", "C:\\x"),
    # As if nobody had written it.
    "evaluate_date": (None,),
    # A program of the shell's.
    "trial": (["a\nb"], ["a\x1b[31mb"]),
    "after_update": (["a\nb"], ["a\x1b[31mb"]),
    "beside": (["a\nb"], ["a\x1b[31mb"]),
    "since": (["a\nb"], ["a\x1b[31mb"]),
    "replay": (["a\nb"], ["a\x1b[31mb"]),
    "empty": (["a\nb"], ["a\x1b[31mb"]),
    "before_members": (["a\nb"], ["a\x1b[31mb"]),
    "without_members": (["a\nb"], ["a\x1b[31mb"]),
    # Names with commas, as -e has them.
    "stack_rotate_secrets": ("one, two",),
    # There is none for a release that has no such updates.
    "vm_debian_security_mirror": ("",),
    # Five at a time.
    "inception_batch": (5,),
    # An authority asks for none.
    "inception_acme_email": ("",),
    "stack_wordpress_archive_sha256": ("",),
}


@dataclass(frozen=True)
class Case:
    """What somebody wrote, and what the refusal has to name."""

    kind: str
    name: str
    value: Any
    said: tuple[str, ...]

    def problem(self) -> str:
        """What is missing in the refusal, or nothing."""
        about = [line for line in self.said if re.search(rf"\b{re.escape(self.name)}\b", line)]
        if not self.said:
            return "not refused"
        if not about:
            return f"not named: {self.said[0]}"
        if any("\n" in line or len(line) > 400 for line in self.said):
            return f"no single line: {about[0]!r}"
        if not any(re.search(r"; for example: \S|did you mean \S|such as \S", line) for line in about):
            return f"no example: {about[0]}"
        return ""


def _settings_said(values: dict[str, Any]) -> tuple[str, ...]:
    everything = {**BESIDE, **values}
    return tuple(settings.problems(settings.Variables(everything, everything), TODAY, ["inception_login"], KNOWN))


def _bad_values(option: specs.Option) -> Iterator[Any]:
    found = [*OF_TYPE["str" if option.choices and option.kind != "list" else option.kind]]
    if option.choices:
        found += _nearly(str(option.choices[0]))
    elif option.kind in ("str", "int"):
        found += (value for pattern, values in OF_NAME if re.search(pattern, option.name) for value in values)
    yield from (value for value in found if value not in GOOD.get(option.name, ()))


def _nearly(word: str) -> Iterator[str]:
    yield from ("", f"{word}x", f"{word} ", word.upper() if word.upper() != word else f"{word}{word}")


SHARED, OF_ROLES = "shared settings", "settings of one role"


def values() -> Iterator[Case]:
    """Bad values of every setting."""
    for name, option in specs.options().items():
        for value in _bad_values(option):
            kind = SHARED if name.startswith(names.OWN) else OF_ROLES
            yield Case(kind, name, value, _settings_said({name: value}))


def _misspelt(name: str) -> Iterator[str]:
    """As one misspells: a letter left out, twice, or before its neighbour; a hyphen; capitals; no underscore."""
    prefix, rest = name.split("_", 1)
    middle = len(rest) // 2
    yield f"{prefix}_{rest[:middle]}{rest[middle + 1 :]}"
    yield f"{prefix}_{rest[:middle]}{rest[middle]}{rest[middle:]}"
    yield f"{prefix}_{rest[: middle - 1]}{rest[middle]}{rest[middle - 1]}{rest[middle + 1 :]}"
    yield f"{prefix}-{rest.replace('_', '-')}"
    yield name.upper()
    yield f"{prefix}_{rest.replace('_', '')}"
    # The plural of a short name is another's.
    if len(rest) > 4:
        yield f"{name}s" if not name.endswith("s") else name[:-1]


def misspelt_names() -> Iterator[Case]:
    known = {*specs.options(), *names.OF_PLAYBOOKS, *names.RETURNED}
    for name in specs.options():
        for wrong in dict.fromkeys(_misspelt(name)):
            if wrong not in known:
                yield Case("misspelt names", wrong, "x", _settings_said({wrong: "x"}))


# service.yml


def _samples(value: schema.Value) -> Iterator[Any]:
    """What is no value of this kind."""
    match value:
        case schema.Text():
            yield from (None, 5, True, [], {}, *LINES)
        case schema.Scalar():
            yield from (None, [], {}, "a\nb")
        case schema.Flag():
            yield from ("maybe", "", None, 2, [], {})
        case schema.Number():
            yield from ("many", "", None, True, value.least - 1, value.most + 1, [], {})
        case schema.Choice():
            yield from (None, True, 5, [], *_nearly(value.values[0]))
        case schema.Port():
            yield from ("http", "", None, True, "80:80", -1, 1.5, [], {})
        case schema.List():
            yield from ("one", 5, None, {"a": 1}, [None], *([one] for one in _samples(value.of)))
        case schema.Table():
            yield from ("one", 5, None, ["a"], {"a b": 1}, {1: 2})
        case schema.Record():
            yield from ("one", 5, None, ["a"])


def _written(place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A description with a value at a place; what is in a list is its only item."""
    said: Any = value
    for key in reversed(place):
        said = [said] if key == "[]" else {key: said}
    return {"about": "mine", **said}


def _keys(record: schema.Record, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], schema.Value, bool]]:
    """Each key of a record and of those in it, with its value."""
    for name, key in record.keys.items():
        yield (*place, name), key.value, key.required
        inner = key.value
        below: tuple[str, ...] = (*place, name)
        if isinstance(inner, schema.List):
            inner, below = inner.of, (*below, "[]")
        elif isinstance(inner, schema.Table):
            inner, below = inner.of, (*below, "cache")
        if isinstance(inner, schema.Record):
            yield from _keys(inner, below)


def _described(kind: str, name: str, said: Any) -> Case:
    text = yaml.safe_dump(said)
    found = description.read("mine", "mine/service.yml", text, text).problems
    return Case(kind, name, said, tuple(found))


def descriptions() -> Iterator[Case]:
    """service.yml with a bad value, a misspelt key, or without one that it needs."""
    for place, value, required in _keys(schema.SERVICE):
        key = place[-1]
        for bad in _samples(value):
            if bad not in GOOD.get(key, ()):
                yield _described("values in service.yml", key, _written(place, bad))
        if isinstance(value, schema.Record):
            yield _described("keys in service.yml", "nonsense", _written((*place, "nonsense"), 1))
        for wrong in dict.fromkeys((f"{key[:-2]}{key[-1]}{key[-2]}", f"{key}x", key.upper())):
            if wrong != key:
                yield _described("keys in service.yml", wrong, _written((*place[:-1], wrong), "x"))
        if required and len(place) > 1:
            yield _described("keys in service.yml", key, _written(place[:-1], {}))


def table(found: list[Case]) -> str:
    tried = collections.Counter(case.kind for case in found)
    good = collections.Counter(case.kind for case in found if not case.problem())
    lines = ["| what | tried | refused with name, reason and example |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {kind} | {count} | {good[kind]} |" for kind, count in tried.items())])
