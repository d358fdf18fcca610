# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Docker network. Private to this collection: it may change without notice."""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Located
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    judged,
    seen,
    unreadable,
)


def names_network(project: Project) -> Finding:
    """10, 36: a compose file that cannot be read is told by item 10."""
    if problem := unreadable(project):
        return problem
    networks = project.composition.get("networks")
    if isinstance(networks, Located) and networks:
        return judged([], [], [Evidence(networks.where(name), name) for name in networks])
    return Finding(FAIL, [Evidence(project.compose_files[0], "has no `networks:`")])


def _joined(project: Project) -> Finding:
    found = names_network(project)
    if found.verdict != PASS:
        return found
    declared = project.composition["networks"]
    # A service that names no network is in compose's own.
    joined = {service.name: set(service.networks) or {"default"} for service in project.services.values()}
    failures = [
        Evidence(service.line("networks"), f"{service.name} joins {name}, which is not declared")
        for service in project.services.values()
        for name in service.networks
        if name not in declared and name not in ("default", "host") and "$" not in name
    ]
    # Which network a variable names is not known where its file is not in git.
    if any("$" in name for names in joined.values() for name in names):
        return judged(failures) if failures else Finding(UNDETERMINED, found.evidence)
    if not any(names & set(declared) for names in joined.values()):
        failures += [Evidence(project.composition.where("networks"), f"no service joins {', '.join(declared)}")]
    for one, other in (("nginx", "wordpress"), ("wordpress", "mariadb")):
        first, second = project.of(one), project.of(other)
        if first and second and not joined[first.name] & joined[second.name] and "network_mode" not in first.raw:
            failures.append(Evidence(first.line("networks"), f"{first.name} and {second.name} share no network"))
    return judged(failures, [], found.evidence)


def _own_networks(stack: Stack) -> list[str]:
    """The networks of the project with who is in them."""
    members = {
        network: sorted(name for name, one in stack.containers.items() if network in one.networks)
        for network in stack.networks
    }
    return [
        f"{network}: {stack.networks[network]}, {', '.join(names)}"
        for network, names in members.items()
        if names and network != "bridge"
    ]


def _joined_seen(stack: Stack) -> Finding:
    outside = [
        Evidence(f"docker inspect {service}", "in no network of the project")
        for service, one in stack.containers.items()
        if not set(one.networks) - {"bridge", "host", "none"}
    ]
    return seen(outside, [Evidence("docker network ls", told) for told in _own_networks(stack)])


def _tell_networks(stack: Stack) -> Finding | None:
    if not (told := _own_networks(stack)):
        return None
    answer = "The networks of this project, in which services find each other by name:\n" + "\n".join(told)
    return Finding(UNDETERMINED, answer=answer)


def _networks(project: Project) -> str:
    declared = project.composition.get("networks")
    names = ", ".join(declared) if isinstance(declared, Located) else ""
    joined = "; ".join(f"{one.name} in {', '.join(one.networks)}" for one in project.services.values() if one.networks)
    return f"the compose file declares {names or 'no network'}; {joined or 'no service names one'}"


def _ask_network(project: Project) -> tuple[str, str]:
    return (
        "What is a Docker network?",
        "A virtual network in which containers reach each other by their services' names, and nothing else "
        f"reaches them unless a port is published. Here {_networks(project)}.",
    )


_ITEMS = (
    Item(
        36,
        "A Docker network is in use",
        "The compose file declares a network, and `docker network ls` shows it.",
        "Declare a network at the end of the compose file and name it in each service.",
        rules=("NET-1",),
        static=_joined,
        decided_by="the compose file as resolved",
        runtime=_joined_seen,
    ),
    Item(
        37,
        "What a Docker network is",
        "The evaluated person explains what a Docker network is.",
        "Explain names, addresses and isolation by this project's network.",
        oral=True,
        stop=True,
        runtime=_tell_networks,
        ask=_ask_network,
    ),
)
SECTION = Section("Docker network", _ITEMS)
