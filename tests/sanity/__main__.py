# SPDX-License-Identifier: GPL-3.0-or-later
"""What the field checks, on the collection as it is installed: `make sanity`; every version: `make sanity ARGS=--all`.

The tarball is built, unpacked with the collections that it depends on into a folder outside the checkout, and there
run ansible-test, Galaxy's importer, antsibull-docs and reuse. What they need is kept in .cache/sanity.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".cache/sanity"
NEEDED = ("ansible/posix", "community/crypto", "community/docker", "community/general")
# ansible-core, and the Pythons of a control node that it is checked on; the last is told of, and fails nothing.
MATRIX = (("2.19", "3.11"), ("2.20", "3.12"), ("2.20", "3.13"), ("2.21", "3.12"), ("2.21", "3.13"), ("next", "3.13"))
TOOLS = ("galaxy-importer>=0.4.44,<0.5", "antsibull-docs>=2.28,<3", "ansible-core>=2.20,<2.21")
DOCS = ("--plugin-docs", "--skip-rstcheck", "--validate-collection-refs=all")
# The release that get-pip.py is asked for by its name, which differs with ansible-core.
PIPS = ("24_2", "25_2", "25_3", "26_0")


@dataclass(frozen=True)
class Outcome:
    check: str
    passed: bool
    told: str
    seconds: float
    counts: bool = True


def call(argv: list[str | Path], *, folder: Path, log: Path, **env: str) -> tuple[bool, str]:
    """Whether a command ended well, and what it printed, which goes into a log too."""
    everything = {**os.environ, **env}
    done = subprocess.run(
        argv, cwd=folder, env=everything, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout)
    return done.returncode == 0, done.stdout


def python(version: str) -> Path | None:
    """An interpreter of this version: the one that runs this, one in PATH, or pyenv's."""
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return Path(sys.executable)
    versions = os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")
    found = [path for path in [shutil.which(f"python{version}")] if path and "/shims/" not in path]
    found += sorted(str(path) for path in Path(versions, "versions").glob(f"{version}.*/bin/python3"))
    return Path(found[-1]) if found else None


def environment(name: str, version: str, packages: list[str]) -> Path:
    """A virtual environment that stays for the next time."""
    folder = KEPT / name
    ready = folder / "ready"
    if not ready.is_file() or ready.read_text() != "\n".join(packages):
        interpreter = python(version)
        if interpreter is None:
            raise SystemExit(f"Python {version} is missing; install it, for example: pyenv install {version}")
        print(f"--- installing {' '.join(packages)} on Python {version}", flush=True)
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", *packages], check=True)
        ready.write_text("\n".join(packages))
    return folder / "bin"


def installed(folder: Path) -> tuple[Path, Path]:
    """The tarball, and the collection that was in it, in a tree with all that it depends on."""
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--output-path", folder, ROOT], check=True, stdout=subprocess.DEVNULL
    )
    [tarball] = folder.glob("*.tar.gz")
    [bundled] = Path(sys.prefix).glob("lib/python*/site-packages/ansible_collections")
    tree = folder / "ansible_collections"
    for name in NEEDED:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(bundled / name)
    collection = tree / "fortytwo/inception"
    collection.mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(collection, filter="data")
    return tarball, collection


def ansible_test(core: str, version: str, collection: Path, logs: Path) -> Outcome:
    wanted = "ansible-core>=2.22.0b1,<2.23" if core == "next" else f"ansible-core=={core}.*"
    tools = environment(f"core-{core}-{version}", version, [*(["--pre"] if core == "next" else []), wanted])
    home = KEPT / "home"
    for pip in PIPS:
        script = home / f".ansible/test/cache/get_pip_{pip}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests/sanity/get_pip.py", script)
    started = time.monotonic()
    passed, printed = call(
        [tools / "ansible-test", "sanity", "--color", "no", "--python", version],
        folder=collection,
        log=logs / f"ansible-test-{core}-{version}.log",
        HOME=str(home),
        PATH=f"{tools}:{os.environ['PATH']}",
        ANSIBLE_COLLECTIONS_PATH=str(collection.parents[2]),
    )
    run = len(set(re.findall(r'^Running sanity test "([\w-]+)"', printed, re.MULTILINE)))
    found = sum(int(count) for count in re.findall(r"^ERROR: Found (\d+) ", printed, re.MULTILINE))
    failed = re.findall(r"^FATAL: (?:The (\d+) sanity test|Sanity test)", printed, re.MULTILINE)
    many = next((int(number or 1) for number in failed), 0)
    told = f"{run} tests, {many} failed, {found} findings" if run else printed.strip().rpartition("\n")[2]
    return Outcome(f"ansible-test {core}, Python {version}", passed, told, time.monotonic() - started, core != "next")


def others(tarball: Path, collection: Path, logs: Path) -> list[Outcome]:
    """What does not depend on the version of Ansible."""
    tools = environment("tools", "3.12", list(TOOLS))
    path = f"{tools}:{os.environ['PATH']}"
    tree = str(collection.parents[2])
    checks: list[tuple[str, list[str | Path], Path]] = [
        ("Galaxy's importer", [tools / "python", "-m", "galaxy_importer.main", tarball], tarball.parent),
        (
            "antsibull-docs",
            [
                tools / "antsibull-docs",
                "lint-collection-docs",
                "--plugin-docs",
                "--skip-rstcheck",
                "--validate-collection-refs=all",
                ".",
            ],
            collection,
        ),
        ("reuse", ["reuse", "lint"], ROOT),
    ]
    outcomes = []
    for name, argv, folder in checks:
        started = time.monotonic()
        log = logs / f"{name.replace(' ', '-')}.log"
        passed, printed = call(argv, folder=folder, log=log, PATH=path, ANSIBLE_COLLECTIONS_PATH=tree, PYTHONPATH="")
        lines = printed.strip().splitlines()
        outcomes.append(Outcome(name, passed, "nothing found" if passed else lines[-1], time.monotonic() - started))
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sanity", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every version of ansible-core, with its Pythons")
    parser.add_argument("--core", help="one version of ansible-core; for example: 2.21")
    parser.add_argument("--python", help="one version of Python; for example: 3.13")
    arguments = parser.parse_args()
    import ansible.release

    mine = ansible.release.__version__.rpartition(".")[0]
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    rows = [row for row in MATRIX if arguments.all or row[0] == arguments.core]
    rows = [row for row in rows if arguments.python in (None, row[1])]
    if not rows:
        rows = [(arguments.core or mine, arguments.python or here)]
    logs = KEPT / "logs"
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="inception-sanity-") as folder:
        tarball, collection = installed(Path(folder))
        outcomes += others(tarball, collection, logs)
        outcomes += [ansible_test(core, version, collection, logs) for core, version in rows]
    print("\n| check | result | | seconds |\n|---|---|---|---|")
    for one in outcomes:
        result = "green" if one.passed else "red" if one.counts else "red, reported only"
        print(f"| {one.check} | {result} | {one.told} | {one.seconds:.0f} |")
    print(f"\nWhat each printed: {logs}")
    return int(any(not one.passed and one.counts for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
