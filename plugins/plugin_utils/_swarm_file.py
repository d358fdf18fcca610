# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack file of a swarm, from the compose file of one machine and what the descriptions say of several.

There is no other source: what a service is stands in its folder once. Here is only what a swarm calls otherwise, what
it has not, and what stands in for that (docs/decisions/0161-one-source-for-compose-and-stack.md).
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils._swarm import MEMBER_LABEL
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _stack_services as stack_services

# The label of the node on which is what cannot be anywhere else.
DATA_LABEL = "inception_data"
# Of a description: what the machine runs itself.
COMMANDS = ("beside", "after_update", "before_members", "without_members")
MEMBERS = (1, 2, 3)
VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\})")
PORT = re.compile(r"(\d+)(?:-(\d+))?:(\d+)(?:-(\d+))?(?:/(tcp|udp))?")

# What a swarm takes as it stands.
AS_IT_STANDS = frozenset(
    {
        *("image", "user", "read_only", "cap_add", "cap_drop", "logging", "environment", "healthcheck", "command"),
        *("entrypoint", "working_dir", "hostname", "init", "labels", "extra_hosts", "sysctls", "ulimits"),
        *("stop_grace_period", "stop_signal", "tty", "stdin_open"),
    }
)
# A node that is gone refuses nothing: who is connected to it, or tries to be, would wait for minutes. Who waited for
# the files before that (5 s) has waited less than ten in all.
WAITS = {
    "net.ipv4.tcp_syn_retries": "1",
    "net.ipv4.tcp_keepalive_time": "2",
    "net.ipv4.tcp_keepalive_intvl": "1",
    "net.ipv4.tcp_keepalive_probes": "3",
}
# Seconds by the network's own speed; for a visitor in a tunnel it would be too few.
WAITS_INSIDE = {"net.ipv4.tcp_retries2": "4"}
# What is made of other things, or has another word there.
TURNED = frozenset({"ports", "volumes", "tmpfs", "secrets", "networks", "deploy"})
# What has no meaning there: images come as they are delivered; the engine's setting is no-new-privileges; Swarm starts
# again what ended, and who waits for another says so by ending; a secret of another value has another name.
NOT_THERE = frozenset({"build", "security_opt", "restart", "depends_on", "env_file"})


class SwarmProblem(Exception):
    """What a swarm cannot do, a line for each."""


@dataclass(frozen=True)
class Cluster:
    """What the settings and the nodes say."""

    project: str
    # The folder that is the same on every node, the same for who only reads, and that of the node with the data.
    shared_dir: str
    live_dir: str
    data_dir: str
    encrypted: bool
    # Of services in several copies: how many.
    copies: Mapping[str, int]
    # Seconds after which a container that does not become well is given up.
    patience: int = 600
    # Of these addresses are all networks.
    networks: str = "10.201.0.0/16"
    # That take work.
    nodes: int = 1


