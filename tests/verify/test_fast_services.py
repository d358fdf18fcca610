# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fast beside the cache of pages: TLS, PHP, the database, and files."""

from __future__ import annotations

import re
import secrets as random
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.verify.support import PATIENCE, Settings, Site, Stack, wait_until


def resumed(settings: Settings, ca: Path, version: ssl.TLSVersion) -> bool:
    """Whether a second connection goes on with the session of the first."""
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = context.maximum_version = version
    session = None
    for _ in range(2):
        with (
            socket.create_connection((settings.address, settings.forwarded_port), timeout=PATIENCE) as raw,
            context.wrap_socket(raw, server_hostname=settings.domain, session=session) as connection,
        ):
            # With TLS 1.3, the session comes after the handshake: with the answer at the latest.
            connection.sendall(f"HEAD /readme.html HTTP/1.0\r\nHost: {settings.domain}\r\n\r\n".encode())
            while connection.recv(4096):
                pass
            session, again = connection.session, connection.session_reused
    return bool(again)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(settings: Settings, ca: Path, version: ssl.TLSVersion) -> None:
    """A visitor who comes back pays for no second handshake."""
    assert resumed(settings, ca, version)


def test_tls_is_modern(settings: Settings, ca: Path) -> None:
    """TLS 1.3 is what is agreed on, over X25519 and with an ECDSA key; and no early data is taken."""
    command = ["openssl", "s_client", "-connect", f"{settings.address}:{settings.forwarded_port}"]
    command += ["-servername", settings.domain, "-CAfile", str(ca), "-groups", "X25519:P-256"]
    request = f"HEAD /readme.html HTTP/1.0\r\nHost: {settings.domain}\r\n\r\n"
    told = subprocess.run(
        [*command, "-ign_eof"], input=request, capture_output=True, text=True, check=False, timeout=PATIENCE
    ).stdout
    assert re.search(r"New, TLSv1\.3, Cipher is", told), told
    assert re.search(r"Server Temp Key: X25519", told)
    assert re.search(r"Peer signature type: ECDSA", told)
    assert re.findall(r"Max Early Data: (\d+)", told), told
    assert set(re.findall(r"Max Early Data: (\d+)", told)) == {"0"}


def memory(config: dict[str, Any], service: str) -> int:
    """What the compose file grants; Docker forgets it where the kernel cannot hold anybody to it."""
    return int(config["services"][service]["deploy"]["resources"]["limits"]["memory"])


def test_php_fits_its_container(stack: Stack, compose_config: dict[str, Any]) -> None:
    """opcache and all children together, each at 48 MB, fill what the container may have, and no more."""
    told = stack.execute("wordpress", "php-fpm", "-tt").stderr
    pools = re.findall(r"\[(clock|site)\]\n.*?pm\.max_children = (\d+)", told, re.DOTALL)
    children = sum(int(number) for _, number in pools)
    code = 'echo ini_get("opcache.memory_consumption");'
    shared = int(stack.execute("wordpress", "php", "-r", code).stdout) << 20
    assert shared + children * (48 << 20) <= memory(compose_config, "wordpress") < shared + (children + 1) * (48 << 20)


# A php-fpm of the same configuration beside the site's, where three seconds are too long; two requests that would last,
# one of them answered.
HANGS = """
    mkdir -p /tmp/verify-hangs && cd /tmp/verify-hangs
    conf=$(php-fpm -t 2>&1 | sed -n 's/.*configuration file \\(.*\\) test is successful.*/\\1/p' | tail -n 1)
    sed -e 's/^request_terminate_timeout = 125s/request_terminate_timeout = 3s/' -e 's/^pm = .*/pm = static/' \
        -e 's#^\\(pid\\|listen\\) = .*/\\([a-z-]*[.][a-z]*\\)$#\\1 = /tmp/verify-hangs/\\2#' \
        -e 's#^listen = [$].*#listen = /tmp/verify-hangs/site.sock#' "$conf" >conf
    echo '<?php isset($_GET["answered"]) && fastcgi_finish_request();' >hang.php
    echo 'touch(__DIR__ . "/" . $_SERVER["QUERY_STRING"]); sleep(600);' >>hang.php
    php-fpm --nodaemonize --fpm-config conf >log 2>&1 &
    for try in $(seq 100); do [ -S site.sock ] && break; sleep 0.1; done
    export REQUEST_METHOD=GET SCRIPT_NAME=/hang.php SCRIPT_FILENAME=/tmp/verify-hangs/hang.php
    for query in answered=1 waited=1; do
        QUERY_STRING=$query cgi-fcgi -bind -connect /tmp/verify-hangs/site.sock >/dev/null 2>&1 &
    done
    for try in $(seq 100); do [ -e answered=1 ] && [ -e waited=1 ] && exit; sleep 0.1; done
    cat log >&2; exit 1
"""
ENDED = (
    "SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET cgi-fcgi -bind -connect /tmp/verify-hangs/site.sock"
)


def test_a_request_that_hangs_is_ended(stack: Stack) -> None:
    """A little after NGINX has given up, also one that was answered before; what the clock began may last longer."""
    told = stack.execute("wordpress", "php-fpm", "-tt").stderr
    pools = re.findall(r"\[(clock|site)\]\n.*?request_terminate_timeout = (\d+)s", told, re.DOTALL)
    limits = {name: int(seconds) for name, seconds in pools}
    nginx = stack.execute("nginx", "nginx", "-T", "-c", "/tmp/nginx.conf").stdout
    gives_up = max(map(int, re.findall(r"fastcgi_read_timeout (\d+)s;", nginx)))
    assert gives_up < limits["site"] <= gives_up + 10 < limits["clock"]
    try:
        begun = stack.execute("wordpress", "sh", "-c", HANGS)
        assert begun.rc == 0, begun.stdout + begun.stderr

        def all_ended() -> bool:
            return bool(re.search(r"active processes: +1\n", stack.execute("wordpress", "sh", "-c", ENDED).stdout))

        wait_until("both were ended", all_ended)
    finally:
        stack.execute("wordpress", "sh", "-c", 'kill "$(cat /tmp/verify-hangs/php-fpm.pid)"; rm -rf /tmp/verify-hangs')


