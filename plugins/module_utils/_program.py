# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own command `inception`: what is deployed, what was, and the way back.

Private to this collection. Deployments call it too (`deploy`), so that there is one way of taking over, whoever asks.
"""

from __future__ import annotations

import argparse
import errno
import hmac
import json
import os
import platform
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _acme,
    _backup,
    _backup_commands,
    _backup_state,
    _deployment,
    _health,
    _history,
    _import,
    _renewal,
    _restore,
    _sbom,
    _site,
    _system,
    _tending,
    _updates,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import Failure, clean, likely, screen
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Held, Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._places import FAILURES, HEALTH, HISTORY, LEASE
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    PROGRESS_FILE,
    GivenUp,
    settle_environment,
    told,
    write_progress,
)

# What a cluster has another way for, and which.
IN_A_CLUSTER = {
    "rollback": "Swarm goes back by itself where a newer one is not well; an older one comes back by its settings: put "
    "them into the inventory again, and call make cluster. Data comes back by make restore",
    "update": "its images are made once, for all nodes: another word in cluster_packages, such as today's date, and "
    "make cluster make them anew",
    "import": "import the site on a machine of its own, make a backup of that, and restore it here: make restore "
    "KEY=that-machine.key",
    "certificate": "make cluster makes another one before it ends",
    "logs": "on a manager: docker service logs --follow {project}_wordpress",
    "deploy": "make cluster deploys",
}
# Seconds between two looks of one program.
TENDED_EVERY = 60.0
UNITS = "inception-watch"


def caller() -> str:
    """Who calls: the person behind sudo, where there is one."""
    name = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return f"{name} on {platform.node()}"


# ---- What is shown ----


def table(entries: list[Entry], kept: list[int]) -> list[str]:
    """The history, the newest first. A star: it runs. A number in brackets cannot be gone back to."""
    lines = []
    for one in reversed(entries):
        mark = "*" if kept and one.number == kept[-1] else " "
        number = str(one.number) if one.number in kept else f"({one.number})"
        lines.append(f"{mark}{number:>5}  {one.when}  {one.what}, {one.result}; by {one.who}")
        lines += [f"        {clean(line)}" for line in [*one.changed, *([one.said] if one.said else [])]]
    return lines or ["Nothing was deployed yet."]


def disks(places: list[str]) -> list[str]:
    """How full the file systems are on which the images and the data lie, each once."""
    lines = []
    for place in _health.disks(places):
        percent, free, dummy = _health.fullness(place)
        warning = ""
        if percent >= _health.FULL_PERCENT:
            warning = "; WARNING: soon nothing can be written. `docker system df` and `du -x` say what takes the room"
        lines.append(f"disk of {place}: {percent} % full, {free} MiB free{warning}")
    return lines


def status(history: History, lease: Lease, store: _health.Store, backups: _backup_state.Store) -> list[str]:
    kept, lines = history.kept(), []
    if kept:
        lines.append(f"deployment {kept[-1].number} of {kept[-1].when} by {kept[-1].who}")
    if (last := history.entries()[-1:]) and last[0].result != _history.KEPT:
        lines.append(f"the last one, {last[0].number}, {last[0].result}: {clean(last[0].said) or 'no word'}")
    if holder := lease.holder():
        lines.append(f"at work: {holder.told()}")
    elif under_way := history.under_way():
        lines.append(f"cut off: {under_way.get('what')} by {under_way.get('who')}; the next deployment goes on from it")
    asked = subprocess.run(
        ["docker", "info", "--format", "{{.DockerRootDir}}"], capture_output=True, text=True, check=False
    )
    data = _history.settings(history.files(kept[-1].number)).get("DATA_DIR", "") if kept else ""
    lines += disks([asked.stdout.strip() or "/var/lib/docker", data, "/var/lib"])
    lines += _updates.status(_updates.Store(backups.folder.parents[3]), history)
    lines += _system.status()
    if kept_site := _import.note(backups):
        lines.append(
            f"the site before {clean(str(kept_site.get('what')))} of {kept_site.get('when')} is kept; `inception import"
            " --undo` brings it back, `--forget` removes it"
        )
    if not store.settings():
        return [*lines, *_backup_state.status(backups, time.time())]
    if store.settings().get("acme"):
        lines += (
            _acme.status(_acme.Store(backups.folder.parents[3]), str(history.plan(kept[-1].number)["root"]))
            if kept
            else []
        )
    return [*lines, *_backup_state.status(backups), *_health.shown(store.load())]


# ---- What is done ----


def deploy(told_wish: dict[str, Any], history: History, root: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """One deployment, for whoever has the lease."""
    found = history.under_way()
    if "gives_way_to" in found and "wish" in found:
        # Killed while it gave way, and begun again: the project's files are the former ones, and are no news.
        _deployment.resume(history, tell)
        what = f"{found.get('said')}\nIt gave way: deployment {found['gives_way_to']} runs again."
        raise GivenUp(Failure(what=what))
    wish = _deployment.Wish.of(told_wish["wish"])
    work = _deployment.Deployment(wish, told_wish["who"], told_wish["what"], history, tell)
    outcome = work.run()
    if outcome.changed and told_wish["what"] == "deployment":
        watch_later(outcome.number, root)
    return asdict(outcome)


def watch_later(number: int, root: Path) -> None:
    """Looks after what was deployed for some minutes more, when whoever deployed it has gone."""
    argv = [sys.executable, "-I", sys.argv[0], "--root", str(root), "watch", str(number)]
    if os.path.isdir("/run/systemd/system"):
        subprocess.run(["systemctl", "stop", UNITS], capture_output=True, check=False)
        runner = ["systemd-run", "--quiet", "--collect", f"--unit={UNITS}", "--property=Type=exec"]
        subprocess.run([*runner, *argv], capture_output=True, check=False)
        return
    with open(os.devnull, "r+b") as nowhere:
        subprocess.Popen(argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)


def watch(number: int, seconds: float, history: History, lease: Lease) -> int:
    """Gives way to the former deployment when this one does not last."""
    said = _deployment.watched(history, number, seconds, lambda line: None)
    if not said:
        return 0
    run = f"watch:{os.getpid()}"
    kept = history.kept()
    if len(kept) < 2 or kept[-1].number != number:
        return 0
    lease.take(run, "the machine itself", "giving way")
    try:
        with lease.kept(run):
            former, plan = kept[-2], _deployment.Wish.of(history.plan(kept[-2].number))
            work = _deployment.Deployment(plan, "the machine itself", "giving way", history, write_progress)
            history.begin(
                {"number": number, "who": "the machine itself", "what": f"giving way to {former.number}", "since": ""}
            )
            work.give_way(former)
            history.mark(number, _history.GAVE_WAY, f"{said}; deployment {former.number} runs again")
            history.end()
            _updates.settle_base(_updates.Store(history.folder.parents[3]), history)
    finally:
        lease.release(run)
    return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="inception", description="What is deployed on this machine, and the way back.")
    made.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("status", help="which deployment runs, who is at work, how full the disks are")
    commands.add_parser("history", help="the deployments: when, by whom, what changed, what became of them")
    look = commands.add_parser(
        "health", help="what is wrong with this machine now, and what to do; status 1 if something is"
    )
    look.add_argument("--site", action="store_true", help="the site too, as WordPress's own Site Health has it")
    said = commands.add_parser("logs", help="what the services say, followed until Ctrl-C")
    said.add_argument("service", nargs="?", default="", metavar="SERVICE", help="of one of them")
    commands.add_parser(_site.WP, help="wp-cli, on the site that runs: inception wp plugin list", add_help=False)
    commands.add_parser(_site.DB, help="the client of the site's database, with its options", add_help=False)
    bill = commands.add_parser("sbom", help="what the images are made of: a bill of materials, as JSON of CycloneDX")
    bill.add_argument("service", nargs="?", metavar="SERVICE", help="of one service's image alone")
    newer = commands.add_parser(
        "update", help="what the distribution has newer comes into the images; what is bad gives way by itself"
    )
    newer.add_argument("--check", action="store_true", help="only ask what is newer, and say it")
    newer.add_argument("--security", action="store_true", help="only if a security fix is among it")
    newer.add_argument("--scheduled", action="store_true", help=argparse.SUPPRESS)
    back = commands.add_parser("rollback", help="back to the former deployment, or to another one of the history")
    back.add_argument("number", type=int, nargs="?", metavar="TO", help="its number in the history")
    ours = commands.add_parser(
        "certificate", help="the certificate that an authority gave by ACME, or why there is none"
    )
    ours.add_argument("--renew", action="store_true", help="another one now, for the same key")
    ours.add_argument(
        "--revoke", type=Path, metavar="FILE", help="take one back; where it is in use, another one comes"
    )
    ours.add_argument("--due", action="store_true", help=argparse.SUPPRESS)
    _backup_commands.add(commands)
    # For the collection and for the machine itself.
    commands.add_parser("deploy").add_argument("question", type=Path)
    commands.add_parser("resume")
    tending = commands.add_parser("tend")
    tending.add_argument("--times", type=int, default=1)
    # For dehydrated (_acme.py).
    # A token may begin with a hyphen.
    commands.add_parser("challenge").add_argument("of", nargs=argparse.REMAINDER)
    commands.add_parser("sign")
    later = commands.add_parser("watch")
    later.add_argument("number", type=int)
    later.add_argument("--seconds", type=float, default=_deployment.WATCHED_SECONDS)
    return made


def answer_deploy(question: Path, history: History, lease: Lease, root: Path) -> int:
    """Reads what is wished, and writes what became of it where it is told to: whoever asked may be gone by then."""
    wish = json.loads(question.read_text(encoding="utf-8"))
    answer: dict[str, Any]
    with lease.kept(wish["run"]):
        try:
            answer = deploy(wish, history, root, write_progress)
        except GivenUp as error:
            message = told(error, root / FAILURES, platform.node())
            answer = {"failed": True, "msg": message, "told": True, "service": error.service}
        except (OSError, FileProblem) as error:
            failure = Failure(what=f"The machine's own program stopped: {error}", cause=likely(str(error)))
            answer = {"failed": True, "msg": screen(failure), "told": True, "service": ""}
    Path(PROGRESS_FILE).unlink(missing_ok=True)
    if not wish.get("keep_lease"):
        lease.release(wish["run"])
    _history.write(Path(wish["answer"]), answer)
    return 1 if answer.get("failed") else 0


def go_on(history: History, lease: Lease, backups: _backup_state.Store) -> int:
    """After a start of the machine: what was cut off is gone on with, unless somebody else is at it."""
    if backups.under_way():
        with backups.alone():
            _restore.settle(backups, lease, "the machine itself", say)
    if not history.under_way():
        return 0
    run = f"resume:{os.getpid()}"
    lease.take(run, "the machine itself", "going on with what was cut off")
    try:
        with lease.kept(run):
            _deployment.resume(history, write_progress)
    finally:
        lease.release(run)
        Path(PROGRESS_FILE).unlink(missing_ok=True)
    return 0


def tell_both(line: str) -> None:
    """To whoever looks meanwhile, and into the journal."""
    write_progress(line)
    say(line)


def tend(times: int, history: History, lease: Lease, store: _health.Store) -> int:
    """Looks, does what is to be done, and tells. Several times in a row where the machine's cron is too slow."""
    with _tending.alone(lease.folder) as only_one:
        for left in reversed(range(times if only_one and store.settings() else 0)):
            _tending.Tending(history, lease, store, tell_both).once()
            if left:
                time.sleep(TENDED_EVERY)
    return 0


