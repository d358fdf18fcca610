# SPDX-License-Identifier: GPL-3.0-or-later
"""One site on three nodes: everywhere the same, also when one of them is away, changes, leaves or comes."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from time import sleep
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ADDRESSES, ANSWER_SECONDS, NODES, Cluster, Load, until

# How often each node dies.
TIMES = int(os.environ.get("INCEPTION_NODE_DEATHS", "1"))
WP = "php -r \"define('WP_USE_THEMES', false); require '/var/www/html/wp-load.php'; {}\""


def wordpress(cluster: Cluster, code: str, but: str = "") -> str:
    """Code of WordPress's own, in the container of a node."""
    return cluster.anywhere("wordpress", WP.format(code.replace("$", "\\$")), but)


@pytest.mark.parametrize("name", NODES)
def test_every_node_serves_the_site(cluster: Cluster, name: str) -> None:
    """NGINX stands on every node, at the node's own port."""
    status, body = cluster.page(name)
    assert status == 200
    assert "<title>" in body


@pytest.mark.parametrize("name", NODES)
def test_the_visitor_s_address_is_seen(cluster: Cluster, name: str) -> None:
    """A port of the node's own hides nobody behind the address of a mesh."""
    container = cluster.container(name, "nginx")
    cluster.page(name, f"/?who={name}")
    log = f"docker logs --since 1m {container} 2>&1 | grep who={name} | tail -1 | cut -d ' ' -f 1"
    until(lambda: cluster.root(name, log) == "172.29.42.1", 10, "the log has another address, or none")


def test_a_file_is_everywhere(cluster: Cluster) -> None:
    """What one WordPress writes, every NGINX shows at once."""
    for name in NODES:
        word = f"written-on-{name}"
        cluster.inside(name, "wordpress", f"sh -c 'echo {word} >/var/www/html/wp-content/uploads/{word}.txt'")
        for other in NODES:
            assert cluster.page(other, f"/wp-content/uploads/{word}.txt") == (200, f"{word}\n")


def test_code_that_one_node_changes_is_everywhere(cluster: Cluster) -> None:
    """PHP seldom looks at files of code: who changes one by WordPress's own functions tells all nodes."""
    folder = "/var/www/html/wp-content/mu-plugins"

    def shown() -> set[str]:
        # Behind each NGINX, one WordPress is asked after the other.
        asked = [cluster.site(name).get("/", {"Cookie": "asked_by=test"}) for name in NODES * 4]
        return {page.headers.get("X-Code", "") for page in asked}

    try:
        for word in ("first", "second", "third"):
            code = base64.b64encode(f"<?php header('X-Code: {word}');".encode()).decode()
            into = "mkdir -p /tmp/code && base64 -d >/tmp/code/changed.php"
            cluster.anywhere("wordpress", f"sh -c 'echo {code} | ({into})'")
            update = f"WP_Filesystem(); copy_dir('/tmp/code', '{folder}');"
            wordpress(cluster, f"require ABSPATH . 'wp-admin/includes/file.php'; {update}")
            until(lambda word=word: shown() == {word}, 30, f"not all show the {word}")  # type: ignore[misc]
            # What is so new, PHP does not keep yet.
            sleep(3)
            assert shown() == {word}
    finally:
        cluster.anywhere("wordpress", f"rm -f {folder}/changed.php")


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    """On no node, and no container is another one."""
    before = {name: cluster.root(name, "docker ps --quiet --no-trunc | sort") for name in NODES}
    done = cluster.run()
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}
    assert {name: cluster.root(name, "docker ps --quiet --no-trunc | sort") for name in NODES} == before


def test_check_mode_changes_nothing(cluster: Cluster) -> None:
    """It says what a run would do, and does nothing of it."""
    before = {
        name: cluster.root(name, "docker ps --quiet --no-trunc | sort; docker secret ls --format '{{.Name}}'")
        for name in NODES
    }
    done = cluster.run("--check")
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}
    done = cluster.run("--check", variables={"inception_title": "Another"})
    assert done.status == 0, done.told()
    # The services, and what is written down of them.
    assert re.search(r"one .*changed=2 ", done.output), done.output[-2000:]
    assert before == {
        name: cluster.root(name, "docker ps --quiet --no-trunc | sort; docker secret ls --format '{{.Name}}'")
        for name in NODES
    }


