# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployed machine as the tests see it: its settings, its stack over ssh, and its site over https."""

from __future__ import annotations

import base64
import html
import http.client
import http.cookies
import io
import json
import os
import re
import socket
import ssl
import subprocess
import tarfile
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils._containers import begun

ROOT = Path(__file__).resolve().parents[2]

# The services that the subject asks for.
MANDATORY = ("mariadb", "wordpress", "nginx")
# Those of the bonus that the scenario has on its list; `mail` is a part of WordPress and no service of its own.
ON_THE_LIST = os.environ.get("INCEPTION_VERIFY_SERVICES", "").replace(",", " ").split()
BONUS = tuple(name for name in ON_THE_LIST if name != "mail")
SERVICES = MANDATORY + BONUS


def folder(service: str) -> str:
    """Where the project has a service's room."""
    return f"srcs/requirements/{'bonus/' if service in BONUS else ''}{service}"


# How long something may take on an emulated machine that has other work too; nothing is expected to.
PATIENCE = 300
BOOT_PATIENCE = 900
BUILD_PATIENCE = 3600


def wait_until(what: str, probe: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Ask until the answer is true; what fails to come is an error that says what it was."""
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(1)


class Process(NamedTuple):
    """As one look at the machine saw it; its number there may be another's a moment later."""

    pid: int
    parent: int
    args: str
    environment: str
    status: str


class Secret(str):
    """A value that a failing assertion does not print."""

    def __repr__(self) -> str:
        return "<a secret>"


@dataclass(frozen=True)
class Settings:
    """What was asked for, from the inventory and the defaults of the role inception."""

    login: str
    domain: str
    aliases: tuple[str, ...]
    https_port: int
    title: str
    admin_user: str
    user: str
    base_family: str
    wordpress_source: str
    # None where the collection chooses it by date.
    base_release: str | None
    # Where the https port is for the control node.
    address: str
    forwarded_port: int

    @property
    def project(self) -> str:
        return f"/home/{self.login}/inception"

    @property
    def data(self) -> str:
        return f"/home/{self.login}/data"

    def url(self, port: int) -> str:
        """The site's address as a browser writes it."""
        return f"https://{self.domain}" + ("" if port == 443 else f":{port}")


def read_settings(variables: dict[str, Any], forwarded_port: str | None) -> Settings:
    """From the variables of a host; testinfra hands them over as they stand, templates included."""
    defaults = yaml.safe_load((ROOT / "roles/inception/defaults/main.yml").read_text(encoding="utf-8"))
    values = {**defaults, **variables}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)

    def value(name: str) -> Any:
        found = values[name]
        while isinstance(found, str) and "{{" in found:
            found = environment.from_string(found).render(values)
        return found

    https_port = int(value("inception_https_port"))
    if forwarded_port is None:
        # A system container publishes its ports itself: address:port:port inside.
        published = [port.split(":") for port in variables.get("machine_published_ports", [])]
        inside = [port[-2] for port in published if port[-1] == str(https_port)]
        forwarded_port = inside[0] if inside else value("inception_vm_https_port")
    return Settings(
        login=value("inception_login"),
        domain=value("inception_domain"),
        aliases=tuple(value("inception_aliases")),
        https_port=https_port,
        title=value("inception_title"),
        admin_user=value("inception_admin_user"),
        user=value("inception_user"),
        base_family=value("inception_base_family"),
        wordpress_source=value("inception_wordpress_source"),
        base_release=str(variables["inception_base_release"]) if "inception_base_release" in variables else None,
        address=value("ansible_host"),
        forwarded_port=int(forwarded_port or 0),
    )


