# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure on one screen: what failed, the last words of who failed, what is likely, and what to do next.

Private to this collection.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# A screen holds 25 lines; Ansible's own banner and recap want some of them.
SCREEN_LINES = 19
LINE_LENGTH = 150
WORDS_LENGTH = 64 * 1024
LONG_LINE = 2000

ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")


def clean(text: str) -> str:
    """What strangers wrote, as text: no colours, no cursor movements, no letters that turn the direction of others."""
    text = ESCAPE.sub("", text[-WORDS_LENGTH:]).replace("\t", "    ")
    # A line that was written over and over, as progress is, ends as its last state.
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "".join(letter for letter in text if letter == "\n" or unicodedata.category(letter)[0] != "C")


def shortened(line: str, length: int = LINE_LENGTH) -> str:
    """A line that fits: of a long one both ends, since the reason often stands last. Of a digest, its first letters."""
    line = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", line.rstrip())
    if len(line) <= length:
        return line
    end = length // 3
    return f"{line[: length - end - 5]} ... {line[-end:]}"


def folded(line: str) -> list[str]:
    """A sentence on as many lines as it needs, at most four: what it names, such as a file, is told whole."""
    return textwrap.wrap(
        shortened(line, 4 * LINE_LENGTH - 60), LINE_LENGTH, break_on_hyphens=False, break_long_words=False
    )


def last_lines(text: str, number: int, *, whole: bool = False) -> list[str]:
    """The last lines with something in them; one that is said again and again is said once. What is ours is whole."""
    lines: list[str] = []
    for line in clean(text).splitlines():
        if line.strip() and line.rstrip() not in lines[-1:]:
            lines.append(line.rstrip())
    return [part for line in lines[-number:] for part in (folded(line) if whole else [shortened(line)])]


class Cause(NamedTuple):
    """What is behind a failure as a rule, and what to do about it."""

    likely: str
    todo: str


