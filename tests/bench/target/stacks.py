# SPDX-License-Identifier: GPL-3.0-or-later
"""The two stacks on the machine, ours and the reference, and a visitor who looks whether they answer as they should."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.target.machine import Failed, docker, run, settle

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "reference"
SERVICES = ("mariadb", "wordpress", "nginx")


@dataclass
class Answer:
    """What a visitor got, and after how many seconds."""

    status: int
    body: bytes
    seconds: float
    headers: dict[str, str]


def connect(address: str, port: int, name: str) -> ssl.SSLSocket:
    """A connection with its handshake done. Whose certificate it is does not matter: both stacks are this machine's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((address, port), timeout=60), server_hostname=name)


@dataclass
class Stack:
    """One of the two, reached at nginx's own address in Docker's network: nothing in between takes time."""

    name: str
    project: str
    compose: list[str]
    domain: str
    port: int
    # Of the administrator, while the benchmark runs.
    session: str = field(default="", repr=False)
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.domain + ("" if self.port == 443 else f":{self.port}")

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def containers(self) -> dict[str, str]:
        """The id of each service's running container."""
        listed = docker(
            "ps", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.project}",
            "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}',
        )  # fmt: skip
        found = dict(line.split() for line in listed.splitlines())
        return {service: found[service] for service in SERVICES if service in found}

    def address(self) -> str:
        """Where nginx is now; empty while it is nowhere."""
        container = self.containers().get("nginx")
        if container is None:
            return ""
        (shown,) = json.loads(docker("inspect", container))
        addresses = [network["IPAddress"] for network in shown["NetworkSettings"]["Networks"].values()]
        return str(next(iter(filter(None, addresses)), ""))

    def image(self, service: str) -> str:
        """The name of a service's image."""
        return str(json.loads(docker("inspect", self.containers()[service]))[0]["Config"]["Image"])

    def images(self) -> dict[str, str]:
        return {
            service: json.loads(docker("inspect", container))[0]["Image"]
            for service, container in self.containers().items()
        }

    def php(self, script: str, *arguments: str) -> str:
        """What a script of ours says inside WordPress's container."""
        code = (HERE / "php" / script).read_bytes()
        container = self.containers()["wordpress"]
        return docker("exec", "--interactive", container, "php", "/dev/stdin", *arguments, input=code)

    def put(self, path: str, content: bytes, service: str = "wordpress") -> None:
        """A file of ours inside a container, removed by `take_away`."""
        command = 'mkdir -p "${0%/*}" && cat >"$0" && chmod 644 "$0"'
        docker("exec", "--interactive", self.containers()[service], "sh", "-c", command, path, input=content)

    def take_away(self, *paths: str) -> None:
        docker("exec", self.containers()["wordpress"], "rm", "-f", *paths)

    def get(self, path: str, *, address: str = "", signed_in: bool = False, gzip: bool = False) -> Answer:
        """One request on a connection of its own; the handshake is not in its time."""
        connection = http.client.HTTPSConnection(self.domain, self.port, timeout=60)
        connection.sock = connect(address or self.address(), self.port, self.domain)
        headers = {"Host": self.host}
        if signed_in:
            headers["Cookie"] = self.session
        if gzip:
            headers["Accept-Encoding"] = "gzip"
        started = time.monotonic()
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        return Answer(answer.status, body, time.monotonic() - started, {k.lower(): v for k, v in answer.getheaders()})

    def wait_for_page(self, seconds: float = 300) -> None:
        """Until the front page is good."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                address = self.address()
                if address and is_good(self.get("/", address=address)):
                    return
            except (OSError, http.client.HTTPException, Failed):
                pass
            if time.monotonic() > deadline:
                raise Failed(f"the front page of {self.name} did not come within {seconds:.0f} s")
            time.sleep(0.02)

    def stop(self) -> float:
        started = time.monotonic()
        run(*self.compose, "stop")
        return time.monotonic() - started

    def start(self) -> float:
        """Seconds until the first good page."""
        started = time.monotonic()
        with subprocess.Popen(
            [*self.compose, "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as starting:
            self.wait_for_page()
            seconds = time.monotonic() - started
            if starting.wait() != 0:
                raise Failed(f"{' '.join(self.compose)} start ended with {starting.returncode}")
        return seconds

    def settle(self) -> None:
        settle(list(self.containers().values()))

    def prepare(self) -> None:
        self.content = json.loads(self.php("content.php", "make"))
        self.session = self.php("session.php", "begin").strip()

    def clean_up(self) -> None:
        self.php("session.php", "end")
        self.php("content.php", "remove")


def is_good(answer: Answer) -> bool:
    return answer.status == 200 and b"</html>" in answer.body


def ours(project_folder: Path) -> Stack:
    """The stack that was deployed, by its project folder."""
    lines = (project_folder / "srcs/.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    owner = project_folder.owner()
    # As the login, which is what the compose file expects.
    file = project_folder / "srcs/docker-compose.yml"
    compose = f'export LOGIN_UID=$(id -u) LOGIN_GID=$(id -g); exec docker compose --file "{file}" "$@"'
    return Stack(
        name="ours",
        project="inception",
        compose=[
            "runuser",
            "--user",
            owner,
            "--",
            "env",
            f"HOME={project_folder.parent}",
            "sh",
            "-c",
            compose,
            "compose",
        ],
        domain=settings["DOMAIN"].strip("\"'"),
        port=int(settings["HTTPS_PORT"].strip("\"'")),
    )


def base_of(project_folder: Path) -> str:
    """The base image that our images are built from."""
    lines = (project_folder / "srcs/requirements/nginx/Dockerfile").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("FROM "))


class Reference:
    """The reference stack, from its build to its removal."""

    def __init__(self, base: str, ours: str) -> None:
        """`ours` is the image that it has WordPress's files from."""
        self.base = base
        self.file = REFERENCE / "docker-compose.yml"
        compose = ["env", f"BASE={base}", f"OURS={ours}", "docker", "compose", "--file", str(self.file)]
        self.stack = Stack("reference", "inception-bench-reference", compose, "reference.42.fr", 443)

    def up(self) -> float:
        """Seconds of the build, the stack then being up."""
        password = REFERENCE / "password.txt"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(24) + "\n")
        started = time.monotonic()
        run(*self.stack.compose, "build")
        built = time.monotonic() - started
        run(*self.stack.compose, "up", "--detach", "--wait")
        return built

    def down(self) -> None:
        """Nothing of it stays: containers, networks, volumes, images."""
        run(*self.stack.compose, "down", "--volumes", "--rmi", "all", "--timeout", "5")
        (REFERENCE / "password.txt").unlink(missing_ok=True)


