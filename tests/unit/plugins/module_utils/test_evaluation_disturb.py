# SPDX-License-Identifier: GPL-3.0-or-later
"""Which port is changed, and that a browser looks for what was written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import disturb
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.browser import still_there
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import Answer
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place

LISTENS = {"nginx": {443}, "wordpress": {9000}, "mariadb": {3306}}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("WORDPRESS_PORT=9000\nHTTPS_PORT=443\n", ("WORDPRESS_PORT", 9000, "wordpress")),
        ("HTTPS_PORT=443\n", ("HTTPS_PORT", 443, "nginx")),
        ("DB_PORT='3306'\n", ("DB_PORT", 3306, "mariadb")),
        ("PHP_PORT=9001\n", None),
        ("# DB_PORT=3306\nPASSWORD=9000\n", None),
        ("DB_PORT=3306 9000\n", None),
    ],
)
def test_which_port_is_changed(monkeypatch: pytest.MonkeyPatch, text: str, chosen: object) -> None:
    """One that a service really listens on; one inside before the site's own."""
    containers = {
        name: {"name": name, "HostConfig": {"PortBindings": {"443/tcp": [{}]} if name == "nginx" else {}}}
        for name in LISTENS
    }
    monkeypatch.setattr(disturb, "listening", lambda container: LISTENS[container["name"]])
    assert disturb.port_to_change(text, containers) == chosen


@pytest.mark.parametrize(
    ("texts", "verdict"), [(["the comment"], "pass"), (["the comment", "gone"], "fail"), ([], "undetermined")]
)
def test_what_was_written_is_looked_for(texts: list[str], verdict: str) -> None:
    written = [{"path": "/", "text": text, "what": text} for text in texts]
    found = still_there(Place("wil.42.fr", "127.0.0.1", 443), written, lambda path: "a page with the comment")
    assert (found.id, found.verdict) == (55, verdict)


@pytest.mark.parametrize(
    ("output", "step"),
    [
        ("make: docker-compose: No such file or directory", "docker compose"),
        ("env file /home/wil/inception/srcs/.env not found: stat", "a file that git does not have"),
        ("sudo: a password is required", "without one"),
        ("E: Could not resolve 'deb.debian.org'", "cannot be reached"),
        ("Bind for 0.0.0.0:443 failed: port is already allocated", "ss -ltnp"),
        ("mkdir: cannot create directory", ""),
    ],
)
def test_a_make_that_failed_has_a_next_step(output: str, step: str) -> None:
    found = disturb.next_step(Answer(2, output, 1.0))
    assert step in found
    assert bool(step) == bool(found)


def test_a_make_that_did_not_end_has_one_too() -> None:
    assert "evaluate_make_timeout" in disturb.next_step(Answer(None, "waiting", 1.0))


@pytest.mark.parametrize(("well", "asked"), [(True, False), (False, True)])
def test_only_what_was_down_tells_that_make_is_done(monkeypatch: pytest.MonkeyPatch, well: bool, asked: bool) -> None:
    """A stack that is up while make still builds says nothing of the end of make."""
    given: list[object] = []

    def ran(*arguments: object) -> Answer:
        if str(arguments[2]).startswith("make"):
            given.append(arguments[-1])
        return Answer(2, "", 1.0)

    monkeypatch.setattr(disturb, "all_well", lambda subject: well)
    monkeypatch.setattr(disturb, "containers_of", lambda project: {})
    monkeypatch.setattr(disturb, "as_login", ran)
    disturb.make(disturb.Subject("wil", "wil.42.fr", "/home/wil/inception", 60), cleaned=False)
    assert [one is not None for one in given] == [asked]


