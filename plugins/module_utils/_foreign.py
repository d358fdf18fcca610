# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site of another host brings along: a dump of its database, and an archive of its files.

Private to this collection; part of the machine's own program. Both are read as what strangers wrote: to their end, and
in limits, before anything is changed. What is said is what is wrong, and what to do about it.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._dumps import SANDBOX

GZIP = b"\x1f\x8b"
# How other programs write, which the owner can do himself.
OTHERS = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
# The tables by which WordPress is known, and those of several sites in one.
TABLES = ("options", "posts", "postmeta", "users", "usermeta")
MULTISITE = ("blogs", "site")
TABLE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?(?:`[^`]+`\.)?`?([A-Za-z0-9_$-]+)`?\s*\(", re.IGNORECASE)
# It names a database, whose name here is another one.
ELSEWHERE = re.compile(rb"\s*(?:/\*!\d+ )?(?:CREATE DATABASE|DROP DATABASE|ALTER DATABASE|USE)\b", re.IGNORECASE)
# It wants rights over a whole server.
SERVER = re.compile(rb"SET @@(?:GLOBAL|SESSION)\.|SET @MYSQLDUMP_TEMP_LOG_BIN\b", re.IGNORECASE)
# An account of the other host: whoever defines a view or a trigger here is the site's own account.
DEFINER = re.compile(rb"\bDEFINER\s*=\s*(?:`[^`]*`|'[^']*'|\w+)@(?:`[^`]*`|'[^']*'|\w+)\s*", re.IGNORECASE)
DEFINES = re.compile(rb"\s*(?:/\*!\d+ )*\s*(?:CREATE|DEFINER|ALTER)\b", re.IGNORECASE)
# Orders of MySQL 8, which MariaDB before 11.4 does not know.
NEWER_ORDER = re.compile(rb"\butf8mb4_0900_(\w+)")
# What a dump is written in, and what its tables are: of the four bytes of an emoji, the former has no room.
NARROW = re.compile(rb"(?:/\*!\d+ )?SET NAMES '?utf8(?:mb3)?'?\b", re.IGNORECASE)
WIDE = re.compile(rb"(?:CHARSET|CHARACTER SET)[= ]utf8mb4\b", re.IGNORECASE)
NO_STATEMENTS = (b"INSERT", b"REPLACE", b"(")
ENDS = re.compile(rb"(?:;|\*/;?|-- Dump completed.*)\s*$")
OF_DUMP = re.compile(rb"-- (?:MariaDB|MySQL) dump ")
ENDED = b"-- Dump completed"
LONGEST_LINE = 1 << 30
CHUNK = 1 << 20

# What of a website's folder wp-content is brought: the rest is of its former host (mu-plugins, caches, drop-ins).
CONTENT = "wp-content"
BROUGHT = ("uploads", "themes", "plugins", "languages", "fonts")
MEMBERS = 2_000_000
# How many folders may be around it, and how uploads are told by themselves.
DEEPEST = 6
YEAR = re.compile(r"(?:19|20)\d\d")


# ---- The dump ----


@dataclass
class Dump:
    """What was read of a dump."""

    size: int = 0
    tables: list[str] = field(default_factory=list)
    known: bool = False
    narrow: bool = False
    wide: bool = False
    last: bytes = b""

    def losses(self, name: str) -> list[str]:
        """What it may lack of what the former host has."""
        if not self.narrow or not self.wide:
            return []
        return [
            f"{name} was written in utf8, which turns each emoji of its texts into a question mark; if there are some, "
            "make the dump again on the former host with --default-character-set=utf8mb4, and import it again"
        ]


