# SPDX-License-Identifier: GPL-3.0-or-later
"""Several machines, batch after batch; and one that is far: behind a jump host, over IPv6, with a password for sudo."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.conftest import Fleet, Run

NEAR = ("one", "two", "three")
SCREEN = 40
PASSWORD = "a 'quoted' $word"
NETWORK = "inception-fleet-six"
ADDRESS = "fd42:27:42::4"
PORT = 2242


@pytest.fixture(scope="module")
def cold(fleet: Fleet) -> Run:
    """The first of them is alone, then come the others. Its data is on a disk of 2 GiB, which a test can fill."""
    fleet.root(
        "one",
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
    assert "[two]" not in batches[0]
    assert "[three]" not in batches[0]
    assert "[one]" not in batches[1].split("PLAY RECAP")[0]
    table = cold.table()
    assert {host: how for host, (_, how) in table.items()} == dict.fromkeys(NEAR, "deployed")
    assert len({version for version, _ in table.values()}) == 1
    assert all(fleet.serves(host) for host in NEAR)


def test_the_images_are_built_once_for_all_batches(cold: Run) -> None:
    """The first batch is one machine, and yet several want the images: the control node builds them, where it can."""
    assert "several hosts want them" in cold.output
    assert "3 hosts want them" in cold.output or "builds its images itself" in cold.output


def test_a_canary_that_fails_leaves_the_others_untouched(fleet: Fleet, cold: Run, bad: dict[str, Any]) -> None:
    """It gives way to what it had; nothing of the others is changed, and all that is told fits on a screen."""
    before = {host: fleet.state(host) for host in NEAR}
    run = fleet.deploy(f"--limit={','.join(NEAR)}", "-e", "inception_batch=1,100%", "-e", json.dumps(bad))
    assert run.status != 0
    assert {host: fleet.state(host) for host in NEAR[1:]} == {host: before[host] for host in NEAR[1:]}
    assert fleet.state("one")[0] == before["one"][0], "the containers of the canary are not those of before"
    versions = {version for version, _ in cold.table().values()}
    table = run.table()
    assert {host: how for host, (_, how) in table.items()} == {
        "one": "failed",
        "two": "not begun",
        "three": "not begun",
    }
    assert {version for version, _ in table.values()} == versions
    told = run.told()
    assert "nonsense" in "\n".join(told)
    assert len(told) <= SCREEN, "\n".join(told)
    assert all(fleet.serves(host) for host in NEAR)


def test_a_batch_goes_to_its_end_and_is_the_last(fleet: Fleet, cold: Run, bad: dict[str, Any]) -> None:
    """Of two, one fails: the other one is finished, and the third is not begun."""
    before = fleet.state("three")
    more = fleet.add("bad.json", {"inception": {"hosts": {"two": bad}}})
    run = fleet.deploy(
        f"--limit={','.join(NEAR)}",
        *("-e", "inception_batch=2,100%", "-e", "stack_upload_size=32M"),
        inventories=(fleet.inventory, more),
    )
    assert run.status != 0
    assert {host: how for host, (_, how) in run.table().items()} == {
        "one": "deployed",
        "two": "failed",
        "three": "not begun",
    }
    assert run.table()["two"][0] == run.table()["three"][0] != run.table()["one"][0]
    assert fleet.state("three") == before
    assert all(fleet.serves(host) for host in NEAR)


def test_one_that_is_not_well_is_the_last(fleet: Fleet, cold: Run) -> None:
    """Deployed, and its disk is nearly full: the look after the batch says so, and the others are not begun."""
    before = {host: fleet.state(host) for host in NEAR[1:]}
    fleet.root("one", "cd /home/wil/data; fallocate -l $(($(df --output=avail -B1 . | tail -1) - 100000000)) filler")
    try:
        run = fleet.deploy(f"--limit={','.join(NEAR)}", "-e", "inception_batch=1,100%", "-e", "stack_upload_size=32M")
    finally:
        fleet.root("one", "rm -f /home/wil/data/filler")
    assert run.status != 0
    assert run.table()["one"][1] == "not well"
    told = "\n".join(run.told())
    assert "one is deployed, and not well, so that no other host follows" in told
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


@pytest.fixture
def far(fleet: Fleet) -> Iterator[tuple[Path, Path]]:
    """Machine four, reached through machine one, over IPv6, at another port, by a user of sudo."""
    docker("network", "create", "--ipv6", "--subnet", "fd42:27:42::/64", NETWORK)
    try:
        docker("network", "connect", "--ip6", ADDRESS, NETWORK, "inception-fleet-four")
        docker("network", "connect", NETWORK, "inception-fleet-one")
        key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "id_ed25519")
        public = key.with_suffix(".pub").read_text().strip()
        fleet.root(
            "four",
            "set -e; useradd --create-home --shell /bin/bash ops; install -d -o ops -m 700 ~ops/.ssh; "
            f"echo '{public}' >~ops/.ssh/authorized_keys; chown ops ~ops/.ssh/authorized_keys; "
            f"chpasswd <<'E'\nops:{PASSWORD}\nE\n"
            "echo 'ops ALL=(ALL:ALL) ALL' >/etc/sudoers.d/ops; chmod 440 /etc/sudoers.d/ops; "
            f"printf 'Port {PORT}\\nPermitRootLogin no\\n' >/etc/ssh/sshd_config.d/10-far.conf; systemctl restart ssh",
        )
        unknown = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        jump = f"ssh -i {key} {unknown} -W [%h]:%p -p 2331 root@127.0.0.1"
        outputs = {
            "servers": {
                "value": {
                    "four": {
                        "ansible_host": ADDRESS,
                        "ansible_port": PORT,
                        "ansible_user": "ops",
                        "ansible_ssh_private_key_file": str(key),
                        "ansible_ssh_common_args": f"-o ProxyCommand='{jump}'",
                        "ansible_python_interpreter": "/usr/bin/python3",
                        "inception_login": "wil",
                        "inception_bonus_services": ["ftp"],
                        "stack_ca_destination": str(fleet.folder / "four.crt"),
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
            ["ansible-vault", "encrypt", "--vault-password-file", str(password), str(vault)],
            check=True,
            capture_output=True,
        )
        yield fleet.folder / "servers.yml", vault
    finally:
        for name in ("four", "one"):
            subprocess.run(["docker", "network", "disconnect", NETWORK, f"inception-fleet-{name}"], check=False)
        docker("network", "rm", NETWORK)


def test_a_machine_that_is_far(fleet: Fleet, cold: Run, far: tuple[Path, Path]) -> None:
    """From fresh to a site, and again without a change. Without the password it is said how to give it."""
    servers, vault = far
    without = fleet.deploy(inventories=(servers,))
    assert without.status != 0
    assert "--ask-become-pass" in "\n".join(without.told())
    given = ("-e", f"@{vault}", "--vault-password-file", str(vault.with_name("vault-password")))
    run = fleet.deploy(*given, inventories=(servers,))
    assert run.status == 0, run.output[-5000:]
    assert PASSWORD not in run.output
    assert f"[{ADDRESS}]" in run.output, "what curl is told does not name the address as curl wants it"
    again = fleet.deploy(*given, inventories=(servers,))
    assert again.status == 0, again.output[-3000:]
    assert "changed=0 " in again.output, again.output[-3000:]
    # Over IPv6 the site is open too.
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"),
            *("--cacert", str(fleet.folder / "four.crt"), "--resolve", f"wil.42.fr:443:[{ADDRESS}]"),
            "https://wil.42.fr/",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "200", done.stderr
