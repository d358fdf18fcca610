# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Bonus. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack, is_servers_own
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Service
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.services import BONUS, MANDATORY, OTHER
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Check,
    Finding,
    Item,
    Look,
    Section,
    absent,
    judged,
    seen,
    unreadable,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.volumes import kept


def _services(project: Project, kind: str) -> list[Service]:
    """Those of a kind; of choice there may be several."""
    return [project.services[name] for name, its in project.kinds.items() if its == kind]


def _bonus(kind: str) -> Check:
    def check(project: Project) -> Finding:
        if problem := unreadable(project):
            return problem
        found = _services(project, kind)
        if not found:
            return absent()
        failures: list[Evidence] = []
        good: list[Evidence] = []
        for service in found:
            file = project.dockerfiles.get(service.name)
            if file is None or not file.stages:
                failures.append(Evidence(service.where, f"{service.name} has no Dockerfile, or an empty one"))
            good.append(Evidence(service.where, f"{service.name} with {project.dockerfile_path(service)}"))
            failures += _problems(project, kind, service)
        return judged(failures, [], good)

    return check


def _problems(project: Project, kind: str, service: Service) -> Iterator[Evidence]:
    wordpress = project.of("wordpress")
    if kind == "ftp" and wordpress:
        website = {one.source for one in kept(project, "wordpress")}
        if not website & {one.source for one in service.mounts}:
            yield Evidence(service.where, f"{service.name} does not mount the volume of the website files")
    if kind == "redis" and wordpress and not _names_redis(project, wordpress):
        yield Evidence(wordpress.where, f"nothing of {wordpress.name} names Redis")
    # A service of choice may be a loop; what serves something may not.
    for _kind, words, where in project.starters(service) if kind != OTHER else ():
        if shell.parse(shell.started(words)).endless:
            yield Evidence(where, f"{service.name} waits, and serves nothing")
    if kind == "static":
        for package, where in project.packages(service):
            if re.match(r"php\d*", package):
                yield Evidence(where, f"{service.name} installs {package}")
        for path in project.below(service.context) if service.built else []:
            if path.endswith(".php"):
                yield Evidence(path, f"{service.name} is written in PHP")


def _names_redis(project: Project, wordpress: Service) -> bool:
    """Whether WordPress's image, scripts or environment have it: without any it is a container that nothing uses."""
    texts = [project.text(path) or "" for path in project.below(wordpress.context)] if wordpress.built else []
    texts += [project.text(path) or "" for path in project.files() if path.rpartition("/")[2].startswith(".env")]
    texts += [source.text for source in project.start_scripts(wordpress)]
    texts += [f"{name}={value}" for name, value in wordpress.environment.items()]
    return any(re.search(r"redis|valkey", text, re.IGNORECASE) for text in texts)


def _object_cache(stack: Stack) -> Finding | None:
    """WordPress's object cache is a drop-in for Redis that is on."""
    if not stack.containers:
        return None
    if not stack.container("redis"):
        return absent()
    cache = stack.wordpress
    told = (
        f"wp_using_ext_object_cache(): {str(cache.object_cache).lower()}; drop-in: {cache.drop_in or 'none for Redis'}"
    )
    good = stack.running("redis") and cache.object_cache and bool(cache.drop_in)
    state = UNDETERMINED if cache.problem else PASS if good else FAIL
    return Finding(state, [Evidence("WordPress", cache.problem or told)])


def _missing(kind: str) -> Look:
    """A bonus service that the compose file does not have."""

    def look(stack: Stack) -> Finding | None:
        return absent() if stack.containers and not stack.named(kind) else None

    return look


def _site_answers(stack: Stack) -> Finding | None:
    """A page without PHP, from a container of its own."""
    service, container = stack.named("static"), stack.container("static")
    if not stack.containers:
        return None
    if not service:
        return absent()
    if not container or not container.running:
        return Finding(
            FAIL, [Evidence("docker compose ps", f"{service}: {container.status if container else 'not there'}")]
        )
    told = [Evidence(f"GET / of {service}", container.page or "no page")]
    if container.php:
        return Finding(FAIL, [*told, Evidence(f"ls /usr/bin/php* in {service}", "PHP is in it")])
    if is_servers_own(container.page):
        return Finding(FAIL, [*told, Evidence(service, "shows the server's own page, and no site")])
    return Finding(PASS if re.match(r"port \d+(?: by \S+)?: 200", container.page) else UNDETERMINED, told)


