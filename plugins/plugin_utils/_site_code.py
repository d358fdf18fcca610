# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's own themes and plugins, from git repositories and folders of the control node: fetched by the user's own
git, looked at, and laid out as they come into the image's build context. Nothing of it needs a managed host.

    git/<digest of the address>.git     a repository, with the commits that were asked for
    sets/<digest>/                      themes/<name>/..., plugins/<name>/..., mu-plugins/<name>/..., and code.json
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils._settings_rules import CODE_KINDS, CONTROL, shown

SETTING = "inception_wordpress_code"
MANIFEST = "code.json"
# All of it is read anew by each deployment, and compared on the managed host.
LARGEST_FILE = 8 << 20
LARGEST = 32 << 20
MOST_FILES = 5000
# As much of a file as WordPress reads for its header.
HEADER = 8192
# A repository that says nothing for so long.
SECONDS = 600
DAYS_KEPT = 30
LFS = b"version https://git-lfs.github.com/spec/v1"
# A hook of git's calls deployments too, and means its own repository by these.
GIT_ENVIRONMENT = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_.*|COMMON_DIR|NAMESPACE|PREFIX)"
)

Files = dict[str, bytes]


class CodeProblem(Exception):
    """What is wrong with one of them, as the rest of a sentence."""


@dataclass(frozen=True)
class Item:
    """One of the list."""

    kind: str
    name: str
    git: str = ""
    commit: str = ""
    subfolder: str = ""
    folder: str = ""
    active: bool = False
    replace: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Item:
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if told.get(name) is not None})

    @property
    def path(self) -> str:
        """Its folder in wp-content."""
        return f"{CODE_KINDS[self.kind]}/{self.name}"

    @property
    def source(self) -> str:
        below = f", folder {self.subfolder}" if self.subfolder else ""
        return f"{self.git}{below}" if self.git else self.folder


