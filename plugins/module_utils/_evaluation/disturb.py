# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an evaluator does to a project on its machine. Private to this collection.

Clean-out, make, crashes, a stop, another port, an upload: each step returns the results of the items that it decides.
"""

from __future__ import annotations

import contextlib
import ftplib
import os
import re
import secrets
import signal
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import (
    Stack,
    connects,
    containers_of,
    docker,
    listed,
    listening,
    observe,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import (
    PAGE_SECONDS,
    Answer,
    as_login,
    within,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.tls import unverified

# How long a service may take to be back; an emulated machine is slow.
PATIENCE = 300


@dataclass(frozen=True)
class Subject:
    """Whose project, where, and how long its `make` may take."""

    login: str
    domain: str
    project: str
    make_timeout: float
    # What each service is, as reading the project told.
    kinds: Mapping[str, str] = field(default_factory=dict)

    def make(self, goal: str = "", done: Callable[[], bool] | None = None) -> Answer:
        """A goal that stays in the foreground is left there when it is `done`."""
        return as_login(self.login, self.project, f"make {goal}".strip(), self.make_timeout, done)

    def containers(self) -> dict[str, dict[str, Any]]:
        return containers_of(self.project)

    def observe(self) -> Stack:
        return observe(self.login, self.domain, self.project, self.kinds)


def wait_until(probe: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Ask until the answer is true; whether it ever was."""
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def is_well(container: dict[str, Any]) -> bool:
    """Running, and healthy where it has a health check."""
    state = container["State"]
    return bool(state["Running"]) and state.get("Health", {}).get("Status", "healthy") == "healthy"


def site_status(domain: str, port: int = 443) -> int:
    """What the front page answers on the machine itself, whatever its certificate; 0 without an answer."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=unverified()), Stay)
    try:
        address = f"https://{domain}:{port}/" if port != 443 else f"https://{domain}/"
        with within(PAGE_SECONDS), opener.open(address, timeout=PAGE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0


def all_well(subject: Subject) -> bool:
    containers = subject.containers()
    return (
        bool(containers) and all(map(is_well, containers.values())) and site_status(subject.domain) in (200, 301, 302)
    )


@dataclass
class Settled:
    """Whether a make that stays in the foreground has done its work: what it was to bring about is there, or all that
    it started is as it is for so long that no more is to come. `before` are containers that it had not started.
    """

    subject: Subject
    probe: Callable[[], bool]
    before: frozenset[str] = frozenset()
    # For so long it has to be there, where make would end by itself a moment later.
    calm: float = 0.0
    seen: frozenset[str] = frozenset()
    since: float = 0.0
    there_since: float | None = None

    def __call__(self) -> bool:
        if self.probe():
            now = time.monotonic()
            self.there_since = now if self.there_since is None else self.there_since
            return now - self.there_since >= self.calm
        self.there_since = None
        containers = self.subject.containers().values()
        there = frozenset(one["Id"] for one in containers)
        if there == self.before or any(one["State"]["Status"] == "created" for one in containers):
            there = frozenset()
        if there != self.seen:
            self.seen, self.since = there, time.monotonic()
        return bool(there) and time.monotonic() - self.since >= PATIENCE


_CALM = 60.0


def started(subject: Subject) -> frozenset[str]:
    return frozenset(one["Id"] for one in subject.containers().values())


# --- The steps, each of which returns results ---


def clean_out(subject: Subject) -> list[Result]:
    """7, 8: everything of Docker's goes, and the data; as the sheet has it typed."""

    def each(*command: str, names: Iterable[str]) -> None:
        for name in names:
            docker(*command, name, timeout=300)

    each("rm", "--force", "--volumes", names=listed("ps", "--all", "--quiet"))
    each("rmi", "--force", names=dict.fromkeys(listed("images", "--all", "--quiet")))
    each("volume", "rm", "--force", names=listed("volume", "ls", "--quiet"))
    networks = listed("network", "ls", "--format", "{{.Name}}")
    each("network", "rm", names=[name for name in networks if name not in ("bridge", "host", "none")])
    left = [
        Evidence(f"docker {kind}", "\n".join(names))
        for kind in ("ps --all --quiet", "images --all --quiet", "volume ls --quiet")
        if (names := listed(*kind.split()))
    ]
    data = Path("/home", subject.login, "data")
    if data.is_dir() and not data.is_symlink():
        as_login(subject.login, str(data), "rm -rf -- ./*", 600)
    still = [Evidence(f"ls {data}", name.name) for name in data.iterdir()] if data.is_dir() else []
    seven = result(
        7, FAIL if left else PASS, left or [Evidence("docker ps, images, volume, network", "nothing is left")]
    )
    eight = result(8, WARNING, [*still, Evidence(str(data), "not all of it can be removed by the login")])
    return [seven, *([eight] if still else [])]


