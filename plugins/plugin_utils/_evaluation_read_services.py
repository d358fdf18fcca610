# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items about nginx, WordPress, MariaDB and the bonus services. Private to this collection: it may change without
notice.

What is published and what nginx is told can show that an item fails; that it holds is for the running stack to show.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import (
    FAIL,
    NOT_APPLICABLE,
    UNDETERMINED,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _evaluation_compose as compose
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _evaluation_nginx as nginx
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _evaluation_shell as shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_compose import Located, Service
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_findings import Check, Finding, judged
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_project import Project, run_texts


def _open_unless(failures: list[Evidence], warnings: list[Evidence] | None = None) -> Finding:
    """Reading shows that it fails, or shows nothing."""
    return judged(failures, warnings or []) if failures or warnings else Finding(UNDETERMINED)


# --- NGINX ---


def _directives(project: Project) -> Iterator[tuple[str, nginx.Directive]]:
    service = project.roles.get("nginx")
    for path in project.below(service.context) if service and service.built else []:
        text = project.text(path)
        if text is not None and re.search(
            r"\.(?:conf|template|tmpl|tpl)$|/sites-\w+/|nginx[\w.-]*\.conf|(?:^|/)default$", path
        ):
            yield from ((f"{path}:{one.line}", one) for one in nginx.parse(text))


def _listens(directive: nginx.Directive) -> str:
    """The port that a `listen` opens, "" for anything else."""
    if directive.words[0] != "listen" or len(directive.words) < 2:
        return ""
    address = directive.words[1]
    if address.startswith("unix:"):
        return ""
    port = address.rpartition(":")[2] if "]" not in address else address.partition("]")[2].lstrip(":")
    return port if port.isdigit() else "" if port.startswith("$") else "80"


def _publishes_80(project: Project) -> list[Evidence]:
    return [
        Evidence(port.where, f"{service.name} publishes port {port.host}:{port.container}")
        for service in project.services.values()
        for port in service.ports
        if port.host == "80"
    ]


def _only_443(project: Project, _date: datetime.date) -> Finding:
    failures = _publishes_80(project)
    for role, service in project.roles.items():
        for port in service.ports:
            inside = role == "nginx" and (port.host in ("80", "443") or "$" in port.host or port.container == "443")
            if not inside:
                failures.append(Evidence(port.where, f"{service.name} publishes port {port.host or port.container}"))
    nginx_service = project.roles.get("nginx")
    if nginx_service and not nginx_service.ports and str(nginx_service.raw.get("network_mode", "")) != "host":
        failures.append(Evidence(nginx_service.where, f"{nginx_service.name} publishes no port"))
    failures += [Evidence(where, str(one)) for where, one in _directives(project) if _listens(one) == "80"]
    return _open_unless(failures)


def _certificate(project: Project, _date: datetime.date) -> Finding:
    directives = list(_directives(project))
    listening = [(where, one) for where, one in directives if one.words[0] == "listen"]
    # Without `listen` in a file of the project the configuration is made by a script.
    if listening and not any(
        one.words[0].startswith("ssl_certificate") or "ssl" in one.words for _where, one in directives
    ):
        return Finding(FAIL, [Evidence(where, f"{one}: without ssl") for where, one in listening])
    return Finding(UNDETERMINED)


def _no_port_80(project: Project, _date: datetime.date) -> Finding:
    return _open_unless(_publishes_80(project))


_OLD = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"}


def _tls_versions(project: Project, _date: datetime.date) -> Finding:
    found = [(where, one) for where, one in _directives(project) if one.words[0] == "ssl_protocols"]
    return _open_unless([Evidence(where, str(one)) for where, one in found if _OLD & set(one.words[1:])])


# --- A Dockerfile each, and no nginx where it does not belong ---


def _has_dockerfile(role: str) -> Check:
    def check(project: Project, _date: datetime.date) -> Finding:
        service = project.roles.get(role)
        path = project.dockerfile_path(service) if service and service.built else f"srcs/requirements/{role}/Dockerfile"
        if service and service.name in project.dockerfiles:
            file = project.dockerfiles[service.name]
            problem = "" if file.stages else "has no FROM" if file.instructions else "is empty"
            return judged([Evidence(path, problem)] if problem else [], [], [Evidence(path)])
        return Finding(FAIL, [Evidence(path, f"there is no Dockerfile for {role}")])

    return check


def _without_nginx(role: str) -> Check:
    def check(project: Project, _date: datetime.date) -> Finding:
        service = project.roles.get(role)
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


# --- Volumes ---

_TARGETS = {
    "wordpress": re.compile(r"/var/www|/srv|/html|/wordpress|/app"),
    "mariadb": re.compile(r"/var/lib/mysql|/mysql|/mariadb|/data"),
}
_DATA = re.compile(r"(?:/home/[^/]+|\$\{?HOME\}?|/home/\$\{?\w+\}?)/data(?:/|$)")


def _in_data_folder(role: str) -> Check:
    def check(project: Project, _date: datetime.date) -> Finding:
        service = project.roles.get(role)
        if service is None:
            return Finding(FAIL, [Evidence("srcs/docker-compose.yml", f"there is no service for {role}")])
        mounts = [one for one in service.mounts if _TARGETS[role].search(one.target) and not _is_file(one.target)]
        if not mounts:
            return Finding(FAIL, [Evidence(service.where, f"{service.name} mounts no volume for what it has to keep")])
        failures: list[Evidence] = []
        warnings: list[Evidence] = []
        good: list[Evidence] = []
        for mount in mounts:
            _mounted(project, mount, failures, warnings, good)
        return judged(failures, warnings, good)

    return check


def _is_file(target: str) -> bool:
    return bool(re.search(r"\.(?:conf|cnf|ini|sh|php|sql|txt)$", target))


def _mounted(
    project: Project, mount: compose.Mount, failures: list[Evidence], warnings: list[Evidence], good: list[Evidence]
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
        failures.append(Evidence(where, f"{mount.source} is kept in Docker's own folder: it has no `device`"))
        return
    where = options.where("device") if isinstance(options, Located) else where
    device = re.sub(r"/+", "/", device)
    if _DATA.match(device):
        good.append(Evidence(where, f"device: {device}"))
    elif "$" in device or device.startswith("~"):
        warnings.append(Evidence(where, f"device: {device} has a variable that is not known"))
    else:
        failures.append(Evidence(where, f"device: {device} is not below /home/<login>/data"))


# --- The administrator's name ---

_ADMIN_KEY = re.compile(r"ADMIN(?:ISTRATOR)?_?(?:USER(?:_?NAME)?|USR|LOGIN|NAME|N|ID)?$", re.IGNORECASE)
_OTHER_KEY = re.compile(r"MAIL|PASS|PWD|PW$|FILE|URL|TITLE|ADMINER|MYADMIN|PORT|DB_|MYSQL|MARIADB|ROOT", re.IGNORECASE)


def _administrator(project: Project, _date: datetime.date) -> Finding:
    found = [*_admin_by_command(project), *_admin_by_variable(project)]
    failures = [
        Evidence(where, f"the administrator is called {name}") for where, name in found if "admin" in name.lower()
    ]
    if failures or not found:
        return _open_unless(failures)
    return judged([], [], [Evidence(where, f"the administrator is called {name}") for where, name in found])


def _environment(project: Project) -> Iterator[tuple[str, str, str]]:
    """The variables that services get, with where each stands."""
    for path in project.files():
        name = path.rpartition("/")[2]
        if (name.startswith(".env") or name.endswith(".env")) and not re.search(r"example|sample|template|dist", name):
            text = project.text(path) or ""
            for key, value in compose.environment_file(text).items():
                line = next(
                    (
                        number
                        for number, one in enumerate(text.split("\n"), 1)
                        if re.match(rf"\s*(?:export\s+)?{re.escape(key)}\b", one)
                    ),
                    1,
                )
                yield f"{path}:{line}", key, value
    for service in project.services.values():
        environment = service.raw.get("environment")
        for key, value in service.environment.items():
            where = environment.where(key) if isinstance(environment, Located) else service.line("environment")
            yield where, key, value


def _admin_by_variable(project: Project) -> Iterator[tuple[str, str]]:
    for where, key, value in _environment(project):
        if _ADMIN_KEY.search(key) and not _OTHER_KEY.search(key) and value and "$" not in value and "@" not in value:
            yield where, value


def _admin_by_command(project: Project) -> Iterator[tuple[str, str]]:
    """What `wp core install --admin_user=` gets, as far as variables are known."""
    known = {key: value for _where, key, value in _environment(project)}
    for source in project.shell_scripts():
        for command in shell.parse(source.text, source.first_line).commands:
            joined = list(command.words)
            if "install" not in joined or "core" not in joined:
                continue
            for at, word in enumerate(joined):
                name = ""
                if word.startswith("--admin_user="):
                    name = word.partition("=")[2]
                elif word == "--admin_user" and at + 1 < len(joined):
                    name = joined[at + 1]
                name = compose.interpolate(name.strip("\"'"), known)
                if name and "$" not in name and "`" not in name:
                    yield f"{source.path}:{command.place.line}", name


# --- Bonus ---

_BONUS: dict[int, tuple[re.Pattern[str], re.Pattern[str]]] = {
    57: (re.compile(r"redis|valkey|cache"), re.compile(r"redis(?:-server)?$|valkey$")),
    58: (re.compile(r"ftp"), re.compile(r"(?:vs|pro|pure-)?ftpd?$|vsftpd$|proftpd")),
    60: (re.compile(r"adminer"), re.compile(r"adminer$")),
    59: (
        re.compile(r"static|web-?site|site$|portfolio|resume|showcase|landing|^cv$|^html|my-?page|^web$|^hugo$|^page"),
        re.compile(r"(?!)"),
    ),
}


def _bonus_services(project: Project) -> dict[int, list[Service]]:
    """The services beyond the mandatory ones, by the item that they are for; whatever is left is of choice."""
    mandatory = [one.name for one in project.roles.values()]
    left = [one for one in project.services.values() if one.name not in mandatory]
    found: dict[int, list[Service]] = {}
    for item, (name, package) in _BONUS.items():
        chosen = [one for one in left if name.search(one.name.lower())]
        if not chosen:
            chosen = [one for one in left if any(package.match(each) for each, _where in project.packages(one))][:1]
        found[item] = chosen
        left = [one for one in left if one not in chosen]
    if not found[59]:
        found[59] = [one for one in left if _is_site(project, one)][:1]
        left = [one for one in left if one not in found[59]]
    found[61] = left
    return found


def _is_site(project: Project, service: Service) -> bool:
    return any(path.endswith((".html", ".htm")) for path in project.below(service.context)) if service.built else False


def _bonus(item: int) -> Check:
    def check(project: Project, _date: datetime.date) -> Finding:
        found = _bonus_services(project)[item]
        if not found:
            return Finding(NOT_APPLICABLE, [Evidence("srcs/docker-compose.yml", "there is no such service")])
        failures: list[Evidence] = []
        good: list[Evidence] = []
        for service in found:
            file = project.dockerfiles.get(service.name)
            if file is None or not file.stages:
                failures.append(Evidence(service.where, f"{service.name} has no Dockerfile, or an empty one"))
            good.append(Evidence(service.where, f"{service.name} with {project.dockerfile_path(service)}"))
            failures += _bonus_problems(project, item, service)
        return judged(failures, [], good)

    return check


def _bonus_problems(project: Project, item: int, service: Service) -> Iterator[Evidence]:
    wordpress = project.roles.get("wordpress")
    if item == 58 and wordpress:
        website = {one.source for one in wordpress.mounts if _TARGETS["wordpress"].search(one.target)}
        if not website & {one.source for one in service.mounts}:
            yield Evidence(service.where, f"{service.name} does not mount the volume of the website files")
    if item == 59:
        for package, where in project.packages(service):
            if re.match(r"php\d*", package):
                yield Evidence(where, f"{service.name} installs {package}")
        for path in project.below(service.context) if service.built else []:
            if path.endswith(".php"):
                yield Evidence(path, f"{service.name} is written in PHP")


CHECKS: dict[int, Check] = {
    27: _only_443,
    28: _certificate,
    30: _no_port_80,
    38: _has_dockerfile("nginx"),
    40: _no_port_80,
    42: _tls_versions,
    43: _has_dockerfile("wordpress"),
    44: _without_nginx("wordpress"),
    46: _in_data_folder("wordpress"),
    48: _administrator,
    50: _has_dockerfile("mariadb"),
    51: _without_nginx("mariadb"),
    53: _in_data_folder("mariadb"),
    **{item: _bonus(item) for item in (57, 58, 59, 60, 61)},
}
