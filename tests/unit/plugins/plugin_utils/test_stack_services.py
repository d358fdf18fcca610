# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services' descriptions say together: tags, ports, networks, and every mistake with its file and line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_schema as service_schema
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _stack_services as stack_services
from ansible_collections.fortytwo.inception.plugins.plugin_utils._service_description import read
from ansible_collections.fortytwo.inception.plugins.plugin_utils._stack_services import Folder

BASE = "sha256:0123"
FILES = {"Dockerfile": "FROM debian:bookworm\n", "conf/cache.conf": "size = 1\n"}


def folder(name: str = "cache", files: dict[str, str] | None = None, **said: Any) -> Folder:
    # JSON is YAML, and has each key in a line of its own here: what a test says is in line 2.
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in {"about": "the cache", **said}.items())
    description = read(name, f"my/{name}/service.yml", text, text)
    return Folder(description, "    environment: {}", FILES | (files or {}))


def stack(*folders: Folder, **more: Any) -> dict[str, Any]:
    assert stack_services.problems(list(folders), env=more.get("env")) == []
    return stack_services.stack(list(folders), **{"base": BASE, **more})


def service(*folders: Folder, **more: Any) -> dict[str, Any]:
    first: dict[str, Any] = stack(*folders, **more)["services"][0]
    return first


def test_a_service_is_complete() -> None:
    found = service(folder(secrets=[{"name": "word"}], files={}, env={"CACHE_PORT": 1}))
    assert found["image"] == f"cache:{found['tag']}"
    assert found["context"] == "requirements/cache"
    assert found["secrets"] == [{"name": "word", "kind": "password", "length": 32}]
    assert (found["hot_reload"], found["revision"]) == ([], ["word"])
    assert (found["update_order"], found["trial"]) == ("stop_first", [])
    assert found["status"] is False
    assert found["mounts"] == {"word": "word.txt"}
    assert found["limits"] == {"memory": "256M", "cpus": 1, "pids": 100}
    assert "credentials" not in found


def test_no_key_is_hidden_by_a_method_of_a_dictionary() -> None:
    """In a template, service.update would be Python's."""
    records = [value for value in vars(service_schema).values() if isinstance(value, service_schema.Record)]
    assert len(records) >= 7
    assert {key for record in records for key in record.keys if hasattr(dict, key)} == set()


def test_a_part_of_the_limits_leaves_the_others() -> None:
    assert service(folder(limits={"pids": 7}))["limits"] == {"memory": "256M", "cpus": 1, "pids": 7}


@pytest.mark.parametrize("place", ["/srv/a new site, Hütte's & more", "/srv/a:b"])
def test_a_folder_of_the_control_node_is_called_as_one_likes(place: str) -> None:
    assert stack_services.problems([folder(copied={"site": place})]) == []


def test_the_files_of_a_stack_are_those_of_the_tree() -> None:
    raw = Folder(folder(copied={"site": "/srv"}).description, "    tmpfs: []", FILES, {"site/a.png": "iVBO"})
    assert stack(raw, bonus=["cache"])["files"] == [
        {"path": "srcs/requirements/bonus/cache/Dockerfile", "content": "FROM debian:bookworm\n"},
        {"path": "srcs/requirements/bonus/cache/conf/cache.conf", "content": "size = 1\n"},
        {"path": "srcs/requirements/bonus/cache/site/a.png", "content": "iVBO", "encoding": "base64"},
    ]
    other = Folder(raw.description, raw.compose, FILES, {"site/a.png": "iVBP"})
    assert stack(raw)["tags"] != stack(other)["tags"]


def test_a_tag_changes_with_the_content_and_the_base_alone() -> None:
    def tag(base: str = BASE, **files: str) -> str:
        return str(stack(folder(files=files, about="something else"), base=base)["tags"]["cache"])

    assert tag() == stack(folder())["tags"]["cache"]
    assert len({tag(), tag(base="sha256:4567"), tag(Dockerfile="FROM debian:trixie\n"), tag(more="")}) == 4


