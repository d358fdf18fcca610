# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile projects: reading them harms nobody, ends soon, and gives a verdict for every item."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import Limits, snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    WARNING,
    Result,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read

from tests.corpus.build import base, git, put

COMPOSE = "srcs/docker-compose.yml"
# The machine may be busy with other things.
SECONDS = 30


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    put(folder, base())
    return folder


def judged(project: Path, limits: Limits | None = None) -> dict[int, Result]:
    """The results, after the way over JSON that they take from the host."""
    started = time.monotonic()
    results = read(Project(json.loads(json.dumps(snapshot(str(project), limits))), datetime.date(2026, 11, 24)))
    assert time.monotonic() - started < SECONDS
    assert [one.id for one in results] == list(ITEMS)
    json.dumps([one.to_dict() for one in results]).encode("ascii")
    return {one.id: one for one in results}


def bomb() -> str:
    """Nine levels of aliases that stand for a thousand million values."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines) + "\nservices: *a9\n"


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        "services: &a [*a]\n",
        "services: " + "[" * 100_000,
        "services: " + "{a: " * 5_000,
        "services:\n  nginx: !!python/object/apply:os.system [touch /tmp/harmed]\n",
        "services: {nginx: [1, 2], wordpress: null, mariadb: 3}\n",
        "- a\n- list\n",
        "\x00\x01\x02",
        "services:\n  nginx:\n    extends: {file: docker-compose.yml, service: nginx}\n",
        "include: [docker-compose.yml, ../../../../etc/passwd, /etc/shadow]\nservices: {}\n",
        "services:\n  nginx:\n    image: " + "${A:-" * 20_000 + "\n",
        "services: {nginx: {build: {context: ../../../.., dockerfile: /etc/passwd}, volumes: [3, {}], ports: {a: b}}}",
        "services:\n  ? [a, b]\n  : {image: x}\nnetworks: 7\nvolumes: [x]\n",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_compose_files(project: Path, text: str) -> None:
    (project / COMPOSE).write_text(text)
    results = judged(project)
    assert results[10].verdict == FAIL
    # What is none is one failure; the rest is open.
    assert results[31].verdict in (FAIL, UNDETERMINED)
    assert not Path("/tmp/harmed").exists()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Makefile", "A = $(A)$(A)$(A)\nall:\n\t$(A)\n"),
        ("Makefile", "".join(f"V{n} = $(V{n + 1})$(V{n + 1})\n" for n in range(200)) + "all:\n\t$(V0)\n"),
        ("Makefile", "all: all\n\t$(MAKE) all\n" + " " * 200_000 + ":\n"),
        ("srcs/.env", "A=x\n" + "A=${A}${A}\n" * 500),
        ("srcs/requirements/nginx/Dockerfile", "ARG A=x\n" + "ARG A=${A}${A}\n" * 500 + "FROM $A\n"),
        ("srcs/requirements/nginx/Dockerfile", "FROM debian:bookworm\nCMD " + "[" * 100_000),
        ("srcs/requirements/nginx/Dockerfile", "RUN <<A <<B <<C\n" * 5_000),
        ("srcs/requirements/nginx/Dockerfile", "FROM a AS a\nFROM a AS a\n" * 2_000),
        ("srcs/requirements/nginx/tools/start.sh", "#!/bin/sh\n" + "(" * 50_000),
        ("srcs/requirements/nginx/tools/start.sh", "#!/bin/sh\n" + "$(" * 20_000 + "\n"),
        ("srcs/requirements/nginx/tools/start.sh", "#!/bin/sh\n" + "if true; then " * 5_000),
        ("srcs/requirements/nginx/tools/start.sh", "#!/bin/sh\n" + "start.sh nginx.sh\n" * 5_000),
        ("srcs/requirements/nginx/conf/site.conf", "server {" * 30_000 + '"'),
        ("README.md", "*" * 200_000 + "\n" + "#" * 200_000),
        ("srcs/password.sh", "PASSWORD" * 30_000 + "=" + "a" * 10_000),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_other_files(project: Path, path: str, text: str) -> None:
    (project / path).write_text(text)
    judged(project)


def test_links_out_of_the_folder(project: Path, tmp_path: Path) -> None:
    """A file and a folder outside are not read, not even below a folder that is a link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.sh").write_text("#!/bin/sh\ntail -f /dev/null\n")
    (project / "srcs/requirements/nginx/tools/away").symlink_to(outside)
    (project / "srcs/requirements/nginx/tools/passwd").symlink_to("/etc/passwd")
    (project / "srcs/requirements/nginx/tools/round").symlink_to("round")
    (project / "srcs/requirements/nginx/tools/up").symlink_to("../../../..")
    texts = snapshot(str(project))["texts"]
    assert not [path for path in texts if "away" in path or "passwd" in path]
    results = judged(project)
    assert results[15].verdict == "pass"
    assert results[3].verdict == WARNING
    assert any("tools/passwd" in one.where for one in results[3].evidence)