CLOCK_HANGS = """
    echo '<?php fastcgi_finish_request();' >/tmp/verify-clock.php
    echo 'while (file_exists(__FILE__)) { sleep(1); clearstatcache(); }' >>/tmp/verify-clock.php
    export REQUEST_METHOD=GET SCRIPT_NAME=/verify-clock.php SCRIPT_FILENAME=/tmp/verify-clock.php
    for one in 1 2 3 4 5 6 7 8; do
        timeout 1 cgi-fcgi -bind -connect /tmp/clock.sock >/dev/null 2>&1
    done
    check
"""


def test_a_clock_that_hangs_hangs_alone(stack: Stack, site: Site) -> None:
    """However much of what is due hangs, every child of the visitors' is there for them, and the container is well."""
    try:
        checked = stack.execute("wordpress", "sh", "-c", CLOCK_HANGS)
        assert checked.rc == 0, checked.stdout + checked.stderr
        assert "clock began hangs" in checked.stdout
        assert site.own().get("/").status == 200
    finally:
        stack.execute("wordpress", "rm", "-f", "/tmp/verify-clock.php")
    wait_until("the clock goes on", lambda: "hangs" not in stack.execute("wordpress", "check").stdout)


def test_the_database_fits_its_container(stack: Stack, compose_config: dict[str, Any]) -> None:
    """A quarter of it is for InnoDB; a write that was acknowledged is on the disk; no name is looked up."""
    names = ("innodb_buffer_pool_size", "innodb_flush_log_at_trx_commit", "innodb_doublewrite", "skip_name_resolve")
    [found] = stack.sql("SELECT " + ", ".join(f"@@{name}" for name in names))
    # From MariaDB 11 on innodb_doublewrite is a word.
    assert [value.replace("ON", "1") for value in found] == [str(memory(compose_config, "mariadb") // 4), "1", "1", "1"]


def test_changed_code_is_seen(stack: Stack, site: Site) -> None:
    """A file on the volume that an update, or FTP, has replaced: compiled code does not outlive it."""
    path = f"/{random.token_hex(8)}.php"
    file = f"/var/www/html{path}"
    try:
        for word in (random.token_hex(8), random.token_hex(8)):
            put = stack.execute("wordpress", "sh", "-c", 'printf %s "$0" >"$1"', f"<?php echo '{word}';", file)
            assert put.rc == 0, put.stderr
            wait_until("PHP runs the new file", lambda word=word: site.get(path).text == word)  # type: ignore[misc]
    finally:
        stack.execute("wordpress", "rm", "-f", file)


def test_a_visitor_does_not_wait_for_cron(stack: Stack) -> None:
    """WordPress is told that somebody else sees to what is due."""
    code = 'require "/var/www/html/wp-load.php"; echo json_encode(DISABLE_WP_CRON);'
    assert stack.execute("wordpress", "php", "-r", code).stdout == "true"


def stylesheets(page: str) -> list[str]:
    return re.findall(r"https://[^/'\"]+(/[^'\"]+\.(?:css|js)\?ver=[^'\"#]+)", page)


def test_files_are_kept_for_long(site: Site) -> None:
    """What has a version in its address, for a year; what has none, for a month."""
    [path, *_] = stylesheets(site.get("/wp-login.php").text)
    assert site.get(path).headers["Cache-Control"] == "max-age=31536000"
    assert site.get(path.split("?")[0]).headers["Cache-Control"] == "max-age=2592000"
    # A version that the file has not: it may be about to change.
    assert site.get(f"{path.split('?')[0]}?ver=1").headers["Cache-Control"] == "max-age=3600"


def test_a_changed_file_has_another_address(stack: Stack, site: Site) -> None:
    """A browser that keeps the old one for a year asks for the new one."""
    [path, *_] = stylesheets(site.get("/wp-login.php").text)
    file = f"/var/www/html{path.split('?')[0]}"
    date = stack.execute("wordpress", "stat", "-c", "%Y", file).stdout.strip()
    try:
        assert stack.execute("wordpress", "touch", "-d", "2001-01-01", file).rc == 0
        # PHP remembers for a moment what it knows of files.
        wait_until("the page names another version", lambda: path not in stylesheets(site.get("/wp-login.php").text))
    finally:
        assert stack.execute("wordpress", "touch", "-d", f"@{date}", file).rc == 0


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_files_are_compressed_once(site: Site, encoding: str) -> None:
    """The second visitor gets the first one's copy."""
    # Today's WordPress has its styles in the page itself, and files of scripts.
    path = max(stylesheets(site.get("/wp-login.php").text), key=lambda found: len(site.get(found).text))
    address = f"{path}&{random.token_hex(4)}"
    site.get(path, {"Accept-Encoding": encoding})
    # Another address of the same file, too; after a second it is compared with the file.
    page = site.get(address, {"Accept-Encoding": encoding})
    assert page.headers["X-Page-Cache"] in ("HIT", "REVALIDATED")
    assert page.headers["Content-Encoding"] == encoding
    plain = site.get(address)
    assert "Content-Encoding" not in plain.headers
    assert len(page.text) < len(plain.text)
