# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Docker basics. Private to this collection: it may change without notice."""

from __future__ import annotations

import re

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Service
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.images import (
    bases,
    bases_seen,
    official,
    penultimate,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import (
    Project,
    bare_image,
    reference,
    run_texts,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.services import MANDATORY
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Finding,
    Item,
    Section,
    judged,
    lines_with,
    listed,
    open_unless,
    seen,
    unreadable,
)


def _one_dockerfile_each(project: Project) -> Finding:
    if problem := unreadable(project):
        return problem
    failures = [
        Evidence("srcs/docker-compose.yml", f"there is no service for {role}")
        for role in MANDATORY
        if project.of(role) is None
    ]
    good: list[Evidence] = []
    used: dict[str, Service] = {}
    for service in project.services.values():
        if not service.built:
            if reference(service.image) not in project.local_images:
                failures.append(Evidence(service.where, f"{service.name} has no `build:`"))
            continue
        file = project.dockerfiles.get(service.name)
        path = project.dockerfile_path(service)
        if file is None:
            failures.append(Evidence(path, f"the Dockerfile of {service.name} is not there"))
        elif not file.stages:
            failures.append(Evidence(path, "is empty" if not file.instructions else "has no FROM"))
        else:
            good.append(Evidence(path))
            if path in used and service.inline is None and service.raw.get("build") == used[path].raw.get("build"):
                failures.append(
                    Evidence(service.line("build"), f"{service.name} has the Dockerfile of {used[path].name}")
                )
            used[path] = service
    return judged(failures, [], good)


def _ask_copy(project: Project) -> tuple[str, str]:
    """COPY or ADD, by the lines that are there."""
    paths = [project.dockerfile_path(one) for one in project.services.values() if one.built]
    added = lines_with(project, re.compile(r"^\s*ADD\s", re.IGNORECASE), paths)
    copied = lines_with(project, re.compile(r"^\s*COPY\s", re.IGNORECASE), paths)
    if not added and not copied:
        return "", ""
    question = "Why ADD here, and not COPY?" if added else "Why COPY here, and not ADD?"
    told = "COPY copies; ADD also fetches addresses and unpacks archives, which is more than most lines want."
    return question, f"{told} Here: {listed(added or copied)}."


def _own_images(project: Project) -> Finding:
    if problem := unreadable(project):
        return problem
    failures: list[Evidence] = []
    for service in project.services.values():
        if not service.built and reference(service.image) not in project.local_images:
            failures.append(
                Evidence(service.line("image"), f"{service.name} uses the ready-made image {service.image}")
            )
        file = project.dockerfiles.get(service.name)
        stages = {stage.name for stage in file.stages if stage.name} if file else set()
        for stage in file.stages if file else ():
            for one in stage.instructions:
                source = one.flags.get("--from", "")
                own = source.isdigit() or source.lower() in stages or reference(source) in project.local_images
                if source and not own and not official(source):
                    failures.append(Evidence(project.where(service, one), f"copies from the ready-made image {source}"))
    for service, stage, where in bases(project):
        if not official(stage.base) and "$" not in stage.base and stage.base != "scratch":
            failures.append(Evidence(where, f"{service.name} is built on the ready-made image {stage.base}"))
    for service in project.services.values():
        for owner, stage in project.builders(service):
            for one in stage.instructions:
                for source in run_texts(one, "") if one.name == "RUN" else ():
                    for command in shell.parse(source.text).commands:
                        if command.name == "docker" and "pull" in command.words:
                            failures.append(Evidence(project.where(owner, one), command.place.text))
    return judged(
        failures, [], [Evidence(project.dockerfile_path(one)) for one in project.services.values() if one.built]
    )


def _named_after_service(project: Project) -> Finding:
    if problem := unreadable(project):
        return problem
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    good: list[Evidence] = []
    for service in project.services.values():
        if not service.image:
            failures.append(
                Evidence(
                    service.where,
                    f"{service.name} has no `image:`; compose would call it <folder>-{service.name}:latest",
                )
            )
            continue
        where, bare = service.line("image"), bare_image(service.image)
        tag = service.image[len(bare) :].partition("@")[0].removeprefix(":")
        if "$" in bare:
            warnings.append(Evidence(where, f"{service.image} has a variable that is not known"))
        elif bare != service.name:
            last = bare.rpartition("/")[2] == service.name
            (warnings if last else failures).append(Evidence(where, f"the image of {service.name} is {service.image}"))
        if tag == "latest":
            failures.append(Evidence(where, f"{service.image}: the tag latest is forbidden"))
        elif not tag and "@" not in service.image and "$" not in bare:
            failures.append(Evidence(where, f"{service.image}: without a tag it is latest"))
        good.append(Evidence(where, service.image))
    return judged(failures, warnings, good)


def _image_names(stack: Stack) -> Finding:
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for service, container in stack.containers.items():
        name, dummy, tag = container.image.rsplit("/", 1)[-1].partition(":")
        entry = Evidence("docker ps", f"{service} runs the image {container.image}")
        (right if name == service and tag not in ("", "latest") else wrong).append(entry)
    return seen(wrong, right)


def _restarts(project: Project) -> Finding:
    """A service without a policy stays down after a crash; that all are up is for the running stack to show."""
    alone = []
    for service in project.services.values():
        deploy = service.raw.get("deploy")
        condition = (deploy.get("restart_policy") or {}).get("condition") if isinstance(deploy, dict) else None
        policy = str(condition or service.raw.get("restart") or "no").lower()
        if policy in ("no", "none", "false"):
            alone.append(Evidence(service.line("restart"), f"{service.name} has no restart policy"))
    return open_unless([], alone)


def _all_up(stack: Stack) -> Finding:
    """Every service of the compose file has a container that runs, is not unwell, and has not crashed."""
    if not stack.containers:
        return Finding(FAIL, [Evidence("docker compose ps", f"no container of {stack.project} is there")])
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for service in sorted({*stack.services, *stack.containers}):
        container = stack.containers.get(service)
        if not container:
            wrong.append(Evidence("docker compose ps", f"{service} has no container"))
            continue
        status = ", ".join(filter(None, (container.status, container.health)))
        told = f"{service}: {status}, restarted {container.restarts} times"
        well = container.status == "running" and container.health in ("", "healthy") and not container.restarts
        (right if well else wrong).append(Evidence("docker compose ps", told))
    alone = [
        Evidence(f"docker inspect {service}", f"restart policy: {container.policy or 'no'}")
        for service, container in stack.containers.items()
        if container.policy in ("", "no")
    ]
    return judged(wrong, alone, right)


_BASE_MEND = (
    "Begin each Dockerfile with `FROM debian:<release>` or `FROM alpine:<version>` of the penultimate stable release, "
    "or with an image that the project builds itself."
)


_ITEMS = (
    Item(
        31,
        "One Dockerfile per service",
        "Each service has its Dockerfile, and none is empty.",
        "Write a Dockerfile for the service and name it in its `build:`.",
        rules=("IMG-1",),
        stop=True,
        ask=_ask_copy,
        static=_one_dockerfile_each,
        decided_by="the Dockerfile that each `build:` names",
    ),
    Item(
        32,
        "The Dockerfiles are the project's own",
        "The evaluated person wrote the Dockerfiles; ready-made images, or a service such as Docker Hub, are "
        "forbidden.",
        "Build the image from the base of the exercise, and give the service `build:`.",
        rules=("IMG-1", "IMG-3"),
        static=_own_images,
        decided_by="`image:` without `build:`, each `FROM`, `COPY --from`",
    ),
    Item(
        33,
        "Each image starts from an allowed base",
        "Each Dockerfile starts FROM the penultimate stable version of Debian or Alpine, named by its version, or from "
        "a local image of the project; the tag `latest` is forbidden.",
        _BASE_MEND,
        rules=("IMG-3", "IMG-4"),
        stop=True,
        static=penultimate,
        decided_by="as item 13",
        runtime=bases_seen,
    ),
    Item(
        34,
        "Each image has its service's name",
        "Each image has the name of its service.",
        "Give each service `image: <its name>` with a tag of your own other than `latest`.",
        rules=("IMG-2", "IMG-4"),
        stop=True,
        static=_named_after_service,
        decided_by="`image:` of each service",
        runtime=_image_names,
    ),
    Item(
        35,
        "The Makefile brought everything up, and nothing crashed",
        "The Makefile set all services up through docker compose, and no container crashed.",
        "Start everything from the Makefile by docker compose; look into the logs of the container that ended.",
        rules=("LAY-1", "SVC-5"),
        stop=True,
        static=_restarts,
        decided_by="a service without a restart policy is a warning; the rest is for the running stack",
        runtime=_all_up,
    ),
)
SECTION = Section("Docker basics", _ITEMS)
