# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine does about itself, once a minute: it looks, renews its certificate, goes on with what was cut off,
and tells a person. Private to this collection; part of the machine's own program.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _acme,
    _backup_state,
    _deployment,
    _health,
    _history,
    _notice,
    _ports,
    _renewal,
    _restore,
    _stuck,
    _takeover,
    _updates,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._health import Finding, Look, Store, Waiting
from ansible_collections.fortytwo.inception.plugins.module_utils._history import History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Held, Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import PROGRESS_FILE, GivenUp

MACHINE = "the machine itself"
RENEWAL = "renewal of the certificate"
RUN = "health:"
WELL = "All is well."
ENGINE = "the engine"
# While the firewall is down, nobody can be held when NGINX is replaced: that waits until the certificate has less.
UNHELD_DAYS = 7


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether no other one looks now."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(folder / "health.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def a_look(history: History, lease: Lease, store: Store, memory: _health.Memory) -> Look:
    settings = store.settings()
    look = Look(history, lease, memory, bool(settings.get("renews")))
    acme = _acme.Store(look.root_of_all())
    # A first deployment says at its end for which names it is.
    if settings.get("acme") and acme.settings().names:
        look.acme = acme
    return look


class Tending:
    """One look, and what follows from it."""

    def __init__(self, history: History, lease: Lease, store: Store, tell: Callable[[str], None]) -> None:
        self.history, self.lease, self.store, self.tell = history, lease, store, tell
        self.settings = store.settings()
        self.memory = store.load()
        self.look = a_look(history, lease, store, self.memory)
        self.acme = self.look.acme

    def once(self) -> None:
        self._take_over_from_the_last()
        self._take_back_a_restore()
        self._settle_the_base()
        findings = self.look.findings()
        if findings is not None:
            findings = self._act(findings)
        begun, over = _health.note(self.memory, findings)
        if begun or over:
            subject, text = _health.worded(begun, over, self._site(), platform.node())
            self._put(subject, text, [one.what for one in begun])
        # What was seen is kept, whatever becomes of the telling.
        self.store.save(self.memory)
        if self._deliver():
            self.store.save(self.memory)

    def _site(self) -> str:
        return self.look.settings.get("DOMAIN", "") or platform.node()

    def _take_over_from_the_last(self) -> None:
        """One look at a time: a lease of another one is that of one that was killed."""
        holder = self.lease.holder()
        if holder is not None and holder.run.startswith(RUN) and not holder.at_work():
            self.lease.release(holder.run)

    # -- what is done --

    def _settle_the_base(self) -> None:
        """A base image that was tried stays, or the former one comes back: an update may have been cut off."""
        if self.lease.holder() is None:
            _updates.settle_base(_updates.Store(self.look.root_of_all()), self.history)

    def _take_back_a_restore(self) -> None:
        """One that was cut off, and that nobody is at. Where it fails, the look after it tells."""
        store = _backup_state.Store(self.look.root_of_all())
        if not store.under_way():
            return
        with contextlib.suppress(_backup_state.BackupProblem, Held), store.alone():
            _restore.settle(store, self.lease, MACHINE, self.tell)

    @contextlib.contextmanager
    def _at_work(self, what: str, who: str = MACHINE) -> Iterator[None]:
        run = f"{RUN}{os.getpid()}"
        self.lease.take(run, who, what)
        try:
            with self.lease.kept(run):
                yield
        finally:
            Path(PROGRESS_FILE).unlink(missing_ok=True)
            self.lease.release(run)

    def _act(self, findings: list[Finding]) -> list[Finding]:
        findings = [*findings, *self._give_ports_back(), *self._restart_what_is_stuck()]
        keys = {one.key for one in findings}
        under_way = self.history.under_way()
        # At the first look somebody may be about to go on with it himself; what was ours nobody else does.
        sure = "cut off" in self.memory.known or (under_way.get("who"), under_way.get("what")) == (MACHINE, RENEWAL)
        if "cut off" in keys and sure and "wish" in under_way:
            findings = self._done(findings, "cut off", "going on with what was cut off", self._go_on)
        if not (self.look.renews or self.acme) or not keys & {"certificate", "served"} or not self._may_renew():
            return findings
        if "certificate" in keys and self.acme is not None:
            return self._certified(findings, self.acme)
        if "certificate" in keys:
            return self._done(findings, "certificate", RENEWAL, self._renew)
        return self._done(findings, "served", RENEWAL, self._serve)

    def _give_ports_back(self) -> list[Finding]:
        """A service that Docker did not start for a port that nobody has; with Docker, it is started."""
        engine = self.look.engine
        if engine is None:
            return []
        down = [one for found in engine.containers.values() for one in found if one.status in ("created", "exited")]
        down = [one for one in down if _ports.ALLOCATED.search(one.error)]
        port = next((port for one in down if (port := _ports.lost(one.error))), "")
        now, before = _health.uptime(), self.memory.restarted.setdefault(ENGINE, [])
        if not port or not _stuck.may_be_restarted(before, now):
            return []
        with contextlib.suppress(Held), self._at_work("starting Docker anew"):
            before.append(now)
            if _ports.give_back():
                for one in down:
                    engine.restart(one)
                return [Finding(ENGINE, _ports.RETOLD.format(port=port), "nothing: this is only told", 1)]
        return []

    def _restart_what_is_stuck(self) -> list[Finding]:
        """What was well and makes no progress for five minutes; not a service that is slow."""
        engine, memory = self.look.engine, self.memory
        if engine is None:
            return []
        containers = [one for found in engine.containers.values() for one in found]
        found = []
        for one in _stuck.Watch(memory.quiet, _health.uptime, engine.log).look(containers, engine.labels()):
            now, before = _health.uptime(), memory.restarted.setdefault(one.service, [])
            what, see = f"{one.service} made no progress for five minutes", f"`docker logs {one.name}` may say why"
            if not _stuck.may_be_restarted(before, now):
                found.append(Finding(f"stuck {one.service}", f"{what}, and was restarted often enough", see, 1))
                continue
            try:
                with self._at_work(f"restarting {one.service}"):
                    done = engine.restart(one)
            except Held:
                continue
            before.append(now)
            what = f"{what}; it was restarted" if done else f"{what}, and could not be restarted"
            found.append(Finding(f"stuck {one.service}", what, see, 1))
        return found

    def _done(self, findings: list[Finding], key: str, what: str, work: Callable[[], None]) -> list[Finding]:
        """Without the finding, when the work was done; else with the reason why it was not."""
        try:
            with self._at_work(what):
                self.tell(what)
                work()
        except Held:
            return findings
        except (GivenUp, FileProblem, OSError, _renewal.RenewalProblem) as problem:
            said = problem.failure.what if isinstance(problem, GivenUp) else str(problem)
            why = f"; {what} failed: {said.splitlines()[0]}"
            return [Finding(one.key, one.what + why, one.todo, 1) if one.key == key else one for one in findings]
        return [one for one in findings if one.key not in (key, "served" if key == "certificate" else key)]

    def _may_renew(self) -> bool:
        """Not by a clock that has just jumped, and nothing else is taken into use along with it."""
        current = self.look.current
        if current is None or self.look.engine is None or not _health.clock_is_trusted(self.memory):
            return False
        if not _takeover.can_hold() and self._days_left() > UNHELD_DAYS:
            return False
        project = _history.Project(self.look.root, str(self.look.plan.get("manifest", "")))
        return _history.digest(project.read()) == current.digest

    def _days_left(self) -> int:
        with contextlib.suppress(_renewal.RenewalProblem, FileProblem, OSError):
            if certificate := _renewal.read(self.look.root, "tls.crt"):
                return _renewal.validity(certificate).days_left(_renewal.now())
        return UNHELD_DAYS + 1

    def _renew(self) -> None:
        settings = self.look.settings
        _renewal.renew(self.look.root, [settings.get("DOMAIN", ""), *settings.get("ALIASES", "").strip('"').split()])
        self._serve()

    def _serve(self) -> None:
        """NGINX takes it as it takes whatever a deployment changes: no visitor notices."""
        wish = _deployment.Wish.of(self.look.plan)
        if not _deployment.Deployment(wish, MACHINE, RENEWAL, self.history, self.tell).run().changed:
            raise _renewal.RenewalProblem("no container was found to read the former one")

    # -- by ACME --

    def _certified(self, findings: list[Finding], acme: _acme.Store) -> list[Finding]:
        """Asks without the lease, since an authority takes its time, and takes what came into use with it."""
        with acme.alone(0) as only_one:
            if not only_one:
                return findings
            try:
                if not _acme.waits(acme, self.look.root):
                    if not _acme.may_ask(acme, by_itself=True):
                        return findings
                    _acme.issue(acme, self.look.root, program(self.look), self.tell)
            except (_renewal.RenewalProblem, FileProblem, OSError) as problem:
                self.tell(f"no new certificate: {problem}")
                again = _health.look_at_acme(acme, self.look.root, served=True)
                return [*(one for one in findings if one.key != "certificate"), *again]
            return self._done(findings, "certificate", RENEWAL, lambda: self._put_and_serve(acme))

    def _put_and_serve(self, acme: _acme.Store) -> None:
        _acme.put(acme, self.look.root)
        self._serve()

    def certify(self, who: str, anew: bool) -> bool:
        """For whoever asks now: one that is due, or another one all the same. Whether there is a new one."""
        acme = self.acme
        if acme is None or not acme.settings().names:
            raise _renewal.RenewalProblem("this machine asks nobody for its certificate (inception_tls)")
        with acme.alone(_acme.WAIT) as only_one:
            if not only_one:
                raise _renewal.RenewalProblem("another run has been asking for it for minutes")
            if not anew and _acme.due(acme, self.look.root) is None:
                return False
            if self.look.current is None:
                raise _renewal.RenewalProblem("nothing is deployed here")
            project = _history.Project(self.look.root, str(self.look.plan.get("manifest", "")))
            if _history.digest(project.read()) != self.look.current.digest:
                raise _renewal.RenewalProblem("the project folder is not what was deployed; deploy first")
            if not _acme.waits(acme, self.look.root):
                if not _acme.may_ask(acme, by_itself=False):
                    raise _acme.refused_before(acme)
                _acme.issue(acme, self.look.root, program(self.look), self.tell)
            with self._at_work(RENEWAL, who):
                self.tell(RENEWAL)
                self._put_and_serve(acme)
        return True

    def revoke(self, who: str, file: Path) -> None:
        """Takes one back; the one in use is replaced before, if that can be, so that no visitor meets it."""
        acme = self.acme
        if acme is None or not acme.settings().names:
            raise _renewal.RenewalProblem("this machine asks nobody for its certificate (inception_tls)")
        certificate = file.read_bytes()
        if not _acme.leaf(certificate):
            raise _renewal.RenewalProblem(f"there is no certificate in {file}")
        refused: _renewal.RenewalProblem | None = None
        if _acme.leaf(_renewal.read(self.look.root, "tls.crt") or b"") == _acme.leaf(certificate):
            try:
                self.certify(who, anew=True)
            except _renewal.RenewalProblem as problem:
                refused = problem
        with acme.alone(_acme.WAIT) as only_one:
            if not only_one:
                raise _renewal.RenewalProblem("another run has been asking for it for minutes")
            self.tell(f"asking {acme.settings().authority} to revoke {file}")
            _acme.revoke(acme, certificate, program(self.look))
        if refused is not None:
            todo = getattr(refused, "todo", "")
            raise _acme.Refused(
                f"it is revoked, and the site goes on with it, since no other one came: {refused}", todo
            )

    def _go_on(self) -> None:
        _deployment.resume(self.history, self.tell)

    # -- what is told --

    def _ways(self) -> _notice.Ways:
        return _notice.Ways.of(self.settings.get("ways") or {})

    def _put(self, subject: str, text: str, findings: list[str]) -> None:
        for way in _notice.ways(self._ways()):
            self.memory.waiting.append(Waiting(way, subject, text, findings))
        del self.memory.waiting[: -_health.WAITING]

    def _deliver(self) -> bool:
        """Tells what waits. Whether anything waited."""
        ways = self._ways()
        waiting = [one for one in self.memory.waiting if one.way in _notice.ways(ways)]
        self.memory.waiting, self.memory.untold = [], "" if not waiting else self.memory.untold
        tried: set[str] = set()
        for one in waiting:
            one.tries += 1
            often = one.tries <= _health.TRIES or one.tries % _health.TRIED_EVERY == 0
            # Where one could not be told now, the next one cannot.
            if not often or one.way in tried or not self._told(ways, one):
                tried.add(one.way)
                self.memory.waiting.append(one)
        if not self.memory.waiting:
            self.memory.untold = ""
        return bool(waiting)

    def _told(self, ways: _notice.Ways, one: Waiting) -> bool:
        facts = {"host": platform.node(), "site": self._site(), "findings": one.findings}
        authority = self._secret("ca.crt")
        message = _notice.Message(one.subject, one.text)
        try:
            _notice.deliver(one.way, ways, message, facts, authority, lambda: self._secret("mail_password.txt"))
        except _notice.Untold as untold:
            self.memory.untold = f"by {one.way}: {untold}"
            return False
        return True

    def _secret(self, name: str) -> str:
        with contextlib.suppress(FileProblem, OSError):
            return (_renewal.read(self.look.root, name) or b"").decode(errors="replace").rstrip("\r\n")
        return ""


def program(look: Look) -> str:
    """What calls this program, for a shell."""
    root = look.root_of_all()
    return " ".join(shlex.quote(one) for one in (os.path.abspath(sys.argv[0]), "--root", str(root)))


def asked(history: History, lease: Lease, store: Store) -> list[str]:
    """A look for whoever asks now, which changes nothing."""
    memory = store.load()
    findings = a_look(history, lease, store, memory).findings()
    if findings is None:
        holder = lease.holder()
        return [f"at work: {holder.told()}" if holder else "at work", *_health.shown(memory)]
    if not findings:
        return [WELL]
    since: dict[str, Any] = {key: one.since for key, one in memory.begun.items()}
    return [line for one in findings for line in one.lines(since.get(one.key, ""))]
