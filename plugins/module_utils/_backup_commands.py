# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `backup`, `backups`, `restore`, `trial`, `key`, `import` and `export-site` of the machine's own program.

Private to this collection.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _backup,
    _backup_state,
    _export_site,
    _import,
    _restore,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import Backup
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import clean
from ansible_collections.fortytwo.inception.plugins.module_utils._history import History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._restic import Repository
from ansible_collections.fortytwo.inception.plugins.module_utils._trial_restore import Trial

COMMANDS = ("backup", "backups", "restore", "trial", "key", "import", "export-site")
KEEP_THE_KEY = (
    "Keep its key where this machine is not: on paper, or in a vault of passwords. `make credentials`, or "
    "`sudo inception key` here, shows it. Without it, nobody can ever read these backups."
)
# Seconds between two lines of what is under way.
TOLD_EVERY = 10.0


def add(commands: Any) -> None:
    """The commands, for the parser of arguments."""
    take = commands.add_parser("backup", help="a backup now: database, files, secrets, settings; the site goes on")
    take.add_argument("--why", default="asked for", help="a few words, for the list")
    take.add_argument("--scheduled", action="store_true", help=argparse.SUPPRESS)
    commands.add_parser("backups", help="the backups that there are, the newest first")
    back = commands.add_parser(
        "restore", help="the site's data as a backup has it; what there is now is backed up first"
    )
    back.add_argument(
        "wanted", nargs="?", default="", metavar="WHICH", help="its number, or a time in UTC: '2026-11-28 05:00'"
    )
    back.add_argument("--only", choices=_restore.ONLY, default=_restore.ALL, help="a part of it")
    back.add_argument("--table", default="", help="one table of the database")
    back.add_argument("--without-backup", action="store_true", help="what there is now is lost")
    back.add_argument(
        "--adopt", action="store_true", help="the backups in the place are another machine's, and become this one's"
    )
    commands.add_parser("trial", help="the newest backup restored beside the site, and looked at")
    bring = commands.add_parser(
        "import", help="a site of another host takes the place of this one, which is kept beside"
    )
    bring.add_argument("dump", nargs="?", type=Path, metavar="DUMP", help="of its database: .sql or .sql.gz")
    bring.add_argument("--files", type=Path, help="its uploads, or its wp-content: .tar or .tar.gz")
    bring.add_argument("--url", default="", help="an address that it had, where its database does not say it")
    bring.add_argument("--prefix", default="", help="of its tables, where the dump has several WordPresses")
    bring.add_argument(
        "--undo", action="store_true", help="the former site comes back; again, and the imported one does"
    )
    bring.add_argument("--forget", action="store_true", help="the former site, which is kept beside, goes")
    away = commands.add_parser("export-site", help="the site as two files, as import takes them")
    away.add_argument("folder", type=Path, metavar="FOLDER", help="where they are written; its owner gets them")
    shown = commands.add_parser("key", help="the key of the backups")
    shown.add_argument("--if-there", action="store_true", help=argparse.SUPPRESS)


def teller(say: Callable[[str], None]) -> Callable[[str], None]:
    """Says what is under way: each new thing once, and how far it is from time to time."""
    last: list[Any] = ["", 0.0]

    def tell(line: str) -> None:
        kind, at = line.lstrip("0123456789"), time.monotonic()
        if kind != last[0] or at - last[1] >= TOLD_EVERY:
            last[:] = [kind, at]
            say(f"... {line}")

    return tell


def run(options: argparse.Namespace, history: History, lease: Lease, who: str, say: Callable[[str], None]) -> int:
    """Does one of the commands."""
    store = Store(options.root)
    # A connection that is cut off ends nothing in the middle.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if options.command == "key":
        if options.if_there:
            # For `make credentials`, which knows nothing of backups.
            if not (store.key.exists() and store.settings().place):
                return 0
            say("the key of the backups, without which nobody can ever read them; keep it where this machine is not:")
        return show_key(store, say)
    if options.command == "backups":
        settings = _backup.configured(store)
        say("\n".join(_backup.listed(Repository(store, settings.place).snapshots())))
        return 0
    if options.command == "export-site":
        return export_site(options.folder, history, say)
    with store.alone():
        _restore.settle(store, lease, who, lambda line: say(f"... {line}"))
        if options.command == "backup":
            return take(options, store, history, lease, who, say)
        if options.command == "import":
            return bring_site(options, store, history, lease, who, say)
        if options.command == "trial":
            return try_out(store, history, lease, who, say)
        return restore(options, store, history, lease, who, say)


def show_key(store: Store, say: Callable[[str], None]) -> int:
    try:
        key = store.key.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise BackupProblem("there is no key: no backup was ever made here") from None
    say(key)
    state = store.state()
    if not state.key_shown:
        state.key_shown = True
        store.save(state)
    return 0