def test_a_link_within_the_folder_is_followed(project: Path) -> None:
    (project / "srcs/compose.yml").write_text((project / COMPOSE).read_text())
    (project / COMPOSE).unlink()
    (project / COMPOSE).symlink_to("compose.yml")
    assert judged(project)[31].verdict == "pass"


def test_files_that_never_end(project: Path) -> None:
    """A FIFO would block who opens it; a device gives without end."""
    os.mkfifo(project / "srcs/fifo.sh")
    (project / "Makefile").unlink()
    os.mkfifo(project / "Makefile")
    (project / "srcs/zero.yml").symlink_to("/dev/zero")
    assert judged(project)[6].verdict == FAIL


def test_huge_files(project: Path) -> None:
    with (project / "srcs/huge.sh").open("w") as file:
        file.truncate(8 * 1024**3)
    with (project / "srcs/long.sh").open("w") as file:
        file.write("true && " * 1_000_000)
    assert [limit for limit in snapshot(str(project))["limits"] if "srcs/long.sh" in limit]
    assert judged(project)[5].verdict == WARNING


def test_limits_are_named(project: Path) -> None:
    deep = project / "/".join(["d"] * 40)
    deep.mkdir(parents=True)
    for number in range(300):
        (project / "srcs" / f"file{number}").write_text("x" * 100)
    found = snapshot(str(project), Limits(entries=200, depth=10, total_bytes=1000))["limits"]
    assert any("below 10 levels" in limit for limit in found)
    assert any("first 200 files" in limit for limit in found)
    assert any("1000 bytes" in limit for limit in found)
    results = judged(project, Limits(entries=200, depth=10))
    assert any("first 200 files" in one.text for one in results[5].evidence)


@pytest.mark.parametrize("name", [b"\xff\xfe.sh", b"a\x1b[31mred.sh", b"a\nb.sh", b"<script>alert(1)<.sh", b"-rf.sh"])
def test_names(project: Path, name: bytes) -> None:
    """No byte of a name reaches a terminal or JSON that could harm it there."""
    (project / "srcs/requirements/nginx/tools" / os.fsdecode(name)).write_text("#!/bin/sh\ntail -f /dev/null\n")
    found = judged(project)[15]
    assert found.verdict == WARNING
    assert all(one.where.isprintable() for one in found.evidence)


# --- Git ---


def commit(project: Path) -> None:
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "A")


def test_a_hostile_git_configuration_runs_nothing(project: Path, tmp_path: Path) -> None:
    commit(project)
    harmed = tmp_path / "harmed"
    script = project / ".git" / "harm"
    script.write_text(f"#!/bin/sh\ntouch {harmed}\n")
    script.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.hooksPath", "core.pager", "core.sshCommand", "diff.external", "diff.x.textconv",
        "core.editor",
        "filter.x.clean", "filter.x.smudge", "alias.log", "alias.cat-file", "gpg.program", "uploadpack.packObjectsHook",
        "credential.helper", "core.askPass", "pager.log", "log.showSignature", "remote.x.promisor",
    ):  # fmt: skip
        value = "true" if key.endswith(("Signature", "promisor")) else f"!{script}" if "alias" in key else str(script)
        git(project, "config", key, value)
    git(project, "config", "include.path", "/dev/zero")
    (project / ".gitattributes").write_text("* diff=x filter=x\n")
    for sample in (project / ".git/hooks").glob("*"):
        sample.unlink()
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction"):
        (project / ".git/hooks" / hook).symlink_to(script)
    results = judged(project)
    assert results[1].verdict == "pass"
    assert "1 commits" in results[1].evidence[0].text
    assert not harmed.exists()


def hashed(project: Path, kind: str, content: bytes) -> str:
    command = ["git", "-C", str(project), "hash-object", "-w", "--stdin", "--literally", "-t", kind]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout.decode().strip()


