# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running stack shows, as facts; the items judge them on the control node. Private to this collection.

observe() asks Docker and looks into the containers, and changes nothing. The stack may be anybody's: which service is
which was told by reading the project, WordPress is found by its files. No container's environment is among the facts.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._containers import begun
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import adminer
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.adminer import Account
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import Answer, run, within


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
class Mount:
    """What is mounted into a container: `kind` is Docker's, `place` the folder of the machine behind it."""

    kind: str
    name: str
    target: str
    place: str


@dataclass
class Container:
    """What Docker says of a service's container, and what was seen in it."""

    image: str = ""
    status: str = ""
    health: str = ""
    running: bool = False
    restarts: int = 0
    policy: str = ""
    network_mode: str = ""
    links: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    # The port in the container with its protocol, and the machine's.
    ports: list[tuple[str, str]] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    # The command line of PID 1.
    first: str = ""
    # ID, VERSION_ID and PRETTY_NAME of /etc/os-release.
    release: dict[str, str] = field(default_factory=dict)
    # Where an nginx is in it, "" for nowhere.
    nginx: str = ""
    # The TCP ports that it listens on, the page that one of them answers with, and whether a PHP is in it.
    listens: list[int] = field(default_factory=list)
    page: str = ""
    php: bool = False
    # How signing in to the database through its Adminer ends.
    sign_in: str = ""


@dataclass
class Stack:
    """The containers of a project and what was seen in them, by the names of their services."""

    login: str
    domain: str
    project: str
    # What each service of the project is, as reading it told.
    kinds: dict[str, str] = field(default_factory=dict)
    services: list[str] = field(default_factory=list)
    containers: dict[str, Container] = field(default_factory=dict)
    # The drivers of the networks.
    networks: dict[str, str] = field(default_factory=dict)
    open_80: dict[str, bool] = field(default_factory=dict)
    root_login: dict[str, Any] | None = None
    wordpress: WordPress = field(default_factory=WordPress)
    # The day of the evaluation, by which the penultimate release is told.
    day: str = ""

    def named(self, kind: str) -> str | None:
        """The service of a kind."""
        return next((service for service, its in self.kinds.items() if its == kind), None)

    def container(self, kind: str) -> Container | None:
        return self.containers.get(self.named(kind) or "")

    def running(self, kind: str) -> bool:
        container = self.container(kind)
        return bool(container and container.running)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Stack:
        """The same on the control node, where it came over JSON."""
        containers = {
            service: Container(
                **{
                    **one,
                    "ports": list(map(tuple, one["ports"])),
                    "mounts": [Mount(**mount) for mount in one["mounts"]],
                }
            )
            for service, one in values["containers"].items()
        }
        told = values["wordpress"]
        wordpress = WordPress(**{**told, "users": list(map(tuple, told["users"]))})
        return cls(**{**values, "containers": containers, "wordpress": wordpress})


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


def execute(container: dict[str, Any], *argv: str, timeout: float = 60) -> Answer:
    """A command in a container, as the user that the image names."""
    return begun(
        lambda: docker("exec", container["Id"], *argv, timeout=timeout), lambda answer: (answer.code, answer.output)
    )


def inside(container: dict[str, Any], script: str, *args: str, timeout: float = 60) -> Answer:
    """A shell script in a container."""
    return execute(container, "sh", "-c", script, "sh", *args, timeout=timeout)


def release(container: dict[str, Any]) -> dict[str, str]:
    """What the image says that it is."""
    lines = inside(container, "cat /etc/os-release").output.splitlines()
    told = {name: value.strip("\"'") for name, dummy, value in (line.partition("=") for line in lines)}
    return {name: told[name] for name in ("ID", "VERSION_ID", "PRETTY_NAME") if name in told}


