# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut a rotation off at random moments, and see that the site works after each and that the next rotation finishes.

    python -m tests.rotation.interrupt --inventory hosts.yml --host wil --port 8444 --ca ca.crt --times 50

A rotation is killed with all its processes on this computer, its ssh master too. On the machine, what it had started
is killed as well, or left to itself, as chance will have it. Then the site has to answer, the database has to accept
the passwords of the current files, and both users have to be let in with the value of the current file or of the
staged one. Mostly a rotation that nobody cuts off follows, after which everything has to be settled; sometimes the
next one is cut off too. Meanwhile strangers look at the site, and nothing may fail for them. The status is 0 when all
of that held.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.rotation.load import Load, add_machine_arguments, connect
from tests.verify.support import ROOT, Secret, Site, Stack, is_healthy, wait_until

# How often a rotation that goes on after another was cut off is cut off as well.
AGAIN = 0.25
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

# Whether an account of the database accepts the value of a file, through the means of the image alone.
_ENTERS = """
file=%s; set -- %s
{
    printf '[client]\\nuser = %%s\\npassword = "' "$1"
    sed -e 's/\\\\/\\\\\\\\/g' -e 's/"/\\\\"/g' "$file" | tr -d '\\n'
    printf '"\\n'
} | docker exec -i %s mariadb --defaults-file=/dev/stdin "$2" --execute 'DO 0'
"""


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
        self.end_masters()
        return done

    def kill(self) -> bool:
        """Whether it was still running, with all that belongs to it."""
        running = self.process.poll() is None
        if running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(TIMEOUT)
        self.end_masters()
        return running

    def end_masters(self) -> None:
        """Ansible's ssh masters leave its session; each holds its socket's path among its arguments."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (folder / "cmdline").read_bytes()
                if self.sockets.name.encode() in arguments:
                    os.kill(int(folder.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
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
        return {name: value for name, value in self.stack.secrets().items() if ".txt" in name}

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
            "the front page": self.site.get("/").status == 200,
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
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_machine_arguments(parser)
    parser.add_argument("--times", type=int, default=5, help="how often to cut off")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats a run")
    parser.add_argument(
        "--log", type=Path, default=Path(tempfile.gettempdir()) / "rotation.log", help="of the last rotation"
    )
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)

    def rotation() -> Rotation:
        return Rotation(arguments.inventory, arguments.log)

    stack, site = connect(arguments)
    machine = Machine(stack, site)
    wrong: list[str] = []

    def settle() -> float:
        """A rotation that nobody cuts off; how long it took."""
        started = time.monotonic()
        if not rotation().finish():
            wrong.append(f"a rotation failed: {arguments.log.read_text(errors='replace')[-3000:]}")
        wrong.extend(machine.unsettled() + machine.problems(""))
        return time.monotonic() - started

    with Load(stack, site, strangers=2, signed_in=False) as tally:
        whole = settle()
        cut = 0
        while cut < arguments.times and not wrong:
            running = rotation()
            # The first part of a rotation only looks.
            moment = chance.uniform(0.2, 1.0) * whole
            time.sleep(moment)
            if not running.kill():
                continue
            cut += 1
            fate = chance.choice(["killed", "left"])
            count = machine.left(*(["kill"] if fate == "killed" else []))
            problems = machine.problems("", ".next")
            wait_until("what was left on the machine has ended", lambda: machine.left() == 0)
            # It may have gone on in the meantime.
            problems += [problem for problem in machine.problems("", ".next") if problem not in problems]
            where = f"after {moment:.1f} s, in {running.last_task()}, {count} processes {fate}"
            print(f"{cut}. {where}: {problems or 'works'}", flush=True)
            wrong.extend(problems)
            if not wrong and chance.random() >= AGAIN:
                settle()
        if not wrong:
            settle()
    wrong.extend(tally.failures)
    print(f"cut off {cut} times", *tally.lines()[:2], *(wrong or ["everything is settled"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
