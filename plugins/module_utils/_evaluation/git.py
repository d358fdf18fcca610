# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials in the history of a stranger's git repository. Private to this collection: it may change without notice.

The repository's configuration, hooks, attributes and index are never in use: git runs in an empty repository of ours
that has nothing but the objects, and what the objects hold is compared with their names. What could not be seen is
told in `limits`: it is never a pass.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.credentials import (
    Credential,
    find_credentials,
    maybe_text,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.repository import Repository

_COMMITS = 20_000
_BLOBS = 20_000
_BLOB_BYTES = 4 * 1024 * 1024
# What tells which files there are: commits, trees and tags
_SHAPE_BYTES = 48 * 1024 * 1024
# What is read after git's own time
_READING_SECONDS = 120.0
# How many of what was not seen are told by name
_NAMED = 5
_TOTAL_BYTES = 64 * 1024 * 1024
_FINDINGS = 500
# A larger file of the folder is read in part.
_COMPARED_BYTES = 256 * 1024
_OUTPUT_BYTES = 80 * 1024 * 1024
_MEMORY_BYTES = 2 * 1024 * 1024 * 1024


class _Trouble(Exception):
    """Git could not tell; the message says why."""


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_BYTES, _OUTPUT_BYTES))


class _Git:
    """Git in a repository of ours."""

    def __init__(self, scratch: Path, seconds: float, descriptors: Iterable[int] = ()) -> None:
        self.descriptors = tuple(descriptors)
        self.directory = scratch / "git"
        self._ends = time.monotonic() + seconds
        self._home = scratch

    def run(self, *arguments: str, given: bytes = b"", work_tree: str = "") -> bytes:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_DIR": str(self.directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
        }
        if work_tree:
            environment["GIT_WORK_TREE"] = work_tree
        with tempfile.TemporaryFile(dir=self._home) as output, tempfile.TemporaryFile(dir=self._home) as question:
            # The question is a file: git may begin to answer before it has read all.
            question.write(given)
            question.seek(0)
            command = ["git", "--no-pager", "-c", "core.packedGitLimit=256m", "-c", "core.packedGitWindowSize=32m"]
            command += ["-c", "core.commitGraph=false", "-c", "core.multiPackIndex=false"]
            with subprocess.Popen(
                [*command, *arguments],
                stdin=question,
                stdout=output,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=work_tree or self._home,
                start_new_session=True,
                pass_fds=self.descriptors,
                preexec_fn=_limited,
            ) as process:
                return self._answer(process, output, arguments[0])

    def over(self) -> bool:
        """Whether the time for all of it is over, that of reading included."""
        return time.monotonic() > self._ends + _READING_SECONDS

    def _answer(self, process: subprocess.Popen[bytes], output: Any, command: str) -> bytes:
        try:
            _out, trouble = process.communicate(timeout=max(0.0, self._ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise _Trouble(f"git {command} took too long") from None
        if process.returncode:
            lines = trouble.decode("utf-8", "backslashreplace").strip().splitlines()
            raise _Trouble(f"git {command} failed: {lines[-1][:200] if lines else process.returncode}")
        output.seek(0)
        answer: bytes = output.read()
        return answer


def _borrow(scratch: Path, repository: Repository, references: Iterable[str], seconds: float) -> tuple[_Git, int]:
    """A repository of ours with a stranger's objects, and how many files they are."""
    git = _Git(scratch, seconds)
    form = "sha256" if any(len(one) == 64 for one in references) else "sha1"
    git.run("init", "--quiet", "--bare", "--template=", f"--object-format={form}")
    count = repository.lend(git.directory / "objects")
    return _Git(scratch, seconds, repository.descriptors), count


def _sizes(git: _Git, names: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Name, kind and size of each object that is there; kind "missing" for the others."""
    names = list(names)
    asked = "".join(f"{name}\n" for name in names).encode()
    for name, line in zip(names, git.run("cat-file", "--batch-check", given=asked).decode().splitlines(), strict=True):
        words = line.split()
        yield (words[0], words[1], int(words[2])) if len(words) == 3 else (name, "missing", 0)


def _objects(git: _Git, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The content of objects, each compared with its name: a file of objects can be written by hand."""
    answer = git.run("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        name, kind, size = answer[at:end].decode().split(" ")
        at = end + 1 + int(size)
        content = answer[end + 1 : at]
        checksum = hashlib.new(
            "sha256" if len(name) == 64 else "sha1", f"{kind} {size}\0".encode(), usedforsecurity=False
        )
        checksum.update(content)
        if checksum.hexdigest() != name:
            raise _Trouble(f"the object {name[:10]} is not what its name says; clone the repository again")
        yield name, content
        at += 1


def _commits(git: _Git, references: Iterable[str], hit: list[str] | None = None) -> bytes:
    """Those of the references that are there and lead to a commit, as a list for --stdin."""
    found = list(_sizes(git, (f"{reference}^{{commit}}" for reference in sorted(references))))
    absent = [name for name, kind, _size in found if kind == "missing"]
    if absent and hit is not None:
        hit.append(f"{_listed(one[:10] for one in absent)}: no commit of that name is there, for a branch or a tag")
    return b"".join(f"{name}\n".encode() for name, kind, _size in found if kind == "commit")


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


def _cut_off(git: _Git) -> list[str]:
    """The commits whose parents are not there: of a shallow clone, its last ones."""
    kinds = (
        git.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").decode().splitlines()
    )
    commits = {line.partition(" ")[0] for line in kinds if line.endswith(" commit")}
    found = []
    for name, content in _objects(git, sorted(commits)):
        parents = [
            line[7:].decode() for line in content.partition(b"\n\n")[0].split(b"\n") if line.startswith(b"parent ")
        ]
        if any(parent not in commits for parent in parents):
            found.append(name)
    return found


def _whole(git: _Git, commits: bytes, hit: list[str]) -> None:
    """See that the way back through the history is there, or say where it ends."""
    try:
        git.run("rev-list", "--quiet", f"--max-count={_COMMITS}", "--stdin", given=commits)
        return
    except _Trouble as trouble:
        if "took too long" in str(trouble):
            raise
    # Told by the objects themselves: the file that git has for it says what its owner wrote into it.
    ends = _cut_off(git)
    (git.directory / "shallow").write_text("".join(f"{name}\n" for name in ends), encoding="utf-8")
    hit.append(
        f"what was before the commits {_listed(one[:10] for one in ends)} is not there (a shallow clone?) "
        "and was not read; clone the whole of it"
    )


def _true(git: _Git, references: Iterable[str], commits: bytes, hit: list[str]) -> None:
    """See that commits, trees and tags are what their names say, since git itself believes them."""
    reached = git.run(
        "rev-list", "--objects", "--filter=blob:none", "--no-object-names", f"--max-count={_COMMITS}", "--stdin",
        given=commits,
    ).decode().split()  # fmt: skip
    wanted, total = [], 0
    for name, kind, size in _sizes(git, dict.fromkeys([*references, *reached])):
        if kind == "missing":
            continue
        total += size
        if total > _SHAPE_BYTES:
            hit.append(
                f"only {_SHAPE_BYTES} bytes of commits and folders of the git history were compared with their names"
            )
            break
        wanted.append(name)
    for _name, _content in _objects(git, wanted):
        pass


def _versions(git: _Git, commits: bytes) -> tuple[dict[tuple[str, str], str], int]:
    """Every version of every file, as (blob, path) with the commit that brought it first, and how many commits."""
    shape = ("--format=%x01%H", "--raw", "-z", "-m", "--root", "--no-renames", "--no-abbrev", "--no-ext-diff")
    log = git.run("log", "--reverse", f"--max-count={_COMMITS}", "--no-textconv", *shape, "--stdin", given=commits)
    found: dict[tuple[str, str], str] = {}
    commit, count, blob = "", 0, ""
    for piece in log.split(b"\0"):
        text = piece.decode("utf-8", "backslashreplace").lstrip("\n")
        while text.startswith("\x01"):
            heading, dummy, text = text.partition("\n")
            if heading[1:] != commit:
                commit, count = heading[1:], count + 1
            text = text.lstrip("\n")
        if text.startswith(":"):
            _old_mode, mode, _old, blob, _status = text[1:].split(" ")
            # A link's text and a submodule's commit are no file's content.
            blob = blob if mode.startswith("100") else ""
        elif text and blob:
            found.setdefault((blob, text), commit)
            blob = ""
    return found, count


def _contents(git: _Git, blobs: Mapping[str, str], hit: list[str]) -> Iterator[tuple[str, bytes]]:
    """The content of each object that is small enough to be a text; their paths are for telling the others."""
    wanted, total, large, absent = [], 0, [], []
    for name, kind, size in _sizes(git, blobs):
        if kind == "missing":
            absent.append(blobs[name])
        elif size > _BLOB_BYTES:
            large.append(blobs[name])
        elif total + size > _TOTAL_BYTES:
            hit.append(f"only {_TOTAL_BYTES} bytes of the git history were read")
            break
        else:
            total += size
            wanted.append(name)
    if large:
        hit.append(f"{_listed(large)}: more than {_BLOB_BYTES} bytes, and not read")
    if absent:
        hit.append(f"{_listed(absent)}: git has no content of it; clone the whole repository")
    yield from _objects(git, wanted)


def _search(
    git: _Git,
    references: Mapping[str, str],
    head: str,
    prefix: str,
    texts: Mapping[str, str],
    known: Mapping[str, str],
    state: dict[str, Any],
) -> list[Credential]:
    commits = _commits(git, set(references.values()), state["limits"])
    if not commits:
        raise _Trouble("its commits are not there")
    _whole(git, commits, state["limits"])
    _true(git, set(references.values()), commits, state["limits"])
    versions, state["commits"] = _versions(git, commits)
    if state["commits"] >= _COMMITS:
        state["limits"].append(f"only {_COMMITS} commits of the git history were read")
    current: dict[str, str] = {}
    if head:
        current = dict(_tree(git, head, state["limits"]))
        state["committed"] = git.run("log", "-1", "--format=%cs", head).decode().strip()
    state["tracked"] = [name.removeprefix(prefix) for name in current if name.startswith(prefix)][:_BLOBS]
    paths: dict[str, list[tuple[str, str]]] = {}
    for (blob, path), commit in versions.items():
        if maybe_text(path):
            paths.setdefault(blob, []).append((path, commit))
    if len(paths) > _BLOBS:
        state["limits"].append(f"only {_BLOBS} files of the git history were read")
    seen: dict[tuple[str, str, bool], _Seen] = {}
    named = {blob: where[0][0] for blob, where in list(paths.items())[:_BLOBS]}
    for blob, content in _contents(git, named, state["limits"]):
        if git.over():
            state["limits"].append("the search of the git history was ended: it took too long")
            break
        for path, commit in paths[blob]:
            place = f"commit {commit[:10]}: {path}"
            there = current.get(path) == blob
            past = "" if there else ", gone since"
            if there and path.startswith(prefix):
                _compare(path.removeprefix(prefix), content, texts, state)
            for one in find_credentials(path, content, known, place=place, note=past):
                _add(seen, path, one, there)
    return [one.told() for one in seen.values()]


def _compare(path: str, content: bytes, texts: Mapping[str, str], state: dict[str, Any]) -> None:
    """Whether a file that was read is as the last commit has it."""
    there = texts.get(path)
    if there is None or len(content) > _COMPARED_BYTES:
        return
    state["compared"] += 1
    if as_read(content) != there:
        state["changed"].append(path)


def as_read(content: bytes) -> str:
    """A file's text without what editors and systems write differently."""
    return content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")


def _tree(git: _Git, commit: str, hit: list[str]) -> Iterator[tuple[str, str]]:
    """Path and object of each file of a commit."""
    others = []
    for line in git.run("ls-tree", "-r", "-z", commit).split(b"\0"):
        about, dummy, name = line.partition(b"\t")
        if not name:
            continue
        path = name.decode("utf-8", "backslashreplace")
        _mode, kind, blob = about.decode().split()
        if kind == "commit":
            others.append(path)
        yield path, blob
    if others:
        hit.append(f"{_listed(others)}: a repository of its own (submodule), which was not read")


@dataclass
class _Seen:
    """A line that many versions of a file have is one finding; the version that is still there stands for it."""

    credential: Credential
    there: bool
    versions: int = 1

    def told(self) -> Credential:
        more = f", in {self.versions} versions of the file" if self.versions > 1 else ""
        return replace(self.credential, text=self.credential.text + more)


def _add(seen: dict[tuple[str, str, bool], _Seen], path: str, one: Credential, there: bool) -> None:
    before = seen.setdefault((path, one.text, one.certain), _Seen(one, there, 0))
    before.versions += 1
    if there and not before.there:
        before.credential, before.there = one, True


def _unignored(git: _Git, folder: Path, texts: Mapping[str, str]) -> set[str]:
    """What a first commit of the folder would hold, by its .gitignore files."""
    listing = git.run("ls-files", "--others", "--exclude-standard", "-z", work_tree=str(folder))
    would = {one.decode("utf-8", "backslashreplace") for one in listing.split(b"\0") if one}
    return {path for path in texts if path in would}


# How far above the project's folder its repository may be.
_ABOVE = 4


def _repository(folder: Path) -> tuple[Path, str]:
    """The repository that a folder is in, and the folder's place in it: "" where the repository is its own."""
    own = folder / ".git"
    if os.path.lexists(own):
        return own, ""
    for above in list(folder.parents)[:_ABOVE]:
        found = above / ".git"
        # A repository of somebody else is not the project's.
        if not found.is_symlink() and found.is_dir() and found.stat().st_uid == folder.stat().st_uid:
            return found, folder.relative_to(above).as_posix() + "/"
    return own, ""


def _holds(path: Path, prefix: str, scratch: Path, seconds: float) -> bool:
    """Whether the last commit has files of the folder: one of somebody's settings in the home folder does not."""
    (scratch / "above").mkdir()
    with Repository.open(path) as repository:
        references = repository.references()
        head = repository.head(references)
        git, _count = _borrow(scratch / "above", repository, references.values(), seconds)
        return bool(head) and bool(git.run("ls-tree", "--name-only", head, "--", prefix).strip())


def history(folder: str, texts: Mapping[str, str], known: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """What git holds of credentials: in every commit, or without one in what a first commit would hold.

    `state` is `history`, `folder` (no commit here) or `unknown` with a `note` that says why.
    """
    state: dict[str, Any] = {"state": "history", "note": "", "commits": 0, "tracked": [], "limits": [], "committed": ""}
    state |= {"origin": "", "compared": 0, "changed": []}
    found: list[Credential] = []
    try:
        if not shutil.which("git"):
            raise _Trouble("git is not installed on the managed host")
        with tempfile.TemporaryDirectory() as scratch:
            found = _read(Path(folder), Path(scratch), texts, known, seconds, state)
    except (_Trouble, OSError, ValueError) as trouble:
        state |= {"state": "unknown", "note": str(trouble)}
    # A cap may hide what is doubtful, and nothing else.
    found.sort(key=lambda one: not one.certain)
    return {**state, "credentials": [asdict(one) for one in found[:_FINDINGS]]}


def _read(
    folder: Path,
    scratch: Path,
    texts: Mapping[str, str],
    known: Mapping[str, str],
    seconds: float,
    state: dict[str, Any],
) -> list[Credential]:
    path, prefix = _repository(folder)
    if prefix and not _holds(path, prefix, scratch, seconds):
        path, prefix = folder / ".git", ""
    with contextlib.ExitStack() as opened:
        references: dict[str, str] = {}
        if os.path.lexists(path):
            try:
                repository = opened.enter_context(Repository.open(path))
            except OSError:
                raise _Trouble(".git is not a repository's folder; clone the repository again") from None
            references = repository.references()
            head = repository.head(references)
            git, count = _borrow(scratch, repository, references.values(), seconds)
            if count and not references:
                repository.hide("there are objects, and no branch that leads to them")
            state["limits"] += repository.hidden
            if references:
                state["origin"] = repository.cloned_from()
                return _search(git, references, head, prefix, texts, known, state)
    state["state"] = "folder"
    git = _Git(scratch, seconds)
    git.run("init", "--quiet", "--bare", "--template=")
    return [
        one
        for path in sorted(_unignored(git, folder, texts))
        for one in find_credentials(path, texts[path].encode(), known, place=path)
    ]
