# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with a past. What lived there before is kept, or named and refused before the first change.

Each file in pasts/ is one past: how it comes about, and what is expected. A refused one says which words tell it, and
how its owner goes on; a kept one says what of it has to be the same in the end, and stands on one server with others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.past.machine import Machine, Outcome, copy, run

SCREEN = 25
IMAGES = "/var/lib/fortytwo.inception/base"
PASTS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("pasts/*.yml"))}
REFUSED = sorted(name for name, past in PASTS.items() if "refused" in past)
# What restarts the engine comes first.
KEPT = sorted((name for name, past in PASTS.items() if "kept" in past), key=lambda name: not PASTS[name].get("first"))
# What a removal leaves, as it says: packages with what they bring, the login, and the notes of the system about both.
LEFT = re.compile(
    r"(file|link) /etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|file /etc/(ld\.so\.cache|mailcap|shells)$"
)


def words(outcome: Outcome) -> str:
    """All of it on one line: a sentence may be folded anywhere."""
    return re.sub(r"[\s\"']+", " ", outcome.output)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_before_the_first_change(name: str) -> None:
    past = PASTS[name]
    with copy(past.get("machine", "fresh")) as machine:
        machine.shell(past["prepare"])
        before = machine.fingerprint()
        outcome = machine.playbook("deploy", past.get("settings"))
        assert outcome.code != 0, outcome.output
        for expected in past["refused"]:
            assert re.sub(r"[\s\"']+", " ", expected) in words(outcome), outcome.output
        assert outcome.changed == 0
        assert len(outcome.failure) <= SCREEN, outcome.output
        assert machine.fingerprint() == before
        way_out = past["way_out"]
        machine.shell(way_out.get("shell", "true"))
        after = machine.playbook("check", {**past.get("settings", {}), **way_out.get("settings", {})})
        assert after.code == 0, after.output
        assert "Nothing stands in the way" in words(after)


@pytest.mark.parametrize("name", sorted(name for name, past in PASTS.items() if "removal" in past))
def test_a_removal_takes_nothing_of_theirs(name: str) -> None:
    """Where there was no deployment of ours, or what it had is another's since."""
    past = PASTS[name]
    with copy(past.get("machine", "fresh")) as machine:
        machine.shell(past["prepare"])
        before = machine.fingerprint()
        outcome = machine.playbook("remove", {**past.get("settings", {}), "inception_yes": True})
        assert outcome.code != 0, outcome.output
        assert past["removal"] in words(outcome), outcome.output
        assert outcome.changed == 0
        assert machine.fingerprint() == before


def test_each_past_says_what_is_expected() -> None:
    for name, past in PASTS.items():
        assert past["about"].strip(), name
        assert ("refused" in past) != ("kept" in past), name
        assert "refused" not in past or past["way_out"], name


# Docker 29's default. Its folder is on the copy's volume, since an overlay does not go onto an overlay.
CONTAINERDS_STORE = """
systemctl stop docker.socket docker containerd
mkdir -p /var/lib/docker/of-containerd
mount --bind /var/lib/docker/of-containerd /var/lib/containerd
echo '{"features": {"containerd-snapshotter": true}}' >/etc/docker/daemon.json
systemctl start containerd docker
docker info --format '{{.DriverStatus}}' | grep -q io.containerd.snapshotter
"""
SITE = "curl --fail --silent --show-error --insecure --output /dev/null --write-out '%{http_code}' https://wil.42.fr/"


def test_an_engine_that_keeps_its_images_with_containerd() -> None:
    """There the digest of an image is another one, and every image has one of a registry."""
    with copy("docker") as machine:
        machine.shell(CONTAINERDS_STORE)
        before = machine.fingerprint().splitlines()
        first = machine.playbook("deploy")
        assert first.code == 0, first.output
        assert machine.shell(SITE, check=False) == "200"
        second = machine.playbook("deploy")
        assert (second.code, second.changed) == (0, 0), second.output
        removed = machine.playbook("remove", {"inception_yes": True})
        assert removed.code == 0, removed.output
        # The engine's own network is another one after each of its starts. The base image stays.
        after = machine.fingerprint().splitlines()
        kinds = ("container", "volume", "image")
        lines = [line for line in after if line.startswith(kinds) and not line.endswith(" debian:bookworm")]
        assert lines == [line for line in before if line.startswith(kinds)]
        names = [sorted(line.split()[2] for line in found if line.startswith("network")) for found in (before, after)]
        assert names[0] == names[1]
        assert "containerd-snapshotter" in machine.shell("cat /etc/docker/daemon.json")


