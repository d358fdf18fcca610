# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running stack shows of the evaluation sheet. Private to this collection.

observe() asks Docker and looks into the containers, judge() says what that means for the items; nothing is changed by
either. The stack may be anybody's: services are found by their names, WordPress by its files.
"""

from __future__ import annotations

import datetime
import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _releases
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
    Result,
    result,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation_run import Answer, run

# How people call the services; the first name is the sheet's.
KINDS = {
    "nginx": ("nginx",),
    "wordpress": ("wordpress", "wp"),
    "mariadb": ("mariadb", "mysql", "db"),
    "redis": ("redis",),
    "ftp": ("ftp",),
    "adminer": ("adminer",),
    "static": ("static", "website", "site", "portfolio", "resume", "showcase"),
}
MANDATORY = ("nginx", "wordpress", "mariadb")
IDLE = re.compile(r"^(\S*/)?((ba|da|a|z)?sh(\s+-\w*c\b.*)?|tail\b.*|sleep\b.*|cat|yes)\s*$")


@dataclass
class WordPress:
    """What WordPress says of itself, through its own functions."""

    users: list[tuple[str, list[str]]] = field(default_factory=list)
    tables: int = 0
    posts: int = 0
    home: str = ""
    object_cache: bool = False
    drop_in: str = ""
    folder: str = ""
    php: str = ""
    problem: str = ""


@dataclass
class Stack:
    """The containers of a project and what was seen in them, by the names of their services."""

    login: str
    domain: str
    project: str
    services: list[str] = field(default_factory=list)
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    releases: dict[str, dict[str, str]] = field(default_factory=dict)
    nginx: dict[str, str] = field(default_factory=dict)
    open_80: dict[str, bool] = field(default_factory=dict)
    root_login: Answer | None = None
    wordpress: WordPress = field(default_factory=WordPress)

    def named(self, kind: str) -> str | None:
        """The service of a kind: by its exact name, else by one that has the name in it."""
        for name in KINDS[kind]:
            if name in self.containers:
                return name
        among = (one for one in self.containers if any(name in one.lower() for name in KINDS[kind]))
        return next(among, None)

    def running(self, service: str | None) -> bool:
        return bool(service and self.containers[service]["State"]["Running"])


# --- Observing ---


def docker(*argv: str, timeout: float = 60) -> Answer:
    return run(["docker", *argv], timeout)


def listed(*argv: str) -> list[str]:
    """The words that Docker prints, without the warnings that it has for the project: none where it fails."""
    answer = run(["docker", *argv], errors=False)
    return answer.output.split() if answer.ok else []


def inspected(kind: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """What Docker says of objects; those that went away meanwhile are left out."""
    found = []
    for name in names:
        answer = run(["docker", kind, "inspect", name], errors=False)
        if answer.ok:
            found += json.loads(answer.output)
    return found


def is_of(project: str, container: dict[str, Any]) -> bool:
    """Whether a container was made by a compose file of the project."""
    labels = container["Config"]["Labels"] or {}
    files = labels.get("com.docker.compose.project.config_files", "").split(",")
    root = Path(project).resolve()
    return any(file and Path(file).resolve().is_relative_to(root) for file in files)


def containers_of(project: str) -> dict[str, dict[str, Any]]:
    """The containers of a project by their services, stopped ones too."""
    ids = listed("ps", "--all", "--quiet", "--no-trunc")
    mine = [one for one in inspected("container", ids) if is_of(project, one)]
    return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in mine}


def inside(container: dict[str, Any], script: str, *args: str, timeout: float = 60) -> Answer:
    """A shell script in a container, as the user that the image names."""
    return docker("exec", container["Id"], "sh", "-c", script, "sh", *args, timeout=timeout)


def release(container: dict[str, Any]) -> dict[str, str]:
    """What the image says that it is."""
    lines = inside(container, "cat /etc/os-release").output.splitlines()
    return {name: value.strip("\"'") for name, dummy, value in (line.partition("=") for line in lines)}


def first_process(container: dict[str, Any]) -> str:
    """The command line of PID 1."""
    try:
        return Path(f"/proc/{container['State']['Pid']}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def connects(address: str, port: int, timeout: float = 5) -> bool:
    """Whether somebody takes a connection there."""
    try:
        socket.create_connection((address, port), timeout).close()
    except OSError:
        return False
    return True


def addresses(domain: str) -> list[str]:
    """By which addresses people reach the machine: its own, and what the domain resolves to."""
    own = re.findall(r"inet ([\d.]+)", run(["ip", "-4", "address", "show", "scope", "global"]).output)
    try:
        named = [str(entry[4][0]) for entry in socket.getaddrinfo(domain, 80, type=socket.SOCK_STREAM)]
    except OSError:
        named = []
    return sorted({"127.0.0.1", *own, *named})


# Everything after the mark is JSON; a plugin may print what it likes before it.
_ASK = r"""
error_reporting(0);
$_SERVER["HTTP_HOST"] = $argv[2]; $_SERVER["REQUEST_URI"] = "/"; $_SERVER["HTTPS"] = "on";
require $argv[1];
global $wpdb;
$users = array_map(fn($user) => [$user->user_login, array_values($user->roles)], get_users(["number" => 50]));
$drop_in = WP_CONTENT_DIR . "/object-cache.php";
echo "\n<<<inception>>>", json_encode([
    "users" => $users,
    "tables" => count($wpdb->get_col("SHOW TABLES")),
    "posts" => (int) $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->posts"),
    "home" => home_url(),
    "object_cache" => (bool) wp_using_ext_object_cache(),
    "drop_in" => is_readable($drop_in) ? substr(file_get_contents($drop_in), 0, 200000) : "",
]);
"""
_FIND = r"""
for folder in "$@" /var/www/html /var/www/wordpress /var/www /usr/share/wordpress; do
    [ -f "$folder/wp-load.php" ] && { echo "$folder"; break; }
