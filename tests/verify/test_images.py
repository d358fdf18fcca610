# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images are made of, and what runs in them."""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from plugins.module_utils import _releases
from tests.verify.support import (
    SERVICES,
    Dockerfile,
    Secret,
    Settings,
    Stack,
    endless,
    folder,
    is_tagged,
    leaks,
)

# How the first process of each service calls itself.
PROGRAMS = {
    "mariadb": "mariadbd",
    "wordpress": "php-fpm",
    "nginx": "nginx",
    "redis": "redis-server",
    "ftp": "/usr/bin/python3",
    "static": "nginx",
    "adminer": "php-fpm",
    "analytics": "goaccess",
    "echo": "/usr/bin/python3",
}


@pytest.fixture(scope="module")
def dockerfiles(project_files: dict[str, bytes]) -> dict[str, Dockerfile]:
    """Every Dockerfile of the project, by its path."""
    found = {path: content for path, content in project_files.items() if path.rsplit("/", 1)[-1] == "Dockerfile"}
    return {path: Dockerfile.parse(content.decode()) for path, content in found.items()}


@pytest.mark.rule("IMG-1")
@pytest.mark.parametrize("service", SERVICES)
def test_service_has_its_dockerfile(
    compose_config: dict[str, Any], dockerfiles: dict[str, Dockerfile], settings: Settings, service: str
) -> None:
    """The compose file builds the service from the Dockerfile in its own folder, which does something."""
    build = compose_config["services"][service]["build"]
    assert build["context"] == f"{settings.project}/{folder(service)}"
    dockerfile = dockerfiles[f"{folder(service)}/{build['dockerfile']}"]
    assert dockerfile.instructions[0][0] == "FROM"
    assert dockerfile.all("RUN"), "nothing is installed"
    assert dockerfile.all("COPY"), "nothing of the project's own is in it"


@pytest.mark.rule("IMG-1")
def test_every_service_is_built(compose_config: dict[str, Any], dockerfiles: dict[str, Dockerfile]) -> None:
    """As many Dockerfiles as services, and none is a ready-made image."""
    contexts = [service["build"]["context"] for service in compose_config["services"].values()]
    assert len(set(contexts)) == len(contexts) == len(dockerfiles)


@pytest.mark.rule("IMG-2")
def test_image_has_the_name_of_its_service(
    compose_config: dict[str, Any], containers: dict[str, dict[str, Any]]
) -> None:
    """In the compose file, and of the container that runs."""
    assert set(containers) == set(compose_config["services"])
    for name, service in compose_config["services"].items():
        assert service["image"].rpartition(":")[0] == name
        assert containers[name]["Config"]["Image"] == service["image"]


@pytest.mark.rule("IMG-2")
def test_image_is_the_built_one(stack: Stack, containers: dict[str, dict[str, Any]]) -> None:
    """The name still means the very image that the container runs."""
    for container in containers.values():
        (image,) = json.loads(stack.root("docker image inspect %s", container["Config"]["Image"]))
        assert image["Id"] == container["Image"]


@pytest.mark.rule("IMG-3")
def test_base_is_the_penultimate_release(dockerfiles: dict[str, Dockerfile], settings: Settings) -> None:
    """Every stage of every image is from that release, and from nothing else."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    release = settings.base_release or _releases.penultimate(settings.base_family, today).name
    bases = {base for dockerfile in dockerfiles.values() for base in dockerfile.bases()}
    assert bases == {f"{settings.base_family}:{release}"}


@pytest.mark.rule("IMG-3")
@pytest.mark.parametrize("service", SERVICES)
def test_image_says_its_release(stack: Stack, settings: Settings, service: str) -> None:
    """What is in the image is what the name of its base promises."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    release = settings.base_release or _releases.penultimate(settings.base_family, today).name
    lines = stack.execute(service, "cat", "/etc/os-release").stdout.splitlines()
    values = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    assert values["ID"] == settings.base_family
    named = values["VERSION_CODENAME"] if settings.base_family == "debian" else values["VERSION_ID"].rsplit(".", 1)[0]
    assert named == release


@pytest.mark.rule("IMG-4")
def test_no_latest(
    dockerfiles: dict[str, Dockerfile], compose_config: dict[str, Any], project_files: dict[str, bytes]
) -> None:
    """Every image that is named anywhere has a tag, and that is not `latest`."""
    images = [base for dockerfile in dockerfiles.values() for base in dockerfile.bases()]
    images += [service["image"] for service in compose_config["services"].values()]
    assert [image for image in images if not is_tagged(image)] == []
    written = [path for path, text in project_files.items() if re.search(rb":latest\b", text)]
    assert written == []


@pytest.mark.rule("IMG-4")
def test_no_container_of_a_latest_image(containers: dict[str, dict[str, Any]]) -> None:
    """As Docker was asked to run them."""
    assert [name for name, container in containers.items() if not is_tagged(container["Config"]["Image"])] == []


@pytest.mark.rule("IMG-5")
def test_no_credential_in_a_dockerfile(dockerfiles: dict[str, Dockerfile], compose_config: dict[str, Any]) -> None:
    """No build argument or variable that is called one either, and no key is made in an image."""
    credential = re.compile(r"PASSW|PWD|SECRET|TOKEN|CREDENTIAL|_KEY\b", re.IGNORECASE)
    named = [
        value for file in dockerfiles.values() for value in file.all("ARG", "ENV", "LABEL") if credential.search(value)
    ]
    assert named == []
    made = [
        run
        for file in dockerfiles.values()
        for run in file.all("RUN")
        if re.search(r"openssl\s+(req|gen|ecparam)", run)
    ]
    assert made == []
    assert [name for name, service in compose_config["services"].items() if service["build"].get("args")] == []


