# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose secrets are rotated: how a rotation is run and ended, and what has to hold at any time."""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import testinfra

from tests.verify.support import ROOT, Secret, Site, Stack, is_healthy, read_settings

# Bounds a rotation that hangs, and nothing else.
TIMEOUT = 600

# What a rotation left running on the machine: all that came in by ssh, but for this itself. With "kill", it ends here.
_LEFT = """
import os, re, signal, sys
def read(pid, file):
    with open(f"/proc/{pid}/{file}") as opened:
        return opened.read()
line = [os.getpid()]
while line[-1]:
    line.append(int(re.search(r"PPid:\\s*(\\d+)", read(line[-1], "status"))[1]))
left = []
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        from_outside = re.search(r"ssh|session-", read(pid, "cgroup"))
        if from_outside and int(pid) not in line and not read(pid, "comm").startswith("sshd"):
            left.append(int(pid))
            if sys.argv[1:] == ["kill"]:
                os.kill(int(pid), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        pass
print(len(left))
"""

_VALUES = """
import json, pathlib, sys
print(json.dumps({file.name: file.read_text() for file in pathlib.Path(sys.argv[1]).glob("*.txt*")}))
"""

# Whether an account of the database accepts the value of a file, through the means of the image alone.
_ENTERS = """
file=%s; set -- %s
{
    printf '[client]\\nuser = %%s\\npassword = "' "$1"
    sed -e 's/\\\\/\\\\\\\\/g' -e 's/"/\\\\"/g' "$file" | tr -d '\\n'
    printf '"\\n'
} | docker exec -i %s mariadb --defaults-file=/dev/stdin "$2" --execute 'DO 0'
"""


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--inventory", type=Path, required=True, help="the inventory that the machine is in")
    parser.add_argument("--host", required=True, help="its name there")
    parser.add_argument("--port", required=True, help="the port of the control node that leads to its site")
    parser.add_argument("--ca", type=Path, required=True, help="the certificate of its authority")


def connect(arguments: argparse.Namespace) -> tuple[Stack, Site]:
    """The machine, and a stranger who looks at its site."""
    host = testinfra.get_host(f"ansible://{arguments.host}?ansible_inventory={arguments.inventory.resolve()}")
    settings = read_settings(host.ansible.get_variables(), arguments.port)
    return Stack(host, settings), Site(settings, arguments.ca)


class Rotation:
    """One run of the playbook in a session of its own."""

    def __init__(self, inventory: Path, log: Path) -> None:
        # A folder of its own for the sockets, so that its ssh master can be told from others.
        self.sockets = tempfile.TemporaryDirectory(prefix="cp")
        self.log = log
        command = ["ansible-playbook", "--inventory", str(inventory), str(ROOT / "playbooks/rotate.yml")]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": self.sockets.name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self) -> bool:
        done = self.process.wait(TIMEOUT) == 0
        self.end_rest()
        return done

    def kill(self) -> bool:
        """Whether it was still running, with all that belongs to it."""
        running = self.process.poll() is None
        if running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(TIMEOUT)
        self.end_rest()
        return running

    def end_rest(self) -> None:
        """Ansible's workers and ssh masters leave its session; each was told of the sockets' folder."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                if self.sockets.name.encode() in told:
                    os.kill(int(folder.name), signal.SIGKILL)
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
        self.sockets.cleanup()

    def last_task(self) -> str:
        tasks = [line for line in self.log.read_text(errors="replace").splitlines() if line.startswith("TASK [")]
        return tasks[-1].split("]")[0].removeprefix("TASK [").removeprefix("fortytwo.inception.") if tasks else "(none)"


class Machine:
    """What has to hold on the machine at any time, and when all is settled."""

    def __init__(self, stack: Stack, site: Site) -> None:
        self.stack, self.site = stack, site
        self.folder = f"{stack.settings.project}/secrets"

    def left(self, *words: str) -> int:
        """How many processes an ended rotation left."""
        return int(self.stack.root("python3 -c %s" + " %s" * len(words), _LEFT, *words))

    def values(self) -> dict[str, Secret]:
        """Those of all files, by their names."""
        found = json.loads(self.stack.root("python3 -c %s %s", _VALUES, self.folder))
        return {name: Secret(value) for name, value in found.items()}

    def enters(self, secret: str, user: str, where: str) -> bool:
        container = self.stack.containers()["mariadb"]["Id"]
        command = _ENTERS % (f"{self.folder}/{secret}.txt", f"{user} {where}", container)
        return bool(self.stack.host.run("sh -c %s", command).rc == 0)

    def lets_in(self, user: str, secret: str, values: dict[str, Secret], *endings: str) -> bool:
        for value in [values[name] for ending in endings if (name := f"{secret}.txt{ending}") in values]:
            try:
                self.site.sign_in(user, value)
            except AssertionError:
                continue
            return True
        return False

    def problems(self, *endings: str) -> list[str]:
        """What does not work. The users' values are those of the files with one of the endings."""
        values, settings = self.values(), self.stack.settings
        found = {
            "the front page": self.site.own().get("/").status == 200,
            "the database's health": is_healthy(self.stack.containers()["mariadb"]),
            "WordPress's account in the database": self.enters("db_password", "wordpress", "--host=mariadb"),
            "the database's root": self.enters("db_root_password", "root", "--socket=/run/mysqld/mysqld.sock"),
            "the administrator's sign-in": self.lets_in(settings.admin_user, "wp_admin_password", values, *endings),
            "the author's sign-in": self.lets_in(settings.user, "wp_user_password", values, *endings),
        }
        return [what for what, works in found.items() if not works]

    def unsettled(self) -> list[str]:
        """What is not as after a rotation that ran to its end."""
        found = [f"{name} is there" for name in self.values() if not name.endswith(".txt")]
        listed = self.stack.root(
            "docker ps --all --filter label=com.docker.compose.project=inception --format %s", "{{.Names}} {{.Status}}"
        )
        lines = listed.splitlines()
        found += [line for line in lines if "(healthy)" not in line]
        services = collections.Counter(line.split()[0].rsplit("-", 1)[0] for line in lines)
        found += [f"{count} containers of {service}" for service, count in services.items() if count != 1]
        environment = self.stack.containers()["wordpress"]["Config"]["Env"]
        if self.stack.root("cat %s/wordpress.env", self.folder).strip() not in environment:
            found.append("WordPress's container uses other secrets than the files say")
        # The next deployment has nothing to replace, so that its visitors notice nothing either.
        rehearsed = self.stack.compose("--dry-run up --detach 2>&1").splitlines()
        found += [f"a deployment would do: {line.strip()}" for line in rehearsed if "Recreate" in line]
        return found
