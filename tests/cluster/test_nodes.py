# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes are: a swarm, closed to others, with containers that can do no more than on one machine."""

from __future__ import annotations

import json

import pytest

from tests.cluster.conftest import ADDRESSES, ANSWER_SECONDS, NODES, Cluster

CONNECT = (
    "import socket,sys\n"
    "for port in map(int, sys.argv[2:]):\n"
    "    with socket.socket() as tried:\n"
    "        tried.settimeout(3)\n"
    "        print(port, 'open' if tried.connect_ex((sys.argv[1], port)) == 0 else 'closed')\n"
)
INNER = ("2377", "7946", "24007")


def test_three_managers(cluster: Cluster) -> None:
    """Three nodes are three managers, so that one of them may be away."""
    told = cluster.root("one", "docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}'")
    assert sorted(line.split()[0] for line in told.splitlines()) == sorted(NODES)
    assert all(line.split()[1:] in (["Ready", "Leader"], ["Ready", "Reachable"]) for line in told.splitlines())


@pytest.mark.parametrize("name", NODES)
def test_the_engine_is_set_for_a_swarm(cluster: Cluster, name: str) -> None:
    """Swarm forbids live-restore; and what a stack file cannot say of privileges, the engine says."""
    settings = json.loads(cluster.root(name, "cat /etc/docker/daemon.json"))
    assert (settings["live-restore"], settings["no-new-privileges"]) == (False, True)
    assert "DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1" in cluster.root(name, "systemctl show docker --property=Environment")


@pytest.mark.parametrize("name", NODES)
def test_nodes_speak_with_nodes_alone(cluster: Cluster, name: str) -> None:
    """The ports of the cluster are open to another node, and to nobody else on the same network."""
    other = "two" if name == "one" else "one"
    ports = " ".join(INNER)
    said = cluster.root(other, f'python3 -c "{CONNECT}" {ADDRESSES[name]} {ports}')
    assert said.splitlines() == [f"{port} open" for port in INNER]
    image = cluster.outside("inspect", "--format", "{{.Config.Image}}", f"inception-cluster-{name}")
    words = ["run", "--rm", "--network", "inception-cluster", image, "python3", "-c", CONNECT, ADDRESSES[name]]
    assert cluster.outside(*words, "443", *INNER).splitlines() == [
        "443 open",
        *(f"{port} closed" for port in INNER),
    ]


@pytest.mark.parametrize("name", NODES)
def test_of_a_node_s_users_root_alone_is_one(cluster: Cluster, name: str) -> None:
    """A client of the shared files says by itself whose they are; and nobody is root by a file that lies there."""
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups timeout 3"
    # At the loopback's addresses too, where a socket may have any of the node's own for its sender.
    for address in (*ADDRESSES.values(), "127.0.0.1", "127.9.9.9"):
        for port in (2377, 24007):
            said = cluster.root(name, f"{nobody} bash -c '</dev/tcp/{address}/{port}' 2>&1 || true")
            assert "Connection refused" in said, (address, port)
        said = cluster.root(name, f"{nobody} bash -c 'echo x >/dev/udp/{address}/4789' 2>&1 || true")
        assert "not permitted" in said, address
    for address in (ADDRESSES[name], "127.0.0.1"):
        assert cluster.root(name, f"timeout 3 bash -c '</dev/tcp/{address}/24007' && echo reached") == "reached"
    for path in ("shared", "shared-live"):
        options = cluster.root(name, f"findmnt --noheadings --output OPTIONS /var/lib/fortytwo.inception/{path}").split(
            ","
        )
        assert {"nosuid", "nodev"} <= set(options)


def test_a_container_is_no_node(cluster: Cluster) -> None:
    """What WordPress sends to another node has that of its own as its address; the nodes' ports stay closed to it."""
    code = (
        "foreach ([443, 2377, 24007] as $port) { $tried = @fsockopen('%s', $port, $no, $text, 3);"
        " echo $port, $tried ? ' open' : ' closed', PHP_EOL; }"
    )
    said = cluster.inside("one", "wordpress", f'php -r "{(code % ADDRESSES["two"]).replace("$", chr(92) + "$")}"')
    assert said.splitlines() == ["443 open", "2377 closed", "24007 closed"]