done
for folder in /usr/local/bin /usr/bin; do
    for php in "$folder"/php "$folder"/php[0-9]*; do [ -x "$php" ] && { echo "$php"; exit; }; done
done
"""


def ask_wordpress(container: dict[str, Any], domain: str) -> WordPress:
    """Its users, its tables, its cache, by its own functions in its own container."""
    places = [mount["Destination"] for mount in container["Mounts"] if mount["Type"] != "tmpfs"]
    found = inside(container, _FIND, *places).output.split("\n")
    folder = next((line for line in found if line.startswith("/") and "/php" not in line), "")
    php = next((line for line in found if re.search(r"/php[\d.]*$", line)), "")
    if not folder or not php:
        return WordPress(problem="no wp-load.php in its container" if not folder else "no php for the command line")
    answer = docker("exec", container["Id"], php, "-r", _ASK, f"{folder}/wp-load.php", domain, timeout=120)
    dummy, mark, told = answer.output.rpartition("<<<inception>>>")
    if not mark:
        return WordPress(folder=folder, php=php, problem=f"WordPress does not start: {answer.tail(5)}")
    values = json.loads(told)
    drop_in = "redis" if re.search(r"redis", values.pop("drop_in"), re.IGNORECASE) else ""
    users = [(str(login), list(roles)) for login, roles in values.pop("users")]
    return WordPress(**values, users=users, drop_in=drop_in, folder=folder, php=php)


def try_root(container: dict[str, Any]) -> Answer:
    """Sign in to the database as root without a password, as the sheet has it done."""
    client = 'client=$(command -v mariadb || command -v mysql) && "$client"'
    answer = inside(container, f"{client} --no-defaults --user=root --execute='SELECT CURRENT_USER()'")
    if "ERROR 2002" in answer.output:
        answer = inside(container, f"{client} --user=root --execute='SELECT CURRENT_USER()'")
    return answer


def observe(login: str, domain: str, project: str) -> Stack:
    """The running stack of a project."""
    stack = Stack(login, domain, project, containers=containers_of(project))
    compose = str(Path(project, "srcs/docker-compose.yml"))
    stack.services = listed("compose", "--file", compose, "config", "--services") or list(stack.containers)
    names = {name for one in stack.containers.values() for name in one["NetworkSettings"]["Networks"] if name != "host"}
    stack.networks = {one["Name"]: one for one in inspected("network", sorted(names))}
    volumes = {m["Name"] for one in stack.containers.values() for m in one["Mounts"] if m["Type"] == "volume"}
    stack.volumes = {one["Name"]: one for one in inspected("volume", sorted(volumes))}
    for service, container in stack.containers.items():
        if stack.running(service):
            stack.first[service] = first_process(container)
            stack.releases[service] = release(container)
            look = "command -v nginx; find / -xdev -type f -name nginx -perm -100 2>/dev/null | head -n 1"
            stack.nginx[service] = inside(container, look).output.strip().partition("\n")[0]
    stack.open_80 = {address: connects(address, 80) for address in addresses(domain)}
    if stack.running(wordpress := stack.named("wordpress")):
        stack.wordpress = ask_wordpress(stack.containers[str(wordpress)], domain)
    if stack.running(mariadb := stack.named("mariadb")):
        stack.root_login = try_root(stack.containers[str(mariadb)])
    return stack


# --- Judging ---

Judge = Callable[[Stack], Iterator[Result]]


def verdict(number: int, wrong: list[Evidence], right: list[Evidence], *, bad: str = FAIL) -> Result:
    """A failure with what is wrong, else a pass with what is right; undetermined where there is neither."""
    return result(number, bad if wrong else PASS if right else UNDETERMINED, wrong or right)


def image_names(stack: Stack) -> Iterator[Result]:
    """34: repository of the image = name of the service."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for service, container in stack.containers.items():
        image = container["Config"]["Image"]
        name, dummy, tag = image.rsplit("/", 1)[-1].partition(":")
        entry = Evidence("docker ps", f"{service} runs the image {image}")
        (right if name == service and tag not in ("", "latest") else wrong).append(entry)
    yield verdict(34, wrong, right)


