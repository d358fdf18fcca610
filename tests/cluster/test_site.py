# SPDX-License-Identifier: GPL-3.0-or-later
"""One site on three nodes: everywhere the same, also when one of them is away, changes, leaves or comes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ANSWER_SECONDS, NODES, Cluster, Visitors, until

WP = "php -r \"define('WP_USE_THEMES', false); require '/var/www/html/wp-load.php'; {}\""


def wordpress(cluster: Cluster, name: str, code: str) -> str:
    """Code of WordPress's own, in the container of a node."""
    return cluster.inside(name, "wordpress", WP.format(code.replace("$", "\\$")))


def comments(cluster: Cluster) -> set[str]:
    """What the database has of what a test wrote."""
    code = "foreach (get_comments(['search' => 'number-', 'number' => 0]) as $one) echo $one->comment_content, PHP_EOL;"
    name = next(one for one in NODES if cluster.container(one, "wordpress"))
    return set(wordpress(cluster, name, code).split())


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
    log = cluster.root(name, f"docker logs --tail 20 {container} 2>&1")
    assert re.search(rf"172\.29\.42\.1 .*who={name}", log) or "who=" not in log


def test_a_file_is_everywhere(cluster: Cluster) -> None:
    """What one WordPress writes, every NGINX shows at once."""
    for name in NODES:
        word = f"written-on-{name}"
        cluster.inside(name, "wordpress", f"sh -c 'echo {word} >/var/www/html/wp-content/uploads/{word}.txt'")
        for other in NODES:
            assert cluster.page(other, f"/wp-content/uploads/{word}.txt") == (200, f"{word}\n")


def test_a_kept_page_is_never_older_than_the_change(cluster: Cluster) -> None:
    """Each node keeps pages of its own, and none is found any more after a change on any node."""
    post = wordpress(
        cluster,
        "one",
        "echo wp_insert_post(['post_title' => 'Kept', 'post_content' => 'version-0', 'post_status' => 'publish']);",
    )
    path = "/" + wordpress(cluster, "one", f"echo get_permalink({post});").split("/", 3)[3]
    for number, name in enumerate(NODES * 4, 1):
        for other in NODES:
            cluster.page(other, path)
        code = f"wp_update_post(['ID' => {post}, 'post_content' => 'version-{number}']);"
        wordpress(cluster, name, code)
        time.sleep(1)
        for other in NODES:
            assert f"version-{number}" in cluster.page(other, path)[1], f"changed on {name}, read at {other}"


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    """On no node, and no container is another one."""
    before = {name: cluster.root(name, "docker ps --quiet --no-trunc | sort") for name in NODES}
    done = cluster.run()
    assert done.status == 0, done.told()
    assert set(re.findall(r"changed=(\d+)", done.output)) == {"0"}
    assert {name: cluster.root(name, "docker ps --quiet --no-trunc | sort") for name in NODES} == before


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
def test_a_node_that_dies_is_not_missed(cluster: Cluster, visitors: Callable[..., Visitors], name: str) -> None:
    """The others go on within seconds, nothing that was acknowledged is lost, and it comes back by itself."""
    others = [one for one in NODES if one != name]
    written = {f"number-{name}-{number}" for number in range(10)}
    for word in sorted(written):
        code = f"wp_insert_comment(['comment_post_ID' => 1, 'comment_content' => '{word}', 'comment_approved' => 1]);"
        wordpress(cluster, "one", code)
    with visitors(*others) as seen:
        time.sleep(3)
        cluster.outside("kill", f"inception-cluster-{name}")
        time.sleep(40)
        cluster.outside("start", f"inception-cluster-{name}")
        time.sleep(5)
        cluster.settled()
    assert {one: seconds for one, seconds in seen.longest.items() if seconds > ANSWER_SECONDS} == {}
    assert comments(cluster) >= written
    assert cluster.page(name)[0] == 200


def test_a_bad_one_gives_way(cluster: Cluster, visitors: Callable[..., Visitors]) -> None:
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
    with visitors() as seen:
        done = cluster.run(variables=bad)
    assert done.status != 0
    assert "nginx: the new one was not well, and Swarm went back to the former" in done.told()
    assert "nonsense" in done.told()
    assert len([one for one in NODES if set(seen.seen[one]) == {200}]) >= 2, seen.seen
    cluster.settled()
    done = cluster.run()
    assert done.status == 0, done.told()
    assert [cluster.page(name)[0] for name in NODES] == [200, 200, 200]


def test_a_new_value_of_a_secret_reaches_its_services(cluster: Cluster) -> None:
    """A file of another value is another Swarm secret, and its services are replaced, each in its way."""
    cluster.root(
        "one",
        "cd /home/wil/inception/secrets && tr -dc a-z0-9 </dev/urandom | head -c 32 >new"
        " && chmod 400 new && chown wil: new && mv new redis_password.txt",
    )
    done = cluster.run()
    assert done.status == 0, done.told()
    value = cluster.root("one", "cat /home/wil/inception/secrets/redis_password.txt")
    for name in NODES:
        assert cluster.inside(name, "wordpress", "cat /run/secrets/redis_password") == value
    assert "inception-redis_password-2" in cluster.root("one", "docker secret ls --format '{{.Name}}'")


def test_a_node_less_and_again_one_more(cluster: Cluster, visitors: Callable[..., Visitors]) -> None:
    """A line less in the inventory, and the node gives up its work and leaves; a line more, and it works again."""
    whole = yaml.safe_load((cluster.inventory / "ansible_inventory.yml").read_text())
    fewer = json.loads(json.dumps(whole))
    del fewer["all"]["children"]["cluster"]["hosts"]["three"]
    less = cluster.folder / "less.json"
    less.write_text(json.dumps(fewer))
    with visitors("one", "two") as seen:
        done = cluster.run(inventory=less)
        assert done.status == 0, done.told()
    assert {one: seconds for one, seconds in seen.longest.items() if seconds > ANSWER_SECONDS} == {}
    assert sorted(cluster.root("one", "docker node ls --format '{{.Hostname}}'").split()) == ["one", "two"]
    assert "172.29.42.13" not in cluster.root("one", "gluster volume info inception; cat /etc/inception-firewall.nft")
    cluster.root("three", "docker swarm leave --force; umount /var/lib/fortytwo.inception/shared; true")
    done = cluster.run()
    assert done.status == 0, done.told()
    cluster.settled()
    assert [cluster.page(name)[0] for name in NODES] == [200, 200, 200]


def test_all_at_once_off_and_on(cluster: Cluster) -> None:
    """After a power cut of all, everything comes back by itself, with all that was written."""
    written = comments(cluster)
    machines = [f"inception-cluster-{name}" for name in NODES]
    cluster.outside("kill", *machines)
    cluster.outside("start", *machines)
    until(lambda: all(cluster.page(name)[0] == 200 for name in NODES), 300, "the site is not there again")
    assert comments(cluster) == written