# What the end of a make that failed says, and what an evaluator does about it.
_STEPS = (
    (
        r"docker-compose: (?:command )?not found|docker-compose: No such file",
        "It calls docker-compose, the former program. Install it, or let the evaluated person call `docker compose`.",
    ),
    (
        r"env file \S+ not found|\.env: No such file|bind source path does not exist"
        r"|secrets?/\S+:? (?:no such file|not found|does not exist)",
        "It needs a file that git does not have. Let the evaluated person bring it, and evaluate again without "
        "evaluate_source.",
    ),
    (
        r"a (?:terminal|password) is required|no askpass program",
        "It calls sudo, and nobody is there to type a password. Let the login become root without one, on a machine "
        "that may be lost.",
    ),
    (
        r"Could not resolve|Temporary failure (?:resolving|in name resolution)|failed to resolve source"
        r"|pull access denied|no such host",
        "What it fetches cannot be reached from this machine; the lines above name it.",
    ),
    (r"permission denied while trying to connect to the Docker daemon", "Put the login into the group docker."),
    (r"port is already allocated|address already in use", "Another program has the port: `ss -ltnp` names it."),
)


# Whether the project asks for something that is nowhere, or this machine has no way to it, is for a person to say.
_UNREACHED = re.compile(
    r"could not resolve|temporary failure (?:resolving|in name resolution)|no such host", re.IGNORECASE
)


def next_step(answer: Answer) -> str:
    """What to do about a make that failed, "" where its words say nothing that is known."""
    if answer.code is None:
        return "It did not end, and not all came up. Look with `docker compose ps`, or set evaluate_make_timeout."
    return next((step for words, step in _STEPS if re.search(words, answer.output, re.IGNORECASE)), "")


def make(subject: Subject, *, cleaned: bool) -> list[Result]:
    """16, and 8 where the data folder was emptied before: `make`, and what came of it."""
    # Where everything was up before, that it is says nothing of what make has still to do.
    done = None if all_well(subject) else Settled(subject, lambda: all_well(subject), started(subject))
    answer = subject.make(done=done)
    if answer.left:
        ended = f"stays in the foreground; {'everything is up' if all_well(subject) else 'not all is well'}"
    else:
        ended = "its time was over" if answer.code is None else f"ended with {answer.code}"
    evidence = [Evidence(f"make ({ended})", answer.tail())]
    if not answer.ok and (step := next_step(answer)):
        evidence.append(Evidence("what to do", step))
    if other := other_docker(subject):
        evidence.append(Evidence("command -v docker", f"{other} comes first for the login, and may tell what it likes"))
    failed = WARNING if _UNREACHED.search(answer.output) else FAIL
    verdict = failed if not answer.ok else WARNING if other else PASS
    found = [result(16, verdict, evidence, seconds=answer.seconds)]
    if not answer.ok:
        return found
    if not (all_well(subject) if answer.left else wait_until(lambda: all_well(subject))):
        unwell = [Evidence("docker compose ps", told) for told in states(subject.containers())]
        status = Evidence(f"https://{subject.domain}/", f"answers {site_status(subject.domain) or 'not'}")
        found.append(result(35, FAIL, [*unwell, status]))
    if cleaned:
        data = Path("/home", subject.login, "data")
        there = sorted(path.name for path in data.iterdir()) if data.is_dir() else []
        found.append(result(8, PASS if there else FAIL, [Evidence(f"ls {data}", " ".join(there) or "nothing")]))
    return found