def all_up(stack: Stack) -> Iterator[Result]:
    """35: every service of the compose file has a container that runs, is not unwell, and has not crashed."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for service in sorted({*stack.services, *stack.containers}):
        container = stack.containers.get(service)
        if not container:
            wrong.append(Evidence("docker compose ps", f"{service} has no container"))
            continue
        state = container["State"]
        health = state.get("Health", {}).get("Status", "")
        status = ", ".join(filter(None, (state["Status"], health)))
        told = f"{service}: {status}, restarted {container['RestartCount']} times"
        well = state["Status"] == "running" and health in ("", "healthy") and not container["RestartCount"]
        (right if well else wrong).append(Evidence("docker compose ps", told))
    if not stack.containers:
        wrong = [Evidence("docker compose ps", f"no container of {stack.project} is there")]
    yield verdict(35, wrong, right)


def own_containers(stack: Stack) -> Iterator[Result]:
    """39, 45, 52: NGINX, WordPress and MariaDB run, each in its container."""
    for number, kind in ((39, "nginx"), (45, "wordpress"), (52, "mariadb")):
        service = stack.named(kind)
        state = stack.containers[service]["State"]["Status"] if service else "not there"
        entry = [Evidence("docker compose ps", f"{service or kind}: {state}")]
        yield result(number, PASS if stack.running(service) else FAIL, entry)


def bases(stack: Stack) -> Iterator[Result]:
    """13, 33: what is in the image is the penultimate release."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    today = datetime.datetime.now(tz=datetime.UTC).date()
    for service, values in stack.releases.items():
        family = values.get("ID", "")
        if family not in _releases.RELEASES:
            # An image from a local one may have no os-release; the Dockerfile tells.
            if family:
                wrong.append(Evidence(f"/etc/os-release of {service}", values.get("PRETTY_NAME", family)))
            continue
        wanted = _releases.penultimate(family, today)
        there = values.get("VERSION_ID", "")
        fits = there == wanted.version or there.startswith(f"{wanted.version}.")
        (right if fits else wrong).append(Evidence(f"/etc/os-release of {service}", values.get("PRETTY_NAME", there)))
    for number in (13, 33):
        yield verdict(number, wrong, right)


