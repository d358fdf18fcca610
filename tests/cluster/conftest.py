# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of scenario cluster, runs of its playbook, and who looks at the site meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests.verify.support import ROOT, Page, Settings, Site, read_settings

PATIENCE = 1800
NODES = ("one", "two", "three")
PORTS = {"one": 8501, "two": 8502, "three": 8503}
ADDRESSES = {"one": "172.29.42.11", "two": "172.29.42.12", "three": "172.29.42.13"}
# What a visitor waits for, at most.
ANSWER_SECONDS = 10
READERS = 16
# On the node with a database.
CLIENT = "mariadb --defaults-file=/run/mysqld/client.cnf --batch --skip-column-names"
STATUS = "mariadb --no-defaults --user=check --socket=/run/mysqld/mysqld.sock --batch --skip-column-names --execute"


@dataclass(frozen=True)
class Run:
    """What became of a playbook."""

    status: int
    output: str

    def told(self) -> str:
        """What is said of the failure and after it."""
        found = re.search(r"^(?:failed|fatal): ", self.output, re.MULTILINE)
        return self.output[found.start() :] if found else ""


@dataclass(frozen=True)
class Cluster:
    """The inventory of the scenario, and a folder for what the tests add to it."""

    inventory: Path
    folder: Path

    def root(self, name: str, command: str) -> str:
        machine = testinfra.get_host(f"ansible://{name}?ansible_inventory={self.inventory}")
        done = machine.run(command)
        assert done.rc == 0, f"{name}: {command}: {done.stderr}"
        return str(done.stdout).strip()

    def outside(self, *words: str) -> str:
        """The build machine's own Docker, which has the nodes for containers."""
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=PATIENCE)
        return done.stdout.strip()

    def container(self, name: str, service: str) -> str:
        """Of a service on a node, or nothing."""
        return self.root(name, f"docker ps --quiet --filter name=inception_{service}[.] | head -1")

    def inside(self, name: str, service: str, command: str) -> str:
        return self.root(name, f"docker exec -i {self.container(name, service)} {command}")

    def anywhere(self, service: str, command: str, but: str = "") -> str:
        """On the first node that has one: after a death it is not on each of them before the next run."""
        name = next(name for name in NODES if name != but and self.container(name, service))
        return self.inside(name, service, command)

    def page(self, name: str, path: str = "/", timeout: int = ANSWER_SECONDS, **headers: str) -> tuple[int, str]:
        """The status and the body of an answer by this node; 0 where there was none."""
        port = PORTS[name]
        words = ["curl", "--silent", "--insecure", "--max-time", str(timeout), "--write-out", "\n%{http_code}"]
        for key, value in headers.items():
            words += ["--header", f"{key}: {value}"]
        way = ["--resolve", f"wil.42.fr:{port}:127.0.0.1", f"https://wil.42.fr:{port}{path}"]
        done = subprocess.run([*words, *way], capture_output=True, text=True, check=False, timeout=timeout + 10)
        body, dummy, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def secret(self, name: str) -> str:
        return self.root("one", f"cat /home/wil/inception/secrets/{name}.txt")

    def site(self, name: str) -> Site:
        """A visitor of this node, who waits as long as visitors do."""
        settings = replace(self.settings, forwarded_port=PORTS[name])
        return Site(settings, self.inventory.parent / "ca.crt", patience=ANSWER_SECONDS)

    @cached_property
    def settings(self) -> Settings:
        host: Any = testinfra.get_host(f"ansible://one?ansible_inventory={self.inventory}")
        return read_settings(host.ansible.get_variables(), None)

    def comments(self) -> set[str]:
        """What the database has of what a test wrote."""
        return self.comments_of("one")

    def member(self, name: str) -> str:
        """The database's container on a node, or nothing."""
        return self.root(name, "docker ps --quiet --filter name=inception_mariadb | head -1")

    def asked(self, name: str, variable: str) -> str:
        """A value of the member's status, or nothing."""
        command = (
            f"docker exec {self.member(name)} {STATUS} \"SHOW GLOBAL STATUS LIKE '{variable}'\" 2>/dev/null | cut -f2"
        )
        return self.root(name, f"{command} || :")

    def well(self, *names: str) -> bool:
        """Whether these nodes' members have all that was written, and see all of these."""
        told = [
            (self.asked(name, "wsrep_cluster_size"), self.asked(name, "wsrep_local_state")) for name in names or NODES
        ]
        return told == [(str(len(names or NODES)), "4")] * len(names or NODES)

    def sql(self, name: str, statement: str) -> str:
        """What the database on a node says to a statement without single quotes."""
        return self.root(name, f"docker exec {self.member(name)} {CLIENT} --execute '{statement}'")

    def comments_of(self, name: str) -> set[str]:
        """What the database on a node has of what a test wrote."""
        # In hexadecimal: number-%
        query = "SELECT comment_content FROM wp_comments WHERE comment_content LIKE 0x6e756d6265722d25"
        return set(self.sql(name, query).split())

    def run(
        self,
        *arguments: str,
        playbook: str = "cluster",
        inventory: Path | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Run:
        """As a user calls it, with the repository's own configuration."""
        more = [f"--extra-vars={json.dumps(variables)}"] if variables else []
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                f"--inventory={inventory or self.inventory}",
                f"playbooks/{playbook}.yml",
                *more,
                *arguments,
            ],
            cwd=ROOT,
            env=os.environ
            | {
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_HOST_KEY_CHECKING": "false",
                "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o PreferredAuthentications=publickey "
                # As in the repository's own: one that hangs is unreachable at some time.
                "-o ServerAliveInterval=15 "
                "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
                "INCEPTION_FAILURES_DIR": str(self.folder / "results"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        (self.folder / "last.log").write_text(done.stdout + done.stderr)
        return Run(done.returncode, done.stdout + done.stderr)

    def settled(self, seconds: int = 300) -> None:
        """Until every service has all its containers, and every copy of the files is whole."""
        command = (
            "docker node ls --format '{{.Status}}' | sort -u | tr '\\n' ' ';"
            " docker service ls --format '{{.Replicas}}' | awk -F '[/ ]' '$1 != $2 {print \"waits\"}';"
            " gluster volume heal inception info | awk '/^Number of entries:/ && $4 != 0 {print \"heals\"}'"
        )
        until(lambda: self.root("one", command) == "Ready", seconds, "the cluster is not settled")


def until(good: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took."""
    begin = time.monotonic()
    while not good():
        assert time.monotonic() < begin + seconds, what
        time.sleep(0.2)
    return time.monotonic() - begin


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    return Cluster(inventory, tmp_path_factory.mktemp("cluster"))


@dataclass
class Load:
    """Readers, and a writer of a comment a second. Where a node gives no answer, they ask another one at once."""

    cluster: Cluster
    # Who is asked at all.
    nodes: tuple[str, ...]
    readers: int = READERS
    # What became of each question, by the node: a status, or why there was none.
    seen: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    # For how long a reader, and the writer, had no answer of any node.
    longest: float = 0.0
    longest_write: float = 0.0
    # Who waited for long, and for what.
    slow: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Load:
        self.mark = f"number-{time.time_ns():x}"
        # Each node has a port of its own here, and WordPress's cookies the port in their names.
        password = self.cluster.secret("wp_admin_password")
        self.cookies: dict[str, str] = {}
        for name in self.nodes:
            site = self.cluster.site(name)
            self.cookies |= site.sign_in(site.settings.admin_user, password).cookies
        self.post = str(site.get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]["id"])
        self.begin = time.monotonic()
        self.threads = [threading.Thread(target=self._read, args=(number,)) for number in range(self.readers)]
        self.threads.append(threading.Thread(target=self._write))
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(120)
        kinds = {node: dict(seen) for node, seen in self.seen.items()}
        print(f"{kinds}; longest {self.longest:.1f} s, a write {self.longest_write:.1f} s; {len(self.taken)} written")
        print(
            "asked at, whom, by whom, what came, seconds:",
            *sorted(self.slow, key=lambda one: float(one.split()[0])),
            sep="\n",
        )

    def _ask(self, first: int, once: Callable[[Site], Page], good: Callable[[Page], bool]) -> bool:
        """Whether any node answered, the one that is asked first and then the others."""
        for step in range(len(self.nodes)):
            node = self.nodes[(first + step) % len(self.nodes)]
            begin = time.monotonic()
            try:
                page = once(self.cluster.site(node))
                kind = str(page.status)
            except TimeoutError:
                kind = "no answer in time"
            except ssl.SSLError:
                kind = "hung up"
            except (OSError, http.client.HTTPException) as error:
                kind = type(error).__name__
            took = time.monotonic() - begin
            with self.lock:
                self.seen[node][kind] += 1
                if took > ANSWER_SECONDS / 4:
                    self.slow.append(f"{begin - self.begin:.1f} {node} {first} {kind} {took:.1f}")
            if kind.isdecimal() and good(page):
                return True
        return False

    def _read(self, number: int) -> None:
        well = time.monotonic()
        turn = number
        while not self.over.is_set():
            # Each eighth page is made now.
            sent = {"Cookie": "asked_by=test"} if turn % 8 == 0 else {}

            def once(site: Site, sent: dict[str, str] = sent) -> Page:
                return site.get("/", sent)

            answered = self._ask(number, once, lambda page: page.status == 200)
            now = time.monotonic()
            with self.lock:
                self.longest = max(self.longest, now - well)
            well = now if answered else well
            turn += 1
            self.over.wait(1)

    def _write(self) -> None:
        well = time.monotonic()
        number = 0
        while not self.over.is_set():
            number += 1
            text = f"{self.mark}-{number}"
            fields = {"comment": text, "comment_post_ID": self.post, "comment_parent": "0", "submit": "Post Comment"}

            def once(site: Site, sent: Mapping[str, str] = fields) -> Page:
                return replace(site, cookies=dict(self.cookies)).post("/wp-comments-post.php", dict(sent))

            # One that was taken and not answered is refused as a duplicate by the next node.
            if self._ask(number, once, lambda page: page.status == 302 and "#comment-" in page.location):
                self.taken.append(text)
                self.longest_write, well = max(self.longest_write, time.monotonic() - well), time.monotonic()
            self.longest_write = max(self.longest_write, time.monotonic() - well)
            self.over.wait(1)


@pytest.fixture
def load(cluster: Cluster) -> Callable[..., Load]:
    return lambda *nodes: Load(cluster, nodes or NODES)
