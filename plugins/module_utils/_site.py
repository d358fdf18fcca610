# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `wp`, `db` and `logs` of the machine's own program, and WordPress's own Site Health.

Private to this collection. They work in the containers that run, with no more rights than those have, and leave nothing
there. What they change is seen by visitors at once: at their end, the caches forget.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.fortytwo.inception.plugins.module_utils import _places
from ansible_collections.fortytwo.inception.plugins.module_utils._backup import Stack
from ansible_collections.fortytwo.inception.plugins.module_utils._failures import clean, last_lines

WP, DB = "wp", "db"
COMMANDS = (WP, DB)
WORDPRESS, DATABASE = "wordpress", "mariadb"
# Of what was said before; seconds until a service that ended is asked again.
SHOWN_LINES, PAUSE = 100, 1.0
# How often somebody looks whether it is still read, and how long a follower has for its end.
LOOKED_AT_MS, ENDS_SECONDS = 500, 5.0
SECONDS = 60
LARGEST = 64 << 20
# These call programs of the database that WordPress's container does not have.
OF_THE_CLIENT = ("check", "cli", "create", "drop", "export", "import", "optimize", "query", "repair", "reset")
# In the container's memory, while it is used; one that was killed has left its own, which goes after a day.
STAGE = """\
set -eu
find /tmp -maxdepth 1 -name '.wp.*' -mmin +1440 -exec rm -rf {} +
mkdir -m 700 "$1"
cat >"$1/wp.phar"
"""
# Without WordPress's plugins, of which one may be what is being repaired: the object cache, then nginx's pages.
FORGET = r"""
$pages = '/var/www/html/wp-content/.pages';
define('SHORTINIT', true);
register_shutdown_function(static function () use ($pages): void {
    if (!is_link("$pages/current")) {
        exit(0);
    }
    $new = bin2hex(random_bytes(8));
    $link = "$pages/$new/link";
    exit(mkdir("$pages/$new", 0755, true) && symlink($new, $link) && rename($link, "$pages/current") ? 0 : 1);
});
require '/var/www/html/wp-load.php';
wp_cache_flush();
"""
HEALTH = r"""<?php
ob_start();
$_SERVER['HTTP_HOST'] = $argv[1];
$_SERVER['HTTPS'] = 'on';
$_SERVER['REQUEST_METHOD'] = 'GET';
require '/var/www/html/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
$ids = get_users(['role' => 'administrator', 'number' => 1, 'orderby' => 'ID', 'fields' => 'ID']);
$id = (int) ($ids[0] ?? 0);
// Signed in as in the dashboard, as long as this takes: one of the checks asks the site for what only its people see.
$sessions = WP_Session_Tokens::get_instance($id);
$token = $sessions->create(time() + 600);
register_shutdown_function([$sessions, 'destroy'], $token);
$_COOKIE[LOGGED_IN_COOKIE] = wp_generate_auth_cookie($id, time() + 600, 'logged_in', $token);
wp_set_current_user($id);
$health = WP_Site_Health::get_instance();
$found = [];
foreach (WP_Site_Health::get_tests() as $kind => $tests) {
    foreach ($tests as $name => $test) {
        $method = [$health, is_string($test['test']) ? "get_test_{$test['test']}" : ''];
        $call = $test['async_direct_test'] ?? (is_callable($method) ? $method : $test['test']);
        // What only a browser can ask is asked there.
        if (!is_callable($call)) {
            continue;
        }
        $result = $call();
        if (!in_array($result['status'] ?? '', ['critical', 'recommended', 'good'], true)) {
            continue;
        }
        $text = static function (string $key) use ($result): string {
            $html = preg_replace('~</(?:p|li|div|h\d|tr)>|<br ?/?>~', "\n", (string) ($result[$key] ?? ''));
            return trim(html_entity_decode(wp_strip_all_tags($html), ENT_QUOTES));
        };
        $found[] = ['status' => $result['status'], 'label' => $text('label'), 'text' => $text('description')];
    }
}
ob_end_clean();
echo "\nFOUND ", json_encode($found, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
"""
CRITICAL = "critical"
STATUSES = (CRITICAL, "recommended", "good")


class SiteProblem(Exception):
    """What is wrong, for the user."""


@dataclass(frozen=True)
class Source:
    """Where wp-cli comes from, and its checksum."""

    url: str
    sha512: str


