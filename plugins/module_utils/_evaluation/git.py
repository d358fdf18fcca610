# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials in the history of a stranger's git repository. Private to this collection: it may change without notice.

The repository's configuration, hooks, attributes and index are never in use: git runs in an empty repository of ours
that borrows nothing but the objects, and the references are read here as the text files they are.
"""

from __future__ import annotations

import os
import re
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

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFERENCES = 5_000
_COMMITS = 20_000
_BLOBS = 20_000
_BLOB_BYTES = 256 * 1024
_TOTAL_BYTES = 64 * 1024 * 1024
_FINDINGS = 500
_OUTPUT_BYTES = 80 * 1024 * 1024
_MEMORY_BYTES = 2 * 1024 * 1024 * 1024


class _Trouble(Exception):
    """Git could not tell; the message says why."""


def _small_text(path: Path) -> str:
    """A regular file's text, "" for anything else."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 4 * 1024 * 1024:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _references(repository: Path) -> set[str]:
    """The objects that HEAD, branches, tags and remote branches name. A stash is never pushed."""
    found = set(_HASH.findall(_small_text(repository / "HEAD")))
    for line in _small_text(repository / "packed-refs").splitlines():
        found.update(_HASH.findall(line)[:1])
    seen = 0
    if (repository / "refs").is_symlink():
        return found
    for folder, names, files in os.walk(repository / "refs"):
        if folder == str(repository / "refs"):
            files = [name for name in files if name != "stash"]
        for name in files:
            seen += 1
            if seen > _REFERENCES:
                return found
            found.update(_HASH.findall(_small_text(Path(folder, name))))
        names[:] = sorted(names)[:_REFERENCES]
    return found


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_BYTES, _OUTPUT_BYTES))


class _Git:
    """Git in an empty repository that borrows the objects of another."""

    def __init__(self, scratch: Path, seconds: float) -> None:
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
            with subprocess.Popen(
                [*command, *arguments],
                stdin=question,
                stdout=output,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=work_tree or self._home,
                start_new_session=True,
                preexec_fn=_limited,
            ) as process:
                return self._answer(process, output, arguments[0])

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


def _borrow(scratch: Path, repository: Path, seconds: float) -> _Git:
    """An empty repository of ours beside the objects of a stranger's."""
    git = _Git(scratch, seconds)
    form = "sha256" if any(len(one) == 64 for one in _references(repository)) else "sha1"
    git.run("init", "--quiet", "--bare", "--template=", f"--object-format={form}")
    (git.directory / "objects" / "info").mkdir(exist_ok=True)
    objects = str(repository / "objects")
    if "\n" in objects:
        raise _Trouble("the folder's name has a line break")
    (git.directory / "objects" / "info" / "alternates").write_text(
        objects + "\n", encoding="utf-8", errors="surrogateescape"
    )
    if shallow := _small_text(repository / "shallow"):
        (git.directory / "shallow").write_text("\n".join(_HASH.findall(shallow)) + "\n", encoding="utf-8")
    return git


def _commits(git: _Git, references: Iterable[str]) -> bytes:
    """Those of the references that are there and lead to a commit, as a list for --stdin."""
    asked = "".join(f"{reference}^{{commit}}\n" for reference in sorted(references)).encode()
    answers = git.run("cat-file", "--batch-check", given=asked).decode().splitlines()
    return b"".join(f"{words[0]}\n".encode() for line in answers if len(words := line.split()) == 3)


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


def _contents(git: _Git, blobs: list[str], hit: list[str]) -> Iterator[tuple[str, bytes]]:
    """The content of each object that is small enough to be a text that a person wrote."""
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    wanted, total = [], 0
    for line in git.run("cat-file", "--batch-check", given=asked).decode().splitlines():
        name, dummy, rest = line.partition(" ")
        size = int(rest.removeprefix("blob ")) if rest.startswith("blob ") else _BLOB_BYTES + 1
        if size > _BLOB_BYTES:
            continue
        if total + size > _TOTAL_BYTES:
            hit.append(f"only {_TOTAL_BYTES} bytes of the git history were read")
            break
        total += size
        wanted.append(name)
    answer = git.run("cat-file", "--batch", given="".join(f"{name}\n" for name in wanted).encode())
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        name, _kind, size_text = answer[at:end].decode().split(" ")
        at = end + 1 + int(size_text)
        yield name, answer[end + 1 : at]
        at += 1


