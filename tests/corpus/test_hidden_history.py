# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to keep a credential in git out of sight: none of them passes, and what looks alike is not blamed."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import random
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.collect import snapshot
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import FAIL, PASS, WARNING, Result
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.read import read

from tests.corpus.build import base, git, put

SECRET = "MYSQL_PASSWORD=Tr0ub4dor-3\n"
Harm = Callable[[Path], None]


def item_1(project: Path) -> Result:
    found = read(Project(json.loads(json.dumps(snapshot(str(project)))), datetime.date(2026, 11, 24)))
    return next(one for one in found if one.id == 1)


def commit(project: Path, message: str = "A") -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", message)


def answer(project: Path, *arguments: str, given: bytes = b"") -> str:
    command = ["git", "-C", str(project), *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode().strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A credential that the first commit has, and the last one has not."""
    folder = tmp_path / "project"
    folder.mkdir()
    put(folder, base())
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "srcs/common.env").write_text(SECRET)
    commit(folder)
    (folder / "srcs/common.env").unlink()
    commit(folder)
    return folder


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Two commits, and no credential."""
    folder = tmp_path / "clean"
    folder.mkdir()
    put(folder, base())
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    (folder / "NOTES.txt").write_text("x\n")
    commit(folder)
    return folder


# --- What git itself would be told ---


def shallow(project: Path) -> None:
    (project / ".git/shallow").write_text(answer(project, "rev-parse", "HEAD") + "\n")


def commit_graph(project: Path) -> None:
    """The last commit is said to have no parent."""
    git(project, "commit-graph", "write", "--reachable")
    graph = project / ".git/objects/info/commit-graph"
    content = bytearray(graph.read_bytes())
    for number in (0, 1):
        parent = chunk(bytes(content), b"CDAT") + number * 36 + 20
        content[parent : parent + 4] = (0x70000000).to_bytes(4, "big")
    content[-20:] = hashlib.sha1(content[:-20]).digest()
    graph.chmod(0o644)
    graph.write_bytes(content)
    assert "common.env" not in answer(project, "log", "--raw", "--format=%H")


def chunk(graph: bytes, name: bytes) -> int:
    at = graph.index(name, 8)
    return int.from_bytes(graph[at + 4 : at + 12], "big")


def graft(project: Path) -> None:
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/grafts").write_text(answer(project, "rev-parse", "HEAD") + "\n")


def replaced(project: Path) -> None:
    tree = answer(project, "rev-parse", "HEAD^{tree}")
    orphan = answer(project, "commit-tree", tree, "-m", "X")
    git(project, "replace", answer(project, "rev-parse", "HEAD"), orphan)


@pytest.mark.parametrize("harm", [shallow, commit_graph, graft, replaced])
def test_what_git_would_be_told_is_not_believed(project: Path, harm: Harm) -> None:
    harm(project)
    found = item_1(project)
    assert found.verdict == FAIL
    assert "srcs/common.env" in found.evidence[0].where


# --- What cannot be seen ---


def rewrite(project: Path, name: str, kind: str, content: bytes) -> None:
    """Something else in the file of an object."""
    place = project / ".git/objects" / name[:2] / name[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))


def forged_commit(project: Path) -> None:
    head = answer(project, "rev-parse", "HEAD")
    lines = answer(project, "cat-file", "commit", head).encode().split(b"\n")
    rewrite(project, head, "commit", b"\n".join(line for line in lines if not line.startswith(b"parent ")))


def forged_tree(project: Path) -> None:
    first = answer(project, "rev-parse", "HEAD~1:srcs")
    content = bytes.fromhex(answer(project, "rev-parse", "HEAD:srcs/docker-compose.yml"))
    rewrite(project, first, "tree", b"100644 docker-compose.yml\0" + content)


def forged_blob(project: Path) -> None:
    rewrite(project, answer(project, "rev-parse", "HEAD~1:srcs/common.env"), "blob", b"A=1\n")


def forged_tag(project: Path) -> None:
    """A tag that leads elsewhere than it says, in the place of the branch."""
    git(project, "tag", "-a", "-m", "X", "v1", "HEAD")
    tag = answer(project, "rev-parse", "v1")
    tree = answer(project, "rev-parse", "HEAD^{tree}")
    orphan = answer(project, "commit-tree", tree, "-m", "X")
    text = answer(project, "cat-file", "tag", tag).replace(answer(project, "rev-parse", "HEAD"), orphan)
    rewrite(project, tag, "tag", text.encode() + b"\n")
    only(project, orphan)


def only(project: Path, commit: str) -> None:
    (project / ".git/refs/heads/main").write_text(commit + "\n")


def linked_head_and_branch(project: Path) -> None:
    """Both where nothing but git itself looks."""
    (project / ".git/refs/heads").rename(project / ".git/hidden")
    (project / ".git/refs/heads").symlink_to("../hidden")
    (project / ".git/HEAD").rename(project / ".git/head")
    (project / ".git/HEAD").symlink_to("head")


