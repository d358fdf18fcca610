# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that browsers trust, by ACME: when one is due, how it is asked for, and why there is none.

Private to this collection; part of the machine's own program. dehydrated, the distribution's, speaks with the
authority. It gets a request that the site's own key has signed, so that no key leaves the project's secrets.
"""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fortytwo.inception.plugins.module_utils import _files, _history, _renewal
from ansible_collections.fortytwo.inception.plugins.module_utils._renewal import DAY, RenewalProblem

FOLDER = "var/lib/fortytwo.inception/acme"
TLS_ALPN, HTTP, DNS = "tls-alpn-01", "http-01", "dns-01"
PORTS = {TLS_ALPN: 443, HTTP: 80}
# A nonce that was used up is no fault of anybody's (RFC 8555, 6.5), and dehydrated does not ask again by itself.
NONCES, NONCE_SECONDS = 5, 2.0
# One order, with a name server that takes its time.
PATIENCE = 1200.0
# Another run, which has an order under way.
WAIT = 300.0
# A certificate is renewed when a third of its time is left; of a short one, when half is.
SHARE, SHORT_SHARE, SHORT = 1 / 3, 1 / 2, 10 * DAY
# Not all machines at one time: somewhat before that, by so much of its time at most.
SPREAD = 1 / 30
# Seconds after a failure before the machine asks again by itself, and by how much more at random.
PAUSES = (600.0, 3600.0, 3 * 3600.0, 12 * 3600.0, 24 * 3600.0)
JITTER = 0.5
# Where so much of its time is left, a renewal that failed once is no news yet.
QUIET_SHARE = 1 / 6
TIME = "%Y-%m-%d %H:%M UTC"


class Refused(RenewalProblem):
    """Why the authority gave no certificate, what to do, and until when there is no use in asking."""

    def __init__(self, what: str, todo: str, kind: str = "", until: float = 0.0) -> None:
        super().__init__(what)
        self.todo, self.kind, self.until = todo, kind, until


@dataclass(frozen=True)
class Settings:
    """What a deployment said; no names, no certificate."""

    names: list[str] = field(default_factory=list)
    directory: str = ""
    challenge: str = TLS_ALPN
    email: str = ""
    profile: str = ""
    eab_kid: str = ""
    # The folder that NGINX reads the challenges in, and of which project the certificate is.
    challenges: str = ""
    project: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Settings:
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if told.get(name) is not None})

    @property
    def authority(self) -> str:
        return urlsplit(self.directory).hostname or self.directory

    def order(self) -> str:
        """What another certificate is wanted for, when it is another one."""
        wanted = json.dumps([self.directory, self.names, self.profile])
        return hashlib.sha256(wanted.encode()).hexdigest()


@dataclass
class State:
    """What became of it."""

    # What was asked for, and the digest of the certificate that came.
    order: str = ""
    certificate: str = ""
    issued: float = 0.0
    renew_at: float = 0.0
    # Failures in a row, why, what to do, and when the machine asks again.
    failed: int = 0
    why: str = ""
    todo: str = ""
    next: float = 0.0
    # Until when there is no use in asking, whoever does.
    until: float = 0.0
    # The digest of the certificate that was revoked last.
    revoked: str = ""


class Store:
    """Where all of it lies, for root alone."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self.settings_file, self.state_file = self.folder / "settings.json", self.folder / "state.json"
        self.eab_key, self.authority = self.folder / "eab.key", self.folder / "authority.crt"
        self.dns_hook, self.dns_files = self.folder / "dns-hook", self.folder / "dns"
        self.base = self.folder / "dehydrated"
        # One that was issued and is not in its place yet.
        self.issued = self.folder / "issued.crt"

    def make(self) -> None:
        for folder in (self.folder, self.base, self.base / "wellknown"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def settings(self) -> Settings:
        return Settings.of(_history.read(self.settings_file))

    def state(self) -> State:
        told = _history.read(self.state_file)
        return State(**{name: told[name] for name in State.__dataclass_fields__ if name in told})

    def save(self, state: State) -> None:
        self.make()
        _history.write(self.state_file, asdict(state))

    @contextlib.contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Whether nobody else asks now; the lock ends with the process."""
        self.make()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        yield False
                        return
                    time.sleep(0.5)
                else:
                    break
            yield True
        finally:
            os.close(descriptor)


def now() -> float:
    return _renewal.now()


def digest(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def told_time(when: float) -> str:
    return time.strftime(TIME, time.gmtime(when))


# ---- When one is due ----


def renew_at(found: _renewal.Validity) -> float:
    """When a certificate is renewed: in time, and not when all the others are."""
    whole = found.ends - found.begins
    left = whole * (SHORT_SHARE if whole < SHORT else SHARE)
    return found.ends - left - random.uniform(0, SPREAD) * whole


@dataclass(frozen=True)
class Due:
    """Why another certificate is wanted, and how much is left of the one that there is."""

    what: str
    # Whether visitors have one that browsers do not trust, or will have it soon.
    is_urgent: bool


def due(store: Store, root: str) -> Due | None:
    """Nothing when the certificate is good."""
    settings, state = store.settings(), store.state()
    certificate = _renewal.read(root, "tls.crt")
    if certificate is None:
        return Due("the certificate is not there", True)
    found = _renewal.validity(certificate)
    left, whole = found.ends - now(), found.ends - found.begins
    ends = f"the certificate ends in {found.days_left(now())} days" if left >= 0 else "the certificate has ended"
    if state.revoked == digest(leaf(certificate)):
        return Due("the certificate was revoked", True)
    if state.certificate != digest(certificate):
        return Due(f"the certificate is none of {settings.authority}'s, and browsers warn of it", True)
    if state.order != settings.order():
        return Due("the certificate was asked for with other settings", True)
    if now() >= min(state.renew_at, found.ends) or found.begins - now() > DAY:
        return Due(ends, left < QUIET_SHARE * whole)
    return None


def may_ask(store: Store, by_itself: bool) -> bool:
    """Whether the time has come: the machine waits after a failure, and nobody asks who would be refused anyway."""
    state = store.state()
    return now() >= (max(state.next, state.until) if by_itself else state.until)


def refused_before(store: Store) -> Refused:
    state = store.state()
    return Refused(state.why, state.todo, until=state.until)


# ---- How one is asked for ----


def asked_for(names: list[str]) -> list[str]:
    """Without those that a wildcard is for: Let's Encrypt refuses an order with both."""
    return [name for name in names if f"*.{name.partition('.')[2]}" not in names or name.startswith("*.")]


def request(root: str, names: list[str]) -> bytes:
    """What the site's own key signs."""
    wanted = asked_for(names)
    subject = f"CN = {names[0]}" if names[0] in wanted and len(names[0]) <= 64 else "O = Inception"
    text = f"[req]\nprompt = no\ndistinguished_name = name\n[name]\n{subject}\n"
    alternatives = ",".join(f"DNS:{name}" for name in wanted)
    with (
        _renewal.secrets_folder(root) as folder,
        _files.opened_file("tls.key", folder, f"{root}/secrets/tls.key") as key,
        _renewal.in_memory(text.encode()) as config,
    ):
        if key is None:
            raise RenewalProblem(f"{root}/secrets/tls.key is not there")
        return _renewal.openssl(
            *("req", "-new", "-sha256", "-key", f"/dev/fd/{key}", "-config", f"/dev/fd/{config}"),
            *("-addext", f"subjectAltName={alternatives}"),
            descriptors=(key, config),
        )


CONFIG = """\
# Written by fortytwo.inception.
CA={directory}
CHALLENGETYPE={challenge}
CONTACT_EMAIL={email}
HOOK={base}/hook
WELLKNOWN={base}/wellknown
ALPNCERTDIR={base}/alpn
KEYSIZE=4096
CURL_OPTS={curl}
ACME_PROFILE={profile}
"""
# dehydrated hands the key to openssl as an argument, which everybody on a machine can read; a function is no process.
EAB_CONFIG = """\
EAB_KID={kid}
EAB_HMAC_KEY="$(tr -d '[:space:]' <{key})"
OPENSSL=openssl_without_keys
openssl_without_keys() {{
    local word
    for word in "$@"; do
        case $word in
            hexkey:*)
                {program} sign 9< <(printf '%s' "${{word#hexkey:}}")
                return
                ;;
        esac
    done
    openssl "$@"
}}
"""
HOOK = """\
#!/bin/sh
# Written by fortytwo.inception.
case $1 in
    deploy_challenge | clean_challenge) exec {program} challenge "$@" ;;
esac
"""


def write_config(store: Store, settings: Settings, program: str) -> None:
    """What dehydrated reads; the program is what it calls back."""
    curl = "--connect-timeout 60 --max-time 180"
    if store.authority.exists():
        curl += f" --cacert {store.authority}"
    quoted = {
        name: shlex.quote(str(getattr(settings, name))) for name in ("directory", "challenge", "email", "profile")
    }
    text = CONFIG.format(**quoted, base=shlex.quote(str(store.base)), curl=shlex.quote(curl))
    if settings.eab_kid:
        kid, key = shlex.quote(settings.eab_kid), shlex.quote(str(store.eab_key))
        text += EAB_CONFIG.format(kid=kid, key=key, program=program)
    _private(store.base / "config", text.encode(), 0o600)
    _private(store.base / "hook", HOOK.format(program=program).encode(), 0o700)


def _private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """A file for root alone, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)


def called(argv: list[str]) -> tuple[int, str, str]:
    """What a program says; it and what it started end when it takes too long."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            said, complained = process.communicate(timeout=PATIENCE)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise Refused(
                f"no certificate came within {PATIENCE / 60:.0f} minutes",
                "look whether the authority's status page tells of an outage; the machine tries again by itself",
            ) from None
    return process.returncode, said.decode(errors="replace"), complained.decode(errors="replace")


