# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module secrets. Private to this collection: it may change without notice.

A run looks at the folder, plans its steps for all secrets, and only then takes them, so that a problem with one
secret leaves all as they were. A step can also be imagined; that is what check mode and the results are made of.
After a step, and within one, a run may be killed: what is left is a state from which the next run goes on.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _secret_values

MODE = 0o400
SECRET_FILE = re.compile(r"[^.].*\.txt(\.next|\.previous)?", re.DOTALL)
SETTLED, STAGED, PROMOTED, ABSENT = "settled", "staged", "promoted", "absent"


@dataclass(frozen=True)
class File:
    """A file of the folder, as it is or as it will be."""

    attributes: _files.Attributes
    # Changes with each new value, and not with mode and owner: which file it is and when it was written. None: later.
    serial: str | None = None
    links: int = 1

    @classmethod
    def of(cls, found: os.stat_result) -> File:
        return cls(_files.Attributes.of(found), f"{found.st_ino:x}-{found.st_mtime_ns:x}", found.st_nlink)

    def fits(self, wanted: _files.Attributes) -> bool:
        return wanted.over(self.attributes) == self.attributes

    def __str__(self) -> str:
        serial = "not known before it is written" if self.serial is None else self.serial
        has = self.attributes
        return f"present, mode {has.mode:04o}, owner {has.uid}:{has.gid}, serial {serial}"


Files = dict[str, File]


class Step(Protocol):
    """A change of the folder."""

    def imagine(self, files: Files) -> None: ...

    def carry_out(self, folder: int) -> None: ...


@dataclass(frozen=True)
class Write:
    name: str
    data: bytes = field(repr=False)
    attributes: _files.Attributes

    def imagine(self, files: Files) -> None:
        old = files.get(self.name)
        before = _files.Attributes(MODE, os.geteuid(), os.getegid()) if old is None else old.attributes
        files[self.name] = File(self.attributes.over(before))

    def carry_out(self, folder: int) -> None:
        _files.write_file(self.name, folder, self.data, self.attributes)
        _files.sync(folder)


@dataclass(frozen=True)
class Repair:
    name: str
    attributes: _files.Attributes

    def imagine(self, files: Files) -> None:
        old = files[self.name]
        files[self.name] = replace(old, attributes=self.attributes.over(old.attributes))

    def carry_out(self, folder: int) -> None:
        with _files.opened_file(self.name, folder, self.name) as descriptor:
            if descriptor is not None:
                self.attributes.apply(descriptor)


