# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the data is kept: volumes and their devices. Private to this collection: it may change without notice."""

from __future__ import annotations

import re

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.observe import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    FAIL,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import compose
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.compose import Located
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Check,
    Finding,
    Look,
    judged,
    seen,
    unreadable,
)

TARGETS = {
    "wordpress": re.compile(r"/var/www|/srv|/html|/wordpress|/app"),
    "mariadb": re.compile(r"/var/lib/mysql|/mysql|/mariadb|/data"),
}


_DATA = re.compile(r"(?:/home/[^/]+|~|\$[({]?HOME[)}]?)/data(?:/|$)")


def in_data_folder(kind: str) -> Check:
    def check(project: Project) -> Finding:
        if problem := unreadable(project):
            return problem
        service = project.of(kind)
        if service is None:
            return Finding(FAIL, [Evidence("srcs/docker-compose.yml", f"there is no service for {kind}")])
        mounts = kept(project, kind)
        if not mounts:
            return Finding(FAIL, [Evidence(service.where, f"{service.name} mounts no volume for what it has to keep")])
        failures: list[Evidence] = []
        warnings: list[Evidence] = []
        unknown: list[Evidence] = []
        good: list[Evidence] = []
        for mount in mounts:
            _mounted(project, mount, failures, warnings, unknown, good)
        if unknown and not failures and not warnings:
            return Finding(UNDETERMINED, unknown)
        return judged(failures, warnings, good)

    return check


def kept(project: Project, kind: str) -> list[compose.Mount]:
    """What a service has to keep: the website's files are what NGINX and WordPress share, wherever that is mounted."""
    service, nginx = project.of(kind), project.of("nginx")
    mounts = [one for one in service.mounts if not _is_file(one.target)] if service else []
    if kind == "wordpress" and nginx:
        shared = {one.source for one in nginx.mounts if one.source}
        if found := [one for one in mounts if one.source in shared and not _ABOUT_TLS.search(one.target)]:
            return found
    by_place = [one for one in mounts if TARGETS[kind].search(one.target)]
    return by_place or [one for one in mounts if one.kind == "volume" and not _ABOUT_TLS.search(one.target)]


# Certificates are shared too, and are nothing that has to be kept.
_ABOUT_TLS = re.compile(r"/ssl|/tls|/certs?(?:/|$)|/run/")


def _is_file(target: str) -> bool:
    return bool(re.search(r"\.(?:conf|cnf|ini|sh|php|sql|txt)$", target))


def _mounted(
    project: Project,
    mount: compose.Mount,
    failures: list[Evidence],
    warnings: list[Evidence],
    unknown: list[Evidence],
    good: list[Evidence],
) -> None:
    shown = f"{mount.source}:{mount.target}"
    if mount.kind == "bind":
        failures.append(Evidence(mount.where, f"{shown} is a bind mount, not a named volume"))
        return
    volumes = project.composition.get("volumes")
    if not mount.source or not isinstance(volumes, Located) or mount.source not in volumes:
        failures.append(Evidence(mount.where, f"{shown}: the compose file declares no such volume"))
        return
    volume, where = volumes[mount.source], volumes.where(mount.source)
    options = volume.get("driver_opts") if isinstance(volume, Located) else None
    if isinstance(volume, Located) and volume.get("external"):
        warnings.append(Evidence(where, f"{mount.source} is made outside of the compose file"))
        return
    device = str(options.get("device", "")) if isinstance(options, Located) else ""
    if not device:
        told = f"{mount.source} is kept in Docker's own folder: it has no `device`"
        if root := _data_root(project):
            warnings.append(Evidence(where, f"{told}; {root} moves that folder"))
        else:
            failures.append(Evidence(where, told))
        return
    where = options.where("device") if isinstance(options, Located) else where
    device = re.sub(r"/+", "/", device)
    if _DATA.match(device):
        good.append(Evidence(where, f"device: {device}"))
    elif "$" in device:
        unknown.append(Evidence(where, f"device: {device} has a variable that no file of the project has"))
    elif device.startswith("."):
        warnings.append(Evidence(where, f"device: {device} follows from where the project is"))
    else:
        failures.append(Evidence(where, f"device: {device} is not below /home/<login>/data"))


VOLUME_FIX = (
    "Declare a named volume with `driver: local` and `driver_opts` of `type: none`, `o: bind` and "
    "`device: /home/<login>/data/<name>`, and mount it by its name."
)


def _data_root(project: Project) -> str:
    """The file that moves Docker's own folder into somebody's data folder, "" where none does."""
    for path in project.files():
        for line in (project.text(path) or "").splitlines():
            home = line.partition("data-root")[2].partition("/home/")
            if home[1] and "/data" in home[2]:
                return path
    return ""


def kept_in_data_folder(kind: str) -> Look:
    """46, 53: the volumes of the site and of the database are in the data folder."""

    def look(stack: Stack) -> Finding | None:
        service, container = stack.named(kind), stack.container(kind)
        if container is None:
            return None
        wrong: list[Evidence] = []
        right: list[Evidence] = []
        for mount in container.mounts:
            if mount.kind == "volume":
                told = Evidence(f"docker volume inspect {mount.name}", f"{mount.target}: {mount.place}")
                (right if f"{mount.place}/".startswith(f"/home/{stack.login}/data/") else wrong).append(told)
            elif mount.kind == "bind" and mount.target.startswith(("/var/www", "/var/lib/mysql")):
                told = Evidence(f"docker inspect {service}", f"{mount.target} is the folder {mount.place}, no volume")
                wrong.append(told)
        return seen(wrong if right or wrong else [Evidence(f"docker inspect {service}", "no volume")], right)

    return look
