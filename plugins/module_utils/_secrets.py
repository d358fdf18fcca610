# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module secrets. Private to this collection: it may change without notice.

A run looks at the folder, plans its steps for all secrets, and only then takes them, so that a problem with one
secret leaves all as they were. Killed between two steps, it leaves a state from which the next run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _secret_values
from ansible_collections.fortytwo.inception.plugins.module_utils._secret_files import (
    MODE,
    Files,
    Folder,
    Link,
    Move,
    Remove,
    Repair,
    Step,
    Write,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._secret_values import Secret

PRESENT, STAGED, PROMOTED, FINALIZED, ABORTED, ABSENT = (
    "present",
    "staged",
    "promoted",
    "finalized",
    "aborted",
    "absent",
)


def phase(secret: Secret, files: Files) -> str:
    """How far the rotation of a secret is."""
    current, staged, previous = (files.get(name) for name in (secret.current, secret.next, secret.previous))
    if current is None:
        return ABSENT
    # A previous file that still is the current one comes from a promotion that was killed before its second step.
    if previous is not None and previous.serial != current.serial:
        return PROMOTED
    return STAGED if staged is not None else FINALIZED


class Work:
    """What one run finds, plans and does."""

    def __init__(self, module: AnsibleModule, folder: Folder, declared: list[Secret]) -> None:
        self.options: dict[str, Any] = module.params
        self.check = module.check_mode
        self.folder = folder
        self.declared = declared
        self.wanted = _files.Attributes(MODE, *_files.owner(module))
        self.revisions = _revisions(self.options["revisions"], declared, self.options["state"])
        names = {name for s in declared for name in s.files} | set(map(_revision, self.revisions))
        self.undeclared = folder.undeclared(frozenset(names), revisions=self.options["revisions"] is not None)
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
        revised = {f"{secret}.txt" for secrets in self.revisions.values() for secret in secrets}
        names = (
            {name for secret in self.declared for name in secret.files} | revised | set(map(_revision, self.revisions))
        )
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
        if self.options["state"] == PRESENT:
            # What is missing is made, and revisions name nothing else.
            return
        for revision, secrets in self.revisions.items():
            for name in secrets:
                if f"{name}.txt" not in self.before:
                    raise _files.FileProblem(
                        f"revisions: {revision!r} names the secret {name!r}, "
                        f"but {self.folder.shown(name)}.txt is missing"
                    )

    def steps(self) -> list[Step]:
        """What there is to do for the secrets, all of it planned before the first step is taken."""
        return list(self._steps())

    def _steps(self) -> Iterator[Step]:
        plan: dict[str, Callable[[Secret], Iterator[Step]]] = {
            PRESENT: self._present,
            STAGED: self._staged,
            PROMOTED: self._promoted,
            FINALIZED: self._finalized,
            ABORTED: self._aborted,
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

    def _present(self, secret: Secret) -> Iterator[Step]:
        if secret.current not in self.before:
            yield Write(secret.current, secret.new_value(), self.wanted)
            return
        value = self.folder.value(secret.current)
        if secret.value in (None, value):
            self._judge(secret, value)
        elif self.options["replace"] == STAGED:
            yield from self._staged(secret)
        elif phase(secret, self.before) == FINALIZED:
            yield Write(secret.current, secret.new_value(), self.wanted)
        else:
            raise _files.FileProblem(
                f"secrets: {secret.name!r} has another value than the given one, and is being rotated "
                f"({phase(secret, self.before)}); finish that first, or set replace to staged"
            )

    def _judge(self, secret: Secret, value: bytes) -> None:
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

    def _staged(self, secret: Secret) -> Iterator[Step]:
        value = self.folder.value(secret.current)
        if phase(secret, self.before) == PROMOTED:
            if secret.value not in (None, value):
                self.warnings[secret.name].append(
                    f"{self.folder.shown(secret.current)} is being replaced (promoted); "
                    "the given value is staged by the first run after that is finalized"
                )
            return
        kept = self.folder.value(secret.next) if secret.next in self.before else None
        if (kept is None and secret.value != value) or (secret.value not in (None, value, kept)):
            yield Write(secret.next, secret.new_value(), self.wanted.over(self.before[secret.current].attributes))

    def _promoted(self, secret: Secret) -> Iterator[Step]:
        if phase(secret, self.before) != STAGED:
            return
        self.folder.value(secret.next)
        # The current file is there at every moment.
        if secret.previous not in self.before:
            yield Link(secret.current, secret.previous)
        yield Move(secret.next, secret.current)

    def _finalized(self, secret: Secret) -> Iterator[Step]:
        if secret.previous in self.before:
            yield Remove(secret.previous)

    def _aborted(self, secret: Secret) -> Iterator[Step]:
        if phase(secret, self.before) == STAGED and secret.previous in self.before:
            yield Remove(secret.previous)
        if secret.next in self.before:
            yield Remove(secret.next)

    def _absent(self, secret: Secret) -> Iterator[Step]:
        for name in secret.files:
            if name in self.before:
                yield Remove(name)

    def revision_steps(self) -> list[Step]:
        """What there is to do for the revisions, now that the serials are known."""
        steps: list[Step] = []
        for revision, secrets in sorted(self.revisions.items()):
            name = _revision(revision)
            # One that is not known yet, in check mode, is none that a revision tells of.
            serials = {secret: self.files[f"{secret}.txt"].serial for secret in secrets}
            line = ",".join(f"{secret}:{serial}" for secret, serial in sorted(serials.items()))
            data = f"SECRETS={line}\n".encode("ascii")
            file = self.files.get(name)
            if file is None or self.folder.read(name) != data:
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
        if self.options["state"] == PRESENT:
            result["undeclared"] = sorted(map(self.folder.shown, self.undeclared))
        return result

    def _secret_result(self, secret: Secret) -> dict[str, Any]:
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


def _revision(name: str) -> str:
    return f"{name}.env"


def _revisions(option: dict[str, Any] | None, declared: list[Secret], state: str) -> dict[str, list[str]]:
    """The names of the secrets of each revision, once they are known to be sound."""
    revisions = option or {}
    for revision, secrets in revisions.items():
        if problem := _secret_values.name_problem(str(revision)):
            raise _files.FileProblem(f"revisions: {revision!r}: {problem}")
        if not isinstance(secrets, list) or not all(isinstance(name, str) for name in secrets):
            raise _files.FileProblem(
                f"revisions: {revision!r} is not a list of names of secrets; for example: [db_password]"
            )
        unknown = sorted(set(secrets) - {secret.name for secret in declared})
        if unknown and state == PRESENT:
            raise _files.FileProblem(f"revisions: {revision!r} names the secret {unknown[0]!r}, which is not declared")
        for name in unknown:
            if problem := _secret_values.name_problem(name):
                raise _files.FileProblem(f"revisions: {revision!r}: {name!r}: {problem}")
    return revisions


def _check_options(options: dict[str, Any]) -> None:
    path, state = options["path"], options["state"]
    if not os.path.isabs(path):
        raise _files.FileProblem(f"path: {path} is not absolute; for example: /home/wil/inception/secrets")
    if state == ABSENT and not options["secrets"]:
        raise _files.FileProblem(
            "secrets: the state absent removes only secrets that are named; for example: [{name: old}]"
        )
    if state == ABSENT and options["revisions"]:
        raise _files.FileProblem("revisions: they go with every state but absent")
    if state != PRESENT and options["remove_undeclared"]:
        raise _files.FileProblem("remove_undeclared: it goes with the state present, which is given all secrets")


class SecretsModule(AnsibleModule):
    """A module that tells the target's log nothing of its options.

    Ansible takes secret options out of what it logs. It misses those that Python shows in another form than they have,
    like a value with a newline or a backslash in a list.
    """

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        super().log("Invoked")


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
        work.take(work.revision_steps())
    for warning in [warning for warnings in work.warnings.values() for warning in warnings]:
        module.warn(warning)
    return work.result()
