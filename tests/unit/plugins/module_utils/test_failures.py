# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure fits on a screen, and its words point to what is behind it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import (
    CAUSES,
    LINE_LENGTH,
    SCREEN_LINES,
    Failure,
    clean,
    last_lines,
    likely,
    screen,
)

# What programs say, and words of the cause that it points to.
SAID: dict[str, tuple[str, str]] = {
    "disk, dpkg": ("dpkg: error: failed to write (No space left on device)", "disk of the managed host is full"),
    "disk, apt": (
        "E: You don't have enough free space in /var/cache/apt/archives/.",
        "disk of the managed host is full",
    ),
    "port, Docker 26": (
        "Error response from daemon: driver failed programming external connectivity on endpoint inception-nginx-1"
        " (1f2e): Bind for 0.0.0.0:443 failed: port is already allocated",
        "holds the port 443",
    ),
    "port, a program": (
        "Error starting userland proxy: listen tcp4 0.0.0.0:8443: bind: address already in use",
        "holds the port 8443",
    ),
    "port, Docker 28": ("failed to bind host port 0.0.0.0:443/tcp: address already in use", "holds the port 443"),
    "port, nginx": ("nginx: [emerg] bind() to 0.0.0.0:443 failed (98: Address in use)", "holds the port 443"),
    "lock, apt": (
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)",
        "another package manager",
    ),
    "lock, apk": ("ERROR: Unable to lock database: Resource temporarily unavailable", "another package manager"),
    "dpkg cut off": ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "was cut off"),
    "requiretty": ("No start of json char found", "wants a terminal (requiretty)"),
    "package, apt": ("E: Unable to locate package ngnix", "no package ngnix"),
    "package, the module": ("No package matching 'ngnix' is available", "no package ngnix"),
    "package, apk": ("  ngnix (no such package):\n    required by: world[ngnix]", "no package ngnix"),
    "hash": ("E: Failed to fetch http://m/x.deb  Hash Sum mismatch", "being updated"),
    "ssh key of the host": ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "another ssh key"),
    "ssh key of the user": ("root@127.0.0.1: Permission denied (publickey).", "does not accept your ssh key"),
    "sudo": ("Missing sudo password", "needs a password for sudo"),
    "sudo, in time": ("Timeout (12s) waiting for privilege escalation prompt: ", "needs a password for sudo"),
    "no sudo": ("wil is not in the sudoers file.", "cannot become root"),
    "name of the host": (
        "ssh: Could not resolve hostname wli.example: Name or service not known",
        "wli.example is misspelt",
    ),
    "host off while it is sent to": (
        'Data could not be sent to remote host "wil". Make sure this host can be reached over ssh: '
        "ssh: connect to host wil port 22: Connection refused",
        "switched off",
    ),
    "host off": ("ssh: connect to host 10.0.0.9 port 22: No route to host", "switched off"),
    "host lost while it is sent to": (
        'Data could not be sent to remote host "127.0.0.1". Make sure this host can be reached over ssh:',
        "cut off",
    ),
    "host lost": ("Shared connection to 127.0.0.1 closed.", "cut off"),
    "Docker": (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "Docker does not run",
    ),
    "Docker, restarted": ("rpc error: code = Unavailable desc = error reading from server: EOF", "Docker does not run"),
    "Docker, gone while it builds": (
        "failed to solve: Unavailable: error reading from server: EOF",
        "Docker does not run",
    ),
    "filter": (
        "iptables failed: iptables --wait -t nat -A DOCKER: iptables: No chain/target/match by that name.",
        "emptied the packet filter",
    ),
    "networks": (
        "could not find an available pool: all predefined address pools have been fully subnetted",
        "address range",
    ),
    "registry": ("toomanyrequests: You have reached your pull rate limit", "no more downloads"),
    "clock": ("x509: certificate has expired or is not yet valid", "clock"),
    "name server": ("Temporary failure resolving 'deb.debian.org'", "does not reach deb.debian.org"),
    "mirror": (
        "Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)",
        "reach 127.0.0.1:9",
    ),
    "apk's mirror": ("wget: bad address 'mirror.example'", "does not reach mirror.example"),
    "apt's key": ("Failed to update apt cache after 5 retries: ", "not signed by the key"),
    "registry's name": ("dial tcp: lookup registry.example on 10.0.2.3:53: no such host", "reach registry.example"),
    "secret": (
        'Error response from daemon: invalid mount config for type "bind": bind source path does not exist:'
        " /home/wil/inception/secrets/db_password.txt",
        "secret /home/wil/inception/secrets/db_password.txt is missing",
    ),
    "secret, in the container": ("cat: /run/secrets/db_password: No such file or directory", "secret db_password"),
    "certificate": (
        'nginx: [emerg] cannot load certificate "/run/secrets/tls_certificate": PEM_read_bio_X509_AUX() failed',
        "no PEM file",
    ),
    "certificate and key": (
        "SSL_CTX_use_PrivateKey failed (SSL: x509 certificate routines::key values mismatch)",
        "PEM file",
    ),
    "memory": ("[ERROR] InnoDB: Cannot allocate memory for the buffer pool", "memory"),
    "memory, killed": ("OOMKilled", "memory"),
    "processor": ("exec /usr/local/bin/entrypoint.sh: exec format error", "another kind of processor"),
    "password": (
        "ERROR 1045 (28000): Access denied for user 'wordpress'@'172.18.0.3'",
        "another password of wordpress",
    ),
    "older": (
        "[ERROR] InnoDB: Unsupported redo log format. The redo log was created with MariaDB 11.8",
        "newer version",
    ),
    "damaged": ("[ERROR] InnoDB: Database page corruption on disk or a failed read: corrupt", "damaged"),
    "upstream": ('nginx: [emerg] host not found in upstream "wordpress"', "service wordpress"),
    "nginx": ('nginx: [emerg] unknown directive "lisen" in /tmp/nginx.conf:12', "/tmp/nginx.conf:12"),
    "program": ('exec: "entrypoint.sh": executable file not found in $PATH', "entrypoint.sh is missing in the image"),
    "Python": ("/bin/sh: 1: /usr/bin/python3: not found", "Python"),
    "a folder": ("mkdir: cannot create directory '/var/lib/mysql/x': Permission denied", "belongs to somebody else"),
    "a virtual machine": (
        "machine wil: the machine's ssh did not answer on 127.0.0.1 port 2222 within 600 s (option timeout)",
        "virtual machine does not start",
    ),
    "a slow check": ("Health check exceeded timeout (10s)", "too busy"),
}


