# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of scenario cluster-from-one, as an inventory has it that makes a cluster of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml

from tests.cluster import conftest as nodes
from tests.cluster.conftest import PATIENCE, Cluster, Load, Run
from tests.verify.support import ROOT

NODE = "one"
nodes.PORTS = {NODE: 8521}
nodes.ADDRESSES = {NODE: "172.29.44.11"}
# An image of ours has the project's name, and so all that is made from it.
MADE_BY_COMPOSE = "com.docker.compose.container-number"
LEASE = "/run/fortytwo.inception/lease.json"
STATE = "/var/lib/fortytwo.inception/cluster/from_one.json"


class Machine(Cluster):
    """It has a stack of its own, until it is a cluster of one node."""

    @cached_property
    def variables(self) -> dict[str, Any]:
        """What the scenario's inventory says of it."""
        host: Any = testinfra.get_host(f"ansible://{NODE}?ansible_inventory={self.inventory}")
        told: dict[str, Any] = host.ansible.get_variables()
        wanted = (
            "ansible_host",
            "ansible_port",
            "ansible_user",
            "ansible_ssh",
            "ansible_python",
            "inception_",
            "cluster_",
            "stack_",
        )
        return {
            name: value
            for name, value in told.items()
            if name.startswith(wanted) and not name.startswith("ansible_host_")
        }

    def nodes(self, **variables: Any) -> Path:
        """The same host, in the group cluster."""
        path = self.folder / "nodes.yml"
        path.write_text(yaml.safe_dump({"cluster": {"hosts": {NODE: {**self.variables, **variables}}}}))
        return path

    def cluster(self, *arguments: str, **variables: Any) -> Run:
        return self.run(*arguments, inventory=self.nodes(**variables))

    def begun(self) -> subprocess.Popen[bytes]:
        """The same, to be killed."""
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            f"--inventory={self.nodes()}",
            "playbooks/cluster.yml",
        ]
        environment = os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOST_KEY_CHECKING": "false",
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        }
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def killed_at(self, phase: str) -> None:
        """A run that is killed, with all that it has started here, as soon as the machine is so far."""
        process = self.begun()
        end = time.monotonic() + PATIENCE
        try:
            while phase not in self.root(NODE, f"cat {STATE} 2>/dev/null || :"):
                assert process.poll() is None, "it ended before"
                assert time.monotonic() < end, f"it was never {phase}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def is_free(self) -> bool:
        """Whether nobody changes the machine's stack."""
        return self.root(NODE, f"cat {LEASE} 2>/dev/null || :") == ""

    def own(self) -> dict[str, str]:
        """The containers of its own stack that run, and since when."""
        names = f"docker ps --quiet --filter label={MADE_BY_COMPOSE}"
        told = self.root(
            NODE, f"docker inspect --format '{{{{.Name}}}} {{{{.State.StartedAt}}}}' $({names}) 2>/dev/null || :"
        )
        return dict(line.split() for line in told.splitlines())

    def kept(self, website: str) -> dict[str, str]:
        """A digest of all that is to be the same: secrets, certificate, what people have uploaded."""
        folders = f"/home/wil/inception/secrets {website}/wp-content/uploads"
        told = self.root(NODE, f"find {folders} -type f -exec sha256sum {{}} + | sort")
        return {line.split()[1].replace(website, ""): line.split()[0] for line in told.splitlines()}

    def shown(self) -> str:
        """The certificate that visitors are shown."""
        return self.root(
            NODE,
            "echo | openssl s_client -connect 127.0.0.1:443 -servername wil.42.fr 2>/dev/null"
            " | openssl x509 -fingerprint -noout",
        )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    return Machine(inventory, tmp_path_factory.mktemp("from-one"))


@pytest.fixture
def load(cluster: Machine) -> Callable[[], Load]:
    return lambda: Load(cluster, (NODE,), readers=4)