# Where it comes from


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time: several managed hosts ask at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Repository:
    """What the control node has of a repository. It is asked with the user's own git, keys and credentials; no question
    is put to anybody, and none of them is written down."""

    def __init__(self, cache: Path, address: str) -> None:
        self.address = address
        self.folder = cache / "git" / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.git"

    def _git(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        env = {name: value for name, value in os.environ.items() if not GIT_ENVIRONMENT.fullmatch(name)}
        env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file", "LC_ALL": "C"}
        if "GIT_SSH_COMMAND" not in env and "GIT_SSH" not in env and not self._has_own_ssh(env):
            env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
        try:
            return subprocess.run(
                ["git", "-C", str(self.folder), *words],
                check=False, capture_output=True, stdin=subprocess.DEVNULL, env=env, timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CodeProblem(f"{shown(self.address)} did not answer within {SECONDS // 60} minutes") from None

    def _has_own_ssh(self, env: dict[str, str]) -> bool:
        argv = ["git", "-C", str(self.folder), "config", "core.sshCommand"]
        return subprocess.run(argv, check=False, capture_output=True, env=env).returncode == 0

    def has(self, commit: str) -> bool:
        return self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def provide(self, commit: str) -> None:
        """Has a commit here. Where a server gives none by its name, all of its branches and tags are fetched."""
        if shutil.which("git") is None:
            raise CodeProblem("there is no git on the control node, which fetches it; install git")
        with locked(self.folder.with_suffix(".lock")):
            self.folder.mkdir(exist_ok=True)
            kind = "sha256" if len(commit) == 64 else "sha1"
            made = self._git("init", "--quiet", "--bare", f"--object-format={kind}")
            if made.returncode != 0:
                raise CodeProblem(f"git init failed: {last_words(made.stderr)}")
            if self.has(commit):
                return
            alone = self._git("fetch", "--quiet", "--depth=1", "--no-tags", "--", self.address, commit)
            if alone.returncode == 0 and self.has(commit):
                return
            all_refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            done = self._git("fetch", "--quiet", "--no-tags", "--", self.address, *all_refs)
            if done.returncode != 0:
                raise CodeProblem(f"{shown(self.address)} gives nothing: {last_words(done.stderr)}")
            if not self.has(commit):
                raise CodeProblem(f"the commit {commit} is on no branch and no tag of {shown(self.address)}")

    def files(self, commit: str, subfolder: str) -> Files:
        """As git would hand it out: what the repository leaves out of its archives (export-ignore) is not in it."""
        below = [subfolder] if subfolder else []
        listed = self._git("ls-tree", "-r", "-z", commit, "--", *below).stdout.decode(errors="surrogateescape")
        entries = [line.partition("\t")[::2] for line in listed.split("\0") if line]
        if subfolder and not any(path.startswith(f"{subfolder}/") for dummy, path in entries):
            raise CodeProblem(f"there is no folder {shown(subfolder)} in that commit")
        modules = [path for told, path in entries if told.startswith("160000 ")]
        if modules:
            raise CodeProblem(
                f"{shown(modules[0])} is a submodule, which git does not hand out with it; "
                "make it an item of its own, or name a subfolder without it"
            )
        archive = self._git("archive", "--format=tar", commit, "--", *below)
        if archive.returncode != 0:
            raise CodeProblem(f"git archive failed: {last_words(archive.stderr)}")
        return unpacked(archive.stdout, subfolder)


def last_words(said: bytes) -> str:
    """The line in which git says what it could not."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))), lines[-1] if lines else "")
    return CONTROL.sub("?", told)[:200] or "it said nothing"


def unpacked(archive: bytes, subfolder: str) -> Files:
    """The files of an archive by their path below a folder of it."""
    found: Files = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            path = posixpath.relpath(member.name, subfolder) if subfolder else member.name
            if path.startswith("..") or left_out(path):
                continue
            if member.issym():
                links[path] = member.linkname
            elif member.isfile():
                ask_for_size(path, member.size)
                content = opened.extractfile(member)
                found[path] = content.read() if content else b""
    for path, target in links.items():
        meant = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if target.startswith("/") or meant.startswith("..") or meant not in found:
            raise CodeProblem(f"{shown(path)} is a link to {shown(target)}, which is no file of it")
        found[path] = found[meant]
    return found


def folder_files(folder: Path) -> Files:
    """The files of a folder of the control node, by their path in it."""
    if not folder.is_dir():
        raise CodeProblem(f"{shown(str(folder))} is not a folder on the control node")
    root = folder.resolve()
    found: Files = {}
    for path in sorted(walked(root, root)):
        shown_path = path.relative_to(root).as_posix()
        if path.is_symlink() and not (path.resolve().is_relative_to(root) and path.is_file()):
            raise CodeProblem(f"{shown(shown_path)} is a link to {shown(os.readlink(path))}, which is no file of it")
        if not path.is_file():
            continue
        ask_for_size(shown_path, path.stat().st_size)
        if len(found) >= MOST_FILES:
            raise CodeProblem(too_many(found))
        try:
            found[shown_path] = path.read_bytes()
        except OSError as error:
            raise CodeProblem(f"{shown(shown_path)} cannot be read: {error.strerror}") from None
    return found


def walked(folder: Path, root: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if left_out(path.relative_to(root).as_posix()):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from walked(path, root)
        else:
            yield path


def left_out(path: str) -> bool:
    """What begins with a dot is of git, of an editor, of a build or a secret, and nothing of a site."""
    return any(part.startswith(".") for part in path.split("/"))


# Whether it is what it is said to be


def ask_for_size(path: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise CodeProblem(f"{shown(path)} has {size >> 20} MiB, and a file has {LARGEST_FILE >> 20} at most")


def too_many(files: Iterable[str]) -> str:
    """With the folder that most of them are in."""
    parts = [path.split("/")[0] for path in files if "/" in path]
    most = max(set(parts), key=parts.count, default="")
    where = f", most of them in {shown(most)}" if most else ""
    return f"it has more than {MOST_FILES} files{where}; what only its making needs does not belong into it"


def header(content: bytes, name: str) -> str:
    """A line of the comment at a file's beginning, as WordPress finds it."""
    pattern = rb"^(?:[ \t]*<\?php)?[ \t/*#@]*" + re.escape(name).encode() + rb":(.*)$"
    found = re.search(pattern, content[:HEADER].replace(b"\r", b"\n"), re.IGNORECASE | re.MULTILINE)
    return found[1].decode(errors="replace").strip(" \t*/?>") if found else ""


def look(item: Item, files: Files) -> str:
    """Refuses what WordPress would not take for what it is; returns a plugin's main file."""
    if len(files) > MOST_FILES:
        raise CodeProblem(too_many(files))
    for path, content in files.items():
        if CONTROL.search(path) or "\\" in path or not path.isprintable():
            raise CodeProblem(f"{shown(path)} is a name that not every system has")
        if content.startswith(LFS):
            raise CodeProblem(f"{shown(path)} lies in git's large file storage, and only what points to it is here")
    if item.kind == "theme":
        return _look_at_theme(files)
    plugins = [
        path for path in sorted(files) if re.fullmatch(r"[^/]+\.php", path) and header(files[path], "Plugin Name")
    ]
    main = f"{item.name}.php"
    if item.kind == "mu-plugin" and main not in files:
        raise CodeProblem(f"it has no {main}, by which WordPress begins a mu-plugin in a folder")
    if item.kind == "mu-plugin":
        return main
    if not plugins:
        raise CodeProblem(
            "no .php in it begins with a comment that has 'Plugin Name:', so it is no plugin" + _deeper(files)
        )
    if main not in plugins and len(plugins) > 1:
        raise CodeProblem(f"{' and '.join(plugins[:3])} both are plugins, and none of them is {main}")
    return main if main in plugins else plugins[0]


def _look_at_theme(files: Files) -> str:
    style = files.get("style.css", b"")
    if not header(style, "Theme Name"):
        said = "its style.css does not begin with a comment that has 'Theme Name:'" if style else "it has no style.css"
        raise CodeProblem(f"{said}, so it is no theme{_deeper(files)}")
    begins = ("index.php", "templates/index.html", "block-templates/index.html")
    if not header(style, "Template") and not any(path in files for path in begins):
        raise CodeProblem(
            f"it has neither {begins[0]} nor {begins[1]}, and no 'Template:' in its style.css, so WordPress refuses it"
        )
    return ""


def _deeper(files: Files) -> str:
    """Where a folder of it would be one."""
    inner = {path.rpartition("/")[0] for path in files if re.search(r"/(style\.css|[^/]+\.php)$", path)}
    good = [
        folder
        for folder in sorted(inner, key=lambda one: (one.count("/"), one))
        if any(
            header(content, "Theme Name" if path.endswith("style.css") else "Plugin Name")
            for path, content in files.items()
            if path.rpartition("/")[0] == folder and path.endswith((".php", "style.css"))
        )
    ]
    return f"; its folder {good[0]} is one (subfolder: {good[0]})" if good else ""


# The set of them


def provide(told: Iterable[Mapping[str, Any]], cache: Path) -> Path | None:
    """All of the list in one folder, as it comes into the image's build context; None for an empty list."""
    items = [Item.of(one) for one in told]
    if not items:
        return None
    wrong: list[str] = []
    entries: list[dict[str, Any]] = []
    everything: Files = {}
    for item in items:
        try:
            entries.append(_provided(item, cache, everything))
        except CodeProblem as problem:
            wrong.append(f"{SETTING}: {item.name} ({item.kind} from {item.source}): {problem}")
    size = sum(map(len, everything.values()))
    if size > LARGEST:
        largest = max(entries, key=lambda one: int(one["size"]))
        wrong.append(
            f"{SETTING}: it has {size >> 20} MiB, {int(largest['size']) >> 20} of them in {largest['name']}, and "
            f"{LARGEST >> 20} is the most that is deployed so; large plugins of others are installed in the dashboard"
        )
    if wrong:
        raise CodeProblem("\n".join(wrong))
    for entry in entries:
        del entry["size"]
    everything[MANIFEST] = (json.dumps(entries, indent=2) + "\n").encode()
    return _laid_out(everything, cache)


def _provided(item: Item, cache: Path, everything: Files) -> dict[str, Any]:
    if item.git:
        repository = Repository(cache, item.git)
        repository.provide(item.commit)
        files = repository.files(item.commit, item.subfolder.strip("/"))
    else:
        files = folder_files(Path(item.folder))
    main = look(item, files)
    everything |= {f"{item.path}/{path}": content for path, content in files.items()}
    entry = {"kind": item.kind, "name": item.name, "path": item.path, "main": main and f"{item.name}/{main}"}
    more = {"commit": item.commit, "active": item.active, "replace": item.replace}
    return {**entry, **more, "size": sum(map(len, files.values()))}


def _laid_out(files: Files, cache: Path) -> Path:
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    sets = cache / "sets"
    place = sets / digest.hexdigest()[:16]
    with locked(cache / "sets.lock"):
        sets.mkdir(exist_ok=True)
        if not place.is_dir():
            new = Path(tempfile.mkdtemp(dir=sets, prefix=".new-"))
            for path, content in files.items():
                target = new / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            new.rename(place)
        os.utime(place)
        for old in sets.iterdir():
            if old.stat().st_mtime < time.time() - DAYS_KEPT * 86400:
                shutil.rmtree(old, ignore_errors=True)
    return place
