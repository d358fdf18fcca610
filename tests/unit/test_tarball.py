# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-galaxy collection build` packs: all that git tracks of the collection, and nothing beside it."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHOLE = ("LICENSES", "changelogs", "docs", "inventory", "meta", "playbooks", "plugins", "roles")
PLANTED = (
    ".env",
    ".idea/workspace.xml",
    ".vault_pass",
    ".vault_pass.txt",
    "docs/.vault_pass",
    "evaluated/group_vars/all.yml",
    "export/wil/secrets/db_password.txt",
    "inventory/.vault_pass",
    "inventory/group_vars/all/vault.yml",
    "plugins/modules/__pycache__/tree.cpython-311.pyc",
    "reports/index.html",
    "roles/.idea/workspace.xml",
    "roles/stack/.vault_pass",
    "roles/stack/.vscode/settings.json",
    "roles/stack/tasks/main.yml.orig",
    "roles/stack/templates/project/__pycache__/x.pyc",
)


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def plant(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the tarball of a checkout in which somebody works."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    for name in PLANTED:
        plant(checkout / name, "planted\n")
    target = tmp_path_factory.mktemp("tarball")
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--output-path", target, checkout], check=True, capture_output=True
    )
    [tarball] = target.iterdir()
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if member.isfile()}


@pytest.mark.parametrize("folder", WHOLE)
def test_it_holds_all_that_git_tracks(packed: set[str], folder: str) -> None:
    def within(names: Iterable[str]) -> set[str]:
        return {name for name in names if name.startswith(f"{folder}/")}

    assert within(packed) == within(tracked())


def test_nothing_else_gets_in(packed: set[str]) -> None:
    assert packed - {"FILES.json", "MANIFEST.json"} - set(tracked()) == set()


def test_what_the_readme_points_at_is_there(packed: set[str]) -> None:
    assert {"README.md", "LICENSE", "CHANGELOG.md", "requirements.txt", "requirements.yml"} <= packed
