# SPDX-License-Identifier: GPL-3.0-or-later
"""What is newer than what the images are made of, and what follows from it."""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _decided,
    _deployment,
    _health,
    _history,
    _images,
    _places,
)
from ansible_collections.fortytwo.inception.plugins.module_utils import _updates as updates
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import Failure
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, File, Files, History
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import GivenUp
from ansible_collections.fortytwo.inception.plugins.module_utils._updates import ALL, SECURITY, Package, Seen, Store

SECURITY_SOURCE = "http://deb.debian.org/debian-security bookworm-security/main amd64 Packages"
ANSWER = f"""\
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.10/oldstable [amd64])
Inst nginx [1.22.1-9+deb12u1] (1.22.1-9+deb12u2 Debian-Security:12/oldstable-security [amd64]) []
Inst new-one (1.0 Debian:12.10/oldstable [all])
Has libc6 2.36-9+deb12u9
Has nginx 1.22.1-9+deb12u1
Has wordpress 6.1.6+dfsg1-0+deb12u1
Took wordpress 6.1.6+dfsg1-0+deb12u1  wordpress | 6.1.9+dfsg1-0+deb12u1 | {SECURITY_SOURCE}
(1/2) Upgrading musl (1.2.5-r0 -> 1.2.5-r1)
"""
LOG = """\
Changes nginx
nginx (1.22.1-9+deb12u3) bookworm-security; urgency=high

  * CVE-2026-0003, CVE-2026-0001.

 -- Wil <wil@example.org>  Sat, 28 Nov 2026 00:00:00 +0000

nginx (1.22.1-9+deb12u2) bookworm; urgency=medium

  * CVE-2026-0002
nginx (1.22.1-9+deb12u1) bookworm; urgency=medium

  * CVE-2001-0001
Changes zlib1g
zlib (1:9) unstable; urgency=low
  * CVE-2026-0009
Changes tzdata
"""
COMPOSE = """\
services:
  nginx:
    image: nginx:000000000000
  wordpress:
    image: wordpress:111111111111
  broken:
    image: broken:222222222222
"""


def dockerfile(base: str = "debian:bookworm") -> bytes:
    return f"# One.\nFROM {base} AS source\nRUN apt-get update\n\nFROM {base}\nRUN true\n".encode()


def project() -> Files:
    return {
        updates.COMPOSE: File(COMPOSE.encode(), 0o644),
        "srcs/requirements/nginx/Dockerfile": File(dockerfile(), 0o644),
        "srcs/requirements/nginx/conf/nginx.conf": File(b"events {}\n", 0o644),
        "srcs/requirements/wordpress/Dockerfile": File(dockerfile(), 0o644),
        "srcs/requirements/bonus/broken/Dockerfile": File(dockerfile(), 0o644),
    }


def seen(**services: list[Package]) -> Seen:
    everyone = {name: services.get(name, []) for name in ("nginx", "wordpress", "broken")}
    wanted = {name: [f"{one.name} {one.new}" for one in packages] for name, packages in everyone.items()}
    images = {name: f"{name}:000000000000" for name in everyone}
    return Seen("2026-11-28 12:00:00 UTC", reference="debian:bookworm", services=everyone, wanted=wanted, images=images)


FIX = Package("nginx", "1", "2", security=True)
NEWS = Package("nginx", "1", "2")
OF_THE_BASE = Package("libc6", "1", "2", security=True, base=True)


# ---- Asking ----


def test_an_answer_says_what_is_newer_and_from_where() -> None:
    packages, has = updates.read_answer(ANSWER)
    assert packages == [
        Package("libc6", "2.36-9+deb12u9", "2.36-9+deb12u10"),
        Package("nginx", "1.22.1-9+deb12u1", "1.22.1-9+deb12u2", security=True),
        Package("wordpress", "6.1.6+dfsg1-0+deb12u1", "6.1.9+dfsg1-0+deb12u1", security=True),
        Package("musl", "1.2.5-r0", "1.2.5-r1", security=True),
    ]
    assert has["wordpress"] == "6.1.6+dfsg1-0+deb12u1"


