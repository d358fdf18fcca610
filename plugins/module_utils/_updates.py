# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the distribution has newer than what the images are made of, and its way into them.

Private to this collection; part of the machine's own program. It is asked in containers of the images that run, which
go again: from the mirrors that the images are built from. What is brought is a deployment like any other. The stamps
in the Dockerfiles (_decided) and the base image of this machine are all that is decided: who renders reads both.
"""

from __future__ import annotations

import calendar
import contextlib
import datetime
import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _backup_state,
    _decided,
    _deployment,
    _engine,
    _history,
    _images,
    _places,
    _releases,
    _secdb,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import clean, last_lines
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Files, History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Held, Lease, utc
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import GivenUp

# Where the archive of a base image lies that came from no registry (the role base_image, base_image_machine_dir).
BASES = "var/lib/fortytwo.inception/base"
UPDATE = "update"
NONE, SECURITY, ALL = "none", "security", "all"
COMPOSE = "srcs/docker-compose.yml"
# Seconds that the distribution is asked at most, for one image.
ASKED_SECONDS = 900
# How often the machine tries by itself to bring the same, and how long it waits for another one who is at work.
TRIES = 3
# What became of it, in the machine's words.
CUT_OFF, THE_UPDATE = "was cut off", "the update"
WAITS, WAITS_EVERY = 1800.0, 10.0
# So many packages' changes are read, and so many are named in a line.
READ_AT_MOST, NAMED_AT_MOST = 100, 12
# An answer that is older is told of.
LATE = {"daily": 3 * 86400.0, "weekly": 10 * 86400.0}
INST = re.compile(r"Inst (\S+) \[(\S+)\] \((\S+) (.*)\)")
TOOK = re.compile(r"Took (\S+) (\S+) +\S+ \| +(\S+) +\| +(.*)")
APK = re.compile(r"\(\d+/\d+\) Upgrading (\S+) \((\S+) -> (\S+)\)")
HEADER = re.compile(r"(?m)^(\S+) \(([^)\s]+)\) .*;.*$")
# What the image of a service has that no package manager knows of: names and versions of packages, as its Dockerfile
# unpacked them.
TAKEN = "/usr/local/share/inception/packages"
# By which proxy this machine reaches the world (_stack_start, settle_environment).
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
LABEL = "inception.asks"
# A container has the labels of its image, which say the project's name: it is none of the project's all the same.
OF_NOBODY = ("--label", f"{LABEL}=1", *(f"--label={name}=" for name in (_engine.PROJECT, _engine.SERVICE)))
# The name of base images of before.
FORMER = "inception-base"
# What is newer, by service.
Pending = dict[str, list["Package"]]

ASK = rf"""
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null; then
    [ -z "$1" ] || apt-get -qq -o Acquire::GzipIndexes=true update --error-on=any
    said=$(apt-get -s -o Debug::NoLocking=true dist-upgrade)
    printf '%s\n' "$said" | grep '^Inst ' || :
    dpkg-query -W -f '${{db:Status-Status}} ${{Package}} ${{Version}}\n' | sed -n 's/^installed /Has /p'
    [ ! -r {TAKEN} ] || while read -r name version; do
        printf 'Has %s %s\n' "$name" "$version"
        newest=$(apt-cache madison "$name" | head -n 1)
        offered=$(printf '%s\n' "$newest" | sed 's/^[^|]*| *//; s/ *|.*//')
        if [ -n "$offered" ] && dpkg --compare-versions "$offered" gt "$version"; then
            printf 'Took %s %s %s\n' "$name" "$version" "$newest"
        fi
    done <{TAKEN}
elif command -v apk >/dev/null; then
    [ -z "$1" ] || apk update -q
    apk upgrade --simulate | grep ' Upgrading ' || :
    cat /lib/apk/db/installed /usr/lib/apk/db/installed 2>/dev/null | awk '
        /^P:/ {{ name = substr($0, 3) }}
        /^V:/ {{ print "Has", name, substr($0, 3) }}
        /^o:/ {{ print "Source", name, substr($0, 3) }}'
else
    echo Nothing
