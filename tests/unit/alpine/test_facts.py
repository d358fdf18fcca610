# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles take for granted of Alpine is in the table of facts, with the place where Alpine says it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import shell

from tests.alpine import facts, mirror
from tests.alpine.mirror import apk_version, init_script, names_in

ROOT = Path(__file__).parents[3]
TABLE = facts.load()
FILES = ("roles/host/vars/alpine.yml", "roles/docker/vars/alpine.yml", "roles/stack/vars/base/alpine.yml")
PHP = "84"


def texts(value: Any) -> Iterator[str]:
    """Every text in a structure, but for its keys."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def used(path: str) -> set[str]:
    """The facts that a file of the roles uses, for the table's release; a variable of the user's is none."""
    known = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    choice = known.pop("__stack_php_version", "")
    found = set(re.findall(r"version\('([\d.]+)'", choice))
    found |= {text.replace("{{ __stack_php_version }}", PHP) for text in texts(known)}
    return {text for text in found if not text.startswith("{{ inception_")}


@pytest.mark.parametrize("path", FILES)
def test_every_fact_is_in_the_table(path: str) -> None:
    assert used(path)
    assert used(path) - TABLE.names() - set(TABLE.ours) == set()


def test_the_table_vouches_for_nothing_that_nobody_uses() -> None:
    everything = set().union(*map(used, FILES))
    assert set(TABLE.ours) - everything == set()


def test_where_the_engine_s_service_has_its_settings() -> None:
    known = {str(_engine.OPENRC_SETTINGS), _engine.OPENRC_VARIABLE, *_engine.OPENRC_LOGS, _engine.OPENRC_LOG}
    assert known - TABLE.names() == set()


def test_what_installs_python_before_there_is_any() -> None:
    task = (ROOT / "roles/inception/tasks/bootstrap.yml").read_text(encoding="utf-8")
    [packages] = re.findall(r"apk add --no-cache (.+?);", task)
    assert set(packages.split()) <= set(TABLE.packages)


def test_what_the_images_archive_is_unpacked_with() -> None:
    """The stage that fetches WordPress installs packages of its own (Dockerfile)."""
    dockerfile = (ROOT / "roles/stack/templates/requirements/wordpress/Dockerfile").read_text(encoding="utf-8")
    [line] = re.findall(r"base\.install\((\[.*?\])\)", dockerfile)
    names = set(re.findall(r"'([a-z-]+)'", line))
    assert names == {"ca-certificates", "curl"}
    assert names <= set(TABLE.packages)


BUILT_IN = set(re.findall(r"\S+", ": . $@ break continue echo exit kill printf read return set shift trap umask"))


def programs() -> Iterator[tuple[str, str]]:
    """What the scripts of the images run that is neither the shell's nor this project's, and where."""
    folder = ROOT / "roles/stack/templates/requirements"
    linked = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("Dockerfile"))
    own = set(re.findall(r"/usr/local/bin/(\S+)", linked))
    texts = {path: path.read_text(encoding="utf-8") for path in folder.rglob("tools/*.sh")}
    own |= {name for text in texts.values() for name in re.findall(r"(?m)^(\w+)\(\) \{", text)}
    for path, text in texts.items():
        plain = re.sub(r"\{\{.*?\}\}", "x", re.sub(r"(?m)^\{%.*?%\}\n", "", text))
        for command in shell.parse(plain).commands:
            if command.name not in own | BUILT_IN:
                yield command.name, str(path.relative_to(folder))


def test_what_the_scripts_of_images_run_is_there() -> None:
    """A program that Debian brings in every image may be in none of Alpine's."""
    used = dict(programs())
    known = {name.rpartition("/")[2] for name in TABLE.names()} | set(TABLE.applets)
    assert {name: path for name, path in used.items() if name not in known} == {}
    assert set(TABLE.applets) - set(used) == set()


@pytest.mark.parametrize("package", TABLE.packages.values(), ids=lambda package: package.name)
def test_a_package_names_its_recipe(package: facts.Package) -> None:
    assert re.fullmatch(r"(main|community)/[a-z0-9-]+", package.recipe)
    assert re.fullmatch(r"[0-9a-f]{40}", package.commit), f"{package.recipe} was not read"
    assert re.fullmatch(r"[0-9][0-9a-z._]*-r\d+", package.version)
    assert set(package.depends) <= set(TABLE.packages)
    if package.is_made:
        assert package.debs or package.depends or package.files, "nothing stands for it"


def test_a_machine_service_is_written_as_the_table_says() -> None:
    script = init_script("docker", TABLE.packages["docker-engine"].services["docker"])
    assert script.startswith("#!/sbin/openrc-run\n")
    assert "command=/usr/bin/dockerd\n" in script
    assert "    need sysfs cgroups net\n    after firewall\n" in script


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("libc6 (>= 2.38), libssl3t64", [("libc6",), ("libssl3t64",)]),
        ("debconf | debconf-2.0, python3:any", [("debconf", "debconf-2.0"), ("python3",)]),
        ("", []),
    ],
)
def test_names_in_a_field_of_debian(text: str, names: list[tuple[str, ...]]) -> None:
    assert names_in(text) == names


@pytest.mark.parametrize(
    ("version", "wanted"), [("1:10.0p1-7", "10.0-r0"), ("2.41-12", "2.41-r0"), ("8.4.21-1~deb13u1", "8.4.21-r0")]
)
def test_a_version_of_debian_as_apk_takes_it(version: str, wanted: str) -> None:
    assert apk_version(version) == wanted


def test_the_stand_in_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By two scenarios at once: the second waits, and takes it."""
    made = []

    def build(target: Path, *_told: str) -> None:
        made.append(target)
        time.sleep(0.3)
        target.mkdir()

    monkeypatch.setattr(mirror, "build", build)
    monkeypatch.setattr("sys.argv", ["mirror", str(tmp_path / "cache/stand-in"), "--url=http://x"])
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(mirror.main) for _ in range(3)]:
            done.result()
    assert made == [tmp_path / "cache/stand-in"]