def health(site: bool, history: History, lease: Lease, store: _health.Store) -> int:
    lines = _tending.asked(history, lease, store)
    well = lines == [_tending.WELL]
    say("\n".join(lines))
    if site:
        found = _site.site_health(_backup.Stack.deployed(history))
        say("\n".join(_site.site_health_lines(found)))
        well = well and not any(one["status"] == _site.CRITICAL for one in found)
    return 0 if well else 1


def elsewhere(command: str, history: History) -> str:
    """Where this machine is a cluster's, and the command is that of a machine of its own: what to do instead."""
    current = history.current()
    plan = history.plan(current.number) if current else {}
    if not plan.get("cluster") or command not in IN_A_CLUSTER:
        return ""
    todo = IN_A_CLUSTER[command].format(project=plan.get("project", "inception"))
    return f"this is a node of a cluster, where {command} is not the machine's own: {todo}"


def on_site(command: str, words: list[str], history: History, root: Path) -> int:
    """A command with whatever words, in the containers that run."""
    stack = _backup.Stack.deployed(history)
    if command == _site.DB:
        return _site.db(stack, words)
    return _site.wp(root, stack, words, lambda line: say(line, sys.stderr))


def certificate(options: argparse.Namespace, history: History, lease: Lease, store: _health.Store) -> int:
    """What there is; or another one."""
    acme = _acme.Store(options.root)
    if not (options.renew or options.due or options.revoke):
        lines = _acme.status(acme, acme.settings().project) if store.settings().get("acme") else []
        say("\n".join(lines or ["This machine asks nobody for its certificate (inception_tls)."]))
        return 0
    # A connection that is cut off ends nothing in the middle.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    tell = write_progress if options.due else say
    tending = _tending.Tending(history, lease, store, tell)
    try:
        if options.revoke:
            tending.revoke(caller(), options.revoke)
        else:
            changed = tending.certify(caller(), options.renew)
    except _renewal.RenewalProblem as problem:
        todo = getattr(problem, "todo", "")
        say(f"inception: {problem}.{f' What to do: {todo}.' if todo else ''}", sys.stderr)
        return 1
    finally:
        Path(PROGRESS_FILE).unlink(missing_ok=True)
    say(json.dumps({"changed": changed}) if options.due else _acme.status(acme, acme.settings().project)[0])
    return 0