@pytest.mark.parametrize("name", SAID)
def test_words_point_to_their_cause(name: str) -> None:
    said, expected = SAID[name]
    cause = likely(f"before\n{said}\nafter")
    assert cause is not None
    assert expected in cause.likely
    assert "{" not in cause.likely + cause.todo


@pytest.mark.parametrize(
    "said",
    [
        "",
        "ready for connections",
        "nginx/1.22.1 started",
        "the port of the site: 443",
        "listening on port 9000",
        "200 OK",
    ],
)
def test_ordinary_words_point_to_nothing(said: str) -> None:
    assert likely(said) is None


def test_every_cause_is_tried() -> None:
    reached = {cause.likely.split("{")[0][:12] for said, _ in SAID.values() if (cause := likely(said))}
    unreached = [behind for _, behind, _ in CAUSES if behind.split("{")[0][:12] not in reached]
    # Tried on the whole: these have no program here that says them.
    assert unreached == [
        "something was to be written where nothing can be written: a container's own files, or a disk that failed",
        "the kernel has AppArmor, and its tool is missing",
    ]


def test_what_strangers_wrote_is_text() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07red\x1b[31m \x07bell \u202egnp.exe\u2066 nul\x00\r\nfirst\rsecond\x9b1m"
    cleaned = clean(hostile)
    assert "\x1b" not in cleaned
    assert "31m" not in cleaned
    assert "title" not in cleaned
    assert all(ord(letter) >= 32 or letter == "\n" for letter in cleaned)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x7f-\x9f]", cleaned)
    assert "second" in cleaned
    assert "first" not in cleaned


def test_the_last_lines_are_not_one_line_again_and_again() -> None:
    assert last_lines("a\n\nb\nb\nb\nc\n", 2) == ["b", "c"]
    assert [len(line) for line in last_lines("x" * 5000, 3)] == [LINE_LENGTH]
    # The reason stands last.
    assert last_lines("Error response from daemon: endpoint " + "e" * 64 + " y" * 200 + ": port is taken", 1)[
        0
    ].endswith("port is taken")
    assert last_lines("endpoint " + "0a" * 32 + ": failed", 1) == ["endpoint 0a0a0a0a0a0a: failed"]


def test_what_our_own_program_says_is_told_whole() -> None:
    line = "inception_wordpress_code: " + "a name of a file, " * 20 + "and the end."
    assert " ".join(last_lines(f"{line}\n", 8, whole=True)) == line


LONG = [f"line {number} " + "word " * 60 for number in range(400)]
CAUSE = likely("No space left on device")


@pytest.mark.parametrize(
    "failure",
    [
        Failure("one word"),
        Failure("\n".join(LONG)),
        Failure("title", [("log", LONG)]),
        Failure("title", [("log", LONG), ("check", LONG), ("more", LONG), ("most", LONG)], CAUSE, "/var/x.log"),
        Failure("\n".join(LONG), [("log", LONG)], CAUSE, "/var/x.log"),
    ],
)
def test_a_failure_fits_on_a_screen(failure: Failure) -> None:
    lines = screen(failure).splitlines()
    # With the name of the task, and what Ansible counts at its end.
    assert len(lines) + 6 <= 25
    assert len(lines) <= SCREEN_LINES
    assert max(map(len, lines)) <= LINE_LENGTH + 2
    if failure.rest:
        assert lines[-1] == "All of it: /var/x.log"
    if failure.cause:
        assert any(line.startswith("Next:") for line in lines)


def test_each_part_keeps_its_last_words() -> None:
    shown = screen(Failure("title", [("log", LONG), ("check", ["refused"])], CAUSE))
    assert "  line 399" in shown
    assert "line 0 " not in shown
    assert "check:\n  refused" in shown


def test_what_a_message_names_is_told_whole() -> None:
    path = f"/tmp/{'x' * 120}/wil.yml"
    told = screen(
        Failure(what=f"failed: [localhost] Check: LOGIN: {path} is there already and stays as it is; remove it")
    )
    assert path in told
    assert "is there already and stays as it is" in " ".join(told.split())
    assert len(screen(Failure(what="word " * 5000)).splitlines()) <= SCREEN_LINES
