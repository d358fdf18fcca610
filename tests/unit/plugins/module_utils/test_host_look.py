# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way, of things as machines have them; the whole look is tried on machines (tests/past)."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _connection,
    _engine,
    _history,
    _host_look,
    _lease,
    _listeners,
    _program_file,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _machine_program as machine_program

PORT = {"service": "nginx", "protocol": "tcp", "first": 443, "last": 443, "setting": "inception_https_port"}


def host(**given: Any) -> _host_look.Host:
    asked = {
        "login": "wil",
        "domain": "wil.42.fr",
        "project": "inception",
        "project_dir": "/nowhere/wil/inception",
        "data_dir": "/nowhere/wil/data",
        "volumes": ["mariadb"],
    }
    found = _host_look.Host(_host_look.Asked(**{**asked, **given.pop("asked", {})}), lambda command: (1, "", ""))
    # As cached_property keeps what it has read.
    found.__dict__.update({"info": {}, "containers": [], "volumes": [], "networks": [], "listeners": [], **given})
    return found


def container(name: str, folder: str, ports: tuple[tuple[str, int], ...] = ()) -> _engine.Container:
    return _engine.Container(name, True, "inception", folder, frozenset(ports))


def test_another_folders_project_of_our_name_is_foreign() -> None:
    found = _host_look.foreign(
        host(containers=[container("a", "/srv/a"), container("b", "/nowhere/wil/inception/srcs")])
    )
    assert found == {"container a": "/srv/a"}


@pytest.mark.parametrize(
    ("volume", "foreign"),
    [
        ({"Name": "inception_mariadb", "Options": None, "Labels": None}, True),
        ({"Name": "inception_mariadb", "Options": {"device": "/nowhere/wil/data/mariadb"}}, False),
        ({"Name": "inception_mariadb", "Options": {"device": "/nowhere/wil/data2/mariadb"}}, True),
        ({"Name": "inception_other", "Labels": {}}, False),
        ({"Name": "x", "Labels": {_engine.PROJECT: "inception"}}, True),
    ],
)
def test_a_volume_is_ours_by_the_folder_that_it_stands_for(volume: dict[str, Any], foreign: bool) -> None:
    assert bool(_host_look.foreign(host(volumes=[volume]))) is foreign


def test_a_network_of_the_project_is_ours_where_our_containers_are() -> None:
    networks = [{"Name": "inception_x", "Labels": {_engine.PROJECT: "inception"}}]
    ours = [container("b", "/nowhere/wil/inception/srcs")]
    assert _host_look.foreign(host(networks=networks)) == {"network inception_x": ""}
    assert _host_look.foreign(host(networks=networks, containers=ours)) == {}


def test_a_port_that_our_own_container_publishes_is_not_taken() -> None:
    asked = {"ports": [PORT]}
    ours = container("b", "/nowhere/wil/inception/srcs", (("tcp", 443),))
    theirs = container("web", "/srv/a", (("tcp", 443),))
    assert list(_host_look.check_ports(host(asked=asked, containers=[ours]))) == []
    (sentence,) = _host_look.check_ports(host(asked=asked, containers=[theirs]))
    assert sentence.startswith(
        "inception_https_port: port 443 (tcp), which the service nginx publishes, is taken by the container web"
    )
    assert sentence.endswith("for example: 8443")


@pytest.mark.parametrize(
    ("holders", "survive", "theirs", "holder"),
    [
        (["dockerd"], True, False, ""),
        (["dockerd", "docker-proxy"], True, False, ""),
        # It would take the others' containers along to give it back; or it is a swarm's, of which no container tells.
        (["dockerd"], False, False, "dockerd"),
        (["dockerd"], True, True, "the container web"),
        (["apache2"], True, False, "apache2"),
        (["apache2", "dockerd"], True, False, "apache2, dockerd"),
        ([], True, False, "the kernel"),
    ],
)
def test_a_port_that_docker_holds_for_nobody_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, holders: list[str], survive: bool, theirs: bool, holder: str
) -> None:
    monkeypatch.setattr(_listeners, "programs", lambda inodes: dict(enumerate(holders)))
    found = host(
        asked={"ports": [PORT]},
        containers=[container("web", "/srv/a", (("tcp", 443),))] if theirs else [],
        listeners=[_listeners.Listener("tcp", IPv4Address("0.0.0.0"), 443, "none")],
        info={"LiveRestoreEnabled": survive},
    )
    assert [f"is taken by {holder};" in one for one in _host_look.check_ports(found)] == ([True] if holder else [])


