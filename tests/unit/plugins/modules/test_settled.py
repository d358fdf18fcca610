# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment that has nothing to do ends with one look; whatever is not as it is wanted makes it go on."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _lease, _places, _settled
from ansible_collections.fortytwo.inception.plugins.module_utils._deployment import Deployment
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Project
from ansible_collections.fortytwo.inception.plugins.modules import deployment, secrets, tree
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _machine_program, _tree

from tests.unit.https_server import self_signed, serve

ME = {"owner": str(os.geteuid()), "group": str(os.getegid())}
FILES = [
    {"path": "Makefile", "content": "all:\n"},
    {"path": "srcs/.env", "content": "A=1\n"},
    {"path": "srcs/tools/start.sh", "content": "#!/bin/sh\n", "mode": "0755"},
    {"path": "srcs/icon", "content": "AAEC", "encoding": "base64"},
]
SECRETS = [{"name": "db_password"}, {"name": "wp_salt", "kind": "wordpress_salts"}]
REVISIONS = {"mariadb": ["db_password"]}


class Machine:
    """A project folder with its secrets, as the modules have left them."""

    def __init__(self, folder: Path, run: Any) -> None:
        self.folder, self.run = folder, run
        self.root, self.manifest, self.secrets = folder / "project", folder / "state.json", folder / "project/secrets"
        run(tree, self.tree)
        self.secrets.mkdir(mode=0o700)
        run(secrets, self.kept)

    @property
    def tree(self) -> dict[str, Any]:
        return {"path": str(self.root), "manifest": str(self.manifest), "files": FILES, **ME}

    @property
    def kept(self) -> dict[str, Any]:
        return {"path": str(self.secrets), "secrets": SECRETS, "revisions": REVISIONS, "replace": "staged", **ME}

    def tree_is_settled(self) -> bool:
        project = Project(str(self.root), str(self.manifest))
        return _settled.tree(project, _tree.digests(FILES), ME["owner"], ME["group"])

    def secrets_are_settled(self, **more: Any) -> bool:
        told = [{"kind": "password", "length": None, "alphabet": None, **one} for one in SECRETS]
        asked = {key: of for key, of in self.kept.items() if key != "replace"}
        return _settled.secrets({"remove_undeclared": False, **asked, "secrets": told, **more})


@pytest.fixture
def machine(tmp_path: Path, run_module: Any) -> Machine:
    return Machine(tmp_path, run_module)


def edit(name: str, text: str) -> Callable[[Machine], None]:
    return lambda machine: void((machine.root / name).write_text(text))


def void(*_: object) -> None:
    """What a step returns is nobody's."""


def forget(machine: Machine) -> None:
    told = json.loads(machine.manifest.read_text())
    machine.manifest.write_text(json.dumps({**told, "files": told["files"][1:]}))


def link(machine: Machine) -> None:
    (machine.folder / "elsewhere").write_text("all:\n")
    (machine.root / "Makefile").unlink()
    (machine.root / "Makefile").symlink_to(machine.folder / "elsewhere")


TREE: dict[str, Callable[[Machine], None]] = {
    "a file says something else": edit("srcs/.env", "A=2\n"),
    "a file is gone": lambda machine: (machine.root / "Makefile").unlink(),
    "a file is open to others": lambda machine: (machine.root / "Makefile").chmod(0o666),
    "a program cannot be run": lambda machine: (machine.root / "srcs/tools/start.sh").chmod(0o644),
    "a file is somebody else's": lambda machine: os.chown(machine.root / "Makefile", 12345, -1),
    "a folder is somebody else's": lambda machine: os.chown(machine.root / "srcs/tools", -1, 12345),
    "the project is somebody else's": lambda machine: os.chown(machine.root, 12345, -1),
    "a file has not been written yet": forget,
    "a link is in its place": link,
    "there is no manifest": lambda machine: machine.manifest.unlink(),
    "the project is gone": lambda machine: void(machine.root.rename(machine.folder / "away")),
}


def test_what_was_just_written_is_settled(machine: Machine) -> None:
    assert machine.tree_is_settled()
    assert machine.secrets_are_settled()


def test_a_file_that_nobody_wants_any_more_is_to_be_removed(machine: Machine) -> None:
    project = Project(str(machine.root), str(machine.manifest))
    assert not _settled.tree(project, _tree.digests(FILES[1:]), ME["owner"], ME["group"])


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
@pytest.mark.parametrize("what", TREE)
def test_a_tree_with_anything_by_hand_is_not(machine: Machine, what: str) -> None:
    TREE[what](machine)
    assert not machine.tree_is_settled()


