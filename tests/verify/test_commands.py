# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of an owner on the site that runs: on the managed host, and as they are typed at the control node."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.verify.browser import browse, sign_in
from tests.verify.support import PATIENCE, ROOT, Secret, Settings, Site, Stack, wait_until

STAND_IN = Path(__file__).with_name("standin_wp_cli.php")
PLACE = "/var/lib/fortytwo.inception/wp-cli"
# What make tells those that it calls itself.
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
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


@dataclass(frozen=True)
class Terminal:
    """Where somebody types make."""

    inventory: str
    host: str

    def words(self, target: str, given: dict[str, str]) -> list[str]:
        told = {"INVENTORY": self.inventory, "LIMIT": self.host} | given
        return ["make", "--silent", target, *(f"{name}={value}" for name, value in told.items())]

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name not in OF_MAKE} | more

    def type(
        self,
        target: str,
        words: str = "",
        given: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        browser: str = "",
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, *self.words(target, given or {})],
            cwd=ROOT,
            env=self.environment({"BROWSER": browser}),
            input=words,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def said(self, target: str, words: str = "", **given: str) -> str:
        done = self.type(target, words, given)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


@pytest.fixture(scope="module")
def terminal(host: Any, request: pytest.FixtureRequest) -> Terminal:
    return Terminal(request.config.getoption("ansible_inventory"), host.backend.host)


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


def test_make_wp(terminal: Terminal, wp_cli: str) -> None:
    """Its words, what is piped into it, and its status."""
    said = json.loads(terminal.said("wp", "hello", ARGS="""post list "--s=it's" '$HOME'"""))
    assert (said["words"], said["stdin"]) == (["post", "list", "--s=it's", "$HOME"], "hello")
    assert Path(wp_cli).suffix == ".phar"


def test_make_db(terminal: Terminal) -> None:
    """A statement, a file of them, and one that is refused."""
    assert terminal.said("db", ARGS="-N -e 'SELECT 40 + 2'") == "42\n"
    assert "wp_posts" in terminal.said("db", "SHOW TABLES;\nSELECT 1;\n").split()
    refused = terminal.type("db", "SELECT nothing;\n")
    assert refused.returncode
    assert "ERROR 1054" in refused.stderr


def test_make_health(terminal: Terminal) -> None:
    """What WordPress says of itself comes to the terminal; the status is 1 while something is wrong."""
    said = terminal.type("health").stdout
    assert "WordPress's Site Health: " in said


def test_make_ssh(terminal: Terminal, settings: Settings, stack: Stack) -> None:
    """It is the login who comes in, at home."""
    said = terminal.said("ssh", "id -un; pwd; ls -d inception\n").split()
    assert said[-3:] == [settings.login, stack.root("echo ~%s", settings.login).strip(), "inception"]


def test_make_logs(terminal: Terminal, stack: Stack, tmp_path: Path) -> None:
    """Until Ctrl-C, which leaves nobody behind on the managed host, though the service says nothing more."""
    # Who has put the tests into the background has switched Ctrl-C off for all of them.
    words = ["env", "--default-signal=INT", *terminal.words("logs", {"SERVICE": "mariadb"})]
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(
            words, cwd=ROOT, env=terminal.environment({}), stdin=subprocess.DEVNULL, stdout=said, start_new_session=True
        ) as follower,
    ):
        try:
            wait_until("a line of it", lambda: follower.poll() is not None or (tmp_path / "said").stat().st_size)
            assert follower.poll() is None, (tmp_path / "said").read_text()
        finally:
            os.killpg(follower.pid, signal.SIGINT)
    wait_until("the end of what follows", lambda: stack.host.run("pgrep -f 'inception [l]ogs'").rc == 1)
    refused = terminal.type("logs", given={"SERVICE": "nosuch"})
    assert refused.returncode
    assert "'nosuch' is no service of this stack" in refused.stderr


@pytest.fixture
def opened(terminal: Terminal, settings: Settings, site: Site, tmp_path: Path) -> Callable[[], str]:
    """`make open` on a computer that knows the name, with a browser that writes down where it was led."""
    (tmp_path / "hosts").write_text(f"{settings.address} {settings.domain}\n127.0.0.1 localhost\n")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{shlex.quote(str(tmp_path))}/opened\n')
    browser.chmod(0o755)
    port = f"-e inception_https_port={settings.forwarded_port} -e inception_vm_https_port={settings.forwarded_port}"
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'

    def opened() -> str:
        prefix = ("unshare", "--mount", "sh", "-c", script, str(tmp_path / "hosts"))
        done = terminal.type("open", given={"ARGS": port}, prefix=prefix, browser=str(browser))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return opened


def test_make_open_and_credentials_in_a_browser(
    terminal: Terminal,
    opened: Callable[[], str],
    settings: Settings,
    site: Site,
    secrets: dict[str, Secret],
    tmp_path: Path,
) -> None:
    """The address that was opened shows the site, and what `make credentials` says lets its people in there."""
    said = opened()
    assert "import " in said, "nobody is told of the authority"
    address = (tmp_path / "opened").read_text().strip()
    assert address == site.url + "/"
    shown = terminal.said("credentials")
    for user, name in ((settings.admin_user, "wp_admin_password.txt"), (settings.user, "wp_user_password.txt")):
        assert user in shown
        assert bool(str(secrets[name]) in shown), f"{name} is not said"
        with browse(site) as page:
            page.goto(address)
            assert settings.title in page.title()
            sign_in(page, user, secrets[name])
            page.wait_for_selector("#wpadminbar", state="attached")