@dataclass(frozen=True)
class Link:
    """Give a file a second name."""

    name: str
    second: str

    def imagine(self, files: Files) -> None:
        files[self.second] = files[self.name]

    def carry_out(self, folder: int) -> None:
        os.link(self.name, self.second, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        _files.sync(folder)


@dataclass(frozen=True)
class Move:
    """Put a file in the place of another one."""

    name: str
    place: str

    def imagine(self, files: Files) -> None:
        files[self.place] = files.pop(self.name)

    def carry_out(self, folder: int) -> None:
        os.replace(self.name, self.place, src_dir_fd=folder, dst_dir_fd=folder)
        _files.sync(folder)


@dataclass(frozen=True)
class Remove:
    name: str

    def imagine(self, files: Files) -> None:
        files.pop(self.name, None)

    def carry_out(self, folder: int) -> None:
        os.unlink(self.name, dir_fd=folder)
        _files.sync(folder)


class Folder:
    """The folder of the secrets. In check mode it may be missing, and is then an empty one."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str, trusted: frozenset[int]) -> Iterator[Folder]:
        """The folder, and no other run in it."""
        descriptor = _files.open_safe_folder(path, trusted)
        if descriptor is None:
            yield cls(path, None)
            return
        try:
            with _files.locked(descriptor, path):
                yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    def shown(self, name: str) -> str:
        return os.path.join(self.path, name)

    def files(self, names: Iterable[str]) -> Files:
        """Those of these files that are there; anything else in their place is refused."""
        found = {}
        for name in names if self.descriptor is not None else ():
            with _files.opened_file(name, self.descriptor, self.shown(name)) as descriptor:
                if descriptor is not None:
                    found[name] = File.of(os.fstat(descriptor))
        return found

    def read(self, name: str) -> bytes:
        with _files.opened_file(name, self.descriptor, self.shown(name)) as descriptor:
            return b"" if descriptor is None else _files.read_all(descriptor)

    def value(self, name: str) -> bytes:
        """The value of a secret. One that no service could use is refused."""
        value, shown = self.read(name), self.shown(name)
        if not value:
            raise _files.FileProblem(
                f"{shown} is empty; write the value into it, without a newline at its end, "
                "or remove it to have a new value made"
            )
        if value.endswith((b"\n", b"\r")):
            raise _files.FileProblem(
                f"{shown} ends with a newline, which would be taken as a part of the value; "
                f"take it away: truncate -s -1 {shown}"
            )
        return value

    def anything(self, names: Iterable[str]) -> Files:
        """These files, whatever they are."""
        looked = {name: _files.look(name, self.descriptor) for name in names}
        return {name: File.of(found) for name, found in looked.items() if found is not None}

    def undeclared(self, declared: frozenset[str]) -> list[str]:
        """The files of secrets that are not declared, the current one of each last."""
        return sorted(
            (
                name
                for name in (os.listdir(self.descriptor) if self.descriptor is not None else ())
                if SECRET_FILE.fullmatch(name) and name not in declared
                if (found := _files.look(name, self.descriptor)) is not None and not stat.S_ISDIR(found.st_mode)
            ),
            reverse=True,
        )

    def leftovers(self) -> list[str]:
        return [] if self.descriptor is None else _files.leftovers(self.descriptor)


def phase(secret: _secret_values.Secret, files: Files) -> str:
    """How far the rotation of a secret is."""
    current, staged, previous = (files.get(name) for name in (secret.current, secret.next, secret.previous))
    if current is None:
        return ABSENT
    # A previous file that still is the current one comes from a promotion that was killed before its second step.
    if previous is not None and previous.serial != current.serial:
        return PROMOTED
    return STAGED if staged is not None else SETTLED


class Work:
    """What one run finds, plans and does."""

    def __init__(self, module: AnsibleModule, folder: Folder, declared: list[_secret_values.Secret]) -> None:
        self.options: dict[str, Any] = module.params
        self.check = module.check_mode
        self.folder = folder
        self.declared = declared
        self.wanted = _files.Attributes(MODE, *_files.owner(module))
        self.stamps = _stamps(self.options["stamps"], declared, self.options["state"])
        self.undeclared = folder.undeclared(frozenset(name for s in declared for name in s.files))
        self.names = self._names()
        self.removable = folder.leftovers() + (self.undeclared if self.options["remove_undeclared"] else [])
        self.before = folder.files(self.names) | folder.anything(self.removable)
        self.files = dict(self.before)
        self.warnings: dict[str, list[str]] = {secret.name: [] for secret in declared}
        self.taken: list[Step] = []
        if self.options["state"] != ABSENT:
            self._refuse_what_is_lost()
            self._refuse_hard_links()
        self._refuse_unknown()

    def take(self, steps: list[Step]) -> None:
        """Take the steps, or imagine them in check mode."""
        for step in steps:
            if self.check:
                step.imagine(self.files)
            elif self.folder.descriptor is not None:
                step.carry_out(self.folder.descriptor)
        if not self.check:
            self.files = self.folder.files(self.names)
        self.taken += steps

    def _names(self) -> list[str]:
        stamped = {f"{secret}.txt" for secrets in self.stamps.values() for secret in secrets}
        names = {name for secret in self.declared for name in secret.files} | stamped | set(map(_stamp, self.stamps))
        return sorted(names)

    def _refuse_what_is_lost(self) -> None:
        for secret in self.declared:
            there = [name for name in (secret.previous, secret.next) if name in self.before]
            if there and secret.current not in self.before:
                current, other = self.folder.shown(secret.current), self.folder.shown(there[0])
                raise _files.FileProblem(
                    f"{current} is missing, but {other} is there, and services may know its value; "
                    f"put it back: mv {other} {current}"
                )

    def _refuse_hard_links(self) -> None:
        """The owner of this folder could have linked somebody else's file into it, which a repair would give away."""
        for name in self.names:
            file = self.before.get(name)
            if file is None or file.fits(self.wanted):
                continue
            if file.links > sum(other.serial == file.serial for other in self.before.values()):
                shown = self.folder.shown(name)
                raise _files.FileProblem(
                    f"{shown} has another name elsewhere (a hard link), and its owner or mode would change there "
                    f"as well; make it a file of its own: cp -p {shown} {shown}.copy && mv {shown}.copy {shown}"
                )

    def _refuse_unknown(self) -> None:
        if self.options["state"] == STAGED:
            for secret in self.declared:
                if secret.current not in self.before:
                    raise _files.FileProblem(
                        f"secrets: {secret.name!r} has no value that could be replaced: "
                        f"{self.folder.shown(secret.current)} is missing; make it first, with the state present"
                    )
        names = {secret.name for secret in self.declared} if self._makes_what_is_missing() else set()
        for stamp, secrets in self.stamps.items():
            for name in secrets:
                if f"{name}.txt" not in self.before and name not in names:
                    raise _files.FileProblem(
                        f"stamps: {stamp!r} names the secret {name!r}, but {self.folder.shown(name)}.txt is missing"
                    )

    def _makes_what_is_missing(self) -> bool:
        return bool(self.options["state"] == "present")

    def steps(self) -> list[Step]:
        """What there is to do for the secrets, all of it planned before the first step is taken."""
        return list(self._steps())

    def _steps(self) -> Iterator[Step]:
        plan: dict[str, Callable[[_secret_values.Secret], Iterator[Step]]] = {
            "present": self._present,
            STAGED: self._staged,
            PROMOTED: self._promoted,
            SETTLED: self._settled,
            "withdrawn": self._withdrawn,
            ABSENT: self._absent,
        }
        yield from map(Remove, self.removable)
        after = dict(self.before)
        for secret in self.declared:
            for step in plan[self.options["state"]](secret):
                step.imagine(after)
                yield step
            yield from (
                Repair(name, self.wanted)
                for name in secret.files
                if name in after and not after[name].fits(self.wanted)
            )

    def _present(self, secret: _secret_values.Secret) -> Iterator[Step]:
        if secret.current not in self.before:
            yield Write(secret.current, secret.new_value(), self.wanted)
            return
        value = self.folder.value(secret.current)
        if secret.value in (None, value):
            self._judge(secret, value)
        elif self.options["replace"] == STAGED:
            yield from self._staged(secret)
        elif phase(secret, self.before) == SETTLED:
            yield Write(secret.current, secret.new_value(), self.wanted)
        else:
            raise _files.FileProblem(
                f"secrets: {secret.name!r} has another value than the given one, and is being rotated "
                f"({phase(secret, self.before)}); finish that first, or set replace to staged"
            )

    def _judge(self, secret: _secret_values.Secret, value: bytes) -> None:
        """Say what is wrong with a value that is there and is kept."""
        shown, file = self.folder.shown(secret.current), self.before[secret.current]
        if weakness := secret.weakness(value):
            self.warnings[secret.name].append(f"{shown} holds a value that {weakness}; rotate it")
        mode, uid = file.attributes.mode, file.attributes.uid
        if mode & 0o007:
            self.warnings[secret.name].append(
                f"{shown} was open to every user of the machine (mode {mode:04o}) and may have been read; rotate it"
            )
        if uid not in (0, os.geteuid(), self.wanted.uid):
            self.warnings[secret.name].append(
                f"{shown} belonged to the user with the number {uid}, who may have read it; rotate it"
            )

    def _staged(self, secret: _secret_values.Secret) -> Iterator[Step]:
        if phase(secret, self.before) == PROMOTED:
            return
        value = self.folder.value(secret.current)
        kept = self.folder.value(secret.next) if secret.next in self.before else None
        if (kept is None and secret.value != value) or (secret.value not in (None, value, kept)):
            yield Write(secret.next, secret.new_value(), self.wanted.over(self.before[secret.current].attributes))

    def _promoted(self, secret: _secret_values.Secret) -> Iterator[Step]:
        if phase(secret, self.before) != STAGED:
            return
        self.folder.value(secret.next)
        # The current file is there at every moment.
        if secret.previous not in self.before:
            yield Link(secret.current, secret.previous)
        yield Move(secret.next, secret.current)

    def _settled(self, secret: _secret_values.Secret) -> Iterator[Step]:
        if secret.previous in self.before:
            yield Remove(secret.previous)

    def _withdrawn(self, secret: _secret_values.Secret) -> Iterator[Step]:
        if phase(secret, self.before) == STAGED and secret.previous in self.before:
            yield Remove(secret.previous)
        if secret.next in self.before:
            yield Remove(secret.next)

    def _absent(self, secret: _secret_values.Secret) -> Iterator[Step]:
        for name in secret.files:
            if name in self.before:
                yield Remove(name)

    def stamp_steps(self) -> list[Step]:
        """What there is to do for the stamps, now that the serials are known."""
        steps: list[Step] = []
        for stamp, secrets in sorted(self.stamps.items()):
            name = _stamp(stamp)
            serials = {secret: self.files[f"{secret}.txt"].serial for secret in secrets}
            line = ",".join(f"{secret}:{serial}" for secret, serial in sorted(serials.items()))
            data = f"SECRETS={line}\n".encode("ascii")
            file = self.files.get(name)
            if file is None or None in serials.values() or self.folder.read(name) != data:
                steps.append(Write(name, data, self.wanted))
            elif not file.fits(self.wanted):
                steps.append(Repair(name, self.wanted))
        return steps

    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "changed": bool(self.taken),
            "secrets": [self._secret_result(secret) for secret in self.declared],
            "diff": self._difference(),
        }
        if self.options["state"] == "present":
            result["undeclared"] = sorted(map(self.folder.shown, self.undeclared))
        return result

    def _secret_result(self, secret: _secret_values.Secret) -> dict[str, Any]:
        file = self.files.get(secret.current)
        result = {
            "name": secret.name,
            "path": self.folder.shown(secret.current),
            "created": file is not None and secret.current not in self.before,
            "serial": None if file is None else file.serial,
            "phase": phase(secret, self.files),
            "warnings": self.warnings[secret.name],
        }
        if result["phase"] == STAGED:
            result["staged_path"] = self.folder.shown(secret.next)
        return result

    def _difference(self) -> dict[str, str]:
        """Presence, mode, owner and serial of the files; never a value."""

        def shown(files: Files) -> str:
            return "".join(f"{name}: {files.get(name, 'absent')}\n" for name in sorted(self.before | self.files))

        header = self.folder.path
        return {
            "before_header": header,
            "after_header": header,
            "before": shown(self.before),
            "after": shown(self.files),
        }


