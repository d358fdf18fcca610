# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value could have got to, and the search through it: one function, or one line of a table, for each place.

python3 -m tests.leaks.places, as root on the machine, reads what to search for from its standard input and prints a
report. On the control node the tests call the same functions. Python's own library only.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.leaks.search import Needle, Searcher, pieces

# What can be searched: where it is, and how it is opened, once and at once.
Source = tuple[str, Callable[[], BinaryIO]]
Place = Callable[[], Iterable[Source]]

NOTES = "/run/inception-leaks"
# The files in which a value belongs.
HOME = re.compile(r"[a-z][a-z0-9_-]*\.(?:txt(?:\.next|\.previous)?|key)")
# The same in the memory of a container: what the database's server and its health check read at the start.
MEMORY_HOMES = {("mariadb", "/run/mysqld/init.sql"), ("mariadb", "/run/mysqld/client.cnf")}

DOCKER_ROOTS = ("/var/lib/docker", "/var/lib/containerd", "/run/docker", "/run/containerd")
# journalctl reads these; raw, they are compressed in pieces.
JOURNALS = ("/run/log/journal", "/var/log/journal")
NO_DISK = {"proc", "sysfs", "cgroup2", "devpts", "mqueue", "nsfs", "securityfs", "debugfs", "tracefs", "bpf", "fuse"}


@dataclass
class Report:
    """What was found (name of the value, its form, place, where), and how much was searched (contents, bytes)."""

    found: list[tuple[str, str, str, str]] = field(default_factory=list)
    searched: dict[str, tuple[int, int]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def search(places: dict[str, Place], needles: Iterable[Needle]) -> Report:
    searcher = Searcher(needles)
    report = Report()
    for place, sources in places.items():
        contents, size = 0, 0
        for where, opened in sources():
            try:
                with opened() as content:
                    found, length = searcher(pieces(content))
            except FileNotFoundError:
                # It went while others were searched.
                continue
            except OSError as error:
                report.unread.append(f"{place}: {where}: {error}")
                continue
            report.found += sorted({(needle.value, needle.form, place, where) for needle in found})
            contents, size = contents + 1, size + length
        report.searched[place] = (contents, size)
    return report


def text(where: str, content: bytes) -> Source:
    return where, lambda: io.BytesIO(content)


def binary(path: str) -> BinaryIO:
    return open(path, "rb")


def output(*command: str) -> bytes:
    """Both outputs of a command that has to succeed."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout


class Files:
    """The regular files below some paths; what is another place's is left out."""

    def __init__(self, *roots: str, without: Iterable[str] = (), since: float = 0) -> None:
        self.roots = [path for root in roots for path in glob.glob(root)]
        self.without = set(without) - set(self.roots)
        self.since = since

    def __call__(self) -> Iterator[Source]:
        names = []
        for path in self._paths():
            names.append(path)
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                # A change of any kind counts: an archive's files bring their own times.
                if stat.S_ISREG(status.st_mode) and status.st_ctime >= self.since:
                    yield path, functools.partial(binary, path)
        yield text("names of files", os.fsencode("\n".join(names)))

    def _paths(self) -> Iterator[str]:
        for root in self.roots:
            if not os.path.isdir(root):
                yield root
            for folder, folders, files in os.walk(root):
                folders[:] = [name for name in folders if os.path.join(folder, name) not in self.without]
                for name in files:
                    if (path := os.path.join(folder, name)) not in self.without:
                        yield path


def apart(roots: dict[str, tuple[str, ...]], without: Iterable[str] = (), since: float = 0) -> dict[str, Place]:
    """Places of files: what is below the path of one of them belongs to no other that holds this path."""
    every = {path for patterns in roots.values() for pattern in patterns for path in glob.glob(pattern)}
    return {name: Files(*patterns, without={*every, *without}, since=since) for name, patterns in roots.items()}


def mounts(process: str) -> list[tuple[str, str]]:
    """Mount point and type of each file system that a process sees."""
    lines = Path("/proc", process, "mountinfo").read_text(encoding="utf-8").splitlines()
    return [(line.split()[4], line.split(" - ")[1].split()[0]) for line in lines]


def processes(kind: str) -> Iterator[Source]:
    """What watch.py noted."""
    with open(f"{NOTES}/processes.jsonl", encoding="ascii") as lines:
        for line in lines:
            noted = json.loads(line)
            if noted["kind"] == kind:
                yield text(noted["process"], noted["content"].encode("latin-1"))


def docker_ids(kind: str) -> list[str]:
    listing = ("ps", "--all") if kind == "container" else (kind, "ls", *(("--all",) if kind == "image" else ()))
    return sorted(set(output("docker", *listing, "--quiet").decode().split()))


def docker_inspect() -> Iterator[Source]:
    for kind in ("container", "image", "volume", "network"):
        for name in docker_ids(kind):
            yield text(f"{kind} {name}", output("docker", "inspect", "--type", kind, name))


def image_history() -> Iterator[Source]:
    for image in docker_ids("image"):
        yield text(image, output("docker", "history", "--no-trunc", "--format", "{{json .}}", image))


def image_layers() -> Iterator[Source]:
    """Every file of every layer of every image, one that a later layer deletes too; and what describes the image."""
    saving = subprocess.Popen(("docker", "save", *docker_ids("image")), stdout=subprocess.PIPE)
    assert saving.stdout
    with saving, tarfile.open(fileobj=saving.stdout, mode="r|") as saved:
        for member in saved:
            blob = saved.extractfile(member)
            if blob is None:
                continue
            if b"ustar" not in blob.peek(512)[:512] and not blob.peek(2).startswith(b"\x1f\x8b"):  # type: ignore[attr-defined]
                yield text(member.name, blob.read())
                continue
            names = []
            with tarfile.open(fileobj=blob, mode="r|*") as layer:
                for file in layer:
                    names += [file.name, file.linkname, *map(str, file.pax_headers.items())]
                    if content := layer.extractfile(file) if file.isreg() else None:
                        yield text(f"{member.name}: {file.name}", content.read())
            yield text(f"{member.name}: names", "\n".join(names).encode("utf-8", "surrogateescape"))
    assert saving.returncode == 0, "docker save failed"


def container_logs() -> Iterator[Source]:
    for container in docker_ids("container"):
        yield text(container, output("docker", "logs", container))


def docker_events() -> Iterator[Source]:
    """The last ones that the engine remembers; one of a command inside a container has its arguments."""
    yield text("events", output("docker", "events", "--since", "0", "--until", "0s", "--format", "{{json .}}"))


def container_memory() -> Iterator[Source]:
    """The files that containers have in memory, but those in which a value belongs."""
    for container in docker_ids("container"):
        label = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Pid}}'
        service, pid = output("docker", "inspect", "--format", label, container).decode().rstrip("\n").rsplit(" ", 1)
        if pid == "0":
            continue
        for point, kind in mounts(pid):
            root = f"/proc/{pid}/root"
            for where, opened in Files(root + point)() if kind == "tmpfs" else ():
                if (service, where.removeprefix(root)) not in MEMORY_HOMES:
                    yield f"{service}:{where.removeprefix(root)}", opened


