# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service itself says of its data (`backup` in its service.yml): its command `dump` writes it, `load` reads it.

Private to this collection; part of the machine's own program. A dump of MariaDB is kept as one file for each table, so
that one table can be restored, and what did not change is stored once.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines

TABLE = re.compile(rb"-- Table structure for table `(.+)`\n")
# What concerns all of the tables: events, routines, views.
REST = re.compile(rb"-- (Dumping (events|routines) for database|(Temporary table|Final view) structure for view) ")
SERVER = re.compile(rb"-- Server version\s+(\S+)")
# The place in the server's logs from which all later changes are (--master-data=2).
LOGGED = re.compile(rb"-- CHANGE MASTER TO MASTER_LOG_FILE='([\w.-]+)', MASTER_LOG_POS=(\d+);")
# What the command itself says before the dump.
LEFT_OUT = re.compile(rb"-- Left out: (.+)\n")
OF_MARIADB = re.compile(rb"-- (MariaDB|MySQL) dump ")
END = b"-- Dump completed"
# It switches a client to a mode that older ones do not know (mariadb.org, "MariaDB dump file compatibility change");
# `load` reads with --binary-mode, where no client obeys the words of a dump.
SANDBOX = re.compile(rb"/\*M?!999999\\- enable the sandbox mode \*/ *\n")
ENGINE = re.compile(rb"\) ENGINE=(\w+)")
TRANSACTIONAL = {"InnoDB", "SEQUENCE"}
# A form that only another engine has, such as ROW_FORMAT=FIXED, is no error then.
LENIENT = b"SET SESSION innodb_strict_mode = OFF;\n"
# A table that was changed meanwhile by ALTER TABLE ends a dump (error 1412).
TRIES = 3
BEGIN = "begin.sql"


@dataclass
class Dump:
    """What a service has said."""

    service: str
    server: str = ""
    # The files in their order, and the tables that are in them.
    files: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    # Tables that no transaction protects: what was written to them meanwhile may be there by half.
    unprotected: list[str] = field(default_factory=list)
    # Views that cannot be read, and so not be kept.
    left_out: list[str] = field(default_factory=list)
    bytes: int = 0
    # A log and the place in it.
    logged: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        return asdict(self)


def named(table: str) -> str:
    """What a table is called in the name of a file, which takes 255 bytes at most: 64 signs may be 768 of them here."""
    found = quote(table, safe="", errors="surrogateescape")
    return found if len(found) <= 200 else hashlib.sha256(table.encode(errors="surrogateescape")).hexdigest()


def split(stream: IO[bytes], folder: Path, dump: Dump) -> None:
    """One file for what comes first, one for each table, one for the rest. A dump that does not end is none."""
    lines: Iterator[bytes] = iter(stream)
    name, table, last, known = BEGIN, "", b"", False
    file = (folder / name).open("wb")
    dump.files.append(name)
    try:
        for line in lines:
            if SANDBOX.fullmatch(line):
                continue
            known = known or bool(OF_MARIADB.match(line))
            found, rest = TABLE.fullmatch(line), REST.match(line)
            if found or (rest and table != "\0"):
                file.close()
                # A section's heading begins with the line before: it is only a comment.
                table = found[1].decode(errors="surrogateescape") if found else "\0"
                name = f"table.{named(table)}.sql" if found else f"rest.{len(dump.files)}.sql"
                dump.files.append(name)
                if found:
                    dump.tables[table] = name
                file = (folder / name).open("wb")
            elif (server := SERVER.match(line)) and not dump.server:
                dump.server = server[1].decode(errors="replace")
            elif not known and (left := LEFT_OUT.fullmatch(line)):
                dump.left_out.append(left[1].decode(errors="replace"))
            elif name == BEGIN and (logged := LOGGED.match(line)):
                dump.logged = [one.decode() for one in logged.groups()]
            elif table and (engine := ENGINE.match(line)) and engine[1].decode() not in TRANSACTIONAL:
                dump.unprotected.append(table)
            file.write(line)
            dump.bytes += len(line)
            last = line if line.strip() else last
    finally:
        file.close()
    if not dump.bytes or (known and not last.startswith(END)):
        raise BackupProblem(f"the dump of {dump.service} has no end: nothing of it was kept")


def take(service: str, container: str, command: list[str], folder: Path) -> Dump:
    """Has a running service say its data. It is asked again where somebody changed a table meanwhile."""
    for attempt in range(TRIES):
        for old in folder.glob("*") if folder.exists() else ():
            old.unlink()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        dump = Dump(service)
        with (
            (folder.parent / f"{service}.words").open("w+b") as words,
            subprocess.Popen(
                ["docker", "exec", container, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
            ) as process,
        ):
            problem = None
            try:
                if process.stdout is not None:
                    split(process.stdout, folder, dump)
            except BackupProblem as found:
                problem = found
            code = process.wait()
            words.seek(0)
            said = words.read().decode(errors="replace")
        (folder.parent / f"{service}.words").unlink()
        if code == 0 and problem is None:
            return dump
        if "1412" not in said or attempt == TRIES - 1:
            break
    reason = "; ".join(last_lines(said, 2)) or str(problem or f"it ended with {code}")
    raise BackupProblem(f"{service} did not say its data: {reason}")


def since(service: str, container: str, command: list[str], logged: list[str], moment: str, file: Path) -> None:
    """Has a running service say what was written since a dump, up to a moment."""
    with file.open("wb") as output:
        done = subprocess.run(
            ["docker", "exec", container, *command, *logged, moment],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode != 0:
        reason = "; ".join(last_lines(done.stderr.decode(errors="replace"), 2)) or f"it ended with {done.returncode}"
        raise BackupProblem(f"{service} does not say what was written since: {reason}")


def in_innodb(files: Iterable[Path]) -> Iterator[bytes]:
    """A dump whose tables are all InnoDB's: of another engine, members of a database give each other no row."""
    yield LENIENT
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                # No line of a value begins so: the dump writes its line breaks as two characters.
                found = ENGINE.match(line)
                other = found and found[1].decode(errors="replace") not in TRANSACTIONAL
                yield ENGINE.sub(b") ENGINE=InnoDB", line, count=1) if other else line


def load(service: str, container: str, command: list[str], chunks: Iterable[bytes]) -> None:
    """Has a running service take data."""
    with subprocess.Popen(
        ["docker", "exec", "--interactive", container, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stderr is None:
            raise BackupProblem("docker has no input")
        try:
            for chunk in chunks:
                process.stdin.write(chunk)
            process.stdin.close()
        except BrokenPipeError:
            # It has ended, and says why.
            pass
        said = process.stderr.read().decode(errors="replace")
        code = process.wait()
    if code != 0:
        raise BackupProblem(
            f"{service} did not take the data: {'; '.join(last_lines(said, 2)) or f'it ended with {code}'}"
        )


def chosen(dump: dict[str, Any], table: str) -> list[str]:
    """The files of a dump that restore all of it, or one table."""
    if not table:
        return [str(name) for name in dump["files"]]
    name = (dump.get("tables") or {}).get(table)
    if name is None:
        there = ", ".join(sorted(dump.get("tables") or {})) or "none"
        raise BackupProblem(f"this backup has no table {table}; those of {dump['service']}: {there}")
    return [BEGIN, str(name)]