_CLIENTS = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin", "/usr/local/sbin", "/snap/bin")


def other_docker(subject: Subject) -> str:
    """The login's own docker where it has one that comes before the machine's."""
    said = as_login(subject.login, "/", "command -v docker", 30).tail(1).strip()
    return said if said and os.path.dirname(said) not in _CLIENTS else ""


def states(containers: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{name}: {one['State']['Status']} {one['State'].get('Health', {}).get('Status', '')}".strip()
        for name, one in containers.items()
    ]


def crash(subject: Subject) -> list[Result]:
    """35: the first process of each service is killed from outside, and the container comes back."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    well = all_well(subject)
    for service, before in subject.containers().items():
        where = f"kill -KILL PID 1 of {service}"
        if not before["State"]["Running"]:
            continue
        start = time.monotonic()
        os.kill(before["State"]["Pid"], signal.SIGKILL)

        def back(service: str = service, before: dict[str, Any] = before) -> bool:
            now = subject.containers().get(service)
            return bool(now and now["State"]["Pid"] not in (0, before["State"]["Pid"]) and is_well(now))

        policy = before["HostConfig"]["RestartPolicy"]["Name"]
        if wait_until(back, 30 if policy in ("", "no") else PATIENCE):
            right.append(Evidence(where, f"back after {time.monotonic() - start:.0f} s"))
        else:
            wrong.append(Evidence(where, f"did not come back; restart policy: {policy or 'no'}"))
            docker("start", before["Id"])
    # What was not well before says nothing of a crash.
    if well and right and not wrong and not wait_until(lambda: all_well(subject)):
        wrong = [
            Evidence(f"https://{subject.domain}/", f"after the crashes: {site_status(subject.domain) or 'no answer'}")
        ]
    return [result(35, FAIL if wrong else PASS if right else UNDETERMINED, [*wrong, *right])]


def stop(subject: Subject) -> list[Result]:
    """12: each service ends by itself when it is asked to, and is not killed when the time is over."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    well = all_well(subject)
    containers = {name: one for name, one in subject.containers().items() if one["State"]["Running"]}
    for service, container in containers.items():
        start = time.monotonic()
        docker("stop", container["Id"], timeout=PATIENCE)
        took = time.monotonic() - start
        code = subject.containers()[service]["State"]["ExitCode"]
        told = Evidence(f"docker stop {service}", f"ended with {code} after {took:.1f} s")
        (wrong if code == 137 else right).append(told)
    for container in containers.values():
        docker("start", container["Id"])
    back = not well or wait_until(lambda: all_well(subject))
    found = [result(12, WARNING if wrong else PASS if right else UNDETERMINED, wrong or right)]
    if containers and not back:
        told = [Evidence("docker start", one) for one in states(subject.containers())]
        found.append(result(35, FAIL, [*told, Evidence("docker stop and start", "the site does not answer again")]))
    return found