class Machine:
    """A stack whose containers follow srcs/.env and the compose file when `make` is called."""

    def __init__(self, project: Path, *, main_answers: int = 200, obeys: bool = True) -> None:
        (project / "srcs").mkdir()
        self.environment, self.compose = project / "srcs/.env", project / "srcs/docker-compose.yml"
        self.subject = disturb.Subject("wil", "wil.42.fr", str(project), 60, {"web": "nginx", "php": "wordpress"})
        self.main_answers, self.obeys = main_answers, obeys
        self.broken = False
        self.ports: dict[str, tuple[set[int], dict[int, int]]] = {}

    def made(self) -> None:
        """Each service: what it listens on, and its published ports."""
        known = dict(re.findall(r"^(\w+)=(\d+)$", self.environment.read_text(), re.MULTILINE))
        text = re.sub(r"\$\{(\w+)(?::-(\d+))?\}", lambda m: str(known.get(m[1], m[2])), self.compose.read_text())
        listed = {name: text.partition(f"  {name}:")[2].partition("#")[0] for name in ("web", "php", "more")}
        for name, part in listed.items():
            pairs = [(int(outer), int(inner)) for outer, inner in re.findall(r"(\d+):(\d+)\"", part)]
            inner = {one for _outer, one in pairs} or {int(known.get("PHP_PORT", 9000))}
            if part and (self.obeys or name not in self.ports):
                self.ports[name] = inner, {one: outer for outer, one in pairs}

    def containers(self) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "name": name,
                "Id": f"{name}{bound}",
                "State": {"Running": True, "Pid": 1, "Status": "running"},
                "HostConfig": {
                    "PortBindings": {f"{one}/tcp": [{"HostPort": str(outer)}] for one, outer in bound.items()}
                },
            }
            for name, (_inner, bound) in self.ports.items()
        }

    def site(self, _domain: str, port: int = 443) -> int:
        answers = port in self.ports["web"][1].values() and not self.broken
        return 0 if not answers else 200 if port == 443 else self.main_answers


WEB = '  web:\n    ports:\n      - "443:443"\n#\n  php:\n    build: php\n#\n'
MORE = '  more:\n    ports:\n      - "8080:8080"   # for the people\n'
ANY = WEB.replace('"443:443"', '"${HTTPS_PORT}:443"')


@pytest.mark.parametrize(
    ("environment", "compose", "answers", "obeys", "verdict", "told"),
    [
        ("PHP_PORT=9000\n", WEB, 200, True, "pass", "PHP_PORT=9011"),
        ("PHP_PORT=9000\n", WEB, 200, False, "fail", "PHP_PORT=9011"),
        ("HTTPS_PORT=443\n", ANY, 200, True, "pass", "HTTPS_PORT=454"),
        ("HTTPS_PORT=443\n", ANY, 301, True, "warning", "HTTPS_PORT=454"),
        ("", WEB, 200, True, "pass", '- "454:443"'),
        ("", WEB, 301, True, "warning", '- "454:443"'),
        ("", WEB, 0, True, "fail", '- "454:443"'),
        ("", WEB + MORE, 301, True, "pass", '- "8091:8080"   # for the people'),
        ("", WEB + MORE, 200, False, "fail", '- "8091:8080"   # for the people'),
        ("", WEB + MORE.replace("8080:", "127.0.0.1:8080:"), 301, True, "pass", '"127.0.0.1:8091:8080"'),
        ("", WEB.replace("443:", "${HTTPS_PORT:-443}:"), 200, True, "undetermined", "neither"),
    ],
)
def test_a_port_is_changed_and_changed_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    compose: str,
    answers: int,
    obeys: bool,
    verdict: str,
    told: str,
) -> None:
    """By the variable that has it, else where the compose file publishes it, a bonus's before the site's own."""
    machine = Machine(tmp_path, main_answers=answers, obeys=obeys)
    machine.environment.write_text(environment, encoding="utf-8")
    machine.compose.write_text(compose, encoding="utf-8")
    machine.made()

    def ran(*_arguments: object) -> Answer:
        machine.made()
        return Answer(0, "made", 1.0)

    monkeypatch.setattr(disturb, "as_login", ran)
    monkeypatch.setattr(disturb, "containers_of", lambda project: machine.containers())
    monkeypatch.setattr(disturb, "listening", lambda container: machine.ports[container["name"]][0])
    monkeypatch.setattr(disturb, "connects", lambda address, port: False)
    monkeypatch.setattr(disturb, "site_status", machine.site)
    monkeypatch.setattr(disturb, "PATIENCE", 0)
    monkeypatch.setattr(disturb.wait_until, "__defaults__", (0,))
    monkeypatch.setattr(disturb.time, "sleep", lambda seconds: None)
    (found,) = disturb.change_port(machine.subject)
    assert (found.id, found.verdict) == (56, verdict), found
    assert any(told in f"{one.where} {one.text}" for one in found.evidence), found
    assert machine.environment.read_text(encoding="utf-8") == environment
    assert machine.compose.read_text(encoding="utf-8") == compose


