# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployed machine on which deployments go wrong: how one is called, who looks meanwhile, and what has to hold."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
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