@pytest.mark.parametrize(("folder", "told"), [("/nowhere/wil/inception/srcs", []), ("/srv/a", ["21"])])
def test_a_service_of_ours_that_goes_may_take_its_port_along(folder: str, told: list[str]) -> None:
    """The firewall is off, by hand; a bonus service that is no longer wanted still runs."""
    listener = _listeners.Listener("tcp", IPv4Address("0.0.0.0"), 21, "none")
    found = host(
        asked={"ports": [PORT]},
        containers=[container("ftp", folder, (("tcp", 21),))],
        listeners=[listener],
        firewall_is_on=False,
        ssh_port=22,
    )
    sentences = list(_host_look.check_closed(found))
    assert [port for port in told if any(f": {port} (container ftp)" in one for one in sentences)] == told
    assert len(sentences) == len(told)


@pytest.mark.parametrize(("content", "told"), [("", 0), ("\n", 0), ("flush ruleset\n", 1), ("# in words of ours\n", 0)])
def test_a_file_of_our_name_that_somebody_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, told: int
) -> None:
    rules = tmp_path / "rules.nft"
    rules.write_text(content)
    monkeypatch.setattr(_host_look, "OUR_FILES", {str(rules): "words of ours"})
    assert len(list(_host_look.check_files(host(firewall_is_on=False)))) == told


@pytest.mark.parametrize(
    ("make", "ours"),
    [
        (lambda path: None, True),
        (lambda path: path.write_text("\n"), True),
        (lambda path: path.write_bytes(b"\x80\xff words of ours"), True),
        (lambda path: path.write_text("theirs"), False),
        (lambda path: path.symlink_to("/dev/null"), False),
        (lambda path: path.symlink_to("/nowhere"), False),
        (lambda path: path.mkdir(), False),
    ],
)
def test_what_has_one_of_our_paths(tmp_path: Path, make: Callable[[Path], object], ours: bool) -> None:
    make(tmp_path / "x")
    assert _host_look.is_ours(str(tmp_path / "x"), "words of ours") is ours


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            _program_file.PLACE,
            (_program_file.head("/usr/bin/python3") + machine_program.archive()).decode(errors="replace"),
        ),
        (_program_file.PERIODIC, _program_file.PERIODIC_SCRIPT),
        (f"{_program_file.UNITS}/{_program_file.RESUME}", _program_file.RESUME_UNIT),
        (f"{_program_file.UNITS}/{_program_file.HEALTH}", _program_file.HEALTH_UNIT),
        (f"{_program_file.UNITS}/{_program_file.TIMER}", _program_file.TIMER_UNIT),
        (f"{_program_file.UNITS}/{_program_file.ENGINE}", _program_file.ENGINE_UNIT),
    ],
)
def test_the_machines_own_program_and_its_units_are_told_by_our_words(path: str, text: str) -> None:
    assert _host_look.OUR_FILES[f"/{path}"] in text


def test_what_a_removal_takes_by_its_path_is_looked_at_before(repository: Path) -> None:
    plays = yaml.safe_load((repository / "playbooks/remove.yml").read_text())
    (folders,) = [
        task for play in plays for task in play.get("tasks", []) if task["name"] == "Remove the stack's folders"
    ]
    taken = {path for path in folders["loop"] if path.startswith(("/etc/", "/usr/")) and ".wants/" not in path}
    assert taken
    assert taken <= _host_look.OUR_FILES.keys()


def test_the_logins_own_is_foreign_until_there_was_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_host_look, "OUR_FILES", {})
    monkeypatch.setattr(_host_look, "MANIFESTS", str(tmp_path))
    folders = {"project_dir": str(tmp_path / "inception"), "data_dir": str(tmp_path / "data")}
    (tmp_path / "inception").mkdir()
    (tmp_path / "data/mariadb").mkdir(parents=True)
    assert _host_look.foreign_paths(host(asked=folders)) == []
    (tmp_path / "inception/Makefile").touch()
    (tmp_path / "data/mariadb/ibdata1").touch()
    assert _host_look.foreign_paths(host(asked=folders)) == [folders["project_dir"], f"{folders['data_dir']}/mariadb"]
    (tmp_path / "wil.json").touch()
    assert _host_look.foreign_paths(host(asked=folders)) == []