def spoken(store: Store, program: str, *argv: str) -> str:
    """What dehydrated says, when the authority did what it was asked for."""
    settings = store.settings()
    client = shutil.which("dehydrated", path="/usr/local/bin:/usr/bin:/bin")
    if client is None:
        raise Refused("dehydrated is not installed", "deploy again: it is installed then")
    store.make()
    write_config(store, settings, program)
    if settings.profile and "ACME_PROFILE" not in Path(client).read_text(encoding="utf-8", errors="replace"):
        raise Refused(
            f"the machine's dehydrated knows no profiles, and {settings.profile} is wanted",
            "dehydrated 0.7.2 and later does (Debian 13, Alpine 3.22); or leave inception_acme_profile empty",
        )
    renewed_account = False
    for left in reversed(range(NONCES)):
        code, said, complained = called(
            [client, "--config", f"{store.base}/config", "--no-lock", "--accept-terms", *argv]
        )
        if code == 0:
            return said
        problem = refusal(f"{said}\n{complained}", settings)
        if problem.kind == "badNonce" and left:
            time.sleep(NONCE_SECONDS)
            continue
        if problem.kind == "accountDoesNotExist" and not renewed_account:
            forget_account(store)
            renewed_account = True
            continue
        raise problem
    raise AssertionError("the last one has raised")