def sign() -> int:
    """HMAC-SHA256 of stdin by a key that is in no argument: dehydrated's own way shows it to everybody."""
    with os.fdopen(9, "rb") as file:
        key = bytes.fromhex(file.read().decode("ascii"))
    sys.stdout.buffer.write(hmac.digest(key, sys.stdin.buffer.read(), "sha256"))
    return 0


def update(options: argparse.Namespace, history: History, lease: Lease) -> int:
    """Asks what is newer; and brings it, unless it was only asked for."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    store = _updates.Store(options.root)
    who = _tending.MACHINE if options.scheduled else caller()
    work = _updates.Updates(
        store, history, lease, who, tell_both if options.scheduled else lambda line: say(f"... {line}")
    )
    chosen = store.settings().mode if options.scheduled else _updates.SECURITY if options.security else _updates.ALL
    try:
        with store.alone():
            if options.check:
                work.asked()
                say("\n".join(_updates.status(store, history)))
                return 0
            before = history.current()
            say("\n".join(work.bring(chosen, options.scheduled)))
    except _updates.UpdateProblem as problem:
        say(f"inception: {problem}", sys.stderr)
        return 1
    finally:
        Path(PROGRESS_FILE).unlink(missing_ok=True)
    current = history.current()
    if current and before and current.number != before.number:
        watch_later(current.number, options.root)
    return 0


def say(line: str, to: TextIO | None = None) -> None:
    """To whoever has called the program. Where they have gone, what a cut connection shall not end goes on."""
    to = to or sys.stdout
    try:
        to.write(f"{line}\n")
        to.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO) or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            raise
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), to.fileno())


def go_back(number: int | None, history: History, lease: Lease) -> int:
    run = f"rollback:{os.getpid()}"
    # A connection that is cut off ends nothing in the middle.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    lease.take(run, caller(), "rollback")
    try:
        with lease.kept(run):
            _deployment.roll_back(history, number, caller(), lambda line: say(f"... {line}"))
            _updates.settle_base(_updates.Store(history.folder.parents[3]), history)
    finally:
        lease.release(run)
    say("\n".join(table(history.entries()[-1:], [one.number for one in history.kept()])))
    return 0


def main(argv: list[str] | None = None) -> int:
    own, words = _site.words_of(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(own)
    if os.geteuid() != 0:
        say("inception: only root knows; try: sudo inception " + options.command, sys.stderr)
        return 1
    settle_environment()
    history, lease = History(options.root / HISTORY), Lease(options.root / LEASE)
    store = _health.Store(options.root / HEALTH, options.root / LEASE)
    try:
        asks = options.command == "update" and options.check
        if not asks and (other_way := elsewhere(options.command, history)):
            say(f"inception: {other_way}", sys.stderr)
            return 1
        if options.command == "deploy":
            return answer_deploy(options.question, history, lease, options.root)
        if options.command == "resume":
            return go_on(history, lease, _backup_state.Store(options.root))
        if options.command == "tend":
            return tend(options.times, history, lease, store)
        if options.command == "health":
            return health(options.site, history, lease, store)
        if options.command == "logs":
            return _site.logs(_backup.Stack.deployed(history), options.service)
        if options.command in _site.COMMANDS:
            return on_site(options.command, words, history, options.root)
        if options.command == "certificate":
            return certificate(options, history, lease, store)
        if options.command == "challenge":
            return _acme.challenge(_acme.Store(options.root), options.of)
        if options.command == "sign":
            return sign()
        if options.command == "watch":
            return watch(options.number, options.seconds, history, lease)
        if options.command == "update":
            return update(options, history, lease)
        if options.command == "rollback":
            return go_back(options.number, history, lease)
        if options.command in _backup_commands.COMMANDS:
            return _backup_commands.run(options, history, lease, caller(), say)
        if options.command == "sbom":
            say(json.dumps(_sbom.whole(_sbom.bills(options.service)), indent=2))
            return 0
        entries, kept = history.entries(), [one.number for one in history.kept()]
        backups = _backup_state.Store(options.root)
        said = table(entries, kept) if options.command == "history" else status(history, lease, store, backups)
        say("\n".join(said))
    except Held as held:
        say(f"inception: {held}", sys.stderr)
        return 1
    except GivenUp as error:
        say(told(error, options.root / FAILURES, platform.node()), sys.stderr)
        return 1
    except (OSError, FileProblem, _backup_state.BackupProblem, _site.SiteProblem) as error:
        say(f"inception: {error}", sys.stderr)
        return 1
    return 0
