# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was deployed on this machine, when and by whom, and what it takes to go back there.

Private to this collection; part of the machine's own program. It lies beside the project folder, for root alone, and
holds the project's files and the names of its images: no secret, and no data.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _files

# Deployments that can be gone back to, and lines of the list.
OFFERED = 5
LISTED = 100
# What is under way.
JOURNAL = "journal.json"

# What became of a deployment.
KEPT, REFUSED, GAVE_WAY, FAILED, CUT_OFF = "kept", "refused", "gave way", "failed", "cut off"


@dataclass(frozen=True)
class File:
    """A file of the project."""

    data: bytes
    mode: int

    def packed(self) -> list[Any]:
        return [self.mode, base64.b64encode(self.data).decode()]

    @classmethod
    def unpacked(cls, packed: list[Any]) -> File:
        return cls(base64.b64decode(packed[1]), packed[0])


Files = dict[str, File]


@dataclass
class Entry:
    """One line of the history."""

    number: int
    when: str
    who: str
    what: str
    result: str = KEPT
    digest: str = ""
    changed: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    said: str = ""


def digest(files: Files) -> str:
    """Equal files, equal digest."""
    sums = [[path, file.mode, hashlib.sha256(file.data).hexdigest()] for path, file in sorted(files.items())]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]


def object_of(text: str) -> dict[str, Any]:
    """A JSON object, empty where the text is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def read(path: Path) -> dict[str, Any]:
    """The JSON object of a file, empty where there is none."""
    try:
        return object_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write(path: Path, content: Any) -> None:
    """JSON that is there whole, also after a power cut, or not at all."""
    new = path.with_name(path.name + ".new")
    with open(new, "w", encoding="utf-8") as file:
        new.chmod(0o600)
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _files.sync(folder)
    finally:
        os.close(folder)


class Project:
    """The project folder, as far as a deployment wrote it: the files of the manifest.

    It is its owner's, who may put links there: each folder is opened by itself and never through one.
    """

    def __init__(self, root: str, manifest: str) -> None:
        self.root, self.manifest = root, Path(manifest)

    def paths(self) -> list[str]:
        try:
            found = json.loads(self.manifest.read_text(encoding="utf-8"))
            return [str(path) for path in found["files"]] if found["path"] == self.root else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    @contextlib.contextmanager
    def _folder(self, path: str, owner: os.stat_result | None = None) -> Iterator[int | None]:
        """The folder of a file; where an owner is given, it is made."""
        with contextlib.ExitStack() as opened:
            shown, folder = self.root, _files.open_folder(self.root)
            opened.callback(os.close, folder)
            for name in path.split("/")[:-1]:
                shown = f"{shown}/{name}"
                if _files.look(name, folder) is None:
                    if owner is None:
                        yield None
                        return
                    os.mkdir(name, 0o755, dir_fd=folder)
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder, follow_symlinks=False)
                folder = _files.open_folder(name, folder, shown)
                opened.callback(os.close, folder)
            yield folder

    def read(self) -> Files:
        """Those that are there; what somebody put in their place is none."""
        found: Files = {}
        for path in self.paths():
            with contextlib.suppress(_files.FileProblem), self._folder(path) as folder:
                if folder is None:
                    continue
                with _files.opened_file(os.path.basename(path), folder, path) as descriptor:
                    if descriptor is not None:
                        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
                        found[path] = File(_files.read_all(descriptor), mode)
        return found

    def restore(self, files: Files) -> None:
        """Has these files and no other ones of ours. Cut off, it is repeated."""
        owner = os.stat(self.root)
        present = self.read()
        self._remember({*present, *files, *self.paths()}, {})
        for path, file in sorted(files.items()):
            if present.get(path) == file:
                continue
            with self._folder(path, owner) as folder:
                if folder is None:
                    raise _files.FileProblem(f"{self.root}/{path} has no folder, and it could not be made")
                attributes = _files.Attributes(file.mode, owner.st_uid, owner.st_gid)
                _files.write_file(os.path.basename(path), folder, file.data, attributes)
                _files.sync(folder)
        for path in sorted(set(self.paths()) - set(files), reverse=True):
            with contextlib.suppress(_files.FileProblem), self._folder(path) as folder:
                if folder is not None:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.basename(path), dir_fd=folder)
            self._remove_empty(os.path.dirname(path))
        self._remember(files, {path: hashlib.sha256(file.data).hexdigest() for path, file in sorted(files.items())})

    def _remember(self, paths: Any, digests: dict[str, str]) -> None:
        """As the module tree does: the digests are of files that are written."""
        self.manifest.parent.mkdir(parents=True, exist_ok=True)
        write(self.manifest, {"path": self.root, "files": sorted(paths), "digests": digests})
        self.manifest.chmod(0o644)

    def _remove_empty(self, path: str) -> None:
        while path:
            with contextlib.suppress(_files.FileProblem), self._folder(path) as folder:
                if folder is None:
                    return
                try:
                    os.rmdir(os.path.basename(path), dir_fd=folder)
                except OSError:
                    return
            path = os.path.dirname(path)


class History:
    """The list of what was deployed, with the files of what can be gone back to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.list, self.journal = folder / "history.json", folder / JOURNAL

    def entries(self) -> list[Entry]:
        try:
            return [Entry(**one) for one in json.loads(self.list.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def next_number(self) -> int:
        return max((one.number for one in self.entries()), default=0) + 1

    def add(self, entry: Entry, files: Files | None = None, plan: Any = None) -> None:
        """Writes an entry down; one that was kept with what it takes to go back to it."""
        self.make()
        if files is not None:
            packed = {path: file.packed() for path, file in files.items()}
            write(self.folder / f"{entry.number}.json", {"files": packed, "plan": plan})
        entries = [one for one in self.entries() if one.number != entry.number]
        write(self.list, [asdict(one) for one in [*entries, entry][-LISTED:]])
        self.prune()

    def mark(self, number: int, result: str, said: str) -> None:
        """What became of a deployment later."""
        entries = self.entries()
        for one in entries:
            if one.number == number:
                one.result, one.said = result, said
        write(self.list, [asdict(one) for one in entries])
        self.prune()

    def files(self, number: int) -> Files:
        try:
            found = json.loads((self.folder / f"{number}.json").read_text(encoding="utf-8"))
            return {path: File.unpacked(packed) for path, packed in found["files"].items()}
        except (OSError, ValueError, KeyError):
            return {}

    def plan(self, number: int) -> dict[str, Any]:
        """How its services are replaced."""
        return read(self.folder / f"{number}.json").get("plan") or {}

    def replan(self, number: int, plan: dict[str, Any]) -> None:
        """How its services are replaced, as a newer version of this collection says it."""
        path = self.folder / f"{number}.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("plan") != plan:
            write(path, {**found, "plan": plan})

    def kept(self) -> list[Entry]:
        """What can be gone back to, the newest last, which is what runs. One of the same files is there once."""
        found: dict[str, Entry] = {}
        for one in self.entries():
            if one.result == KEPT and (self.folder / f"{one.number}.json").exists():
                found.pop(one.digest, None)
                found[one.digest] = one
        return list(found.values())[-OFFERED - 1 :]

    def current(self) -> Entry | None:
        kept = self.kept()
        return kept[-1] if kept else None

    def runs(self) -> dict[str, Any]:
        """What runs here, its version the same on each machine with the same images."""
        current = self.current()
        if current is None:
            return {}
        images = json.dumps(sorted(current.images.values()))
        return {"number": current.number, "version": hashlib.sha256(images.encode()).hexdigest()[:8]}

    def prune(self) -> None:
        kept = {f"{one.number}.json" for one in self.kept()}
        for path in self.folder.glob("*.json"):
            if path.stem.isdecimal() and path.name not in kept:
                path.unlink(missing_ok=True)

    # -- the journal: what is under way --

    def begin(self, content: dict[str, Any]) -> None:
        self.make()
        write(self.journal, content)

    def under_way(self) -> dict[str, Any]:
        return read(self.journal)

    def end(self) -> None:
        self.journal.unlink(missing_ok=True)


def settings(files: Files) -> dict[str, str]:
    """The values of the project's .env."""
    text = files["srcs/.env"].data.decode(errors="replace") if "srcs/.env" in files else ""
    return dict(re.findall(r"(?m)^([A-Z][A-Z0-9_]*)=(.*)$", text))


def differences(before: Files, after: Files) -> list[str]:
    """What changed, in few words: services, settings, other files."""
    if not before:
        return ["the first one that is known"]
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    services = sorted(
        {found[1] for path in changed if (found := re.match(r"srcs/requirements/(?:bonus/)?([^/]+)/", path))}
    )
    old, new = settings(before), settings(after)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    rest = sorted(path for path in changed if not path.startswith("srcs/requirements/") and path != "srcs/.env")
    return [
        *([f"services {', '.join(services)}"] if services else []),
        *([f"settings {', '.join(names)}"] if names else []),
        *([f"files {', '.join(rest)}"] if rest else []),
    ]
