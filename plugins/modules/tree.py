#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: tree
short_description: Write a whole tree of files in one go
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Makes the files of a list be there with their content, mode and owner,
    and removes those that an earlier list had and this one has not.
  - A file is written only when it differs, and then atomically. Whoever reads it sees the old or the new one.
  - Files that the module did not write are never touched.
  - One that it wrote, and somebody changed or removed since then, is written again, and a warning names it.
extends_documentation_fragment:
  - fortytwo.inception._files
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode a missing parent of O(path), owner or group is not an error,
        since an earlier task would have made it.
  diff_mode:
    support: full
    details:
      - They are shown file by file.
  idempotent:
    support: full
  platform:
    support: full
options:
  path:
    description:
      - The root of the tree. It is made when it is missing, but its parent must exist. It must not be a symbolic link.
    type: path
    required: true
  manifest:
    description:
      - The file outside of O(path) in which the module remembers what it wrote.
      - It belongs to the user who runs the module, with mode V(0644). Its folder is made when it is missing.
    type: path
    required: true
  src:
    description:
      - A folder on the control node whose files are templates, found as M(ansible.builtin.template) finds one. Each is
        rendered there, and belongs to the tree by its path in the folder.
      - One that renders to nothing is not there.
    type: str
  files:
    description: More files of the tree. Folders that are missing are made with mode V(0755).
    type: list
    elements: dict
    suboptions:
      path:
        description: Where the file is, relative to O(path), in its plainest form (without C(..), C(.) or C(//)).
        type: str
        required: true
      content:
        description: The text, written as UTF-8 exactly as it is.
        type: str
        required: true
      encoding:
        description: With V(base64), O(files[].content) stands for the bytes of a file that is no text.
        type: str
        choices: [text, base64]
        default: text
      mode:
        description: The mode as a string of four octal digits.
        type: str
        default: "0644"
notes:
  - At least one of O(src) and O(files) is wanted.
  - The folders that hold the files get O(owner) and O(group) as well.
  - Do not put secrets into O(files[].content). It is shown in diff mode and in logs.
"""

EXAMPLES = r"""
- name: Write a project of templates
  fortytwo.inception.tree:
    path: /home/wil/inception
    owner: wil
    group: wil
    manifest: /var/lib/fortytwo.inception/wil.json
    src: project

- name: Write a project of two files
  fortytwo.inception.tree:
    path: /home/wil/inception
    owner: wil
    group: wil
    manifest: /var/lib/fortytwo.inception/wil.json
    files:
      - path: Makefile
        content: "{{ lookup('ansible.builtin.template', 'Makefile.j2') }}"
      - path: srcs/requirements/nginx/tools/start.sh
        content: "{{ lookup('ansible.builtin.template', 'start.sh.j2') }}"
        mode: "0755"
"""

RETURN = r"""
changed_files:
  description: The files that were made or changed (or would have been, in check mode), relative to the root, sorted.
  returned: success
  type: list
  elements: str
  sample: [Makefile]
removed_files:
  description: The files that were removed (or would have been, in check mode), relative to the root, sorted.
  returned: success
  type: list
  elements: str
  sample: []
changed_by_hand:
  description:
    - Those of RV(changed_files) that somebody else had changed or removed since the module wrote them, sorted.
    - None is known after a run that was cut off.
  returned: success
  type: list
  elements: str
  sample: [srcs/requirements/nginx/conf/nginx.conf]
"""

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files

MODE = re.compile(r"0[0-7]{3}")
FOLDER_MODE = 0o755
MANIFEST_MODE = 0o644
# How many files a warning names.
NAMED = 5


@dataclass(frozen=True)
class File:
    """A file as it shall be."""

    path: str
    data: bytes
    attributes: _files.Attributes


@dataclass(frozen=True)
class Change:
    """A file that is not as it shall be."""

    file: File
    before: str
    before_attributes: str | None


def parents(path: str) -> list[str]:
    """The folders above a relative path, the nearest first, without the root."""
    found = []
    while path := os.path.dirname(path):
        found.append(path)
    return found


def path_problem(path: str) -> str | None:
    if not path or path.startswith("/"):
        return "is not relative to the root of the tree"
    if ".." in path.split("/"):
        return "has a '..' in it"
    if path == "." or os.path.normpath(path) != path:
        return f"is not in its plainest form, {os.path.normpath(path)!r}"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "has a control character in it"
    return None


def data_of(option: dict[str, Any]) -> bytes:
    """The bytes of a file."""
    if option["encoding"] == "text":
        return str(option["content"]).encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(option["content"], validate=True)
    except binascii.Error as error:
        raise _files.FileProblem(f"files: {option['path']!r}: the content is not base64: {error}") from error


def as_text(data: bytes) -> str:
    """The bytes for a diff."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"{len(data)} bytes that are no text, SHA-256 {hashlib.sha256(data).hexdigest()}\n"


def declared(options: list[dict[str, Any]], uid: int | None, gid: int | None) -> dict[str, File]:
    """The files of the list by their paths, once they are known to be sound."""
    files: dict[str, File] = {}
    for option in options:
        path = option["path"]
        if problem := path_problem(path):
            raise _files.FileProblem(f"files: {path!r} {problem}; for example: srcs/docker-compose.yml")
        if path in files:
            raise _files.FileProblem(f"files: {path!r} is there twice; name each file once")
        if not MODE.fullmatch(option["mode"]):
            raise _files.FileProblem(
                f'files: {path!r}: the mode {option["mode"]!r} is not four octal digits in quotes; for example: "0644"'
            )
        files[path] = File(path, data_of(option), _files.Attributes(int(option["mode"], 8), uid, gid))
    for path in files:
        for parent in parents(path):
            if parent in files:
                raise _files.FileProblem(f"files: {parent!r} is a file and, because of {path!r}, a folder; rename one")
    return files


class Manifest:
    """The memory of what the module wrote, so that it knows what it may remove."""

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        self.root = root
        self.files: frozenset[str] | None = None
        # Of what was written, so far as that is known: after a run that was cut off it is not.
        self.digests: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        if _files.look(self.path) is None:
            return
        hint = "if that is wanted, remove this file and, by hand, what is left of the old tree"
        folder = _files.open_folder(os.path.dirname(self.path))
        try:
            with _files.opened_file(os.path.basename(self.path), folder, self.path) as descriptor:
                content = json.loads(_files.read_all(descriptor)) if descriptor is not None else {}
            root, files = content["path"], content["files"]
            sound = isinstance(files, list) and all(isinstance(f, str) and path_problem(f) is None for f in files)
            digests = dict(content.get("digests") or {})
        except (ValueError, KeyError, TypeError):
            sound = False
        finally:
            os.close(folder)
        if not sound:
            raise _files.FileProblem(f"manifest: {self.path} was not written by this module or is damaged; {hint}")
        if root != self.root:
            raise _files.FileProblem(f"manifest: {self.path} belongs to the tree {root}; {hint}")
        self.files = frozenset(files)
        self.digests = digests

    def write(self, files: frozenset[str], digests: dict[str, str]) -> None:
        if files == self.files and digests == self.digests:
            return
        name = os.path.dirname(self.path)
        os.makedirs(name, mode=FOLDER_MODE, exist_ok=True)
        folder = _files.open_folder(name)
        try:
            content = {"path": self.root, "files": sorted(files), "digests": dict(sorted(digests.items()))}
            text = json.dumps(content, indent=2) + "\n"
            attributes = _files.Attributes(MANIFEST_MODE, os.geteuid(), os.getegid())
            _files.write_file(os.path.basename(self.path), folder, text.encode(), attributes)
            _files.sync(folder)
        finally:
            os.close(folder)
        self.files, self.digests = files, digests


class Tree:
    """The folders of the tree, each opened once and never through a link."""

    def __init__(self, root: str, uid: int | None, gid: int | None) -> None:
        self.root = root
        self.uid = uid
        self.gid = gid
        self._open: dict[str, int] = {}

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def shown(self, path: str) -> str:
        return os.path.join(self.root, path) if path else self.root

    def folder(self, path: str) -> int | None:
        """The descriptor of a folder of the tree, None when it is missing."""
        if path in self._open:
            return self._open[path]
        name, above = self.root, None
        if path:
            name, above = os.path.basename(path), self.folder(os.path.dirname(path))
            if above is None:
                return None
        if _files.look(name, above) is None:
            return None
        self._open[path] = _files.open_folder(name, above, self.shown(path))
        return self._open[path]

    def owned(self, descriptor: int) -> bool:
        found = os.fstat(descriptor)
        return self.uid in (None, found.st_uid) and self.gid in (None, found.st_gid)

    def make_folder(self, path: str) -> int:
        """The descriptor of a folder that exists from now on, with the right owner."""
        descriptor = self.folder(path)
        if descriptor is not None and self.owned(descriptor):
            return descriptor
        if descriptor is None:
            above = self.make_folder(os.path.dirname(path)) if path else None
            os.mkdir(os.path.basename(path) if path else self.root, FOLDER_MODE, dir_fd=above)
            descriptor = self.folder(path)
            if descriptor is None:
                raise _files.FileProblem(f"{self.shown(path)} was taken away while it was made")
            mode = FOLDER_MODE
        else:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        _files.Attributes(mode, self.uid, self.gid).apply(descriptor)
        return descriptor

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[int | None]:
        folder = self.folder(os.path.dirname(path))
        if folder is None:
            yield None
            return
        with contextlib.ExitStack() as opened:
            yield opened.enter_context(_files.opened_file(os.path.basename(path), folder, self.shown(path)))


class Work:
    """Everything that one run finds out and does."""

    def __init__(self, tree: Tree, files: dict[str, File], manifest: Manifest) -> None:
        self.tree = tree
        self.files = files
        self.manifest = manifest
        self.warnings: list[str] = []
        self.by_hand: list[str] = []
        self.removed = {path: text for path in sorted(self._vanished()) if (text := self._removable(path)) is not None}
        self.emptied = self._emptied()
        self.changes = [change for path in sorted(files) if (change := self._change(files[path])) is not None]
        self.folders = self._folders()

    @property
    def changed(self) -> bool:
        return bool(self.removed or self.changes or self.folders) or self.manifest.files != frozenset(self.files)

    def _note_by_hand(self, path: str, data: bytes | None) -> None:
        """Where it is not what this module wrote last."""
        known = self.manifest.digests.get(path)
        if known is not None and (data is None or digest(data) != known):
            self.by_hand.append(path)

    def _vanished(self) -> frozenset[str]:
        return (self.manifest.files or frozenset()) - frozenset(self.files)

    def _removable(self, path: str) -> str | None:
        """The content of a file that has to go; None when it has gone or is somebody else's now."""
        try:
            with self.tree.file(path) as descriptor:
                return None if descriptor is None else as_text(_files.read_all(descriptor))
        except _files.FileProblem as problem:
            self.warnings.append(f"not removed: {problem}")
            return None

    def _emptied(self) -> list[str]:
        """The folders of vanished files that are empty after the removal, the deepest first."""
        needed = {parent for path in self.files for parent in parents(path)}
        candidates = {parent for path in self._vanished() for parent in parents(path)} - needed
        gone = set(self.removed)
        emptied = []
        for path in sorted(candidates, key=lambda p: (-p.count("/"), p)):
            # A link is not a folder of ours; that was already said about the file in it.
            with contextlib.suppress(_files.FileProblem):
                folder = self.tree.folder(path)
                if folder is not None and all(os.path.join(path, name) in gone for name in os.listdir(folder)):
                    gone.add(path)
                    emptied.append(path)
        return emptied

    def _cleared(self, path: str) -> bool:
        """Whether the removal clears the place of this file first."""
        return path in self.emptied or any(parent in self.removed for parent in parents(path))

    def _change(self, file: File) -> Change | None:
        if self._cleared(file.path):
            return Change(file, "", None)
        with self.tree.file(file.path) as descriptor:
            if descriptor is None:
                self._note_by_hand(file.path, None)
                return Change(file, "", None)
            data, found = _files.read_all(descriptor), os.fstat(descriptor)
        if data == file.data and file.attributes.fit(found):
            return None
        if data != file.data and file.path not in (self.manifest.files or frozenset()):
            raise _files.FileProblem(
                f"{self.tree.shown(file.path)} is there with another content, and this module did not write it:"
                " move it away, so that nothing of it is lost"
            )
        if data != file.data:
            self._note_by_hand(file.path, data)
        return Change(file, as_text(data), _described(found.st_mode, found.st_uid, found.st_gid))

    def _folders(self) -> list[str]:
        """The folders whose owner is not the right one, or the root when it is missing."""
        needed = {"", *(parent for path in self.files for parent in parents(path) if not self._cleared(path))}
        wrong = []
        for path in sorted(needed):
            folder = self.tree.folder(path)
            if (folder is None and not path) or (folder is not None and not self.tree.owned(folder)):
                wrong.append(path)
        return wrong

    def carry_out(self) -> None:
        wanted = frozenset(self.files)
        # Remember first and forget last: an interrupted run leaves no file that nobody knows, or takes for another's.
        changing = {*self.removed, *(change.file.path for change in self.changes)}
        known = {path: text for path, text in self.manifest.digests.items() if path not in changing}
        self.manifest.write(wanted | (self.manifest.files or frozenset()), known)
        for path in self.removed:
            self._remove(path)
        for path in self.emptied:
            os.rmdir(os.path.basename(path), dir_fd=self.tree.folder(os.path.dirname(path)))
        for path in self.folders:
            self.tree.make_folder(path)
        touched: dict[str, int] = {}
        for change in self.changes:
            name = os.path.dirname(change.file.path)
            touched[name] = self.tree.make_folder(name)
            _files.write_file(
                os.path.basename(change.file.path), touched[name], change.file.data, change.file.attributes
            )
        for folder in touched.values():
            _files.sync(folder)
        self.manifest.write(wanted, {path: digest(file.data) for path, file in self.files.items()})

    def _remove(self, path: str) -> None:
        folder = self.tree.folder(os.path.dirname(path))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.basename(path), dir_fd=folder)

    def difference(self) -> list[dict[str, str]]:
        entries = [_entry(self.tree.shown(path), text, "") for path, text in self.removed.items()]
        for change in self.changes:
            file, shown = change.file, self.tree.shown(change.file.path)
            after = as_text(file.data)
            if change.before_attributes is None or change.before != after:
                entries.append(_entry(shown, change.before, after))
            wanted = file.attributes
            described = _described(wanted.mode, wanted.uid, wanted.gid)
            if change.before_attributes is not None and change.before_attributes != described:
                entries.append(_entry(shown, change.before_attributes, described))
        return entries


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def said_of(by_hand: list[str]) -> str:
    named = ", ".join(by_hand[:NAMED]) + (f" and {len(by_hand) - NAMED} more" if len(by_hand) > NAMED else "")
    return (
        f"changed by hand since it was written, and written again: {named}."
        " What shall stay belongs into the inventory, or into a service of your own"
    )


def _described(mode: int, uid: int | None, gid: int | None) -> str:
    owner = ":".join("unchanged" if number is None else str(number) for number in (uid, gid))
    return f"mode {stat.S_IMODE(mode):04o}, owner {owner}\n"


def _entry(path: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def check_places(root: str, manifest: str) -> None:
    for option, path in (("path", root), ("manifest", manifest)):
        if not os.path.isabs(path) or os.path.normpath(path) != path:
            raise _files.FileProblem(f"{option}: {path!r} is not an absolute path in its plainest form")
    if os.path.commonpath((root, manifest)) == root:
        raise _files.FileProblem(f"manifest: {manifest} lies inside of the tree {root}; put it outside of it")


def run(module: AnsibleModule) -> dict[str, Any]:
    root, manifest_path = module.params["path"], module.params["manifest"]
    check_places(root, manifest_path)
    uid, gid = _files.owner(module)
    files = declared(module.params["files"] or [], uid, gid)
    above = os.path.dirname(root)
    if _files.look(above) is None and not module.check_mode:
        raise _files.FileProblem(f"path: the folder {above}, which shall hold the tree, does not exist; make it first")
    tree = Tree(root, uid, gid)
    try:
        folder = tree.folder("")
        created = folder is None and not module.check_mode
        if created:
            Manifest(manifest_path, root)  # A bad one is found before anything is made.
            folder = tree.make_folder("")
        with _files.locked(folder, root) if folder is not None else contextlib.nullcontext():
            work = Work(tree, files, Manifest(manifest_path, root))
            changed = work.changed or created
            if changed and not module.check_mode:
                work.carry_out()
    finally:
        tree.close()
    if work.by_hand:
        work.warnings.append(said_of(work.by_hand))
    for warning in work.warnings:
        module.warn(warning)
    return {
        "changed": changed,
        "changed_files": [change.file.path for change in work.changes],
        "removed_files": list(work.removed),
        "changed_by_hand": work.by_hand,
        "diff": work.difference(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "manifest": {"type": "path", "required": True},
            # Rendered by the action plugin; a module alone has no control node.
            "src": {"type": "str"},
            "files": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True},
                    "encoding": {"type": "str", "choices": ["text", "base64"], "default": "text"},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
        },
        required_one_of=[("src", "files")],
        supports_check_mode=True,
    )
    _files.answer(module, run)


if __name__ == "__main__":
    main()
