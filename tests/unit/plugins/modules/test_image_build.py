# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that another machine builds: both halves, with a connection that copies and a docker that takes notes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.fortytwo.inception.plugins.action import image_build as action
from ansible_collections.fortytwo.inception.plugins.module_utils import _image_build as image_build
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.modules import image_build as module
from ansible_collections.fortytwo.inception.plugins.plugin_utils._image_store import Store

from tests.unit.plugins.plugin_utils.test_image_store import archive, digest, layer
from tests.unit.programs import python_program

BASE_DIGEST = digest(layer(b"base"))
# `buildx build` notes what it was given, `save` hands out what lies there; a base image is there, or is not.
DOCKER = """\
import json, pathlib, sys
here = pathlib.Path(__file__).parent
argv = sys.argv[1:]
with open(here / "calls", "a") as file:
    print(*argv, file=file)
if argv[0] == "version":
    print("amd64")
elif argv[:2] == ["buildx", "version"] or argv[:2] == ["image", "rm"]:
    pass
elif argv[:2] == ["buildx", "build"]:
    dockerfile = (pathlib.Path(argv[-1]) / "Dockerfile").read_text()
    if "ngnix" in dockerfile:
        sys.exit("E: Unable to locate package ngnix")
elif argv[0] == "info":
    print(json.dumps({"DockerRootDir": str(here)}))
elif argv[:2] == ["image", "inspect"]:
    if not (here / "base").exists():
        sys.exit("No such image")
    print((here / "base").read_text())
elif argv[0] == "load":
    sys.stdin.buffer.read()
elif argv[0] == "save":
    sys.stdout.buffer.write((here / "saved.tar").read_bytes())
else:
    sys.exit("not foreseen: " + " ".join(argv))
"""


class Forge:
    """A builder, and the control node with its store."""

    def __init__(self, folder: Path, run_module: Any) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.run_module = run_module
        python_program(folder / "docker", DOCKER)
        (folder / "base").write_text(BASE_DIGEST)
        self.fetched: list[set[str]] = []
        self.base = {"reference": "debian:bookworm", "digest": BASE_DIGEST, "archive": "/var/lib/base.image.tar"}
        self.save("nginx")

    def save(self, service: str) -> None:
        """What `docker save` will say, in the layout of today's Docker."""
        layers = [layer(b"base"), layer(service.encode())]
        with tarfile.open(archive(self.folder / "old.tar", layers)) as old:
            [told] = json.load(old.extractfile("manifest.json"))  # type: ignore[arg-type]
            names = {name: f"blobs/sha256/{digest(one)[7:]}" for name, one in zip(told["Layers"], layers, strict=True)}
            with tarfile.open(self.folder / "saved.tar", "w") as new:
                for member in old:
                    data = old.extractfile(member).read()  # type: ignore[union-attr]
                    if member.name == "manifest.json":
                        data = json.dumps([{**told, "Layers": list(names.values())}]).encode()
                    images.add_bytes(new, names.get(member.name, member.name), data)

    def action(self, check: bool = False, **options: Any) -> action.ActionModule:
        task = SimpleNamespace(delegate_to="forge", check_mode=check, async_val=0, diff=False, args=options)
        made = action.ActionModule(task, SimpleNamespace(), SimpleNamespace(), None, None, None)
        shell = SimpleNamespace(tmpdir=str(self.folder))
        made._connection = SimpleNamespace(_shell=shell, put_file=shutil.copy, fetch_file=self.fetch)
        made._execute_module = self.execute
        made._low_level_execute_command = self.command
        return made

    def fetch(self, there: str, here: str) -> None:
        with tarfile.open(there) as file:
            self.fetched.append(set(file.getnames()))
        shutil.copy(there, here)

    def execute(self, name: str, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        try:
            return dict(self.run_module(module, arguments))
        except Exception as error:
            return {"failed": True, "msg": error.args[0]["msg"] if isinstance(error.args[0], dict) else str(error)}

    def command(self, command: str, sudoable: bool) -> dict[str, Any]:
        done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True)
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def run(self, *services: str, check: bool = False, dockerfile: str = "FROM debian:bookworm\n") -> dict[str, Any]:
        told = [
            {"name": name, "image": f"{name}:1", "content": f"c-{name}", "context": f"requirements/{name}"}
            for name in services
        ]
        files = [{"path": f"srcs/requirements/{name}/Dockerfile", "content": dockerfile} for name in services]
        options = {"services": told, "files": files, "base": self.base, "cache_dir": str(self.cache)}
        return self.action(check, **options).run(None, {"inventory_hostname": "wil"})

    @property
    def store(self) -> Store:
        return Store(self.cache / "images/amd64")

    def calls(self, word: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.startswith(word)]


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_module: Any) -> Forge:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    return Forge(tmp_path, run_module)


