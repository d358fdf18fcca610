# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Simple set-up. Private to this collection: it may change without notice."""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.services import MANDATORY
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    open_unless,
    seen,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.web import (
    directives,
    listens,
    no_port_80,
    port_80_is_closed,
    publishes_80,
)


def _only_443(project: Project) -> Finding:
    failures = publishes_80(project)
    for kind in MANDATORY:
        if (service := project.of(kind)) is None:
            continue
        for port in service.ports:
            inside = kind == "nginx" and (port.host in ("80", "443") or "$" in port.host or port.container == "443")
            if not inside:
                failures.append(Evidence(port.where, f"{service.name} publishes port {port.host or port.container}"))
    nginx_service = project.of("nginx")
    if nginx_service and not nginx_service.ports and str(nginx_service.raw.get("network_mode", "")) != "host":
        failures.append(Evidence(nginx_service.where, f"{nginx_service.name} publishes no port"))
    # What a container listens on is reached where it is published, or where it has the machine's network.
    if nginx_service and str(nginx_service.raw.get("network_mode", "")) == "host":
        failures += [Evidence(where, str(one)) for where, one in directives(project) if listens(one) == "80"]
    return open_unless(failures)


def _only_443_seen(stack: Stack) -> Finding:
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for kind in MANDATORY:
        container = stack.container(kind)
        for inner, outer in container.ports if container else ():
            told = Evidence(f"docker port {stack.named(kind)}", f"{inner} -> {outer}")
            (right if kind == "nginx" and outer == "443" else wrong).append(told)
    if not right and stack.containers:
        wrong.append(Evidence("docker compose ps", "port 443 is not published"))
    return seen(wrong, right)


def _certificate(project: Project) -> Finding:
    configured = list(directives(project))
    listening = [(where, one) for where, one in configured if one.words[0] == "listen"]
    # Without `listen` in a file of the project the configuration is made by a script.
    if listening and not any(
        one.words[0].startswith("ssl_certificate") or "ssl" in one.words for _where, one in configured
    ):
        return Finding(FAIL, [Evidence(where, f"{one}: without ssl") for where, one in listening])
    return Finding(UNDETERMINED)


def _installed(stack: Stack) -> Finding | None:
    if not stack.running("wordpress") or stack.wordpress.problem:
        return None
    return Finding(PASS if stack.wordpress.users else FAIL, [Evidence("home_url()", stack.wordpress.home)])


_ITEMS = (
    Item(
        27,
        "NGINX answers on port 443 only",
        "NGINX is reached by port 443 only, and the page opens.",
        "Publish port 443 of nginx and no other port of the mandatory services.",
        rules=("SVC-1",),
        static=_only_443,
        decided_by="published ports, `listen`: only that it fails; that it holds is for the running stack",
        runtime=_only_443_seen,
    ),
    Item(
        28,
        "A TLS certificate is in use",
        "The site is served with a TLS certificate.",
        "Let nginx listen with `ssl`, and give it `ssl_certificate` and `ssl_certificate_key`.",
        rules=("SVC-1",),
        static=_certificate,
        decided_by="`ssl` of NGINX: only that it fails; that it holds is for the running stack",
    ),
    Item(
        29,
        "WordPress is installed",
        "`https://<login>.42.fr` shows the configured site, not the installation page.",
        "Install WordPress by wp-cli on the first start.",
        rules=("SVC-2",),
        runtime=_installed,
    ),
    Item(
        30,
        "Plain HTTP does not answer",
        "`http://<login>.42.fr` does not answer.",
        "Publish no port 80, and let nginx not listen on it.",
        rules=("SVC-1",),
        stop=True,
        static=no_port_80,
        decided_by="published ports: only that it fails; that it holds is for the running stack",
        runtime=port_80_is_closed,
    ),
)
SECTION = Section("Simple set-up", _ITEMS)
