# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of the engine's settings, given what its owner, its service and others want of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine
from ansible_collections.fortytwo.inception.plugins.modules import engine_settings

OURS = {"live-restore": True, "userland-proxy": False}
RUNNING = {"LiveRestoreEnabled": False, "LoggingDriver": "json-file", "Swarm": {"LocalNodeState": "inactive"}}
SHOWN = """\
ExecStart={ path=/d ; argv[]=/bin/dockerd -H fd:// -l warn $DOCKER_OPTS --label=${WHO}-s ; ignore_errors=no }
Environment=WHO=anna "TWO=a b"
EnvironmentFiles=FILE (ignore_errors=yes)
LoadState=loaded
ActiveState=active
"""


def test_the_flags_of_a_unit_are_read_as_systemd_does(tmp_path: Any) -> None:
    file = tmp_path / "docker"
    file.write_text("# a comment\nDOCKER_OPTS=\"--debug --dns 1.1.1.1\"\nexport OTHER='x' # y\n")
    unit = _engine.unit_from(SHOWN.replace("FILE", str(file)))
    assert unit.command[0] == "/bin/dockerd"
    assert unit.settings == {
        "hosts": "fd://",
        "log-level": "warn",
        "debug": "true",
        "dns": "1.1.1.1",
        "labels": "anna-s",
    }
    assert (unit.loaded, unit.active) == ("loaded", "active")


def test_a_unit_that_is_not_there_has_no_flags() -> None:
    assert _engine.unit_from("ExecStart=\nLoadState=not-found\nActiveState=inactive\n").settings == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, {}), ("", {}), (" \n", {}), ("{}", {}), ('{"a": 1}', {"a": 1})],
)
def test_the_settings_of_the_file(text: str | None, expected: dict[str, Any]) -> None:
    assert _engine.read_settings(text) == expected


@pytest.mark.parametrize("text", ["{,}", "[]", "null"])
def test_a_file_that_no_engine_reads_is_named(text: str) -> None:
    with pytest.raises(_engine.EngineProblem, match=r"/etc/docker/daemon\.json is no JSON"):
        _engine.read_settings(text)


def planned(present: dict[str, Any], others: tuple[str, ...] = (), **given: Any) -> _engine.Plan:
    wanted = _engine.Wanted(
        {**OURS, **given.get("own", {})}, frozenset(given.get("own", {})), given.get("may_restart", False)
    )
    return _engine.plan(
        present, wanted, given.get("flags", {}), given.get("info", RUNNING), others, given.get("gone", False)
    )


def test_an_engine_of_ours_alone_gets_all_of_it() -> None:
    plan = planned({})
    assert plan.changes == OURS
    assert plan.restart == ("userland-proxy",)
    assert plan.harmed == ()


def test_where_others_run_only_what_can_be_reloaded_is_changed() -> None:
    plan = planned({}, ("shop",))
    assert plan.changes == {"live-restore": True}
    assert (plan.restart, plan.harmed) == ((), ())
    assert "shop" in plan.skipped["userland-proxy"]


def test_what_the_unit_gives_as_a_flag_stays_out_of_the_file() -> None:
    plan = planned({}, flags={"userland-proxy": "true"}, own={"userland-proxy": False})
    assert "userland-proxy" not in plan.changes
    assert "flag" in plan.skipped["userland-proxy"]


def test_the_owners_own_value_stays() -> None:
    plan = planned({"userland-proxy": True, "live-restore": False}, info=None)
    assert not plan.pending
    assert set(plan.skipped) == {"userland-proxy", "live-restore"}


