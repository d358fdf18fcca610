# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks of strangers, each of which worked once: what they must not get.

docs/security.md lists them by the names of these tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.verify.strangers import Stranger, outside
from tests.verify.support import Settings, Site, Stack

UPLOADS = "wp-content/uploads"


@pytest.fixture(scope="module")
def stranger(stack: Stack) -> Iterator[Stranger]:
    with outside(stack) as found:
        yield found


@pytest.fixture
def links(stack: Stack, settings: Settings) -> Iterator[list[str]]:
    """Links among the uploads to what is NGINX's own, as a plugin with a hole would make them: their paths."""
    made = {"key.txt": "/run/secrets/tls_key", "key.css": "/run/secrets/tls_key", "secrets": "/run/secrets"}
    folder = f"{settings.data}/wordpress/{UPLOADS}"
    for name, target in made.items():
        stack.login(f"ln -s {target} {folder}/{name}")
    try:
        yield [f"/{UPLOADS}/{path}" for path in ("key.txt", "key.css", "key.css?ver=1", "secrets/tls_key")]
    finally:
        for name in made:
            stack.login(f"rm {folder}/{name}")


def test_a_link_on_the_volume_leads_nowhere(site: Site, links: list[str]) -> None:
    """NGINX follows none, wherever it hands out files."""
    for path in links:
        page = site.get(path)
        assert "PRIVATE KEY" not in page.text, path
        assert page.status in (403, 404), path


def test_xmlrpc_is_off(stranger: Stranger) -> None:
    """No guesses there, no invitation to it."""
    call = "<methodCall><methodName>system.listMethods</methodName></methodCall>"
    assert stranger.get("/xmlrpc.php", method="POST", body=call).status == 404
    page = stranger.get("/hello-world/?n=1")
    assert "X-Pingback" not in page.headers
    assert "xmlrpc" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/gate",
        "/readme.html",
        "/license.txt",
        "/wp-config.php",
        "/wp-config-sample.php",
        "/wp-config.php.bak",
        "/wp-content/debug.log",
    ],
)
def test_what_is_for_nobody_is_not_there(stranger: Stranger, path: str) -> None:
    """What is for the container itself, tells of versions, or is the copy of a program."""
    assert stranger.get(path).status == 404


def test_a_hidden_program_is_not_run(stack: Stack, settings: Settings, stranger: Stranger) -> None:
    """Nor one among the uploads, in whatever letters."""
    planted = [".hidden.php", f"{UPLOADS}/ran.php", f"{UPLOADS}/.ran.php"]
    folder = f"{settings.data}/wordpress"
    for path in planted:
        stack.login(f"echo '<?php echo 6 * 7, \"-ran\";' >{folder}/{path}")
    try:
        for path in planted:
            answer = stranger.get(f"/{path}")
            assert "42-ran" not in answer.text, path
            assert answer.status == 404, path
    finally:
        for path in planted:
            stack.login(f"rm {folder}/{path}")


def test_versions_are_nobody_s_business(stranger: Stranger) -> None:
    """WordPress's in no page or feed, NGINX's and PHP's in no header."""
    for path in ("/?n=3", "/feed/?n=3", "/wp-login.php", "/stack/"):
        answer = stranger.get(path)
        assert 'name="generator"' not in answer.text, path
        assert "wordpress.org/?v=" not in answer.text, path
        assert answer.headers.get("Server") == "nginx", path
        assert "X-Powered-By" not in answer.headers, path