def first_process(container: dict[str, Any]) -> str:
    """The command line of PID 1."""
    try:
        return Path(f"/proc/{container['State']['Pid']}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def listening(container: dict[str, Any]) -> set[int]:
    """The TCP ports that a container listens on, in its own network; Docker's name server is left out."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{container['State']['Pid']}/net/{name}").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[3] == "0A" and not fields[1].startswith("0B00007F:"):
                found.add(int(fields[1].rsplit(":", 1)[1], 16))
    return found


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
    answer = execute(container, php, "-r", _ASK, f"{folder}/wp-load.php", domain, timeout=120)
    dummy, mark, told = answer.output.rpartition("<<<inception>>>")
    if not mark:
        return WordPress(folder=folder, php=php, problem=f"WordPress does not start: {answer.tail(5)}")
    values = json.loads(told)
    drop_in = "redis" if re.search(r"redis", values.pop("drop_in"), re.IGNORECASE) else ""
    users = [(str(login), list(roles)) for login, roles in values.pop("users")]
    return WordPress(**values, users=users, drop_in=drop_in, folder=folder, php=php)


_ACCOUNT = r"""
error_reporting(0);
$_SERVER["HTTP_HOST"] = $argv[2]; $_SERVER["REQUEST_URI"] = "/"; $_SERVER["HTTPS"] = "on";
require $argv[1];
echo "\n<<<inception>>>", json_encode([DB_HOST, DB_USER, DB_PASSWORD, DB_NAME]);
"""


def account(container: dict[str, Any], told: WordPress, domain: str) -> Account | None:
    """The account that WordPress has in the database. It goes to the project's own Adminer, and to nobody else."""
    if told.problem:
        return None
    answer = execute(container, told.php, "-r", _ACCOUNT, f"{told.folder}/wp-load.php", domain)
    dummy, mark, values = answer.output.rpartition("<<<inception>>>")
    try:
        server, user, password, database = map(str, json.loads(values if mark else "null"))
    except (TypeError, ValueError):
        return None
    return Account(server, user, password, database)


def own_address(container: dict[str, Any]) -> str:
    """Its address in one of its networks."""
    networks = container["NetworkSettings"]["Networks"].values()
    return next((one["IPAddress"] for one in networks if one["IPAddress"]), "")


def try_root(container: dict[str, Any]) -> Answer:
    """Sign in to the database as root without a password, as the sheet has it done."""
    client = 'client=$(command -v mariadb || command -v mysql) && "$client"'
    answer = inside(container, f"{client} --no-defaults --user=root --execute='SELECT CURRENT_USER()'")
    if "ERROR 2002" in answer.output:
        answer = inside(container, f"{client} --user=root --execute='SELECT CURRENT_USER()'")
    return answer


def try_adminer(stack: Stack, raw: Mapping[str, dict[str, Any]], service: str) -> str:
    """How it goes to sign in to the database through a service."""
    address = own_address(raw[service])
    mine = account(raw[str(stack.named("wordpress"))], stack.wordpress, stack.domain) if address else None
    return adminer.sign_in(address, stack.containers[service].listens, mine) if mine else ""


def facts(container: dict[str, Any], volumes: Mapping[str, dict[str, Any]]) -> Container:
    """What of Docker's many words is of use; the environment, in which passwords are, is not among it."""
    state, host = container["State"], container["HostConfig"]
    ports = [
        (inner, bound["HostPort"])
        for inner, bindings in (host["PortBindings"] or {}).items()
        for bound in bindings or []
    ]
    return Container(
        image=container["Config"]["Image"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        running=state["Running"],
        restarts=container["RestartCount"],
        policy=host["RestartPolicy"]["Name"],
        network_mode=host["NetworkMode"],
        links=host.get("Links") or [],
        networks=list(container["NetworkSettings"]["Networks"]),
        ports=ports,
        mounts=[mounted(mount, volumes) for mount in container["Mounts"]],
    )


def mounted(mount: dict[str, Any], volumes: Mapping[str, dict[str, Any]]) -> Mount:
    """A mount with the folder of the machine behind it: of a volume, its device before Docker's own folder."""
    volume = volumes.get(mount.get("Name", ""), {})
    place = (volume.get("Options") or {}).get("device") or volume.get("Mountpoint") or mount.get("Source", "")
    return Mount(mount["Type"], mount.get("Name", ""), mount["Destination"], place)


_LOOK_FOR_NGINX = "command -v nginx; find / -xdev -type f -name nginx -perm -100 2>/dev/null | head -n 1"


_LOOK_FOR_PHP = "ls /usr/bin/php* /usr/sbin/php* /usr/local/bin/php* 2>/dev/null | grep -q . && echo yes"
# A page that is looked at is a small one.
_PAGE = 64 * 1024
_PAGE_SECONDS = 20.0
# The names by which NGINX and Apache tell their sites apart.
_LOOK_FOR_NAMES = (
    "grep -rhoE '(server_name|ServerName|ServerAlias)[[:space:]]+[^;#]+' "
    "/etc/nginx /usr/local/nginx/conf /etc/apache2 /etc/httpd 2>/dev/null"
)
_NAME = re.compile(r"(?i)(?!server_?(?:name|alias)$|localhost$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$")
# Asking costs time, and a stranger may have put a thousand there.
_MOST_NAMES = 10
# What servers show before anybody put a site there.
_OWN_PAGE = re.compile(
    r"Welcome to (?:nginx|OpenResty|Caddy)|(?:Apache2?|lighttpd|nginx)\b.{0,40}(?:Default|Test|Placeholder) Page"
    r"|(?:Default|Test) Page\b.{0,40}(?:Apache|lighttpd|nginx)|^It works!?$|^Caddy works|^Placeholder page$",
    re.IGNORECASE,
)


def site_names(container: dict[str, Any]) -> list[str]:
    """The names of the sites that a server in a container knows."""
    words = inside(container, _LOOK_FOR_NAMES).output.split()
    return list(dict.fromkeys(word for word in words if _NAME.match(word)))[:_MOST_NAMES]


def page(container: dict[str, Any], ports: Sequence[int]) -> str:
    """What a container answers a visitor: the status and the title, "" where it has no page.

    By its own address, and by the names of its sites where that shows none, or the server's own page.
    """
    address, first = own_address(container), ""
    for port, name in _visits(container, ports) if address else ():
        told = ask_for_page(address, port, name)
        if re.search(r": 200\b", told) and not is_servers_own(told):
            return told
        first = first or told
    return first


def _visits(container: dict[str, Any], ports: Sequence[int]) -> Iterator[tuple[int, str]]:
    for port in ports:
        yield port, ""
    for name in site_names(container):
        for port in ports:
            yield port, name


def is_servers_own(told: str) -> bool:
    """Whether a page is what the server shows where nobody made a site."""
    dummy, dummy, answer = told.partition(": ")
    return bool(_OWN_PAGE.search(answer.partition(" ")[2]))


def ask_for_page(address: str, port: int, name: str) -> str:
    """A port's page with its status and its title or first heading, "" where it has none."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    headers = {"User-Agent": "fortytwo.inception", **({"Host": name} if name else {})}
    try:
        with within(_PAGE_SECONDS):
            connection.request("GET", "/", headers=headers)
            answer = connection.getresponse()
            text = answer.read(_PAGE).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    title = re.search(r"<(title|h1)\b[^>]*>(.*?)</\1>", text, re.DOTALL | re.IGNORECASE)
    by = f" by {name}" if name else ""
    return f"port {port}{by}: {answer.status} {title[2].strip()[:100] if title else ''}".strip()


def observe(login: str, domain: str, project: str, kinds: Mapping[str, str]) -> Stack:
    """The running stack of a project."""
    raw = containers_of(project)
    stack = Stack(login, domain, project, kinds=dict(kinds))
    compose = str(Path(project, "srcs/docker-compose.yml"))
    stack.services = listed("compose", "--file", compose, "config", "--services") or list(raw)
    names = {name for one in raw.values() for name in one["NetworkSettings"]["Networks"] if name != "host"}
    stack.networks = {one["Name"]: one.get("Driver", "") for one in inspected("network", sorted(names))}
    volumes = {m["Name"] for one in raw.values() for m in one["Mounts"] if m["Type"] == "volume"}
    found = {one["Name"]: one for one in inspected("volume", sorted(volumes))}
    for service, one in raw.items():
        container = stack.containers[service] = facts(one, found)
        if container.running:
            container.first = first_process(one)
            container.release = release(one)
            container.listens = sorted(listening(one))
            container.page = page(one, container.listens)
            container.php = "yes" in inside(one, _LOOK_FOR_PHP).output
            container.nginx = inside(one, _LOOK_FOR_NGINX).output.strip().partition("\n")[0]
    stack.open_80 = {address: connects(address, 80) for address in addresses(domain)}
    if stack.running("wordpress"):
        stack.wordpress = ask_wordpress(raw[str(stack.named("wordpress"))], domain)
        for service, container in stack.containers.items():
            if container.running and stack.kinds.get(service) == "adminer":
                container.sign_in = try_adminer(stack, raw, service)
    if stack.running("mariadb"):
        answer = try_root(raw[str(stack.named("mariadb"))])
        stack.root_login = {"ok": answer.ok, "output": answer.tail(3)}
    return stack
