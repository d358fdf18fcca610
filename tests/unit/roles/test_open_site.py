# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make open` says before it opens a browser, and what it does not open."""

from __future__ import annotations

import runpy
import socket
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.https_server import Pages, self_signed, serve

PAGES: Pages = {"/": (200, {}, "hello")}
Open = Callable[..., list[str]]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down what it was asked for."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    # It asks the environment once.
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    return tmp_path / "opened"


@pytest.fixture
def open_site(repository: Path) -> Open:
    function: Open = runpy.run_path(str(repository / "roles/stack/files/open_site.py"))["main"]
    return function


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed("localhost", tmp_path / "site.pem")


@pytest.fixture
def port(certificate: Path) -> Iterator[str]:
    with serve(certificate, PAGES) as port:
        yield str(port)


def test_a_site_with_its_own_authority(open_site: Open, opened: Path, certificate: Path, port: str) -> None:
    lines = open_site("localhost", port, "127.0.0.1", str(certificate))
    assert lines[0] == f"https://localhost:{port}/"
    assert lines[1] == f"The browser warns until it trusts the site's own authority: import {certificate} into it"
    assert opened.read_text() == f"https://localhost:{port}/\n"


def test_another_authority_than_its_own_is_not_opened(open_site: Open, opened: Path, tmp_path: Path, port: str) -> None:
    other = self_signed("localhost", tmp_path / "other.pem")
    with pytest.raises(SystemExit, match=r"its certificate is not of .*, its own authority, either"):
        open_site("localhost", port, "127.0.0.1", str(other))
    assert not opened.exists()


def test_without_an_authority_s_file(open_site: Open, opened: Path, port: str) -> None:
    lines = open_site("localhost", port, "127.0.0.1", "/nowhere")
    assert lines[1].startswith("Its certificate is of no authority that is known here: ")
    assert opened.exists()


def test_a_name_that_leads_elsewhere_is_told(open_site: Open, opened: Path, port: str) -> None:
    lines = open_site("localhost", port, "192.0.2.7", "/nowhere")
    assert lines[1].endswith("here, and the managed host is 192.0.2.7")


def test_a_name_that_is_not_known_is_not_opened(open_site: Open, opened: Path, port: str) -> None:
    with pytest.raises(SystemExit, match=r'add "192\.0\.2\.7 wil\.invalid" to its /etc/hosts'):
        open_site("wil.invalid", port, "192.0.2.7", "/nowhere")
    assert not opened.exists()


def test_a_site_that_does_not_answer_is_not_opened(open_site: Open, opened: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        with pytest.raises(SystemExit, match=f"https://localhost:{port}/ does not answer: "):
            open_site("localhost", port, "127.0.0.1", "/nowhere")
    assert not opened.exists()


def test_without_a_browser_the_address_is_said(open_site: Open, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    with pytest.raises(SystemExit, match="there is no browser on this computer; the address is https://localhost:"):
        open_site("localhost", port, "127.0.0.1", "/nowhere")