def test_a_secret_is_learned_hot_or_by_a_new_container() -> None:
    secrets = [{"name": "word", "hot_reload": True}, {"name": "key", "kind": "token"}]
    cache = folder(files={"tools/accept.sh": ""}, secrets=secrets)
    reader = folder("reader", secrets=[{"name": "word"}], update_order="start_first")
    found = stack(cache, reader)
    assert [one["hot_reload"] for one in found["services"]] == [["word"], []]
    assert [one["revision"] for one in found["services"]] == [["key"], ["word"]]
    # Both describe the one secret alike, whoever learns it in which way.
    assert found["secrets"] == [
        {"name": "word", "kind": "password", "length": 32},
        {"name": "key", "kind": "token", "length": 64},
    ]


# Networks: who talks to whom, and what follows.

SITE = [
    folder("site", talks_to=["data", "door"], egress=True, waits_for=["data"]),
    folder("door", talks_to=["site"], waits_for=["site"], aliases=["${DOMAIN}"], ports=[{"published": 443}]),
    folder("data"),
    folder("lonely"),
]


def test_each_two_who_talk_have_a_network_of_their_own() -> None:
    found = {one["name"]: one for one in stack(*SITE)["networks"]}
    assert {name: one["members"] for name, one in found.items()} == {
        "site-to-data": ["site", "data"],
        # Who waits for the other begins.
        "door-to-site": ["door", "site"],
        "site-way-out": ["site"],
        "door-way-in": ["door"],
        "lonely-apart": ["lonely"],
    }
    assert {name for name, one in found.items() if not one["internal"]} == {"site-way-out", "door-way-in"}
    assert {name for name, one in found.items() if one["way_out"]} == {"site-way-out"}


def test_only_who_talks_is_in_a_network() -> None:
    joined = {one["name"]: one["networks"] for one in stack(*SITE)["services"]}
    assert not joined["door"].keys() & joined["data"].keys()
    assert joined["door"] == {"door-to-site": ["asked.door", "${DOMAIN}"], "door-way-in": []}
    assert joined["data"] == {"site-to-data": ["asked.data"]}


def test_a_service_has_a_name_where_it_is_asked_and_only_there() -> None:
    """By it, it finds the one address to listen at."""
    site = next(one for one in stack(*SITE)["services"] if one["name"] == "site")
    assert site["networks"] == {"site-to-data": [], "door-to-site": ["asked.site"], "site-way-out": []}


def test_who_reaches_whom() -> None:
    """Who talks reaches what the other listens at. Who is asked reaches back what is published, and no more."""
    folders = [
        folder("site", talks_to=["data", "door"], env={"SITE_PORT": 9000}, listens=["SITE_PORT"]),
        folder("door", talks_to=["site", "page"], ports=[{"published": 443, "target": 4430}]),
        folder("data", listens=[3306, "33060-33061"]),
        folder("page", listens=[8080]),
        folder("lonely", listens=[7000], ports=[{"published": 53, "protocol": "udp"}]),
    ]
    assert set(stack_services.reach(folders)) == {
        ("site", "data", 3306),
        ("site", "data", 33060),
        ("site", "data", 33061),
        ("site", "door", 4430),
        ("door", "site", 9000),
        ("door", "page", 8080),
        ("page", "door", 4430),
    }


def test_what_others_contribute_opens_a_way() -> None:
    viewer = folder("viewer", contributes_to={"door": {"talks_to": ["viewer"], "egress": True}})
    joined = {one["name"]: list(one["networks"]) for one in stack(*SITE, viewer)["services"]}
    assert joined["viewer"] == ["door-to-viewer"]
    assert joined["door"] == ["door-to-site", "door-to-viewer", "door-way-in-out"]