def test_what_was_changed_by_hand_is_put_right(cluster: Cluster) -> None:
    """A service that somebody has scaled, and a node that somebody has drained."""
    cluster.root(
        "one", "docker service scale --detach inception_wordpress=1; docker node update --availability drain three"
    )
    done = cluster.run()
    assert done.status == 0, done.told()
    assert cluster.root("one", "docker service ls --filter name=inception_wordpress --format '{{.Replicas}}'") == "3/3"
    cluster.settled()


@pytest.mark.parametrize("name", ["two", "three"])
@pytest.mark.parametrize("turn", range(TIMES))
def test_a_node_that_dies_is_not_missed(cluster: Cluster, load: Callable[..., Load], name: str, turn: int) -> None:
    """Readers and a writer go on within seconds, nothing that was acknowledged is lost, and it comes back by itself."""
    with load() as seen:
        sleep(5)
        cluster.outside("kill", f"inception-cluster-{name}")
        sleep(40)
        cluster.outside("start", f"inception-cluster-{name}")
        until(lambda: cluster.page(name)[0] == 200, 120, f"{name} does not serve the site again")
        cluster.settled()
    assert seen.longest <= ANSWER_SECONDS
    assert seen.longest_write <= ANSWER_SECONDS
    assert len(seen.taken) > 30
    assert set(seen.taken) - cluster.comments() == set()


# Nothing comes from the others or gets to them, while visitors still find it.
CUT_OFF = (
    "nft 'table inet cut {{ chain in {{ type filter hook input priority -300; ip saddr {0} drop; }};"
    " chain out {{ type filter hook output priority -300; ip daddr {0} drop; }}; }}'"
)


@pytest.mark.parametrize("name", ["two", "three"])
def test_a_node_that_is_cut_off_shows_nothing_old(cluster: Cluster, load: Callable[..., Load], name: str) -> None:
    """For a minute it hears of nobody: whoever asks it asks another one soon, and afterwards it is as the others."""
    others = ", ".join(address for node, address in ADDRESSES.items() if node != name)
    with load() as seen:
        sleep(5)
        wordpress(cluster, "update_option('blogdescription', 'before the cut');", but=name)
        assert [text.count("before the cut") > 0 for text in (cluster.page(name)[1], cluster.page(name)[1])] == [
            True
        ] * 2
        cluster.root(name, CUT_OFF.format(f"{{ {others} }}"))
        try:
            # By then it knows.
            sleep(15)
            wordpress(cluster, "update_option('blogdescription', 'after the cut');", but=name)
            for _turn in range(45):
                status, body = cluster.page(name, timeout=5)
                assert "before the cut" not in body
                # For a search engine that would be an answer.
                assert status != 404
                sleep(1)
        finally:
            cluster.root(name, "nft delete table inet cut")
        until(lambda: cluster.page(name, "/?now", Cookie="asked_by=test")[0] == 200, 120, f"{name} has no site")
        cluster.settled()
    assert seen.longest <= ANSWER_SECONDS
    assert seen.longest_write <= ANSWER_SECONDS
    assert len(seen.taken) > 40
    assert set(seen.taken) - cluster.comments() == set()


def test_status_tells_what_is_wrong(cluster: Cluster) -> None:
    """All that is well on one screen; and a node that is away, by its name."""
    cluster.settled()
    done = cluster.run(playbook="status")
    assert done.status == 0, done.told()
    assert "All is well." in done.output
    for word in ("one  *there, (leader|manager), the database", "three  *there", "nginx  *3 of 3", "3 of 3 copies"):
        assert re.search(word, done.output), word
    cluster.outside("kill", "inception-cluster-two")
    try:
        until(lambda: "Down" in cluster.root("one", "docker node ls --format '{{.Status}}'"), 30, "two is not missed")
        done = cluster.run(playbook="status")
    finally:
        cluster.outside("start", "inception-cluster-two")
    assert done.status != 0
    for word in ("two  *AWAY", "two is away", "the copy of the files on two is away"):
        assert re.search(word, done.output), done.output
    until(lambda: cluster.page("two")[0] == 200, 180, "two does not serve the site again")
    cluster.settled()


