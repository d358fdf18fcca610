# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items about the compose file, Dockerfiles, images and what containers run. Private to this collection: it may change
without notice.
"""

from __future__ import annotations

import datetime
import posixpath
import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils import _releases as releases
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import FAIL, Evidence
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _evaluation_shell as shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_compose import (
    Located,
    Service,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_dockerfile import Stage
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_findings import Check, Finding, judged
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_project import (
    ROLES,
    Project,
    Starter,
    bare_image,
    reference,
    run_texts,
)


def _unreadable(project: Project) -> Finding | None:
    """Why items about the compose file cannot be decided, if it cannot be read."""
    if project.compose_problem:
        return Finding(FAIL, [Evidence("srcs/docker-compose.yml", project.compose_problem)])
    return None


# --- The compose file ---


def _no_host_network(project: Project, _date: datetime.date) -> Finding:
    return _unreadable(project) or judged(
        _host_networks(project), [], [Evidence(path) for path in project.compose_files]
    )


def _host_networks(project: Project) -> Iterator[Evidence]:
    for service in project.services.values():
        raw = service.raw
        for key in ("network_mode", "network", "net"):
            if str(raw.get(key, "")).strip().lower() == "host":
                yield Evidence(service.line(key), f"{service.name}: {key}: host")
        for key in ("links", "external_links"):
            if raw.get(key):
                yield Evidence(service.line(key), f"{service.name}: {key}: {raw[key]}")
        build = raw.get("build")
        if isinstance(build, Located) and str(build.get("network", "")).lower() == "host":
            yield Evidence(build.where("network"), f"{service.name}: build: network: host")
        networks = raw.get("networks")
        if (
            isinstance(networks, (dict, list))
            and "host" in networks
            and "host" not in (project.composition.get("networks") or {})
        ):
            yield Evidence(service.line("networks"), f"{service.name}: networks: host")
    networks = project.composition.get("networks")
    for name, raw in networks.items() if isinstance(networks, Located) else ():
        if isinstance(raw, Located):
            external = raw.get("external")
            called = external.get("name") if isinstance(external, dict) else raw.get("name", name)
            if str(raw.get("driver", "")).lower() == "host" or (external and called == "host"):
                yield Evidence(networks.where(name), f"the network {name} is the host's")


def _names_network(project: Project, _date: datetime.date) -> Finding:
    if problem := _unreadable(project):
        return problem
    networks = project.composition.get("networks")
    if isinstance(networks, Located) and networks:
        return judged([], [], [Evidence(networks.where(name), name) for name in networks])
    return Finding(FAIL, [Evidence(project.compose_files[0], "has no `networks:`")])


def _joined(project: Project, _date: datetime.date) -> Finding:
    found = _names_network(project, _date)
    if found.verdict == FAIL:
        return found
    declared = project.composition["networks"]
    failures = []
    for service in project.services.values():
        if not service.networks and "default" not in declared:
            failures.append(Evidence(service.where, f"{service.name} joins no network of the compose file"))
        failures += [
            Evidence(service.line("networks"), f"{service.name} joins {name}, which is not declared")
            for name in service.networks
            if name not in declared and name not in ("default", "host")
        ]
    return judged(failures, [], found.evidence)


_RUNS = frozenset({"run", "create"})
_HOST_NETWORK = re.compile(r"--net(?:work)?=host$")


def _no_link(project: Project, _date: datetime.date) -> Finding:
    failures = []
    for source in project.scripts():
        for command in shell.parse(source.text, source.first_line).commands:
            words = command.words
            docker = "docker" in command.name.lower() or "podman" in command.name.lower() or words[0].startswith("$")
            if not docker or not _RUNS & set(words[1:]):
                continue
            host = any(_HOST_NETWORK.match(word) for word in words) or any(
                word in ("--net", "--network") and words[at + 1] == "host" for at, word in enumerate(words[:-1])
            )
            if host or any(word == "--link" or word.startswith("--link=") for word in words):
                failures.append(Evidence(f"{source.path}:{command.place.line}", command.place.text))
    return judged(failures, [], [Evidence("Makefile"), Evidence(".", "no script uses --link")])


# --- What containers run ---


def _commands(project: Project, _date: datetime.date) -> Finding:
    """Dockerfiles: no tail -f, nothing in the background, no bare shell."""
    if problem := _unreadable(project):
        return problem
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    good: list[Evidence] = []
    for service in project.services.values():
        starters = project.starters(service)
        good += [Evidence(where, f"{kind} {_shown(words)}") for kind, words, where in starters]
        if not starters and service.name in project.dockerfiles:
            builders = project.builders(service)
            if builders and _official(builders[-1][1].base):
                failures.append(Evidence(_file(project, service), "has no command: the base's own is a shell"))
        for kind, words, where in _with_arguments(starters):
            _command(kind, words, where, failures, warnings)
        for owner, stage in project.builders(service):
            for one in stage.instructions:
                if one.name == "RUN":
                    for source in run_texts(one, ""):
                        script = shell.parse(source.text, source.first_line)
                        where = project.where(owner, one)
                        failures += [Evidence(where, place.text) for place in script.endless]
                        warnings += [
                            Evidence(where, f"runs in the background: {place.text}") for place in script.background
                        ]
    return judged(failures, warnings, good)


def _file(project: Project, service: Service) -> str:
    return project.dockerfile_path(service)


def _with_arguments(starters: list[Starter]) -> list[Starter]:
    """ENTRYPOINT with what CMD adds to it: a shell in the one may have its script in the other."""
    if len(starters) == 2:
        (dummy, first, where), (dummy, second, dummy) = starters
        if isinstance(first, tuple) and isinstance(second, tuple):
            return [("ENTRYPOINT", first + second, where), starters[1]]
    return starters


def _shown(words: tuple[str, ...] | str) -> str:
    return (words if isinstance(words, str) else " ".join(words))[:200]


def _command(
    kind: str, words: tuple[str, ...] | str, where: str, failures: list[Evidence], warnings: list[Evidence]
) -> None:
    shown = Evidence(where, f"{kind} {_shown(words)}")
    if isinstance(words, str):
        text = words
    elif len(words) > 1 and posixpath.basename(words[0]) in shell.SHELLS and re.fullmatch(r"-[a-z]*c", words[1]):
        text = words[2] if len(words) > 2 else ""
        warnings.append(Evidence(where, f"{kind} is a shell that runs no script: {_shown(words)}"))
        if not text:
            return
    else:
        # Words of a JSON array are no shell text: each is quoted.
        text = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    script = shell.parse(text)
    if script.endless or script.background or script.bare_shells:
        failures.append(shown)


def _background(project: Project, _date: datetime.date) -> Finding:
    return _in_start_scripts(project, "background")


def _in_start_scripts(project: Project, kind: str) -> Finding:
    if problem := _unreadable(project):
        return problem
    failures: list[Evidence] = []
    good: list[Evidence] = []
    for service in project.services.values():
        for source in project.start_scripts(service):
            good.append(Evidence(source.path))
            script = shell.parse(source.text, source.first_line)
            failures += [Evidence(f"{source.path}:{place.line}", place.text) for place in getattr(script, kind)]
    return judged(failures, [], good)


def _endless(project: Project, _date: datetime.date) -> Finding:
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    starting = {
        source.path: source for service in project.services.values() for source in project.start_scripts(service)
    }
    for source in [*project.shell_scripts(), *(one for one in starting.values() if not project.is_script(one.path))]:
        script = shell.parse(source.text, source.first_line)
        failures += [Evidence(f"{source.path}:{place.line}", place.text) for place in script.endless]
        warnings += [
            Evidence(f"{source.path}:{place.line}", f"ends by a break: {place.text}") for place in script.doubtful
        ]
        if source.path in starting:
            failures += [Evidence(f"{source.path}:{place.line}", place.text) for place in script.bare_shells]
    return judged(failures, warnings, [Evidence(path) for path in starting])


# --- Images ---

_OFFICIAL = re.compile(
    r"(?:(?:docker\.io|registry-1\.docker\.io|index\.docker\.io)/)?(?:library/|amd64/|arm64v8/|i386/)?(?P<family>debian|alpine)"
    r"(?::(?P<tag>[^@]*))?(?:@sha256:[0-9a-f]{64})?$"
)
_DEBIAN_TAG = re.compile(r"(?P<release>[a-z]+|\d+)(?:\.\d+)?(?:-backports)?(?:-20\d{6}(?:T\w+)?)?(?:-slim)?$")
_ALPINE_TAG = re.compile(r"(?P<release>\d+\.\d+)(?:\.\d+)?$")


def _official(base: str) -> re.Match[str] | None:
    return _OFFICIAL.match(base)


def _base_problem(base: str, date: datetime.date) -> tuple[str, bool]:
    """What is wrong with a base, "" if nothing, and whether that is certain."""
    if "$" in base:
        return f"{base} has a variable that is not known", False
    official = _official(base)
    if official is None:
        return f"{base} is neither Debian nor Alpine nor an image of the project", True
    family, tag = official["family"], official["tag"] or ""
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


def _bases(project: Project) -> Iterator[tuple[Service, Stage, str]]:
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


def _penultimate(project: Project, date: datetime.date) -> Finding:
    """Item 13 asks for the release; item 33 for the way it is named, too."""
    if problem := _unreadable(project):
        return problem
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    good: list[Evidence] = []
    for _service, stage, where in _bases(project):
        problem_text, certain = _base_problem(stage.base, date)
        if problem_text:
            (failures if certain else warnings).append(Evidence(where, problem_text))
        else:
            good.append(Evidence(where, f"FROM {stage.base}"))
    if not good and not failures and not warnings:
        failures.append(Evidence("srcs", "there is no Dockerfile with a FROM"))
    return judged(failures, warnings, good)


def _one_dockerfile_each(project: Project, _date: datetime.date) -> Finding:
    if problem := _unreadable(project):
        return problem
    failures = [
        Evidence("srcs/docker-compose.yml", f"there is no service for {role}")
        for role in ROLES
        if role not in project.roles
    ]
    good: list[Evidence] = []
    used: dict[str, Service] = {}
    for service in project.services.values():
        if not service.built:
            if reference(service.image) not in project.local_images:
                failures.append(Evidence(service.where, f"{service.name} has no `build:`"))
            continue
        file = project.dockerfiles.get(service.name)
        path = _file(project, service)
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


def _own_images(project: Project, _date: datetime.date) -> Finding:
    if problem := _unreadable(project):
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
                if source and not own and not _official(source):
                    failures.append(Evidence(project.where(service, one), f"copies from the ready-made image {source}"))
    for service, stage, where in _bases(project):
        if not _official(stage.base) and "$" not in stage.base and stage.base != "scratch":
            failures.append(Evidence(where, f"{service.name} is built on the ready-made image {stage.base}"))
    for service in project.services.values():
        for owner, stage in project.builders(service):
            for one in stage.instructions:
                for source in run_texts(one, "") if one.name == "RUN" else ():
                    for command in shell.parse(source.text).commands:
                        if command.name == "docker" and "pull" in command.words:
                            failures.append(Evidence(project.where(owner, one), command.place.text))
    return judged(failures, [], [Evidence(_file(project, one)) for one in project.services.values() if one.built])


def _named_after_service(project: Project, _date: datetime.date) -> Finding:
    if problem := _unreadable(project):
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


CHECKS: dict[int, Check] = {
    9: _no_host_network,
    10: _names_network,
    11: _no_link,
    12: _commands,
    13: _penultimate,
    14: _background,
    15: _endless,
    31: _one_dockerfile_each,
    32: _own_images,
    33: _penultimate,
    34: _named_after_service,
    36: _joined,
}