def test_who_talks_to_a_service_with_another_one_before_it_talks_to_that_one() -> None:
    """By the name that it says; what others contribute too."""
    before = folder("way", fronts="cache", talks_to=["cache"], waits_for=["cache"])
    site = folder("site", talks_to=["cache"], waits_for=["cache"])
    viewer = folder("viewer", contributes_to={"site": {"talks_to": ["viewer"]}}, talks_to=["cache"])
    found = {one["name"]: one for one in stack(folder(), before, site, viewer)["services"]}
    assert {name: sorted(one["networks"]) for name, one in found.items()} == {
        "cache": ["way-to-cache"],
        "way": ["site-to-way", "viewer-to-way", "way-to-cache"],
        "site": ["site-to-viewer", "site-to-way"],
        "viewer": ["site-to-viewer", "viewer-to-way"],
    }
    assert found["way"]["networks"]["site-to-way"] == ["asked.way", "cache"]
    assert (found["site"]["waits_for"], found["way"]["waits_for"]) == (["way"], ["cache"])


def test_who_stands_before_nobody_is_told() -> None:
    [problem] = stack_services.problems([folder(), folder("way", fronts="cash")])
    assert "fronts 'cash', which is no other service of this stack; did you mean 'cache'?" in problem


def test_volumes_of_members_are_their_own() -> None:
    """But for what they say to each other."""
    volumes = [{"name": "data", "path": "/data"}, {"name": "said", "path": "/said", "everywhere": True}]
    found = stack(folder(in_cluster="members", volumes=volumes))
    assert (found["volumes"], found["shared_volumes"]) == (["data", "said"], ["said"])


# Ports


def test_the_ports_follow_from_one_description() -> None:
    cache = folder(
        env={"CACHE_PORT": 7000, "RANGE": "21000-21002"},
        ports=[
            {"published": "CACHE_PORT", "target": 70, "forwarded": 7001},
            {"published": "RANGE", "protocol": "udp"},
        ],
    )
    found = stack(cache)
    assert found["services"][0]["ports"] == ["${CACHE_PORT}:70", "${RANGE}:${RANGE}/udp"]
    assert stack_services.numbers(found["ports"], "tcp") == [7000]
    assert stack_services.numbers(found["ports"], "udp") == [21000, 21001, 21002]
    assert [port["forwarded"] for port in found["ports"]] == [7001, None]
    # The user's own value is everybody's.
    assert stack_services.numbers(stack(cache, env={"CACHE_PORT": 8000})["ports"], "tcp") == [8000]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"published": 53}, {"published": 53, "protocol": "udp"}, []),
        ({"published": 53}, {"published": 54}, []),
        (
            {"published": 53},
            {"published": "50-60"},
            [
                "my/b/service.yml:2: b publishes port 53 (tcp), and so does a (my/a/service.yml:2); "
                "give one of them another"
            ],
        ),
    ],
)
def test_two_cannot_publish_one_port(one: dict[str, Any], other: dict[str, Any], said: list[str]) -> None:
    assert stack_services.problems([folder("a", ports=[one]), folder("b", ports=[other])]) == said


# What one adds to another


def test_a_service_adds_to_another() -> None:
    gate = folder("gate", secrets=[{"name": "key"}])
    viewer = folder(
        "viewer",
        files={"contributes_to/gate/conf/routes/viewer.conf": "location /viewer/ {}\n"},
        contributes_to={"gate": {"secrets": [{"name": "word"}], "waits_for": ["viewer"], "env": {"MORE": 1}}},
    )
    found = stack(gate, viewer)
    gate_service, viewer_service = found["services"]
    added = "srcs/requirements/gate/conf/routes/viewer.conf"
    assert {"path": added, "content": "location /viewer/ {}\n"} in found["files"]
    assert [secret["name"] for secret in gate_service["secrets"]] == ["key", "word"]
    assert (gate_service["waits_for"], gate_service["env"]) == (["viewer"], {"MORE": 1})
    assert not any("contributes_to" in path for path in viewer_service["project_files"])
    assert "contributes_to" not in viewer_service
    # What one adds is a part of the other's image.
    assert gate_service["tag"] != service(gate)["tag"]
    assert viewer_service["tag"] == service(folder("viewer"))["tag"]


