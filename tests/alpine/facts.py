# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of facts (facts.yml): what of Alpine is taken for granted, and where Alpine says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("facts.yml")


@dataclass(frozen=True)
class Service:
    """An OpenRC service as a recipe's init script describes it; without a command it runs nothing."""

    command: str = ""
    arguments: str = ""
    need: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    provide: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    log: str = ""
    # How it is ended, where not within five seconds.
    retry: str = ""
    prepare: str = ""


@dataclass(frozen=True)
class Package:
    """A package as its recipe splits it, and which files of Debian's packages stand for its own."""

    name: str
    recipe: str
    commit: str
    version: str
    depends: tuple[str, ...] = ()
    # Alpine's path: the path that the file has in Debian's package; what is a text of ours begins with a line's end.
    files: dict[str, str] = field(default_factory=dict)
    debs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    services: dict[str, Service] = field(default_factory=dict)
    # Waits for Alpine's own mirror.
    waits: bool = False
    # Alpine's own, in the root file system that the stand-in is made from.
    own: bool = False

    @property
    def repository(self) -> str:
        return self.recipe.split("/")[0]

    @property
    def is_made(self) -> bool:
        return not self.waits and not self.own


@dataclass(frozen=True)
class Table:
    release: str
    packages: dict[str, Package]
    # Facts that are no package, path or service of one: a name, and where it was read.
    others: dict[str, str]
    # What stands in the roles' files of Alpine and is this project's own.
    ours: tuple[str, ...]
    # Programs of busybox.
    applets: tuple[str, ...]

    def names(self) -> set[str]:
        """Every name that the table vouches for."""
        known = set(self.packages) | set(self.others)
        for package in self.packages.values():
            known |= set(package.files) | set(package.services)
        return known


def _service(told: dict[str, Any]) -> Service:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    return Service(**given)


def _package(name: str, told: dict[str, Any], recipes: dict[str, Any]) -> Package:
    read = recipes[told["recipe"]]
    lists = {key: tuple(told[key]) for key in ("depends", "debs", "users", "groups") if key in told}
    return Package(
        name=name,
        recipe=told["recipe"],
        commit=read["commit"],
        version=read["pkgver"],
        files=told.get("files", {}),
        services={service: _service(value or {}) for service, value in told.get("services", {}).items()},
        waits=told.get("waits", False),
        own=told.get("own", False),
        **lists,
    )


def load(path: Path = TABLE) -> Table:
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Table(
        release=told["release"],
        packages={name: _package(name, value, told["recipes"]) for name, value in told["packages"].items()},
        others=told["others"],
        ours=tuple(told["ours"]),
        applets=tuple(told["applets"]),
    )