@contextmanager
def unpacked(raw: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """A file as it is, or as gzip has packed it."""
    head = raw.read(8)
    raw.seek(0)
    for magic, other in OTHERS.items():
        if head.startswith(magic):
            raise BackupProblem(f"{name} is packed by {other}; bring it as .sql or .sql.gz (files: .tar or .tar.gz)")
    if not head.startswith(GZIP):
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as plain:
        yield cast(IO[bytes], plain)


def lines_of(path: Path, limit: int) -> Iterator[bytes]:
    """The lines of a dump; one that is cut off, or unpacks to more than there is room for, is refused."""
    size = 0
    try:
        with path.open("rb") as raw, unpacked(raw, path.name) as stream:
            while line := stream.readline(LONGEST_LINE):
                size += len(line)
                if size > limit:
                    raise BackupProblem(
                        f"{path.name} unpacks to more than {limit >> 20} MiB: the disk has no room for it"
                    )
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupProblem(f"{path.name} is cut off or damaged ({error}): bring it again") from error


def mended(line: bytes) -> bytes | None:
    """A line as this database understands it; nothing where it is of the other host."""
    if line.startswith(NO_STATEMENTS):
        return line
    if SANDBOX.fullmatch(line) or ELSEWHERE.match(line) or SERVER.match(line):
        return None
    if DEFINES.match(line):
        line = DEFINER.sub(b"", line)
    return NEWER_ORDER.sub(order, line)


def order(found: re.Match[bytes]) -> bytes:
    """The nearest one that MariaDB has."""
    return b"utf8mb4_bin" if found[1] == b"bin" else b"utf8mb4_unicode_520_ci"


def read_dump(path: Path, limit: int, target: IO[bytes] | None = None) -> Dump:
    """Reads a dump to its end, and writes it as it is to be loaded."""
    dump = Dump()
    in_data = False
    for line in lines_of(path, limit):
        # What begins in the middle of a text is no statement.
        made = line if in_data else mended(line)
        if not in_data and (found := TABLE.match(line)):
            dump.tables.append(found[1].decode())
        if not in_data and not line.startswith(NO_STATEMENTS):
            dump.narrow = dump.narrow or bool(NARROW.match(line))
            dump.wide = dump.wide or bool(WIDE.search(line))
        dump.known = dump.known or bool(OF_DUMP.match(line))
        in_data = (in_data or line.startswith((b"INSERT", b"REPLACE"))) and not line.rstrip().endswith(b";")
        dump.last = line if line.strip() else dump.last
        if made is not None:
            dump.size += len(made)
            if target is not None:
                target.write(made)
    if not dump.size:
        raise BackupProblem(f"{path.name} is empty")
    if dump.known and not dump.last.startswith(ENDED):
        raise BackupProblem(f"{path.name} has no end: it is cut off; make the dump again")
    if not ENDS.search(dump.last) and not dump.last.startswith(b"--"):
        raise BackupProblem(f"{path.name} ends in the middle of a statement: it is cut off; make the dump again")
    return dump


def prefix_of(dump: Dump, wanted: str, name: str) -> str:
    """The prefix of WordPress's tables."""
    tables = set(dump.tables)
    found = sorted(
        table.removesuffix("options")
        for table in tables
        if table.endswith("options") and all(table.removesuffix("options") + one in tables for one in TABLES)
    )
    if not found:
        some = f" (it has {', '.join(sorted(tables)[:5])})" if tables else ""
        raise BackupProblem(
            f"{name} is no dump of a WordPress: there are no tables like wp_options, wp_posts and wp_users{some}"
        )
    if wanted and wanted not in found:
        raise BackupProblem(f"{name} has no WordPress with the prefix {wanted}; there is {', '.join(found)}")
    if not wanted and len(found) > 1:
        raise BackupProblem(f"{name} has several WordPresses: {', '.join(found)}; say which: PREFIX={found[0]}")
    prefix = wanted or found[0]
    if any(prefix + one in tables for one in MULTISITE):
        raise BackupProblem(
            f"{name} is of a network of sites (multisite: {prefix}blogs), and this stack is one site; export the one "
            "that you want as a site of its own first"
        )
    return prefix


# ---- The files ----


@dataclass(frozen=True)
class Layout:
    """Where an archive has what lies in wp-content, and into which of its folders that goes."""

    root: str
    into: str = ""

    @property
    def depth(self) -> int:
        return len(self.root.split("/")) if self.root else 0

    @property
    def above(self) -> list[str]:
        """The folders in which it lies, and those that have the others."""
        parts = self.root.split("/") if self.root else []
        return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)] + [f"{self.root}/uploads".lstrip("/")]

    def place(self, name: str) -> str:
        """Where a file of the archive goes, below wp-content; nothing where it is not brought."""
        if self.root and not name.startswith(f"{self.root}/"):
            return ""
        found = name[len(self.root) + 1 :] if self.root else name
        found = f"{self.into}/{found}" if self.into else found
        return found if found.split("/")[0] in BROUGHT and found != "uploads" else ""