def test_a_folder_without_a_dockerfile_only_adds() -> None:
    text = "about: letters\ncontributes_to:\n  gate: {env: {LETTERS: a}, volumes: [{name: x, path: /x}]}\n"
    letters = Folder(read("letters", "my/letters/service.yml", text, text), files={"contributes_to/gate/a.sh": ""})
    found = stack(folder("gate", env={"GATE": 1}), letters)
    assert [one["name"] for one in found["services"]] == ["gate"]
    assert found["services"][0]["env"] == {"GATE": 1, "LETTERS": "a"}
    assert found["volumes"] == ["x"]
    nothing = Folder(read("letters", "my/letters/service.yml", "about: letters\n", "about: letters\n"))
    assert stack_services.problems([nothing]) == [
        "my/letters/service.yml:1: no Dockerfile and no 'contributes_to': it would do nothing"
    ]


def test_two_may_add_the_same() -> None:
    adds = {"gate": {"secrets": [{"name": "word"}]}}
    folders = [folder("gate"), folder("one", contributes_to=adds), folder("two", contributes_to=adds)]
    assert [secret["name"] for secret in service(*folders)["secrets"]] == ["word"]


# Every mistake, with the line that it is in: `about` is in line 1.


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"about": ""}, "1: about: '' is not a few words in one line"),
        ({"netwroks": {}}, "2: unknown key 'netwroks'; did you mean 'networks'?"),
        ({"networks": {"backend": []}}, "2: 'networks' is no key any more: say whom it talks to"),
        ({"twice": True}, "2: 'twice' is no key any more: say 'update_order: start_first'"),
        ({"alive": True}, "2: 'alive' is no key any more: say 'status'"),
        ({"for": {}}, "2: 'for' is no key any more: say 'contributes_to'"),
        ({"volume": {}}, "2: 'volume' is no key any more: put it into the list 'volumes'"),
        ({"secrets": [{"name": "word", "live": True}]}, "2: 'live' is no key any more: say 'hot_reload'"),
        ({"egress": "often"}, "2: egress: 'often' is not true or false"),
        ({"waits_for": ["nobody"]}, "2: waits for 'nobody', which is no other service of this stack"),
        ({"talks_to": ["cache"]}, "2: talks to 'cache', which is no other service of this stack"),
        ({"secrets": ["word"]}, "2: secrets: 'word' is not a table, such as {name: cache_password}"),
        ({"secrets": [{"name": "Word!"}]}, "2: secrets.name: 'Word!' is not a name of small letters, digits, _ and -"),
        ({"secrets": [{"length": 20}]}, "2: 'name' is missing (its file is `secrets/<name>.txt`"),
        ({"secrets": [{"name": "word", "size": 3}]}, "2: unknown key 'size'"),
        ({"secrets": [{"name": "word", "length": 8}]}, "2: secrets.length: 8 is not a whole number from 16 to 4096"),
        ({"secrets": [{"name": "word", "kind": "pin"}]}, "2: secrets.kind: 'pin' is not one of password, token"),
        ({"secrets": [{"name": "word", "hot_reload": True}]}, "no tools/accept.* to tell the running service"),
        ({"update_order": "start-first"}, "2: update_order: 'start-first' is not one of"),
        ({"update_order": "start_first", "ports": [{"published": 21}]}, "2: 'start_first' and 'ports'"),
        ({"update_order": "hold_connections"}, "2: 'hold_connections', and no port of TCP"),
        ({"beside": ["cmp"]}, "2: 'beside' asks whether two of it can work at once"),
        ({"trial": "nginx -t"}, "2: trial: 'nginx -t' is not a list, such as [redis-server, --version]"),
        ({"ports": ["21:21"]}, "2: ports: '21:21' is not a table, such as {published: 8080}"),
        ({"ports": [{"published": 70000}]}, "2: 'published: 70000' is no port here"),
        ({"ports": [{"published": "CACHE_PORT"}]}, "2: 'published: CACHE_PORT' is no port here"),
        ({"ports": [{"published": "1-3", "target": 5}]}, "2: the ports of one line must be equally many"),
        ({"ports": [{"published": 1, "protocol": "icmp"}]}, "2: ports.protocol: 'icmp' is not one of tcp, udp"),
        ({"copied": {"../site": "/srv"}}, "2: copied: '../site' is not a folder of the service"),
        ({"copied": {"site": "srv"}}, "2: copied.site: 'srv' is not an absolute path"),
        ({"copied": {"site": "/srv\nmine"}}, "is not an absolute path"),
        ({"copied": {"conf": "/srv"}}, "2: copies to 'conf', where the service has files already"),
        ({"status": True}, "2: 'status', and no tools/status.* that says how it is"),
        ({"volumes": [{"name": "pages"}]}, "2: 'path' is missing"),
        ({"credentials": {"at": "/"}}, "2: 'users' is missing"),
        ({"credentials": {"at": "/", "users": {"USER": "word"}}}, "shows 'word', which is no secret of this stack"),
        ({"env": {"port": 1}}, "2: env: 'port' is not a name of capitals, digits and _"),
        ({"env": {"DOMAIN": "x"}}, "2: 'DOMAIN' is in every .env already, from inception_domain"),
        ({"contributes_to": {"door": {}}}, "2: contributes to 'door', which is no other service of this stack"),
        (
            {"in_cluster": "members", "backup": {"dump": ["dump"], "load": ["load"]}},
            "its data is on several nodes ('in_cluster: members'), and a restore empties it there",
        ),
        ({"limits": {"memory": "much"}}, "2: limits.memory: 'much' is not a size such as 256M"),
    ],
)
def test_a_mistake_has_its_file_and_line(said: dict[str, Any], expected: str) -> None:
    [problem] = stack_services.problems([folder(**said)])
    assert problem.startswith("my/cache/service.yml:")
    assert expected in problem