def take(
    options: argparse.Namespace, store: Store, history: History, lease: Lease, who: str, say: Callable[[str], None]
) -> int:
    first, tell = not store.state().succeeded, teller(say)
    why = "scheduled" if options.scheduled else options.why
    work = Backup(store, history, lease, _backup.MACHINE if options.scheduled else who, tell)
    work.patience = _backup.PATIENCE if options.scheduled else 0.0
    snapshot = work.run(why)
    for line in work.warnings:
        say(f"WARNING: {line}")
    say("\n".join(_backup_state.status(store)[:1]) or snapshot.short)
    if first:
        say(KEEP_THE_KEY)
    settings, state = store.settings(), store.state()
    if options.scheduled and _backup_state.trial_is_due(settings, state, time.time()):
        return try_out(store, history, lease, _backup.MACHINE, say)
    return 0


def try_out(store: Store, history: History, lease: Lease, who: str, say: Callable[[str], None]) -> int:
    settings = _backup.configured(store)
    snapshot = Trial(store, history, lease, who, teller(say)).run(Repository(store, settings.place))
    say(f"{snapshot.short} of {snapshot.when} was restored beside the site, and shows the same front page.")
    return 0


def bring_site(
    options: argparse.Namespace, store: Store, history: History, lease: Lease, who: str, say: Callable[[str], None]
) -> int:
    work = _import.Import(store, history, lease, who, teller(say))
    if options.forget:
        there = _import.forget(store, _backup.Stack.deployed(history))
        say("The former site is gone." if there else "There was no former site.")
        return 0
    if options.undo:
        say(f"Back from {_import.undo(work)}: the former site runs, and the other one is kept in its place.")
        return 0
    if options.dump is None:
        raise BackupProblem("no dump is named: inception import site.sql.gz --files uploads.tar.gz")
    found = work.run(_import.Wish(options.dump, options.files, options.url, options.prefix))
    for line in work.warnings:
        say(f"WARNING: {line}")
    say(
        f"Imported: {clean(found['title'])}, which was {clean(found['home'])}: {found['posts']} published posts and "
        f"pages, {found['users']} users with the passwords that they had."
    )
    say("The former site is kept: `inception import --undo` brings it back, `inception import --forget` removes it.")
    return 0


def export_site(folder: Path, history: History, say: Callable[[str], None]) -> int:
    for file in _export_site.write(_backup.Stack.deployed(history), folder, teller(say)):
        say(f"{file}: {_backup_state.size(file.stat().st_size)}")
    return 0


def restore(
    options: argparse.Namespace, store: Store, history: History, lease: Lease, who: str, say: Callable[[str], None]
) -> int:
    settings, state, tell = _backup.configured(store), store.state(), teller(say)
    repository = Repository(store, settings.place)
    if options.table and options.only != _restore.ALL:
        raise BackupProblem("--table is a part by itself; leave out --only")
    if options.adopt or not state.repository:
        found = repository.identity()
        if found != state.repository:
            state.repository = found
            store.save(state)
    repository.unlock()
    stack = _backup.Stack.deployed(history)
    snapshots = repository.snapshots()
    own = [one for one in snapshots if one.host == stack.domain]
    # Of another site only one that is named.
    named = options.wanted not in ("", "latest") and options.wanted[4:5] != "-"
    snapshot = _backup.find(snapshots if named else own, options.wanted)
    moment = _backup.moment_of(options.wanted) if any(one.get("since") for one in stack.said.values()) else ""
    if moment and snapshot.when >= moment:
        # A minute is meant from its beginning on, and that backup is of later.
        snapshot = _backup.find([one for one in own if one.when < moment] or own[:1], "latest")
    say(f"Restoring {snapshot.short} of {snapshot.when} ({snapshot.why}).")
    work = _restore.Restore(store, history, lease, who, tell)
    part = options.table or (options.only if options.only != _restore.ALL else "")
    if not options.without_backup:
        try:
            work_before = Backup(store, history, lease, who, tell, tidies=False)
            before = work_before.run(f"before a restore of {snapshot.short}")
        except BackupProblem as problem:
            raise BackupProblem(
                f"nothing was restored: what there is now could not be backed up first ({problem}). Where it is worth "
                "nothing: --without-backup (make restore WITHOUT_BACKUP=yes)"
            ) from problem
        say(f"What there was is kept as {before.short}.")
    work.run(repository, snapshot, options.only, options.table, moment if snapshot.when < moment else "")
    for line in work.warnings:
        say(f"WARNING: {line}")
    until = f", and what its database was told until {moment} UTC" if work.followed else ""
    say(f"Restored: {snapshot.short} of {snapshot.when}{until}{f', only {part}' if part else ''}. The site runs.")
    return 0
