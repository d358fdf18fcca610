# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed on a control node: of each requirement one release for each Python, with its checksums."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SETS = ("requirements.txt", "requirements-evaluate.txt", "requirements-dev.txt")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def wanted(name: str) -> Iterator[Requirement]:
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            yield from wanted(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            yield Requirement(line)


def locked(name: str) -> Iterator[tuple[Requirement, list[str]]]:
    text = (ROOT / ".config/locked" / name).read_text(encoding="utf-8").replace("\\\n", "")
    for line in (line for line in text.splitlines() if line and not line.lstrip().startswith("#")):
        written, *hashes = line.split("--hash=")
        yield Requirement(written.strip()), [one.strip() for one in hashes]


@pytest.mark.parametrize("name", SETS)
def test_each_release_has_checksums(name: str) -> None:
    for requirement, hashes in locked(name):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), f"make lock: {requirement} is not one release"
        assert hashes, f"make lock: {requirement} has no checksum"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", SETS)
def test_each_requirement_is_met(name: str, python: str) -> None:
    here = {
        **{name: str(of) for name, of in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.1",
    }
    releases: dict[str, str] = {}
    for requirement, _ in locked(name):
        if requirement.marker is None or requirement.marker.evaluate(here):
            project = canonicalize_name(requirement.name)
            assert project not in releases, f"{requirement.name} is there twice for Python {python}"
            releases[project] = str(requirement.specifier).removeprefix("==")
    for requirement in wanted(name):
        release = releases.get(canonicalize_name(requirement.name))
        assert release, f"make lock: nothing of {requirement.name} for Python {python}"
        assert requirement.specifier.contains(release, prereleases=True), f"make lock: {requirement} is not {release}"


def test_the_sets_agree() -> None:
    """Each is installed on top of the one before."""
    sets = [{str(requirement): hashes for requirement, hashes in locked(name)} for name in SETS]
    releases = [{(one.name, str(one.specifier)) for one in map(Requirement, of)} for of in sets]
    assert releases[0] <= releases[1] <= releases[2]