def linked_branch(project: Path) -> None:
    """The first commit has a branch of its own, which is a link; main does not have it."""
    first = answer(project, "rev-parse", "HEAD~1")
    tree = answer(project, "rev-parse", "HEAD^{tree}")
    only(project, answer(project, "commit-tree", tree, "-m", "X"))
    (project / ".git/branch").write_text(first + "\n")
    (project / ".git/refs/heads/old").symlink_to("../../branch")


def linked_packed_references(project: Path) -> None:
    git(project, "pack-refs", "--all")
    (project / ".git/packed-refs").rename(project / ".git/packed")
    (project / ".git/packed-refs").symlink_to("packed")


def huge_packed_references(project: Path) -> None:
    git(project, "pack-refs", "--all")
    packed = project / ".git/packed-refs"
    packed.write_text("#" * 5_000_000 + "\n" + packed.read_text())


def references_elsewhere(project: Path) -> None:
    """As `git worktree` keeps them."""
    (project / ".git/common").mkdir()
    shutil.move(project / ".git/refs", project / ".git/common/refs")
    shutil.copytree(project / ".git/objects", project / ".git/common/objects")
    (project / ".git/refs").mkdir()
    (project / ".git/commondir").write_text("common\n")


def no_references(project: Path) -> None:
    shutil.rmtree(project / ".git/refs")
    (project / ".git/refs").mkdir()


def borrowed_objects(project: Path) -> None:
    """The objects are another repository's, to which only an address leads."""
    elsewhere = project.parent / "elsewhere"
    shutil.move(project / ".git/objects", elsewhere)
    (project / ".git/objects/info").mkdir(parents=True)
    (project / ".git/objects/info/alternates").write_text(f"{elsewhere}\n")


def linked_objects(project: Path) -> None:
    for folder in list((project / ".git/objects").glob("??")):
        folder.rename(project / ".git" / f"objects-{folder.name}")
        folder.symlink_to(f"../objects-{folder.name}")


def linked_pack(project: Path) -> None:
    git(project, "repack", "-a", "-d", "--quiet")
    for file in list((project / ".git/objects/pack").glob("*.pack")):
        file.rename(project / ".git/the.pack")
        file.symlink_to("../../the.pack")


def missing_blob(project: Path) -> None:
    """As in a partial clone."""
    name = answer(project, "rev-parse", "HEAD~1:srcs/common.env")
    (project / ".git/objects" / name[:2] / name[2:]).unlink()


def tag_of_a_file(project: Path) -> None:
    blob = answer(project, "rev-parse", "HEAD~1:srcs/common.env")
    tree = answer(project, "rev-parse", "HEAD^{tree}")
    only(project, answer(project, "commit-tree", tree, "-m", "X"))
    git(project, "tag", "kept", blob)


def submodule(project: Path) -> None:
    tree = answer(project, "rev-parse", "HEAD^{tree}")
    only(project, answer(project, "commit-tree", tree, "-m", "X"))
    inner = project / "srcs/inner"
    inner.mkdir()
    git(inner, "init", "--quiet", "--initial-branch=main")
    (inner / "common.env").write_text(SECRET)
    commit(inner)
    git(project, "-c", "advice.addEmbeddedRepo=false", "add", "srcs/inner")
    git(project, "commit", "--quiet", "--message", "X")


def tables(project: Path) -> None:
    """As git keeps references with --ref-format=reftable."""
    shutil.rmtree(project / ".git/refs")
    (project / ".git/refs").mkdir()
    (project / ".git/refs/heads").write_text("this repository uses the reftable format\n")
    (project / ".git/reftable").mkdir()
    (project / ".git/HEAD").write_text("ref: refs/heads/.invalid\n")