@pytest.mark.parametrize(
    ("name", "project", "told"),
    [
        ("inception-nginx-1", "", True),
        ("inception-nginx-12", "", True),
        ("inception-nginx", "", False),
        ("inception-web-1", "", False),
        ("my-inception-nginx-1", "", False),
        ("inception-nginx-1", "other", True),
        # Of a project of our name, which is another sentence.
        ("inception-nginx-1", "inception", False),
    ],
)
def test_a_container_with_a_name_that_compose_would_give(name: str, project: str, told: bool) -> None:
    one = _engine.Container(name, True, project, "", frozenset())
    sentences = list(_host_look.check_bare_names(host(asked={"names": ["nginx"]}, containers=[one])))
    assert [f"container {name} has a name" in sentence for sentence in sentences] == [True] * told


@pytest.mark.parametrize(
    ("name", "labels", "told"),
    [
        ("inception_nginx", None, True),
        ("inception_nginx", {_engine.PROJECT: "other"}, True),
        ("inception_nginx", {_engine.PROJECT: "inception"}, False),
        ("inception_other", None, False),
        ("nginx", None, False),
    ],
)
def test_a_network_with_a_name_that_compose_would_give(name: str, labels: Any, told: bool) -> None:
    found = host(asked={"networks": ["nginx"]}, networks=[{"Name": name, "Labels": labels}])
    assert len(list(_host_look.check_bare_names(found))) == told


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ({"RepoTags": ["debian:bookworm"]}, True),
        ({"RepoTags": ["other:1", "debian:bookworm"], "RepoDigests": [], "Labels": {"a": "b"}}, True),
        ({"RepoTags": ["debian:bookworm"], "RepoDigests": ["debian@sha256:1"]}, False),
        ({"RepoTags": ["debian:bookworm"], "Labels": {"inception.base": "1"}}, False),
        ({"RepoTags": ["mine/debian:bookworm"]}, False),
        ({"RepoTags": None, "Labels": None}, False),
    ],
)
def test_somebodys_own_image_under_the_name_of_the_base(image: dict[str, Any], told: bool) -> None:
    found = host(asked={"base_image": "debian:bookworm"}, images=[image], deployed=False)
    assert len(list(_host_look.check_base_image(found))) == told


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], 3),
        (["172.17.0.0/16"], 3),
        (["172.16.0.0/12", "192.168.0.0/16"], 0),
        (["172.16.0.0/12", "192.168.0.0/17"], 3),
    ],
)
def test_addresses_that_are_left(taken: list[str], free: int) -> None:
    found = _host_look.free_networks(_host_look.pools_of(None), [IPv4Network(one) for one in taken], 3)
    assert found == free


def test_a_pool_of_the_owners_counts() -> None:
    pools = _host_look.pools_of([{"Base": "10.200.0.0/23", "Size": 24}, {"base": "fd00::/64", "size": 80}])
    assert pools == [(IPv4Network("10.200.0.0/23"), 24)]
    assert _host_look.free_networks(pools, [IPv4Network("10.200.0.0/24")], 3) == 1


def test_routes_are_read_and_the_way_to_the_world_is_none() -> None:
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t000010AC\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0\n"
    )
    assert _host_look.routes(table) == [IPv4Network("172.16.0.0/12")]


def test_the_connections_port_is_found_above_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connection.os, "getpid", lambda: 30)
    for pid, parent, environment in (
        ("30", "20", b"A=b\0"),
        ("20", "10", b""),
        ("10", "1", b"SSH_CONNECTION=a 1 b 2222\0"),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "environ").write_bytes(environment)
        (tmp_path / pid / "status").write_text(f"Name:\tx\nPPid:\t{parent}\n")
    assert _connection.ssh_port(tmp_path) == 2222
    (tmp_path / "10" / "environ").write_bytes(b"")
    assert _connection.ssh_port(tmp_path) is None


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("10.9.8.7 old wil.42.fr", True),
        ("10.9.8.7 WIL.42.FR # x", True),
        ("127.0.1.1 wil.42.fr wil", False),
        ("# 10.9.8.7 wil.42.fr", False),
        ("10.9.8.7 other", False),
        ("# BEGIN fortytwo.inception\n10.9.8.7 wil.42.fr", False),
    ],
)
def test_a_line_before_ours_that_leads_elsewhere(
    line: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_host_look, "HOSTS", tmp_path / "hosts")
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost\n{line}\n")
    assert bool(list(_host_look.check_hosts(host()))) is refused


