# SPDX-License-Identifier: GPL-3.0-or-later
"""Which port is changed, and that a browser looks for what was written."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import disturb
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.browser import still_there
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.run import Answer
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.site import Place

LISTENS = {"nginx": {443}, "wordpress": {9000}, "mariadb": {3306}}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("WORDPRESS_PORT=9000\nHTTPS_PORT=443\n", ("WORDPRESS_PORT", 9000, "wordpress")),
        ("HTTPS_PORT=443\n", ("HTTPS_PORT", 443, "nginx")),
        ("DB_PORT='3306'\n", ("DB_PORT", 3306, "mariadb")),
        ("PHP_PORT=9001\n", None),
        ("# DB_PORT=3306\nPASSWORD=9000\n", None),
        ("DB_PORT=3306 9000\n", None),
    ],
)
def test_which_port_is_changed(monkeypatch: pytest.MonkeyPatch, text: str, chosen: object) -> None:
    """One that a service really listens on; one inside before the site's own."""
    containers = {
        name: {"name": name, "HostConfig": {"PortBindings": {"443/tcp": [{}]} if name == "nginx" else {}}}
        for name in LISTENS
    }
    monkeypatch.setattr(disturb, "listening", lambda container: LISTENS[container["name"]])
    assert disturb.port_to_change(text, containers) == chosen


@pytest.mark.parametrize(
    ("texts", "verdict"), [(["the comment"], "pass"), (["the comment", "gone"], "fail"), ([], "undetermined")]
)
def test_what_was_written_is_looked_for(texts: list[str], verdict: str) -> None:
    written = [{"path": "/", "text": text, "what": text} for text in texts]
    found = still_there(Place("wil.42.fr", "127.0.0.1", 443), written, lambda path: "a page with the comment")
    assert (found.id, found.verdict) == (55, verdict)


@pytest.mark.parametrize(
    ("output", "step"),
    [
        ("make: docker-compose: No such file or directory", "docker compose"),
        ("env file /home/wil/inception/srcs/.env not found: stat", "a file that git does not have"),
        ("sudo: a password is required", "without one"),
        ("E: Could not resolve 'deb.debian.org'", "cannot be reached"),
        ("Bind for 0.0.0.0:443 failed: port is already allocated", "ss -ltnp"),
        ("mkdir: cannot create directory", ""),
    ],
)
def test_a_make_that_failed_has_a_next_step(output: str, step: str) -> None:
    found = disturb.next_step(Answer(2, output, 1.0))
    assert step in found
    assert bool(step) == bool(found)


def test_a_make_that_did_not_end_has_one_too() -> None:
    assert "evaluate_make_timeout" in disturb.next_step(Answer(None, "waiting", 1.0))


@pytest.mark.parametrize(("well", "asked"), [(True, False), (False, True)])
def test_only_what_was_down_tells_that_make_is_done(monkeypatch: pytest.MonkeyPatch, well: bool, asked: bool) -> None:
    """A stack that is up while make still builds says nothing of the end of make."""
    given: list[object] = []

    def ran(*arguments: object) -> Answer:
        given.append(arguments[-1])
        return Answer(2, "", 1.0)

    monkeypatch.setattr(disturb, "all_well", lambda subject: well)
    monkeypatch.setattr(disturb, "as_login", ran)
    disturb.make(disturb.Subject("wil", "wil.42.fr", "/home/wil/inception", 60), cleaned=False)
    assert [one is not None for one in given] == [asked]