# What words of a failure point to what is behind it as a rule, and to what to do about it. The first that are found
# decide: the more special ones stand first. {1} is the first group of the expression that has something in it, and
# {:down} what is typed for the playbook down.
CAUSES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (
            r"[Nn]o space left on device",
            r"ENOSPC",
            r"don't have enough free space",
            r"[Dd]isk quota exceeded",
        ),
        "a disk of the managed host is full",
        (
            "look with `df -h` and `docker system df` there, make room (`docker image prune` takes unused "
            "images), then deploy again"
        ),
    ),
    (
        (r"Bind for \S*?:(\d+) failed: port is already allocated",),
        "another container holds the port {1}, or one that is gone",
        (
            "`docker ps --filter publish={1}` on the managed host names it: stop it, or choose another "
            "inception_https_port; if it names none, `systemctl restart docker` (Alpine: `rc-service docker restart`)"
        ),
    ),
    (
        (
            r"Bind for \S*?:(\d+) failed",
            r"listen tcp\S* \S*?:(\d+): bind: address already in use",
            r"bind\(\) to \S*?:(\d+) failed",
            r"failed to bind (?:host )?port[^\n]*?:(\d+)(?:/tcp)?(?::|\s)",
        ),
        "another program holds the port {1|of the service}",
        ("`ss -tlnp 'sport = :{1}'` on the managed host names it: stop it, or choose another inception_https_port"),
    ),
    (
        (
            r"[Cc]ould not get lock (\S+?)\.? ",
            r"[Uu]nable to (?:acquire|lock) [^\n]*(?:dpkg|apt|apk)",
            r"Unable to lock database",
        ),
        "another package manager is at work on the managed host, perhaps its unattended upgrade",
        "wait until it has finished (`ps aux | grep -E 'apt|dpkg|apk'`), then deploy again",
    ),
    (
        (r"No start of json char found", r"sorry, you must have a tty to run sudo"),
        "sudo on the managed host wants a terminal (requiretty), and pipelining has none",
        "set `ansible_pipelining: false` for this host, then try again; a deployment finds that out by itself",
    ),
    (
        (r"dpkg was interrupted",),
        "a package manager was cut off",
        "`dpkg --configure -a` as root on the managed host, then deploy again",
    ),
    (
        (
            r"[Uu]nable to locate package (\S+)",
            r"[Nn]o package matching '([^']+)'",
            r"[Pp]ackage '?(\S+?)'? has no installation candidate",
            r"^\s*(\S+) \(no such package\)",
        ),
        "there is no package {1|of that name} in the release that the managed host or the image is made of",
        "compare its name and the release (inception_base_release), then deploy again",
    ),
    (
        (
            r"[Hh]ash [Ss]um mismatch",
            r"File has unexpected size",
            r"BAD signature",
        ),
        "the package mirror was being updated, or a proxy changed what it sent",
        "wait a minute, then deploy again",
    ),
    (
        (
            r"KVM internal error",
            r"machine's ssh did not answer on",
            r"QEMU ended while the machine was starting",
            r"the machine gave up",
        ),
        "the virtual machine does not start: its disk is damaged, its memory is not there, or KVM does not work here",
        (
            "read the end of its serial log, above; `{:down}` and `{:site}` start it anew, emulated with"
            " -e vm_accelerator=tcg; `{:destroy}` removes it with its data"
        ),
    ),
    (
        (
            r"REMOTE HOST IDENTIFICATION HAS CHANGED",
            r"Host key verification failed",
        ),
        "the managed host shows another ssh key than the known one: it was made anew, or it is another host",
        (
            "if it was made anew: `ssh-keygen -R <its address>` on the control node, connect once by ssh, then "
            "deploy again"
        ),
    ),
    (
        (
            r"Permission denied \(publickey",
            r"Too many authentication failures",
            r"no such identity",
            r'Load key "',
        ),
        "the managed host does not accept your ssh key for this user",
        (
            "try `ssh <user>@<address>`; `ssh-copy-id` brings a key; the inventory's ansible_user and "
            "ansible_ssh_private_key_file say which are used"
        ),
    ),
    (
        (
            r"[Mm]issing sudo password",
            r"sudo: a password is required",
            r"[Ii]ncorrect sudo password",
            r"Sorry, try again",
            r"[Tt]imeout \(\d+s\) waiting for privilege escalation",
            r"Timed out waiting for become",
        ),
        "the user of the inventory needs a password for sudo, and none was given",
        "give it when asked, with --ask-become-pass (make: ARGS=--ask-become-pass)",
    ),
    (
        (
            r"is not in the sudoers file",
            r"may not run sudo",
            r"sudo: (?:command )?not found",
        ),
        "the user of the inventory cannot become root on the managed host",
        "name a user in the inventory (ansible_user) who can, or let this one use sudo",
    ),
    (
        (r"Could not resolve hostname (\S+?):",),
        "the address {1} is misspelt, or no name server knows it",
        "compare ansible_host in the inventory",
    ),
    (
        (
            r"connect to host (\S+) port (\d+): (?:Connection refused|No route to host|Network is unreachable)",
            r"connect to host (\S+) port (\d+): (?:Connection|Operation) timed out",
        ),
        "the managed host is switched off, its ssh service does not run, or a firewall is between",
        "try `ssh -p {2} {1}`; a virtual machine of this project: `{:site}` starts it",
    ),
    (
        (
            r"Connection (?:to \S+ )?closed",
            r"Connection reset",
            r"Broken pipe",
            r"Shared connection to \S+ closed",
            r"client_loop: send disconnect",
            r"kex_exchange_identification",
            r"Timeout, server \S+ not responding",
            r"banner exchange",
            # As Ansible says it where ssh says nothing.
            r"Data could not be sent to remote host",
        ),
        ("the connection to the managed host was cut off: it restarts, its network is gone, or it is short of memory"),
        "try ssh; when it answers, deploy again",
    ),
    (
        (
            r"Cannot connect to the Docker daemon",
            r"docker\.sock[^\n]*(?:no such file|[Cc]onnection refused|permission denied)",
            r"[Ee]rror while fetching server API version",
            r"error during connect: ",
            r"Is the docker daemon running",
            r"rpc error: code = Unavailable[^\n]*",
            # As buildx says it, whose builder is the engine.
            r"failed to solve: Unavailable: error reading from server",
            r"docker\.service[^\n]*(?:failed|inactive)",
        ),
        "Docker does not run on the managed host, or it was restarted meanwhile",
        (
            "`systemctl status docker` and `journalctl -u docker -n 20` there say why (on Alpine /var/log/docker.log); "
            "`systemctl start docker` (`rc-service docker start`), then deploy again"
        ),
    ),
    (
        (
            r"No chain/target/match by that name",
            r"iptables: ",
            r"iptables failed",
            r"Failed to (?:Setup|program) [^\n]*(?:NAT|FILTER|iptables)",
        ),
        "somebody emptied the packet filter of the managed host, with Docker's rules in it",
        "`systemctl restart docker` on it (Alpine: `rc-service docker restart`) writes them again, then deploy again",
    ),
    (
        (
            r"all predefined address pools have been fully subnetted",
            r"[Pp]ool overlaps with other one",
        ),
        "Docker has no address range left for another network",
        "`docker network ls`, and `docker network prune` for those that nobody uses, then deploy again",
    ),
    (
        (
            r"toomanyrequests",
            r"[Rr]ate limit",
        ),
        "the registry allows no more downloads for now",
        "wait, sign in by `docker login`, or inception_base_source: bootstrap",
    ),
    (
        (
            r"x509: certificate (?:has expired|signed by unknown)",
            r"certificate (?:is not yet valid|verify failed)",
            r"CERTIFICATE_VERIFY_FAILED",
        ),
        "the clock of the managed host is wrong, a proxy is between, or the authority is not trusted",
        "compare `date` on it, then deploy again",
    ),
    (
        (
            r"[Tt]emporary failure (?:in name resolution|resolving '?([^'\s]+))",
            r"[Cc]ould not resolve (?:host:? )?'?([^'\s]+)",
            r"[Ff]ailed to fetch \w+://([^/\s]+)",
            r"[Cc]ould not connect to (\S+?:\d+)",
            r"[Cc]annot initiate the connection to (\S+?:\d+)",
            r"lookup (\S+)[^\n]*: (?:no such host|i/o timeout|server misbehaving)",
            r"dial tcp [^\n]*(?:i/o timeout|refused|unreachable)",
            r"[Nn]etwork is unreachable",
            r"TLS handshake timeout",
            r"bad address '([^']+)'",
            r"Unable to connect to (\S+)",
        ),
        (
            "the managed host does not reach {1|what it downloads from}: no network, no name server, a proxy, or "
            "the mirror is gone"
        ),
        "try `getent hosts <name>` and `curl -I <address>` on it; when it answers, deploy again",
    ),
    (
        (r"Failed to update apt cache",),
        (
            "the managed host does not reach one of its mirrors, or a repository is not signed by the key that its "
            "entry names (docker_repository_key, for Docker's own)"
        ),
        "`sudo apt-get update` on it says which one and why; when that ends well, deploy again",
    ),
    (
        (
            r"bind source path does not exist: (\S*/secrets/\S+)",
            r'([^\s"]*/secrets/[^\s:"]+)"?[^\n]{0,40}(?:no such file|not found|does not exist)',
            r"/run/secrets/([\w.-]+)[^\n]{0,40}No such file",
        ),
        "the file of the secret {1} is missing: somebody removed it",
        "`make down && make` in the project folder there, as the login: it is made anew, and the database takes it",
    ),
    (
        (
            r"cannot load certificate",
            r"PEM_read_bio",
            r"PEM lib",
            r"no start line",
            r"bad end line",
            r"key values mismatch",
            r"[Uu]nable to load (?:certificate|private key)",
            r"SSL_CTX_use_PrivateKey",
            r"bad base64 decode",
        ),
        "the certificate or its key is no PEM file, or they do not belong together",
        (
            "`openssl x509 -in <certificate> -noout -subject -enddate` and `openssl pkey -in <key> -noout` must "
            "both succeed (stack_tls_certificate, stack_tls_key)"
        ),
    ),
    (
        (
            r"OOMKilled",
            r"[Oo]ut of memory",
            r"[Cc]annot allocate memory",
            r"oom-kill",
            r"exit code:? 137",
            r"signal: killed",
            r"Killed\b",
        ),
        "the memory of the service, or of the managed host, was not enough",
        "compare `free -m` with inception_vm_memory or with the limits in service.yml, then deploy again",
    ),
    (
        (r"exec format error",),
        "the image or a program in it is made for another kind of processor",
        "remove the image, and deploy again",
    ),
    (
        (r"Access denied for user '([^']+)'",),
        "the database knows another password of {1} than the secret's file holds",
        "`make down && make` in the project folder there, as the login: a database takes them when it starts",
    ),
    (
        (
            r"[Uu]nsupported redo log format",
            r"[Dd]owngrade (?:is )?(?:not )?(?:supported|possible)",
            r"created (?:by|with) (?:a )?(?:newer|later) version",
        ),
        "the data folder was written by a newer version than the one that reads it now",
        "deploy with the release that wrote it (inception_base_release)",
    ),
    (
        (
            r"(?:InnoDB|Aria)[^\n]*(?:corrupt|recovery failed|checksum mismatch)",
            r"Table '([^']+)' is marked as crashed",
        ),
        "the database's files are damaged",
        "restore the newest backup; keep a copy of the data folder first",
    ),
    (
        (r'host not found in upstream "([^"]+)"',),
        "the service {1}, which NGINX hands requests to, does not run",
        "its own failure comes first: `docker compose ps -a`",
    ),
    (
        (
            r"nginx: \[emerg\] [^\n]* in (\S+:\d+)",
            r"nginx: \[emerg\] ([^\n]{1,80})",
        ),
        "a mistake in NGINX's settings: {1}",
        "correct that file in the service's folder, and deploy again",
    ),
    (
        (r"[Rr]ead-only file system",),
        ("something was to be written where nothing can be written: a container's own files, or a disk that failed"),
        ("`dmesg | tail` on the managed host tells of a disk; a container writes into its volumes and /tmp only"),
    ),
    (
        (
            r'exec: "?([^\s":]+)"?:? [^\n]*(?:no such file|not found|permission denied)',
            r"exec (\S+): no such file",
        ),
        (
            "the program {1} is missing in the image, its first line names an interpreter that is not there, or its "
            "mode is wrong"
        ),
        "compare the Dockerfile's COPY and ENTRYPOINT (and line ends: LF), and deploy again",
    ),
    (
        (r"(?:AppArmor|apparmor_parser)[^\n]*(?:not found|failed|enabled)",),
        "the kernel has AppArmor, and its tool is missing",
        "install the package apparmor on the managed host, then deploy again",
    ),
    (
        (
            r"No module named '?([\w.]+)",
            r"[Tt]he module interpreter[^\n]*not found",
            r"/python3?\S*: (?:not found|No such file)",
        ),
        "Python, or a part of it ({1|the program itself}), is missing on the managed host",
        "name a Python that has it by ansible_python_interpreter in the inventory, or install it",
    ),
    (
        (
            r"[Pp]ermission denied: '?([^'\s]+)",
            r"mkdir [^\n]*: permission denied",
            r"([^\s:'\"]+)'?: [Pp]ermission denied",
            r"\(Errcode: 13",
        ),
        "a folder belongs to somebody else: {1|see above}",
        "a deployment gives the data folders back to the login; look with `ls -ln` at what is not one of them",
    ),
    (
        (
            r"[Hh]ealth check exceeded timeout",
            r"[Cc]onnection refused",
            r"[Tt]imed out",
        ),
        "the service hangs, waits for another one, or the managed host is too busy",
        ("`docker compose logs <service>` in the project's srcs folder; when the host is less busy, deploy again"),
    ),
)