def test_the_changelog_names_what_was_mended_since_the_version_that_there_is() -> None:
    found = updates.cves_of(LOG, {"nginx": "1.22.1-9+deb12u1+b1", "zlib1g": "1:1", "tzdata": "1"})
    assert found == {"nginx": ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"], "zlib1g": [], "tzdata": []}


def test_what_was_seen_is_remembered_as_it_was(tmp_path: Path) -> None:
    store, one = Store(tmp_path), seen(nginx=[FIX])
    one.cves = {FIX.key: ["CVE-2026-0001"]}
    store.save(one)
    assert store.seen() == one
    assert one.lines([FIX]) == ["nginx 1 -> 2 (CVE-2026-0001)"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"base": [{"x": 1}]}'])
def test_what_cannot_be_read_is_as_if_nobody_had_asked(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.make()
    store.seen_file.write_text(text)
    assert store.seen() == Seen()


# ---- What is to be deployed ----


@pytest.mark.parametrize(
    ("mode", "packages", "counts"),
    [(SECURITY, [FIX], True), (SECURITY, [NEWS], False), (SECURITY, [NEWS, OF_THE_BASE], True), (ALL, [NEWS], True)],
)
def test_security_waits_for_a_security_fix_and_all_for_none(mode: str, packages: list[Package], counts: bool) -> None:
    assert bool(seen(nginx=packages).pending(mode)) == counts


def test_what_names_a_cve_is_a_fix_wherever_it_comes_from() -> None:
    """A point release takes fixes over, and then the archive of security updates does not offer them any more."""
    one = seen(nginx=[NEWS])
    one.cves = {NEWS.key: ["CVE-2026-0001"]}
    assert one.pending(SECURITY) == {"nginx": [NEWS]}


def wanted(files: Files, one: Seen, base: str) -> Files:
    return updates.wanted_files(files, one, one.pending(ALL), base)


def test_what_is_newer_is_a_part_of_the_tag_and_only_there() -> None:
    before = project()
    made = wanted(before, seen(nginx=[FIX]), "sha256:base")
    changed = {path for path in made if made[path] != before[path]}
    assert changed == {updates.COMPOSE, "srcs/requirements/nginx/Dockerfile"} | changed & {updates.COMPOSE}
    stamp = _decided.packages_of(made)["nginx"]
    text = made["srcs/requirements/nginx/Dockerfile"].data.decode()
    assert text.count(f"ARG PACKAGES={stamp}\n") == 2
    assert text == _decided.stamped(dockerfile().decode(), stamp)
    context = {"Dockerfile": text.encode(), "conf/nginx.conf": b"events {}\n"}
    tag = _images.content_tag(_images.content_of_files(context), "sha256:base")
    assert f"    image: nginx:{tag}\n" in made[updates.COMPOSE].data.decode()
    assert tag != _images.content_tag(_images.content_of_files({**context, "Dockerfile": dockerfile()}), "sha256:base")


def test_another_base_is_another_tag_for_all_and_no_stamp() -> None:
    made = wanted(project(), seen(nginx=[OF_THE_BASE]), "sha256:other")
    assert _decided.packages_of(made) == {}
    compose = made[updates.COMPOSE].data.decode()
    assert not any(tag in compose for tag in ("000000000000", "111111111111", "222222222222"))


def test_what_has_nothing_newer_keeps_its_tag() -> None:
    deployed = wanted(project(), seen(), "sha256:base")
    assert wanted(deployed, seen(), "sha256:base") == deployed
    made = wanted(deployed, seen(nginx=[FIX]), "sha256:base")
    before, after = (one[updates.COMPOSE].data.decode().splitlines() for one in (deployed, made))
    assert [line.partition(":")[0] + line.split(":")[1] for line in after if line not in before] == ["    image nginx"]


def test_the_same_versions_again_are_built_again() -> None:
    """A mirror in between two of its own updates: what it said it had was not what it gave."""
    first = wanted(project(), seen(nginx=[FIX]), "sha256:base")
    second = wanted(first, seen(nginx=[FIX]), "sha256:base")
    assert _decided.packages_of(first) != _decided.packages_of(second)


def test_a_stamp_is_replaced_and_not_added() -> None:
    once = _decided.stamped(dockerfile().decode(), "0123456789ab")
    assert _decided.stamped(once, "ba9876543210").count("ARG PACKAGES=") == 2
    assert _decided.stamped(once, "") == dockerfile().decode()


def test_images_on_two_bases_are_named() -> None:
    files = {**project(), "srcs/requirements/nginx/Dockerfile": File(dockerfile("debian:trixie"), 0o644)}
    with pytest.raises(updates.UpdateProblem, match="debian:bookworm, debian:trixie, not on one"):
        updates.reference_of(files)


# ---- Bringing it ----


class Machine:
    """A machine whose engine and distribution answer as a test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.history = Store(folder), History(folder / "var/lib/fortytwo.inception/history")
        self.root = folder / "inception"
        self.root.mkdir()
        self.manifest = folder / "wil.json"
        self.manifest.write_text("{}")
        self.project = _history.Project(str(self.root), str(self.manifest))
        self.project.restore(project())
        plan = {"root": str(self.root), "manifest": str(self.manifest), "services": []}
        entry = Entry(1, "", "wil", "deployment", digest=_history.digest(self.project.read()))
        entry.images = {"nginx": "nginx:000000000000"}
        self.history.add(entry, self.project.read(), plan)
        self.answer, self.calls = seen(nginx=[FIX]), list[tuple[str, ...]]()
        self.fails: BaseException | None = None
        self.left: dict[str, list[Package]] = {}
        monkeypatch.setattr(updates, "docker", self.docker)
        monkeypatch.setattr(updates, "WAITS_EVERY", 0.01)
        monkeypatch.setattr(updates.Asker, "ask", lambda asker, reference, images, before: self.ask(before, images))
        monkeypatch.setattr(updates.Asker, "ask_again", lambda asker, found, images: self.ask_again(found, images))
        monkeypatch.setattr(_deployment.Deployment, "run", lambda work: self.run(work))

    def ask(self, before: Seen, images: Mapping[str, str]) -> Seen:
        found = Seen.of(updates.asdict(self.answer))
        found.images = dict(images)
        found.attempts = before.attempts
        return found

    def ask_again(self, found: Seen, images: Mapping[str, str]) -> None:
        found.services, found.images = dict(self.left), dict(images)

    def docker(self, *argv: str, **options: Any) -> str:
        self.calls.append(argv)
        if argv[:2] == ("image", "ls"):
            return "base"
        if argv[:2] == ("image", "inspect"):
            return '[{"Id": "sha256:base", "Config": {"Labels": {"inception.base": "sha256:base"}}}]'
        return ""

    def run(self, work: _deployment.Deployment) -> _deployment.Outcome:
        """A deployment as the real one leaves it, in the history and in the project folder."""
        number = self.history.next_number()
        files = self.project.read()
        entry = Entry(number, "", work.who, work.what, digest=_history.digest(files), changed=work.brings)
        if self.fails:
            entry.result = _history.REFUSED
            self.history.add(entry)
            self.project.restore(self.history.files(1))
            self.history.end()
            raise self.fails
        entry.images = {"nginx": f"nginx:{number:012}"}
        self.history.add(entry, files, self.history.plan(1))
        self.history.end()
        return _deployment.Outcome(True, number)

    def updates(self, tell: Callable[[str], None] = lambda line: None) -> updates.Updates:
        return updates.Updates(self.store, self.history, Lease(self.store.root / "run"), "wil", tell)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def bad() -> GivenUp:
    return GivenUp(Failure(what="The new nginx was tried (nginx -t) and is not well.\nNothing was replaced."), "nginx")


def test_it_is_brought_and_said_what(machine: Machine) -> None:
    said = machine.updates().bring(ALL, by_itself=False)
    assert said == ["deployment 2: nginx updated", "    nginx 1 -> 2"]
    current = machine.history.current()
    assert current is not None
    assert current.changed == ["nginx 1 -> 2"]
    assert _decided.packages_of(machine.project.read()) == _decided.packages_of(machine.history.files(2)) != {}


def test_nothing_newer_takes_no_lease_and_deploys_nothing(machine: Machine) -> None:
    machine.answer = seen()
    assert machine.updates().bring(ALL, by_itself=True) == ["Nothing is newer than what runs."]
    machine.answer = seen(nginx=[NEWS])
    said = machine.updates().bring(SECURITY, by_itself=True)
    assert said == ["No security fix is newer than what runs; 1 other packages are."]
    assert machine.history.next_number() == 2


def test_a_bad_one_is_named_and_tried_three_times_by_itself(machine: Machine) -> None:
    _places.tell_updates(machine.store.root, SECURITY, "daily")
    machine.fails = bad()
    for _attempt in range(updates.TRIES):
        with pytest.raises(GivenUp):
            machine.updates().bring(SECURITY, by_itself=True)
    [said] = machine.updates().bring(SECURITY, by_itself=True)
    assert said.startswith("not tried again: the update of ")
    assert "The new nginx was tried (nginx -t) and is not well. It was to bring nginx 1 -> 2" in said
    [(what, todo)] = updates.troubles(machine.store, machine.history, time.time())
    assert what in said
    assert todo == "`sudo inception update` tries again"
    # By hand it is tried all the same; and a newer one by itself.
    with pytest.raises(GivenUp):
        machine.updates().bring(ALL, by_itself=False)
    machine.fails, machine.answer = None, seen(nginx=[Package("nginx", "1", "3", security=True)])
    assert machine.updates().bring(SECURITY, by_itself=True)[0] == "deployment 6: nginx updated"
    assert list(updates.troubles(machine.store, machine.history, time.time())) == []


def test_a_bad_one_keeps_no_other_away(machine: Machine) -> None:
    machine.fails = bad()
    for _attempt in range(updates.TRIES):
        with pytest.raises(GivenUp):
            machine.updates().bring(SECURITY, by_itself=True)
    machine.fails, machine.answer = None, seen(nginx=[FIX], wordpress=[Package("php", "1", "2", security=True)])
    assert machine.updates().bring(SECURITY, by_itself=True) == ["deployment 5: wordpress updated", "    php 1 -> 2"]
    assert list(_decided.packages_of(machine.project.read())) == ["wordpress"]


def test_only_who_is_to_blame_is_blamed(machine: Machine) -> None:
    machine.fails, machine.answer = bad(), seen(nginx=[FIX], wordpress=[Package("php", "1", "2", security=True)])
    for _attempt in range(updates.TRIES):
        with pytest.raises(GivenUp):
            machine.updates().bring(SECURITY, by_itself=True)
    machine.fails = None
    assert machine.updates().bring(SECURITY, by_itself=True)[0] == "deployment 5: wordpress updated"


def test_one_that_is_cut_off_each_time_is_told_of(machine: Machine) -> None:
    """A machine that its own update ends, for lack of memory."""
    _places.tell_updates(machine.store.root, SECURITY, "daily")
    machine.fails = KeyboardInterrupt()
    for attempt in range(updates.TRIES):
        assert list(updates.troubles(machine.store, machine.history, time.time())) == []
        with pytest.raises(KeyboardInterrupt):
            machine.updates().bring(SECURITY, by_itself=True)
        entries = machine.history.entries()
        machine.history.mark(entries[-1].number, _history.CUT_OFF, "")
        assert attempt < len(entries)
    assert machine.updates().bring(SECURITY, by_itself=True)[0].startswith("not tried again: was cut off")
    [(what, dummy)] = updates.troubles(machine.store, machine.history, time.time())
    assert what == "an update was cut off 3 times, and is not tried again"


def test_one_that_was_cut_off_and_gone_on_with_can_be_gone_back_from(machine: Machine) -> None:
    _places.tell_updates(machine.store.root, SECURITY, "daily")
    machine.fails = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        machine.updates().bring(SECURITY, by_itself=True)
    machine.history.mark(2, _history.KEPT, "")
    machine.fails = None
    [said] = machine.updates().bring(SECURITY, by_itself=True)
    assert said == "not tried again: deployment 2 brought it, and was gone back from; `sudo inception update` does"


def test_one_that_gave_way_while_it_was_watched_is_told_of(machine: Machine) -> None:
    _places.tell_updates(machine.store.root, ALL, "daily")
    machine.updates().bring(ALL, by_itself=True)
    machine.history.mark(2, _history.GAVE_WAY, "nginx ended by itself 2 times.")
    machine.project.restore(machine.history.files(1))
    machine.left = {"nginx": [FIX]}
    machine.updates().asked()
    [(what, dummy)] = updates.troubles(machine.store, machine.history, time.time())
    assert what.endswith("was given up: nginx ended by itself 2 times. It was to bring nginx 1 -> 2")


def test_what_a_build_did_not_bring_is_said(machine: Machine) -> None:
    machine.left = {"nginx": [FIX]}
    said = machine.updates().bring(ALL, by_itself=True)
    assert said[-1] == "nginx was built, and does not have nginx 1 -> 2; its Dockerfile may name a version"
    # Nor is it built each night.
    assert machine.updates().bring(ALL, by_itself=True)[0].startswith("not tried again: ")


def test_a_failure_that_says_nothing_is_named_by_its_kind(machine: Machine) -> None:
    machine.fails = OSError()
    with pytest.raises(OSError, match=r"^$"):
        machine.updates().bring(ALL, by_itself=True)
    assert "was given up: OSError It was to bring" in machine.store.seen().attempts["nginx"].outcome


def test_what_was_gone_back_from_does_not_come_back_by_itself(machine: Machine) -> None:
    machine.updates().bring(ALL, by_itself=True)
    machine.project.restore(machine.history.files(1))
    entry = Entry(3, "", "wil", "rollback to 1", digest=_history.digest(machine.project.read()))
    entry.images = {"nginx": "nginx:000000000000"}
    machine.history.add(entry, machine.project.read(), machine.history.plan(1))
    [said] = machine.updates().bring(ALL, by_itself=True)
    assert said == "not tried again: deployment 2 brought it, and was gone back from; `sudo inception update` does"
    assert machine.updates().bring(ALL, by_itself=False)[0] == "deployment 4: nginx updated"


def test_without_a_setting_nothing_comes_by_itself(machine: Machine) -> None:
    said = machine.updates().bring(machine.store.settings().mode, by_itself=True)
    assert said == ["This machine brings no updates by itself (inception_updates)."]
    assert machine.calls == []


def test_what_somebody_edited_is_not_deployed_along(machine: Machine) -> None:
    (machine.root / "srcs/requirements/nginx/conf/nginx.conf").write_text("events {worker_connections 8;}\n")
    with pytest.raises(updates.UpdateProblem, match="is not what was deployed; deploy first"):
        machine.updates().bring(ALL, by_itself=False)


def test_what_was_deployed_while_it_asked_stays(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Lease.take

    def take(lease: Lease, *argv: Any) -> None:
        taken(lease, *argv)
        entry = Entry(2, "", "xavier", "deployment", digest="another", images={"nginx": "nginx:999999999999"})
        machine.history.add(entry, machine.project.read(), machine.history.plan(1))

    monkeypatch.setattr(Lease, "take", take)
    with pytest.raises(updates.UpdateProblem, match="somebody has deployed meanwhile"):
        machine.updates().bring(ALL, by_itself=False)
    assert machine.store.seen().attempts == {}
    assert Lease(machine.store.root / "run").holder() is None


def test_nothing_deployed_is_said(machine: Machine, tmp_path: Path) -> None:
    machine.history = History(tmp_path / "none")
    with pytest.raises(updates.UpdateProblem, match="nothing is deployed here"):
        machine.updates().bring(ALL, by_itself=False)


def test_a_distribution_that_does_not_answer_is_told_of(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*anything: Any) -> Seen:
        raise updates.UpdateProblem("`docker run`: E: Failed to fetch")

    _places.tell_updates(machine.store.root, ALL, "daily")
    monkeypatch.setattr(updates.Asker, "ask", silent)
    with pytest.raises(updates.UpdateProblem):
        machine.updates().bring(ALL, by_itself=True)
    [(what, dummy)] = updates.troubles(machine.store, machine.history, time.time())
    assert "could not be asked" in what
    assert "Failed to fetch" in what
    assert any(
        "WARNING: the distribution could not be asked" in line
        for line in updates.status(machine.store, machine.history)
    )


# ---- The base image ----


class Engine:
    """Base images by their names, as an engine keeps them, and deployments that are built on them."""

    REFERENCE = "debian:bookworm"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.history = Store(folder), History(folder / "var/lib/fortytwo.inception/history")
        # Each by its names; one without a name is gone, as it is where somebody cleans up.
        self.names = {self.REFERENCE: "a"}
        self.registry = ""
        self.base = updates.Base(self.store, self.REFERENCE)
        self.packages_are_newer = True
        monkeypatch.setattr(updates, "docker", self.docker)
        monkeypatch.setattr(_images, "pack_base", lambda tree, target, *told: self.write(target, self.next()))
        monkeypatch.setattr(
            _images, "base_digest_of", lambda path: Path(path).read_text() if Path(path).exists() else ""
        )

    @property
    def images(self) -> set[str]:
        return set(self.names.values())

    @property
    def present(self) -> str:
        return self.names.get(self.REFERENCE, "")

    def next(self) -> str:
        return chr(ord(max(self.images)) + 1)

    @staticmethod
    def write(path: Any, text: str) -> str:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
        return text

    def docker(self, *argv: str, **options: Any) -> str:
        match argv[:2]:
            case ("image", "ls"):
                return self.names.get(argv[-1], "")
            case ("image", "inspect"):
                image = self.names.get(argv[2], argv[2])
                told: dict[str, Any] = {"Id": image, "Architecture": "amd64", "Config": {}}
                if self.registry and image <= self.registry:
                    told["RepoDigests"] = [f"debian@{image}"]
                else:
                    told["Config"] = {"Labels": {"inception.base": image}}
                return json.dumps([told])
            case ("image", "rm"):
                del self.names[argv[2]]
            case ("tag", one):
                image = self.names.get(one, one)
                assert image in self.images
                self.names[argv[2]] = image
            case ("pull", _):
                self.names[self.REFERENCE] = self.registry
            case ("load", _):
                self.names[self.REFERENCE] = Path(argv[-1]).read_text()
            case ("save", _):
                self.write(argv[2], self.present)
            case ("run", _):
                return "" if self.packages_are_newer else "Nothing\n"
            case ("export", _):
                self.write(argv[2], "tree")
        return ""

    def deploy(self, base: str = "", result: str = _history.KEPT) -> int:
        """One that is built on a base image."""
        files = wanted(project(), seen(), base or self.present)
        number = self.history.next_number()
        entry = Entry(number, "", "wil", "update", result, digest=f"{base or self.present}", changed=[])
        self.history.add(entry, files if result == _history.KEPT else None, {})
        return number

    def settle(self) -> None:
        updates.settle_base(self.store, self.history)

    def archived(self) -> str:
        assert not self.base.new_archive.exists()
        return self.base.archive.read_text()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine(tmp_path, monkeypatch)
    made.deploy()
    return made


@pytest.mark.parametrize("result", [_history.REFUSED, _history.GAVE_WAY, _history.FAILED, ""])
def test_the_former_base_comes_back_where_the_deployment_was_not_kept(engine: Engine, result: str) -> None:
    engine.base.renew()
    assert engine.present == "b"
    if result:
        engine.deploy(result=result)
    engine.settle()
    # And nothing is left of the other one.
    assert (engine.present, engine.images, engine.archived()) == ("a", {"a"}, "a")


def test_it_stays_when_the_deployment_was_kept_and_so_does_the_one_before(engine: Engine) -> None:
    engine.base.renew()
    engine.deploy()
    engine.settle()
    assert (engine.present, engine.images, engine.archived()) == ("b", {"a", "b"}, "b")


def test_a_deployment_that_is_gone_back_to_has_its_base(engine: Engine) -> None:
    engine.base.renew()
    engine.deploy()
    engine.settle()
    engine.deploy("a")
    engine.settle()
    assert (engine.present, engine.images, engine.archived()) == ("a", {"a", "b"}, "a")
    engine.deploy("b")
    engine.settle()
    assert (engine.present, engine.archived()) == ("b", "b")


def test_one_that_gave_way_while_it_was_watched_too(engine: Engine) -> None:
    engine.base.renew()
    number = engine.deploy()
    engine.settle()
    engine.history.mark(number, _history.GAVE_WAY, "nginx ended by itself twice")
    engine.settle()
    assert (engine.present, engine.images, engine.archived()) == ("a", {"a"}, "a")


def test_bases_of_deployments_that_nobody_can_go_back_to_are_removed(engine: Engine) -> None:
    for _update in range(10):
        engine.base.renew()
        engine.deploy()
        engine.settle()
    assert len(engine.images) == len(engine.history.kept()) == 6


def test_while_a_deployment_is_under_way_nothing_is_settled(engine: Engine) -> None:
    engine.base.renew()
    engine.history.begin({"number": 2})
    engine.settle()
    assert engine.present == "b"
    engine.history.end()
    engine.settle()
    assert engine.present == "a"


def test_one_that_has_nothing_newer_is_not_packed_anew(engine: Engine) -> None:
    """It would be another one all the same, and so would be all that is built on it."""
    engine.packages_are_newer = False
    engine.base.renew()
    assert engine.present == "a"
    engine.settle()
    assert (engine.present, engine.images, engine.archived()) == ("a", {"a"}, "a")


def test_one_of_a_registry_is_pulled_and_packed_here_where_that_has_nothing_newer(engine: Engine) -> None:
    engine.registry = "a"
    engine.deploy()
    engine.base.renew()
    engine.deploy()
    engine.settle()
    assert (engine.present, engine.archived()) == ("b", "b")
    # Gone back to the registry's own.
    engine.deploy("a")
    engine.settle()
    assert engine.present == "a"
    # Which would come back in its place, when somebody cleans up the engine.
    assert not engine.base.archive.exists()
    engine.registry = "b"
    engine.names.pop("inception-base:b")
    engine.base.renew()
    assert engine.present == "b"
    assert not engine.base.new_archive.exists()


def test_one_that_somebody_pulled_by_hand_takes_no_archive_away(engine: Engine) -> None:
    engine.base.renew()
    engine.deploy()
    engine.settle()
    engine.registry = engine.names[engine.REFERENCE] = "z"
    engine.deploy("b")
    engine.settle()
    assert engine.archived() == "b"


def test_a_base_that_somebody_took_away_comes_back(engine: Engine) -> None:
    """`docker system prune --all`, by somebody's cron: no container runs of it."""
    engine.base.renew()
    engine.deploy()
    engine.settle()
    engine.names = {}
    assert engine.base.there()["Id"] == "b"


@pytest.mark.parametrize(
    ("told", "digest", "registry"),
    [
        (
            {"Id": "sha256:1", "Config": {"Labels": {"inception.base": "sha256:2"}}, "RepoDigests": []},
            "sha256:2",
            False,
        ),
        (
            {"Id": "sha256:1", "Config": {}, "RepoDigests": ["debian@sha256:4", "mirror/debian@sha256:3"]},
            "sha256:3",
            True,
        ),
        ({"Id": "sha256:1", "Config": {"Labels": None}}, "sha256:1", False),
    ],
)
def test_a_base_has_the_digest_that_the_role_gives_it(told: dict[str, Any], digest: str, registry: bool) -> None:
    assert (updates.base_digest(told), updates.comes_from_registry(told)) == (digest, registry)


# ---- What is told ----


def test_the_status_tells_ages_and_what_is_newer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "created", lambda image: 1000.0)
    lines = updates.status(machine.store, machine.history, 1000.0 + 3 * 86400)
    assert lines == [
        "image of nginx: 3 days old; what is newer is not known",
        "updates: not asked yet (`sudo inception update --check`)",
        "updates: debian bookworm gets fixes until 2028-06-30",
    ]
    machine.answer.cves = {FIX.key: ["CVE-2026-0001"]}
    machine.updates().asked()
    lines = updates.status(machine.store, machine.history, 1000.0)
    assert lines == [
        "image of nginx: of today; newer: nginx 1 -> 2 (CVE-2026-0001)",
        "updates: asked 2026-11-28 12:00:00 UTC",
        "updates: debian bookworm gets fixes until 2028-06-30",
    ]


def test_a_release_without_fixes_is_told_where_nothing_comes_by_itself_too(machine: Machine) -> None:
    """By the status and by the machine's own look; until then not a word."""
    what = "debian bookworm gets no security fixes any more, since 2028-06-30"
    todo = "`inception_base_release: trixie` and a deployment change it"
    wall = calendar.timegm((2028, 7, 1, 0, 0, 0))
    assert f"updates: WARNING: {what}; {todo}" in updates.status(machine.store, machine.history, wall)
    found = list(_health.look_at_updates(machine.store, machine.history, wall))
    assert [(one.key, one.what, one.todo) for one in found] == [("release", what, todo)]
    assert list(_health.look_at_updates(machine.store, machine.history, wall - 200 * 86400)) == []


def test_who_was_not_asked_for_long_is_told_of(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _places.tell_updates(store.root, ALL, "daily")
    store.save(seen())
    history = History(tmp_path / "none")
    [(what, dummy)] = updates.troubles(store, history, time.time() + 10 * 365 * 86400)
    assert what == "the distribution was asked last at 2026-11-28 12:00:00 UTC"
    _places.tell_updates(store.root, "none", "daily")
    assert list(updates.troubles(store, history, time.time() + 10 * 365 * 86400)) == []


def test_what_is_set_is_new_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not _places.tell_updates(store.root, "none", "daily")
    assert _places.tell_updates(store.root, SECURITY, "weekly")
    assert not _places.tell_updates(store.root, SECURITY, "weekly")
    assert _places.tell_updates(store.root, "none", "weekly")


def test_only_builds_of_ours_that_no_image_uses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that was built on them: the engine takes none away that another one stands on."""

    def block(name: str, description: str, parent: str = "", shared: str = "false", reclaimable: str = "true") -> str:
        lines = [
            f"ID:\t\t{name}",
            f"Reclaimable:\t{reclaimable}",
            f"Shared:\t\t{shared}",
            f"Description:\t{description}",
        ]
        return "\n".join([*lines, *([f"Parent:\t\t{parent}"] if parent else [])]) + "\n"

    ours = f"mount / from exec /bin/sh -c apt-get update && find / {updates.OUR_STEPS[1]} -exec chmod a-s {{}} +"
    listed = "\n".join(
        [
            block("z9", "[4/7] COPY tools /usr/local/bin", "y8"),
            block("y8", "[3/7] COPY conf /etc/nginx", "a1"),
            block("a1", ours, "base"),
            block("base", "pulled from docker.io/library/debian"),
            block("b2", ours, shared="true"),
            block("x7", "[3/7] COPY conf /etc/nginx", "b2", shared="true"),
            block("c3", "somebody's"),
            block("w6", "somebody's", "c3"),
            block("d4", ours, "false", "false", "false"),
            block("e5", "[2/2] COPY --link", "w6, a1").replace("Parent:", "Parents:"),
        ]
    )
    calls = []

    def docker(*argv: str, **options: Any) -> str:
        calls.append(argv)
        return listed if "du" in argv else ""

    monkeypatch.setattr(updates, "docker", docker)
    updates.forget_builds()
    assert calls[1:] == [("buildx", "prune", "--force", "--filter", "id=^(a1|e5|y8|z9)$")]
    listed = block("b2", ours, shared="true")
    updates.forget_builds()
    assert len(calls) == 3


def test_what_is_asked_for_is_asked_for_by_the_machine_s_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name alone, so that its address is in no argument."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert updates.by_proxy() == []
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:3128")
    assert updates.by_proxy() == ["--env", "http_proxy"]


def test_a_container_that_asks_is_none_of_the_project_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its image's labels say so; who looked at that moment took it for one of nginx."""
    calls: list[tuple[str, ...]] = []

    def docker(*argv: str, **_options: Any) -> str:
        calls.append(argv)
        return ""

    monkeypatch.setattr(updates, "docker", docker)
    updates.Asker(Store(tmp_path), print).run("nginx:0123", "true")
    assert {"--label=com.docker.compose.project=", "--label=com.docker.compose.service="} <= set(calls[0])