def test_no_port_is_changed_where_not_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    machine.environment.write_text("", encoding="utf-8")
    machine.compose.write_text(WEB, encoding="utf-8")
    machine.made()
    machine.broken = True
    monkeypatch.setattr(disturb, "as_login", lambda *_arguments: pytest.fail("make was called"))
    monkeypatch.setattr(disturb, "containers_of", lambda project: machine.containers())
    monkeypatch.setattr(disturb, "site_status", machine.site)
    (found,) = disturb.change_port(machine.subject)
    assert found.verdict == "undetermined"
    assert found.evidence[-1].text == "answers not"


def container(name: str, status: str = "running") -> dict[str, Any]:
    return {"Id": name, "State": {"Status": status, "Running": status == "running"}}


@pytest.mark.parametrize(
    ("looks", "done"),
    [
        ([["a"], ["a", "b"], ["a", "b"], ["a", "b"]], [0, 0, 0, 1]),
        ([["old"], ["old"], ["old"], ["old"]], [0, 0, 0, 0]),
        ([["old"], ["new"], ["new"], ["new"]], [0, 0, 0, 1]),
        ([[], [], [], []], [0, 0, 0, 0]),
        ([["a", "!b"], ["a", "!b"], ["a", "!b"], ["a", "b"]], [0, 0, 0, 0]),
    ],
)
def test_a_make_whose_stack_stays_as_it_is_has_ended(
    monkeypatch: pytest.MonkeyPatch, looks: list[list[str]], done: list[int]
) -> None:
    """In the foreground, with a site that never answers: what it started is there, and nothing more comes."""
    times = iter((0.0, 160.0, 320.0, 480.0))
    now = [0.0]
    monkeypatch.setattr(disturb.time, "monotonic", lambda: now[0])
    given = iter(
        {one: container(one, "created" if one.startswith("!") else "running") for one in names} for names in looks
    )
    subject = disturb.Subject("wil", "wil.42.fr", "/p", 60)

    def looked(_project: str) -> dict[str, Any]:
        now[0] = next(times)
        return next(given)

    monkeypatch.setattr(disturb, "containers_of", looked)
    settled = disturb.Settled(subject, lambda: False, frozenset({"old"}))
    assert [settled() for _look in looks] == [bool(one) for one in done]


def test_a_make_that_did_its_work_has_ended() -> None:
    assert disturb.Settled(disturb.Subject("wil", "wil.42.fr", "/p", 60), lambda: True)()


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("dial tcp: lookup hub.example on 10.0.0.1:53: no such host", "warning"),
        ("curl: (6) Could not resolve host: example.org", "warning"),
        ("Temporary failure resolving 'deb.debian.org'", "warning"),
        ("failed to resolve source metadata for docker.io/library/debian:bulseye: not found", "fail"),
        ("make: *** [Makefile:2: all] Error 1", "fail"),
    ],
)
def test_what_a_machine_has_no_way_to_is_a_doubt(monkeypatch: pytest.MonkeyPatch, said: str, verdict: str) -> None:
    monkeypatch.setattr(disturb, "all_well", lambda subject: False)
    monkeypatch.setattr(disturb, "containers_of", lambda project: {})
    monkeypatch.setattr(disturb, "as_login", lambda *_arguments: Answer(2, said, 1.0))
    found = disturb.make(disturb.Subject("wil", "wil.42.fr", "/p", 60), cleaned=False)
    assert [(one.id, one.verdict) for one in found] == [(16, verdict)]