def test_an_engine_that_shall_have_its_proxy_is_told_which(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it an engine since 25.0 reads nothing of its file again."""
    proxy = tmp_path / "docker-proxy"
    proxy.touch(mode=0o755)
    monkeypatch.setattr(_engine, "PROXY_FOLDERS", str(tmp_path))
    own = {"userland-proxy": True}
    want = {"userland-proxy": True, "userland-proxy-path": str(proxy)}
    assert planned({"live-restore": True}, own=own).changes == want
    done = {"live-restore": True, **want}
    assert not planned(done, own=own, info={**RUNNING, "LiveRestoreEnabled": True}).pending
    assert not planned({**done, "userland-proxy-path": "/opt/proxy"}, own=own).changes
    assert planned(done).changes == {}
    # One who names it knows better, and as a flag it is none of the file's.
    assert planned({}, own={**own, "userland-proxy-path": "/opt/p"}).changes["userland-proxy-path"] == "/opt/p"
    assert "userland-proxy-path" not in planned({}, own=own, flags={"userland-proxy-path": "/p"}).changes
    assert planned({}, own=own, flags={"userland-proxy": "true"}).changes == {"live-restore": True}


def test_a_swarm_does_without_live_restore() -> None:
    plan = planned({}, info={**RUNNING, "Swarm": {"LocalNodeState": "active"}})
    assert "live-restore" in plan.skipped


OVERLAY = {**RUNNING, "Containers": 5, "Driver": "overlay2", "DockerRootDir": "/var/lib/docker"}
SNAPSHOTS = {**OVERLAY, "Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}


@pytest.mark.parametrize(
    ("own", "info", "moved"),
    [
        ({"features": {"containerd-snapshotter": True}}, OVERLAY, ("features",)),
        ({"features": {"containerd-snapshotter": False}}, SNAPSHOTS, ("features",)),
        ({"data-root": "/srv/docker", "storage-driver": "vfs"}, OVERLAY, ("data-root", "storage-driver")),
        # What it does already, and what has nothing to do with it.
        ({"features": {"containerd-snapshotter": True}}, SNAPSHOTS, ()),
        ({"features": {"containerd-snapshotter": False, "buildkit": True}}, OVERLAY, ()),
        ({"features": {"buildkit": False}, "debug": True}, OVERLAY, ()),
        ({"data-root": "/var/lib/docker/", "storage-driver": "overlay2"}, OVERLAY, ()),
        # Nobody misses anything, or nobody is there yet.
        ({"features": {"containerd-snapshotter": True}}, {**OVERLAY, "Containers": 0}, ()),
        ({"data-root": "/srv/docker"}, None, ()),
    ],
)
def test_an_engine_keeps_its_containers_in_sight(
    own: dict[str, Any], info: dict[str, Any] | None, moved: tuple[str, ...]
) -> None:
    assert planned({}, own=own, info=info, may_restart=True).moved == moved


def test_another_store_is_no_matter_of_a_reload() -> None:
    own = {"features": {"containerd-snapshotter": True}}
    assert "features" in planned({}, own=own, info={**OVERLAY, "Containers": 0}).restart
    assert "features" not in planned({}, own=own, info=SNAPSHOTS).restart


@pytest.mark.parametrize(
    ("info", "may_restart", "harmed"),
    [(RUNNING, False, ("shop",)), (RUNNING, True, ()), ({**RUNNING, "LiveRestoreEnabled": True}, False, ())],
)
def test_a_restart_that_harms_others_is_asked(info: dict[str, Any], may_restart: bool, harmed: tuple[str, ...]) -> None:
    plan = planned({}, ("shop",), own={"log-driver": "local"}, info=info, may_restart=may_restart)
    assert plan.restart == ("log-driver",)
    assert plan.harmed == harmed


def test_what_counts_is_what_the_engine_does() -> None:
    """The file says it already, and the engine has not heard of it."""
    assert planned(dict(OURS)).reload
    assert planned(dict(OURS)).pending
    assert not planned(dict(OURS), info={**RUNNING, "LiveRestoreEnabled": True}).pending
    driver = planned({**OURS, "log-driver": "local"}, own={"log-driver": "local"})
    assert driver.restart == ("log-driver",)


def test_a_module_says_nothing_with_ansibles_own_words() -> None:
    """A result with something in `skipped` is told as a task that was not done."""
    returned = yaml.safe_load(engine_settings.RETURN)
    assert not {"skipped", "failed", "msg", "changed"} & set(returned)


def test_rules_that_are_gone_are_a_reason_too() -> None:
    plan = planned(dict(OURS), info={**RUNNING, "LiveRestoreEnabled": True}, gone=True)
    assert plan.pending
    assert plan.repair


@pytest.mark.parametrize(
    ("codes", "settings", "expected"),
    [
        ({"iptables": 0}, {}, False),
        ({"iptables": 1, "nft": 0}, {}, False),
        ({"iptables": 1, "nft": 1}, {}, True),
        ({"iptables": 1, "nft": 1}, {"iptables": False}, False),
        ({"iptables": 1, "nft": 1}, {"iptables": "false"}, False),
    ],
)
def test_whether_the_kernel_has_the_engines_rules(
    codes: dict[str, int], settings: dict[str, Any], expected: bool
) -> None:
    assert _engine.rules_are_gone(lambda command: (codes[command[0]], "", ""), settings) is expected


def test_a_container_is_ours_by_its_folder_and_not_by_its_name() -> None:
    def told(folder: str) -> _engine.Container:
        labels = {_engine.PROJECT: "inception", "com.docker.compose.container-number": "1", _engine.WORKING_DIR: folder}
        ports = [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "127.0.0.1", "PrivatePort": 81, "PublicPort": 8081, "Type": "tcp"},
            {"PrivatePort": 82, "Type": "tcp"},
        ]
        return _engine.Container.of(
            {"Names": ["/inception-nginx-1"], "Labels": labels, "State": "running", "Ports": ports}
        )

    assert told("/home/wil/inception/srcs").is_of("/home/wil/inception")
    assert not told("/home/wil/inception2/srcs").is_of("/home/wil/inception")
    assert not told("").is_of("/home/wil/inception")
    assert told("/x").ports == {("tcp", 8080)}


@pytest.mark.parametrize(
    ("labels", "project"),
    [
        (
            {
                _engine.PROJECT: "inception",
                "com.docker.compose.container-number": "1",
                _engine.WORKING_DIR: "/srv/theirs",
            },
            "inception",
        ),
        ({}, ""),
        # Somebody's shell, or a question of ours, from an image that compose built.
        ({"com.docker.compose.project": "inception", "com.docker.compose.service": "nginx"}, ""),
    ],
)
def test_who_is_of_a_project_was_made_by_compose(labels: dict[str, str], project: str) -> None:
    """By hand one has the labels of its image; a deployment was refused for it."""
    assert _engine.Container.of({"Names": ["/vigilant_black"], "Labels": labels}).project == project


def test_versions_are_compared_by_their_numbers() -> None:
    assert _engine.version("26.1.5+dfsg1") == (26, 1, 5)
    assert _engine.version("9.0") < (25, 0) <= _engine.version("25.0.0-rc.1")
    assert json.dumps(_engine.version("dev")) == "[]"


@pytest.mark.parametrize(
    ("settings", "log"),
    [
        ("", "docker.log"),
        ('DOCKER_LOGFILE="{}/all.log"', "all.log"),
        ('#DOCKER_LOGFILE="{}/all.log"\nDOCKER_ERRFILE="{}/err.log"', "err.log"),
        ('DOCKER_LOGFILE="{}/gone.log"', None),
    ],
)
def test_what_the_engine_said_is_where_openrc_puts_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, settings: str, log: str | None
) -> None:
    """Alpine's recipe (community/docker/docker.confd) names the variables."""
    file = tmp_path / "conf"
    file.write_text(settings.replace("{}", str(tmp_path)))
    monkeypatch.setattr(_engine, "OPENRC_SETTINGS", file)
    monkeypatch.setattr(_engine, "OPENRC_LOG", str(tmp_path / "docker.log"))
    for name in ("docker.log", "all.log", "err.log"):
        (tmp_path / name).write_text("x" * 20_000 + f"\nlevel=info\nfailed to start daemon: {name}\nlevel=info\n")
    said = _engine.complaint(_engine.openrc_log().splitlines())
    assert said == (f"failed to start daemon: {log}" if log else "")


def test_an_engine_without_a_complaint() -> None:
    assert _engine.complaint(["level=info msg=1", "level=warning msg=2"]) == ""


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b'{"Actor": {"Attributes": {"exitCode": "7"}}}\n{"Actor": {"Attributes": {"exitCode": "3"}}}\n', 3),
        (b"", None),
        (b"no events\n", None),
        (None, None),
    ],
)
def test_the_last_end_of_a_container(answer: bytes | None, code: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine, "ask_bytes", lambda address, **more: answer)
    assert _engine.last_exit("id") == code


