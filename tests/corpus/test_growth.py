# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile text takes time by its length and not by the square of it.

By the square, 20,000 line breaks took 22 s and 40,000 colons 17 s of the processor, which is four times as much for
twice the length. By the length it is a second or some, and thirty are allowed: a generous time-out.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import credentials
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import LINE
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import (
    compose,
    dockerfile,
    documents,
    makefile,
    nginx,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read

from tests.corpus.build import base, put

NUMBER = 60_000
MOST = 30.0


def too_long(work: Callable[[int], Any], number: int) -> str:
    """What is wrong with the time that it takes, or nothing."""
    start = time.process_time()
    work(number)
    took = time.process_time() - start
    return "" if took <= MOST else f"{number}: {took:.1f} s"


def found_in(path: str) -> Callable[[str], Any]:
    return lambda text: credentials.find_credentials(path, text.encode(), {}, place=path)


READERS: dict[str, Callable[[str], Any]] = {
    "env": compose.environment_file,
    "env without values": lambda text: credentials.without_values("srcs/.env", text),
    "colons": compose.at_colons,
    "known values": lambda text: credentials.known_values({"srcs/.env": text, "secrets/x.txt": text}),
    "credentials of .env": found_in("srcs/.env"),
    "credentials of a script": found_in("srcs/x.sh"),
    "credentials of a document": found_in("README.md"),
    "credentials of php": found_in("srcs/wp-config.php"),
    "makefile": makefile.parse,
    "dockerfile": lambda text: dockerfile.parse(f"FROM debian\n{text}"),
    "nginx": nginx.parse,
    "document": documents.sections,
}
PIECES = ["\n", " ", ":", "a: ", "${A:-", "A=$A\n", "#", "\\\n", '"', "password:", "sed s|a|", "IDENTIFIED BY "]


def text_of(reader: str, piece: str, number: int) -> str:
    """As a reader gets it: in a line of a project no more than its limit stands."""
    text = piece * number
    if reader == "colons" or reader.startswith("credentials"):
        return text
    return "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))


@pytest.mark.parametrize("piece", PIECES, ids=repr)
@pytest.mark.parametrize("reader", READERS)
def test_readers(reader: str, piece: str) -> None:
    wrong = too_long(lambda number: READERS[reader](text_of(reader, piece, number)), NUMBER)
    assert not wrong, wrong


def compose_with(name: str, value: Any) -> str:
    read_in = yaml.safe_load(base()["srcs/docker-compose.yml"] or "")
    read_in["services"]["nginx"][name] = value
    return yaml.safe_dump(read_in)


WHOLE: dict[str, Callable[[int], tuple[str, str]]] = {
    "line breaks in .env": lambda number: ("srcs/.env", "\n" * number),
    "colons in a mount": lambda number: ("srcs/docker-compose.yml", compose_with("volumes", [":" * number])),
    "colons in an image": lambda number: ("srcs/docker-compose.yml", compose_with("image", "a:" * number)),
    "a folder of many parts": lambda number: ("srcs/docker-compose.yml", compose_with("build", "a/" * number)),
    "words of ENV": lambda number: ("srcs/requirements/nginx/Dockerfile", "FROM debian\nENV " + "paste" * number),
    "commands of RUN": lambda number: ("srcs/requirements/nginx/Dockerfile", "FROM debian\nRUN " + "a|" * number),
    "a device": lambda number: ("README.md", "data-root/home/" * number),
    "ampersands": lambda number: ("srcs/requirements/nginx/tools/x.sh", "#!/bin/sh\n" + "a &\n" * number),
    "values": lambda number: (
        "srcs/.env",
        "".join(f"A{one}_PASSWORD=Tr0ub4dor{one:06}x\n" for one in range(number // 4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_projects(tmp_path: Path, kind: str) -> None:
    put(tmp_path, base())

    def work(number: int) -> None:
        path, text = WHOLE[kind](number)
        (tmp_path / path).write_text(text)
        read(Project(json.loads(json.dumps(snapshot(str(tmp_path)))), datetime.date(2026, 11, 24)))

    wrong = too_long(work, NUMBER)
    assert not wrong, wrong


def test_of_a_long_line_the_beginning_is_read_and_the_rest_is_told(tmp_path: Path) -> None:
    put(tmp_path, base())
    script = tmp_path / "srcs/requirements/nginx/tools/x.sh"
    script.write_text("#!/bin/sh\n" + " " * 5_000 + "tail -f /dev/null\n")
    assert any("long lines of srcs/requirements/nginx/tools/x.sh" in one for one in snapshot(str(tmp_path))["limits"])
    script.write_text("#!/bin/sh\n" + "# a\n" * 20_000)
    assert any("first 65536 bytes of srcs/req" in one for one in snapshot(str(tmp_path))["limits"])


def test_colons_are_parted_as_before() -> None:
    for text, parts in {
        "a:b:ro": ["a", "b", "ro"],
        "${A:-b}:c": ["${A:-b}", "c"],
        "a": ["a"],
        "": [""],
        "${A:?x:y}/z:/w": ["${A:?x:y}/z", "/w"],
        "a:${B:-/c:d}": ["a", "${B:-/c:d}"],
        "::": ["", "", ""],
        "a}:b": ["a}", "b"],
    }.items():
        assert compose.at_colons(text) == parts