def named(text: str, names: list[str], typed: Callable[[str], str]) -> str:
    """The text with {1} for the first name, with {1|something else} where there is none, and with {:down} as typed."""
    text = re.sub(r"\{:(\w+)\}", lambda place: typed(place[1]), text)
    return re.sub(
        r"\{(\d)(?:\|([^}]*))?\}",
        lambda place: names[int(place[1]) - 1] if int(place[1]) <= len(names) else (place[2] or "it"),
        text,
    )


def playbook(name: str) -> str:
    """What is typed for a playbook by somebody of whom nothing is known."""
    return f"ansible-playbook fortytwo.inception.{name}"


def likely(text: str, typed: Callable[[str], str] = playbook) -> Cause | None:
    """What the words of a failure point to, by the table above; `typed` says what is typed for a playbook."""
    # Some expressions go over a word from each of its letters: of a line without end its ends will do.
    text = "\n".join(shortened(line, LONG_LINE) for line in clean(text).splitlines())
    for patterns, behind, todo in CAUSES:
        for pattern in patterns:
            if found := re.search(pattern, text, re.MULTILINE):
                names = [group[:80] for group in found.groups() if group]
                return Cause(named(behind, names, typed), named(todo, names, typed))
    return None


@dataclass
class Failure:
    """What is to be told of a failure. `parts` are headings with words below them."""

    what: str
    parts: list[tuple[str, list[str]]] = field(default_factory=list)
    cause: Cause | None = None
    rest: str = ""