fi
"""
# What the packages' own changelogs say, each behind a line with its name.
READ = """
set -eu
cd /tmp
for one in "$@"; do
    apt-get -qq -o APT::Sandbox::User=root download "$one" >/dev/null 2>&1 || continue
    for file in *.deb; do
        name=${one%%=*}
        printf 'Changes %s\\n' "$name"
        # The second is that of a package which Debian itself makes; of others it is their makers'.
        for log in changelog.Debian.gz changelog.gz; do
            said=$(dpkg-deb --fsys-tarfile "$file" | tar -xO "./usr/share/doc/$name/$log" 2>/dev/null |
                gzip -dc 2>/dev/null | head -c 60000) || :
            [ -z "$said" ] || break
        done
        printf '%s\\n' "$said"
        rm "$file"
    done
done
"""
# How apk orders versions, two and two.
ORDER = """
while [ $# -gt 1 ]; do
    printf '%s\\n' "$(apk version -t "$1" "$2")"
    shift 2
done
"""
# As ASK asks, so that what it found is what comes. A base image that is packed anew is another one, whatever is in it.
RENEW = """
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null; then
    apt-get -s dist-upgrade | grep -q '^Inst ' || { echo Nothing; exit 0; }
    apt-get -qq --yes dist-upgrade >&2
    apt-get clean
else
    apk upgrade --simulate | grep -q ' Upgrading ' || { echo Nothing; exit 0; }
    apk upgrade -q --no-cache >&2
fi
rm -rf /var/cache/* /var/log/*
"""


class UpdateProblem(Exception):
    """Why nothing could be asked or brought; for a person."""


@dataclass(frozen=True)
class Package:
    """One that is newer in the distribution."""

    name: str
    old: str
    new: str
    # Whether it comes from the distribution's security archive.
    security: bool = False
    # Whether the base image has it, so that only another base brings it.
    base: bool = False
    # What it is built from, where its name says something else.
    source: str = ""

    @property
    def key(self) -> str:
        return f"{self.name} {self.old} {self.new}"

    def line(self, cves: Iterable[str] = ()) -> str:
        names = ", ".join(sorted(cves))
        return f"{self.name} {self.old} -> {self.new}{f' ({names})' if names else ''}"


def versions(packages: Iterable[Package]) -> list[str]:
    return sorted({f"{one.name} {one.new}" for one in packages})


def given_up(when: str, why: str, brings: list[str]) -> str:
    return f"{THE_UPDATE} of {when} was given up: {clean(why)} It was to bring {some(brings)}"


@dataclass
class Attempt:
    """What was tried last for a service: of which packages, how often, and what became of it."""

    packages: list[str] = field(default_factory=list)
    # Of the deployment that was to bring them.
    number: int = 0
    times: int = 0
    outcome: str = ""


@dataclass
class Seen:
    """What was seen, when the distribution was asked last."""

    asked: str = ""
    # What went wrong when it was asked, since then.
    failed: str = ""
    said: str = ""
    reference: str = ""
    family: str = ""
    base: list[Package] = field(default_factory=list)
    services: dict[str, list[Package]] = field(default_factory=dict)
    # By service, all that its image would have then and its base has not: names with versions.
    wanted: dict[str, list[str]] = field(default_factory=dict)
    # Which image of a service was asked about.
    images: dict[str, str] = field(default_factory=dict)
    # By package, the CVEs that its own changelog names; none where that says nothing.
    cves: dict[str, list[str]] = field(default_factory=dict)
    # By service; one that is bad does not keep the others' fixes away.
    attempts: dict[str, Attempt] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Seen:
        found = cls(**{name: told[name] for name in cls.__dataclass_fields__ if name in told})
        found.base = [Package(**one) for one in told.get("base") or []]
        found.services = {
            name: [Package(**one) for one in packages] for name, packages in (told.get("services") or {}).items()
        }
        found.attempts = {name: Attempt(**one) for name, one in (told.get("attempts") or {}).items()}
        return found

    def pending(self, mode: str) -> Pending:
        """By service, what is newer and counts."""
        return {
            name: packages
            for name, packages in self.services.items()
            if packages and (mode == ALL or any(self.is_fix(one) for one in packages))
        }

    def is_fix(self, package: Package) -> bool:
        """Of security: by where it comes from, or by its own words; a point release takes fixes over."""
        return package.security or bool(self.cves.get(package.key))

    def tried(self, name: str, packages: Iterable[Package]) -> Attempt | None:
        """What became of the same, or of more."""
        attempt = self.attempts.get(name)
        return attempt if attempt and set(versions(packages)) <= set(attempt.packages) else None

    def learn(self, history: History) -> None:
        """What became of it later: gone on with, given up while it was watched, or gone back from by somebody."""
        entries = {one.number: one for one in history.entries() if one.what == UPDATE}
        for attempt in self.attempts.values():
            entry = entries.get(attempt.number)
            if entry and entry.result == _history.KEPT:
                attempt.times, attempt.outcome = TRIES, f"deployment {entry.number} brought it, and was gone back from"
            elif entry and entry.result != _history.CUT_OFF and not attempt.outcome.startswith(THE_UPDATE):
                # Visitors had it.
                attempt.times, attempt.outcome = TRIES, given_up(entry.when, entry.said, entry.changed)

    def lines(self, packages: Iterable[Package]) -> list[str]:
        return sorted({one.line(self.cves.get(one.key, ())) for one in packages})


@dataclass
class Settings:
    """What was chosen. Without a word nothing is done by itself."""

    mode: str = _places.NO_UPDATES["mode"]
    schedule: str = _places.NO_UPDATES["schedule"]


class Store:
    """Where it lies, for root alone."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / _places.UPDATES
        self.seen_file = self.folder / "seen.json"
        # Of a base image that is tried: the one before it.
        self.base_file = self.folder / "base.json"
        # The distribution's lists, so that the next question is a short one.
        self.lists = self.folder / "lists"

    def make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def settings(self) -> Settings:
        return Settings(**_places.told(self.folder))

    def seen(self) -> Seen:
        try:
            return Seen.of(_history.read(self.seen_file))
        except (TypeError, AttributeError):
            return Seen()

    def save(self, seen: Seen) -> None:
        self.make()
        _history.write(self.seen_file, asdict(seen))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One at a time; the lock ends with the process."""
        self.make()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise UpdateProblem("another one asks or brings updates on this machine now; wait until it ends") from None
        finally:
            os.close(descriptor)


def docker(*argv: str, seconds: float = ASKED_SECONDS, check: bool = True) -> str:
    try:
        done = subprocess.run(
            ["docker", *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise UpdateProblem(f"`docker {argv[0]}` did not end within {seconds:.0f} s") from None
    if check and done.returncode != 0:
        words = " | ".join(last_lines(done.stderr or done.stdout, 3)) or f"status {done.returncode}"
        raise UpdateProblem(f"`docker {argv[0]}`: {words}")
    return done.stdout


# ---- Asking ----


def read_answer(text: str) -> tuple[list[Package], dict[str, str]]:
    """What is newer, and what there is, by the words of ASK."""
    packages, has, sources = [], {}, {}
    for line in text.splitlines():
        if (found := INST.match(line)) or (found := TOOK.match(line)):
            name, old, new, source = found.groups()
            packages.append(Package(name, old, new, "-security" in source.lower()))
        elif found := APK.match(line):
            # A stable branch of Alpine gets fixes only, and does not say which of them are for security.
            packages.append(Package(found[1], found[2], found[3], security=True))
        elif line.startswith("Has "):
            name, dummy, version = line[4:].partition(" ")
            has[name] = version
        elif line.startswith("Source "):
            name, dummy, sources[name] = line[7:].partition(" ")
    return [replace(one, source=sources.get(one.name, "")) for one in packages], has


def cves_of(text: str, olds: Mapping[str, str]) -> dict[str, list[str]]:
    """By package, what its changelog names above the version that there is."""
    found = {}
    for part in re.split(r"(?m)^Changes (?=\S+$)", text)[1:]:
        name, dummy, log = part.partition("\n")
        old = re.sub(r"\+b\d+$", "", olds.get(name, ""))
        entries = list(HEADER.finditer(log))
        end = next((one.start() for one in entries if one[2] == old), None)
        # A changelog that does not know the version that there is says nothing about the way from it.
        found[name] = sorted(set(_secdb.CVE.findall(log[:end]))) if end is not None else []
    return found


def by_proxy() -> list[str]:
    """What a container has of the machine's proxy; nothing of it is in what is made of it."""
    return [word for name in PROXIES if name in os.environ for word in ("--env", name)]


class Asker:
    """Asks in containers that go again."""

    def __init__(self, store: Store, tell: Callable[[str], None]) -> None:
        self.store, self.tell = store, tell

    def run(self, image: str, script: str, *words: str) -> str:
        lists, cache = self.store.lists / "apt", self.store.lists / "apk"
        for folder in (lists, cache):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        return docker(
            *("run", "--rm", "--user", "0:0", "--entrypoint", "sh", *OF_NOBODY, "--pull", "never"),
            *by_proxy(),
            *("--volume", f"{lists}:/var/lib/apt/lists", "--volume", f"{cache}:/var/cache/apk"),
            *(image, "-c", script, "sh", *words),
        )

    def ask(self, reference: str, images: Mapping[str, str], before: Seen) -> Seen:
        """Asks about the base image and the images of services; what cannot be asked is a problem."""
        self.tell(f"asking what is newer than {reference}")
        in_base, base_has = read_answer(self.run(reference, ASK, "update"))
        seen = Seen(utc(), reference=reference, images=dict(images))
        seen.family = "alpine" if "alpine" in reference else "debian"
        seen.base = [replace(one, base=True) for one in in_base]
        seen.attempts = before.attempts
        for name, image in sorted(images.items()):
            found, has = read_answer(self.run(image, ASK, ""))
            seen.services[name] = [replace(one, base=one.name in base_has) for one in found]
            newest = {**has, **{one.name: one.new for one in found}}
            seen.wanted[name] = sorted(
                f"{package} {version}" for package, version in newest.items() if package not in base_has
            )
        self._read_changes(seen, before.cves)
        return seen

    def ask_again(self, seen: Seen, images: Mapping[str, str]) -> None:
        """What is newer than images that were built just now, by the lists that they were built from."""
        base = {one.name for packages in seen.services.values() for one in packages if one.base}
        for name, image in sorted(images.items()):
            found, dummy = read_answer(self.run(image, ASK, ""))
            seen.services[name] = [replace(one, base=one.name in base) for one in found]
        seen.images = dict(images)

    def _read_changes(self, seen: Seen, known: Mapping[str, list[str]]) -> None:
        """What the distribution says was mended: in the packages that are newer."""
        everyone = {one.key: one for packages in (seen.base, *seen.services.values()) for one in packages}
        seen.cves = {key: known[key] for key in everyone if key in known}
        news = [one for key, one in sorted(everyone.items()) if key not in known][:READ_AT_MOST]
        if not news:
            return
        self.tell(f"reading what was mended in {len(news)} packages")
        try:
            seen.cves |= self._of_secdb(seen, news) if seen.family == "alpine" else self._of_changelogs(seen, news)
        except (UpdateProblem, _secdb.SecdbProblem) as problem:
            self.tell(f"the changes could not be read: {problem}")

    def _of_changelogs(self, seen: Seen, news: list[Package]) -> dict[str, list[str]]:
        said = self.run(seen.reference, READ, *(f"{one.name}={one.new}" for one in news))
        found = cves_of(said, {one.name: one.old for one in news})
        return {one.key: found[one.name] for one in news if one.name in found}

    def _of_secdb(self, seen: Seen, news: list[Package]) -> dict[str, list[str]]:
        fixes = _secdb.fixes(self.run(seen.reference, "cat /etc/alpine-release"))
        asked = [(one, fixes.get(one.source or one.name, {})) for one in news]
        pairs = sorted({(version, bound) for one, named in asked for version in named for bound in (one.old, one.new)})
        said = self.run(seen.reference, ORDER, *(word for pair in pairs for word in pair)).splitlines()
        order = dict(zip(pairs, said, strict=False))
        found = {one.key: sorted(_secdb.mended(named, one.old, one.new, order)) for one, named in asked}
        # What it does not name today it may tomorrow.
        return {key: cves for key, cves in found.items() if cves}


# ---- The base image ----


def inspect(image: str) -> dict[str, Any]:
    return dict(json.loads(docker("image", "inspect", image))[0])


def base_digest(told: Mapping[str, Any]) -> str:
    """What is a part of each tag, as the role base_image tells it."""
    label = ((told.get("Config") or {}).get("Labels") or {}).get(_images.BASE_LABEL, "")
    digests = sorted(str(one).rpartition("@")[2] for one in told.get("RepoDigests") or [])
    return str(label or (digests[0] if digests else told["Id"]))


def comes_from_registry(told: Mapping[str, Any]) -> bool:
    labels = (told.get("Config") or {}).get("Labels") or {}
    return not labels.get(_images.BASE_LABEL) and bool(told.get("RepoDigests"))


class Base:
    """The image that all others are built on, which is another one from now on, or a former one again."""

    def __init__(self, store: Store, reference: str, tell: Callable[[str], None] = lambda line: None) -> None:
        self.store, self.reference, self.tell = store, reference, tell
        name = re.sub(r"[:/]", "-", reference)
        self.archive = store.root / BASES / f"{name}.image.tar"
        self.new_archive = store.folder / f"{name}.image.tar"

    def there(self) -> dict[str, Any]:
        """What the engine says of it. Nothing runs of it itself, so whoever cleans up the engine takes it away."""
        if not docker("image", "ls", "--quiet", self.reference).strip():
            self.tell(f"{self.reference} is gone, and fetched again")
            if self.archive.exists():
                docker("load", "--quiet", "--input", str(self.archive))
            else:
                docker("pull", "--quiet", self.reference)
        return inspect(self.reference)

    def renew(self) -> None:
        """The newest one, under the same name; the one before it stays as long as it can be gone back to."""
        before = self.there()
        self.store.make()
        former = formers(self.store)
        former.setdefault(self.reference, {})[keep(before)] = base_digest(before)
        _history.write(self.store.base_file, {"former": former, "settled": []})
        if comes_from_registry(before):
            self.tell(f"pulling {self.reference}")
            docker("pull", "--quiet", self.reference)
            if inspect(self.reference)["Id"] != before["Id"]:
                return
        # A registry has what the distribution mended weeks later, and what was packed here comes from none.
        self._build(before)

    def _build(self, before: Mapping[str, Any]) -> None:
        """One of no registry is renewed as a machine is, and packed like the one that it comes from."""
        self.tell(f"renewing {self.reference}")
        container = f"inception-base-{os.getpid()}"
        lists = self.store.lists / "apt"
        tree = self.new_archive.with_suffix(".tree")
        try:
            said = docker(
                *("run", "--name", container, "--user", "0:0", *OF_NOBODY, "--pull", "never"),
                *by_proxy(),
                *("--volume", f"{lists}:/var/lib/apt/lists", "--entrypoint", "sh", self.reference, "-c", RENEW),
            )
            if "Nothing" in said.split():
                return
            docker("export", "--output", str(tree), container)
            command = (before.get("Config") or {}).get("Cmd") or ["sh"]
            _images.pack_base(str(tree), str(self.new_archive), self.reference, str(before["Architecture"]), command)
        except (OSError, _images.ImageProblem) as problem:
            raise UpdateProblem(f"{self.reference} could not be packed: {problem}") from None
        finally:
            tree.unlink(missing_ok=True)
            docker("rm", "--force", "--volumes", container, check=False)
        docker("load", "--quiet", "--input", str(self.new_archive))

    def keep_archive(self, present: Mapping[str, Any]) -> None:
        """Of one of no registry, and of no other: what make and the control node find is what runs."""
        digest = base_digest(present)
        if comes_from_registry(present):
            self.archive.unlink(missing_ok=True)
        elif _images.base_digest_of(str(self.archive)) != digest:
            if _images.base_digest_of(str(self.new_archive)) != digest:
                docker("save", "--output", str(self.new_archive), self.reference)
            self.archive.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.new_archive.chmod(0o644)
            self.new_archive.replace(self.archive)
        self.new_archive.unlink(missing_ok=True)


def keep(told: Mapping[str, Any]) -> str:
    """A name for a base image of before, so that nobody who cleans up takes it for a leftover."""
    name = f"{FORMER}:{base_digest(told).rpartition(':')[2][:12]}"
    docker("tag", told["Id"], name)
    return name


def formers(store: Store) -> dict[str, dict[str, str]]:
    """By the name that they had, base images of before: of each the digest that tags have of it."""
    return dict(_history.read(store.base_file).get("former") or {})


def fits(files: Files, digest: str) -> bool:
    """Whether a deployment's images are built on a base image: their tags say it."""
    compose = files[COMPOSE].data.decode(errors="replace") if COMPOSE in files else ""
    return any(
        re.search(rf"(?m)^    image: {re.escape(name)}:{tag}$", compose) for name, tag in tags_of(files, digest).items()
    )


def tags_of(files: Files, base: str) -> dict[str, str]:
    """By service, the tag of its image."""
    found = {}
    for path in files:
        if whose := _decided.DOCKERFILE.fullmatch(path):
            folder = path.removesuffix("Dockerfile")
            context = {name[len(folder) :]: one.data for name, one in files.items() if name.startswith(folder)}
            found[whose[1]] = _images.content_tag(_images.content_of_files(context), base)
    return found


def settle_base(store: Store, history: History) -> None:
    """Has the base image be the one that what runs is built on, whatever became of an update; and keeps those that the
    deployments have which can be gone back to, and no other. What does not come off now does at the next look."""
    with contextlib.suppress(UpdateProblem, OSError):
        _settle_base(store, history)


def _settle_base(store: Store, history: History) -> None:
    told, current = _history.read(store.base_file), history.current()
    kept = [one.number for one in history.kept()]
    if not told or current is None or history.under_way() or told.get("settled") == kept:
        return
    files, former = history.files(current.number), formers(store)
    reference = reference_of(files)
    base, others = Base(store, reference), former.setdefault(reference, {})
    present = base.there()
    if not fits(files, base_digest(present)):
        for image, digest in list(others.items()):
            if fits(files, digest):
                others[keep(present)] = base_digest(present)
                docker("tag", image, reference)
                present = base.there()
                break
    # One that somebody pulled by hand is not what runs.
    if fits(files, base_digest(present)) or not comes_from_registry(present):
        base.keep_archive(present)
    deployed = [history.files(number) for number in kept]
    for images in former.values():
        for image, digest in list(images.items()):
            if digest == base_digest(present) or not any(fits(one, digest) for one in deployed):
                docker("image", "rm", image, check=False)
                del images[image]
    _history.write(store.base_file, {"former": {name: one for name, one in former.items() if one}, "settled": kept})


# ---- What is to be deployed ----


def wanted_files(files: Files, seen: Seen, pending: Pending, base: str) -> Files:
    """The project's files with the stamps of what is newer, and the tags that follow from them and from the base."""
    made = dict(files)
    for path, file in files.items():
        whose = _decided.DOCKERFILE.fullmatch(path)
        if whose and any(not one.base for one in pending.get(whose[1], [])):
            text = file.data.decode()
            found = _decided.PACKAGES.search(text)
            stamp = _decided.stamp_of(seen.wanted[whose[1]], found[1] if found else "")
            made[path] = _history.File(_decided.stamped(text, stamp).encode(), file.mode)
    compose = made[COMPOSE].data.decode()
    for name, tag in tags_of(made, base).items():
        compose = re.sub(rf"(?m)^(    image: {re.escape(name)}:)[0-9a-f]+$", rf"\g<1>{tag}", compose)
    made[COMPOSE] = _history.File(compose.encode(), made[COMPOSE].mode)
    return made


@dataclass
class Updates:
    """What is newer here, and how it comes into what runs."""

    store: Store
    history: History
    lease: Lease
    who: str
    tell: Callable[[str], None]

    def asked(self) -> Seen:
        """Asks now, and remembers the answer."""
        before = self.store.seen()
        before.learn(self.history)
        current = self.history.current()
        if current is None:
            raise UpdateProblem("nothing is deployed here, so there is nothing to update; make deploy deploys")
        try:
            reference = reference_of(self.history.files(current.number))
            Base(self.store, reference, self.tell).there()
            seen = Asker(self.store, self.tell).ask(reference, current.images, before)
        except UpdateProblem as problem:
            before.failed, before.said = utc(), str(problem)
            self.store.save(before)
            raise
        self.store.save(seen)
        return seen

    def bring(self, mode: str, by_itself: bool) -> list[str]:
        """Brings what is newer. What was done, in words."""
        if mode == NONE:
            return ["This machine brings no updates by itself (inception_updates)."]
        remove_left()
        settle_base(self.store, self.history)
        seen = self.asked()
        pending = seen.pending(mode)
        if not pending:
            return [nothing(seen, mode)]
        if by_itself:
            tried = {name: seen.tried(name, packages) for name, packages in pending.items()}
            done = {name: one for name, one in tried.items() if one and one.times >= TRIES}
            pending = {name: packages for name, packages in pending.items() if name not in done}
            outcomes = sorted({one.outcome for one in done.values()})
            if not pending:
                return [f"not tried again: {outcome}; `sudo inception update` does" for outcome in outcomes]
        run = f"update:{os.getpid()}"
        self._take(run, by_itself)
        try:
            current = self.history.current()
            if current is None or current.images != seen.images:
                raise UpdateProblem("somebody has deployed meanwhile; `sudo inception update` asks again")
            return self._try(seen, pending, run)
        finally:
            settle_base(self.store, self.history)
            self.lease.release(run)

    def _try(self, seen: Seen, pending: Pending, run: str) -> list[str]:
        """Brings it, and writes down what became of it, of being cut off before all."""
        former = dict(seen.attempts)
        for name, packages in pending.items():
            before = seen.tried(name, packages)
            times = before.times + 1 if before else 1
            seen.attempts[name] = Attempt(versions(packages), self.history.next_number(), times, CUT_OFF)
        self.store.save(seen)
        try:
            with self.lease.kept(run):
                return self._deploy(seen, pending)
        except (GivenUp, UpdateProblem, FileProblem, OSError) as error:
            self._given_up(seen, pending, former, error)
            raise

    def _given_up(self, seen: Seen, pending: Pending, former: dict[str, Attempt], error: Exception) -> None:
        """Of the service that is to blame, where one is: the others may be tried without it."""
        blamed = [name for name in pending if name == getattr(error, "service", "")] or list(pending)
        what = error.failure.what if isinstance(error, GivenUp) else str(error)
        first = next(iter(what.splitlines()), "") or type(error).__name__
        lines = seen.lines(one for name in blamed for one in pending[name])
        seen.attempts = {**former, **{name: seen.attempts[name] for name in blamed}}
        for name in blamed:
            seen.attempts[name].outcome = given_up(utc(), first, lines)
        self.store.save(seen)

    def _take(self, run: str, by_itself: bool) -> None:
        end = time.monotonic() + (WAITS if by_itself else 0)
        while True:
            try:
                self.lease.take(run, self.who, UPDATE)
                return
            except Held:
                if time.monotonic() >= end:
                    raise
                time.sleep(WAITS_EVERY)

    def _deploy(self, seen: Seen, pending: Pending) -> list[str]:
        current = self.history.current()
        if current is None or self.history.under_way():
            raise UpdateProblem("a deployment was cut off here; deploy first")
        wish = _deployment.Wish.of(self.history.plan(current.number))
        project = _history.Project(wish.root, wish.manifest)
        files = project.read()
        if _history.digest(files) != current.digest:
            raise UpdateProblem("the project folder is not what was deployed; deploy first")
        counted = [one for packages in pending.values() for one in packages if one.base]
        base, asker = Base(self.store, seen.reference, self.tell), Asker(self.store, self.tell)
        if counted and seen.base:
            base.renew()
        made = wanted_files(files, seen, pending, base_digest(base.there()))
        if made == files:
            seen.attempts = {name: one for name, one in seen.attempts.items() if name not in pending}
            self.store.save(seen)
            return [f"{seen.reference} has nothing newer yet of {some(seen.lines(counted))}"]
        brings = seen.lines(one for packages in pending.values() for one in packages)
        work = _deployment.Deployment(wish, self.who, UPDATE, self.history, self.tell)
        outcome = _deployment.change(work, made, brings, self.history)
        said = [f"deployment {outcome.number}: {', '.join(sorted(pending))} updated", *(f"    {one}" for one in brings)]
        seen.learn(self.history)
        new = self.history.current()
        # What it brought is looked at, and not believed.
        try:
            asker.ask_again(seen, new.images if new else {})
        except UpdateProblem:
            seen.images = {}
        self.store.save(seen)
        forget_builds()
        left = {name: [one for one in seen.services.get(name, []) if not one.base] for name in pending}
        return said + [
            f"{name} was built, and does not have {some(seen.lines(packages))}; its Dockerfile may name a version"
            for name, packages in sorted(left.items())
            if packages and seen.images
        ]


def remove_left() -> None:
    """Containers of ours that a run which was killed has left."""
    left = docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}", check=False).split()
    if left:
        docker("rm", "--force", "--volumes", *left, check=False)


def reference_of(files: Files) -> str:
    """The name of the base image, as the Dockerfiles have it."""
    names = {
        found[1]
        for path, file in files.items()
        if _decided.DOCKERFILE.fullmatch(path)
        for found in re.finditer(r"(?mi)^FROM +(\S+)", file.data.decode(errors="replace"))
    }
    found = [name for name in sorted(names) if ":" in name]
    if len(found) != 1:
        raise UpdateProblem(f"the images here are built on {', '.join(found) or 'nothing that has a name'}, not on one")
    return found[0]


def some(lines: list[str]) -> str:
    more = len(lines) - NAMED_AT_MOST
    return ", ".join(lines[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def nothing(seen: Seen, mode: str) -> str:
    others = sum(map(len, seen.services.values()))
    if mode == SECURITY and others:
        return f"No security fix is newer than what runs; {others} other packages are."
    return "Nothing is newer than what runs."


# What is in the steps of ours that weigh something, in the list of what the engine keeps of its builds.
OUR_STEPS = ("apt-get update --error-on=any", "-perm -4000 -o -perm -2000")


def forget_builds() -> None:
    """What the engine keeps of former builds of ours and no image uses: each update would add some more of it.

    In one go, with the steps that came after: one that others are built on stays, and nothing is said of it.
    """
    idle = {}
    for block in docker("buildx", "du", "--verbose", check=False).split("\n\n"):
        fields = (line.partition(":") for line in block.splitlines())
        told = {name.strip(): value.strip() for name, mark, value in fields}
        if (told.get("Shared"), told.get("Reclaimable")) == ("false", "true"):
            idle[told["ID"]] = told
    ours = {name for name, told in idle.items() if any(step in told.get("Description", "") for step in OUR_STEPS)}
    while later := {name for name, told in idle.items() if name not in ours and ours & parents(told)}:
        ours |= later
    if ours:
        docker("buildx", "prune", "--force", "--filter", f"id=^({'|'.join(sorted(ours))})$", check=False)


def parents(told: Mapping[str, str]) -> set[str]:
    """Which steps one was built on; a newer client names several."""
    return {one.strip() for name in ("Parent", "Parents") for one in told.get(name, "").split(",")}


# ---- What is told ----


def days(seconds: float) -> str:
    number = int(seconds // 86400)
    return "of today" if number < 1 else f"{number} day{'' if number == 1 else 's'} old"


def created(image: str) -> float | None:
    """When an image was made, in seconds of the clock."""
    said = docker("image", "inspect", "--format", "{{.Created}}", image, check=False, seconds=30).strip()
    try:
        return calendar.timegm(time.strptime(said[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def status(store: Store, history: History, wall: float | None = None) -> list[str]:
    """For `make status`: how old each image is, and what is newer. It asks nobody."""
    current, settings, seen = history.current(), store.settings(), store.seen()
    if current is None:
        return []
    wall = time.time() if wall is None else wall
    lines = []
    for name, image in sorted(current.images.items()):
        made = created(image)
        age = "of unknown age" if made is None else days(wall - made)
        known = seen.images.get(name) == image
        packages = seen.services.get(name, []) if known else []
        pending = f"; newer: {some(seen.lines(packages))}" if packages else ""
        if not known:
            pending = "; what is newer is not known"
        lines.append(f"image of {name}: {age}{pending}")
    how = "" if settings.mode == NONE else f"; brought by itself {settings.schedule}: {settings.mode}"
    if seen.asked:
        lines.append(f"updates: asked {seen.asked}{how}")
        if any(not seen.cves.get(one.key) for packages in seen.services.values() for one in packages):
            where = "Alpine's security database" if seen.family == "alpine" else "its changelog"
            lines.append(f"    one without a CVE: {where} names none, or could not be read")
    else:
        lines.append(f"updates: not asked yet (`sudo inception update --check`){how}")
    release = _decided.release_of(history.files(current.number))
    if release and (last := _releases.ends(release["family"], release["name"])):
        lines.append(f"updates: {release['family']} {release['name']} gets fixes until {last}")
    told = [*release_ends(history, wall), *troubles(store, history, wall)]
    return [*lines, *(f"updates: WARNING: {what}; {todo}" for what, todo in told)]


def release_ends(history: History, wall: float) -> Iterator[tuple[str, str]]:
    """Of a release for which nothing newer comes any more: that looks as if all were well."""
    current = history.current()
    release = _decided.release_of(history.files(current.number)) if current else {}
    today = datetime.datetime.fromtimestamp(wall, tz=datetime.UTC).date()
    if release and (found := _releases.ending(release["family"], release["name"], today)):
        yield found


def troubles(store: Store, history: History, wall: float) -> Iterator[tuple[str, str]]:
    """What a person is to be told, with what to do."""
    settings, seen = store.settings(), store.seen()
    if settings.mode == NONE:
        return
    seen.learn(history)
    again = "`sudo inception update` tries again"
    if seen.failed:
        yield f"the distribution could not be asked at {seen.failed}: {clean(seen.said)}", again
    elif seen.asked and wall - _backup_state.seconds_of(seen.asked) > LATE.get(settings.schedule, LATE["weekly"]):
        yield f"the distribution was asked last at {seen.asked}", again
    found = [seen.tried(name, packages) for name, packages in seen.pending(settings.mode).items()]
    for outcome in sorted({one.outcome for one in found if one and one.outcome.startswith(THE_UPDATE)}):
        yield outcome, again
    if any(one and one.outcome == CUT_OFF and one.times >= TRIES for one in found):
        yield f"an update {CUT_OFF} {TRIES} times, and is not tried again", again