def ask(store: Store, root: str, program: str) -> bytes:
    """A new certificate with its chain."""
    names, wanted = store.settings().names, store.base / "request.csr"
    store.make()
    _private(wanted, request(root, names))
    return checked(spoken(store, program, "--signcsr", str(wanted)), root, names)


def forget_account(store: Store) -> None:
    """One that the authority does not know any more: another one is made, and the key of the former one is kept."""
    accounts, former = store.base / "accounts", store.base / "accounts.former"
    shutil.rmtree(former, ignore_errors=True)
    if accounts.exists():
        accounts.rename(former)


def leaf(certificate: bytes) -> bytes:
    """A file's first certificate; the others vouch for it."""
    found = BLOCK.search(certificate.decode(errors="replace"))
    return found[0].strip().encode() if found else b""


def revoke(store: Store, certificate: bytes, program: str) -> None:
    """Takes one back: a copy, since dehydrated puts what it has revoked aside."""
    copy = store.base / "revoke.crt"
    store.make()
    _private(copy, certificate)
    try:
        spoken(store, program, "--revoke", str(copy))
    except Refused as refused:
        if refused.kind == "account":
            raise Refused(
                f"{refused}, for a certificate that it did not ask for", "revoke it from where it was asked for"
            ) from None
        if refused.kind != "alreadyRevoked":
            raise
    finally:
        for path in (copy, copy.with_name(f"{copy.name}-revoked")):
            path.unlink(missing_ok=True)
    state = store.state()
    state.revoked = digest(leaf(certificate))
    store.save(state)


BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+?-----END CERTIFICATE-----\n?")


def checked(said: str, root: str, names: list[str]) -> bytes:
    """The certificate with its chain, when it is of the site's key, for all names, and good now."""
    blocks = [one.rstrip("\n") + "\n" for one in BLOCK.findall(said.replace("\r", ""))]
    if not blocks:
        raise Refused("the authority gave no certificate", "look into what dehydrated says: sudo inception certificate")
    leaf = blocks[0].encode()
    found = _renewal.validity(leaf)
    if not found.begins - DAY <= now() < found.ends:
        raise Refused(
            f"the authority's certificate is good until {told_time(found.ends)}, and the machine's clock says "
            f"{told_time(now())}",
            "`timedatectl` (Alpine: `chronyc tracking`) says who sets the clock",
        )
    with (
        _renewal.secrets_folder(root) as folder,
        _files.opened_file("tls.key", folder, f"{root}/secrets/tls.key") as key,
    ):
        if key is None:
            raise RenewalProblem(f"{root}/secrets/tls.key is not there")
        own = _renewal.openssl("pkey", "-in", f"/dev/fd/{key}", "-pubout", descriptors=(key,))
    if _renewal.openssl("x509", "-noout", "-pubkey", given=leaf) != own:
        raise Refused("the authority's certificate is of another key", "deploy again")
    for name in names:
        probe = name.replace("*", "any", 1)
        if b" does match " not in _renewal.openssl("x509", "-noout", "-checkhost", probe, given=leaf):
            raise Refused(f"the authority's certificate is not for {name}", "deploy again")
    return "".join(blocks).encode()


def clean_challenges(store: Store) -> None:
    """What a run that was cut off has left: nothing else is in those folders."""
    for place in (store.settings().challenges, str(store.base / "wellknown"), str(store.base / "alpn")):
        if not os.path.isdir(place):
            continue
        folder = _files.open_folder(place)
        try:
            for name in os.listdir(folder):
                with contextlib.suppress(IsADirectoryError, PermissionError):
                    os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)


def issue(store: Store, root: str, program: str, tell: Callable[[str], None]) -> None:
    """Asks, and keeps what came. What went wrong is kept too."""
    settings, state = store.settings(), store.state()
    tell(f"asking {settings.authority} for a certificate of {', '.join(settings.names)}")
    try:
        try:
            certificate = ask(store, root, program)
        finally:
            clean_challenges(store)
    except RenewalProblem as problem:
        state.failed += 1
        state.why, state.todo = str(problem), getattr(problem, "todo", "")
        pause = PAUSES[min(state.failed, len(PAUSES)) - 1]
        state.next = now() + pause * (1 + random.uniform(0, JITTER))
        state.until = getattr(problem, "until", 0.0)
        store.save(state)
        raise
    _private(store.issued, certificate)
    found = _renewal.validity(certificate)
    store.save(State(settings.order(), digest(certificate), now(), renew_at(found)))


