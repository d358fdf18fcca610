# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine does about what it finds; its stack, engine and clock are made up."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _acme,
    _deployment,
    _health,
    _notice,
    _ports,
    _renewal,
    _stuck,
    _tending,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import Failure
from ansible_collections.fortytwo.inception.plugins.module_utils._health import Engine, Store
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, History, Project, digest
from ansible_collections.fortytwo.inception.plugins.module_utils._lease import Lease
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import Container, GivenUp, read_container
from ansible_collections.fortytwo.inception.plugins.module_utils._tending import Tending

DAY = _renewal.DAY


class Machine:
    """A stack that was deployed, with a certificate that has so many days left."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "project"
        (self.root / "srcs").mkdir(parents=True)
        (self.root / "secrets").mkdir()
        (self.root / "srcs/.env").write_text('DOMAIN=wil.42.fr\nALIASES="www.wil.42.fr *.wil.fr"\n')
        for name in ("tls.crt", "ca.crt"):
            (self.root / "secrets" / name).write_text(name)
        manifest = folder / "manifest.json"
        manifest.write_text(json.dumps({"path": str(self.root), "files": ["srcs/.env"]}))
        self.history = History(folder / "history")
        files = Project(str(self.root), str(manifest)).read()
        plan = {"root": str(self.root), "manifest": str(manifest), "services": []}
        self.history.add(Entry(1, "", "wil", "deployment", digest=digest(files)), files, plan)
        self.lease = Lease(folder / "run")
        self.store = Store(folder / "health", folder / "run")
        self.days_left = 300
        self.engine: Engine | None = Engine({}, {})
        self.done: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.problem: Exception | None = None
        self.is_taken = True
        now = 1_800_000_000.0
        monkeypatch.setattr(_renewal, "now", lambda: now)
        monkeypatch.setattr(
            _renewal,
            "validity",
            lambda text: _renewal.Validity(now - DAY, now + (3000 if text == b"ca.crt" else self.days_left) * DAY),
        )
        monkeypatch.setattr(_renewal, "renew", self.renew)
        monkeypatch.setattr(_deployment.Deployment, "run", lambda work: self.run(work))
        monkeypatch.setattr(_deployment, "resume", self.resume)
        monkeypatch.setattr(Engine, "ask", lambda project: self.engine)
        monkeypatch.setattr(_health._engine, "ask", lambda *dummy, **unused: {})
        monkeypatch.setattr(_health, "look_at_disks", lambda *dummy: [])
        monkeypatch.setattr(_health, "is_container", lambda: True)
        monkeypatch.setattr(_notice, "deliver", self.deliver)
        self.holds = True
        monkeypatch.setattr(_tending._takeover, "can_hold", lambda: self.holds)
        self.settings(renews=True, ways={"mail": "wil@example.org"})

    def settings(self, **settings: Any) -> None:
        self.store.settings_file.parent.mkdir(exist_ok=True)
        self.store.settings_file.write_text(json.dumps(settings))

    def renew(self, root: str, names: list[str]) -> None:
        if self.problem:
            raise self.problem
        assert self.lease.holder()
        self.done.append(f"renewed {' '.join(names)}")
        self.days_left = 365

    def run(self, work: _deployment.Deployment) -> _deployment.Outcome:
        self.done.append(work.what)
        return _deployment.Outcome(changed=self.is_taken)

    def resume(self, history: History, tell: Any) -> None:
        self.done.append("gone on")
        history.end()

    def deliver(self, way: str, ways: Any, message: _notice.Message, *dummy: Any) -> None:
        if isinstance(self.problem, _notice.Untold):
            raise self.problem
        self.told.append((way, message.subject))

    def look(self, times: int = 1) -> None:
        for _time in range(times):
            Tending(self.history, self.lease, self.store, lambda line: None).once()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_machine_that_is_well_does_nothing(machine: Machine) -> None:
    machine.look(5)
    assert (machine.done, machine.told) == ([], [])
    assert _tending.asked(machine.history, machine.lease, machine.store) == [_tending.WELL]


def test_a_certificate_near_its_end_is_renewed_and_taken_into_use(machine: Machine) -> None:
    machine.days_left = 20
    machine.look(5)
    assert machine.done == ["renewed wil.42.fr www.wil.42.fr *.wil.fr", _tending.RENEWAL]
    # It is no news.
    assert machine.told == []
    assert machine.lease.holder() is None


class Asked:
    """An authority that gives a certificate, or a reason why not."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.problem = machine, ""
        machine.settings(renews=False, acme=True, ways={"mail": "wil@example.org"})
        self.due: _acme.Due | None = _acme.Due("the certificate ends in 29 days", False)
        monkeypatch.setattr(_health.Look, "root_of_all", lambda look: machine.root.parent)
        monkeypatch.setattr(_acme, "due", lambda *dummy: self.due)
        monkeypatch.setattr(_acme, "issue", self.issue)
        monkeypatch.setattr(_acme, "put", self.put)
        monkeypatch.setattr(_acme.Store, "settings", lambda store: _acme.Settings(["wil.42.fr"]))

    def issue(self, store: _acme.Store, *dummy: Any) -> None:
        # An authority takes its time: nobody is kept from deploying.
        assert self.machine.lease.holder() is None
        self.machine.done.append("asked")
        if self.problem:
            state = store.state()
            store.save(_acme.State(failed=state.failed + 1, why=self.problem, next=_renewal.now() + 600))
            raise _acme.Refused(self.problem, "wait")

    def put(self, *dummy: Any) -> None:
        assert self.machine.lease.holder()
        self.due = None
        self.machine.done.append("put")