def _search(
    git: _Git, repository: Path, prefix: str, known: Mapping[str, str], state: dict[str, Any]
) -> list[Credential]:
    commits = _commits(git, _references(repository))
    if not commits:
        if _references(repository):
            raise _Trouble("its commits are not there")
        return []
    head = _commits(git, _HASH.findall(_small_text(repository / "HEAD")) or _head(repository))
    versions, state["commits"] = _versions(git, commits)
    if state["commits"] >= _COMMITS:
        state["limits"].append(f"only {_COMMITS} commits of the git history were read")
    listing = current = b""
    if head:
        listing = git.run("ls-tree", "-r", "-z", "--name-only", head.decode().split()[0])
        current = git.run("ls-tree", "-r", "-z", head.decode().split()[0])
        state["committed"] = git.run("log", "-1", "--format=%cs", head.decode().split()[0]).decode().strip()
    names = (one.decode("utf-8", "backslashreplace") for one in listing.split(b"\0") if one)
    state["tracked"] = [name.removeprefix(prefix) for name in names if name.startswith(prefix)][:_BLOBS]
    paths: dict[str, list[tuple[str, str]]] = {}
    for (blob, path), commit in versions.items():
        if maybe_text(path):
            paths.setdefault(blob, []).append((path, commit))
    if len(paths) > _BLOBS:
        state["limits"].append(f"only {_BLOBS} files of the git history were read")
    seen: dict[tuple[str, str, bool], _Seen] = {}
    for blob, content in _contents(git, list(paths)[:_BLOBS], state["limits"]):
        for path, commit in paths[blob]:
            place = f"commit {commit[:10]}: {path}"
            there = blob.encode() + b"\t" + os.fsencode(path) + b"\0" in current
            past = "" if there else ", gone since"
            for one in find_credentials(path, content, known, place=place, note=past):
                _add(seen, path, one, there)
    return [one.told() for one in seen.values()]


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


def _head(repository: Path) -> list[str]:
    """The object that a symbolic HEAD names."""
    name = _small_text(repository / "HEAD").strip().removeprefix("ref: ")
    if not re.fullmatch(r"refs/heads/[\w./-]+", name) or ".." in name:
        return []
    if loose := _HASH.findall(_small_text(repository / name)):
        return loose
    packed = re.search(rf"^({_HASH.pattern}) {re.escape(name)}$", _small_text(repository / "packed-refs"), re.MULTILINE)
    return [packed.group(1)] if packed else []


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


def _holds(repository: Path, prefix: str, scratch: Path, seconds: float) -> bool:
    """Whether the last commit has files of the folder: one of somebody's settings in the home folder does not."""
    (scratch / "above").mkdir()
    git = _borrow(scratch / "above", repository, seconds)
    head = _commits(git, _HASH.findall(_small_text(repository / "HEAD")) or _head(repository))
    return bool(head) and bool(git.run("ls-tree", "--name-only", head.decode().split()[0], "--", prefix).strip())


def history(folder: str, texts: Mapping[str, str], known: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """What git holds of credentials: in every commit, or without a repository in what a first commit would hold.

    `state` is `history`, `folder` (no repository here) or `unknown` with a `note` that says why.
    """
    state: dict[str, Any] = {"state": "history", "note": "", "commits": 0, "tracked": [], "limits": [], "committed": ""}
    repository, prefix = _repository(Path(folder))
    found: list[Credential] = []
    try:
        if not shutil.which("git"):
            raise _Trouble("git is not installed on the managed host")
        with tempfile.TemporaryDirectory() as scratch:
            if prefix and not _holds(repository, prefix, Path(scratch), seconds):
                repository, prefix = Path(folder, ".git"), ""
            if not os.path.lexists(repository):
                state["state"] = "folder"
                git = _Git(Path(scratch), seconds)
                git.run("init", "--quiet", "--bare", "--template=")
                for path in sorted(_unignored(git, Path(folder), texts)):
                    found.extend(find_credentials(path, texts[path].encode(), known, place=path))
            else:
                objects = repository / "objects"
                if repository.is_symlink() or objects.is_symlink() or not objects.is_dir():
                    raise _Trouble(".git is not a repository's folder; clone the repository again")
                git = _borrow(Path(scratch), repository, seconds)
                found = _search(git, repository, prefix, known, state)
    except (_Trouble, OSError, ValueError) as trouble:
        state |= {"state": "unknown", "note": str(trouble)}
    # A cap may hide what is doubtful, and nothing else.
    found.sort(key=lambda one: not one.certain)
    return {**state, "credentials": [asdict(one) for one in found[:_FINDINGS]]}