@pytest.mark.parametrize(
    ("info", "settings", "words"),
    [
        ({"ServerVersion": "24.0.5"}, {}, "Docker 24.0.5 is too old"),
        ({"ServerVersion": "29.0.0", "SecurityOptions": ["name=seccomp", "name=rootless"]}, {}, "a rootless one"),
        ({"ServerVersion": "26.1.5"}, {"userns-remap": "default"}, "maps users"),
        ({"ServerVersion": "26.1.5"}, {"ip-forward": "false"}, "forwards no packets"),
        ({"ServerVersion": "26.1.5"}, {"iptables": False}, "makes no rules"),
        ({"ServerVersion": "26.1.5"}, {"bridge": "none"}, "no network of its own"),
        ({"ServerVersion": "26.1.5"}, {"bridge": "br7", "iptables": True}, ""),
    ],
)
def test_an_engine_is_refused_by_name(
    info: dict[str, Any], settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_engine, "ask", lambda address: {})
    monkeypatch.setattr(_host_look, "text_of", lambda path: "1\n")
    found = host(info=info, engine_settings=settings, deployed=True, packages={"docker.io": "install ok installed"})
    said = list(_host_look.check_engine(found))
    assert [sentence for sentence in said if words and words in sentence] == said
    assert bool(said) is bool(words)


@pytest.mark.parametrize(
    ("packages", "output", "words"),
    [
        ({"sudo": "install ok half-configured"}, "", "was cut off (sudo)"),
        ({"docker-ce": "install ok installed"}, "", "the engine here is the package docker-ce"),
        (
            {},
            "Inst docker.io\nRemv containerd.io [1]\nRemv kubelet [1]\n",
            "would remove others: containerd.io, kubelet",
        ),
        ({}, "Inst docker.io\n", ""),
    ],
)
def test_what_the_package_manager_would_stumble_over(
    packages: dict[str, str], output: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_host_look, "APT_LISTS", tmp_path)
    monkeypatch.setattr(_host_look, "DPKG_UPDATES", tmp_path / "none")
    (tmp_path / "x_Packages").touch()
    found = host(packages=packages, missing_packages=["docker.io"])
    found.run = lambda command: (0, output, "")
    said = " ".join(_host_look.check_packages(found))
    assert (words in said) if words else not said


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the role cluster has written."""
    path = tmp_path / "cluster/node.json"
    path.parent.mkdir()
    path.write_text('{"node": "one", "release": {"family": "debian", "name": "bookworm"}}')
    monkeypatch.setattr(_host_look, "NODE", str(path))
    monkeypatch.setattr(_host_look, "MANIFESTS", str(tmp_path))
    return path


def test_on_a_node_the_swarm_s_things_are_ours(node: Path) -> None:
    """And on no other machine: there a stack of this name is somebody else's."""
    labels = {_engine.NAMESPACE: "inception"}
    task = _engine.Container("inception_nginx.x", True, "", "", frozenset({("tcp", 443)}), "inception")
    networks = [{"Name": "inception_nginx-way-in", "Labels": labels}]
    asked = {"ports": [PORT], "networks": ["nginx-way-in"], "node": True}
    ours = host(asked=asked, containers=[task], networks=networks)
    assert [*_host_look.check_ports(ours), *_host_look.check_bare_names(ours), *_host_look.check_kind(ours)] == []
    assert _host_look.decided(ours)["release"] == {"family": "debian", "name": "bookworm"}
    theirs = host(asked={**asked, "node": False}, containers=[task], networks=networks)
    assert [*_host_look.check_ports(theirs)]
    assert [*_host_look.check_bare_names(theirs)]


def test_a_node_is_no_machine_of_its_own(node: Path) -> None:
    """What there is would be lost."""
    (sentence,) = _host_look.check_kind(host())
    assert "it is a node of a cluster" in sentence