# As an engine that is told by something else than its settings: they are valid, and it does not start with ours.
DOES_NOT_COME_UP = """
echo '{"labels": ["owner=anna"]}' >/etc/docker/daemon.json
mkdir -p /etc/systemd/system/docker.service.d
cat >/etc/systemd/system/docker.service.d/own.conf <<'END'
[Service]
ExecStartPre=/bin/sh -c '! grep -q userland-proxy /etc/docker/daemon.json'
END
systemctl daemon-reload
systemctl restart docker
"""


def test_an_engine_that_does_not_come_up_with_our_settings_has_its_own_again() -> None:
    with copy("docker") as machine:
        machine.shell(DOES_NOT_COME_UP)
        outcome = machine.playbook("deploy")
        assert outcome.code != 0, outcome.output
        assert "the engine did not come up with these settings" in words(outcome), outcome.output
        assert "/etc/docker/daemon.json is as it was before" in words(outcome)
        assert len(outcome.failure) <= SCREEN, outcome.output
        assert machine.shell("cat /etc/docker/daemon.json") == '{"labels": ["owner=anna"]}\n'
        assert "owner=anna" in machine.shell("docker info --format '{{.Labels}}'")
        # Nothing is remembered of it that a removal would take for ours.
        removed = machine.playbook("remove", {"inception_yes": True})
        assert removed.code == 0, removed.output
        assert machine.shell("cat /etc/docker/daemon.json") == '{"labels": ["owner=anna"]}\n'


class Server:
    """One server with every past that is kept, through its whole life with a stack."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.settings: dict[str, Any] = {}
        for name in KEPT:
            machine.shell(PASTS[name]["prepare"])
            for key, value in PASTS[name].get("settings", {}).items():
                more = value if not isinstance(value, list) else [*self.settings.get(key, []), *value]
                self.settings[key] = more
        if images := os.environ.get("INCEPTION_IMAGES"):
            # As scenario vm has them: where the machine keeps its base image, so that nothing has to be built.
            machine.shell(f"mkdir -p {IMAGES}")
            run("docker", "cp", images, f"{machine.name}:{IMAGES}/debian-bookworm.tar")
        self.before = self.look()
        self.files = machine.fingerprint().splitlines()
        self.first = machine.playbook("deploy", self.settings)
        self.deployed = self.look()
        self.second = machine.playbook("deploy", self.settings)
        # As a reload of the machine's own rules does.
        machine.shell("nft list table inet mine >/run/mine.nft; nft flush ruleset; nft -f /run/mine.nft")
        self.flushed = machine.playbook("deploy", self.settings)
        self.rules = machine.shell("nft list table inet inception; iptables -t nat -S DOCKER", check=False)
        self.site = machine.shell(SITE, check=False)
        self.removed = machine.playbook("remove", {**self.settings, "inception_yes": True})
        self.after = self.look()
        self.files_after = machine.fingerprint().splitlines()

    def look(self) -> dict[str, str]:
        return {name: self.machine.shell(PASTS[name]["kept"]) for name in KEPT}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with copy("docker") as machine:
        yield Server(machine)


@pytest.mark.parametrize("name", KEPT)
def test_it_is_kept(server: Server, name: str) -> None:
    assert server.before[name].strip()
    assert server.deployed[name] == server.before[name]
    assert server.after[name] == server.before[name]


def test_a_stack_comes_beside_them(server: Server) -> None:
    assert server.first.code == 0, server.first.output
    assert server.second.code == 0, server.second.output
    assert server.second.changed == 0, server.second.output


def test_rules_that_were_flushed_come_back(server: Server) -> None:
    assert server.flushed.code == 0, server.flushed.output
    # The firewall's, and those of Docker, which a restart alone brings back.
    assert server.flushed.changed == 2, server.flushed.output
    assert "tcp dport" in server.rules
    assert "--dport 443" in server.rules
    assert server.site == "200"


def test_a_removal_gives_back_what_was_there(server: Server) -> None:
    assert server.removed.code == 0, server.removed.output
    kinds = ("file", "link", "container", "started", "volume", "network", "image")
    lost = [
        line
        for line in server.files
        if line.startswith(kinds) and line not in server.files_after and IMAGES not in line
    ]
    assert [line for line in lost if not LEFT.search(re.sub(r"^file \S+ +", "file ", line))] == []
    left = {line for line in server.files_after if line.startswith(("container", "volume", "network"))}
    assert left <= set(server.files)
    assert not [
        line for line in server.files_after if "inception" in line and line not in server.files and "image" not in line
    ]