@pytest.mark.parametrize(
    "harm",
    [
        forged_commit, forged_tree, forged_blob, forged_tag, linked_head_and_branch, linked_branch,
        linked_packed_references, huge_packed_references, references_elsewhere, no_references, borrowed_objects,
        linked_objects, linked_pack, missing_blob, tag_of_a_file, submodule, tables,
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_a_warning(project: Path, harm: Harm) -> None:
    harm(project)
    found = item_1(project)
    assert found.verdict in (WARNING, FAIL)
    assert found.verdict == WARNING or "srcs/common.env" in found.evidence[0].where


def test_a_shallow_clone_is_a_warning(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", "cloned")
    found = item_1(tmp_path / "cloned")
    assert found.verdict == WARNING
    assert "shallow clone" in found.evidence[0].text


def test_nothing_is_read_through_an_address_of_objects(project: Path, tmp_path: Path) -> None:
    """Root would read the repository of somebody else."""
    head = answer(project, "rev-parse", "HEAD")
    other = tmp_path / "other"
    other.mkdir()
    put(other, base())
    git(other, "init", "--quiet", "--initial-branch=main")
    (other / ".git/objects/info/alternates").write_text(f"{project}/.git/objects\n")
    (other / ".git/refs/heads/main").write_text(head + "\n")
    found = item_1(other)
    assert found.verdict == WARNING
    assert "common.env" not in str(found.evidence)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("srcs/large.sql", "-- x\n" * 60_000 + SECRET),
        ("srcs/start.sh", " " * 3_000 + "export " + SECRET),
        ("srcs/common.env", "A=1 #" + "x" * 300_000 + "\n" + SECRET),
        ("srcs/zero.sh", "#!/bin/sh\n\0\n" + SECRET),
        ("srcs/enormous.sql", "-- x\n" * 900_000 + SECRET),
        ("srcs/dump", "-- x\n" * 900_000 + SECRET),
    ],
    ids=["large", "to the right", "long line", "zero", "enormous", "no extension"],
)
def test_what_is_large_long_or_no_text(clean: Path, path: str, text: str) -> None:
    (clean / path).write_text(text)
    commit(clean)
    found = item_1(clean)
    assert found.verdict in (WARNING, FAIL)
    assert path in str(found.evidence)


# --- What looks alike ---


def gc(project: Path) -> None:
    git(project, "gc", "--quiet")
    git(project, "commit-graph", "write", "--reachable")
    git(project, "multi-pack-index", "write")


def many_packs(project: Path) -> None:
    for number in range(5):
        (project / "NOTES.txt").write_text(f"{number}\n")
        commit(project)
        git(project, "repack", "--quiet")


def detached(project: Path) -> None:
    git(project, "checkout", "--quiet", "--detach")


def tagged(project: Path) -> None:
    git(project, "tag", "-a", "-m", "X", "v1")
    git(project, "branch", "other", "HEAD~1")
    git(project, "pack-refs", "--all")


def stashed(project: Path) -> None:
    (project / "README.md").write_text("# X\n")
    git(project, "stash", "--quiet")


def merged(project: Path) -> None:
    git(project, "checkout", "--quiet", "-b", "side", "HEAD~1")
    (project / "SIDE.txt").write_text("x\n")
    commit(project)
    git(project, "checkout", "--quiet", "main")
    git(project, "merge", "--quiet", "--no-edit", "side")


def pictures(project: Path) -> None:
    (project / "docs.png").write_bytes(os.urandom(5_000_000))
    # As by chance, and the words by which a program knows a key.
    noise = random.Random(42)
    chance = b"".join(noise.randbytes(60) + b" pw=" + noise.randbytes(6) + b" " for _ in range(500))
    (project / "program").write_bytes(chance + b"-----BEGIN RSA PRIVATE KEY-----\n\0-----END RSA PRIVATE KEY-----\n")
    commit(project)


def long_lines(project: Path) -> None:
    """What a bundler makes."""
    program = "function x(){var a=1;return a}" * 30_000 + 'x({password:"Kennwort",token:"abcdefgh"});'
    (project / "srcs/site.js").write_text(program)
    commit(project)


def large_object(project: Path) -> None:
    """A loose object that is not copied."""
    (project / "notes.txt").write_text(os.urandom(1_600_000).hex())
    commit(project)


@pytest.mark.parametrize(
    "change", [gc, many_packs, detached, tagged, stashed, merged, pictures, long_lines, large_object]
)
def test_usual_repositories_pass(clean: Path, change: Harm) -> None:
    change(clean)
    found = item_1(clean)
    assert found.verdict == PASS, found.evidence


@pytest.mark.parametrize(
    "way", [("--shared",), ("--reference-if-able", "/nowhere"), ("--mirror",), ("--no-hardlinks",)]
)
def test_clones(clean: Path, tmp_path: Path, way: tuple[str, ...]) -> None:
    git(tmp_path, "clone", "--quiet", *way, str(clean), "cloned.git" if "--mirror" in way else "cloned")
    if "--mirror" in way:
        (tmp_path / "cloned").mkdir()
        (tmp_path / "cloned.git").rename(tmp_path / "cloned/.git")
    found = item_1(tmp_path / "cloned")
    assert found.verdict == (WARNING if "--shared" in way else PASS), found.evidence


def test_sha256(clean: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(clean, other, ignore=shutil.ignore_patterns(".git"))
    git(other, "init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    commit(other)
    assert item_1(other).verdict == PASS
    (other / "srcs/common.env").write_text(SECRET)
    commit(other)
    assert item_1(other).verdict == FAIL


def test_a_repository_without_a_commit_is_judged_by_what_the_first_one_would_hold(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    put(folder, base())
    git(folder, "init", "--quiet", "--initial-branch=main")
    assert item_1(folder).verdict == PASS
    (folder / "srcs/common.env").write_text(SECRET)
    assert item_1(folder).verdict == FAIL
