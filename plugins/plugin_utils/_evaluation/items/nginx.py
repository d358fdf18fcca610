# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: NGINX with TLS. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Evidence
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.images import (
    container_runs,
    own_dockerfile,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.nginx import Directive
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    open_unless,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.web import (
    directives,
    no_port_80,
    port_80_is_closed,
)

_OLD = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"}


def _tls_versions(project: Project) -> Finding:
    """What a server says of itself goes before what is said for all: that counts where one says nothing."""
    every = list(directives(project))
    found = [(where, one) for where, one in every if one.words[0] == "ssl_protocols"]
    own = {_server(where, one) for where, one in found}
    with_tls = {_server(where, one) for where, one in every if one.words[0] == "listen" and "ssl" in one.words}
    all_told = bool(with_tls) and with_tls <= own
    return open_unless(
        [
            Evidence(where, str(one))
            for where, one in found
            if _OLD & set(one.words[1:]) and (_server(where, one) or not all_told)
        ]
    )


def _server(where: str, directive: Directive) -> tuple[str, int] | None:
    """The server block that a directive is of, by its file and line; None for what is said for all."""
    lines = [line for name, line in directive.within if name == "server"]
    return (where.rpartition(":")[0], lines[-1]) if lines else None


def _server_name(project: Project) -> Finding:
    """A name that is another's; what is shown at the right one is for the running stack to show."""
    named = [(where, one) for where, one in directives(project) if one.words[0] == "server_name" and len(one.words) > 1]
    wanted = project.domain
    filled = set(_filled_in(project))
    other = [
        Evidence(where, f"{one}: the site is {wanted}")
        for where, one in named
        if not any(_ANY_NAME.search(name) or name == wanted for name in one.words[1:])
        and not any(old in str(one) for old in filled)
    ]
    return open_unless([], other if wanted and len(other) == len(named) else [])


def _filled_in(project: Project) -> Iterator[str]:
    """What an editor's command of NGINX's image or of its scripts replaces by a variable, or by the site's name."""
    service = project.of("nginx")
    if service is None:
        return
    texts = [source.text for source in project.start_scripts(service)]
    texts += [
        one.value for _owner, stage in project.builders(service) for one in stage.instructions if one.name == "RUN"
    ]
    for found in (one for text in texts for one in _REPLACED.finditer(text)):
        if "$" in found["new"] or (project.domain and project.domain in found["new"]):
            # Up to where it is a pattern.
            word = re.split(r"\.\*|[\[*^]", found["old"].replace("\\.", "."))[0]
            if len(word) > 2:
                yield word


_REPLACED = re.compile(
    r"\bs(?P<d>[/|#,@~!])(?P<old>(?:\\.|(?!(?P=d)).){3,200})(?P=d)(?P<new>(?:\\.|(?!(?P=d)).){1,200})(?P=d)"
)
# A name that a script fills in, a pattern, or everybody's.
_ANY_NAME = re.compile(r"^_$|[$@{}%<>~*]|__|^[A-Z_]+$|^\"\"$")

_ITEMS = (
    Item(
        38,
        "NGINX has a Dockerfile",
        "There is a Dockerfile for NGINX.",
        "Write `srcs/requirements/nginx/Dockerfile`.",
        rules=("IMG-1", "SVC-1"),
        static=own_dockerfile("nginx"),
        decided_by="the service by its name, or by what its image installs",
    ),
    Item(
        39,
        "NGINX's container runs",
        "`docker compose ps` shows NGINX's container.",
        "Look into the container's log.",
        rules=("SVC-1", "SVC-5"),
        runtime=container_runs("nginx"),
    ),
    Item(
        40,
        "Port 80 cannot be connected to",
        "A connection to port 80 is refused.",
        "Publish no port 80, and let nginx not listen on it.",
        rules=("SVC-1",),
        static=no_port_80,
        decided_by="as item 30",
        runtime=port_80_is_closed,
    ),
    Item(
        41,
        "The configured site is shown",
        "`https://<login>.42.fr` shows the configured WordPress site.",
        "Install WordPress by wp-cli on the first start.",
        rules=("SVC-1", "SVC-2"),
        static=_server_name,
        decided_by="a `server_name` that is not the site's is a warning",
    ),
    Item(
        42,
        "TLS 1.2 or 1.3, and nothing older",
        "The server speaks TLSv1.2 or TLSv1.3 and nothing older; a self-signed certificate is fine.",
        "Set `ssl_protocols TLSv1.2 TLSv1.3;` in nginx's configuration.",
        rules=("SVC-1",),
        stop=True,
        static=_tls_versions,
        decided_by="`ssl_protocols`: only that it fails; that it holds is for the running stack",
    ),
)
SECTION = Section("NGINX with TLS", _ITEMS)