def _signs_in(stack: Stack) -> Finding | None:
    """Somebody who has the password gets from its page into the database."""
    service, container = stack.named("adminer"), stack.container("adminer")
    if not stack.containers:
        return None
    if not service:
        return absent()
    if not container or not container.running:
        told = container.status if container else "not there"
        return Finding(FAIL, [Evidence("docker compose ps", f"{service}: {told}")])
    where = f"the form of {service}"
    if not container.sign_in:
        return Finding(UNDETERMINED, [Evidence(where, "not found on a port of its own; sign in by its address")])
    good = container.sign_in.startswith("signed in")
    return Finding(PASS if good else FAIL, [Evidence(where, container.sign_in)])


def _choice_answers(stack: Stack) -> Finding | None:
    """The services of choice run, and listen on what they publish."""
    chosen = [name for name, kind in stack.kinds.items() if kind == OTHER]
    if not stack.containers:
        return None
    if not chosen:
        return absent()
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for service in chosen:
        container = stack.containers.get(service)
        if not container or not container.running:
            told = container.status if container else "not there"
            wrong.append(Evidence("docker compose ps", f"{service}: {told}"))
            continue
        for inner, outer in container.ports:
            port = inner.partition("/")[0]
            heard = not inner.endswith("/tcp") or int(port) in container.listens
            told = f"{inner} -> {outer}: {'listens' if heard else 'nothing listens'}"
            (right if heard else wrong).append(Evidence(f"docker port {service}", told))
        if container.page:
            right.append(Evidence(f"GET / of {service}", container.page))
    return seen(wrong, right)


def _ask_choice(project: Project) -> tuple[str, str]:
    known, extra = ", ".join((*MANDATORY, *BONUS)), ", ".join(one.name for one in _services(project, OTHER))
    return "Why was this service chosen?", f"Beyond {known} this project has: {extra or 'nothing'}."


_ITEMS = (
    Item(
        57,
        "Redis",
        "Redis is WordPress's object cache, in a container of its own, and in use.",
        "Give Redis a Dockerfile and a service, and let WordPress use it through an object-cache drop-in.",
        rules=("BON-1",),
        static=_bonus("redis"),
        decided_by="a service with a Dockerfile",
        runtime=_object_cache,
    ),
    Item(
        58,
        "FTP server",
        "An FTP server in a container of its own serves the volume of the website files.",
        "Give the FTP server a Dockerfile and a service, and mount the volume of the website files.",
        rules=("BON-2",),
        static=_bonus("ftp"),
        decided_by="the same, and the website's volume",
        runtime=_missing("ftp"),
    ),
    Item(
        59,
        "Static website",
        "A static website, in any language but PHP, is served by a container of its own.",
        "Give the website a Dockerfile and a service; write it without PHP.",
        rules=("BON-3",),
        static=_bonus("static"),
        runtime=_site_answers,
        decided_by="the same, and no PHP",
    ),
    Item(
        60,
        "Adminer",
        "Adminer runs in a container of its own and reaches the database.",
        "Give Adminer a Dockerfile and a service.",
        rules=("BON-4",),
        static=_bonus("adminer"),
        decided_by="a service with a Dockerfile",
        runtime=_signs_in,
    ),
    Item(
        61,
        "A service of choice",
        "A further useful service runs in a container of its own, and its choice can be defended.",
        "Give the service a Dockerfile and a service, and say in the README why it was chosen.",
        rules=("BON-5",),
        static=_bonus(OTHER),
        runtime=_choice_answers,
        decided_by="the same",
        ask=_ask_choice,
    ),
)
SECTION = Section("Bonus", _ITEMS)