# A machine has Python, but not every one has curl. A redirect is an answer.
_PROCESSES = """
import json, pathlib
rows = []
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
        args, environment = (
            process.joinpath(name).read_bytes().replace(bytes(1), b" ").decode(errors="replace").strip()
            for name in ("cmdline", "environ")
        )
        status = process.joinpath("status").read_text()
    except OSError:
        continue
    rows.append([int(process.name), int(parent), args, environment, status])
print(json.dumps(sorted(rows)))
"""
_FETCH = """
import json, ssl, sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None
url, ca = sys.argv[1:]
tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))
try:
    with urllib.request.build_opener(tls, Stay).open(url, timeout=120) as answer:
        found = answer.status, answer.read().decode()
except urllib.error.HTTPError as error:
    found = error.code, error.read().decode()
except urllib.error.URLError as error:
    found = 0, type(error.reason).__name__
print(json.dumps(found))
"""


class Stack:
    """The project on the machine. Root looks; the login, without sudo, does what a person would do."""

    def __init__(self, host: Any, settings: Settings) -> None:
        self.host = host
        self.settings = settings

    def root(self, command: str, *args: str) -> str:
        """The output of a command that has to succeed."""
        result = self.host.run(command, *args)
        assert result.rc == 0, f"{command!r} ended with {result.rc}: {result.stderr[-2000:]}"
        return str(result.stdout)

    def entries(self, folder: str) -> list[str]:
        """What is in a folder, but for hidden files; testinfra asks ls for more than busybox's knows."""
        return self.root("ls -1 %s", folder).splitlines()

    def login(self, command: str) -> str:
        """The same as the login, in a session of its own, in the project folder."""
        return self.root(
            "timeout %s su - %s -c %s",
            str(BUILD_PATIENCE),
            self.settings.login,
            f"cd {self.settings.project} && {command}",
        )

    def compose(self, command: str) -> str:
        return self.login(f"docker compose --file srcs/docker-compose.yml {command}")

    def config(self) -> dict[str, Any]:
        """The compose file as compose understands it."""
        config: dict[str, Any] = json.loads(self.compose("config --format json"))
        return config

    def containers(self) -> dict[str, dict[str, Any]]:
        """What Docker says of the container of each service, stopped ones too."""

        def once() -> list[dict[str, Any]] | None:
            """None where one of them went in between, as when another takes over from it."""
            ids = self.root("docker ps --all --quiet --filter label=com.docker.compose.project=inception").split()
            if not ids:
                return []
            told = self.host.run("docker inspect " + " ".join(ids))
            if told.rc != 0 and "no such" in told.stderr.lower():
                return None
            assert told.rc == 0, told.stderr[-2000:]
            found: list[dict[str, Any]] = json.loads(told.stdout)
            return found

        found = next((one for one in (once() for _ in range(10)) if one is not None), None)
        assert found is not None, "containers come and go: none of ten looks found each that the look before it named"
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def execute(self, service: str, *argv: str) -> Any:
        """A command inside a service's container; it may fail."""
        container = self.containers()[service]["Id"]
        return begun(
            lambda: self.host.run("docker exec %s" + " %s" * len(argv), container, *argv),
            lambda answer: (answer.rc, answer.stdout or answer.stderr),
        )

    def fetch(self, url: str) -> tuple[int, str]:
        """A page as the machine itself gets it, with its certificate verified; 0 and the reason without an answer."""
        ca = f"{self.settings.project}/secrets/ca.crt"
        status, text = json.loads(self.root("python3 -c %s %s %s", _FETCH, url, ca))
        return int(status), str(text)

    def sql(self, query: str) -> list[list[str]]:
        """Rows of a query that the WordPress user may make, with that user's password."""
        client = "mariadb --defaults-file=/run/mysqld/client.cnf --skip-column-names --batch"
        result = self.execute("mariadb", "sh", "-c", f'{client} "$MARIADB_DATABASE" --execute "$0"', query)
        assert result.rc == 0, result.stderr
        return [line.split("\t") for line in result.stdout.splitlines()]

    def healthy(self) -> bool:
        containers = self.containers()
        return set(MANDATORY) <= set(containers) and all(is_healthy(container) for container in containers.values())

    def wait_healthy(self, seconds: float = PATIENCE) -> None:
        wait_until("every container is healthy", self.healthy, seconds)

    def processes(self, service: str) -> list[Process]:
        """Each process of a service, without what `docker exec` adds; all of it in one look, since they come and go."""
        container = self.containers()[service]
        # Not by `docker top`: the machine's ps may be busybox's, which knows other options.
        found = [Process(*row) for row in json.loads(self.root("python3 -c %s", _PROCESSES))]
        family = {container["State"]["Pid"]}
        while more := {process.pid for process in found if process.parent in family} - family:
            family |= more
        return [process for process in found if process.pid in family]

    def files(self) -> dict[str, bytes]:
        """Every file of the project outside secrets/, by its path in it."""
        packed = self.host.run("tar -C %s --exclude=./secrets -cf - .", self.settings.project)
        assert packed.rc == 0, packed.stderr
        files = {}
        with tarfile.open(fileobj=io.BytesIO(packed.stdout_bytes)) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    files[member.name.removeprefix("./")] = content.read()
        return files

    def secrets(self) -> dict[str, Secret]:
        """What nobody may find anywhere else, by the name of its file: passwords, and the keys' inner lines."""
        found = {}
        for path in self.root("find %s/secrets -type f", self.settings.project).split():
            name = path.rsplit("/", 1)[1]
            # A certificate is public, and a stamp (.env) names issues of secrets.
            if name.endswith((".crt", ".env")):
                continue
            lines = self.root("cat %s", path).splitlines()
            found[name] = Secret(max((line for line in lines if not line.startswith("-----")), key=len))
        assert len(found) >= 4, f"the secrets of the stack are not in secrets/: {sorted(found)}"
        return found


