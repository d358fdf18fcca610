# SPDX-License-Identifier: GPL-3.0-or-later
"""How the database is told of its secrets: its command accept, with a stand-in for what that calls."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.tests.unit import rendering

# As no folder and no variable of whoever runs this is named: they are looked for in all that a command was given.
NEW, OLD_ROOT, NEW_ROOT = "new-9f4e1c", "old-root-5b7d20", "new-root-e83a6f"
HARD = 'it\'s 4 "big" $HOME \\ `secret` #1 100%'

# A database: passwords.txt has a line "user value" for each value that is accepted, called.txt how it was called.
MARIADB = """\
#!/usr/bin/env python3
import os, re, sys
options = dict(re.findall(r'^(\\w+) = "(.*)"$', os.fdopen(3).read(), re.MULTILINE))
user, password = (re.sub(r"\\\\(.)", r"\\1", options[key]) for key in ("user", "password"))
with open("called.txt", "a") as called:
    print(user, *sys.argv[1:], sorted(os.environ.values()), file=called)
with open("passwords.txt") as stored:
    accepted = [tuple(line.rstrip("\\n").split(" ", 1)) for line in stored]
if (user, password) not in accepted:
    sys.exit(f"ERROR 1045 (28000): Access denied for user '{user}'@'localhost' (using password: YES)")
statement = sys.stdin.read()
if os.path.exists("broken") and statement.startswith("ALTER"):
    sys.exit(f"ERROR 1064 (42000) at line 1: You have an error in your SQL syntax near '{statement}'")
if found := re.match(r"(SHOW CREATE|ALTER) USER '(\\w+)'@", statement):
    if found[1] == "ALTER" and not os.path.exists("deaf"):
        values = re.findall(r"PASSWORD\\('((?:[^'\\\\]|''|\\\\.)*)'\\)", statement)
        values = [re.sub(r"''|\\\\(.)", lambda m: m[1] or "'", value) for value in values]
        accepted = [line for line in accepted if line[0] != found[2]] + [(found[2], value) for value in values]
        with open("passwords.txt", "w") as stored:
            stored.writelines(f"{user} {value}\\n" for user, value in accepted)
    elif found[1] == "SHOW CREATE":
        print([line for line in accepted if line[0] == found[2]])
"""


@pytest.fixture
def files(collections_path: Path) -> dict[str, str]:
    return rendering.project("debian-package", str(collections_path))


def command(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


class TestAccept:
    """The database's command, with a stand-in for the client."""

    @pytest.fixture
    def place(self, files: dict[str, str], tmp_path: Path) -> Path:
        room = "srcs/requirements/mariadb/tools/"
        command(tmp_path, "bin/mariadb", MARIADB)
        for name in ("quote.sh", "accept.sh"):
            script = files[room + name].replace("/usr/local/lib/inception", f"'{tmp_path}'")
            command(tmp_path, name, script.replace("/run/mysqld/client.cnf", f"'{tmp_path}/client.cnf'"))
        (tmp_path / "passwords.txt").write_text(f"wordpress {HARD}\nroot {OLD_ROOT}\n")
        return tmp_path

    def accept(self, place: Path, *told: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", place / "accept.sh"],
            cwd=place,
            env={
                "PATH": f"{place}/bin:{os.environ['PATH']}",
                "MARIADB_USER": "wordpress",
                "MARIADB_DATABASE": "wordpress",
                "MARIADB_PORT": "3306",
            },
            input="".join(f"{line}\n" for line in told),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def passwords(self, place: Path) -> set[str]:
        return set((place / "passwords.txt").read_text().splitlines())

    def test_two_values_then_the_new_one_alone(self, place: Path) -> None:
        both = [
            f"accept db_password {HARD}",
            f"accept db_password {NEW}",
            f"accept db_root_password {OLD_ROOT}",
            f"accept db_root_password {NEW_ROOT}",
        ]
        done = self.accept(place, *both)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "The account of db_root_password was changed.",
            "The account of db_password was changed.",
        ]
        assert self.passwords(place) == {
            f"wordpress {HARD}",
            f"wordpress {NEW}",
            f"root {OLD_ROOT}",
            f"root {NEW_ROOT}",
        }
        # The health check goes on with a value that is accepted all the time.
        escaped = HARD.replace("\\", "\\\\").replace('"', '\\"')
        assert f'password = "{escaped}"' in (place / "client.cnf").read_text()

        done = self.accept(place, *both)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

        done = self.accept(
            place,
            f"accept db_password {NEW}",
            f"accept db_root_password {NEW_ROOT}",
            f"refuse db_password {HARD}",
            f"refuse db_root_password {OLD_ROOT}",
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert self.passwords(place) == {f"wordpress {NEW}", f"root {NEW_ROOT}"}
        assert f'password = "{NEW}"' in (place / "client.cnf").read_text()

    def test_an_account_that_nothing_is_told_of_stays(self, place: Path) -> None:
        done = self.accept(place, f"accept db_root_password {OLD_ROOT}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert f"wordpress {HARD}" in self.passwords(place)

    def test_values_are_in_no_argument_and_no_environment(self, place: Path) -> None:
        self.accept(
            place,
            f"accept db_password {NEW}",
            f"accept db_root_password {NEW_ROOT}",
            f"refuse db_root_password {OLD_ROOT}",
        )
        called = (place / "called.txt").read_text()
        assert "--host=mariadb --port=3306" in called
        assert not [value for value in (NEW, OLD_ROOT, NEW_ROOT, HARD) if value in called]

    @pytest.mark.parametrize(
        ("obstacle", "told", "said"),
        [
            (
                "nothing",
                ["accept db_root_password wrong"],
                "Root is let in with no value that was told of db_root_password.",
            ),
            (
                "nothing",
                [f"accept db_password {NEW}"],
                "Root is let in with no value that was told of db_root_password.",
            ),
            (
                "deaf",
                [f"accept db_root_password {OLD_ROOT}", f"accept db_password {NEW}"],
                "refuses the value that it was given",
            ),
            (
                "deaf",
                [f"accept db_root_password {OLD_ROOT}", f"accept db_password {HARD}", f"refuse db_password {HARD}"],
                "still accepts the value that was taken from it",
            ),
            ("broken", [f"accept db_root_password {OLD_ROOT}"], "The database answered: ERROR 1064 (42000)\n"),
        ],
    )
    def test_a_failure_is_told_without_a_value(self, place: Path, obstacle: str, told: list[str], said: str) -> None:
        (place / obstacle).touch()
        done = self.accept(place, *told)
        assert done.returncode != 0
        assert said in done.stderr
        assert not [value for value in (OLD_ROOT, NEW, HARD) if value in done.stderr + done.stdout]