def networks(stack: Stack) -> Iterator[Result]:
    """9 and 36: a network of the project, and no container outside of it."""
    wrong = [
        Evidence(f"docker inspect {service}", f"NetworkMode {container['HostConfig']['NetworkMode']}, links {links}")
        for service, container in stack.containers.items()
        if (links := container["HostConfig"].get("Links") or []) or container["HostConfig"]["NetworkMode"] == "host"
    ]
    if stack.containers:
        yield verdict(9, wrong, [Evidence("docker inspect", "no container has the machine's network or a link")])
    own = [
        Evidence("docker network ls", f"{name}: {network['Driver']}, {', '.join(members)}")
        for name, network in stack.networks.items()
        if (members := members_of(stack, name)) and name != "bridge"
    ]
    outside = [
        Evidence(f"docker inspect {service}", "in no network of the project")
        for service, container in stack.containers.items()
        if not set(container["NetworkSettings"]["Networks"]) - {"bridge", "host", "none"}
    ]
    yield verdict(36, outside, own)
    if own:
        told = "\n".join(entry.text for entry in own)
        yield result(
            37, UNDETERMINED, answer=f"The networks of this project, in which services find each other by name:\n{told}"
        )


def members_of(stack: Stack, network: str) -> list[str]:
    return sorted(name for name, one in stack.containers.items() if network in one["NetworkSettings"]["Networks"])