def resolved(value: Any, env: Mapping[str, Any]) -> Any:
    """A value with those of .env in it; a dollar sign of theirs stays one."""
    if isinstance(value, Mapping):
        return {key: resolved(one, env) for key, one in value.items()}
    if isinstance(value, list):
        return [resolved(one, env) for one in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return "$$"
        if found[2] not in env and found[3] is None:
            raise SwarmProblem(f"the compose file asks for {found[2]}, which .env has not")
        return str(env.get(found[2], found[3])).replace("$", "$$")

    return VARIABLE.sub(one, value)


def env_of(text: str) -> dict[str, str]:
    """The values of an .env file, as compose reads them."""
    found = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if not sign or line.startswith("#"):
            continue
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found[name] = value
    return found


def ports_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Each port of the node itself: a swarm's own mesh would hide who visits."""
    found = []
    for line in lines:
        told = PORT.fullmatch(line)
        if told is None:
            raise SwarmProblem(f"'{line}' is no port of a stack file")
        first, last, target = int(told[1]), int(told[2] or told[1]), int(told[3])
        found += [
            {"target": target + step, "published": first + step, "protocol": told[5] or "tcp", "mode": "host"}
            for step in range(last - first + 1)
        ]
    return found


def tmpfs_of(line: str) -> dict[str, Any]:
    """A place in memory. Swarm knows no owner of one: it is there for the container's only user, who may write."""
    target, dummy, options = line.partition(":")
    told = dict(one.partition("=")[::2] for one in options.split(",") if one)
    return {"type": "tmpfs", "target": target, "tmpfs": {"size": bytes_of(told.get("size", "64m"))}}


def bytes_of(size: str) -> int:
    number, unit = size[:-1], size[-1].lower()
    return int(number) * {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[unit] if unit in "kmg" else int(size)


def live(name: str) -> str:
    """The name of a shared volume for who only reads it."""
    return f"{name}-live"


def volume_of(line: str, shared: Iterable[str]) -> dict[str, Any]:
    source, target, *options = line.split(":")
    words = options[0].split(",") if options else []
    return {
        "type": "volume",
        "source": live(source) if source in shared and "ro" in words else source,
        "target": target,
        "read_only": "ro" in words,
        "volume": {"nocopy": "nocopy" in words},
    }


def pinned(service: Mapping[str, Any], shared: Iterable[str]) -> bool:
    """Whether it can be only where its data or its address is."""
    own = {volume["name"] for volume in service.get("volumes") or []} - set(shared)
    return service["in_cluster"] == "one" and bool(own or service.get("ports"))


def deployed_as(service: Mapping[str, Any], limits: Mapping[str, Any], cluster: Cluster, shared: list[str]) -> Any:
    """How many there are, where, and how they give way to newer ones."""
    several = service["in_cluster"]
    # Nobody is beside one on each node: Swarm would end a good one for a newer one that is not (moby/moby#37972).
    first = service.get("update_order") == "start_first" and several != "every_node"
    order = "start-first" if first else "stop-first"
    found: dict[str, Any] = {
        "endpoint_mode": "dnsrr",
        "resources": {"limits": limits},
        "update_config": {
            "order": order,
            "parallelism": 1,
            "failure_action": "rollback",
            "monitor": "15s",
            # One that failed is a reason to go back when the next one is not replaced yet.
            "delay": "2s",
        },
        "rollback_config": {"order": order, "parallelism": 1, "failure_action": "pause"},
        "restart_policy": {"condition": "any", "delay": "2s"},
    }
    if several == "every_node":
        found["mode"] = "global"
    else:
        found["replicas"] = cluster.copies.get(service["name"], 1) if several == "many" else 1
    if several == "many":
        # Swarm moves nothing that runs: after some deaths all were on one node. Its share, and one: a newer one beside
        # the former, or one of a dead node's.
        most = math.ceil(found["replicas"] / max(cluster.nodes, 1)) + 1
        found["placement"] = {"preferences": [{"spread": "node.id"}], "max_replicas_per_node": most}
    if pinned(service, shared):
        found["placement"] = {"constraints": [f"node.labels.{DATA_LABEL}=={cluster.project}"]}
    return found


def members_of(name: str) -> list[str]:
    """What the members of such a service are called."""
    return [f"{name}-{number}" for number in MEMBERS]


def members_network(cluster: Cluster) -> ipaddress.IPv4Network:
    """Swarm takes the first ones for the others. By its address a container knows which of its networks this is."""
    last = list(ipaddress.IPv4Network(cluster.networks).subnets(new_prefix=24))[-1]
    return ipaddress.IPv4Network(last)


def members(name: str, said: Mapping[str, Any], cluster: Cluster) -> dict[str, Any]:
    """A service for each member, on the node with its data, and with a network for them alone."""
    whole = ipaddress.IPv4Network(cluster.networks)
    told = {
        "MEMBERS": " ".join(members_of(name)),
        "MEMBERS_NETWORK": str(members_network(cluster).network_address).rpartition(".")[0] + ".",
        "CLUSTER_NETWORKS": f"{whole.network_address}/{whole.netmask}",
    }
    return {
        member: {
            **said,
            "environment": {**(said.get("environment") or {}), **told, "MEMBER": member},
            "networks": {**said["networks"], f"{name}-members": None},
            "deploy": {**said["deploy"], "placement": {"constraints": [f"node.labels.{MEMBER_LABEL}=={number}"]}},
        }
        for number, member in zip(MEMBERS, members_of(name), strict=True)
    }


def turns(services: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Who comes with whom: each after those that it waits for. A swarm would replace all at once, the database too."""
    left = {one["name"]: set(one.get("waits_for") or []) for one in services}
    found = []
    while left:
        # Who waits for one another, or for nobody that is there, comes in the end.
        turn = sorted(name for name, others in left.items() if not others & set(left)) or sorted(left)
        found.append(turn)
        left = {name: others for name, others in left.items() if name not in turn}
    return found


def service_of(
    name: str, said: Mapping[str, Any], service: Mapping[str, Any], cluster: Cluster, shared: list[str]
) -> dict[str, Any]:
    unknown = sorted(set(said) - AS_IT_STANDS - TURNED - NOT_THERE)
    if unknown:
        raise SwarmProblem(
            f"{name}: a swarm knows no '{unknown[0]}' of a compose file; in a cluster, do without it in its compose.yml"
        )
    found: dict[str, Any] = {key: value for key, value in said.items() if key in AS_IT_STANDS}
    if found.get("healthcheck"):
        # On one machine who deploys sees whether it gets on. Here Swarm goes back by itself, when this time is over.
        found["healthcheck"] = {**found["healthcheck"], "start_period": f"{cluster.patience}s"}
    found["sysctls"] = {**WAITS, **({} if said.get("ports") else WAITS_INSIDE), **(found.get("sysctls") or {})}
    if service.get("listens"):
        # By which address others ask it, a swarm tells nobody before it is well: it listens at all of them.
        found["environment"] = {**(found.get("environment") or {}), "ASKED_AT": "0.0.0.0"}
    places = [tmpfs_of(line) for line in said.get("tmpfs") or []]
    volumes = [volume_of(line, shared) for line in said.get("volumes") or []]
    if places or volumes:
        found["volumes"] = volumes + places
    if said.get("ports"):
        found["ports"] = ports_of(said["ports"])
    if said.get("secrets"):
        # The container's own user, as the compose file says it.
        uid, dummy, gid = str(said.get("user", "0:0")).partition(":")
        found["secrets"] = [
            {"source": one, "target": one, "uid": uid, "gid": gid, "mode": 0o400} for one in said["secrets"]
        ]
    found["networks"] = {
        network: {"aliases": (told or {}).get("aliases")} if told else None
        for network, told in (said.get("networks") or {}).items()
    }
    limits = {**said["deploy"]["resources"]["limits"]}
    found["deploy"] = deployed_as(service, limits, cluster, shared)
    return found


def stack_file(compose: str, env: Mapping[str, Any], services: Iterable[Mapping[str, Any]], cluster: Cluster) -> Any:
    """The stack file, whose secrets have the names of their files still: what Swarm calls them is known on the node."""
    services = list(services)
    told = resolved(yaml.safe_load(compose), env)
    shared = stack_services.shared_volumes(services)
    by_name = {one["name"]: one for one in services}
    several = [name for name, one in by_name.items() if one["in_cluster"] == "members"]
    found: dict[str, Any] = {}
    for name, said in told["services"].items():
        one = service_of(name, said, by_name[name], cluster, shared)
        if several:
            # Of services before those with members, each container asks the one that is on its own node.
            one["environment"] = {**(one.get("environment") or {}), "NODE": "{{.Node.Hostname}}"}
        found |= members(name, one, cluster) if name in several else {name: one}
    networks = {name: network_of(of or {}, cluster) for name, of in (told.get("networks") or {}).items()}
    for name in several:
        ipam = {"config": [{"subnet": str(members_network(cluster))}]}
        networks[f"{name}-members"] = {**network_of({"internal": True}, cluster), "ipam": ipam}
    return {
        "version": "3.12",
        "services": found,
        "networks": networks,
        "volumes": {
            **{name: volume_place(name, cluster, shared) for name in told.get("volumes") or {}},
            **{
                live(name): folder_of(f"{cluster.project}-live_{name}", f"{cluster.live_dir}/{name}") for name in shared
            },
        },
        # Of each, the name of its file.
        "secrets": {name: of["file"].rpartition("/")[2] for name, of in (told.get("secrets") or {}).items()},
        "x-turns": [
            [one for name in turn for one in (members_of(name) if name in several else [name])]
            for turn in turns(services)
        ],
        # Of these never two are replaced at once. The first is the one that is written to, and so the last.
        "x-members": [one for name in several for one in reversed(members_of(name))],
        # What the machine does before and after it: Swarm has no word for it.
        "x-commands": {
            name: {when: list(one[when]) for when in COMMANDS if one.get(when)}
            for one in services
            for name in (members_of(one["name"]) if one["name"] in several else [one["name"]])
        },
    }


def network_of(said: Mapping[str, Any], cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = {"driver": "overlay"}
    if said.get("internal"):
        found["internal"] = True
    if cluster.encrypted:
        found["driver_opts"] = {"encrypted": ""}
    return found


def volume_place(name: str, cluster: Cluster, shared: Iterable[str]) -> dict[str, Any]:
    """A folder of each node: the one that is the same everywhere, or that of the node with the data."""
    # The name says where it is: Docker takes one of the same name for the same, wherever that leads.
    if name in shared:
        return folder_of(f"{cluster.project}-shared_{name}", f"{cluster.shared_dir}/{name}")
    return folder_of(f"{cluster.project}_{name}", f"{cluster.data_dir}/{name}")


def folder_of(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": path}}
