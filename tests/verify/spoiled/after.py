# SPDX-License-Identifier: GPL-3.0-or-later
"""After somebody spoiled the machine by hand (molecule/default/switch.yml): a deployment has put it right."""

from __future__ import annotations

from typing import Any

from tests.verify.support import Stack


def test_the_domain_has_its_address_again(stack: Stack) -> None:
    """The machine itself finds the site: its line in /etc/hosts was taken out."""
    assert stack.root("getent -s files ahosts %s", stack.settings.domain).startswith("127.0.0.1 ")


def test_the_firewall_stands_again(stack: Stack) -> None:
    """It runs, starts at boot, and has its rules."""
    assert stack.root("systemctl is-active inception-firewall").strip() == "active"
    assert stack.root("systemctl is-enabled inception-firewall").strip() == "enabled"
    assert f"{stack.settings.https_port}" in stack.root("nft list chain inet inception prerouting")


def test_the_data_is_closed_again(host: Any, stack: Stack) -> None:
    """Others may not look into the data: it was opened to everybody."""
    assert host.file(stack.settings.data).mode == 0o750


def test_the_login_may_use_the_engine_again(stack: Stack) -> None:
    """The login is back in the group that it was taken out of."""
    assert "docker" in stack.root("id -nG %s", stack.settings.login).split()


def test_the_package_is_there_again(host: Any) -> None:
    """Security updates come again: their package was removed."""
    assert host.package("unattended-upgrades").is_installed


def test_the_lost_certificate_is_there_and_served(stack: Stack) -> None:
    """The authority signed another one, and visitors get that one: the file was removed."""
    kept = stack.root("openssl x509 -noout -fingerprint -in %s/secrets/tls.crt", stack.settings.project)
    shown = stack.root(
        "true | openssl s_client -connect 127.0.0.1:%s -servername %s 2>/dev/null | openssl x509 -noout -fingerprint",
        str(stack.settings.https_port),
        stack.settings.domain,
    )
    assert kept == shown
