# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own program is one file that runs by itself, and what starts it comes and goes with the setting."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils import _program_file
from ansible_collections.fortytwo.inception.plugins.module_utils._program_file import (
    PERIODIC,
    PLACE,
    install_scheduled,
    install_units,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _machine_program as machine_program

ROOT = Path(__file__).resolve().parents[4]
SYSTEMD, CRON = "/run/systemd/system", "/etc/periodic"


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the machine has of the two."""
    there: list[str] = []
    is_dir = Path.is_dir
    monkeypatch.setattr(
        Path, "is_dir", lambda self: str(self) in there if str(self) in (SYSTEMD, CRON) else is_dir(self)
    )
    return there


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file()}


UNITS = {
    "etc/systemd/system/docker.service.d/inception.conf",
    "etc/systemd/system/inception-resume.service",
    "etc/systemd/system/multi-user.target.wants/inception-resume.service",
}
HEALTH = {
    "etc/systemd/system/inception-health.service",
    "etc/systemd/system/inception-health.timer",
    "etc/systemd/system/timers.target.wants/inception-health.timer",
}


def test_units_come_and_go(has: list[str], tmp_path: Path) -> None:
    has.append(SYSTEMD)
    assert install_units(tmp_path, health=True)
    assert files(tmp_path) == UNITS | HEALTH
    for name in files(tmp_path):
        assert (tmp_path / name).resolve().is_file()
    assert not install_units(tmp_path, health=True)
    assert install_units(tmp_path, health=False)
    assert files(tmp_path) == UNITS
    assert not install_units(tmp_path, health=False)


@pytest.mark.parametrize(
    ("changed", "active", "calls"),
    [
        (False, True, ["is-active"]),
        (False, False, ["is-active", "restart"]),
        (True, True, ["daemon-reload", "restart"]),
    ],
)
def test_a_timer_that_somebody_stopped_is_started(
    has: list[str], monkeypatch: pytest.MonkeyPatch, changed: bool, active: bool, calls: list[str]
) -> None:
    has.append(SYSTEMD)
    done: list[str] = []

    def call(*argv: str) -> bool:
        done.append(argv[1])
        return active if argv[1] == "is-active" else True

    monkeypatch.setattr(_program_file, "_written", lambda *dummy: changed)
    monkeypatch.setattr(_program_file, "_wanted", lambda *dummy: False)
    monkeypatch.setattr(_program_file, "_call", call)
    assert install_units(Path("/"), health=True) == (changed or not active)
    assert done == calls


@pytest.mark.parametrize("name", sorted(UNITS | HEALTH))
def test_what_somebody_took_away_comes_back(has: list[str], tmp_path: Path, name: str) -> None:
    has.append(SYSTEMD)
    install_units(tmp_path, health=True)
    (tmp_path / name).unlink()
    assert install_units(tmp_path, health=True)
    assert files(tmp_path) == UNITS | HEALTH


def test_the_cron_of_busybox(has: list[str], tmp_path: Path) -> None:
    has.append(CRON)
    assert install_units(tmp_path, health=True)
    assert files(tmp_path) == {PERIODIC}
    assert os.access(tmp_path / PERIODIC, os.X_OK)
    assert not install_units(tmp_path, health=True)
    assert install_units(tmp_path, health=False)
    assert files(tmp_path) == set()


def test_without_either_there_is_nothing(has: list[str], tmp_path: Path) -> None:
    assert not install_units(tmp_path, health=True)
    assert files(tmp_path) == set()


@pytest.mark.parametrize("name", ["backup", "update"])
def test_what_is_done_by_itself_comes_and_goes(has: list[str], tmp_path: Path, name: str) -> None:
    has.append(SYSTEMD)
    assert install_scheduled(tmp_path, name, "weekly")
    units = {f"{name}.service", f"{name}.timer"}
    assert {path.rpartition("inception-")[2] for path in files(tmp_path)} == units
    text = (tmp_path / f"etc/systemd/system/inception-{name}.service").read_text()
    assert f"ExecStart=/{PLACE} {name} --scheduled\n" in text
    assert "OnCalendar=weekly\n" in (tmp_path / f"etc/systemd/system/inception-{name}.timer").read_text()
    assert not install_scheduled(tmp_path, name, "weekly")
    assert install_scheduled(tmp_path, name, "daily")
    assert install_scheduled(tmp_path, name, "")
    assert files(tmp_path) == set()
    assert not install_scheduled(tmp_path, name, "")


def test_the_same_by_the_cron_of_busybox(has: list[str], tmp_path: Path) -> None:
    has.append(CRON)
    assert install_scheduled(tmp_path, "update", "daily")
    assert install_scheduled(tmp_path, "update", "weekly")
    assert files(tmp_path) == {"etc/periodic/weekly/inception-update"}
    assert f"/{PLACE} update --scheduled" in (tmp_path / "etc/periodic/weekly/inception-update").read_text()
    assert install_scheduled(tmp_path, "update", "")
    assert files(tmp_path) == set()


def test_all_of_it_is_removed() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/remove.yml").read_text(encoding="utf-8"))
    tasks = next(play for play in plays if "tasks" in play)["tasks"]
    removed = next(task["loop"] for task in tasks if task["name"] == "Remove the stack's folders")
    # The timer's link goes when the timer is disabled, before.
    wanted = {f"/{name}" for name in UNITS | HEALTH | {PERIODIC, PLACE}} - {
        "/etc/systemd/system/timers.target.wants/inception-health.timer"
    }
    assert wanted <= set(removed)


def test_the_program_runs_by_itself(tmp_path: Path) -> None:
    # Also of a virtual environment in a folder as people name them.
    python = tmp_path / "Hütte's python"
    python.symlink_to(sys.executable)
    program = tmp_path / "inception"
    archive = machine_program.archive()
    digest = machine_program.digest(archive)
    assert not _program_file.is_current(program, str(python), digest)
    _program_file.install(program, str(python), archive)
    assert _program_file.is_current(program, str(python), digest)
    for command in ("health", "tend", "status", "history"):
        done = subprocess.run(
            [program, "--root", tmp_path, command], capture_output=True, text=True, check=False, cwd="/", env={}
        )
        if os.geteuid() == 0:
            assert "Traceback" not in done.stderr, done.stderr
        else:
            assert "only root knows" in done.stderr


@pytest.mark.parametrize("what", ["another one", "another Python", "what is in it", "who may run it", "whose it is"])
def test_whatever_was_done_to_it_by_hand_is_seen(tmp_path: Path, what: str) -> None:
    program, archive = tmp_path / "inception", b"archive"
    _program_file.install(program, sys.executable, archive)
    digest = machine_program.digest(archive)
    assert _program_file.is_current(program, sys.executable, digest)
    if what == "what is in it":
        program.write_bytes(program.read_bytes() + b"#")
    elif what == "who may run it":
        program.chmod(0o644)
    elif what == "whose it is":
        if os.geteuid() != 0:
            pytest.skip("gives files to others")
        os.chown(program, 12345, -1)
    python = "/usr/bin/python4" if what == "another Python" else sys.executable
    assert not _program_file.is_current(program, python, "0" * 64 if what == "another one" else digest)


def test_all_that_it_is_made_of_is_in_it() -> None:
    """A part that imports another one is no part without it, and Ansible's own modules are not on a machine."""
    names = set(machine_program.PARTS)
    missing: set[tuple[str, str]] = set()
    for own in machine_program.PARTS:
        tree = ast.parse((machine_program.FOLDER / f"{own}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("ansible"):
                continue
            module, dummy, inside = str(node.module).partition(".module_utils.")
            if module.startswith("ansible_collections"):
                found = {inside} if inside else {one.name for one in node.names}
            else:
                # What is there for types alone, or for a module alone, is not at the top.
                found = {str(node.module)} if node in tree.body else set()
            missing |= {(own, one) for one in found - names}
    assert missing == set()
