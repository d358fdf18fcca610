# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployed machine on which deployments go wrong: how one is called, who looks meanwhile, and what has to hold."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rotation.load import Load, Tally
from tests.verify.support import ROOT, Site, Stack, wait_until

# What is built gives way to everything else, on a machine that is busy for a quarter of an hour and more.
PATIENCE = 3600
# Files of a service of a user's own.
Files = Mapping[str, str]


@dataclass
class Run:
    """A playbook that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)


@dataclass
class Deployed:
    """What became of a deployment."""

    status: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        found = re.search(r"^wil +: ok=\d+ +changed=(\d+)", self.output, re.MULTILINE)
        return int(found[1]) if found else -1

    def screen(self) -> str:
        """What is told of the failure."""
        ends = r"(?=\n\nPLAY RECAP|\n\nNO MORE HOSTS|\n\nTASK|\n\nPLAY)"
        found = re.search(rf"^(?:failed|unreachable): .*?{ends}", self.output, re.DOTALL | re.MULTILINE)
        return found[0] if found else ""


class Writer(threading.Thread):
    """Somebody who writes comments, and knows which of them the site has taken."""

    def __init__(self, visitor: Site, post: str) -> None:
        super().__init__(daemon=True)
        self.visitor, self.post, self.over = visitor, post, threading.Event()
        self.mark = f"Comment {time.time_ns():x}"
        self.taken: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.05):
            number += 1
            text = f"{self.mark}-{number}."
            fields = {"comment": text, "comment_post_ID": self.post, "comment_parent": "0"}
            try:
                page = self.visitor.post("/wp-comments-post.php", {**fields, "submit": "Post Comment"})
            except (OSError, http.client.HTTPException):
                continue
            if page.status == 302 and "#comment-" in page.location:
                self.taken.append(text)
            else:
                time.sleep(0.1)


@dataclass
class Written:
    """What became of the comments that the site had taken."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """The machine, and what is called for it on the control node."""

    host: Any
    stack: Stack
    site: Site
    folder: Path

    # -- deployments --

    def command(self, settings: Mapping[str, Any] | None, service: Files | None, playbook: str) -> list[str]:
        wanted = dict(settings or {})
        if service is not None:
            place = self.folder / "services/broken"
            for name, text in service.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_text(text)
            wanted |= {
                "inception_service_dirs": [str(self.folder / "services")],
                "inception_bonus_services": ["broken"],
            }
        return [
            str(Path(sys.executable).parent / "ansible-playbook"),
            f"--inventory={Path(os.environ['MOLECULE_EPHEMERAL_DIRECTORY'], 'inventory')}",
            playbook,
            f"--extra-vars={json.dumps(wanted)}",
        ]

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOST_KEY_CHECKING": "false",
            "ANSIBLE_SSH_COMMON_ARGS": "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
            "ANSIBLE_NOCOLOR": "1",
            # Molecule forces colors, which are stronger.
            "ANSIBLE_FORCE_COLOR": "0",
            "INCEPTION_FAILURES_DIR": str(self.folder / "results"),
        }

    def start(
        self,
        settings: Mapping[str, Any] | None = None,
        service: Files | None = None,
        playbook: str = "playbooks/deploy.yml",
    ) -> Run:
        log = self.folder / f"run-{time.monotonic_ns()}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                self.command(settings, service, playbook),
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(process, log)

    def finish(self, run: Run) -> Deployed:
        run.process.wait(PATIENCE)
        return Deployed(run.process.returncode, run.log.read_text(errors="replace"), time.monotonic() - run.began)

    def deploy(self, settings: Mapping[str, Any] | None = None, service: Files | None = None) -> Deployed:
        return self.finish(self.start(settings, service))

    def kill(self, run: Run) -> bool:
        """The deployment with all its processes on the control node, the ssh master too. Whether it was at work."""
        was_running = run.process.poll() is None
        if was_running:
            os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait(PATIENCE)
        mark = str(self.folder / "cp").encode()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if int(place.name) != os.getpid() and mark in (place / "cmdline").read_bytes():
                    os.kill(int(place.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        return was_running

    # -- the machine --

    def switch_off_and_on(self) -> None:
        """Without a word to anybody in it."""
        name = str(self.host.ansible.get_variables()["machine_name"])
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)
        self.switch_on(name)

    def switch_on(self, name: str) -> None:
        # A busy engine starts one whose file system it has not mounted yet, and finds no shell in it (moby#47408).
        wait_until(
            "the machine is on", lambda: subprocess.run(["docker", "start", name], check=False).returncode == 0, 60
        )
        wait_until("the machine is reached", self.reached, 300)

    def reached(self) -> bool:
        try:
            return bool(self.host.run("true").rc == 0)
        except RuntimeError:
            # What testinfra makes of a connection that is refused.
            return False

    def root(self, command: str) -> str:
        done = self.host.run(command)
        assert done.rc == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return str(done.stdout)

    def history(self) -> str:
        return self.root("inception history")

    def unwell(self) -> list[str]:
        """Containers that are not healthy, and services of which there is another number than one."""
        listed = self.root(
            "docker ps --all --filter label=com.docker.compose.project=inception --format '{{.Names}} {{.Status}}'"
        ).splitlines()
        found = [line for line in listed if "(healthy)" not in line]
        for service in self.stack.config()["services"]:
            count = sum(bool(re.match(rf"inception-{service}-\d+ ", line)) for line in listed)
            if count != 1:
                found.append(f"{count} containers of {service}")
        return found

    def settled(self) -> None:
        """All is well, and a deployment has nothing to do."""
        assert not self.unwell()
        again = self.deploy()
        assert again.status == 0, again.output[-3000:]
        assert again.changed == 0, again.output[-6000:]

    # -- visitors --

    @contextmanager
    def visitors(self, failures: int = 0, pause: float = 0.2) -> Iterator[Tally]:
        """Eight strangers, an author and a writer look meanwhile: so many of their requests may fail."""
        with Load(self.stack, self.site, pause=pause) as tally:
            yield tally
        assert len(tally.failures) <= failures, "\n".join(tally.lines())
        assert tally.answers["stranger"] > 0

    @contextmanager
    def writers(self, number: int = 1) -> Iterator[Written]:
        """So many write meanwhile. What they were told is there is looked for in the database, and taken away again:
        a page with thousands of comments is another test."""
        post = str(self.site.get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]["id"])
        password = self.stack.secrets()["wp_admin_password.txt"]
        visitors = [self.site.sign_in(self.stack.settings.admin_user, password) for _one in range(number)]
        writers = [Writer(visitor, post) for visitor in visitors]
        written = Written()
        for writer in writers:
            writer.start()
        try:
            yield written
        finally:
            for writer in writers:
                writer.over.set()
            for writer in writers:
                writer.join()
        for writer in writers:
            mine = f"FROM wp_comments WHERE comment_content LIKE '{writer.mark}-%'"
            there = [row[0] for row in self.stack.sql(f"SELECT comment_content {mine}")]
            written.acknowledged += len(writer.taken)
            written.lost += [text for text in writer.taken if there.count(text) != 1]
            self.stack.sql(f"DELETE {mine}")
        count = f"(SELECT COUNT(*) FROM wp_comments WHERE comment_post_ID = {post})"
        self.stack.sql(f"UPDATE wp_posts SET comment_count = {count} WHERE ID = {post}")
