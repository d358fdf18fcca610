# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Some of its lines are PHP's.
# ruff: noqa: E501
"""The site as two files that any host of WordPress takes, and `import` too: its database, and its folder wp-content.

Private to this collection; part of the machine's own program. The site goes on meanwhile; the database is said first, so
that a file that it names is there.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from ansible_collections.fortytwo.inception.plugins.module_utils import _as_owner
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines
from ansible_collections.fortytwo.inception.plugins.module_utils._foreign import BROUGHT, CONTENT, ENDED

DATABASE, WEBSITE = "mariadb", "wordpress"
DUMP, FILES = "site.sql.gz", "wp-content.tar.gz"
CHUNK = 1 << 20
# The database's image has the program that dumps where backups are on. Where it has not, the site's tables are said by
# PHP, as WordPress's own account sees them at one moment.
HAS_DUMP = ["sh", "-c", "command -v mariadb-dump"]
TABLES = r"""<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$secret = rtrim(file_get_contents('/run/secrets/db_password'), "\r\n");
$database = new mysqli('mariadb', getenv('MARIADB_USER'), $secret, getenv('MARIADB_DATABASE'), (int) getenv('MARIADB_PORT'));
$database->set_charset('utf8mb4');
$database->query("SET SESSION time_zone = '+00:00'");
$database->query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
$database->query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
$name = static fn (string $value): string => '`' . str_replace('`', '``', $value) . '`';
$numbers = [MYSQLI_TYPE_TINY, MYSQLI_TYPE_SHORT, MYSQLI_TYPE_LONG, MYSQLI_TYPE_INT24, MYSQLI_TYPE_LONGLONG, MYSQLI_TYPE_DECIMAL,
    MYSQLI_TYPE_NEWDECIMAL, MYSQLI_TYPE_FLOAT, MYSQLI_TYPE_DOUBLE, MYSQLI_TYPE_YEAR];
echo "-- MariaDB dump of a site, by inception export-site\n/*!40101 SET NAMES utf8mb4 */;\nSET FOREIGN_KEY_CHECKS = 0;\n";
echo "SET UNIQUE_CHECKS = 0;\nSET TIME_ZONE = '+00:00';\nSET SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO';\n";
foreach ($database->query("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")->fetch_all() as [$table]) {
    $made = $database->query('SHOW CREATE TABLE ' . $name($table))->fetch_row()[1];
    echo "\nDROP TABLE IF EXISTS {$name($table)};\n$made;\n";
    $rows = $database->query('SELECT * FROM ' . $name($table), MYSQLI_USE_RESULT);
    $fields = $rows->fetch_fields();
    $length = 0;
    while ($row = $rows->fetch_row()) {
        $values = [];
        foreach ($row as $at => $value) {
            if ($value === null) {
                $values[] = 'NULL';
            } elseif (in_array($fields[$at]->type, $numbers, true)) {
                $values[] = $value;
            } elseif ($fields[$at]->charsetnr === 63 && $value !== '' && !preg_match('/^[0-9 :.-]*$/', $value)) {
                $values[] = '0x' . bin2hex($value);
            } else {
                $values[] = "'" . $database->real_escape_string($value) . "'";
            }
        }
        $line = '(' . implode(',', $values) . ')';
        echo $length === 0 ? "INSERT INTO {$name($table)} VALUES\n" : ",\n", $line;
        $length += strlen($line);
        if ($length > 500000) {
            echo ";\n";
            $length = 0;
        }
    }
    echo $length > 0 ? ";\n" : '';
    $rows->free();
}
echo "\n-- Dump completed\n";
"""


@contextlib.contextmanager
def written(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A new file, whole or not at all, of the folder's owner; nobody else reads it."""
    owner, new = folder.stat(), folder / f".{name}.new"
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        new.replace(folder / name)
    finally:
        new.unlink(missing_ok=True)


def write(stack: Stack, folder: Path, tell: Callable[[str], None]) -> list[Path]:
    """Both files."""
    if not folder.is_dir():
        raise BackupProblem(f"{folder} is no folder of this machine")
    tell("asking the database")
    with written(folder, DUMP) as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        dump(stack, cast(IO[bytes], packed))
    tell("packing the files")
    with written(folder, FILES) as file:
        _as_owner.as_owner(stack.uid, stack.gid, lambda: pack(f"{stack.home(WEBSITE)}/{WEBSITE}/{CONTENT}", file))
    return [folder / DUMP, folder / FILES]


def dump(stack: Stack, target: IO[bytes]) -> None:
    """All tables at one moment."""
    container, given, command = stack.container(DATABASE), "", list(stack.said[DATABASE]["dump"])
    if subprocess.run(["docker", "exec", container, *HAS_DUMP], capture_output=True, check=False).returncode != 0:
        container, given, command = stack.container(WEBSITE), TABLES, ["php"]
    with subprocess.Popen(
        ["docker", "exec", "--interactive", container, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise BackupProblem("docker has no output")
        process.stdin.write(given.encode())
        process.stdin.close()
        last = b""
        while chunk := process.stdout.read(CHUNK):
            target.write(chunk)
            last = (last + chunk)[-200:]
        words = process.stderr.read().decode(errors="replace")
        code = process.wait()
    if code != 0 or ENDED not in last:
        said = "; ".join(last_lines(words, 2)) or f"it ended with {code}"
        raise BackupProblem(f"{DATABASE} did not say its data: {said}")


def pack(content: str, target: IO[bytes]) -> None:
    """What an import brings: no link, no cache, and nothing of this host's own."""

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        hidden = os.path.basename(member.name).startswith(".")
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member if (member.isfile() or member.isdir()) and not hidden else None

    with tarfile.open(fileobj=target, mode="w|gz", format=tarfile.PAX_FORMAT) as archive:
        for part in BROUGHT:
            path = f"{content}/{part}"
            if os.path.lexists(path) and stat.S_ISDIR(os.lstat(path).st_mode):
                archive.add(path, f"{CONTENT}/{part}", filter=kept)
    # The process that does this ends without that.
    target.flush()