@pytest.mark.parametrize("name", NODES)
def test_containers_can_do_no_more_than_on_one_machine(cluster: Cluster, name: str) -> None:
    """Nobody is root, has a capability, could get one, or writes to its root file system; nothing is without limits."""
    ids = cluster.root(name, "docker ps --quiet").split()
    assert len(ids) >= 2
    info = json.loads(cluster.root(name, "docker info --format '{{json .}}'"))
    for one in ids:
        told = json.loads(cluster.root(name, f"docker inspect {one}"))[0]
        status = cluster.root(name, f"cat /proc/{told['State']['Pid']}/status")
        words = {line.split(":")[0]: line.split()[1:] for line in status.splitlines() if ":" in line}
        where = f"{told['Name']} on {name}"
        assert words["NoNewPrivs"] == ["1"], where
        assert "0" not in words["Uid"], where
        assert {int(words[key][0], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}, where
        assert told["HostConfig"]["ReadonlyRootfs"] is True, where
        service = told["Config"]["Labels"]["com.docker.swarm.service.name"]
        spec = json.loads(cluster.root("one", f"docker service inspect {service}"))[0]["Spec"]
        limits = spec["TaskTemplate"]["Resources"]["Limits"]
        assert limits["MemoryBytes"] > 0, where
        assert limits["Pids"] > 0, where
        # A system container's kernel may have no such limits.
        if info["MemoryLimit"]:
            assert told["HostConfig"]["Memory"] == limits["MemoryBytes"], where
        if info["PidsLimit"]:
            assert told["HostConfig"]["PidsLimit"] == limits["Pids"], where


# What GlusterFS of that node says, and what is said to it, gets lost.
CUT = (
    "nft 'table inet cut {{ chain in {{ type filter hook input priority -300; ip saddr {0} tcp sport {1} drop;"
    " ip saddr {0} tcp dport {1} drop; }}; chain out {{ type filter hook output priority -300;"
    " ip daddr {0} tcp sport {1} drop; ip daddr {0} tcp dport {1} drop; }}; }}'"
)


def test_what_a_node_had_locked_is_soon_free(cluster: Cluster) -> None:
    """GlusterFS of a node says nothing any more, in the middle of writing: nobody waits longer than visitors do."""
    folder = "/var/lib/fortytwo.inception/shared/wordpress/wp-content/uploads"
    looked_at = "/var/lib/fortytwo.inception/shared-live/wordpress/wp-content/.pages/current"
    others = ("one", "three")
    cluster.settled()
    cluster.root("two", f"timeout 15 sh -c 'while :; do echo two >>{folder}/locked; done' >/dev/null 2>&1 & sleep 3")
    try:
        for name in others:
            cluster.root(name, CUT.format(ADDRESSES["two"], "{ 24007, 49152-60999 }"))
        for name, command in (
            ("one", f"readlink {looked_at}"),
            ("one", f"echo one >>{folder}/locked"),
            ("three", f"echo three >{folder}/beside"),
        ):
            cluster.root(name, f"timeout {ANSWER_SECONDS} sh -c '{command}'")
    finally:
        for name in others:
            cluster.root(name, "nft delete table inet cut")
    cluster.settled()


def test_no_secret_s_value_is_seen(cluster: Cluster) -> None:
    """Swarm, the stack file and each container's environment know names, and no value."""
    values = cluster.root(
        "one",
        "for one in /home/wil/inception/secrets/*.txt; do cat $one; echo; done",
    )
    words = {word for word in values.split() if len(word) >= 16}
    assert len(words) >= 5
    told = cluster.root("one", "for kind in service secret; do docker $kind ls -q | xargs docker $kind inspect; done")
    told += cluster.root("one", "cat /var/lib/fortytwo.inception/cluster/*")
    for name in NODES:
        told += cluster.root(name, "docker ps -q | xargs docker inspect")
    assert [word for word in words if word in told] == []


def test_refusals_come_before_the_first_change(cluster: Cluster) -> None:
    """Each names the setting, what is wrong and a good example."""
    for variables, words in (
        ({"cluster_managers": 2}, "cluster_managers (-e): 2 is not 1, 3, 5 or 7"),
        ({"cluster_managers": 5}, "cluster_managers: 5 is not an odd number from 1 to 3"),
        ({"cluster_networks": "8.0.0.0/16"}, "cluster_networks (-e): '8.0.0.0/16' is not private"),
        ({"cluster_encrypted": True}, "cluster_encrypted: its kernel has no ESP"),
        (
            {"inception_bonus_services": ["redis", "analytics"]},
            "services: analytics cannot be in a cluster",
        ),
        ({"cluster_copies": {"mariadb": 2}}, "cluster_copies: mariadb is no service of which there are several"),
    ):
        before = cluster.root("one", "docker service ls; docker node ls; cat /etc/inception-firewall.nft")
        done = cluster.run(variables=variables)
        assert done.status != 0
        assert words in " ".join(done.output.split()), variables
        assert cluster.root("one", "docker service ls; docker node ls; cat /etc/inception-firewall.nft") == before


def test_it_is_looked_at_as_a_whole(cluster: Cluster) -> None:
    """One node alone would take the others for gone."""
    done = cluster.run("--limit", "one")
    assert done.status != 0
    assert "call it without LIMIT" in " ".join(done.output.split())