def no_objects(project: Path) -> None:
    objects = project / ".git/objects"
    objects.rename(project / ".git/elsewhere")
    objects.symlink_to("elsewhere")


def broken_pack(project: Path) -> None:
    git(project, "repack", "-a", "-d", "--quiet")
    [pack] = (project / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:50] + b"\0" * 500)


def git_file(project: Path) -> None:
    subprocess.run(["rm", "-r", str(project / ".git")], check=True)
    (project / ".git").write_text("gitdir: /etc\n")


def git_link(project: Path) -> None:
    (project / ".git").rename(project.parent / "git")
    (project / ".git").symlink_to("../git")


@pytest.mark.parametrize("harm", [no_objects, broken_pack, git_file, git_link])
def test_a_repository_that_cannot_be_read_is_a_warning(project: Path, harm: Callable[[Path], None]) -> None:
    commit(project)
    harm(project)
    found = judged(project)[1]
    assert found.verdict == WARNING
    assert "could not be read" in found.evidence[0].text


def test_the_repository_may_be_above_the_folder(project: Path) -> None:
    """Its whole history is read; what the last commit has is told by its place in the folder."""
    (project.parent / ".gitignore").write_text("")
    (project / "srcs/common.env").write_text("MYSQL_PASSWORD=Tr0ub4dor-3\n")
    commit(project.parent)
    found = judged(project)
    assert found[1].verdict == FAIL
    assert "project/srcs/common.env" in found[1].evidence[0].where
    assert "Makefile" in snapshot(str(project))["git"]["tracked"]


def test_a_repository_above_that_does_not_have_the_folder_is_another(project: Path) -> None:
    """Settings of a person are often kept in one of the home folder."""
    (project.parent / ".gitignore").write_text("*\n!.gitignore\n")
    commit(project.parent)
    found = judged(project)[1]
    assert found.verdict == "pass"
    assert "no repository here" in found.evidence[0].text


def test_a_line_of_many_versions_is_one_finding(project: Path) -> None:
    git(project, "init", "--quiet", "--initial-branch=main")
    for number in range(40):
        (project / "srcs/common.env").write_text(f"MYSQL_PASSWORD=Tr0ub4dor-3\nNUMBER={number}\n")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "A")
    (found,) = judged(project)[1].evidence
    assert "in 40 versions of the file" in found.text
    assert "gone since" not in found.where


def test_references_that_lead_astray(project: Path) -> None:
    commit(project)
    refs = project / ".git/refs/heads"
    os.mkfifo(refs / "fifo")
    (refs / "zero").symlink_to("/dev/zero")
    (refs / "odd").write_text("--upload-pack=touch\n" + "f" * 40 + "\n")
    (project / ".git/packed-refs").write_text("x" * 100_000)
    found = judged(project)[1]
    assert found.verdict == WARNING
    told = " ".join(one.text for one in found.evidence)
    for name in ("refs/heads/fifo", "refs/heads/zero", "packed-refs"):
        assert name in told


def test_git_has_its_time(project: Path) -> None:
    commit(project)
    assert judged(project, Limits(git_seconds=0.0))[1].verdict == WARNING


def test_a_tree_with_a_hostile_name(project: Path) -> None:
    commit(project)
    blob = hashed(project, "blob", b"MYSQL_PASSWORD=Tr0ub4dor-3\n")
    tree = hashed(project, "tree", b"100644 \xff\x1b[31m\n../../x.env\0" + bytes.fromhex(blob))
    stamp = "wil <wil@42.fr> 1 +0000"
    broken = hashed(project, "commit", f"tree {tree}\nauthor {stamp}\ncommitter {stamp}\n\nX\n".encode())
    (project / ".git/refs/heads/broken").write_text(broken + "\n")
    found = judged(project)[1]
    assert found.verdict == FAIL
    assert all(one.where.isprintable() for one in found.evidence)


def test_what_git_did_not_show_is_told_once(project: Path) -> None:
    """By the item of git's history; the files and their places are all there."""
    commit(project)
    collected = snapshot(str(project))
    collected["git"]["limits"].append("a picture: git has no content of it; clone the whole repository")
    found = {one.id: one.verdict for one in read(Project(collected, datetime.date(2026, 11, 24)))}
    assert (found[1], found[5]) == (WARNING, PASS)