def ports(stack: Stack) -> Iterator[Result]:
    """27: 443 of NGINX is the only published port of the mandatory services."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    for kind in MANDATORY:
        service = stack.named(kind)
        if not service:
            continue
        for inner, bindings in (stack.containers[service]["HostConfig"]["PortBindings"] or {}).items():
            for bound in bindings or []:
                entry = Evidence(f"docker port {service}", f"{inner} -> {bound['HostPort']}")
                fits = kind == "nginx" and bound["HostPort"] == "443"
                (right if fits else wrong).append(entry)
    if not right and stack.containers:
        wrong.append(Evidence("docker compose ps", "port 443 is not published"))
    yield verdict(27, wrong, right)


def plain_http(stack: Stack) -> Iterator[Result]:
    """30, 40: nobody takes a connection on port 80."""
    if not stack.containers:
        return
    wrong = [Evidence(f"{address}:80", "takes a connection") for address, is_open in stack.open_80.items() if is_open]
    right = [Evidence(f"{address}:80", "no connection") for address, is_open in stack.open_80.items() if not is_open]
    for number in (30, 40):
        yield verdict(number, wrong, right)


def no_nginx(stack: Stack) -> Iterator[Result]:
    """44, 51: no NGINX in the images of WordPress and MariaDB."""
    for number, kind in ((44, "wordpress"), (51, "mariadb")):
        service = stack.named(kind)
        if service in stack.nginx:
            found = stack.nginx[service]
            yield result(
                number, FAIL if found else PASS, [Evidence(f"find / -name nginx in {service}", found or "none")]
            )


def data_volumes(stack: Stack) -> Iterator[Result]:
    """46, 53: the volumes of the site and of the database are in the data folder."""
    wanted = f"/home/{stack.login}/data/"
    for number, kind in ((46, "wordpress"), (53, "mariadb")):
        service = stack.named(kind)
        if not service:
            continue
        wrong: list[Evidence] = []
        right: list[Evidence] = []
        for mount in stack.containers[service]["Mounts"]:
            if mount["Type"] == "volume":
                volume = stack.volumes.get(mount["Name"], {})
                place = (volume.get("Options") or {}).get("device") or volume.get("Mountpoint", "")
                entry = Evidence(f"docker volume inspect {mount['Name']}", f"{mount['Destination']}: {place}")
                (right if f"{place}/".startswith(wanted) else wrong).append(entry)
            elif mount["Type"] == "bind" and mount["Destination"].startswith(("/var/www", "/var/lib/mysql")):
                told = f"{mount['Destination']} is the folder {mount['Source']}, no volume"
                wrong.append(Evidence(f"docker inspect {service}", told))
        if not right and not wrong:
            wrong = [Evidence(f"docker inspect {service}", "no volume")]
        yield verdict(number, wrong, right)


def users(stack: Stack) -> Iterator[Result]:
    """29, 41: installed; 47, 48: two users, and no administrator called admin."""
    seen = stack.wordpress
    if not stack.running(stack.named("wordpress")):
        return
    if seen.problem:
        yield result(48, UNDETERMINED, [Evidence("WordPress", seen.problem)])
        return
    where = f"get_users() in {stack.named('wordpress')}"
    told = [Evidence(where, f"{login}: {', '.join(roles) or 'no role'}") for login, roles in seen.users]
    administrators = [login for login, roles in seen.users if "administrator" in roles]
    called = [login for login in administrators if "admin" in login.lower()]
    bad = bool(called) or not administrators
    yield result(48, FAIL if bad else UNDETERMINED, told)
    if len(seen.users) < 2:
        yield result(47, FAIL, [*told, Evidence(where, "there is no second user")])
    yield result(29, PASS if seen.users else FAIL, [Evidence("home_url()", seen.home)])


def database(stack: Stack) -> Iterator[Result]:
    """54: root without a password is refused, and there is something in the database."""
    wrong: list[Evidence] = []
    right: list[Evidence] = []
    unknown: list[Evidence] = []
    if stack.root_login is not None:
        entry = Evidence("mariadb -u root, without a password", stack.root_login.tail(3))
        refused = re.search(r"ERROR (1045|1698|1130)\b", stack.root_login.output)
        (wrong if stack.root_login.ok else right if refused else unknown).append(entry)
    if stack.wordpress.tables:
        entry = Evidence("SHOW TABLES", f"{stack.wordpress.tables} tables, {stack.wordpress.posts} posts and pages")
        (right if stack.wordpress.posts else wrong).append(entry)
    service = stack.named("mariadb")
    answer = f"docker exec -it {service} mariadb -u root -p, with root's password." if service else ""
    state = FAIL if wrong else PASS if len(right) == 2 else UNDETERMINED
    yield result(54, state, [*wrong, *right, *unknown], answer=answer)


def first_processes(stack: Stack) -> Iterator[Result]:
    """12: PID 1 is a service, and no shell, tail or sleep."""
    entries = {name: Evidence(f"PID 1 of {name}", command) for name, command in stack.first.items() if command}
    wrong = [entry for entry in entries.values() if IDLE.match(entry.text)]
    yield verdict(12, wrong, list(entries.values()))


def restart_policies(stack: Stack) -> Iterator[Result]:
    """35: a container without a policy stays down after a crash."""
    wrong = [
        Evidence(f"docker inspect {service}", f"restart policy: {name or 'no'}")
        for service, container in stack.containers.items()
        if (name := container["HostConfig"]["RestartPolicy"]["Name"]) in ("", "no")
    ]
    if wrong:
        yield result(35, WARNING, wrong)


def redis(stack: Stack) -> Iterator[Result]:
    """57: WordPress's object cache is a drop-in for Redis that is on."""
    service = stack.named("redis")
    if not service:
        return
    cache = stack.wordpress
    told = (
        f"wp_using_ext_object_cache(): {str(cache.object_cache).lower()}; drop-in: {cache.drop_in or 'none for Redis'}"
    )
    good = stack.running(service) and cache.object_cache and bool(cache.drop_in)
    state = UNDETERMINED if cache.problem else PASS if good else FAIL
    yield result(57, state, [Evidence("WordPress", cache.problem or told)])


def missing_bonus(stack: Stack) -> Iterator[Result]:
    """A bonus service that the compose file does not have."""
    for number, kind in ((57, "redis"), (58, "ftp"), (60, "adminer")):
        if stack.containers and not stack.named(kind):
            yield result(number, NOT_APPLICABLE)


JUDGES: tuple[Judge, ...] = (
    networks,
    first_processes,
    bases,
    ports,
    plain_http,
    image_names,
    all_up,
    restart_policies,
    own_containers,
    no_nginx,
    data_volumes,
    users,
    database,
    redis,
    missing_bonus,
)


def judge(stack: Stack) -> list[Result]:
    """What the running stack says of each item that it shows."""
    return [found for look in JUDGES for found in look(stack)]
