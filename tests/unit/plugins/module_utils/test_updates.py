# SPDX-License-Identifier: GPL-3.0-or-later
"""What is newer than what the images are made of, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _decided, _deployment, _history, _images
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


def test_what_is_newer_is_a_part_of_the_tag_and_only_there() -> None:
    before = project()
    made = updates.wanted_files(before, seen(nginx=[FIX]), ALL, "sha256:base")
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
    made = updates.wanted_files(project(), seen(nginx=[OF_THE_BASE]), ALL, "sha256:other")
    assert _decided.packages_of(made) == {}
    compose = made[updates.COMPOSE].data.decode()
    assert not any(tag in compose for tag in ("000000000000", "111111111111", "222222222222"))


def test_nothing_newer_changes_nothing() -> None:
    assert updates.wanted_files(project(), seen(), ALL, "sha256:base") == project()
    assert updates.wanted_files(project(), seen(nginx=[NEWS]), SECURITY, "sha256:base") == project()


def test_the_same_versions_again_are_built_again() -> None:
    """A mirror in between two of its own updates: what it said it had was not what it gave."""
    first = updates.wanted_files(project(), seen(nginx=[FIX]), ALL, "sha256:base")
    second = updates.wanted_files(first, seen(nginx=[FIX]), ALL, "sha256:base")
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
        self.fails: Exception | None = None
        monkeypatch.setattr(updates, "docker", self.docker)
        monkeypatch.setattr(updates, "WAITS_EVERY", 0.01)
        monkeypatch.setattr(updates.Asker, "ask", lambda asker, reference, images, before: self.ask(before, images))
        monkeypatch.setattr(_deployment.Deployment, "run", lambda work: self.run(work))

    def ask(self, before: Seen, images: Mapping[str, str]) -> Seen:
        found = Seen.of(updates.asdict(self.answer))
        found.images = dict(images)
        found.tried, found.tries, found.outcome = before.tried, before.tries, before.outcome
        return found

    def docker(self, *argv: str, **options: Any) -> str:
        self.calls.append(argv)
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
    machine.store.set(SECURITY, "daily")
    machine.fails = bad()
    for _attempt in range(updates.TRIES):
        with pytest.raises(GivenUp):
            machine.updates().bring(SECURITY, by_itself=True)
    [said] = machine.updates().bring(SECURITY, by_itself=True)
    assert said.startswith("not tried again: the update of ")
    assert "The new nginx was tried (nginx -t) and is not well. It was to bring nginx 1 -> 2" in said
    [(what, todo)] = updates.troubles(machine.store, time.time())
    assert what in said
    assert todo == "`sudo inception update` tries again"
    # By hand it is tried all the same; and a newer one by itself.
    with pytest.raises(GivenUp):
        machine.updates().bring(ALL, by_itself=False)
    machine.fails, machine.answer = None, seen(nginx=[Package("nginx", "1", "3", security=True)])
    assert machine.updates().bring(SECURITY, by_itself=True)[0] == "deployment 6: nginx updated"
    assert list(updates.troubles(machine.store, time.time())) == []


def test_what_was_gone_back_from_does_not_come_back_by_itself(machine: Machine) -> None:
    machine.updates().bring(ALL, by_itself=True)
    machine.history.mark(2, _history.GAVE_WAY, "nginx ended by itself twice")
    machine.project.restore(machine.history.files(1))
    [said] = machine.updates().bring(ALL, by_itself=True)
    assert said == "not tried again: deployment 2 brought it, and was gone back from; `sudo inception update` does"
    assert machine.updates().bring(ALL, by_itself=False)[0] == "deployment 3: nginx updated"


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
    assert machine.store.seen().tries == 0
    assert Lease(machine.store.root / "run").holder() is None


def test_nothing_deployed_is_said(machine: Machine, tmp_path: Path) -> None:
    machine.history = History(tmp_path / "none")
    with pytest.raises(updates.UpdateProblem, match="nothing is deployed here"):
        machine.updates().bring(ALL, by_itself=False)


def test_a_distribution_that_does_not_answer_is_told_of(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*anything: Any) -> Seen:
        raise updates.UpdateProblem("`docker run`: E: Failed to fetch")

    machine.store.set(ALL, "daily")
    monkeypatch.setattr(updates.Asker, "ask", silent)
    with pytest.raises(updates.UpdateProblem):
        machine.updates().bring(ALL, by_itself=True)
    [(what, dummy)] = updates.troubles(machine.store, time.time())
    assert "could not be asked" in what
    assert "Failed to fetch" in what
    assert any(
        "WARNING: the distribution could not be asked" in line
        for line in updates.status(machine.store, machine.history)
    )


# ---- The base image ----


def tried_base(machine: Machine, number: int, when: float) -> None:
    machine.store.make()
    told = {"reference": "debian:bookworm", "before": "sha256:old", "number": number, "when": when}
    _history.write(machine.store.base_file, told)
    (machine.store.folder / "debian-bookworm.image.tar").write_text("new")


def test_the_former_base_comes_back_where_the_deployment_was_not_kept(machine: Machine) -> None:
    tried_base(machine, 2, time.time())
    updates.settle_base(machine.store, machine.history)
    assert machine.calls == [("tag", "sha256:old", "debian:bookworm")]
    assert [path.name for path in machine.store.folder.iterdir()] == []


def test_it_stays_when_the_deployment_was_kept_and_watched(machine: Machine) -> None:
    tried_base(machine, 1, time.time())
    updates.settle_base(machine.store, machine.history)
    assert machine.calls == []
    tried_base(machine, 1, time.time() - updates.BASE_KEPT)
    updates.settle_base(machine.store, machine.history)
    assert machine.calls == [("image", "rm", "sha256:old")]
    assert (machine.store.root / updates.BASES / "debian-bookworm.image.tar").read_text() == "new"


def test_while_a_deployment_is_under_way_nothing_is_settled(machine: Machine) -> None:
    tried_base(machine, 2, time.time())
    machine.history.begin({"number": 2})
    updates.settle_base(machine.store, machine.history)
    assert machine.calls == []


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
    ]
    machine.answer.cves = {FIX.key: ["CVE-2026-0001"]}
    machine.updates().asked()
    lines = updates.status(machine.store, machine.history, 1000.0)
    assert lines == [
        "image of nginx: of today; newer: nginx 1 -> 2 (CVE-2026-0001)",
        "updates: asked 2026-11-28 12:00:00 UTC",
    ]


def test_who_was_not_asked_for_long_is_told_of(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.set(ALL, "daily")
    store.save(seen())
    [(what, dummy)] = updates.troubles(store, time.time() + 10 * 365 * 86400)
    assert what == "the distribution was asked last at 2026-11-28 12:00:00 UTC"
    store.set("none", "daily")
    assert list(updates.troubles(store, time.time() + 10 * 365 * 86400)) == []


def test_what_is_set_is_new_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.set("none", "daily")
    assert store.set(SECURITY, "weekly")
    assert not store.set(SECURITY, "weekly")
    assert store.set("none", "weekly")


def test_only_builds_of_ours_that_no_image_uses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    def block(name: str, description: str, shared: str = "false", reclaimable: str = "true") -> str:
        return f"ID:\t\t{name}\nReclaimable:\t{reclaimable}\nShared:\t\t{shared}\nDescription:\t{description}\n"

    ours = f"mount / from exec /bin/sh -c apt-get update && find / {updates.OUR_STEPS[1]} -exec chmod a-s {{}} +"
    listed = "\n".join(
        [
            block("a1", ours),
            block("b2", ours, shared="true"),
            block("c3", "somebody's"),
            block("d4", ours, "false", "false"),
        ]
    )
    calls = []

    def docker(*argv: str, **options: Any) -> str:
        calls.append(argv)
        return listed if "du" in argv else ""

    monkeypatch.setattr(updates, "docker", docker)
    updates.forget_builds()
    assert [argv[-1] for argv in calls[1:]] == ["id=a1"]


def test_what_is_asked_for_is_asked_for_by_the_machine_s_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name alone, so that its address is in no argument."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert updates.by_proxy() == []
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:3128")
    assert updates.by_proxy() == ["--env", "http_proxy"]
