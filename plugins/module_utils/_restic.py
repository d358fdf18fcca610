# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""restic, driven: where the backups lie, and what it says.

Private to this collection; part of the machine's own program.

Nothing secret is in an argument or in the environment: place, key and credentials are files, for root alone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import string
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ansible_collections.fortytwo.inception.plugins.module_utils import _history
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import last_lines

TAG = "inception"
# What is kept of the caller's environment: nobody leads restic elsewhere by it.
KEPT = ("PATH", "LANG", "TZ", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# Some files could not be read, and the snapshot was made (restic's manual, "Exit status codes").
INCOMPLETE = 3
KEPT_ANYWAY = "2d"
# Seconds in which it ends when nobody reads from it any more.
PATIENCE = 10
# Kinds of failures, by what restic says.
WORDS = (
    (
        r"contains errors|[Dd]amaged pack|ciphertext verification failed|does not match id|invalid data",
        "backups in {place} are damaged: what is there was changed by something else than this machine; keep it, have "
        "its disk looked at, and begin new ones in another place",
    ),
    (
        r"wrong password|no key found",
        "the backups in {place} are of another key than {key}; put theirs there (docs/backup.md), "
        "or name another place",
    ),
    (
        r"[Nn]o space left|[Dd]isk quota|507 |limit exceeded|QuotaExceeded|storage quota",
        "the storage of {place} is full; make room there, or keep less",
    ),
    (
        r"already locked",
        "another program works on {place}; try again when it has ended",
    ),
    (
        r"Host key verification failed",
        "{place} is another host than inception_backup_known_hosts knows, or it knows none (ssh-keyscan shows its key)",
    ),
    (
        r"failed to verify certificate",
        "{place} has a certificate that this machine does not trust; inception_backup_authority brings its authority",
    ),
    (
        # "Is there a repository" comes with these as well.
        r"\b40[13] |[Aa]ccess ?[Dd]enied|Access Key Id you provided|signature we calculated|Permission denied|"
        r"no credentials found",
        "{place} does not let this machine in, or not to do that; look at inception_backup_credentials",
    ),
    (
        r"[Cc]onnection refused|no such host|not resolve host|timed? ?out|unreachable|dial tcp|[Bb]roken pipe",
        "{place} cannot be reached",
    ),
    (
        r"unable to start the sftp session",
        "{place} does not let this machine in, is another host than is known, or no server of sftp; look at "
        "inception_backup_credentials and inception_backup_known_hosts",
    ),
    (r"unexpectedly|EOF", "{place} cannot be reached"),
    (
        r"config file (?:does not|already) exist|Is there a repository|does not exist|NoSuchBucket|404 Not Found",
        "there are no backups in {place} where there were some; is it mounted, and its address right?",
    ),
)
# What restic tries again for a quarter of an hour, while it is the same each time.
AGAIN = "returned error, retrying after"
HOPELESS = re.compile(
    r"failed to verify certificate|Access Key Id you provided|signature we calculated|bucket does not exist|"
    r"limit exceeded|QuotaExceeded|storage quota"
)
# Seconds in which a place has to answer for the first time, where somebody waits for it.
ANSWERS_WITHIN = 60.0
LOOKS = 0.2


@dataclass(frozen=True)
class Snapshot:
    """One backup."""

    id: str
    when: str
    host: str
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.id[:8]

    @property
    def why(self) -> str:
        return next((tag.removeprefix("why:").replace("_", " ") for tag in self.tags if tag.startswith("why:")), "")


@dataclass
class Taken:
    """What a backup has put there."""

    snapshot: str = ""
    added: int = 0
    total: int = 0
    unread: list[str] = field(default_factory=list)


def new_key() -> str:
    """As long as a key of 256 bits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for dummy in range(48))


class Repository:
    """The backups of one place."""

    def __init__(self, store: Store, place: str, patient: bool = False) -> None:
        self.store, self.place = store, place
        # Whoever is patient leaves it to restic, which tries again for a quarter of an hour.
        self.patience = None if patient else ANSWERS_WITHIN

    # -- how it is called --

    def command(self, *words: str) -> list[str]:
        program = shutil.which("restic", path="/usr/local/bin:/usr/bin:/bin")
        if program is None:
            raise BackupProblem("restic is not installed; a deployment with inception_backup_place installs it")
        store = self.store
        argv = [program, "--repository-file", str(store.repository), "--password-file", str(store.key)]
        argv += ["--cache-dir", str(store.cache), "--cleanup-cache"]
        if store.authority.exists():
            argv += ["--cacert", str(store.authority)]
        if found := re.fullmatch(r"sftp:(?://)?([^:/]+)(?::(\d+))?[:/].*", self.place):
            # The key is a file, and only a host that is known is talked to.
            ssh = ["ssh", "-F", "none", "-i", str(store.credentials), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
            ssh += ["-o", f"UserKnownHostsFile={store.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
            ssh += ["-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=6"]
            ssh += [*(["-p", found[2]] if found[2] else []), found[1], "-s", "sftp"]
            argv += ["-o", f"sftp.command={' '.join(ssh)}"]
        return [*argv, *words]

    def environment(self) -> dict[str, str]:
        env = {name: os.environ[name] for name in KEPT if name in os.environ}
        env["HOME"] = "/root"
        if self.place.startswith("s3:"):
            env["AWS_SHARED_CREDENTIALS_FILE"] = str(self.store.credentials)
        return env

    def failure(self, words: str) -> BackupProblem:
        """What restic said, in a sentence."""
        from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import shown_place

        place = shown_place(self.place)
        said = "; ".join(last_lines(hidden(words), 2))
        for pattern, sentence in WORDS:
            if re.search(pattern, words):
                return BackupProblem(f"{sentence.format(place=place, key=self.store.key)} (restic: {said})")
        return BackupProblem(f"restic failed: {said or 'it said nothing'}")

    def ask(self, *words: str) -> str:
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
            with subprocess.Popen(
                self.command(*words), env=self.environment(), stdin=subprocess.DEVNULL, stdout=told, stderr=said
            ) as process:
                given_up = self._wait(process, said)
            if given_up or process.returncode != 0:
                raise self.failure(given_up or written(said) or written(told))
            # It has answered.
            self.patience = None
            return written(told)

    def _wait(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> str:
        """Until it ends; or until there is no hope: it is ended, and what it had said until then is returned."""
        end = time.monotonic() + self.patience if self.patience else None
        while True:
            try:
                process.wait(LOOKS)
                return ""
            except subprocess.TimeoutExpired:
                words = written(said)
                if AGAIN in words and (HOPELESS.search(words) or (end and time.monotonic() > end)):
                    process.terminate()
                    return words

    # -- the repository itself --

    def identity(self) -> str:
        """Its number, when it is there and our key opens it."""
        return str(json.loads(self.ask("cat", "config", "--no-lock"))["id"])

    def is_missing(self, problem: BackupProblem) -> bool:
        return "there are no backups in" in str(problem)

    def ready(self, known: str) -> str:
        """Makes it in a place that is empty. One that was there before is never made anew: its disk is not mounted."""
        if self.place.startswith("/") and not Path(self.place).is_dir():
            raise BackupProblem(f"the folder {self.place} is not there; is its disk mounted?")
        try:
            found = self.identity()
        except BackupProblem as problem:
            if known or not self.is_missing(problem):
                raise
            self.ask("init")
            found = self.identity()
        if known and found != known:
            raise BackupProblem(
                f"other backups lie in {self.place} than those of this machine; where they are meant, type: "
                "inception restore --adopt"
            )
        return found

    def unlock(self) -> None:
        """Takes away the locks of those who died; restic leaves those alone that are renewed."""
        self.ask("unlock")

    # -- what is in it --

    def snapshots(self, host: str = "") -> list[Snapshot]:
        words = ["snapshots", "--json", "--no-lock", "--tag", TAG, *(["--host", host] if host else [])]
        told = json.loads(self.ask(*words) or "[]") or []
        found = [
            Snapshot(
                one["id"], utc(one["time"]), one.get("hostname", ""), tuple(one.get("tags") or ()), tuple(one["paths"])
            )
            for one in told
        ]
        return sorted(found, key=lambda one: one.when)

    def take(self, paths: list[str], host: str, why: str, tell: Callable[[str], None]) -> Taken:
        """A new snapshot."""
        words = ["backup", "--json", "--host", host, "--tag", f"{TAG},why:{tag(why)}", *paths]
        taken, said = Taken(), []
        with subprocess.Popen(
            self.command(*words),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                told = _history.object_of(line)
                kind = told.get("message_type")
                if kind == "summary":
                    taken.snapshot = told.get("snapshot_id", "")[:8]
                    # What has gone over the wire; before 0.16 the size before it was packed.
                    taken.added = int(told.get("data_added_packed") or told.get("data_added") or 0)
                    taken.total = int(told.get("total_bytes_processed") or 0)
                elif kind == "error":
                    what = (told.get("error") or {}).get("message") or str(told.get("error"))
                    # What somebody removed meanwhile is nothing that could be kept.
                    if "no such file or directory" not in what:
                        taken.unread.append(f"{told.get('item')}: {what}")
                elif kind == "status":
                    tell(f"{100 * float(told.get('percent_done') or 0):.0f} % of the files are there")
                elif kind != "verbose_status":
                    said.append(line)
                    if AGAIN in line and HOPELESS.search(line):
                        process.terminate()
                        break
            code = process.wait()
        if code not in (0, INCOMPLETE) or not taken.snapshot:
            raise self.failure("".join(said))
        return taken

    def forget(self, keep: dict[str, int], host: str) -> None:
        """Removes what is older than what is kept."""
        rules = [word for unit, number in sorted(keep.items()) for word in (f"--keep-{unit}", str(number))]
        # Whatever the rules say: what was made today before a mistake is what is wanted after it.
        rules += ["--keep-within", KEPT_ANYWAY]
        if keep:
            self.ask("forget", "--tag", TAG, "--host", host, "--group-by", "host", "--prune", *rules)

    def check(self, share: str = "") -> None:
        """Whether all of it is there; of a share also whether it is what was put there."""
        self.ask("check", *([f"--read-data-subset={share}"] if share else []))

    def text(self, snapshot: str, path: str) -> bytes:
        """One file."""
        done = subprocess.run(
            self.command("dump", snapshot, path),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise self.failure(done.stderr.decode(errors="replace"))
        return done.stdout

    @contextmanager
    def stream(self, snapshot: str, path: str) -> Iterator[IO[bytes]]:
        """A folder as an archive of tar. Whoever reads it is told at its end when it was not whole."""
        words = ["dump", "--archive", "tar", f"{snapshot}:{path}", "/"]
        with subprocess.Popen(
            self.command(*words),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if process.stdout is None or process.stderr is None:
                raise BackupProblem("restic has no output")
            try:
                yield process.stdout
                # What is left is the end of the archive.
                while process.stdout.read(1 << 16):
                    pass
            except BaseException:
                # Where restic has failed, its words say more than those of whoever read from it.
                process.stdout.close()
                try:
                    code = process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
                if code > 0:
                    raise self.failure(process.stderr.read().decode(errors="replace")) from None
                raise
            said = process.stderr.read().decode(errors="replace")
            if process.wait() != 0:
                raise self.failure(said)

    def size(self, snapshot: str) -> int:
        return int(json.loads(self.ask("stats", "--json", "--no-lock", snapshot)).get("total_size") or 0)


def written(file: IO[bytes]) -> str:
    """What is in it, while somebody goes on writing at its end."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


def hidden(words: str) -> str:
    """Without a name and a password in an address."""
    return re.sub(r"//[^/@\s]*@", "//", words)


def tag(text: str) -> str:
    """Words as restic takes them for a tag."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:60] or "asked_for"


def utc(text: str) -> str:
    """The time of a snapshot, as people read it: restic's has nanoseconds, and the machine's own zone."""
    import datetime

    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        return text
    zone = "+00:00" if found[2] == "Z" else found[2]
    at = datetime.datetime.fromisoformat(found[1] + zone).astimezone(datetime.UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