def is_healthy(container: dict[str, Any]) -> bool:
    return bool(container["State"].get("Health", {}).get("Status") == "healthy")


def leaks(secrets: dict[str, Secret], places: dict[str, bytes]) -> list[str]:
    """Which secret is in which place; the values stay out of the answer."""
    return [
        f"{name} in {place}"
        for place, content in places.items()
        for name, secret in secrets.items()
        if secret.encode() in content
    ]


def basic(name: str, password: Secret) -> dict[str, str]:
    """The header of a sign-in at the gate."""
    return {"Authorization": Secret("Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())}


@dataclass(frozen=True)
class Page:
    """An answer of the site."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*?)</title>", self.text, re.DOTALL)
        assert found, f"a page without a title: {self.text[:500]}"
        return html.unescape(found[1])

    def json(self) -> Any:
        assert self.status in (200, 201), f"{self.status}: {self.text[:500]}"
        return json.loads(self.text)


@dataclass
class Site:
    """A visitor on the control node: knows the authority's certificate, keeps cookies, follows no redirect."""

    settings: Settings
    ca: Path
    cookies: dict[str, str] = field(default_factory=dict)
    # Seconds that each step of a request may take.
    patience: float = PATIENCE

    @property
    def url(self) -> str:
        return self.settings.url(self.settings.forwarded_port)

    def request(
        self, method: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> Page:
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection(
            self.settings.domain, self.settings.forwarded_port, timeout=self.patience, context=context
        )
        # The name is for TLS and the Host header; the machine is where its port is forwarded to.
        raw = socket.create_connection((self.settings.address, self.settings.forwarded_port), timeout=self.patience)
        connection.sock = context.wrap_socket(raw, server_hostname=self.settings.domain)
        sent = dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            page = Page(response.status, response.headers, response.read().decode("utf-8", "replace"))
        finally:
            connection.close()
        for line in page.headers.get_all("Set-Cookie", []):
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return page

    def get(self, path: str, headers: dict[str, str] | None = None) -> Page:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, form: dict[str, str]) -> Page:
        return self.request(
            "POST", path, urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
        )

    def own(self) -> Site:
        """A visitor with a cookie: WordPress makes each page for him, and none comes from the cache of pages."""
        return replace(self, cookies={"own": "1"})

    def answers(self) -> bool:
        """Whether WordPress serves the front page; a service that is coming back may refuse or hang up."""
        try:
            return self.own().get("/").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_answers(self) -> None:
        wait_until(f"{self.url}/ answers 200", self.answers)

    def sign_in(self, user: str, password: str) -> Site:
        """A new visitor, signed in through the form that a person uses."""
        visitor = replace(self, cookies={})
        form = visitor.get("/wp-login.php")
        assert form.status == 200
        assert 'name="loginform"' in form.text, "the login page has no login form"
        fields = {
            "log": user,
            "pwd": password,
            "wp-submit": "Log In",
            "testcookie": "1",
            "redirect_to": f"{self.url}/wp-admin/",
        }
        page = visitor.post("/wp-login.php", fields)
        assert page.status == 302, f"{user} was not let in: {page.status}"
        assert page.location == f"{self.url}/wp-admin/"
        return visitor

    def curl(self, *options: str, path: str = "/") -> subprocess.CompletedProcess[str]:
        """The same over curl, which speaks HTTP/2."""
        where = f"{self.settings.domain}:{self.settings.forwarded_port}:{self.settings.address}"
        command = [
            "curl",
            "--silent",
            "--show-error",
            "--cacert",
            str(self.ca),
            "--resolve",
            where,
            *options,
            self.url + path,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def add_comment(visitor: Site, text: str) -> str:
    """Write a comment below the newest post as the one who is signed in; returns the path of the post."""
    post = visitor.get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]
    path = urllib.parse.urlsplit(post["link"]).path
    assert 'id="commentform"' in visitor.get(path).text, f"{path} has no form for a comment"
    fields = {"comment": text, "comment_post_ID": str(post["id"]), "comment_parent": "0", "submit": "Post Comment"}
    pages: list[Page] = []

    def accepted() -> bool:
        # WordPress lets nobody write twice within a quarter of a minute.
        pages.append(visitor.post("/wp-comments-post.php", fields))
        return pages[-1].status != 429

    wait_until("WordPress takes the comment", accepted)
    assert pages[-1].status == 302, pages[-1].text[:500]
    return path


def edit_page(visitor: Site, text: str) -> str:
    """Add a paragraph to the first page as the administrator does, by the editor's API; returns the page's path."""
    nonce = visitor.get("/wp-admin/admin-ajax.php?action=rest-nonce").text
    headers = {"X-WP-Nonce": nonce, "Content-Type": "application/json"}
    page = visitor.get("/wp-json/wp/v2/pages?per_page=1&orderby=id&order=asc&context=edit", headers).json()[0]
    content = f"{page['content']['raw']}\n<!-- wp:paragraph --><p>{text}</p><!-- /wp:paragraph -->"
    body = json.dumps({"content": content})
    visitor.request("POST", f"/wp-json/wp/v2/pages/{page['id']}", body, headers).json()
    return urllib.parse.urlsplit(page["link"]).path


@dataclass(frozen=True)
class Written:
    """What people wrote on the site, and where a visitor reads it."""

    token: str
    comment_path: str
    page_path: str

    @property
    def comment(self) -> str:
        return f"Comment {self.token} of the user."

    @property
    def paragraph(self) -> str:
        return f"Paragraph {self.token} of the administrator."

    def missing(self, site: Site) -> list[str]:
        """What a visitor who is not signed in does not see."""
        seen = ((self.comment_path, self.comment), (self.page_path, self.paragraph))
        return [text for path, text in seen if text not in site.get(path).text]


def write(stack: Stack, site: Site, token: str) -> Written:
    """A comment by the user and an edit by the administrator, both through the site."""
    secrets, settings = stack.secrets(), stack.settings
    draft = Written(token, "", "")
    comment_path = add_comment(site.sign_in(settings.user, secrets["wp_user_password.txt"]), draft.comment)
    page_path = edit_page(site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"]), draft.paragraph)
    return Written(token, comment_path, page_path)


# What keeps a container alive without being a service, or puts one into the background.
_ENDLESS = {
    "tail -f": r"\btail\b[^|;&]*\s(?:-[a-zA-Z]*[fF]\b|--follow\b)",
    "sleep infinity": r"\bsleep\s+(?:infinity|inf)\b",
    "an endless loop": (
        r"\b(?:while|until)\s+(?:true|false|:|\[\s*1\s*\]|\(\(\s*1\s*\)\)|/bin/true)(?:\s|;|$)"
        r"|\bfor\s*\(\(\s*;\s*;\s*\)\)"
    ),
    "a background command": r"(?<![&<>|])&(?![&>])\s*(?:$|[a-zA-Z#;)])",
    "a service in the background": (
        r"\bdaemonize\s*=\s*yes|\bdaemon\s+on;|\b(?:mysqld_safe|mariadbd-safe|nohup|setsid)\b|\bservice\s+\S+\s+start\b"
    ),
}
_SHELL = re.compile(r"(?:/\S*/)?(?:ba|da|a)?sh")


def endless(text: str) -> list[str]:
    """Which forbidden ways a script or a configuration goes (IMG-6)."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    # In quotes, & is a letter: of an address, or of a replacement.
    bare = [re.sub(r"'[^']*'|\"[^\"]*\"", "''", line) for line in lines]
    found = []
    for what, pattern in _ENDLESS.items():
        found += [f"{what}: {line.strip()}" for line, code in zip(lines, bare, strict=True) if re.search(pattern, code)]
    return found


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of a Dockerfile, continued lines joined."""

    instructions: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Dockerfile:
        joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
        words = (line.strip().split(None, 1) for line in joined.splitlines() if line.strip())
        return cls(tuple((word[0].upper(), word[1] if len(word) > 1 else "") for word in words))

    def all(self, *names: str) -> list[str]:
        return [value for name, value in self.instructions if name in names]

    def bases(self) -> list[str]:
        """What it is built from, stages of its own left out."""
        stages: set[str] = set()
        bases = []
        for value in self.all("FROM"):
            words = [word for word in value.split() if not word.startswith("--")]
            if words[0] not in stages:
                bases.append(words[0])
            if len(words) == 3:
                stages.add(words[2])
        return bases

    def commands(self) -> list[list[str]]:
        """The words of each CMD and ENTRYPOINT; the shell form is what it is, a shell with a command."""
        return [
            json.loads(value) if value.startswith("[") else ["/bin/sh", "-c", value]
            for value in self.all("CMD", "ENTRYPOINT")
        ]

    def bare_shells(self) -> list[list[str]]:
        """Commands that are a shell and no script for it."""
        return [
            words
            for words in self.commands()
            if not words or (_SHELL.fullmatch(words[0]) and (len(words) == 1 or words[1].startswith("-")))
        ]


def is_tagged(image: str) -> bool:
    """Whether an image is named with a tag of its own, or a digest, and not with `latest` (IMG-4)."""
    name = image.rsplit("/", 1)[-1]
    return "@sha256:" in name or (":" in name and not name.endswith(":latest"))


def unwell(host: Any) -> Iterable[str]:
    """What a person would ask for after a failure: how the containers are, and the logs of those that are not well."""
    yield str(host.run("docker ps --all --format %s", "{{.Names}}\t{{.Image}}\t{{.Status}}").stdout)
    for name in host.run("docker ps --all --format %s", "{{.Names}}").stdout.split():
        state = host.run(
            "docker inspect --format %s %s",
            "{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}",
            name,
        )
        if state.stdout.split() != ["running", "healthy"]:
            logs = host.run("docker logs --tail 40 %s", name)
            yield f"--- the last lines of {name} ({state.stdout.strip()})\n{logs.stdout}{logs.stderr}"
