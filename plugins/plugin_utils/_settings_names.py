# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of variables are misspelt settings.

What begins with inception_ is this collection's. The other prefixes are words of the field: an inventory may hold
docker_users or host_ip for other roles, so only what is nearly one of our names is taken for a misspelt one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

OWN = "inception_"
# Prefixes that are rarely another's: a name may differ from ours by more.
RARE = ("stack_", "base_image_", "evaluate_", "control_node_")
COMMON = ("host_", "docker_", "cluster_", "vm_")

# What our playbooks ask for, and what our roles return: known, and no setting of a role.
OF_PLAYBOOKS = frozenset({"inception_yes", "rotate_secrets", "export_dir"})
RETURNED = frozenset(
    {"base_image_digest", "base_image_archive_path", "base_image_engine", "base_image_kept", "vm_machine"}
)

# The names that settings had once, and those of their values.
RENAMED: Mapping[str, str] = {
    "evaluate_newest": "evaluate_sheet_version (5 in place of true, 3 in place of false)",
    "controller_programs": "control_node_programs",
    "host_open_udp_ports": "host_open_ports (51820/udp in place of 51820)",
}
RENAMED_VALUES: Mapping[tuple[str, Any], str] = {
    ("evaluate_depth", "read"): "static",
    ("evaluate_depth", "full"): "runtime",
}

_SHORTEST = 5
_SHORT = 8


def distance(one: str, other: str, most: int) -> int:
    """How many letters are to be changed, added, removed or swapped with the next; at most most + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _words(name: str) -> list[str]:
    return sorted(name.split("_"))


def _spelt_alike(name: str, known: str, prefix: str, common: bool) -> bool:
    """Whether a name looks like one that was meant to be the known one."""
    own, other = name.removeprefix(prefix), known.removeprefix(prefix)
    if own.replace("_", "") == other.replace("_", "") or _words(own) == _words(other):
        return True
    if len(other) < _SHORTEST:
        # A letter too many, too few, or before its neighbour. Another letter makes another word, as its plural is one.
        slip = len(own) != len(other) or sorted(own) == sorted(other)
        return slip and own != f"{other}s" and distance(own, other, 1) == 1
    most = 1 if len(other) < _SHORT else 2
    return distance(own, other, most) <= most or (not common and _likeness(own, other) >= 0.8)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The setting that was probably meant: of the same end, of the same beginning, or of nearly the same letters."""
    names = sorted(known)
    rest = name.partition("_")[2]
    same_end = [other for other in names if rest and (other.endswith(f"_{rest}") or other == rest)]
    same_beginning = [other for other in names if other.startswith(f"{name}_") or name.startswith(f"{other}_")]
    if candidates := same_end or same_beginning:
        return min(candidates, key=lambda other: (not other.startswith(OWN), len(other), other))
    ends = {other.partition("_")[2]: other for other in names if other.partition("_")[0] == name.partition("_")[0]}
    alike = difflib.get_close_matches(rest, sorted(ends), n=1, cutoff=0.6)
    return ends[alike[0]] if alike else None


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


def _meant(name: str, known: frozenset[str]) -> str | None:
    """The setting that a name with one of our prefixes, or nearly one, stands for; '' where nobody knows."""
    normal = _normal(name)
    if normal in known:
        return normal
    if one := next((other for other in known if other.replace("_", "") == normal.replace("_", "")), None):
        return one
    if normal.startswith(OWN):
        return nearest(normal, known) or ""
    for prefix in (*RARE, *COMMON):
        if normal.startswith(prefix):
            ours = [other for other in known if other.startswith(prefix)]
            alike = [other for other in ours if _spelt_alike(normal, other, prefix, prefix in COMMON)]
            return max(alike, key=lambda other: _likeness(normal, other), default=None)
    return _misspelt_prefix(normal, known)


def _misspelt_prefix(name: str, known: frozenset[str]) -> str | None:
    """inceptoin_login, inception__login and inceptionlogin, and what a playbook asks for."""
    if name[0] == "i" and "_" in name and distance(name[: len(OWN)], OWN, 3) <= 3:
        return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.85)), None)
    return next(
        (other for other in sorted(OF_PLAYBOOKS) if name[0] == other[0] and distance(name, other, 2) <= 2), None
    )


def unknown(variables: Iterable[str], settings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The variables that are no setting but look like one, each with what to say of it."""
    known = frozenset(settings) | OF_PLAYBOOKS | RETURNED
    for name in sorted(variables):
        if name in known or name.startswith(("_", "ansible_")):
            continue
        if name in RENAMED:
            yield name, f"is called {RENAMED[name]} now"
        elif (meant := _meant(name, known)) is not None:
            yield (
                name,
                f"unknown setting; did you mean {meant}?" if meant else "unknown setting; docs/settings.md has all",
            )


def without_prefix(variables: Iterable[str], settings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names without the prefix inception_: another role's, or an oversight, so they are only worth a warning."""
    known = frozenset(settings)
    for name in sorted(variables):
        if name not in known and name.startswith(COMMON) and OWN + name in known:
            yield name, OWN + name
