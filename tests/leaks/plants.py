# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a made-up value into each place, and takes it away again: the proof that the search would have found a real one.

python3 -m tests.leaks.plants, as root on the machine, reads a line with the values, says that they are planted, and
removes them when its standard input ends: so they go whatever becomes of the tests. On the control node the tests call
the same functions. Each plant gets into its own place alone: Docker is asked over its socket, since a command line
would be a second place. Python's own library only.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import html
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

Plant = Callable[[str], AbstractContextManager[object]]
NAME = "inception-plant"


def in_base64(value: str) -> str:
    """As a password is sent along with a request."""
    return base64.b64encode(f"user:{value}".encode()).decode()


def in_address(value: str) -> str:
    return f"https://example.org/?password={urllib.parse.quote(value, safe='')}&more"


def in_json(value: str) -> str:
    return json.dumps({"password": value})


@contextmanager
def file(path: Path, content: str | bytes) -> Iterator[None]:
    """A file of its own, and the folders that it needs."""
    folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        for folder in folders:
            folder.rmdir()


@contextmanager
def line(path: Path, content: str) -> Iterator[None]:
    """A line at the end of a file, which may not be there yet."""
    if not path.exists():
        with file(path, f"{content}\n"):
            yield
        return
    size = path.stat().st_size
    try:
        with path.open("a", encoding="utf-8") as lines:
            print(content, file=lines)
        yield
    finally:
        os.truncate(path, size)


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[None]:
    """A process that sleeps, seen by the watch; what it is called with goes straight to the kernel."""
    command = [sys.executable, "-c", "import time; time.sleep(3600)", *arguments]
    with subprocess.Popen(command, env={**os.environ, **environment}) as sleeping:
        try:
            time.sleep(0.5)
            yield
        finally:
            sleeping.kill()


class Docker(http.client.HTTPConnection):
    """The engine, over its socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/docker.sock")

    @classmethod
    def ask(cls, method: str, path: str, body: object = None) -> Any:
        packed = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        with contextlib.closing(cls("docker")) as connection:
            connection.request(method, path, packed if body is not None else None, {"Content-Type": kind})
            answer = connection.getresponse()
            content = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status}"
        return json.loads(content) if content.startswith((b"{", b"[")) else None


def some_image() -> str:
    """One of the stack's own images."""
    return str(Docker.ask("GET", "/images/json")[0]["Id"])


@contextmanager
def container(label: str = "", **options: object) -> Iterator[str]:
    """A container that is there, and not started. An image has labels of Compose's: it shall not pass for a service."""
    labels = {"com.docker.compose.project": NAME, "com.docker.compose.service": NAME, "plant": label}
    body = {"Image": some_image(), "Entrypoint": ["cat"], "Cmd": [], "Labels": labels, "NetworkDisabled": True}
    body |= options
    made = Docker.ask("POST", "/containers/create", body)["Id"]
    try:
        yield made
    finally:
        Docker.ask("DELETE", f"/containers/{made}?force=true")


@contextmanager
def container_that_says(what: str) -> Iterator[None]:
    """Its process repeats what it is told, and the engine logs it."""
    with container(OpenStdin=True, StdinOnce=True) as made:
        # Docker's own client, since its socket would have to be taken over from HTTP here.
        command = ("docker", "start", "--attach", "--interactive", made)
        subprocess.run(command, input=what.encode(), check=True, stdout=subprocess.DEVNULL)
        yield


def wordpress() -> str:
    """The container of the stack's WordPress."""
    labels = ["com.docker.compose.project=inception", "com.docker.compose.service=wordpress"]
    wanted = urllib.parse.quote(json.dumps({"label": labels}))
    return str(Docker.ask("GET", f"/containers/json?filters={wanted}")[0]["Id"])


@contextmanager
def command_in_container(argument: str) -> Iterator[None]:
    """A command that is over when the search begins; the engine forgets it by itself."""
    command = {"Cmd": ["sh", "-c", "sleep 0.5", argument]}
    made = Docker.ask("POST", f"/containers/{wordpress()}/exec", command)["Id"]
    Docker.ask("POST", f"/exec/{made}/start", {"Detach": True})
    while Docker.ask("GET", f"/exec/{made}/json")["Running"]:
        time.sleep(0.1)
    yield


@contextmanager
def container_in_memory(content: str) -> Iterator[None]:
    """A file in the memory of a container of the stack."""
    pid = Docker.ask("GET", f"/containers/{wordpress()}/json")["State"]["Pid"]
    with file(Path(f"/proc/{pid}/root/tmp/{NAME}"), content):
        yield


@contextmanager
def volume(label: str) -> Iterator[None]:
    Docker.ask("POST", "/volumes/create", {"Name": NAME, "Labels": {"plant": label}})
    try:
        yield
    finally:
        Docker.ask("DELETE", f"/volumes/{NAME}")


@contextmanager
def network(label: str) -> Iterator[None]:
    Docker.ask("POST", "/networks/create", {"Name": NAME, "Labels": {"plant": label}})
    try:
        yield
    finally:
        Docker.ask("DELETE", f"/networks/{NAME}")


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@contextmanager
def image(layers: list[bytes], label: str = "", history: str = "") -> Iterator[None]:
    """An image of one's own making, as docker load takes it."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"plant": label}},
        "history": [{"created_by": history} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
    }
    digest = hashlib.sha256(json.dumps(config).encode()).hexdigest()
    # A name of its own, since several of them are there at once.
    name = f"{NAME}:{digest[:12]}"
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": [f"layer{i}.tar" for i in range(len(layers))]}]
    files = {f"layer{i}.tar": layer for i, layer in enumerate(layers)}
    described = {"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode()}
    Docker.ask("POST", "/images/load?quiet=1", archive(**files, **described))
    try:
        yield
    finally:
        Docker.ask("DELETE", f"/images/{name}?force=true")


@contextmanager
def journal(message: str) -> Iterator[None]:
    """A message to the system's log; to take it back, what is logged so far is thrown away."""
    subprocess.run(("logger", "--tag", NAME), input=message.encode(), check=True)
    # The journal is written now and not later.
    subprocess.run(("journalctl", "--sync"), check=True)
    try:
        yield
    finally:
        subprocess.run(("journalctl", "--quiet", "--rotate", "--vacuum-time=1us"), check=True)