def put(store: Store, root: str) -> None:
    """Into its place; what serves it does not read it yet."""
    certificate = store.issued.read_bytes()
    with _renewal.secrets_folder(root) as folder, _files.locked(folder, f"{root}/secrets"):
        _files.write_file("tls.crt", folder, certificate, _files.Attributes(0o444))
        _files.sync(folder)
    store.issued.unlink()


def waits(store: Store, root: str) -> bool:
    """Whether one was issued, for the key that there is, and is not in its place yet."""
    try:
        certificate = store.issued.read_bytes()
        if store.state().certificate == digest(certificate):
            checked(certificate.decode(errors="replace"), root, store.settings().names)
            return True
        store.issued.unlink()
    except FileNotFoundError:
        pass
    except RenewalProblem:
        store.issued.unlink(missing_ok=True)
    return False


# ---- What proves that the names are this machine's ----


def challenge(store: Store, argv: list[str]) -> int:
    """What dehydrated calls: deploy_challenge or clean_challenge, the name, the token, and what it proves it by."""
    settings = store.settings()
    if settings.challenge == DNS:
        environment = {**os.environ, "INCEPTION_DNS_FILES": str(store.dns_files)}
        return subprocess.run(
            [str(store.dns_hook), *argv], cwd=store.dns_files, env=environment, stdin=subprocess.DEVNULL, check=False
        ).returncode
    what, name, token, proof = argv[:4]
    if settings.challenge == HTTP:
        files = {token: proof.encode()}
    else:
        source = store.base / "alpn"
        files = {f"{name}.{kind}": source / f"{name}.{kind}.pem" for kind in ("crt", "key")}  # type: ignore[misc]
    folder = _files.open_folder(settings.challenges)
    try:
        found = os.fstat(folder)
        for file, content in files.items():
            if "/" in file or file.startswith("."):
                raise _files.FileProblem(f"{file!r} is no name of a challenge")
            if what == "deploy_challenge":
                data = content.read_bytes() if isinstance(content, Path) else content
                _files.write_file(file, folder, data, _files.Attributes(0o400, found.st_uid, found.st_gid))
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file, dir_fd=folder)
    finally:
        os.close(folder)
    return 0


# ---- Why there is none ----

DETAIL = re.compile(r'"detail"(?:\]|:)\s*"((?:[^"\\]|\\.)*)"')
# The problem of the order as JSON, or that of a name's validation as dehydrated prints it, in lines.
TYPE = re.compile(r'"type"(?:\]|:)\s*"urn:ietf:params:acme:error:([A-Za-z]+)"')
# The address of a challenge is nobody's interest.
CHALLENGE = re.compile(r'(?:Get )?\\?"?https?://[^ "\\]*/\.well-known/acme-challenge/[^ "\\:]*\\?"?:?\s*')
# Authorities say the same under several types; what they say besides tells more.
WORDS_OF = ("unauthorized", "connection", "dns", "malformed")
WORDS = {
    "accountDoesNotExist": re.compile(r"\baccount\b.*\b(deactivated|revoked|not valid)\b", re.IGNORECASE),
    "dns": re.compile(r"could not resolve|NXDOMAIN|SERVFAIL|no valid A(AAA)? records", re.IGNORECASE),
    "connection": re.compile(r"failed to connect|connection (refused|reset)|timeout|no route", re.IGNORECASE),
}
CURL = re.compile(r"curl returned with (\d+)")
RETRY_AFTER = re.compile(r"^retry-after:\s*(\d{1,7})\s*$", re.IGNORECASE | re.MULTILINE)
RETRY_TEXT = re.compile(r"retry after (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")
NAME = re.compile(r'"identifier","value"\]\s+"([^"]+)"|Handling authorization for (\S+)')
POSSIBLE = re.compile(r"not possible using \S+ Possible validation methods are: ([a-z0-9 -]+)")
UNREACHED = {
    "6": "its name is not found",
    "7": "nobody answers there",
    "28": "it does not answer in time",
    "35": "it speaks no TLS that this machine speaks",
    "60": "its own certificate is of nobody whom this machine trusts",
    "77": "the file with its authority cannot be read",
}
OPEN_NET = "the machine has to reach it by https: `curl -v {directory}` there says more"
TRUST_IT = "name the certificate of its authority in inception_acme_authority"
LATER = "the machine tries again by itself"