class Client:
    """The container that the load comes from, in the network of the machine itself. It ends after two hours."""

    IMAGE = "inception-bench-client:reference"
    NAME = "inception-bench-client"

    def __init__(self, base: str) -> None:
        self.base = base

    def up(self) -> None:
        docker("build", "--quiet", "--build-arg", f"BASE={self.base}", "--tag", self.IMAGE, str(HERE / "client"))
        docker(
            "run", "--detach", "--rm", "--init", "--name", self.NAME, "--network", "host",
            "--tmpfs", "/session:mode=700", self.IMAGE, "sleep", "7200",
        )  # fmt: skip

    def know(self, stacks: list[Stack]) -> None:
        """Where the stacks are, and the session of each, which stays in memory."""
        hosts = "127.0.0.1 localhost\n" + "".join(f"{stack.address()} {stack.domain}\n" for stack in stacks)
        docker("exec", "--interactive", self.NAME, "sh", "-c", "cat >/etc/hosts", input=hosts.encode())
        for stack in stacks:
            docker(
                "exec",
                "--interactive",
                self.NAME,
                "sh",
                "-c",
                f"cat >/session/{stack.name}",
                input=stack.session.encode(),
            )

    def execute(self, *command: str) -> str:
        return docker("exec", self.NAME, *command)

    def down(self) -> None:
        if docker("ps", "--all", "--quiet", "--filter", f"name=^{self.NAME}$"):
            docker("rm", "--force", self.NAME)
        if docker("image", "ls", "--quiet", self.IMAGE):
            docker("image", "rm", self.IMAGE)