def test_a_circle_is_named() -> None:
    folders = [folder("a", waits_for=["b"]), folder("b", waits_for=["c"]), folder("c", waits_for=["a"])]
    assert stack_services.problems(folders) == ["my/a/service.yml:2: waits for itself: a -> b -> c -> a"]


def test_two_want_one_secret_alike() -> None:
    folders = [folder(secrets=[{"name": "word"}]), folder("reader", secrets=[{"name": "word", "length": 64}])]
    assert stack_services.problems(folders) == [
        "my/reader/service.yml:2: the secret 'word' has another length or kind than in my/cache/service.yml; "
        "write the same in both"
    ]


def test_two_have_one_value_of_a_name() -> None:
    folders = [folder(env={"PORT": 1}), folder("reader", env={"PORT": 2})]
    assert stack_services.problems(folders) == [
        "my/reader/service.yml:2: 'PORT' has another value in my/cache/service.yml, and .env has one of each"
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("contributes_to/door/conf/x", "contributes to 'door', which is no other service"),
        ("contributes_to/gate/Dockerfile", "contributes 'Dockerfile' to 'gate', which has that file already"),
        ("for/gate/conf/x", "the folder 'for/' is called 'contributes_to/' now"),
    ],
)
def test_a_file_that_cannot_be_added(path: str, said: str) -> None:
    [problem] = stack_services.problems([folder("gate"), folder("viewer", files={path: ""})])
    assert said in problem