def test_a_make_that_may_end_by_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it brings about is there before its end; nothing else begins meanwhile."""
    now, there = [0.0], [True]
    monkeypatch.setattr(disturb.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(disturb, "containers_of", lambda project: {})
    settled = disturb.Settled(disturb.Subject("wil", "wil.42.fr", "/p", 60), lambda: there[0], calm=60.0)
    found = []
    for now[0], there[0] in ((0, True), (30, True), (50, False), (70, True), (120, True), (130, True)):
        found.append(settled())
    assert found == [False, False, False, False, False, True]


def no_file(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    (path.parent / "elsewhere").write_text("PORT=3306\n")
    path.symlink_to("elsewhere")


def folder_that_is_a_link(path: Path) -> None:
    path.parent.rmdir()
    other = path.parent.with_suffix(".other")
    other.mkdir()
    (other / path.name).write_text("PORT=3306\n")
    path.parent.symlink_to(other)


def huge(path: Path) -> None:
    with path.open("w") as file:
        file.truncate(8 * 1024**3)


@pytest.mark.parametrize("harm", [os.mkfifo, no_file, link, folder_that_is_a_link, huge])
def test_what_is_no_small_file_of_the_project_is_not_read(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """A FIFO held root up, a huge file filled its memory, and a link was followed."""
    for name in ("srcs/.env", "secrets/ftp_password.txt"):
        (tmp_path / name).parent.mkdir()
        harm(tmp_path / name)
        assert disturb.strangers_text(str(tmp_path), name) is None
        with pytest.raises(OSError, match=name):
            disturb.password_in(str(tmp_path), str(tmp_path / name))
        with pytest.raises(OSError, match=r"\.env|\.txt|srcs|secrets"):
            disturb.rewrite(str(tmp_path), name, "x")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "srcs").mkdir()
    other = tmp_path / "passwd"
    other.write_text("root\n")
    for make in (os.symlink, os.link):
        make(other, tmp_path / "srcs/.env")
        with pytest.raises(OSError, match=r"\.env"):
            disturb.rewrite(str(tmp_path), "srcs/.env", "x")
        assert other.read_text() == "root\n"
        (tmp_path / "srcs/.env").unlink()


def test_settings_and_passwords_are_read_and_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "srcs").mkdir()
    settings = tmp_path / "srcs/.env"
    settings.write_bytes(b"PORT=3306 # \xff and much more\n")
    before = disturb.strangers_text(str(tmp_path), "srcs/.env") or ""
    disturb.rewrite(str(tmp_path), "srcs/.env", "PORT=3317\n")
    assert settings.read_text() == "PORT=3317\n"
    disturb.rewrite(str(tmp_path), "srcs/.env", before)
    assert settings.read_bytes() == b"PORT=3306 # \xff and much more\n"
    (tmp_path / "password").write_text("Tr0ub4dor-3\n")
    for project in (tmp_path, tmp_path / "srcs"):
        assert disturb.password_in(str(project), str(tmp_path / "password")) == "Tr0ub4dor-3"


def test_passwords_are_copied_and_nothing_else(tmp_path: Path) -> None:
    """A link to root's own file would have been typed into the stranger's site."""
    project, folder = tmp_path / "project", tmp_path / "copies"
    for one in (project / "secrets", folder):
        one.mkdir(parents=True)
    (tmp_path / "shadow").write_text("root:hash\n")
    (project / "secrets/wp_admin_password.txt").symlink_to(tmp_path / "shadow")
    (project / "secrets/wp_user_password.txt").write_text("Tr0ub4dor-3\n")
    files = {name: f"{project}/secrets/wp_{name}_password.txt" for name in ("admin", "user")}
    disturb.bring_passwords(str(project), files, str(folder))
    assert {one.name: (one.read_text(), one.stat().st_mode & 0o777) for one in folder.iterdir()} == {
        "user": ("Tr0ub4dor-3", 0o600)
    }


@pytest.mark.parametrize(
    ("first", "verdict"),
    [("/usr/bin/docker", "pass"), ("/home/wil/bin/docker", "warning"), ("./docker", "warning"), ("", "pass")],
)
def test_a_docker_of_their_own_is_noticed(monkeypatch: pytest.MonkeyPatch, first: str, verdict: str) -> None:
    def ran(login: str, folder: str, command: str, timeout: float, done: object = None) -> Answer:
        return Answer(0, first if "command -v" in command else "", 1.0)

    monkeypatch.setattr(disturb, "all_well", lambda subject: True)
    monkeypatch.setattr(disturb, "as_login", ran)
    (found,) = disturb.make(disturb.Subject("wil", "wil.42.fr", "/home/wil/inception", 60.0), cleaned=False)
    assert found.verdict == verdict
    assert ("comes first for the login" in found.evidence[-1].text) == (verdict == "warning")
