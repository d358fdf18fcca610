# SPDX-License-Identifier: GPL-3.0-or-later
"""The former release as a collection of its own: python -m tests.upgrade.former FOLDER

Which one that is: what INCEPTION_UPGRADE_FROM names (a commit, a tag, a branch), else the newest tag that this commit
comes after, else the commit before.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class NoFormer(Exception):
    """There is nothing to come from; the message says what to do."""


def git(repository: Path, *command: str) -> str | None:
    """What git says, or nothing when it refuses."""
    done = subprocess.run(["git", "-C", str(repository), *command], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def former(repository: Path, named: str | None = None) -> str:
    """The full id of the former release's commit."""
    head = git(repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head is None:
        raise NoFormer(f"{repository} is no git repository with a commit; the scenario upgrade needs the history.")
    if named:
        commit = git(repository, "rev-parse", "--verify", "--quiet", f"{named}^{{commit}}")
        if commit is None:
            raise NoFormer(
                f"INCEPTION_UPGRADE_FROM={named} is no commit here. One that is: INCEPTION_UPGRADE_FROM=HEAD~1"
            )
        return commit
    # A release's own tag is not the one before it.
    tag = git(repository, "describe", "--tags", "--abbrev=0", "--match=v*", "--match=[0-9]*", "HEAD~1")
    commit = git(repository, "rev-parse", "--verify", "--quiet", f"{tag or 'HEAD~1'}^{{commit}}")
    if commit is None:
        why = (
            "The history is shallow: git fetch --unshallow brings it."
            if shallow(repository)
            else "There is one commit."
        )
        raise NoFormer(f"There is no tag, and no commit before {head[:12]}. {why}")
    return commit


def shallow(repository: Path) -> bool:
    return git(repository, "rev-parse", "--is-shallow-repository") == "true"


def unpack(repository: Path, commit: str, root: Path) -> Path:
    """The files of a commit where Ansible looks for the collection; what was there goes."""
    folder = root / "ansible_collections/fortytwo/inception"
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = subprocess.run(
        ["git", "-C", str(repository), "archive", "--format=tar", commit], stdout=subprocess.PIPE, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> None:
    try:
        commit = former(ROOT, os.environ.get("INCEPTION_UPGRADE_FROM"))
    except NoFormer as error:
        sys.exit(str(error))
    unpack(ROOT, commit, Path(sys.argv[1]))
    print(git(ROOT, "log", "-1", "--format=The former release is %h of %cs, %s", commit))


if __name__ == "__main__":
    main()
