# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NGINX is told, and what is published. Private to this collection: it may change without notice.

Both can show that an item fails; that it holds is for the running stack to show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Evidence
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import nginx
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import Finding, open_unless, seen


def directives(project: Project) -> Iterator[tuple[str, nginx.Directive]]:
    service = project.of("nginx")
    for path in project.below(service.context) if service and service.built else []:
        text = project.text(path)
        if text is not None and re.search(
            r"\.(?:conf|template|tmpl|tpl)$|/sites-\w+/|nginx[\w.-]*\.conf|(?:^|/)default$", path
        ):
            yield from ((f"{path}:{one.line}", one) for one in nginx.parse(text))


def listens(directive: nginx.Directive) -> str:
    """The port that a `listen` opens, "" for anything else."""
    if directive.words[0] != "listen" or len(directive.words) < 2:
        return ""
    address = directive.words[1]
    if address.startswith("unix:"):
        return ""
    port = address.rpartition(":")[2] if "]" not in address else address.partition("]")[2].lstrip(":")
    # A place for a port that a script or envsubst fills in.
    if re.search(r"[$@{}%<>]|__|^[A-Z_]+$", port):
        return ""
    return port if port.isdigit() else "80"


def publishes_80(project: Project) -> list[Evidence]:
    return [
        Evidence(port.where, f"{service.name} publishes port {port.host}:{port.container}")
        for service in project.services.values()
        for port in service.ports
        if port.host == "80"
    ]


def no_port_80(project: Project) -> Finding:
    return open_unless(publishes_80(project))


def port_80_is_closed(stack: Stack) -> Finding | None:
    """30, 40: nobody takes a connection on port 80."""
    if not stack.containers:
        return None
    wrong = [Evidence(f"{address}:80", "takes a connection") for address, is_open in stack.open_80.items() if is_open]
    right = [Evidence(f"{address}:80", "no connection") for address, is_open in stack.open_80.items() if not is_open]
    return seen(wrong, right)
