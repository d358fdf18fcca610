# SPDX-License-Identifier: GPL-3.0-or-later
"""The Makefile: what it is given is data, and neither make nor a shell carries anything of it out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.programs import python_program

TARGETS = (
    "deploy",
    "ssh",
    "host",
    "evaluate",
    "clean-builder",
    "sanity",
    "test-all",
    "bench",
    "logs",
    "wp",
    "open",
    "import",
)


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A checkout whose Python notes what it is given, and does what the Makefile has a file for."""
    folder = tmp_path / "checkout"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", ".config", "requirements.txt", "requirements-evaluate.txt", "requirements-dev.txt"):
        (folder / name).symlink_to(repository / name)
    python_program(
        folder / ".venv/bin/python",
        f"""import json, os, sys
if any(word.endswith("with_args.py") for word in sys.argv):
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
with open("{tmp_path}/calls", "a") as calls:
    print(json.dumps({{"argv": sys.argv[1:], "environment": dict(os.environ)}}), file=calls)
""",
    )
    for name in ("ready", "ready-evaluate", "ready-dev"):
        (folder / ".venv" / name).touch()
    return folder


def call(
    checkout: Path, *given: str, environment: dict[str, str] | None = None, words: str = ""
) -> subprocess.CompletedProcess[str]:
    (checkout / ".ansible").mkdir(exist_ok=True)
    (checkout / ".ansible/ssh.sh").write_text("true\n")
    return subprocess.run(
        ["make", *given],
        cwd=checkout,
        input=words,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def hostile(planted: Path) -> list[str]:
    touch = f"touch {planted}"
    return [f"$(shell {touch})", f"$$({touch})", f"`{touch}`", f"x; {touch} #", f"x\n{touch}", f"x' && {touch} '"]


def variables(repository: Path) -> set[str]:
    """Those that somebody may set: read as they are, given by ?=, or told by the list of targets."""
    text = (repository / "Makefile").read_text()
    return {*re.findall(r"\$\(value (\w+)\)", text), *re.findall(r"^(\w+) \?=", text, re.MULTILINE), "VENV"}


def test_all_variables_are_known(repository: Path) -> None:
    assert variables(repository) == {
        "ADDRESS", "ALPINE_MIRROR", "ALPINE_RELEASE", "ALPINE_SERVICES", "ARGS", "FILES", "FORGET", "INVENTORY", "KEY",
        "LC_ALL", "LIMIT", "LOGIN", "ONLY", "PREFIX", "PYTHON", "REPO", "SERVICE", "SITE", "TABLE", "TO", "UNDO", "URL",
        "VENV", "WITHOUT_BACKUP",
    }  # fmt: skip
    text = (repository / "Makefile").read_text()
    names = (
        "ADDRESS|ALPINE_[A-Z]+|ARGS|FILES|FORGET|INVENTORY|KEY|LC_ALL|LIMIT|LOGIN|ONLY|PREFIX|PYTHON|REPO|SERVICE|SITE|"
        "TABLE|TO|UNDO|URL|WITHOUT_BACKUP"
    )
    expanded = re.findall(rf"(?<!\$)\$\(({names})\)", text)
    assert not expanded


@pytest.mark.parametrize("target", TARGETS)
def test_no_value_is_carried_out(checkout: Path, repository: Path, tmp_path: Path, target: str) -> None:
    # The last one is a mistyped one.
    names = [*sorted(variables(repository)), "REPOS"]
    planted = {name: hostile(tmp_path / f"planted-{name}") for name in names}
    for values in zip(*planted.values(), strict=True):
        call(checkout, target, *map("=".join, zip(names, values, strict=True)))
        assert not list(tmp_path.glob("planted-*")), f"on the command line: {values[0]}"
    call(checkout, target, environment={name: planted[name][0] for name in names})
    assert not list(tmp_path.glob("planted-*")), "in the environment"


def test_the_first_one_makes_the_environment_with_a_python_that_is_a_path(checkout: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    for value in hostile(planted):
        (checkout / ".venv/ready").unlink(missing_ok=True)
        assert call(checkout, "deploy", f"PYTHON={value}").returncode
        assert not planted.exists(), value


def test_args_are_words(checkout: Path, tmp_path: Path) -> None:
    """Split as a shell does, so that what is written in the documents works; the rest stands as it was."""
    given = """-e '{evaluate_sections: [nginx, "a b"]}' --limit=* -e x=$HOME "$(id)" a;b"""
    words = ["-e", '{evaluate_sections: [nginx, "a b"]}', "--limit=*", "-e", "x=$HOME", "$(id)", "a;b"]
    assert call(checkout, "deploy", f"ARGS={given}").returncode == 0
    (told,) = (json.loads(line) for line in (tmp_path / "calls").read_text().splitlines())
    assert told["argv"][-8:] == ["playbooks/deploy.yml", *words]
    assert not {"ARGS", "INCEPTION_ARGS", "MAKEOVERRIDES"} & set(told["environment"])
    assert "id" not in told["environment"].get("MAKEFLAGS", "")


def test_args_that_are_no_words_are_named(checkout: Path) -> None:
    refused = call(checkout, "deploy", "ARGS=-e 'x")
    assert refused.returncode
    assert 'ARGS: "-e \'x" are no words (No closing quotation); good ones are' in refused.stderr


@pytest.fixture
def program(checkout: Path, tmp_path: Path) -> Path:
    """Where the words lie that came to the machine's own program: the playbook ssh writes a script that notes them."""
    python_program(
        checkout / ".venv/bin/python",
        f"""import os, sys
words = sys.argv[1:]
if any(word.endswith("with_args.py") for word in words) and not any(word.endswith("ssh.yml") for word in words):
    os.execv(sys.executable, [sys.executable, *words])
assert not os.environ.get("INCEPTION_ARGS"), os.environ["INCEPTION_ARGS"]
assert not sys.stdin.read()
with open(".ansible/ssh.sh", "w") as script:
    script.write('printf "%s\\\\n" "$@" >{tmp_path}/came; cat >>{tmp_path}/came\\n')
""",
    )
    return tmp_path / "came"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["logs"], ["logs"]),
        (["logs", "SERVICE="], ["logs"]),
        (["logs", "SERVICE=wordpress"], ["logs", "--", "wordpress"]),
        (["logs", "SERVICE=--help; x"], ["logs", "--", "--help; x"]),
        (["wp"], ["wp"]),
        (["wp", "ARGS=plugin list"], ["wp", "plugin", "list"]),
        (
            ["wp", "ARGS=post create --title=\"it's  so\" '$(x)' ''"],
            ["wp", "post", "create", "--title=it's  so", "$(x)", ""],
        ),
        (["db"], ["db"]),
        (["db", "ARGS=-e 'SELECT 1; SELECT 2'"], ["db", "-e", "SELECT 1; SELECT 2"]),
        (["health"], ["health", "--site"]),
    ],
)
def test_commands_of_the_machine_s_own_program(
    checkout: Path, program: Path, given: list[str], words: list[str]
) -> None:
    """What make is given is that program's, and so is what comes by standard input; the playbook has none of both."""
    done = call(checkout, *given, words="SELECT 3\n")
    assert done.returncode == 0, done.stderr
    assert program.read_text().splitlines() == ["--inception", *words, "SELECT 3"]
