# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has decided, as a deployment reads it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _decided
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, File, Files, History

DOCKERFILE = "srcs/requirements/nginx/Dockerfile"


def project(base: str) -> Files:
    return {DOCKERFILE: File(f"# The way in.\nFROM {base}\n\nRUN true\n".encode(), 0o644)}


@pytest.mark.parametrize(
    ("base", "release"),
    [
        ("debian:bookworm", {"family": "debian", "name": "bookworm"}),
        ("debian:trixie AS dump", {"family": "debian", "name": "trixie"}),
        ("alpine:3.23", {"family": "alpine", "name": "3.23"}),
        ("inception-debian:bookworm", {"family": "debian", "name": "bookworm"}),
        ("mirror.example.org:5000/library/debian:bookworm", {"family": "debian", "name": "bookworm"}),
        ("mine:1", {}),
        ("notdebian:bookworm", {}),
    ],
)
def test_the_release_is_read_from_what_was_deployed(base: str, release: dict[str, str]) -> None:
    assert _decided.release_of(project(base)) == release


def test_no_file_no_release() -> None:
    assert _decided.release_of({}) == {}


def deployed(history: History, number: int, base: str, root: str) -> None:
    entry = Entry(number, "2026-11-28T12:00:00Z", "wil", "deployment", digest=f"{number}")
    history.add(entry, project(base), {"root": root})
    assert asdict(entry)["number"] == number


def test_of_the_deployments_the_one_that_runs_counts(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    root, manifest = str(tmp_path / "inception"), str(tmp_path / "wil.json")
    deployed(history, 1, "debian:bookworm", root)
    deployed(history, 2, "debian:trixie", root)
    assert _decided.found(root, manifest, history)["release"]["name"] == "trixie"
    history.mark(2, "gave way", "it did not last")
    assert _decided.found(root, manifest, history)["release"]["name"] == "bookworm"


def test_a_machine_without_a_history_says_it_by_its_project(tmp_path: Path) -> None:
    root, manifest = tmp_path / "inception", tmp_path / "wil.json"
    for path, file in project("debian:bookworm").items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(file.data)
    manifest.write_text(f'{{"path": "{root}", "files": ["{DOCKERFILE}"]}}')
    found = _decided.found(str(root), str(manifest), History(tmp_path / "none"))
    assert found["release"] == {"family": "debian", "name": "bookworm"}


def test_another_projects_history_is_not_asked(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    deployed(history, 1, "debian:trixie", "/home/xavier/inception")
    assert _decided.found("/home/wil/inception", str(tmp_path / "none.json"), history)["release"] == {}


def test_what_the_machine_gave_an_image_is_read_from_its_dockerfile(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    root, manifest = str(tmp_path / "inception"), str(tmp_path / "wil.json")
    deployed(history, 1, "debian:bookworm", root)
    assert _decided.found(root, manifest, history)["packages"] == {}
    text = _decided.stamped("FROM debian:bookworm\nRUN true\n", "0123456789ab")
    assert text == "FROM debian:bookworm\nARG PACKAGES=0123456789ab\nRUN true\n"
    files = {DOCKERFILE: File(text.encode(), 0o644)}
    history.add(Entry(2, "", "the machine itself", "update", digest="2"), files, {"root": root})
    assert _decided.found(root, manifest, history)["packages"] == {"nginx": "0123456789ab"}
    # The way back is the way back to what was decided then.
    history.mark(2, "gave way", "it did not last")
    assert _decided.found(root, manifest, history)["packages"] == {}


def test_the_same_versions_have_the_same_stamp_but_for_the_one_before() -> None:
    first = _decided.stamp_of(["nginx 2", "curl 1"])
    assert first == _decided.stamp_of(["curl 1", "nginx 2"]) != _decided.stamp_of(["curl 1", "nginx 3"])
    assert _decided.stamp_of(["nginx 2", "curl 1"], first) != first