class Restarts(engine_settings.Engine):
    """An engine that notes what it was told, and with which file."""

    def __init__(self, file: Any, lives_on: bool, flags: tuple[str, ...] = ()) -> None:
        self.file, self.done = file, list[tuple[str, Any]]()
        self.info = {"LiveRestoreEnabled": lives_on}
        self.unit = _engine.Unit(("dockerd", *flags))
        self.text = None

    def _note(self, what: str) -> None:
        self.done.append((what, json.loads(self.file.read_text()).get("live-restore")))

    def validate(self, text: str) -> None:
        pass

    def reload(self, expected: dict[str, Any]) -> None:
        self._note("reload")

    def restart(self) -> None:
        self._note("restart")


@pytest.mark.parametrize(
    ("lives_on", "flags", "wanted", "restart", "done"),
    [
        # They outlive it, and then it is given up.
        (True, (), False, True, [("restart", True), ("reload", False)]),
        (True, (), False, False, [("reload", False)]),
        (False, (), False, True, [("reload", False), ("restart", False)]),
        (False, (), True, True, [("reload", True), ("restart", True)]),
        # The file may not say what a flag says, too.
        (True, ("--live-restore",), False, True, [("reload", False), ("restart", False)]),
    ],
)
def test_containers_outlive_the_last_restart_in_which_they_can(
    lives_on: bool,
    flags: tuple[str, ...],
    wanted: bool,
    restart: bool,
    done: list[tuple[str, bool]],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "daemon.json"
    monkeypatch.setattr(_engine, "SETTINGS", str(file))
    monkeypatch.setattr(engine_settings, "put", lambda path, text: file.write_text(text))
    engine = Restarts(file, lives_on, flags)
    settings = {"live-restore": wanted, "no-new-privileges": True}
    engine.carry_out(json.dumps(settings), restart, settings)
    assert engine.done == done
    assert json.loads(file.read_text()) == settings