def machine_plants(login: str) -> dict[str, Plant]:
    """What is planted on the machine, by its name."""
    home = Path("/home", login)
    nothing = archive(password=b"")
    return {
        "an argument": lambda value: process(f"--password={value}"),
        "a variable": lambda value: process(AUTHORIZATION=in_base64(value)),
        "a container's variable": lambda value: container(Env=[f"PASSWORD={value}"]),
        "a container's label": lambda value: container(label=in_address(value)),
        "a command in a container": command_in_container,
        "a volume's label": volume,
        "a network's label": network,
        "an image's label": lambda value: image([nothing], label=in_base64(value)),
        "a command of an image's history": lambda value: image([nothing], history=f"RUN login {value}"),
        "a deleted file of a layer": lambda value: image([archive(key=value.encode()), archive(**{".wh.key": b""})]),
        "a compressed file of a layer": lambda value: image([archive(plant=gzip.compress(value.encode()))]),
        "the name of a file of a layer": lambda value: image([archive(**{value: b""})]),
        "a container's output": container_that_says,
        "a file in a container's memory": container_in_memory,
        "a message to the journal": lambda value: journal(in_address(value)),
        "root's shell history": lambda value: line(Path("/root/.bash_history"), f"mariadb --password='{value}'"),
        "the login's shell history": lambda value: line(home / ".bash_history", f"curl {in_address(value)}"),
        "a module that Ansible left": lambda value: file(Path("/root/.ansible/tmp/plant/args"), in_json(value)),
        "a line of a log": lambda value: line(Path("/var/log/dpkg.log"), in_json(value)),
        "a compressed log": lambda value: file(Path("/var/log/plant.log.1.gz"), gzip.compress(value.encode())),
        "a temporary file": lambda value: file(Path("/tmp/plant"), in_base64(value)),
        "the project's settings": lambda value: line(home / "inception/srcs/.env", f"# {value}"),
        "a file beside the secrets": lambda value: file(home / "inception/secrets/plant.env", value),
        "a copy of a secret": lambda value: file(home / "inception/secrets/db_password.txt.bak", value),
        "the site's files": lambda value: file(home / "data/wordpress/plant.php", in_json(value)),
        "the database's files": lambda value: file(home / "data/mariadb/plant", value),
        "a setting of the system": lambda value: file(Path("/etc/plant.conf"), in_base64(value)),
        "a compressed copy": lambda value: file(Path("/var/lib/plant.gz"), gzip.compress(value.encode())),
        "the name of a file": lambda value: file(Path("/opt", value), ""),
    }


def git(repository: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=plant", "-c", "user.email=plant@example.org")
    subprocess.run(("git", "-C", str(repository), *identity, *arguments), check=True, stdout=subprocess.PIPE)


@contextmanager
def commit(repository: Path, content: str) -> Iterator[None]:
    """A file that was committed, and then removed by another commit."""
    path = repository / NAME
    try:
        with file(path, content):
            git(repository, "add", NAME)
            git(repository, "commit", "--quiet", "--message=With the plant")
        git(repository, "commit", "--quiet", "--all", "--message=Without it")
        yield
    finally:
        git(repository, "reset", "--quiet", "--hard", "HEAD~2")
        git(repository, "reflog", "expire", "--expire=now", "--all")
        git(repository, "gc", "--quiet", "--prune=now")


def control_node_plants(ephemeral: Path, checkout: Path) -> dict[str, Plant]:
    """What is planted on the control node, by its name."""
    watched = ephemeral / "watched"
    return {
        "a line of Ansible's output": lambda value: line(watched / "output", in_json(value)),
        "a line of Ansible's log": lambda value: line(watched / "ansible.log", in_base64(value)),
        "a callback's file": lambda value: file(watched / "junit/plant.xml", html.escape(value)),
        "a cached fact": lambda value: file(watched / "facts/plant", in_json(value)),
        "Ansible's local folder": lambda value: file(watched / "tmp/plant/source", value),
        "the home's Ansible folder": lambda value: file(Path.home() / ".ansible/tmp/plant/source", value),
        "molecule's folder": lambda value: file(ephemeral / "plant", in_address(value)),
        "the control node's /tmp": lambda value: file(Path("/tmp", f"{NAME}-{os.getpid()}"), in_base64(value)),
        "the collection's folder": lambda value: file(checkout / ".ansible/plant", value),
        "a file of the export": lambda value: file(watched / "project/plant", in_json(value)),
        "a removed file of the git history": lambda value: commit(watched / "project", value),
    }


@contextmanager
def planted(plants: dict[str, Plant], values: dict[str, str]) -> Iterator[None]:
    """Each value in its place."""
    with contextlib.ExitStack() as stack:
        for name, value in values.items():
            stack.enter_context(plants[name](value))
        yield


def main() -> None:
    """{"login": ..., "values": {plant: value, ...}} is one line."""
    asked = json.loads(sys.stdin.readline())
    with planted(machine_plants(asked["login"]), asked["values"]):
        print("planted", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
