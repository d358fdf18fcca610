# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rooms of services say, and what the compose file is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.filter.stack_services import stack_services

BASE = "sha256:0123"


def room(name: str = "cache", **description: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": {"about": "the cache", **description},
        "compose": "    environment: {}",
        "files": {"Dockerfile": "FROM debian:bookworm\n", "conf/cache.conf": "size = 1\n"},
    }


def test_a_service_is_complete() -> None:
    [service] = stack_services([room(secrets=[{"name": "word"}], files={"key": "tls.key"})], base=BASE)
    assert service["image"] == f"cache:{service['tag']}"
    assert service["context"] == "requirements/cache"
    assert service["secrets"] == [{"name": "word", "kind": "password", "length": 32}]
    assert (service["live"], service["stamp"], service["twice"]) == ([], ["word"], False)
    assert service["alive"] is False
    assert service["mounts"] == {"word": "word.txt", "key": "tls.key"}
    assert service["project_files"]["srcs/requirements/cache/conf/cache.conf"] == "size = 1\n"
    assert service["limits"]["memory"]
    assert not {"volume", "credentials"} & set(service)


def test_files_that_are_no_templates_belong_to_the_image() -> None:
    [without] = stack_services([room()], base=BASE)
    [one] = stack_services([{**room(copied={"site": "/srv"}), "raw": {"site/a.png": "iVBO"}}], base=BASE)
    [other] = stack_services([{**room(copied={"site": "/srv"}), "raw": {"site/a.png": "iVBP"}}], base=BASE)
    assert without["raw_files"] == {}
    assert one["raw_files"] == {"srcs/requirements/cache/site/a.png": "iVBO"}
    assert len({without["tag"], one["tag"], other["tag"]}) == 3
    assert "copied" not in one


def test_a_bonus_service_has_its_folder() -> None:
    [service] = stack_services([room()], bonus=["cache"], base=BASE)
    assert service["context"] == "requirements/bonus/cache"


def test_a_tag_changes_with_the_content_and_the_base_alone() -> None:
    def tag(base: str = BASE, **files: str) -> str:
        changed = room(about="something else")
        changed["files"].update(files)
        return str(stack_services([changed], base=base)[0]["tag"])

    assert tag() == stack_services([room()], base=BASE)[0]["tag"]
    assert len({tag(), tag(base="sha256:4567"), tag(Dockerfile="FROM debian:trixie\n"), tag(more="")}) == 4


def test_a_secret_is_learned_live_or_by_a_new_container() -> None:
    cache = room(secrets=[{"name": "word", "live": True}, {"name": "key", "kind": "token"}])
    cache["files"]["tools/accept.sh"] = ""
    reader = room("reader", secrets=[{"name": "word"}], twice=True)
    services = stack_services([cache, reader], base=BASE)
    assert [service["live"] for service in services] == [["word"], []]
    assert [service["stamp"] for service in services] == [["key"], ["word"]]
    assert [service["twice"] for service in services] == [False, True]
    # Both rooms describe the one secret alike, whoever learns it in which way.
    assert services[0]["secrets"] == [
        {"name": "word", "kind": "password", "length": 32},
        {"name": "key", "kind": "token", "length": 64},
    ]
    assert services[1]["secrets"] == services[0]["secrets"][:1]


def test_two_rooms_want_one_secret_alike() -> None:
    rooms = [room(secrets=[{"name": "word"}]), room("reader", secrets=[{"name": "word", "length": 64}])]
    with pytest.raises(AnsibleFilterError) as error:
        stack_services(rooms, base=BASE)
    assert str(error.value) == (
        "requirements/reader/service.yml wants the secret 'word' with another length "
        "or kind than requirements/cache/service.yml; write the same in both"
    )