def test_without_the_node_with_the_data_pages_are_shown(cluster: Cluster, load: Callable[..., Load]) -> None:
    """There is one database: until it is back nobody writes; who has no cookie sees what NGINX has. Nothing is lost."""
    with load() as seen:
        sleep(5)
    others = ("two", "three")
    assert [cluster.page(name)[0] for name in others] == [200, 200]
    cluster.outside("kill", "inception-cluster-one")
    try:
        took = until(lambda: [cluster.page(name)[0] for name in others] == [200, 200], 30, "no page is shown")
        print(f"kept pages are shown after {took:.1f} s")
        sleep(20)
        assert [cluster.page(name)[0] for name in others] == [200, 200]
        assert cluster.page("two", "/?now", Cookie="asked_by=test")[0] != 200
    finally:
        cluster.outside("start", "inception-cluster-one")
    until(lambda: cluster.page("one", "/?now", Cookie="asked_by=test")[0] == 200, 180, "the site is not whole again")
    cluster.settled()
    assert len(seen.taken) > 2
    assert set(seen.taken) - cluster.comments() == set()


def test_a_newer_one_comes_while_people_read_and_write(cluster: Cluster, load: Callable[..., Load]) -> None:
    """NGINX and WordPress are other ones afterwards, node by node, and no reader or writer was without an answer."""
    with load() as seen:
        done = cluster.run(variables={"stack_upload_size": "21M"})
        assert done.status == 0, done.told()
        cluster.settled()
    limits = [cluster.inside(name, "wordpress", "php -r 'echo ini_get(\"upload_max_filesize\");'") for name in NODES]
    assert limits == ["21M"] * 3
    assert seen.longest <= ANSWER_SECONDS
    assert seen.longest_write <= ANSWER_SECONDS
    assert set(seen.taken) - cluster.comments() == set()
    # A NGINX that is replaced takes nobody in; what was taken in was answered.
    errors = {kind for kinds in seen.seen.values() for kind in kinds} - {"200", "302"}
    assert errors <= {"ConnectionRefusedError", "ConnectionResetError", "hung up", "RemoteDisconnected"}, seen.seen


def test_a_bad_one_gives_way(cluster: Cluster, load: Callable[..., Load]) -> None:
    """A new NGINX that does not start: Swarm goes back, the run says why, and two nodes were not touched."""
    service = cluster.folder / "services/bad"
    for path, text in {
        "service.yml": "about: a service of the tests\ncontributes_to: {nginx: {env: {BAD: 1}}}\n",
        "contributes_to/nginx/conf/routes/bad.conf": "location /bad { nonsense on; }\n",
    }.items():
        (service / path).parent.mkdir(parents=True, exist_ok=True)
        (service / path).write_text(text)
    bad: dict[str, Any] = {
        "inception_service_dirs": [str(service.parent)],
        "inception_bonus_services": ["redis", "bad"],
    }
    # What other tests have left is not replaced with it.
    done = cluster.run()
    assert done.status == 0, done.told()
    with load() as seen:
        done = cluster.run(variables=bad)
    assert done.status != 0
    assert "nginx: the new one was not well, and Swarm went back to the former" in done.told()
    assert "nonsense" in done.told()
    assert seen.longest <= ANSWER_SECONDS
    assert len([one for one in NODES if set(seen.seen[one]) <= {"200", "302"}]) >= 2, seen.seen
    assert set(seen.taken) - cluster.comments() == set()
    cluster.settled()
    done = cluster.run()
    assert done.status == 0, done.told()
    assert [cluster.page(name)[0] for name in NODES] == [200, 200, 200]


