# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image's archive is begun in the background, wherever the interpreter and the home are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import yaml


def test_the_build_goes_on_in_the_background(collections_path: Path, tmp_path: Path) -> None:
    """With an interpreter in a folder with a space, and a HOME that is not the account's."""
    venv.create(tmp_path / "an interpreter", symlinks=True)
    built = tmp_path / "a cache/base/debian.tar.zst"
    release = tmp_path / "release"
    told = {
        "inception_login": "wil",
        "inception_base_source": "bootstrap",
        "__inception_is_deployed": False,
        "__base_image_built": str(built),
        "__base_image_build_programs": [],
        # It ends when it is told to, so that what waited for it would be seen.
        "__base_image_build": [
            "sh",
            "-c",
            'until [ -e "$1" ]; do sleep 0.1; done; echo much; touch "$2"',
            "sh",
            str(release),
            str(built),
        ],
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": str(tmp_path / "an interpreter/bin/python")},
        "tasks": [
            {
                "ansible.builtin.include_role": {
                    "name": "fortytwo.inception.base_image",
                    "tasks_from": "TASKS",
                }
            },
        ],
    }
    tasks = next(
        name
        for name in ("prefetch.yml", "ahead.yml")
        if (collections_path / "ansible_collections/fortytwo/inception/roles/base_image/tasks" / name).exists()
    )
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(yaml.safe_dump([play]).replace("TASKS", tasks))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "--inventory",
            "localhost,",
            str(playbook),
            "-e",
            json.dumps(told),
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "HOME": str(tmp_path / "another home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not built.exists()
    release.touch()
    for _ in range(100):
        if built.exists():
            break
        time.sleep(0.1)
    assert built.exists()