def _clean(text: str, most: int = 240) -> str:
    """A stranger's words, for a line."""
    text = re.sub(r"\\[nrt]|[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text.replace('\\"', '"'))
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}..."


def _reasons(name: str, settings: Settings) -> dict[str, tuple[str, str]]:
    """What each of ACME's errors (RFC 8555, 6.7) means for a site, and what to do."""
    host, port = settings.authority, PORTS.get(settings.challenge)
    machine = f"open port {port} of this machine to the Internet, in each firewall before it too"
    record = f"the A and AAAA records of {name} have to be this machine's addresses"
    if settings.challenge == DNS:
        record = (
            f"the hook has to set the TXT record _acme-challenge.{name}, and to wait until all its name servers have it"
        )
    return {
        "dns": (f"{host} does not find {name} in the DNS", f"set its records at whoever has the domain: {record}"),
        "connection": (f"{host} did not reach {name}{f' at port {port}' if port else ''}", f"{machine}; {record}"),
        "tls": (f"{host} reached somebody else at {name}, who speaks other TLS", f"{record}, with no proxy before it"),
        "unauthorized": (
            f"{host} found another answer at {name} than this machine's",
            f"{record}, with no proxy before it",
        ),
        "incorrectResponse": (f"{host} found another answer at {name} than this machine's", record),
        "caa": (f"the CAA record of {name} does not let {host} give certificates", "add the authority to that record"),
        "rateLimited": (
            f"{host} gives no more certificates for now",
            "wait; to try things out, take its staging directory",
        ),
        "rejectedIdentifier": (f"{host} gives no certificates for {name}", "take a public domain of your own"),
        "unsupportedIdentifier": (f"{host} gives no certificates for {name}", "take a public domain of your own"),
        "externalAccountRequired": (
            f"{host} wants an account that was made there before",
            "name its key in inception_acme_eab_kid and inception_acme_eab_key",
        ),
        "invalidContact": (f"{host} does not take the address {settings.email}", "set another inception_acme_email"),
        "unsupportedContact": (
            f"{host} does not take the address {settings.email}",
            "set another inception_acme_email",
        ),
        "userActionRequired": (f"{host} wants its terms agreed to anew", "read what it says, and deploy again"),
        "account": (
            f"{host} does not take the account",
            "look at inception_acme_eab_kid and inception_acme_eab_key: a key can be used up, too",
        ),
        "accountDoesNotExist": (f"{host} knows neither the account nor makes another one", LATER),
        "invalidProfile": (
            f"{host} has no profile {settings.profile or 'like that'}",
            "its directory names those that it has: set inception_acme_profile",
        ),
        "serverInternal": (f"{host} has a fault of its own", LATER),
        "badNonce": (f"{host} took no nonce, {NONCES} times in a row", LATER),
        "orderNotReady": (f"{host} was not ready", LATER),
        "badCSR": (f"{host} does not take the request", "set other inception_aliases"),
    }


def retry_after(complained: str) -> float:
    """Until when nothing more is taken, where it is said."""
    if found := RETRY_AFTER.search(complained):
        return now() + int(found[1])
    if found := RETRY_TEXT.search(complained):
        with contextlib.suppress(ValueError):
            return float(calendar.timegm(time.strptime(found[1], "%Y-%m-%d %H:%M:%S")))
    return 0.0


