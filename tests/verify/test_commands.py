# SPDX-License-Identifier: GPL-3.0-or-later
"""wp-cli and the database's client on the site that runs: visitors see at once what they change."""

from __future__ import annotations

import hashlib
import json
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify.support import Site, Stack

STAND_IN = Path(__file__).with_name("standin_wp_cli.php")
PLACE = "/var/lib/fortytwo.inception/wp-cli"
WORDS = ["it's", 'a "b"', "", "$HOME", "`id`", "*", "x;y", "ä €", "-n", "back\\slash", "two\nlines"]
PORT = 8199
ANSWERS = f"""
import time, urllib.request
for left in reversed(range(50)):
    try:
        urllib.request.urlopen("http://127.0.0.1:{PORT}/pid").read()
        break
    except OSError:
        if not left:
            raise
        time.sleep(0.2)
"""


@pytest.fixture
def wp_cli(stack: Stack) -> Iterator[str]:
    """The machine is told to fetch a stand-in from its own loopback; returns where it lies then."""
    program = STAND_IN.read_bytes()
    digest = hashlib.sha512(program).hexdigest()
    told = json.dumps({"url": f"http://127.0.0.1:{PORT}/wp.phar", "sha512": digest})
    stack.root("rm -rf /run/verify-wp && mkdir /run/verify-wp && cp -a %s /run/verify-wp/former", PLACE)
    stack.root("printf %s %s >/run/verify-wp/wp.phar", "%s", program.decode())
    stack.root("printf %s %s >%s", "%s", told, f"{PLACE}/settings.json")
    stack.root(
        "cd /run/verify-wp && { python3 -m http.server --bind 127.0.0.1 %s >/dev/null 2>&1 & echo $! >pid; }", str(PORT)
    )
    stack.root("python3 -c %s", ANSWERS)
    yield f"{PLACE}/{digest}.phar"
    stack.root(
        "kill $(cat /run/verify-wp/pid); rm -rf %s; mv /run/verify-wp/former %s; rm -r /run/verify-wp", PLACE, PLACE
    )


def title(site: Site) -> str:
    """What a visitor reads, who is given a page that was kept."""
    site.get("/")
    return site.get("/").title


def test_wp_cli_is_fetched_and_its_words_stay_words(stack: Stack, wp_cli: str) -> None:
    """As the site's own user, from a file that only its checksum lets in; nothing of it stays in the container."""
    words = " ".join(shlex.quote(word) for word in WORDS)
    said = json.loads(stack.root(f"echo hello | inception wp {words}"))
    assert said["words"] == WORDS
    assert said["stdin"] == "hello\n"
    assert said["uid"] == int(stack.execute("wordpress", "id", "-u").stdout)
    assert ".wp." not in stack.execute("wordpress", "ls", "-A", "/tmp").stdout
    # It is there now; spoiled, it is fetched again.
    stack.root("chmod 600 %s; echo spoiled >%s", wp_cli, wp_cli)
    assert json.loads(stack.root("inception wp again </dev/null"))["words"] == ["again"]
    stack.root("echo other >/run/verify-wp/wp.phar; rm %s", wp_cli)
    refused = stack.host.run("inception wp --info")
    assert refused.rc == 1
    assert "is not what stack_wp_cli_sha512 says" in refused.stderr
    assert stack.root("ls -A %s", PLACE).split() == ["settings.json"]


def test_visitors_see_at_once_what_is_changed(stack: Stack, site: Site, wp_cli: str) -> None:
    """By wp-cli, though it fails, and by SQL, which WordPress hears nothing of."""
    former = title(site)
    new = uuid.uuid4().hex
    assert stack.host.run(f"inception wp option blogname {new}").rc == 3
    assert new in title(site)
    undo = f"UPDATE wp_options SET option_value = REPLACE(option_value, '{new}', '') WHERE option_name = 'blogname'"
    stack.root("inception db -e %s", undo)
    assert title(site) == former


def test_the_database_s_client_has_the_site_s_rights_alone(stack: Stack) -> None:
    """It is the account that WordPress has."""
    assert "wp_posts" in stack.root("echo 'SHOW TABLES' | inception db")
    refused = stack.host.run("inception db -e 'SELECT * FROM mysql.user'")
    assert refused.rc == 1
    assert "ERROR 1142" in refused.stderr


def test_what_the_services_say_is_followed(stack: Stack, site: Site) -> None:
    """Of one service too when its container is stopped and comes back, where compose's own follower ends."""
    stack.root("{ timeout 60 inception logs nginx >/run/verify-logs 2>&1 & echo $! >/run/verify-logs.pid; }")
    stack.root("for i in $(seq 100); do [ -s /run/verify-logs ] && exit; sleep 0.2; done; exit 1")
    stack.root("docker restart %s", stack.containers()["nginx"]["Name"].lstrip("/"))
    stack.wait_healthy()
    site.get(f"/{(token := uuid.uuid4().hex)}/")
    stack.root(
        "for i in $(seq 100); do grep -q %s /run/verify-logs && exit; sleep 0.2; done; cat /run/verify-logs; exit 1",
        token,
    )
    stack.root("kill $(cat /run/verify-logs.pid); rm /run/verify-logs /run/verify-logs.pid")
    refused = stack.host.run("inception logs nosuch")
    assert refused.rc == 1
    assert "'nosuch' is no service of this stack; those are" in refused.stderr


def test_wordpress_looks_at_itself(stack: Stack) -> None:
    """A finished deployment has nothing critical but what is outside of a machine for tests."""
    said = stack.host.run("inception health --site").stdout.splitlines()
    [summary] = (line for line in said if line.startswith("WordPress's Site Health: "))
    assert int(summary.split()[-2]) > 10
    critical = {line.removeprefix("critical: ") for line in said if line.startswith("critical: ")}
    assert critical <= {"Could not reach WordPress.org"}
    assert "recommended: The REST API encountered an unexpected result" not in said
