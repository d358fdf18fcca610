# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/sanity/ignore-*.txt (`make readmes`): ansible-test takes a template without .j2 for what it will become.

What is rendered from them is linted by the unit tests, with the same linters and more.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("2.19", "2.20", "2.21", "2.22")
_JINJA = re.compile(r"\{\{|\{%|\{#")
_SUBPROCESS = re.compile(r"\bsubprocess\.(run|Popen|call|check_call|check_output)\(")
_SHELL = re.compile(r"#!\s*(/bin/(ba)?sh|/usr/bin/env (ba)?sh)\b")


def tracked(*folders: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [Path(name) for name in sorted(listed.split("\0")) if name and (ROOT / name).is_file()]


def templates() -> list[Path]:
    return [path for path in tracked("roles") if re.match(r"roles/[^/]+/templates/", str(path))]


def entries(path: Path, text: str) -> list[str]:
    """What ansible-test cannot judge of one template, each with its reason."""
    found = []
    if text.startswith("#!") and not _SHELL.match(text):
        found.append(f"{path} shebang!skip  # a program of the managed host or of a container, no module")
    if path.name == "compose.yml":
        found.append(f"{path} yamllint!skip  # a part of a compose file, which has the anchors")
    elif _JINJA.search(text):
        if path.suffix == ".sh":
            found.append(f"{path} shellcheck!skip  # a template; what is rendered is checked by the unit tests")
        if path.suffix in (".yml", ".yaml"):
            found.append(f"{path} yamllint!skip  # a template; what is rendered is checked by the unit tests")
    return found


def programs(name: str, text: str) -> list[str]:
    """What ansible-test takes since 2.21 for a module that should call run_command, which can do less."""
    if _SUBPROCESS.search(text):
        return [f"{name} pylint:ansible-bad-function  # run_command has no time limit, and ends no group of processes"]
    return []


def wanted(version: str) -> str:
    lines = []
    if version not in ("2.19", "2.20"):
        for path in tracked("plugins/modules", "plugins/module_utils"):
            lines += programs(str(path), (ROOT / path).read_text(encoding="utf-8"))
    for path in templates():
        lines += entries(path, (ROOT / path).read_text(encoding="utf-8", errors="replace"))
    return "".join(f"{line}\n" for line in lines)


def main() -> int:
    for version in VERSIONS:
        (ROOT / f"tests/sanity/ignore-{version}.txt").write_text(wanted(version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