def test_a_new_value_of_a_secret_reaches_its_services(cluster: Cluster) -> None:
    """A file of another value is another Swarm secret, and its services are replaced, each in its way."""
    names = "docker secret ls --filter name=inception-redis_password --format '{{.Name}}' | sort -V | tail -n 1"
    former = cluster.root("one", names)
    cluster.root(
        "one",
        "cd /home/wil/inception/secrets && tr -dc a-z0-9 </dev/urandom | head -c 32 >new"
        " && chmod 400 new && chown wil: new && mv new redis_password.txt",
    )
    done = cluster.run()
    assert done.status == 0, done.told()
    value = cluster.root("one", "cat /home/wil/inception/secrets/redis_password.txt")
    # After a node's death there may be two on one node, and none on another.
    having = [name for name in NODES if cluster.container(name, "wordpress")]
    assert len(having) > 1
    for name in having:
        assert cluster.inside(name, "wordpress", "cat /run/secrets/redis_password") == value
    assert int(cluster.root("one", names).rpartition("-")[2]) == int(former.rpartition("-")[2]) + 1


def test_a_node_that_is_drained_and_has_work_again(cluster: Cluster, load: Callable[..., Load]) -> None:
    """As before its maintenance: a word in the inventory takes its work from it, and it stays a node."""
    other = yaml.safe_load((cluster.inventory / "hosts").read_text())
    other["cluster"]["hosts"]["three"]["cluster_availability"] = "drain"
    drained = cluster.folder / "drained.json"
    drained.write_text(json.dumps(other))
    with load("one", "two") as seen:
        done = cluster.run(inventory=drained)
        assert done.status == 0, done.told()
        assert cluster.root("three", "docker ps --quiet --filter name=inception_") == ""
        done = cluster.run()
        assert done.status == 0, done.told()
        cluster.settled()
    assert seen.longest <= ANSWER_SECONDS
    assert seen.longest_write <= ANSWER_SECONDS
    assert set(seen.taken) - cluster.comments() == set()
    assert [cluster.page(name)[0] for name in NODES] == [200, 200, 200]


def test_a_node_less_and_again_one_more(cluster: Cluster, load: Callable[..., Load]) -> None:
    """A line less in the inventory, and the node gives up its work and leaves; a line more, and it works again."""
    fewer = yaml.safe_load((cluster.inventory / "hosts").read_text())
    del fewer["cluster"]["hosts"]["three"]
    less = cluster.folder / "less.json"
    less.write_text(json.dumps(fewer))
    with load("one", "two") as seen:
        done = cluster.run(inventory=less)
        assert done.status == 0, done.told()
    assert seen.longest <= ANSWER_SECONDS
    assert set(seen.taken) - cluster.comments() == set()
    assert sorted(cluster.root("one", "docker node ls --format '{{.Hostname}}'").split()) == ["one", "two"]
    assert "172.29.42.13" not in cluster.root("one", "gluster volume info inception; cat /etc/inception-firewall.nft")
    cluster.root("three", "docker swarm leave --force; systemctl disable --now inception-shared inception-shared-live")
    done = cluster.run()
    assert done.status == 0, done.told()
    cluster.settled()
    assert [cluster.page(name)[0] for name in NODES] == [200, 200, 200]
    # What the copies had before they left is nobody's any more: the link by which pages are kept is one.
    kept = "X-Page-Cache"
    for name in NODES:
        until(lambda name=name: cluster.site(name).get("/").headers.get(kept) == "HIT", 30, f"{name} keeps no page")  # type: ignore[misc]


def test_all_at_once_off_and_on(cluster: Cluster, load: Callable[..., Load]) -> None:
    """After a power cut of all, everything comes back by itself, with all that was written."""
    machines = [f"inception-cluster-{name}" for name in NODES]
    with load() as seen:
        sleep(10)
        cluster.outside("kill", *machines)
        sleep(5)
        cluster.outside("start", *machines)
        until(lambda: all(cluster.page(name)[0] == 200 for name in NODES), 300, "the site is not there again")
        cluster.settled()
    assert len(seen.taken) > 5
    assert set(seen.taken) - cluster.comments() == set()