# Looks for each secret in what `docker save` writes, which has the layers in it, and prints the names of those that
# are there. A text that is in a layer for certain shows that this would find one.
_SEARCH = """
import json, pathlib, subprocess, sys
folder, control, *images = sys.argv[1:]
wanted = {"the control": control.encode()}
for path in pathlib.Path(folder).iterdir():
    if path.suffix != ".crt":
        lines = [line for line in path.read_bytes().splitlines() if not line.startswith(b"-----")]
        wanted[path.name] = max(lines, key=len)
save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
longest, tail, found = max(map(len, wanted.values())), b"", set()
while chunk := save.stdout.read(1 << 24):
    window = tail + chunk
    found |= {name for name, value in wanted.items() if value in window}
    tail = window[-longest:]
assert save.wait() == 0
print(json.dumps(sorted(found)))
"""


@pytest.mark.rule("IMG-5", "LAY-4")
def test_no_secret_in_an_image(
    stack: Stack, containers: dict[str, dict[str, Any]], settings: Settings, project_files: dict[str, bytes]
) -> None:
    """No password and no key in any layer, history, label, variable or build argument of any image."""
    images = sorted(container["Config"]["Image"] for container in containers.values())
    control = project_files[f"{folder('mariadb')}/tools/entrypoint.sh"].decode().splitlines()[1]
    assert len(control) > 20
    command = "python3 -c %s %s %s" + " %s" * len(images)
    found = json.loads(stack.root(command, _SEARCH, f"{settings.project}/secrets", control, *images))
    assert found == ["the control"]


@pytest.mark.rule("IMG-5")
def test_no_secret_in_a_history(
    stack: Stack, containers: dict[str, dict[str, Any]], secrets: dict[str, Secret]
) -> None:
    """What docker history and docker image inspect show."""
    shown = {}
    for name, container in containers.items():
        image = container["Config"]["Image"]
        shown[f"the history of {name}"] = stack.root(
            "docker history --no-trunc --format %s %s", "{{json .}}", image
        ).encode()
        shown[f"the description of {name}"] = stack.root("docker image inspect %s", image).encode()
    assert leaks(secrets, shown) == []


@pytest.mark.rule("IMG-6")
def test_no_endless_or_background_command(
    dockerfiles: dict[str, Dockerfile], project_files: dict[str, bytes], compose_config: dict[str, Any]
) -> None:
    """Neither as a command of an image, nor in a script that one calls, nor in a compose command."""
    found = {path: endless(" ".join(words)) for path, file in dockerfiles.items() for words in file.commands()}
    # Neither a shell's words nor a daemon's settings: in these, & begins a letter, or joins bits.
    other = (".html", ".css", ".php")
    for path, text in project_files.items():
        if ("/tools/" in path or "/conf/" in path) and not path.endswith(other):
            found[path] = endless(text.decode())
    assert {path: ways for path, ways in found.items() if ways} == {}
    assert {path: file.bare_shells() for path, file in dockerfiles.items() if file.bare_shells()} == {}
    for name, service in compose_config["services"].items():
        assert service.get("command") is None, name
        assert service.get("entrypoint") is None, name


def others(stack: Stack, service: str) -> set[tuple[int, str]]:
    """What runs in a service's container and is not the service."""
    return {
        (process.pid, process.args)
        for process in stack.processes(service)
        if not process.args.startswith(PROGRAMS[service])
    }


@pytest.mark.rule("IMG-6")
@pytest.mark.parametrize("service", SERVICES)
def test_nothing_else_runs(stack: Stack, service: str) -> None:
    """Every process is the service's: no shell waits, nothing was left in the background."""
    assert stack.processes(service)
    stay = others(stack, service)
    if stay:
        # The watch of busybox's timeout outlives what it watched, a health check's question, by a second.
        time.sleep(3)
        stay &= others(stack, service)
    assert stay == set()


@pytest.mark.rule("IMG-7")
@pytest.mark.parametrize("service", SERVICES)
def test_first_process_is_the_service(stack: Stack, containers: dict[str, dict[str, Any]], service: str) -> None:
    """PID 1 of the container is the service itself, and not a shell that called it."""
    pid = str(containers[service]["State"]["Pid"])
    status = stack.root("cat %s", f"/proc/{pid}/status")
    assert re.search(r"^NSpid:.*\s1$", status, re.MULTILINE)
    assert stack.root("cat %s", f"/proc/{pid}/cmdline").startswith(PROGRAMS[service])


@pytest.mark.rule("IMG-7")
def test_stack_stops_by_itself(stack: Stack, figure: Callable[[str], None]) -> None:
    """docker compose stop: each service ends by itself, in peace, and none is killed; then all start again."""
    stack.wait_healthy()
    start = time.monotonic()
    stack.compose("stop")
    figure(f"docker compose stop of the whole stack, with the way to the machine: {time.monotonic() - start:.1f} s")
    states = {name: container["State"] for name, container in stack.containers().items()}
    stack.compose("start")
    stack.wait_healthy()
    assert set(states) == set(SERVICES)
    for name, state in states.items():
        assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False), name