# Values of .env have one source.


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CACHE_SIZE": 5}, []),
        ({"CACHE_PORT": 8443}, ["stack_env: CACHE_PORT comes from inception_cache_port; set that"]),
        ({"MORE": "x"}, ["stack_env: MORE comes from stack_more; set that"]),
        ({"DOMAIN": "x.42.fr"}, ["stack_env: DOMAIN comes from inception_domain; set that"]),
        ({"CACHE_SIZ": 5}, ["stack_env: no service of this stack has 'CACHE_SIZ'; did you mean 'CACHE_SIZE'?"]),
        ({"CACHE_SIZE": "5"}, []),
        ({"CACHE_SIZE": "big"}, ["stack_env: CACHE_SIZE is 'big', and no number, as the service's own 64 is"]),
        ({"INNER_PORT": 70000}, ["stack_env: INNER_PORT is 70000, and no port; for example: 6379"]),
        ({"INNER_PORT": 6380}, []),
        # Of a service that is not on: of no use today, and no mistake.
        ({"ASLEEP": 1}, []),
    ],
)
def test_a_value_of_env_has_one_source(given: dict[str, Any], said: list[str]) -> None:
    source = """\
{# a comment #}
about: the cache
env:
  CACHE_PORT: {{ inception_cache_port }}
  CACHE_SIZE: 64
  INNER_PORT: 6379
contributes_to:
  gate:
    env: {MORE: {{ stack_more | to_json }}}
"""
    rendered = re.sub(r"\{\{.*?\}\}", "1", source.partition("\n")[2])
    cache = Folder(read("cache", "my/cache/service.yml", source, rendered), "x", FILES)
    asleep = Folder(read("asleep", "x", "env:\n  ASLEEP: 1\n", ""))
    assert stack_services.problems([folder("gate"), cache], [asleep], given) == said


@pytest.mark.parametrize("name", ["Echo", "ünï", "my echo", "a-", "a_-b", "a___b", "a.b", "1a", "x" * 64])
def test_a_folder_that_no_image_can_be_called_like(name: str) -> None:
    [problem] = stack_services.problems([folder(name)])
    assert f"the folder's name '{name}' is no name of a service" in problem


@pytest.mark.parametrize("name", ["echo", "my-echo", "my_echo", "a--b", "a__b", "a1", "x" * 63])
def test_a_folder_that_can_be_a_service(name: str) -> None:
    assert stack_services.problems([folder(name)]) == []


@pytest.mark.parametrize("name", ["PATH", "HOME", "COMPOSE_PROJECT_NAME", "DOCKER_HOST", "LC_ALL", "MAKEFLAGS"])
def test_what_the_shell_and_docker_have_is_not_for_env(name: str) -> None:
    [problem] = stack_services.problems([folder(env={name: "x", "TZ": "UTC", "HOME_PAGE": "x", "COMPOSE": "x"})])
    assert problem == (
        f"my/cache/service.yml:2: '{name}' is the shell's or Docker's own, and not for .env; for example: CACHE_{name}"
    )


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (("a", "b-to-c", "a-to-b", "c"), "a-to-b-to-c"),
        (("nginx", "web-way-in", "nginx-to-web", "x"), "nginx-to-web-way-in"),
        (("nginx", "way-in"), ""),
        (("x", "apart"), ""),
    ],
)
def test_two_networks_cannot_have_one_name(names: tuple[str, ...], name: str) -> None:
    pairs = list(zip(names[::2], names[1::2], strict=True))
    folders = [
        folder(one, talks_to=[other], ports=[{"published": 80}] if "nginx-" in one else []) for one, other in pairs
    ]
    folders += [folder(other) for dummy, other in pairs]
    found = stack_services.problems(folders)
    assert [f"both be called '{name}'" in problem for problem in found] == ([True] if name else [])


def test_a_volume_hides_nothing() -> None:
    paths = ["/data", "/data/", "/run/secrets", "/run/secrets/x", "/run/secretsx", "/data/inner"]
    found = stack_services.problems([folder(volumes=[{"name": f"v{n}", "path": path} for n, path in enumerate(paths)])])
    assert [problem.split(": ", 1)[1] for problem in found] == [
        "the volumes 'v0' and 'v1' are both at /data",
        "the volume 'v2' would hide the secrets",
        "the volume 'v3' would hide the secrets",
    ]