def journal() -> Iterator[Source]:
    yield text("journal", output("journalctl", "--all", "--output=export", "--no-pager"))


def machine_places(login: str) -> dict[str, Place]:
    """All places of the machine, by their names."""
    home = f"/home/{login}"
    homes = [path for path in glob.glob(f"{home}/inception/secrets/*") if HOME.fullmatch(os.path.basename(path))]
    # What Docker mounts below its own folder is another view of what is elsewhere.
    views = [point for point, kind in mounts("self") if kind in NO_DISK or point.startswith(f"{DOCKER_ROOTS[0]}/")]
    histories = (".*history*", ".lesshst", ".viminfo")
    return {
        "command lines": functools.partial(processes, "cmdline"),
        "environments": functools.partial(processes, "environ"),
        "docker inspect": docker_inspect,
        "image history": image_history,
        "image layers": image_layers,
        "container logs": container_logs,
        "Docker's events": docker_events,
        "containers' memory": container_memory,
        "journal": journal,
        **apart(
            {
                "shell histories": tuple(f"{folder}/{name}" for folder in ("/root", "/home/*") for name in histories),
                "Ansible's remote folders": ("/root/.ansible", "/home/*/.ansible"),
                "log files": ("/var/log",),
                "temporary files": ("/tmp", "/var/tmp", "/dev/shm"),
                "project": (f"{home}/inception",),
                "data": (f"{home}/data",),
                "Docker's files": DOCKER_ROOTS,
                "other files": ("/",),
            },
            without=[*homes, *views, *JOURNALS, NOTES],
        ),
    }


def git_history(repository: Path) -> Iterator[Source]:
    """Every object, whether anything still leads to it or not, and the files around them."""
    command = ("git", "-C", str(repository), "cat-file", "--batch-all-objects", "--unordered", "--batch")
    yield text("objects", output(*command))
    yield from Files(str(repository / ".git"))()


def control_node_places(ephemeral: Path, checkout: Path) -> dict[str, Place]:
    """All places of the control node, by their names."""
    watched = ephemeral / "watched"
    project = watched / "project"
    # Others work here too: outside the run's own folders, what is older is not of this run.
    since = (watched / "started").stat().st_ctime
    state = Path.home() / ".local/state/fortytwo.inception"
    return {
        **apart(
            {
                "Ansible's output": (f"{watched}/output",),
                "Ansible's log": (f"{watched}/ansible.log",),
                "callbacks": (f"{watched}/plays", f"{watched}/junit"),
                "fact cache": (f"{watched}/facts",),
                "Ansible's local folders": (f"{Path.home()}/.ansible", f"{watched}/tmp"),
                "ephemeral folder": (str(ephemeral),),
                "exported project": (str(project),),
                "control node's temporary files": ("/tmp", "/var/tmp", "/dev/shm"),
                "collection's own folders": (str(state), f"{checkout}/.ansible"),
            },
            without=[str(project / ".git")],
            since=since,
        ),
        "exported git history": functools.partial(git_history, project),
    }


def main() -> None:
    """{"login": ..., "needles": [[value, form, content], ...]} to a report, both in JSON."""
    asked = json.load(sys.stdin)
    needles = [Needle(value, form, content.encode("latin-1")) for value, form, content in asked["needles"]]
    json.dump(asdict(search(machine_places(asked["login"]), needles)), sys.stdout)


if __name__ == "__main__":
    main()