def left_there(forge: Forge) -> list[Path]:
    return list((forge.folder / "there/fortytwo.inception").glob("*"))


def test_what_was_built_is_in_the_store_and_nothing_stays_on_the_builder(forge: Forge) -> None:
    assert forge.run("nginx") == {"changed": True, "built": ["nginx"], "architecture": "amd64"}
    found = forge.store.find("nginx:1")
    assert found
    labels = json.loads(found.config)["config"]["Labels"]
    assert (labels["inception.builder"], labels["inception.content"]) == ("forge", "c-nginx")
    assert forge.calls("image rm") == ["image rm --force inception-builder/nginx:1"]
    assert left_there(forge) == []
    # The base image of a deployed machine is the one that is built on, by its own name.
    assert "--build-context debian:bookworm=docker-image://debian:bookworm" in forge.calls("buildx build")[0]


def test_the_builder_s_own_proxy_is_a_build_argument(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name alone, in both ways of writing, of which BuildKit takes any: the address is in no argument."""
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:3128")
    monkeypatch.delenv("https_proxy", raising=False)
    forge.run("nginx")
    [call] = forge.calls("buildx build")
    assert "--build-arg http_proxy --build-arg HTTP_PROXY " in call
    assert "https_proxy" not in call
    assert "3128" not in call


def test_what_the_store_has_is_neither_built_nor_are_its_layers_brought(forge: Forge) -> None:
    forge.run("nginx")
    forge.save("redis")
    assert forge.run("nginx", "redis")["built"] == ["redis"]
    assert not forge.run("nginx", "redis")["changed"]
    assert len(forge.calls("buildx build")) == 2
    brought = [{name for name in names if name.startswith("blobs/")} for names in forge.fetched]
    assert [len(names) for names in brought] == [2, 1]
    assert forge.store.find("redis:1")


def test_check_mode_says_so_and_builds_nothing(forge: Forge) -> None:
    assert forge.run("nginx", check=True)["changed"]
    assert forge.calls("buildx build") == []
    assert forge.store.find("nginx:1") is None


def test_a_builder_with_another_base_image_gets_ours(forge: Forge) -> None:
    (forge.folder / "base").unlink()
    with pytest.raises(AnsibleActionFail, match="it has another base image, and the control node has not sha256:"):
        forge.run("nginx")
    cached = forge.cache / "base/debian.image.tar"
    cached.parent.mkdir(parents=True)
    (forge.folder / "root.tar").write_bytes(layer(b"base"))
    images.pack_base(str(forge.folder / "root.tar"), str(cached), "debian:bookworm", "amd64", ["bash"])
    assert forge.run("nginx")["built"] == ["nginx"]
    assert len(forge.calls("load")) == 1
    name = f"inception-builder/base:{BASE_DIGEST[7:19]}"
    assert f"--build-context debian:bookworm=docker-image://{name}" in forge.calls("buildx build")[0]
    assert left_there(forge) == []


def test_a_build_that_fails_says_where_and_why_and_leaves_nothing(forge: Forge) -> None:
    with pytest.raises(AnsibleActionFail) as error:
        forge.run("nginx", dockerfile="RUN apt-get install ngnix\n")
    assert str(error.value).startswith("inception_builder: forge did not build: The image of nginx was not built:\n")
    assert "E: Unable to locate package ngnix" in str(error.value)
    assert left_there(forge) == []
    assert forge.store.find("nginx:1") is None


def test_a_builder_without_room_is_none(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_build, "ROOM", 1 << 60)
    with pytest.raises(AnsibleActionFail, match=r"its Docker has room for \d+ MB"):
        forge.run("nginx")
    assert forge.calls("buildx build") == []


def test_a_machine_without_docker_is_no_builder(forge: Forge) -> None:
    (forge.folder / "docker").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(AnsibleActionFail, match="forge did not build: there is no Docker with buildx that answers"):
        forge.run("nginx")


def test_the_archive_goes_to_no_place_of_a_link(forge: Forge, run_module: Any, module_failed: Any) -> None:
    (forge.folder / "link").symlink_to(forge.folder / "elsewhere")
    service = {"name": "nginx", "image": "nginx:1", "content": "c", "context": "requirements/nginx"}
    files = [{"path": "srcs/requirements/nginx/Dockerfile", "content": "FROM x\n"}]
    options = {"services": [service], "files": files, "base": forge.base, "archive": str(forge.folder / "link")}
    with pytest.raises(module_failed, match="File exists"):
        run_module(module, options)
    assert not (forge.folder / "elsewhere").exists()
