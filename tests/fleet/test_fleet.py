# SPDX-License-Identifier: GPL-3.0-or-later
"""Several machines, batch after batch; and one that is far: behind a jump host, over IPv6, with a password for sudo."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.conftest import Fleet, Run

# In the order of the inventory, which molecule writes by the letters.
# Fewer of them on a computer that has little time: INCEPTION_MACHINES=3.
NEAR = ("eight", "five", "four", "one", "seven", "six", "three", "two")[
    : int(os.environ.get("INCEPTION_MACHINES", "8"))
]
FIRST, SECOND, THIRD = NEAR[:3]
SCREEN = 40
PASSWORD = "a 'quoted' $word"
NETWORK = "inception-fleet-six"
ADDRESS, JUMP = "fd42:27:42::4", "fd42:27:42::2"
PORT = 2242
UNKNOWN = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def cold(fleet: Fleet) -> Run:
    """The first of them is alone, then come the others. Its data is on a disk of 2 GiB, which a test can fill."""
    fleet.root(
        FIRST,
        "id wil || { useradd --create-home --shell /bin/bash wil && install -d -o wil -m 750 /home/wil/data && "
        "mount -t tmpfs -o size=2g,mode=750,uid=$(id -u wil) tmpfs /home/wil/data; }",
    )
    run = fleet.deploy(f"--limit={','.join(NEAR)}", "-e", "inception_batch=1,100%")
    assert run.status == 0, run.output[-5000:]
    return run


def test_one_first_then_the_others(fleet: Fleet, cold: Run) -> None:
    """The play is there once for each batch; in the end all run the same, and each serves its site."""
    batches = cold.output.split("PLAY [Deploy the stack]")[1:]
    assert len(batches) == 2
    # Nothing is begun of the others while the first is deployed to.
    assert not any(f"[{host}]" in batches[0] for host in NEAR[1:])
    assert f"[{FIRST}]" not in batches[1].split("PLAY RECAP")[0]
    table = cold.table()
    assert {host: how for host, (_, how) in table.items()} == dict.fromkeys(NEAR, "deployed")
    assert len({version for version, _ in table.values()}) == 1
    assert all(fleet.serves(host) for host in NEAR)


def test_the_images_are_built_once_for_all_batches(cold: Run) -> None:
    """The first batch is one machine, and yet several want the images: the control node builds them, where it can."""
    assert "several hosts want them" in cold.output
    assert f"{len(NEAR)} hosts want them" in cold.output or "builds its images itself" in cold.output


def test_a_canary_that_fails_leaves_the_others_untouched(fleet: Fleet, cold: Run, bad: dict[str, Any]) -> None:
    """It gives way to what it had; nothing of the others is changed, and all that is told fits on a screen."""
    before = {host: fleet.state(host) for host in NEAR}
    run = fleet.deploy(f"--limit={','.join(NEAR)}", "-e", "inception_batch=1,100%", "-e", json.dumps(bad))
    assert run.status != 0
    assert {host: fleet.state(host) for host in NEAR[1:]} == {host: before[host] for host in NEAR[1:]}
    assert fleet.state(FIRST)[0] == before[FIRST][0], "the containers of the canary are not those of before"
    versions = {version for version, _ in cold.table().values()}
    table = run.table()
    assert {host: how for host, (_, how) in table.items()} == dict.fromkeys(NEAR, "not begun") | {FIRST: "failed"}
    assert {version for version, _ in table.values()} == versions
    told = run.told()
    assert "nonsense" in "\n".join(told)
    assert len(told) <= SCREEN, "\n".join(told)
    assert all(fleet.serves(host) for host in NEAR)


def test_a_batch_goes_to_its_end_and_is_the_last(fleet: Fleet, cold: Run, bad: dict[str, Any]) -> None:
    """Of two, one fails: the other one is finished, and those after them are not begun."""
    before = {host: fleet.state(host) for host in NEAR[2:]}
    more = fleet.add("bad.json", {"inception": {"hosts": {SECOND: bad}}})
    run = fleet.deploy(
        f"--limit={','.join(NEAR)}",
        *("-e", "inception_batch=2,100%", "-e", "stack_upload_size=32M"),
        inventories=(fleet.inventory, more),
    )
    assert run.status != 0
    became = dict.fromkeys(NEAR, "not begun") | {FIRST: "deployed", SECOND: "failed"}
    assert {host: how for host, (_, how) in run.table().items()} == became
    assert run.table()[SECOND][0] == run.table()[THIRD][0] != run.table()[FIRST][0]
    assert {host: fleet.state(host) for host in NEAR[2:]} == before
    assert all(fleet.serves(host) for host in NEAR)


def test_one_that_is_not_well_is_the_last(fleet: Fleet, cold: Run) -> None:
    """Deployed, and its disk is nearly full: the look after the batch says so, and the others are not begun."""
    before = {host: fleet.state(host) for host in NEAR[1:]}
    # Never that of this computer.
    fill = "cd /home/wil/data && mountpoint -q . && fallocate -l $(($(df --output=avail -B1 . | tail -1) - 100000000))"
    fleet.root(FIRST, f"{fill} filler")
    try:
        run = fleet.deploy(f"--limit={','.join(NEAR)}", "-e", "inception_batch=1,100%", "-e", "stack_upload_size=32M")
    finally:
        fleet.root(FIRST, "rm -f /home/wil/data/filler")
    assert run.status != 0
    assert run.table()[FIRST][1] == "not well"
    told = "\n".join(run.told())
    assert f"{FIRST} is deployed, and not well, so that no other host follows" in told
    assert "% full" in told
    assert len(run.told()) <= SCREEN, told
    assert {host: fleet.state(host) for host in NEAR[1:]} == before


def test_without_batches_all_are_at_once(fleet: Fleet, cold: Run) -> None:
    """After the faults the same goes through, everywhere, and a second time changes nothing."""
    run = fleet.deploy(f"--limit={','.join(NEAR)}")
    assert run.status == 0, run.output[-5000:]
    assert run.output.count("PLAY [Deploy the stack]") == 1
    assert run.table() == {host: (cold.table()[host][0], "deployed") for host in NEAR}
    again = fleet.deploy(f"--limit={','.join(NEAR)}")
    assert again.output.count("changed=0 ") == len(NEAR), again.output[-3000:]


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Far:
    """The machine that is far: where the list of servers is, and a user's vault with the password for sudo."""

    fleet: Fleet
    inventory: Path
    vault: Path

    def call(self, *arguments: str, playbook: str = "playbooks/deploy.yml") -> Run:
        given = ("-e", f"@{self.vault}", "--vault-password-file", str(self.vault.with_name("vault-password")))
        run = self.fleet.deploy(*given, *arguments, inventories=(self.inventory,), playbook=playbook)
        assert run.status == 0, run.output[-5000:]
        assert PASSWORD not in run.output
        return run

    def typed(self, *command: str) -> str:
        """What a person sees who calls the script of `make ssh`, and types the password where sudo asks for it."""
        script = self.fleet.folder / "ssh.sh"
        self.call("-e", f"ssh_script={script}", playbook="playbooks/ssh.yml")
        person, terminal = pty.openpty()
        with subprocess.Popen(
            ["setsid", "--ctty", "sh", str(script), *command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            said = b""
            with contextlib.suppress(OSError):
                # It ends with an error when nobody has the terminal any more.
                while part := os.read(person, 4096):
                    said += part
                    if said.endswith(b"password for ops: "):
                        said += b"\n"
                        os.write(person, f"{PASSWORD}\n".encode())
            status = process.wait(60)
        os.close(person)
        text = said.decode(errors="replace")
        assert status == 0, text
        return text


@pytest.fixture(scope="module")
def far(fleet: Fleet) -> Iterator[Far]:
    """It lets in nobody but the jump host, machine one: over IPv6, at another port, a user of sudo."""
    docker("network", "create", "--ipv6", "--subnet", "fd42:27:42::/64", NETWORK)
    try:
        docker("network", "connect", "--ip6", ADDRESS, NETWORK, "inception-fleet-far")
        docker("network", "connect", "--ip6", JUMP, NETWORK, "inception-fleet-one")
        key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "id_ed25519")
        public = key.with_suffix(".pub").read_text().strip()
        # By the engine: from the second time on it lets in nobody else.
        docker(
            *("exec", "inception-fleet-far", "sh", "-c"),
            "set -e; id ops || useradd --create-home --shell /bin/bash ops; install -d -o ops -m 700 ~ops/.ssh; "
            f"echo '{public}' >~ops/.ssh/authorized_keys; chown ops ~ops/.ssh/authorized_keys; "
            f"chpasswd <<'E'\nops:{PASSWORD}\nE\n"
            "echo 'ops ALL=(ALL:ALL) ALL' >/etc/sudoers.d/ops; chmod 440 /etc/sudoers.d/ops; "
            f"printf 'Port {PORT}\nPermitRootLogin no\nAllowUsers ops@{JUMP}\n' >/etc/ssh/sshd_config.d/10-far.conf; "
            "systemctl restart ssh",
        )
        jump = f"ssh -i {key} {' '.join(UNKNOWN)} -W [%h]:%p -p 2331 root@127.0.0.1"
        outputs = {
            "servers": {
                "value": {
                    "far": {
                        "ansible_host": ADDRESS,
                        "ansible_port": PORT,
                        "ansible_user": "ops",
                        "ansible_ssh_private_key_file": str(key),
                        "ansible_ssh_common_args": f"-o ProxyCommand='{jump}' {' '.join(UNKNOWN)}",
                        "ansible_python_interpreter": "/usr/bin/python3",
                        "inception_login": "wil",
                        "inception_bonus_services": ["ftp"],
                        # Its images are carried the same way.
                        "inception_builder": "control_node",
                        # By IPv6 the engine publishes nothing without it.
                        "docker_daemon_settings": {"userland-proxy": True},
                        "stack_ca_destination": str(fleet.folder / "far.crt"),
                    }
                }
            }
        }
        (fleet.folder / "terraform-output.json").write_text(json.dumps(outputs))
        (fleet.folder / "servers.yml").write_text("plugin: fortytwo.inception.terraform\n")
        # As a user keeps it, in a file that ansible-vault has encrypted.
        vault, password = fleet.folder / "vault.yml", fleet.folder / "vault-password"
        password.write_text("of the vault\n")
        vault.write_text(f"ansible_become_password: {json.dumps(PASSWORD)}\n")
        subprocess.run(
            [str(BIN / "ansible-vault"), "encrypt", "--vault-password-file", str(password), str(vault)],
            check=True,
            capture_output=True,
        )
        yield Far(fleet, fleet.folder / "servers.yml", vault)
    finally:
        for name in ("far", "one"):
            subprocess.run(["docker", "network", "disconnect", NETWORK, f"inception-fleet-{name}"], check=False)
        docker("network", "rm", NETWORK)


def test_nobody_but_the_jump_host_is_let_in(fleet: Fleet, far: Far) -> None:
    """What follows is done through it, or not at all."""
    key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "id_ed25519")
    for user in ("ops", "root"):
        done = subprocess.run(
            ["ssh", "-i", str(key), *UNKNOWN, "-o", "BatchMode=yes", "-p", str(PORT), f"{user}@{ADDRESS}", "true"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 255
        assert "Permission denied" in done.stderr


def test_without_the_password_it_is_said_how_to_give_it(fleet: Fleet, far: Far) -> None:
    run = fleet.deploy(inventories=(far.inventory,))
    assert run.status != 0
    assert "--ask-become-pass" in "\n".join(run.told())
    assert len(run.told()) <= SCREEN


def test_a_machine_that_is_far(fleet: Fleet, far: Far) -> None:
    """From fresh to a site, its images carried, and again without a change."""
    far.call(playbook="playbooks/check.yml")
    run = far.call()
    assert f"[{ADDRESS}]" in run.output, "what curl is told does not name the address as curl wants it"
    assert "changed=0 " in far.call().output
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"),
            *("--cacert", str(fleet.folder / "far.crt"), "--resolve", f"wil.42.fr:443:[{ADDRESS}]"),
            "https://wil.42.fr/",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "200", done.stderr


def test_what_people_call_goes_the_same_way(far: Far) -> None:
    """A change and the way back from it, the project brought home, a shell; the password is typed where sudo asks."""
    assert "inception-ftp-1" in far.call(playbook="playbooks/status.yml").output
    assert "changed=0 " not in far.call("-e", "stack_upload_size=32M").output
    far.call(playbook="playbooks/rollback.yml")
    assert "rollback" in far.call(playbook="playbooks/history.yml").output
    home = far.fleet.folder / "export"
    far.call("-e", f"export_dir={home}", playbook="playbooks/export.yml")
    assert list(home.rglob("docker-compose.yml"))
    shown = far.typed("make", "--no-print-directory", "-C", "inception", "credentials")
    password = docker("exec", "inception-fleet-far", "cat", "/home/wil/inception/secrets/wp_admin_password.txt")
    assert password.strip() in shown
    assert "All is well" in far.typed("--inception", "health")
