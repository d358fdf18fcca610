# SPDX-License-Identifier: GPL-3.0-or-later
"""A turn of secrets as the role does it, on the control node: real files, the real module, stand-ins for services."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.tests.unit import rendering

ROLE = rendering.ROLE
ME = pwd.getpwuid(os.getuid())

# Has a container of each service. Notes what each is told, and prints what it changed. With the file docker.deaf, no
# new value is accepted.
DOCKER = """\
#!/bin/sh
case $1 in
    ps) echo c-site; echo c-cache ;;
    compose)
        case $* in
            *config*) echo '{"name": "inception", "services": {"site": {}, "cache": {}}}' ;;
            *--dry-run*) printf ' DRY-RUN MODE -  Container c-%s  Running\\n' site cache >&2 ;;
            *) exit 7 ;;
        esac ;;
    image) ;;
    inspect) cat "$0.json" ;;
    exec)
        [ "$2 $4" = "--interactive accept" ] || exit 9
        told=$(cat)
        echo "$told" | sed "s/^/${3#c-} /" >>"$0.log"
        if [ -e "$0.deaf" ] && echo "$told" | grep -q '^accept .* new'; then echo 'It does not hear.' >&2; exit 1; fi
        echo changed ;;
    *) exit 8 ;;
esac
"""


def container(service: str) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service, "com.docker.compose.container-number": "1"}
    return {
        "Id": f"c-{service}",
        "Name": f"/c-{service}",
        "State": {"Running": True, "Status": "running", "StartedAt": "", "ExitCode": 0, "Pid": 0},
        "Config": {"Labels": labels, "Env": ["PATH=/bin"]},
    }


class Turn:
    """A project with two services that learn their secrets, and one turn of them."""

    def __init__(self, folder: Path, collections: Path) -> None:
        self.folder, self.collections = folder, collections
        self.secrets = folder / "secrets"
        self.secrets.mkdir(mode=0o700)
        (folder / "srcs").mkdir()
        self.docker = folder / "docker"
        self.docker.write_text(DOCKER)
        self.docker.chmod(0o755)
        (folder / "docker.json").write_text(json.dumps([container("site"), container("cache")]))
        for name in ("word", "key"):
            self.write(f"{name}.txt", f"old-{name}")

    def write(self, name: str, value: str) -> None:
        (self.secrets / name).write_text(value)
        (self.secrets / name).chmod(0o400)

    def values(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.secrets.iterdir() if ".txt" in path.name}

    def told(self) -> list[str]:
        """What the services were told since the last question."""
        log = Path(f"{self.docker}.log")
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def run(self, *names: str, check: bool = False) -> tuple[bool, str]:
        """Whether it succeeded, and what was printed."""
        variables = {
            "inception_login": ME.pw_name,
            "inception_project": "inception",
            "__stack_login": {"gid": ME.pw_gid},
            "__inception_project_dir": str(self.folder),
            "__stack_secrets_dir": str(self.secrets),
            "__stack_secrets": [{"name": "word"}, {"name": "key"}],
            "__stack_hot_reload": {"cache": ["word"], "site": ["word", "key"]},
            "__stack_revisions": {},
            "__stack_deployment": {
                "path": str(self.folder),
                "manifest": str(self.folder / "manifest.json"),
                "root": str(self.folder / "root"),
            },
            "__stack_turned": list(names),
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }
        task = {"ansible.builtin.include_tasks": {"file": str(ROLE / "tasks/rotate_turn.yml")}}
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [task]}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        finished = subprocess.run(
            ["ansible-playbook", "-c", "local", *(["--check"] if check else []), "play.yml"],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(rendering.ROOT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return finished.returncode == 0, finished.stdout + finished.stderr


@pytest.fixture
def turn(tmp_path: Path, collections_path: Path) -> Turn:
    tmp_path.chmod(0o755)
    return Turn(tmp_path, collections_path)


def test_a_whole_turn(turn: Turn) -> None:
    done, said = turn.run("word")
    assert done, said
    values = turn.values()
    assert set(values) == {"word.txt", "key.txt"}
    assert values["key.txt"] == "old-key"
    new = values["word.txt"]
    assert new != "old-word"
    assert len(new) == 32
    # Each service is told all that it learns, so that it can use one secret to change another.
    assert turn.told() == [
        "cache accept word old-word",
        f"cache accept word {new}",
        "site accept word old-word",
        "site accept key old-key",
        f"site accept word {new}",
        f"cache accept word {new}",
        "cache refuse word old-word",
        f"site accept word {new}",
        "site accept key old-key",
        "site refuse word old-word",
    ]
    assert new not in said


def test_only_who_learns_a_secret_is_told(turn: Turn) -> None:
    assert turn.run("key")[0]
    assert {line.split()[0] for line in turn.told()} == {"site"}


def test_a_turn_that_was_cut_off_before_the_new_value_was_in_its_place(turn: Turn) -> None:
    turn.write("word.txt.next", "new-word-that-was-drawn-before-the-cut")
    assert turn.run("word")[0]
    assert turn.values() == {"word.txt": "new-word-that-was-drawn-before-the-cut", "key.txt": "old-key"}


def test_a_turn_that_was_cut_off_afterwards(turn: Turn) -> None:
    turn.write("word.txt.previous", "older-word")
    assert turn.run("word")[0]
    assert turn.values() == {"word.txt": "old-word", "key.txt": "old-key"}
    # The oldest comes first: who can accept one value only is left with the last.
    assert turn.told()[:2] == ["cache accept word older-word", "cache accept word old-word"]
    assert turn.told() == []


def test_a_service_that_does_not_take_a_value(turn: Turn) -> None:
    turn.write("word.txt.previous", "older-word")
    turn.write("key.txt.next", "new-key-that-the-site-does-not-take")
    Path(f"{turn.docker}.deaf").touch()
    done, said = turn.run("word", "key")
    assert not done
    assert (
        "A service did not take its new values, so the old ones stay, and work:\nsite: It does not hear."
        in "\n".join(line.strip() for line in said.splitlines())
    )
    # What was in its place before is not taken back; what was only staged is.
    assert turn.values() == {"word.txt": "old-word", "word.txt.previous": "older-word", "key.txt": "old-key"}
    assert turn.told()[-4:] == [
        "site accept word older-word",
        "site accept word old-word",
        "site accept key old-key",
        "site refuse key new-key-that-the-site-does-not-take",
    ]


def test_check_mode_says_what_and_does_nothing(turn: Turn) -> None:
    before = turn.values()
    done, said = turn.run("word", "key", check=True)
    assert done, said
    assert "these would be rotated: word, key." in said
    assert (turn.values(), turn.told()) == (before, [])
