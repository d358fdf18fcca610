# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: what they are built on, and what is in them. Private to this collection: it may change without notice."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils import _releases as releases
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    PASS,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Service
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.dockerfile import Stage
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import (
    Project,
    reference,
    run_texts,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Check,
    Finding,
    Look,
    judged,
    seen,
    unreadable,
)

_OFFICIAL = re.compile(
    r"(?:(?:docker\.io|registry-1\.docker\.io|index\.docker\.io)/)?(?:library/|amd64/|arm64v8/|i386/)?(?P<family>debian|alpine)"
    r"(?::(?P<tag>[^@]*))?(?:@sha256:[0-9a-f]{64})?$"
)


_DEBIAN_TAG = re.compile(r"(?P<release>[a-z]+|\d+)(?:\.\d+)?(?:-backports)?(?:-20\d{6}(?:T\w+)?)?(?:-slim)?$")


_ALPINE_TAG = re.compile(r"(?P<release>\d+\.\d+)(?:\.\d+)?$")


def official(base: str) -> re.Match[str] | None:
    return _OFFICIAL.match(base)


def _base_problem(base: str, date: datetime.date) -> tuple[str, bool]:
    """What is wrong with a base, "" if nothing, and whether that is certain."""
    if "$" in base:
        return f"{base} has a variable that is not known", False
    found = official(base)
    if found is None:
        return f"{base} is neither Debian nor Alpine nor an image of the project", True
    family, tag = found["family"], found["tag"] or ""
    wanted = releases.penultimate(family, date)
    good = f"{family}:{wanted.name}" + (f" or {family}:{wanted.version}" if wanted.name != wanted.version else "")
    if not tag and "@" in base:
        return f"{base} names no version; the penultimate stable release is {good}", False
    if tag in ("", "latest"):
        return f"{base} {'is' if tag else 'implies'} latest; the penultimate stable release is {good}", True
    if family == "debian" and re.fullmatch(r"oldstable(?:-slim)?", tag):
        return f"{base} is the penultimate release by a name that moves; its version is {good}", False
    match = (_DEBIAN_TAG if family == "debian" else _ALPINE_TAG).match(tag)
    if match and match["release"] in (wanted.name, wanted.version):
        return "", True
    return f"{base} is not the penultimate stable release, {good}", not releases.stale(family, date)


def bases(project: Project) -> Iterator[tuple[Service, Stage, str]]:
    """Every FROM of a Dockerfile that is in use and that is no stage and no image of the project's own."""
    seen = set()
    for service in project.services.values():
        file = project.dockerfiles.get(service.name)
        names: set[str] = set()
        for stage in file.stages if file else ():
            where = project.where(service, stage.origin)
            # An image that is built on one of its own name is built on somebody else's.
            image = reference(stage.base)
            local = image in project.local_images and image != reference(service.image)
            if not local and stage.base.lower() not in names and where not in seen:
                seen.add(where)
                yield service, stage, where
            if stage.name:
                names.add(stage.name)


def penultimate(project: Project) -> Finding:
    """Item 13 asks for the release; item 33 for the way it is named, too."""
    if problem := unreadable(project):
        return problem
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    good: list[Evidence] = []
    for _service, stage, where in bases(project):
        problem_text, certain = _base_problem(stage.base, project.day)
        then = project.committed
        if problem_text and certain and then and then < project.day and not _base_problem(stage.base, then)[0]:
            # Whose day counts is the evaluator's choice.
            problem_text, certain = f"{problem_text}; it was on the day of the last commit, {then}", False
        if problem_text:
            (failures if certain else warnings).append(Evidence(where, problem_text))
        else:
            good.append(Evidence(where, f"FROM {stage.base}"))
    if not good and not failures and not warnings:
        failures.append(Evidence("srcs", "there is no Dockerfile with a FROM"))
    return judged(failures, warnings, good)


def bases_seen(stack: Stack) -> Finding:
    """13, 33: what is in the image is the penultimate release."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for service, container in stack.containers.items():
        values = container.release
        family = values.get("ID", "")
        if family not in releases.RELEASES:
            # An image from a local one may have no os-release; the Dockerfile tells.
            if family:
                wrong.append(Evidence(f"/etc/os-release of {service}", values.get("PRETTY_NAME", family)))
            continue
        wanted = releases.penultimate(family, datetime.date.fromisoformat(stack.day))
        there = values.get("VERSION_ID", "")
        fits = there == wanted.version or there.startswith(f"{wanted.version}.")
        (right if fits else wrong).append(Evidence(f"/etc/os-release of {service}", values.get("PRETTY_NAME", there)))
    return seen(wrong, right)


# --- What each of the mandatory services has to have ---


def own_dockerfile(kind: str) -> Check:
    """38, 43, 50."""

    def check(project: Project) -> Finding:
        if problem := unreadable(project):
            return problem
        service = project.of(kind)
        path = project.dockerfile_path(service) if service and service.built else f"srcs/requirements/{kind}/Dockerfile"
        if service and service.name in project.dockerfiles:
            file = project.dockerfiles[service.name]
            problem = "" if file.stages else "has no FROM" if file.instructions else "is empty"
            return judged([Evidence(path, problem)] if problem else [], [], [Evidence(path)])
        return Finding(FAIL, [Evidence(path, f"there is no Dockerfile for {kind}")])

    return check


def without_nginx(kind: str) -> Check:
    """44, 51: neither installed nor started."""

    def check(project: Project) -> Finding:
        service = project.of(kind)
        if service is None or service.name not in project.dockerfiles:
            return Finding(UNDETERMINED)
        failures = [
            Evidence(where, f"installs {package}")
            for package, where in project.packages(service)
            if re.match(r"nginx(?:$|-|=)", package)
        ]
        sources = project.start_scripts(service)
        for owner, stage in project.builders(service):
            for one in stage.instructions:
                sources += run_texts(one, project.dockerfile_path(owner)) if one.name == "RUN" else []
        for source in sources:
            for command in shell.parse(source.text, source.first_line).commands:
                service_start = command.name in ("service", "rc-service") and "nginx" in command.words
                if command.name == "nginx" or service_start:
                    failures.append(Evidence(f"{source.path}:{command.place.line}", command.place.text))
        for _kind, words, where in project.starters(service):
            if isinstance(words, tuple) and words[0].rpartition("/")[2] == "nginx":
                failures.append(Evidence(where, " ".join(words)))
        return judged(failures, [], [Evidence(project.dockerfile_path(service), "installs no nginx")])

    return check


def no_nginx_seen(kind: str) -> Look:
    """44, 51."""

    def look(stack: Stack) -> Finding | None:
        container = stack.container(kind)
        if container is None or not container.running:
            return None
        found = Evidence(f"find / -name nginx in {stack.named(kind)}", container.nginx or "none")
        return Finding(FAIL if container.nginx else PASS, [found])

    return look


def container_runs(kind: str) -> Look:
    """39, 45, 52."""

    def look(stack: Stack) -> Finding:
        container = stack.container(kind)
        status = container.status if container else "not there"
        told = Evidence("docker compose ps", f"{stack.named(kind) or kind}: {status}")
        return Finding(PASS if container and container.running else FAIL, [told])

    return look