@pytest.fixture
def own(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that is to be a node, and has a stack of its own."""
    node.unlink()
    project = tmp_path / "wil/inception"
    (project / "srcs").mkdir(parents=True)
    (project / "srcs/Dockerfile").write_text("FROM inception-debian:bookworm AS x\n")
    data = tmp_path / "wil/data/wordpress"
    data.mkdir(parents=True)
    (data / "index.php").write_bytes(b"x" * 5000)
    (tmp_path / "wil.json").write_text(json.dumps({"path": str(project), "files": ["srcs/Dockerfile"]}))
    monkeypatch.setattr(_host_look, "ROOT", tmp_path)
    monkeypatch.setattr(_host_look, "LEASE", tmp_path / "run")
    monkeypatch.setattr(_host_look._decided, "HISTORY", tmp_path / "history")
    return tmp_path


def a_node_to_be(own: Path, running: bool = True, **more: Any) -> _host_look.Host:
    asked = {
        "node": True,
        "project_dir": str(own / "wil/inception"),
        "data_dir": str(own / "wil/data"),
        "volumes": ["wordpress"],
        "shared": ["wordpress"],
    }
    folder = str(own / "wil/inception/srcs")
    ours = _engine.Container("inception-nginx-1", running, "inception", folder, frozenset({("tcp", 443)}))
    return host(asked=asked, containers=[ours, *more.pop("others", [])], **more)


def test_a_stack_of_its_own_is_no_stranger_s(own: Path) -> None:
    """Its folders, ports and networks are what the cluster takes over, and its images' release stays."""
    found = a_node_to_be(own, networks=[{"Name": "inception_a", "Labels": {_engine.PROJECT: "inception"}}])
    checks = (
        _host_look.check_kind,
        _host_look.check_taking_over,
        _host_look.check_project,
        _host_look.check_project_dir,
        _host_look.check_data,
        _host_look.check_ports,
        _host_look.check_bare_names,
        _host_look.check_other_logins,
    )
    assert [sentence for check in checks for sentence in check(found)] == []
    assert found.own
    assert _host_look.decided(found) == {"release": {"family": "debian", "name": "bookworm"}, "packages": {}}
    # Of a machine that is to be none, nothing of it is said.
    assert not host().own


def test_what_cannot_be_taken_over_is_said_before(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = _history.History(own / "history")
    history.begin({"what": "deployment", "since": "yesterday"})
    (sentence,) = _host_look.check_taking_over(a_node_to_be(own))
    assert sentence.startswith("the deployment of yesterday was cut off; bring it to its end")
    history.end()
    _lease.Lease(own / "run").take("x", "anna", "an update")
    (sentence,) = _host_look.check_taking_over(a_node_to_be(own))
    assert "another one is at work on this machine: an update by anna" in sentence
    _lease.Lease(own / "run").release("x")
    monkeypatch.setattr(_host_look._from_one, "free", lambda path: 1000)
    (sentence,) = _host_look.check_taking_over(a_node_to_be(own))
    assert sentence.startswith("the website's files have 0.0 GiB, which a cluster copies")


def test_how_far_it_is(own: Path) -> None:
    """Where all of its own runs again, somebody went back to it; where the cluster runs beside, nobody knows."""
    (own / "cluster").mkdir(exist_ok=True)
    state = own / _host_look._from_one.STATE
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text(json.dumps({"phase": "ended"}))
    assert a_node_to_be(own, running=False).own_phase == "ended"
    assert a_node_to_be(own).own_phase == ""
    task = _engine.Container("inception_nginx.x", True, "", "", frozenset(), "inception")
    assert list(_host_look.check_taking_over(a_node_to_be(own, running=False, others=[task]))) == []
    (sentence,) = _host_look.check_taking_over(a_node_to_be(own, others=[task]))
    assert "its own stack runs, and so does the cluster's (inception_nginx.x)" in sentence


def test_what_has_a_swarm_s_name_is_foreign_before_it_is_a_node(node: Path) -> None:
    node.unlink()
    task = _engine.Container("inception_nginx.x", True, "", "", frozenset({("tcp", 443)}), "inception")
    assert [*_host_look.check_ports(host(asked={"ports": [PORT], "node": True}, containers=[task]))]
