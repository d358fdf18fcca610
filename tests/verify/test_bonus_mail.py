# SPDX-License-Identifier: GPL-3.0-or-later
"""Outgoing mail: a reset of a password that really arrives, and clean words where there is no relay."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import re
import secrets as random
from collections.abc import Iterator
from typing import Any

from tests.verify.relay import PORT, relay
from tests.verify.support import Secret, Settings, Site, Stack, wait_until
from tests.verify.test_services import setting


def gateway(stack: Stack) -> str:
    """The machine as WordPress's container sees it."""
    networks = stack.containers()["wordpress"]["NetworkSettings"]["Networks"]
    return str(networks["inception_wordpress-way-out"]["Gateway"])


@contextlib.contextmanager
def relay_setting(stack: Stack, site: Site, **values: str) -> Iterator[None]:
    """Other values in srcs/.env, by a change of the file and `make`; afterwards as before."""
    edits = " ".join(f"-e 's/^{name}=.*/{name}={value}/'" for name, value in values.items())
    stack.login("cp -p srcs/.env /tmp/verify.env")
    try:
        stack.login(f"sed -i {edits} srcs/.env && make")
        site.wait_answers()
        yield
    finally:
        stack.login("cp /tmp/verify.env srcs/.env && rm /tmp/verify.env && make")
        stack.wait_healthy()
        site.wait_answers()


def said_since(stack: Stack, since: str) -> list[str]:
    """What WordPress logged, without php-fpm's own notices and the first lines of a start."""
    log = stack.root("docker logs --since %s %s 2>&1", since, stack.containers()["wordpress"]["Id"])
    return [line for line in log.splitlines() if "NOTICE: " not in line]


def now(stack: Stack) -> str:
    return stack.root("date +%s").strip()


def follow(visitor: Site, address: str) -> Any:
    """A page by its whole address, and where it leads to."""
    page = visitor.get(address.removeprefix(visitor.url))
    return follow(visitor, page.location) if page.location else page


def ask_for_reset(site: Site, user: str) -> Any:
    return site.post("/wp-login.php?action=lostpassword", {"user_login": user, "redirect_to": ""})


def test_a_reset_of_a_password_arrives(
    stack: Stack, site: Site, settings: Settings, secrets: dict[str, Secret], figure: Any
) -> None:
    """Asked for on the site, the mail comes to the relay, over TLS, and its link leads to a new password that works."""
    address = gateway(stack)
    values = {"MAIL_HOST": address, "MAIL_PORT": str(PORT), "MAIL_TLS": "starttls"}
    with relay_setting(stack, site, **values), relay(stack, address) as work:
        begun = now(stack)
        nobody = ask_for_reset(Site(settings, site.ca), "nobody-at-all")
        visitor = Site(settings, site.ca)
        page = ask_for_reset(visitor, settings.user)
        assert (page.status, page.location) == (302, "/wp-login.php?checkemail=confirm"), said_since(stack, begun)
        assert (nobody.status, nobody.location) == (page.status, page.location)
        wait_until("the mail is there", lambda: stack.host.file(f"{work}/mail.json").exists, 60)
        seen = json.loads(stack.root("cat %s/mail.json", work))
        user = setting(stack, "MAIL_USER").strip('"')
        assert seen["tls"] in ("TLSv1.2", "TLSv1.3")
        assert (seen["user"], seen["password"]) == ((user, True) if user else (None, None))
        assert seen["from"] == setting(stack, "MAIL_FROM")
        assert seen["to"] == [setting(stack, "USER_EMAIL")]
        mail = email.message_from_string(seen["data"], policy=email.policy.default)
        assert seen["from"] in mail["From"]
        assert settings.title in mail["Subject"]
        link = re.search(r"https://\S+action=rp\S+", mail.get_content())
        assert link, mail.get_content()
        assert link[0].startswith(f"{site.url}/wp-login.php?")
        assert said_since(stack, begun) == []
        figure(f"a mail of {len(seen['data'])} characters came to the relay over {seen['tls']}")

        form = follow(visitor, link[0])
        key = re.search(r'name="rp_key" value="([^"]+)"', form.text)
        assert key, form.text[:500]
        new = random.token_hex(16)
        done = visitor.post(
            "/wp-login.php?action=resetpass", {"rp_key": key[1], "pass1": new, "pass2": new, "wp-submit": "Save"}
        )
        try:
            assert "password has been reset" in done.text
            assert site.sign_in(settings.user, new).get("/wp-admin/profile.php").status == 200
        finally:
            stack.login(
                'echo "accept wp_user_password $(cat secrets/wp_user_password.txt)"'
                " | docker compose --project-directory srcs exec -T wordpress accept"
            )
    assert site.sign_in(settings.user, secrets["wp_user_password.txt"]).get("/wp-admin/profile.php").status == 200


def test_a_relay_that_is_away_is_one_line(stack: Stack, site: Site, settings: Settings) -> None:
    """The visitor is told that the mail could not be sent, and the log why, in a line or two."""
    with relay_setting(stack, site, MAIL_HOST=gateway(stack), MAIL_PORT=str(PORT + 1)):
        begun = now(stack)
        page = ask_for_reset(Site(settings, site.ca), settings.user)
        assert page.status == 200
        assert "The email could not be sent" in page.text
        lines = said_since(stack, begun)
        assert 1 <= len(lines) <= 2, lines
        assert "cannot connect" in lines[0]


def test_a_relay_that_nobody_vouches_for_gets_nothing(stack: Stack, site: Site, settings: Settings) -> None:
    """Its certificate is for another name, so neither the password nor the mail goes there."""
    address = gateway(stack)
    values = {"MAIL_HOST": address, "MAIL_PORT": str(PORT), "MAIL_TLS": "starttls"}
    with relay_setting(stack, site, **values), relay(stack, address, "DNS:relay.example.org") as work:
        begun = now(stack)
        page = ask_for_reset(Site(settings, site.ca), settings.user)
        assert page.status == 200
        assert not stack.host.file(f"{work}/mail.json").exists
        assert any("certificate" in line for line in said_since(stack, begun))


def test_without_a_relay_it_says_so(stack: Stack, site: Site, settings: Settings) -> None:
    """The form says that no mail is sent, and an attempt says so too; nothing is logged, whoever tries to send."""
    with relay_setting(stack, site, MAIL_HOST=""):
        begun = now(stack)
        visitor = Site(settings, site.ca)
        assert "This site sends no mail" in visitor.get("/wp-login.php?action=lostpassword").text
        assert "This site sends no mail" not in visitor.get("/wp-login.php").text
        page = ask_for_reset(visitor, settings.user)
        assert page.status == 200
        assert "The email could not be sent" in page.text
        code = "var_export(mail('a@example.org', 'a', 'b'));"
        assert stack.execute("wordpress", "sh", "-c", 'php -r "$0" 2>&1', code).stdout == "false"
        assert said_since(stack, begun) == []