def wrapped(label: str, text: str) -> list[str]:
    """One thought, on as many lines as it needs, at most three."""
    lines = [""]
    for word in f"{label}{text}".split(" "):
        if len(lines[-1]) + len(word) > 110 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    indented = lines[:1] + [" " * len(label) + line for line in lines[1:]]
    return [shortened(line) for line in indented[:3]]


def shared(parts: list[tuple[str, list[str]]], room: int) -> Iterable[tuple[str, list[str]]]:
    """The parts, cut to the lines that are there: each keeps its last ones."""
    parts = [(heading, lines) for heading, lines in parts if lines]
    for number, (heading, lines) in enumerate(parts):
        share = max(2, room // (len(parts) - number)) - 1
        kept = lines[-share:]
        room -= len(kept) + 1
        yield heading, kept


def screen(failure: Failure) -> str:
    """The failure as text that fits on a screen."""
    tail: list[str] = []
    if failure.cause:
        tail += wrapped("Likely: ", failure.cause.likely) + wrapped("Next:   ", failure.cause.todo)
    if failure.rest:
        tail += [f"All of it: {failure.rest}"]
    room = SCREEN_LINES - len(tail) - (6 if any(lines for dummy, lines in failure.parts) else 0)
    head = [piece for line in clean(failure.what).splitlines() for piece in folded(line)]
    if len(head) > room:
        # What it is stands first, and what to do last.
        head = [*head[: room // 2], "...", *head[len(head) - (room - room // 2 - 1) :]]
    body: list[str] = []
    for heading, lines in shared(failure.parts, SCREEN_LINES - len(head) - len(tail)):
        body += [f"{heading}:", *(f"  {shortened(line)}" for line in lines)]
    return "\n".join(head + body + tail)