def _stamp(name: str) -> str:
    return f"{name}.env"


def _stamps(option: dict[str, Any] | None, declared: list[_secret_values.Secret], state: str) -> dict[str, list[str]]:
    """The names of the secrets of each stamp, once they are known to be sound."""
    stamps = option or {}
    for stamp, secrets in stamps.items():
        if problem := _secret_values.name_problem(str(stamp)):
            raise _files.FileProblem(f"stamps: {stamp!r}: {problem}")
        if not isinstance(secrets, list) or not all(isinstance(name, str) for name in secrets):
            raise _files.FileProblem(f"stamps: {stamp!r} is not a list of names of secrets; for example: [db_password]")
        unknown = sorted(set(secrets) - {secret.name for secret in declared})
        if unknown and state == "present":
            raise _files.FileProblem(f"stamps: {stamp!r} names the secret {unknown[0]!r}, which is not declared")
        for name in unknown:
            if problem := _secret_values.name_problem(name):
                raise _files.FileProblem(f"stamps: {stamp!r}: {name!r}: {problem}")
    return stamps


def _check_options(options: dict[str, Any]) -> None:
    path, state = options["path"], options["state"]
    if not os.path.isabs(path):
        raise _files.FileProblem(f"path: {path} is not absolute; for example: /home/wil/inception/secrets")
    if state == ABSENT and not options["secrets"]:
        raise _files.FileProblem(
            "secrets: the state absent removes only secrets that are named; for example: [{name: old}]"
        )
    if state == ABSENT and options["stamps"]:
        raise _files.FileProblem("stamps: they go with every state but absent")
    if state != "present" and options["remove_undeclared"]:
        raise _files.FileProblem("remove_undeclared: it goes with the state present, which is given all secrets")


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do what the options ask for and return the module's result."""
    options = module.params
    _check_options(options)
    declared = _secret_values.declared(options["secrets"])
    uid, _gid = _files.owner(module)
    with Folder.opened(options["path"], frozenset({0, os.geteuid(), *([] if uid is None else [uid])})) as folder:
        if folder.descriptor is None and not module.check_mode and options["state"] != ABSENT:
            raise _files.FileProblem(f"path: the folder {folder.path} does not exist; make it first, with mode 0700")
        work = Work(module, folder, declared)
        work.take(work.steps())
        work.take(work.stamp_steps())
    for warning in [warning for warnings in work.warnings.values() for warning in warnings]:
        module.warn(warning)
    return work.result()