def refusal(complained: str, settings: Settings) -> Refused:
    """One sentence, out of the many lines of dehydrated."""
    host = settings.authority
    names = [one or other for one, other in NAME.findall(complained)]
    name = names[-1] if names else settings.names[0]
    # The first is the cause of the others: dehydrated goes on after some.
    details = [_clean(CHALLENGE.sub("", one)) for one in DETAIL.findall(complained)]
    detail = f" ({details[0]})" if details else ""
    types = TYPE.findall(complained)
    if types:
        kind = next((word for word, said in WORDS.items() if types[0] in WORDS_OF and said.search(detail)), types[0])
        if kind == "unauthorized" and not names:
            # Nothing was asked of a name yet.
            kind = "account"
        what, todo = _reasons(name, settings).get(kind, (f"{host} refused: {kind}", LATER))
        until = 0.0
        if kind == "rateLimited" and (until := retry_after(complained)):
            todo = f"wait until {told_time(until)}; to try things out, take its staging directory"
        return Refused(f"{what}{detail}", todo, kind, until)
    if found := CURL.search(complained):
        why = UNREACHED.get(found[1], f"curl ended with {found[1]}")
        todo = TRUST_IT if found[1] == "60" else OPEN_NET.format(directory=settings.directory)
        return Refused(f"{host} cannot be reached: {why}", todo, "unreachable")
    if found := POSSIBLE.search(complained):
        return Refused(
            f"{host} does not let {name} be proven by {settings.challenge}, but by {_clean(found[1])}",
            "set inception_acme_challenge to one of those",
        )
    if "ACME profile" in complained:
        what, todo = _reasons(name, settings)["invalidProfile"]
        return Refused(what, todo, "invalidProfile")
    if "requires an external account" in complained:
        what, todo = _reasons(name, settings)["externalAccountRequired"]
        return Refused(what, todo, "externalAccountRequired")
    if "hook returned with non-zero" in complained:
        own = [line for line in complained.splitlines() if line.strip() and not line.startswith((" ", "#", "ERROR"))]
        said = f": {_clean(own[-1])}" if own else ""
        return Refused(f"the hook of {settings.challenge} failed{said}", "it has to end with status 0")
    status = re.search(r"\(Status (\d+)\)", complained)
    if status:
        return Refused(f"{host} answers with status {status[1]}", f"is {settings.directory} a directory of ACME?")
    last = [line.strip() for line in complained.splitlines() if line.strip()]
    errors = [line for line in last if line.startswith("ERROR")] or last or ["no word"]
    return Refused(f"dehydrated failed: {_clean(errors[-1])}", LATER)


# ---- What people are told ----


def issuer(certificate: bytes) -> str:
    told = _renewal.openssl("x509", "-noout", "-issuer", "-nameopt", "multiline,utf8", given=certificate).decode()
    found = {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in told.splitlines())}
    return _clean(", ".join(found[key] for key in ("organizationName", "commonName") if found.get(key)), 80)


def status(store: Store, root: str) -> list[str]:
    """The certificate, in lines."""
    settings, state = store.settings(), store.state()
    if not settings.names:
        return []
    try:
        certificate = _renewal.read(root, "tls.crt")
        if certificate is None:
            return [f"certificate: not in {root}/secrets any more; the machine asks for another one"]
        ends = ssl_end(certificate)
        lines = [f"certificate: of {issuer(certificate)}, until {told_time(ends)}"]
        if wanted := due(store, root):
            lines[0] += f"; WARNING: {wanted.what}" if wanted.is_urgent else "; a new one is due"
        else:
            lines[0] += f", a new one from {told_time(state.renew_at)}"
    except (RenewalProblem, _files.FileProblem, OSError) as problem:
        lines = [f"certificate: cannot be read: {problem}"]
    if state.failed:
        times = "once" if state.failed == 1 else f"{state.failed} times in a row"
        lines.append(f"    asked {times} in vain: {state.why}")
        lines.append(f"    {state.todo}; the machine asks again {told_time(max(state.next, state.until))}")
    return lines


def ssl_end(certificate: bytes) -> float:
    return _renewal.validity(certificate).ends