PORT = re.compile(r"^(?P<name>\w*PORT\w*)=(?P<quote>[\"']?)(?P<port>\d{2,5})(?P=quote)\s*$", re.MULTILINE)
# A line of the compose file that publishes one port.
PUBLISHED = re.compile(
    r"^(?P<head>[ \t]*-[ \t]*[\"']?(?:[\d.]+:)?)(?P<port>\d{2,5})"
    r"(?P<tail>:(?P<inner>\d{2,5})(?:/tcp)?[\"']?[ \t]*(?:#.*)?)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Change:
    """A port of a service, where it stands, and the text with another one."""

    file: str
    told: str
    service: str
    old: int
    new: int
    text: str


def published(container: dict[str, Any]) -> dict[int, set[int]]:
    """The ports of the machine that lead to each TCP port of a container."""
    bindings = container["HostConfig"]["PortBindings"] or {}
    return {
        int(inner.partition("/")[0]): {
            int(one["HostPort"]) for one in outer or [] if one.get("HostPort", "").isdecimal()
        }
        for inner, outer in bindings.items()
        if inner.endswith("/tcp")
    }


def free_port(near: int) -> int:
    """A port of the machine that nobody has."""
    return next(port for step in range(11, 11_000, 11) if not connects("127.0.0.1", port := near % 50_000 + step))


def port_to_change(text: str, containers: dict[str, dict[str, Any]]) -> tuple[str, int, str] | None:
    """A variable of .env with a port that a service listens on, inside ones first: its name, the port, the service."""
    candidates = []
    for found in PORT.finditer(text):
        port = int(found["port"])
        for service, container in containers.items():
            if port in listening(container):
                outside = any((container["HostConfig"]["PortBindings"] or {}).values())
                candidates.append((outside, found["name"], port, service))
    if not candidates:
        return None
    first = min(candidates)
    return first[1], first[2], first[3]


ENVIRONMENT, COMPOSE = "srcs/.env", "srcs/docker-compose.yml"


def in_environment(project: str, containers: dict[str, dict[str, Any]]) -> Change | None:
    """By a variable of .env."""
    text = strangers_text(project, ENVIRONMENT) or ""
    chosen = port_to_change(text, containers)
    if chosen is None:
        return None
    name, old, service = chosen
    new = old + 11
    changed = PORT.sub(lambda m: m[0].replace(str(old), str(new)) if m["name"] == name else m[0], text)
    return Change(ENVIRONMENT, f"{name}={new}", service, old, new, changed)


def in_compose(project: str, containers: dict[str, dict[str, Any]], main: str) -> Change | None:
    """By a line of the compose file that publishes a port; those of `main`, which a site's own links name, last."""
    text = strangers_text(project, COMPOSE) or ""
    lines = list(PUBLISHED.finditer(text))
    candidates = []
    for found in lines:
        outer, inner = int(found["port"]), int(found["inner"])
        if [(one["port"], one["inner"]) for one in lines].count((found["port"], found["inner"])) > 1:
            continue
        for service, container in containers.items():
            if outer in published(container).get(inner, set()) and inner in listening(container):
                candidates.append((service == main, service, outer, found.start()))
    if not candidates:
        return None
    _main, service, old, at = min(candidates)
    new = free_port(old)
    changed = PUBLISHED.sub(lambda m: f"{m['head']}{new}{m['tail']}" if m.start() == at else m[0], text)
    line = next(m[0] for m in PUBLISHED.finditer(changed) if m.start() == at).strip()
    return Change(COMPOSE, line, service, old, new, changed)


def change_port(subject: Subject) -> list[Result]:
    """56: a service's port is changed where it is written, all is rebuilt, and works there; then all is as before."""
    containers = subject.containers()
    if not all_well(subject):
        told = [Evidence("docker compose ps", one) for one in states(containers)]
        told.append(Evidence(f"https://{subject.domain}/", f"answers {site_status(subject.domain) or 'not'}"))
        return [result(56, UNDETERMINED, [Evidence("before a change", "not all is well, so none was made"), *told])]
    main = next((name for name, kind in subject.kinds.items() if kind == "nginx"), "")
    change = in_environment(subject.project, containers) or in_compose(subject.project, containers, main)
    if change is None:
        why = "nor the compose file has a port that a service listens on; let the evaluated person change one"
        return [result(56, UNDETERMINED, [Evidence("neither srcs/.env", why)])]
    before = strangers_text(subject.project, change.file)
    if before is None:
        return [result(56, UNDETERMINED, [Evidence(change.file, "no small file any more")])]
    moved = Moved(subject, change, main)
    start = time.monotonic()
    verdict = FAIL
    evidence: list[Evidence] = []
    try:
        rewrite(subject.project, change.file, change.text)
    except OSError as error:
        return [result(56, UNDETERMINED, [Evidence(change.file, f"cannot be written: {error}")])]
    try:
        answer = subject.make(done=Settled(subject, moved, started(subject), _CALM))
        evidence.append(Evidence(f"{change.file}: {change.told}, then make", answer.tail(5)))
        if answer.ok:
            verdict, shown = moved.verdict()
            evidence += shown
    finally:
        try:
            rewrite(subject.project, change.file, before)
        except OSError as error:
            # What `make` has put there instead is the project's own doing.
            evidence.append(Evidence(change.file, f"is no longer what it was: {error}"))
        again = subject.make(done=Settled(subject, moved.back, started(subject), _CALM))
        well = again.ok and wait_until(moved.back)
    if not well:
        evidence.append(Evidence(f"{change.file} as before, then make", again.tail(5)))
    return [result(56, verdict if well else FAIL, evidence, seconds=time.monotonic() - start)]


@dataclass(frozen=True)
class Moved:
    """Whether a service has its new port, inside or where the machine publishes it, and everything works."""

    subject: Subject
    change: Change
    main: str

    def ports(self) -> tuple[set[int], set[int]]:
        """Those that the service listens on, and those of the machine that lead to it."""
        container = self.subject.containers().get(self.change.service)
        if container is None or not container["State"]["Running"]:
            return set(), set()
        return listening(container), {one for outer in published(container).values() for one in outer}

    def there(self) -> bool:
        inner, outer = self.ports()
        return self.change.new in inner | outer

    def back(self) -> bool:
        return not self.there() and all_well(self.subject)

    def site_port(self) -> int:
        """The site's port is another one where it is NGINX's that was changed."""
        dummy, outer = self.ports()
        return self.change.new if self.change.service == self.main and self.change.new in outer else 443

    def __call__(self) -> bool:
        works = site_status(self.subject.domain, self.site_port()) in (200, 301, 302)
        return works and self.there() and all(map(is_well, self.subject.containers().values()))

    def verdict(self) -> tuple[str, list[Evidence]]:
        come = wait_until(self)
        (inner, outer), port, new, old = self.ports(), self.site_port(), self.change.new, self.change.old
        status = site_status(self.subject.domain, port)
        site = f"https://{self.subject.domain}/" if port == 443 else f"https://{self.subject.domain}:{port}/"
        told = [
            Evidence(f"{self.change.service} listens on", ", ".join(map(str, sorted(inner))) or "nothing"),
            *([Evidence("the machine publishes it at", ", ".join(map(str, sorted(outer))))] if outer else []),
            Evidence(site, f"answers {status or 'not'}"),
        ]
        if not come or old in (outer if new in outer else inner):
            return FAIL, told
        if port != 443 and status != 200:
            led = "NGINX answers there, and the site leads to the address that it was installed with"
            return WARNING, [*told, Evidence(site, led)]
        return PASS, told


# Longer than any settings or password
_MOST_TEXT = 256 * 1024
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@contextlib.contextmanager
def strangers_file(folder: str, name: str, flags: int) -> Iterator[int]:
    """A small regular file of the project, opened as root: no link on the way to it is followed, and no FIFO waits."""
    with contextlib.ExitStack() as opened:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, at)
        *folders, last = name.split("/")
        for part in folders:
            at = os.open(part, _SAFE | os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            opened.callback(os.close, at)
        at = os.open(last, _SAFE | flags, dir_fd=at)
        opened.callback(os.close, at)
        found = os.fstat(at)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_TEXT:
            raise OSError(f"{name} is no small file")
        # Another name of it may be somebody else's file.
        if found.st_nlink > 1 and flags & os.O_WRONLY:
            raise OSError(f"{name} has more names than one")
        yield at


def strangers_text(folder: str, name: str) -> str | None:
    """The text of a small file of the project, None for anything else."""
    try:
        with strangers_file(folder, name, os.O_RDONLY) as file:
            return os.read(file, _MOST_TEXT).decode("utf-8", "surrogateescape")
    except OSError:
        return None


def rewrite(folder: str, name: str, text: str) -> None:
    """In place, so that owner and mode stay."""
    with strangers_file(folder, name, os.O_WRONLY) as file:
        os.truncate(file, 0)
        os.write(file, text.encode("utf-8", "surrogateescape"))


def ftp(subject: Subject, user: str, password_file: str) -> list[Result]:
    """58: a file that is uploaded is one of the site's files, and the site shows it."""
    service = next((name for name, kind in subject.kinds.items() if kind == "ftp"), "")
    container = subject.containers().get(service)
    if container is None:
        return []
    ports = sorted(port for port in listening(container) if port < 21000) or [21]
    address = next((one["IPAddress"] for one in container["NetworkSettings"]["Networks"].values()), "")
    try:
        password = password_in(subject.project, password_file)
    except OSError:
        told = "no small file: name the one with the password in evaluate_ftp_password_file"
        return [result(58, UNDETERMINED, [Evidence(password_file, told)])]
    name = f"evaluation-{secrets.token_hex(6)}.txt"
    content = secrets.token_hex(16)
    where = f"ftp {service}:{ports[0]} as {user}"
    try:
        with within(3 * PAGE_SECONDS), signed_in(address, ports[0], user, password) as client:
            client.storbinary(f"STOR {name}", BytesIO(content.encode()))
            seen = fetched(subject.domain, name)
            client.delete(name)
    except (OSError, EOFError, ftplib.Error) as error:
        return [result(58, FAIL, [Evidence(where, f"{type(error).__name__}: {error}".replace(password, "***"))])]
    good = content in seen
    told = "shows the uploaded file" if good else "does not show the uploaded file"
    return [
        result(
            58,
            PASS if good else FAIL,
            [Evidence(where, f"STOR {name}"), Evidence(f"https://{subject.domain}/{name}", told)],
        )
    ]


def password_in(project: str, path: str) -> str:
    """One in the project is a stranger's, and no link of it is followed; another place the evaluator named."""
    folder, name = os.path.split(path)
    if (inside := os.path.relpath(path, project)).partition("/")[0] != "..":
        folder, name = project, inside
    text = strangers_text(folder, name)
    if text is None:
        raise OSError(f"{path} cannot be read")
    return text.strip("\n")


def bring_passwords(project: str, files: Mapping[str, str], folder: str) -> None:
    """Copies of the files that hold passwords, in a folder that is root's alone; of what is no such file, none."""
    for name, path in files.items():
        with contextlib.suppress(OSError):
            password = password_in(project, path)
            at = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(at, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(password)


def signed_in(address: str, port: int, user: str, password: str) -> ftplib.FTP:
    """With TLS where the server has it; the way people's programs do."""
    secure = ftplib.FTP_TLS(context=unverified(), timeout=60)
    try:
        secure.connect(address, port)
        secure.login(user, password)
        secure.prot_p()
        return secure
    except ftplib.error_perm as error:
        if not str(error).startswith(("500", "502", "504", "530 Please login", "421")):
            raise
    plain = ftplib.FTP(timeout=60)
    plain.connect(address, port)
    plain.login(user, password)
    return plain


def fetched(domain: str, name: str) -> str:
    """A file of the site, as a visitor gets it."""
    try:
        address = f"https://{domain}/{name}"
        with within(PAGE_SECONDS), open_url(address, timeout=PAGE_SECONDS, validate_certs=False) as answer:
            return str(answer.read(4096).decode("utf-8", "replace"))
    except (OSError, ValueError):
        return ""