def words_of(argv: list[str]) -> tuple[list[str], list[str]]:
    """The program's own words, and those of wp-cli or of the database's client: all that come behind its name."""
    for index, word in enumerate(argv):
        if word in COMMANDS and (index == 0 or argv[index - 2 : index - 1] == ["--root"]):
            return argv[: index + 1], argv[index + 1 :]
    return argv, []


# ---- wp-cli ----


def digest(file: Path) -> str:
    made = hashlib.sha512()
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            made.update(chunk)
    return made.hexdigest()


def wp_cli(root: Path, say: Callable[[str], None]) -> Path:
    """The file, as its checksum says; it is fetched when first asked for."""
    place = root / _places.WP_CLI
    try:
        source = Source(**json.loads((place / _places.SETTINGS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise SiteProblem("this machine does not know yet where wp-cli comes from; `make deploy` tells it") from None
    file = place / f"{source.sha512}.phar"
    if file.exists() and digest(file) == source.sha512:
        return file
    say(f"... fetching {source.url}")
    new = place / ".new"
    try:
        _fetch(source.url, new, file)
        if (found := digest(new)) != source.sha512:
            raise SiteProblem(
                f"what {source.url} has is not what stack_wp_cli_sha512 says ({found[:16]}... instead of "
                f"{source.sha512[:16]}...); nothing of it was kept. A newer wp-cli wants its own checksum"
            )
        new.chmod(0o400)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    for old in place.glob("*.phar"):
        if old != file:
            old.unlink()
    return file


def _fetch(url: str, target: Path, wanted: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer, target.open("wb") as file:
            size = 0
            while chunk := answer.read(1 << 16):
                size += len(chunk)
                if size > LARGEST:
                    raise SiteProblem(f"{url} has more than {LARGEST >> 20} MiB, and is no wp-cli")
                file.write(chunk)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise SiteProblem(
            f"wp-cli was not fetched from {url}: {reason}. stack_wp_cli_url names another place; or bring the file "
            f"to this machine, as {wanted}"
        ) from error


def of_the_client(words: list[str]) -> bool:
    """Whether a command of wp-cli calls the database's own programs."""
    told = [word for word in words if not word.startswith("-")]
    return told[:1] == [DB] and (told[1:2] or [""])[0] in OF_THE_CLIENT


def wp(root: Path, stack: Stack, words: list[str], say: Callable[[str], None]) -> int:
    """wp-cli with these words, in the container of WordPress."""
    if of_the_client(words):
        raise SiteProblem("the database's own programs are not in WordPress's container: `make db` has its client")
    file, container = wp_cli(root, say), running(stack, WORDPRESS)
    folder = f"/tmp/.wp.{secrets.token_hex(8)}"
    with file.open("rb") as opened:
        staged = subprocess.run(
            ["docker", "exec", "--interactive", container, "sh", "-c", STAGE, "sh", folder],
            stdin=opened,
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        if staged.returncode != 0:
            raise SiteProblem(f"wp-cli does not fit into the container: {'; '.join(last_lines(staged.stderr, 2))}")
        settings = {"HOME": folder, "WP_CLI_DISABLE_AUTO_CHECK_UPDATE": "1", "PAGER": "cat"}
        with forgetting(container):
            return in_container(container, ["php", f"{folder}/wp.phar", *words], settings)
    finally:
        subprocess.run(["docker", "exec", container, "rm", "-rf", folder], capture_output=True, check=False)


# ---- The database ----


def db(stack: Stack, words: list[str]) -> int:
    """The database's client, as the account that WordPress has: it sees its own tables alone."""
    container = running(stack, DATABASE)
    settings = {"HOME": "/tmp", "MYSQL_HISTFILE": "/dev/null", "MARIADB_HISTFILE": "/dev/null"}
    client = ["mariadb", "--defaults-file=/run/mysqld/client.cnf", "--default-character-set=utf8mb4", *words]
    with forgetting(stack.container(WORDPRESS) if is_running(stack, WORDPRESS) else ""):
        return in_container(container, client, settings)


# ---- Both ----


def running(stack: Stack, service: str) -> str:
    if not is_running(stack, service):
        raise SiteProblem(f"{service} does not run; `make status` says how the services are, `make up` starts them")
    return stack.container(service)


def is_running(stack: Stack, service: str) -> bool:
    return bool(stack.running.container(service))


def in_container(container: str, command: list[str], settings: dict[str, str]) -> int:
    """A command with this program's own input, outputs and terminal; its status. What interrupts it is for it alone."""
    term = os.environ.get("TERM", "")
    is_tty = sys.stdin.isatty() and sys.stdout.isatty()
    given = {**settings, **({"TERM": term} if is_tty and term else {})}
    options = ["--interactive", *(["--tty"] if is_tty else [])]
    options += [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    # A handler, and not none: what is called begins without it.
    former = {one: signal.signal(one, lambda *dummy: None) for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    try:
        return subprocess.run(["docker", "exec", *options, container, *command], check=False).returncode
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


@contextmanager
def forgetting(container: str) -> Iterator[None]:
    """The caches of this container's site forget what they know, however the work in between ends."""
    try:
        yield
    finally:
        if container:
            forget(container)


def forget(container: str) -> None:
    done = subprocess.run(
        ["docker", "exec", container, "php", "-r", FORGET], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = "; ".join(last_lines(done.stderr or done.stdout, 2)) or f"status {done.returncode}"
        raise SiteProblem(
            f"visitors may see for up to an hour what was there before: the caches did not forget ({said})"
        )


# ---- What they say ----


def logs(stack: Stack, service: str) -> int:
    """What the services say, or one of them, until somebody interrupts.

    Compose's follower of one service ends when its container does, though another one comes (compose#5881, #10331): it
    is called again, for what was said since.
    """
    names = sorted(one["name"] for one in stack.services)
    if service and service not in names:
        raise SiteProblem(f"{service!r} is no service of this stack; those are {', '.join(names)}")
    interrupted = False

    def interrupt(*dummy: object) -> None:
        nonlocal interrupted
        interrupted = True

    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(one, interrupt)
    beginning = [f"--tail={SHOWN_LINES}"]
    while True:
        ansi = "auto" if sys.stdout.isatty() else "never"
        project = ["docker", "compose", "--ansi", ansi, "--project-name", stack.project]
        follower = [*project, "logs", "--follow", *beginning]
        code = _follow([*follower, *([service] if service else [])], lambda: interrupted)
        if interrupted or code is None:
            return 0
        if code != 0:
            return code
        beginning = [f"--since={time.time():.3f}"]
        time.sleep(PAUSE)


def _follow(argv: list[str], over: Callable[[], bool]) -> int | None:
    """Its status; none where nobody reads it any more: a service may be silent for days, and it would stay as long."""
    reader = select.poll()
    # Nothing but that it has gone.
    reader.register(sys.stdout.fileno(), 0)
    with subprocess.Popen(argv) as follower:
        while follower.poll() is None:
            if not over() and not reader.poll(LOOKED_AT_MS):
                continue
            follower.terminate()
            try:
                follower.wait(ENDS_SECONDS)
            except subprocess.TimeoutExpired:
                follower.kill()
            return None
    return follower.returncode


# ---- WordPress's own Site Health ----


def site_health(stack: Stack) -> list[dict[str, str]]:
    """What its checks found, the worst first."""
    port = stack.settings.get("HTTPS_PORT", "443").strip('"')
    host = stack.domain if port == "443" else f"{stack.domain}:{port}"
    done = subprocess.run(
        ["docker", "exec", "--interactive", running(stack, WORDPRESS), "php", "--", host],
        input=HEALTH,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    line = re.search(r"^FOUND (.*)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or line is None:
        said = "; ".join(last_lines(done.stderr or done.stdout, 2)) or f"it ended with {done.returncode}"
        raise SiteProblem(f"WordPress did not look at itself: {said}; `make logs SERVICE=wordpress` may say why")
    found: list[dict[str, str]] = json.loads(line[1])
    order = {status: number for number, status in enumerate(STATUSES)}
    return sorted(found, key=lambda one: order.get(one["status"], len(order)))


def point_of(text: str) -> str:
    """Of a check's words those that say what is wrong, or else the first ones."""
    lines = [" ".join(line.split()) for line in clean(text).split("\n") if line.strip()]
    wrong = [line for line in lines if line.startswith(("Error", "Warning"))]
    return " ".join(wrong or lines[:1])


def site_health_lines(found: list[dict[str, str]]) -> list[str]:
    count = {status: sum(one["status"] == status for one in found) for status in STATUSES}
    lines = ["WordPress's Site Health: " + ", ".join(f"{number} {status}" for status, number in count.items())]
    for one in found:
        if one["status"] != "good":
            text = point_of(one["text"])
            lines += [
                f"{one['status']}: {clean(one['label'])}",
                *textwrap.wrap(text, 110, initial_indent="    ", subsequent_indent="    ")[:3],
            ]
    return lines