@pytest.fixture
def asked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(machine, monkeypatch)


def test_an_authority_is_asked_once_and_what_it_gave_is_taken_into_use(machine: Machine, asked: Asked) -> None:
    machine.look(5)
    assert machine.done == ["asked", "put", _tending.RENEWAL]
    assert machine.told == []


def test_before_the_names_are_known_nobody_is_asked(
    machine: Machine, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the first deployment, whose end says them."""
    monkeypatch.setattr(_acme.Store, "settings", lambda store: _acme.Settings())
    machine.look(3)
    assert (machine.done, machine.told) == ([], [])


def test_one_that_was_issued_before_it_was_cut_off_is_not_asked_for_again(
    machine: Machine, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_acme, "waits", lambda *dummy: True)
    machine.look()
    assert machine.done == ["put", _tending.RENEWAL]


def test_a_refusal_is_news_when_it_comes_again_or_there_is_no_time(machine: Machine, asked: Asked) -> None:
    asked.problem = "nobody answers"
    machine.look(5)
    # It waits, and has weeks.
    assert machine.done == ["asked"]
    assert machine.told == []
    store = Tending(machine.history, machine.lease, machine.store, lambda line: None).acme
    assert store is not None
    store.save(_acme.State(failed=1, why="nobody answers"))
    machine.look(5)
    assert machine.done == ["asked", "asked"]
    [(dummy, subject)] = machine.told
    assert subject == "[wil.42.fr] the certificate ends in 29 days; asked 2 times in a row in vain: nobody answers"


def test_the_first_one_that_is_refused_is_news_at_once(machine: Machine, asked: Asked) -> None:
    asked.due, asked.problem = _acme.Due("the certificate is none of x's", True), "no record"
    machine.look()
    assert [subject for dummy, subject in machine.told] == [
        "[wil.42.fr] the certificate is none of x's; asked once in vain: no record"
    ]


def test_whoever_asks_is_told_why_and_takes_what_there_is(machine: Machine, asked: Asked) -> None:
    def certify(anew: bool) -> bool:
        return Tending(machine.history, machine.lease, machine.store, lambda line: None).certify("wil", anew)

    asked.problem = "no record"
    with pytest.raises(_acme.Refused, match="no record"):
        certify(anew=False)
    asked.problem = ""
    assert certify(anew=False)
    assert not certify(anew=False)
    assert certify(anew=True)
    assert machine.done.count("put") == 2
    machine.settings(renews=True, ways={})
    with pytest.raises(_renewal.RenewalProblem, match="asks nobody"):
        certify(anew=True)


def test_the_one_in_use_is_replaced_before_it_is_revoked_and_revoked_all_the_same(
    machine: Machine, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_use = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    monkeypatch.setattr(_acme, "revoke", lambda store, certificate, program: machine.done.append("revoked"))
    other, place = machine.root / "other.crt", machine.root / "secrets/tls.crt"
    other.write_text(in_use.replace("AAAA", "BBBB"))
    place.write_text(in_use)

    def revoke(file: Path) -> list[str]:
        machine.done.clear()
        Tending(machine.history, machine.lease, machine.store, lambda line: None).revoke("wil", file)
        return list(machine.done)

    assert revoke(other) == ["revoked"]
    assert revoke(place) == ["asked", "put", _tending.RENEWAL, "revoked"]
    asked.problem = "no record"
    with pytest.raises(_acme.Refused, match=r"it is revoked.*no record"):
        revoke(place)
    assert machine.done == ["asked", "revoked"]
    with pytest.raises(_renewal.RenewalProblem, match="there is no certificate in"):
        revoke(machine.root / "srcs/.env")
    machine.settings(renews=True, ways={})
    with pytest.raises(_renewal.RenewalProblem, match="asks nobody"):
        revoke(place)


def test_one_of_the_user_s_own_is_told(machine: Machine) -> None:
    machine.settings(renews=False, ways={"mail": "wil@example.org", "webhook": "https://x.org/y"})
    machine.days_left = 20
    machine.look(5)
    assert machine.done == []
    subject = "[wil.42.fr] the certificate ends in 20 days"
    assert machine.told == [("mail", subject), ("webhook", subject)]


@pytest.mark.parametrize(
    "problem",
    [
        _renewal.RenewalProblem("openssl x509: no key"),
        OSError(28, "No space left on device"),
        GivenUp(Failure(what="nginx did not become healthy")),
    ],
)
def test_one_that_cannot_be_renewed_is_told_with_the_reason(machine: Machine, problem: Exception) -> None:
    machine.days_left, machine.problem = 20, problem
    machine.look(5)
    assert machine.done == []
    assert len(machine.told) == 1
    (line, todo) = _health.shown(machine.store.load())[1:]
    said = problem.failure.what if isinstance(problem, GivenUp) else str(problem)
    assert "the certificate ends in 20 days; renewal of the certificate failed: " + said in line
    assert "deploy again" in todo
    assert machine.lease.holder() is None


@pytest.mark.parametrize(("days_left", "renewed"), [(20, False), (8, False), (7, True), (-3, True)])
def test_while_nobody_can_be_held_it_waits_for_the_last_week(machine: Machine, days_left: int, renewed: bool) -> None:
    machine.holds, machine.days_left = False, days_left
    machine.look(3)
    assert bool(machine.done) == renewed
    assert len(machine.told) == (0 if renewed else 1)


def test_one_that_was_taken_away_is_told_and_nothing_is_replaced_for_it(machine: Machine) -> None:
    """What runs has it still."""
    (machine.root / "secrets/tls.crt").unlink()
    machine.look(3)
    assert machine.done == []
    assert len(machine.told) == 1
    assert "is not in" in machine.told[0][1]


def test_one_that_nobody_takes_is_told(machine: Machine) -> None:
    machine.days_left, machine.is_taken = 20, False
    machine.look(1)
    assert "no container was found to read the former one" in "\n".join(_health.shown(machine.store.load()))


def test_what_somebody_edited_is_not_taken_into_use_along_with_it(machine: Machine) -> None:
    machine.days_left = 20
    (machine.root / "srcs/.env").write_text("DOMAIN=another.42.fr\n")
    machine.look(3)
    assert machine.done == []
    assert len(machine.told) == 1


def test_a_clock_that_has_just_jumped_writes_no_dates(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.look()
    wall = _health.time.time()
    monkeypatch.setattr(_health.time, "time", lambda: wall + 400 * DAY)
    machine.days_left = -35
    machine.look(3)
    assert machine.done == []
    assert "the clock jumped by +34560000 s" in machine.told[0][1]


def test_while_somebody_is_at_work_nothing_is_done(machine: Machine) -> None:
    machine.days_left = 20
    machine.lease.take("a run", "wil", "deployment")
    machine.look(5)
    assert (machine.done, machine.told) == ([], [])
    assert "at work: deployment by wil" in _tending.asked(machine.history, machine.lease, machine.store)[0]


def test_a_renewal_that_was_killed_is_gone_on_with_at_once(machine: Machine) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    machine.lease.take(f"health:{process.pid}", _tending.MACHINE, _tending.RENEWAL)
    machine.lease.renew(worker=process.pid)
    wish = {"wish": {}, "who": _tending.MACHINE, "what": _tending.RENEWAL}
    machine.history.begin(wish)
    machine.look()
    assert machine.done == ["gone on"]
    assert machine.lease.holder() is None


def test_what_was_cut_off_is_gone_on_with_at_the_second_look(machine: Machine) -> None:
    machine.history.begin({"wish": {}, "who": "wil", "what": "deployment", "since": "today"})
    machine.look()
    assert machine.done == []
    machine.look()
    assert machine.done == ["gone on"]


def test_one_whose_files_are_another_run_s_is_told(machine: Machine) -> None:
    machine.history.begin({"who": "wil", "what": "deployment", "since": "today"})
    machine.look(3)
    assert machine.done == []
    assert machine.told == [("mail", "[wil.42.fr] the deployment by wil of today was cut off")]


def test_what_could_not_be_told_waits(machine: Machine) -> None:
    machine.settings(renews=False, ways={"mail": "wil@example.org"})
    machine.days_left, machine.problem = 20, _notice.Untold("smtp.example.org: refused")
    machine.look(2)
    assert machine.told == []
    assert any(
        "nobody could be told: by mail: smtp.example.org" in line for line in _health.shown(machine.store.load())
    )
    machine.problem = None
    machine.look(3)
    assert len(machine.told) == 1
    assert not any("could be told" in line for line in _health.shown(machine.store.load()))


def test_without_a_way_nothing_waits(machine: Machine) -> None:
    machine.settings(renews=False, ways={})
    machine.days_left = 20
    machine.look(3)
    assert machine.store.load().waiting == []
    assert machine.store.load().begun


def test_an_engine_that_is_down_is_told_and_its_containers_are_not(machine: Machine) -> None:
    machine.engine = None
    machine.look(3)
    assert machine.told == [("mail", "[wil.42.fr] the Docker engine does not answer")]


def test_one_look_at_a_time(tmp_path: Path) -> None:
    with _tending.alone(tmp_path) as first, _tending.alone(tmp_path) as second:
        assert (first, second) == (True, False)
    assert os.path.exists(tmp_path / "health.lock")


def test_one_that_is_stuck_is_restarted_three_times_a_day_and_then_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "Id": "id",
        "Name": "/inception-nginx-1",
        "Config": {"Labels": {"com.docker.compose.service": "nginx"}},
        "State": {"Status": "running", "StartedAt": "", "ExitCode": 0, "Pid": 1, "Health": {"Status": "healthy"}},
    }
    container = read_container(told)
    machine.engine = Engine({"nginx": [container]}, {"id": told})
    restarted: list[str] = []

    def restart(_engine: Engine, one: Container) -> bool:
        assert machine.lease.holder()
        restarted.append(one.service)
        return True

    monkeypatch.setattr(Engine, "restart", restart)
    monkeypatch.setattr(_stuck.Watch, "look", lambda self, containers, labels: list(containers))
    machine.look(5)
    assert restarted == ["nginx"] * 3
    assert machine.told == [("mail", "[wil.42.fr] nginx made no progress for five minutes; it was restarted")]
    lines = "\n".join(_health.shown(machine.store.load()))
    assert "nginx made no progress for five minutes, and was restarted often enough" in lines
    # Not while somebody deploys.
    machine.store.save(_health.Memory())
    machine.lease.take("a run", "wil", "deployment")
    machine.look()
    assert len(restarted) == 3


@pytest.mark.parametrize("status", ["created", "exited", "running"])
def test_a_port_that_docker_holds_for_nobody_comes_back_three_times_a_day(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    error = "Bind for 0.0.0.0:443 failed: port is already allocated"
    state = {"Status": status, "StartedAt": "", "ExitCode": 128, "Pid": 0, "Error": error}
    told = {
        "Id": "id",
        "Name": "/inception-nginx-1",
        "Config": {"Labels": {"com.docker.compose.service": "nginx"}},
        "State": state,
    }
    machine.engine = Engine({"nginx": [read_container(told)]}, {"id": told})
    restarted: list[str] = []

    def give_back() -> bool:
        assert machine.lease.holder()
        restarted.append("docker")
        return True

    monkeypatch.setattr(_ports, "lost", lambda text: "443")
    monkeypatch.setattr(Engine, "restart", lambda engine, one: restarted.append(one.name))
    monkeypatch.setattr(_ports, "give_back", give_back)
    machine.look(5)
    assert restarted == ([] if status == "running" else ["docker", "inception-nginx-1"] * 3)
    if restarted:
        assert any("Docker held port 443 for a container that is gone" in subject for _way, subject in machine.told)
    # Not while somebody deploys.
    machine.store.save(_health.Memory())
    machine.lease.take("a run", "wil", "deployment")
    machine.look()
    assert len(restarted) in (0, 6)