SECRET: dict[str, Callable[[Machine], None]] = {
    "one is gone": lambda machine: (machine.secrets / "db_password.txt").unlink(),
    "one can be read by others": lambda machine: (machine.secrets / "db_password.txt").chmod(0o444),
    "one is somebody else's": lambda machine: os.chown(machine.secrets / "db_password.txt", 12345, -1),
    "one is weak": lambda machine: void((machine.secrets / "db_password.txt").write_text("x")),
    "one is being rotated": lambda machine: void(
        machine.run(secrets, {**machine.kept, "state": "staged", "secrets": SECRETS[:1]})
    ),
    "a revision is older": lambda machine: void((machine.secrets / "mariadb.env").write_text("SECRETS=\n")),
    "the folder is gone": lambda machine: void(machine.secrets.rename(machine.folder / "away")),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
@pytest.mark.parametrize("what", SECRET)
def test_secrets_with_anything_by_hand_are_not(machine: Machine, what: str) -> None:
    SECRET[what](machine)
    assert not machine.secrets_are_settled()


def test_a_secret_that_nobody_wants_any_more_matters_where_it_is_to_be_removed(machine: Machine) -> None:
    (machine.secrets / "ftp_password.txt").write_text("0123456789abcdef")
    assert machine.secrets_are_settled()
    assert not machine.secrets_are_settled(remove_undeclared=True)


def test_the_page_is_one_of_the_authority_and_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settled, "PAGE_SECONDS", 2)
    mine, other = (self_signed("localhost", tmp_path / name) for name in ("mine.pem", "other.pem"))
    pages = {"/": (200, {}, "Hello"), "/away": (302, {"Location": "/"}, ""), "/bad": (500, {}, "")}
    with serve(mine, pages) as port:
        address = f"https://localhost:{port}"
        assert _settled.page(f"{address}/", str(mine))
        assert _settled.page(f"{address}/", "")
        assert not _settled.page(f"{address}/", str(other))
        assert not _settled.page(f"https://127.0.0.1:{port}/", str(mine))
        assert not _settled.page(f"{address}/away", str(mine))
        assert not _settled.page(f"{address}/bad", "")
    assert not _settled.page(f"{address}/", str(mine))


def test_a_look_that_fails_has_found_nothing_good() -> None:
    assert _settled.later(lambda: True)()
    assert not _settled.later(lambda: False)()


class TestBegun:
    """The module, of which only what Docker would say is made up."""

    @pytest.fixture(autouse=True)
    def engine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.page, self.number = True, 3
        digest = _machine_program.digest(b"program")
        self.program = {"program_digest": digest, "program": base64.b64encode(b"program").decode()}
        monkeypatch.setattr(Deployment, "settled", lambda work: self.number)
        monkeypatch.setattr(_settled, "page", lambda url, authority: self.page)

    def begin(self, machine: Machine, check: bool = False) -> dict[str, Any]:
        wanted = {
            "files": _tree.digests(FILES),
            "secrets": SECRETS,
            "secrets_path": str(machine.secrets),
            "revisions": REVISIONS,
            "url": "https://wil.42.fr/",
            **ME,
        }
        options = {"path": str(machine.root), "manifest": str(machine.manifest), "root": str(machine.folder)}
        result: dict[str, Any] = machine.run(
            deployment,
            {**options, **self.program, "state": "begun", "run": "one:1:1", "who": "wil", "wanted": wanted},
            check=check,
        )
        return result

    def holder(self, machine: Machine) -> Any:
        return _lease.Lease(machine.folder / _places.LEASE).holder()

    def test_where_all_is_well_the_run_is_over(self, machine: Machine) -> None:
        self.begin(machine)
        result = self.begin(machine)
        assert (result["settled"], result["number"], result["changed"]) == (True, 3, False)
        assert result["runs"] == {}
        assert self.holder(machine) is None

    @pytest.mark.parametrize("what", ["tree", "secrets", "services", "page"])
    def test_where_anything_is_not_the_run_has_the_lease_and_goes_on(self, machine: Machine, what: str) -> None:
        if what == "tree":
            (machine.root / "Makefile").write_text("none:\n")
        elif what == "secrets":
            (machine.secrets / "wp_salt.txt").unlink()
        self.number, self.page = 0 if what == "services" else 3, what != "page"
        result = self.begin(machine)
        assert result["settled"] is False
        assert "number" not in result
        assert self.holder(machine).run == "one:1:1"

    def test_a_program_that_is_another_one_is_asked_for_before_anything(self, machine: Machine) -> None:
        archive = self.program.pop("program")
        assert self.begin(machine)["wants_program"] is True
        assert self.holder(machine) is None
        self.program["program"] = archive
        assert self.begin(machine)["changed"] is True
        del self.program["program"]
        assert self.begin(machine)["settled"] is True

    def test_check_mode_looks_at_each_thing_by_itself(self, machine: Machine) -> None:
        assert "settled" not in self.begin(machine, check=True)

    def test_another_run_is_not_passed_by(self, machine: Machine, module_failed: Any) -> None:
        _lease.Lease(machine.folder / _places.LEASE).take("two:2:2", "somebody", "deployment")
        with pytest.raises(module_failed, match="another one is at work"):
            self.begin(machine)