@dataclass
class Files:
    """What was read of an archive."""

    layout: Layout
    size: int = 0
    count: int = 0
    # The folders of wp-content that are brought; each theme and plugin as a whole: themes/mine.
    parts: set[str] = field(default_factory=set)
    wholes: set[str] = field(default_factory=set)
    # What is not brought, and what of it is a link.
    left: set[str] = field(default_factory=set)


def clean_name(member: tarfile.TarInfo, archive: str) -> str:
    """Its path, which leads nowhere else."""
    name = member.name
    while name.startswith("./"):
        name = name[2:]
    name = name.rstrip("/")
    if name in ("", "."):
        return ""
    parts = name.split("/")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise BackupProblem(f"{archive} has a file with the path {member.name!r}, which leads out of it")
    if any(len(os.fsencode(part)) > 240 for part in parts) or len(os.fsencode(name)) > 3000:
        raise BackupProblem(f"{archive} has a file with a path that is too long: {name[:80]!r}...")
    return name


def members(raw: IO[bytes], archive_name: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, str]]:
    """Each member of an archive, with its path."""
    try:
        with unpacked(raw, archive_name) as stream, tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= MEMBERS:
                    raise BackupProblem(f"{archive_name} has more than {MEMBERS} files")
                if name := clean_name(member, archive_name):
                    yield archive, member, name
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise BackupProblem(
            f"{archive_name} is cut off, damaged, or no archive of tar ({error}): bring it again"
        ) from error


def layout_of(names: list[str]) -> Layout:
    """Whether it is of a whole website, of its folder wp-content, or of its uploads alone."""
    for sign in (CONTENT, "uploads"):
        found = sorted(
            (parts.index(sign), "/".join(parts[: parts.index(sign)]))
            for parts in (name.split("/") for name in names)
            if sign in parts
        )
        if found and found[0][0] <= DEEPEST:
            root = found[0][1]
            return Layout(f"{root}/{sign}".lstrip("/") if sign == CONTENT else root)
    years = sorted(
        (at, "/".join(parts[:at]))
        for parts in (name.split("/") for name in names)
        for at, part in enumerate(parts)
        if YEAR.fullmatch(part)
    )
    return Layout(years[0][1] if years and years[0][0] <= DEEPEST else "", "uploads")


def read_files(path: Path, limit: int) -> Files:
    """Reads an archive to its end: where its files go, and how much room they want."""
    names, sizes = list[str](), dict[str, int]()
    size = 0
    with path.open("rb") as raw:
        for dummy, member, name in members(raw, path.name):
            size += member.size
            if size > limit:
                raise BackupProblem(f"{path.name} unpacks to more than {limit >> 20} MiB: the disk has no room for it")
            names.append(name)
            # A link, a device or a pipe is never made: -1.
            sizes[name] = member.size if member.isfile() else 0 if member.isdir() else -1
    files = Files(layout_of(names))
    for name, number in sizes.items():
        place = files.layout.place(name)
        if number < 0:
            files.left.add(f"{name} (a link or a device)")
            continue
        if not place:
            files.left.add("/".join(name.split("/")[: files.layout.depth + 1]))
            continue
        parts = place.split("/")
        files.size += number
        files.count += number > 0
        files.parts.add(parts[0])
        if parts[0] in ("themes", "plugins") and len(parts) > 1:
            files.wholes.add("/".join(parts[:2]))
    files.left -= set(files.layout.above)
    if not files.count:
        raise BackupProblem(
            f"{path.name} has no file of a website: neither wp-content, nor uploads, nor folders of years"
        )
    return files


def unpack(raw: IO[bytes], archive_name: str, files: Files, content: str) -> None:
    """Its files into wp-content, for whoever's rights this process has. None of its folders is a link here."""
    for archive, member, name in members(raw, archive_name):
        place = files.layout.place(name)
        if not place or not (member.isfile() or member.isdir()):
            continue
        target = os.path.join(content, place)
        if member.isdir():
            os.makedirs(target, mode=0o755, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        source = archive.extractfile(member)
        if source is None:
            continue
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        with open(target, "xb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        os.utime(target, (member.mtime, member.mtime))
