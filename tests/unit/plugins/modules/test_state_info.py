# SPDX-License-Identifier: GPL-3.0-or-later
"""The module state_info against a real file system, and databases and answers as machines have them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.modules import state_info

ME = pwd.getpwuid(os.geteuid())
NOBODY = "no-such-user"

DPKG = """\
Package: make
Status: install ok installed
Priority: optional
Description: utility
 Package: not-a-package

Package: held
Essential: yes
Status: hold ok installed

Package: gone
Status: deinstall ok config-files

Package: half
Status: install ok half-configured
"""

APK = """\
C:Q1=
P:bash
V:5.2.37-r0
D:/bin/sh

P:make
V:4.4
"""


def test_nothing_wanted_and_nothing_missing(run_module: Any) -> None:
    nothing: list[str] = []
    missing = {"packages": nothing, "services": nothing, "users": nothing, "files": nothing, "nftables": nothing}
    result = run_module(state_info, {})
    assert not result["changed"]
    assert (result["missing"], result["users"], result["paths"], result["texts"]) == (missing, {}, [], {})


def test_the_packages_of_dpkg() -> None:
    assert state_info.dpkg_packages(DPKG) == {"make", "held"}


def test_the_packages_of_apk() -> None:
    assert state_info.apk_packages(APK) == {"bash", "make"}


@pytest.mark.parametrize("database", ["DPKG", "APK"])
def test_packages_that_lack(run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    for name in ("DPKG", "APK"):
        monkeypatch.setattr(state_info, name, tmp_path / name)
    (tmp_path / database).write_text(globals()[database])
    result = run_module(state_info, {"packages": ["make", "gone", "nftables"]})
    assert result["missing"]["packages"] == ["gone", "nftables"]


def test_without_a_package_manager_all_packages_lack(
    run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DPKG", "APK"):
        monkeypatch.setattr(state_info, name, tmp_path / name)
    assert run_module(state_info, {"packages": ["make"]})["missing"]["packages"] == ["make"]


@pytest.mark.parametrize(
    ("told", "good"),
    [
        ("ActiveState=active\nUnitFileState=enabled\n", True),
        ("UnitFileState=enabled\nActiveState=active", True),
        ("ActiveState=inactive\nUnitFileState=enabled\n", False),
        ("ActiveState=active\nUnitFileState=disabled\n", False),
        ("ActiveState=active\nUnitFileState=enabled-runtime\n", False),
        ("ActiveState=activating\nUnitFileState=enabled\n", False),
        ("ActiveState=inactive\nUnitFileState=\n", False),
    ],
)
def test_a_service_of_systemd(told: str, good: bool) -> None:
    assert state_info.systemd_service_is_good(told) is good


def test_the_services_of_systemd_are_asked_for_at_once(
    run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\ncat '{tmp_path}/told'\n")
    (tmp_path / "told").write_text(
        "ActiveState=active\nUnitFileState=enabled\n\nActiveState=failed\nUnitFileState=enabled\n"
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(state_info, "SYSTEMD", tmp_path)
    assert run_module(state_info, {"services": ["docker", "cron"]})["missing"]["services"] == ["cron"]


@pytest.mark.parametrize(
    ("started", "runlevel", "missing"),
    [(True, True, []), (True, False, ["docker"]), (False, True, ["docker"]), (False, False, ["docker"])],
)
def test_the_services_of_openrc(
    run_module: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: bool,
    runlevel: bool,
    missing: list[str],
) -> None:
    monkeypatch.setattr(state_info, "SYSTEMD", tmp_path / "none")
    monkeypatch.setattr(state_info, "OPENRC_STARTED", tmp_path / "started")
    monkeypatch.setattr(state_info, "OPENRC_RUNLEVELS", tmp_path / "runlevels")
    for folder, there in ((tmp_path / "started", started), (tmp_path / "runlevels/default", runlevel)):
        folder.mkdir(parents=True)
        if there:
            (folder / "docker").touch()
    assert run_module(state_info, {"services": ["docker"]})["missing"]["services"] == missing


def test_users(run_module: Any) -> None:
    group = sorted(state_info.group_names(ME))[0]
    users = [{"name": ME.pw_name, "groups": [group]}, {"name": NOBODY}]
    result = run_module(state_info, {"users": users})
    assert result["missing"]["users"] == [NOBODY]
    assert result["users"] == {ME.pw_name: {"uid": ME.pw_uid, "gid": ME.pw_gid, "home": ME.pw_dir}}


def test_a_user_outside_of_a_group(run_module: Any) -> None:
    result = run_module(state_info, {"users": [{"name": ME.pw_name, "groups": ["no-such-group"]}]})
    assert result["missing"]["users"] == [ME.pw_name]
    assert ME.pw_name in result["users"]


# What a file is wanted to be, beside its path, and whether the file `f` of the next test is so.
WANTED = [
    ({}, True),
    ({"type": "directory"}, False),
    ({"type": "link"}, False),
    ({"mode": "0640"}, True),
    ({"mode": "0644"}, False),
    ({"owner": ME.pw_name}, True),
    ({"owner": str(ME.pw_uid)}, True),
    ({"owner": str(ME.pw_uid + 1)}, False),
    ({"owner": NOBODY}, False),
    ({"content": "one\ntwo\nthree\n"}, True),
    ({"content": "one\ntwo\nthree"}, False),
    ({"contains": "two"}, True),
    ({"contains": "two\nthree\n"}, True),
    ({"contains": "one\nthree"}, False),
    ({"contains": "wo"}, False),
]


@pytest.mark.parametrize(("wanted", "good"), WANTED)
def test_a_file(run_module: Any, tmp_path: Path, wanted: dict[str, Any], good: bool) -> None:
    file = tmp_path / "f"
    file.write_text("one\ntwo\nthree\n")
    file.chmod(0o640)
    missing = run_module(state_info, {"files": [{"path": str(file), **wanted}]})["missing"]["files"]
    assert missing == ([] if good else [str(file)])


def test_a_file_that_is_not_there(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    paths = [str(tmp_path / "none"), str(tmp_path / "f/none")]
    result = run_module(state_info, {"files": [{"path": path} for path in paths]})
    assert result["missing"]["files"] == paths


def test_a_file_that_is_no_text_has_no_wanted_content(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\n")
    wanted = [{"path": str(tmp_path / "f"), "content": "?\n"}]
    assert run_module(state_info, {"files": wanted})["missing"]["files"] == [str(tmp_path / "f")]


@pytest.mark.parametrize(("target", "good"), [("there", True), ("elsewhere", False)])
def test_a_link_is_looked_at_itself(run_module: Any, tmp_path: Path, target: str, good: bool) -> None:
    link = tmp_path / "link"
    link.symlink_to("there")
    wanted = [{"path": str(link), "type": "link", "target": target}]
    assert (run_module(state_info, {"files": wanted})["missing"]["files"] == []) is good
    assert run_module(state_info, {"files": [{"path": str(link)}]})["missing"]["files"] == [str(link)]


def test_paths_and_texts(run_module: Any, tmp_path: Path) -> None:
    for name in ("b_Packages", "a_Packages.lz4", "c"):
        (tmp_path / name).write_text(name)
    result = run_module(
        state_info,
        {
            "paths": [f"{tmp_path}/*_Packages*", f"{tmp_path}/c", f"{tmp_path}/none"],
            "texts": [f"{tmp_path}/c", f"{tmp_path}/none"],
        },
    )
    assert result["paths"] == [f"{tmp_path}/{name}" for name in ("a_Packages.lz4", "b_Packages", "c")]
    assert result["texts"] == {f"{tmp_path}/c": "c"}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"mode": "644"}, "files: /f: mode: '644' is no string of four octal digits; for example: '0644'"),
        ({"mode": "0888"}, "files: /f: mode: '0888' is no string of four octal digits; for example: '0644'"),
        ({"type": "link", "content": ""}, "files: /f: content: only a file has one; for example: type: file"),
        ({"type": "directory", "contains": "a"}, "files: /f: contains: only a file has one; for example: type: file"),
        ({"target": "/g"}, "files: /f: target: only a link has one; for example: type: link"),
    ],
)
def test_mistakes(run_module: Any, module_failed: type[Exception], wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(module_failed, match="^" + said.replace("(", r"\(") + "$"):
        run_module(state_info, {"files": [{"path": "/f", **wanted}]})


def test_a_folder_that_is_read_is_named_in_the_error(
    run_module: Any, module_failed: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(module_failed, match=f"{tmp_path}: Is a directory"):
        run_module(state_info, {"texts": [str(tmp_path)]})


def test_check_mode_is_no_difference(run_module: Any, tmp_path: Path) -> None:
    wanted = {"files": [{"path": str(tmp_path / "none")}], "users": [{"name": NOBODY}]}
    assert run_module(state_info, wanted, check=True) == run_module(state_info, wanted)


ENGINE = {
    "/info": {"NCPU": 2, "CpuCfsQuota": True, "Plugins": {"Volume": ["local"]}},
    "/images/json": [
        {"Id": "sha256:01", "RepoTags": ["debian:bookworm"], "Labels": None, "Size": 1},
        {"Id": "sha256:02", "RepoTags": None, "Labels": {"maintainer": "somebody"}},
    ],
    "/networks": [
        {"Name": "bridge", "Containers": {}, "Labels": {"com.docker.compose.project": "inception", "about": "much"}}
    ],
    "/volumes": {"Volumes": None, "Warnings": None},
}


def test_the_engine_is_asked_where_it_has_a_socket(
    run_module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "docker.sock"
    monkeypatch.setattr(state_info._engine, "SOCKET", str(socket))
    monkeypatch.setattr(state_info._engine, "ask", lambda address, timeout: ENGINE[address])
    assert run_module(state_info, {"engine": True})["engine"] == {}
    socket.touch()
    assert "engine" not in run_module(state_info, {})
    found = run_module(state_info, {"engine": True})["engine"]
    assert found["host_info"]["NCPU"] == 2
    assert (found["images"][0]["RepoTags"], found["volumes"]) == (["debian:bookworm"], [])


def test_of_what_the_engine_says_nothing_is_carried_along_that_nobody_asks_for(
    run_module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "docker.sock"
    socket.touch()
    monkeypatch.setattr(state_info._engine, "SOCKET", str(socket))
    monkeypatch.setattr(state_info._engine, "ask", lambda address, timeout: ENGINE[address])
    assert run_module(state_info, {"engine": True})["engine"] == {
        "host_info": {"NCPU": 2, "CpuCfsQuota": True},
        "images": [{"Id": "sha256:01", "RepoTags": ["debian:bookworm"], "Labels": {}}],
        "networks": [{"Name": "bridge", "Labels": {"com.docker.compose.project": "inception"}}],
        "volumes": [],
    }


def test_an_engine_that_does_not_answer_is_named(
    run_module: Any, module_failed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "docker.sock"
    socket.touch()
    monkeypatch.setattr(state_info._engine, "SOCKET", str(socket))
    monkeypatch.setattr(state_info._engine, "ask", lambda address, timeout: None)
    with pytest.raises(module_failed, match=r"does not answer at .*journalctl -u docker"):
        run_module(state_info, {"engine": True})


def test_others_are_looked_for_too_and_an_engine_that_is_down_is_not_their_end(
    run_module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "docker.sock"
    socket.touch()
    monkeypatch.setattr(state_info._engine, "SOCKET", str(socket))
    monkeypatch.setattr(state_info._engine, "ask", lambda address, timeout: None)
    also = [
        {"name": "docker", "users": [{"name": ME.pw_name}, {"name": NOBODY}]},
        {"name": "base_image", "engine": True, "paths": [str(socket)]},
    ]
    result = run_module(state_info, {"also": also})
    assert result["also"].keys() == {"docker"}
    assert result["also"]["docker"]["missing"]["users"] == [NOBODY]
    monkeypatch.setattr(state_info._engine, "ask", lambda address, timeout: ENGINE[address])
    found = run_module(state_info, {"also": also})["also"]["base_image"]
    assert (found["paths"], found["engine"]["host_info"]["NCPU"]) == ([str(socket)], 2)