def test_a_room_shows_the_credentials_of_a_visitor() -> None:
    """Those of another service, where a person types them here."""
    viewer = room("viewer", credentials={"at": "/viewer/", "users": {"USER": "word"}})
    services = stack_services([room(secrets=[{"name": "word"}]), viewer], base=BASE)
    assert services[1]["credentials"]["users"] == {"USER": "word"}
    assert services[1]["secrets"] == []


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"about": ""}, "needs 'about'"),
        ({"port": 1}, "unknown key 'port'"),
        ({"waits_for": ["nobody"]}, "waits for 'nobody'"),
        ({"networks": {"outside": []}}, "wants the network 'outside'"),
        ({"secrets": ["word"]}, "has the secret word; give it a name"),
        ({"secrets": [{"name": "Word!"}]}, "give it a name of lowercase letters"),
        ({"secrets": [{"name": "word", "size": 3}]}, "unknown key 'size' at the secret 'word'"),
        ({"secrets": [{"name": "word", "length": 8}]}, "has the length 8 at the secret 'word'"),
        ({"secrets": [{"name": "word", "kind": "pin"}]}, "has the kind 'pin' at the secret 'word'"),
        ({"secrets": [{"name": "word", "live": "often"}]}, "has 'live: often' at the secret 'word'"),
        ({"secrets": [{"name": "word", "live": True}]}, "no tools/accept to tell the running service"),
        ({"twice": "often"}, "has 'twice: often'"),
        ({"twice": True, "ports": ["21:21"]}, "two of it cannot publish the same port"),
        ({"copied": {"../site": "/srv"}}, "copies to '../site'; name a folder of the room"),
        ({"copied": {"conf": "/srv"}}, "copies to 'conf', where the room has files already"),
        ({"alive": "often"}, "has 'alive: often'"),
        ({"alive": True}, "no tools/alive to print the service's sign of life"),
        ({"volume": {"name": "pages"}}, "has the volume {'name': 'pages'}; give it a name and a path"),
        ({"volumes": [{"name": "a", "path": "/a", "size": 1}]}, "give it a name and a path"),
        ({"credentials": {"at": "/"}}, "has 'credentials' other than"),
        ({"credentials": {"at": "/", "users": {"USER": "word"}}}, "shows the credential 'word', which is no secret"),
    ],
)
def test_a_mistake_names_the_file(description: dict[str, Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"requirements/cache/service\.yml") as error:
        stack_services([room(**description)], base=BASE)
    assert said in str(error.value)


def test_a_room_adds_to_another() -> None:
    gate = room("gate", secrets=[{"name": "key"}], networks={"frontend": []})
    viewer = room(
        "viewer",
        **{"for": {"gate": {"secrets": [{"name": "word"}], "networks": {"backend": []}, "waits_for": ["viewer"]}}},
    )
    viewer["files"]["for/gate/conf/routes/viewer.conf"] = "location /viewer/ {}\n"
    [gate_service, viewer_service] = stack_services([gate, viewer], base=BASE)
    assert gate_service["project_files"]["srcs/requirements/gate/conf/routes/viewer.conf"] == "location /viewer/ {}\n"
    assert [secret["name"] for secret in gate_service["secrets"]] == ["key", "word"]
    assert gate_service["networks"] == {"backend": [], "frontend": []}
    assert gate_service["waits_for"] == ["viewer"]
    assert not any("for/" in path for path in viewer_service["project_files"])
    assert viewer_service["secrets"] == []
    assert "for" not in viewer_service
    # What one adds is a part of the other's image.
    assert gate_service["tag"] != stack_services([gate], base=BASE)[0]["tag"]
    assert viewer_service["tag"] == stack_services([room("viewer")], base=BASE)[0]["tag"]


def test_a_room_shares_its_volume() -> None:
    volume = {"name": "pages", "path": "/pages"}
    there = {**volume, "read_only": True}
    viewer = room("viewer", volume=volume, **{"for": {"gate": {"volumes": [there]}}})
    gate = room("gate", volume={"name": "site", "path": "/site"})
    [gate_service, viewer_service] = stack_services([gate, viewer], base=BASE)
    assert gate_service["volumes"] == [{"name": "site", "path": "/site"}, there]
    assert viewer_service["volumes"] == [volume]


def test_a_room_without_a_dockerfile_only_adds() -> None:
    gate = room("gate", env={"GATE": 1})
    adds = {"about": "letters", "for": {"gate": {"env": {"LETTERS": "a"}, "secrets": [{"name": "word"}]}}}
    letters = {
        "name": "letters",
        "description": adds,
        "compose": "",
        "files": {"for/gate/tools/letters.sh": "#!/bin/sh\n"},
    }
    [service] = stack_services([gate, letters], base=BASE)
    assert service["env"] == {"GATE": 1, "LETTERS": "a"}
    assert service["stamp"] == ["word"]
    assert "srcs/requirements/gate/tools/letters.sh" in service["project_files"]
    for description, said in (
        ({"about": "letters"}, "has no Dockerfile and adds nothing 'for' another"),
        ({**adds, "env": {"LETTERS": "a"}}, "has 'env' without a Dockerfile"),
    ):
        with pytest.raises(AnsibleFilterError, match=r"requirements/letters/service\.yml") as error:
            stack_services([gate, {**letters, "description": description}], base=BASE)
        assert said in str(error.value)
    with pytest.raises(AnsibleFilterError, match="waits for 'letters', which is no service"):
        stack_services([room("gate", waits_for=["letters"]), letters], base=BASE)


def test_a_service_has_its_piece_of_the_compose_file() -> None:
    with pytest.raises(AnsibleFilterError, match=r"requirements/cache/service\.yml has no compose\.yml"):
        stack_services([{**room(), "compose": ""}], base=BASE)


def test_two_rooms_may_add_the_same_secret() -> None:
    rooms = [
        room("gate"),
        *(room(name, **{"for": {"gate": {"secrets": [{"name": "word"}]}}}) for name in ("one", "two")),
    ]
    assert [secret["name"] for secret in stack_services(rooms, base=BASE)[0]["secrets"]] == ["word"]


@pytest.mark.parametrize(
    ("added", "path", "message"),
    [
        ({"door": {}}, None, "adds to 'door', which is no other service"),
        ({"viewer": {}}, None, "adds to 'viewer', which is no other service"),
        ({}, "for/door/conf/x", "adds to 'door', which is no other service"),
        (
            {"gate": {"ports": ["1:1"]}},
            None,
            "adds 'ports' to 'gate'; it may add env, secrets, networks, volumes, waits_for",
        ),
        ({}, "for/gate/Dockerfile", "adds 'Dockerfile' to 'gate', which has that file already"),
    ],
)
def test_what_cannot_be_added_is_an_error(added: dict[str, Any], path: str | None, message: str) -> None:
    viewer = room("viewer", **{"for": added})
    if path:
        viewer["files"][path] = ""
    with pytest.raises(AnsibleFilterError, match=r"requirements/viewer/service\.yml") as raised:
        stack_services([room("gate"), viewer], base=BASE)
    assert message in str(raised.value)
