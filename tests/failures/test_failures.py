# SPDX-License-Identifier: GPL-3.0-or-later
"""Each failure that is provoked on the machine is told on one screen, with the words that matter.

In the scenario failures (make test-failures). INCEPTION_SCREENS names a folder to keep the screens in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.failures.ways import COMPOSE, WAYS, Way

ROOT = Path(__file__).resolve().parents[2]
SCREEN = 25
PATIENCE = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("failures")
    (place / "no.pem").write_text("no certificate\n")
    return place


def inventory() -> Path:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory")


def deployment(folder: Path, way: Way | None) -> list[str]:
    """The command, as a user types it."""
    found = inventory()
    settings: dict[str, Any] = dict(way.settings) if way else {}
    if way and way.dockerfile:
        service = folder / "services/broken"
        service.mkdir(parents=True, exist_ok=True)
        (service / "Dockerfile").write_text(way.dockerfile)
        (service / "service.yml").write_text(way.service)
        (service / "compose.yml").write_text(COMPOSE % way.check)
        settings |= {"inception_service_dirs": [str(folder / "services")], "inception_bonus_services": ["broken"]}
    if way and way.inventory[0]:
        [text] = [text for file in found.iterdir() if way.inventory[0] in (text := file.read_text())]
        found = folder / "elsewhere.yml"
        found.write_text(text.replace(*way.inventory))
    return [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"--inventory={found}",
        "playbooks/deploy.yml",
        f"--extra-vars={json.dumps(settings)}",
    ]


def environment(folder: Path) -> dict[str, str]:
    """As in this project's folder, but for the ssh options of the scenario."""
    return os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "false",
        "ANSIBLE_SSH_COMMON_ARGS": "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "ANSIBLE_NOCOLOR": "1",
        # Molecule forces colors, which are stronger.
        "ANSIBLE_FORCE_COLOR": "0",
        "INCEPTION_FAILURES_DIR": str(folder / "results"),
        "FAILURES_FOLDER": str(folder),
    }


def root(host: Any, command: str) -> None:
    done = host.run(command)
    assert done.rc == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def screen(output: str) -> str:
    """From the name of the task that failed to what Ansible itself counts at its end."""
    found = re.search(
        r"^(?:failed|unreachable): .*?(?=\n\nPLAY RECAP|\n\nNO MORE HOSTS|\n\nTASK|\n\nPLAY)",
        output,
        re.DOTALL | re.MULTILINE,
    )
    assert found, output
    return found[0]


def keep(name: str, output: str) -> None:
    if kept := os.environ.get("INCEPTION_SCREENS"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        Path(kept, name.replace(" ", "-").replace("'", "") + ".txt").write_text(output)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, host: Any) -> Iterator[tuple[str, Way]]:
    chosen = WAYS[request.param]
    if chosen.spoil:
        root(host, chosen.spoil)
    try:
        yield request.param, chosen
    finally:
        if chosen.repair:
            root(host, chosen.repair)


def test_it_is_told_on_one_screen(way: tuple[str, Way], host: Any, folder: Path) -> None:
    name, chosen = way
    with subprocess.Popen(
        deployment(folder, chosen),
        cwd=ROOT,
        env=environment(folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        if chosen.meanwhile:
            end = time.monotonic() + PATIENCE
            while host.run(f"pgrep -f '^{chosen.when}'").rc != 0:
                assert time.monotonic() < end, f"'{chosen.when}' never ran"
                assert process.poll() is None, process.communicate()[0]
                time.sleep(1)
            # It cuts off its own connection perhaps, which testinfra takes for an error.
            with contextlib.suppress(RuntimeError):
                host.run(chosen.meanwhile)
        output, _ = process.communicate(timeout=PATIENCE * 3)
    assert process.returncode != 0, output
    shown = screen(output)
    keep(name, shown)
    assert len(shown.splitlines()) <= SCREEN, shown
    # What the table of causes says is broken into lines.
    words = re.sub(r"\n +", " ", shown)
    missing = [part for part in chosen.says if part not in shown and part not in words]
    assert not missing, shown


def test_after_all_of_them_a_deployment_ends_well(folder: Path) -> None:
    done = subprocess.run(deployment(folder, None), cwd=ROOT, env=environment(folder), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
