# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pinned, asked of a server on this machine: with newer releases, and with false answers."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pins import __main__ as pins

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS = "roles/stack/defaults/main.yml"
COMMIT = "c0ffee" + "0" * 34
WORDPRESS = re.findall(r"wordpress-([0-9.]+)\.tar", (ROOT / DEFAULTS).read_text())[0]
HOSTS = (
    "https://api.wordpress.org",
    "https://wordpress.org",
    "https://api.github.com",
    "https://github.com",
    "https://raw.githubusercontent.com",
)


class Server:
    """Answers with what it was given, by the name of the host that was meant and the path there."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | str] = {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = server.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(page.encode() if isinstance(page, str) else page or b"")

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def asker(self) -> pins.Asker:
        here = f"http://127.0.0.1:{self.server.server_port}"
        return pins.Asker({host: f"{here}/{host.removeprefix('https://')}" for host in HOSTS})

    def put(self, address: str, page: bytes | str | dict[str, Any]) -> None:
        path = "/" + address.removeprefix("https://")
        self.pages[path] = json.dumps(page) if isinstance(page, dict) else page


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (DEFAULTS, str(pins.LIST), ".github/workflows/ci.yml", ".github/workflows/release.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def listed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / pins.LIST).read_text())
    return found


def newer(server: Server, version: str = "99.1") -> None:
    """Everything has a newer release."""
    for name, pin in listed()["archives"].items():
        field = pin["newest"]["field"]
        said = {"offers": [{"version": version}]} if field.startswith("offers") else {"tag_name": f"v{version}"}
        server.put(pin["newest"]["address"], said)
        data = f"the new {name}".encode()
        server.put(pin["download"].format(version=version), data)
        digest = hashlib.new(pin["checksum"]["algorithm"], data).hexdigest()
        server.put(pin["checksum"]["address"].format(version=version), f"ENV SUM {digest}\n")
    for action in ("actions/checkout", "actions/setup-python", "actions/upload-artifact"):
        server.put(listed()["actions"]["newest"]["address"].format(action=action), {"tag_name": f"v{version}"})
        server.put(listed()["actions"]["commit"]["address"].format(action=action, tag=f"v{version}"), {"sha": COMMIT})


def run(checkout: Path, server: Server, check: bool = False) -> tuple[int, str]:
    said: list[str] = []
    return pins.run(checkout, server.asker, check, said.append), "\n".join(said)


def settings(checkout: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((checkout / DEFAULTS).read_text())
    return found


def test_newer_releases_are_pinned_and_a_second_run_changes_nothing(checkout: Path, server: Server) -> None:
    newer(server)
    status, said = run(checkout, server)
    assert status == 0, said
    after = settings(checkout)
    assert after["stack_wordpress_archive_url"] == "https://wordpress.org/wordpress-99.1.tar.gz"
    assert after["stack_wordpress_archive_sha1"] == hashlib.sha1(b"the new wordpress").hexdigest()
    assert after["stack_wordpress_archive_sha256"] == hashlib.sha256(b"the new wordpress").hexdigest()
    read = [line for line in (checkout / DEFAULTS).read_text().splitlines() if line.startswith("# Read:")]
    assert read == [
        "# Read: of 99.1 its checksum was read at https://wordpress.org/wordpress-99.1.tar.gz.sha1, "
        "and the download has it; the sha256 is computed of it."
    ]
    assert after["stack_wp_cli_url"].endswith("/v99.1/wp-cli-99.1.phar")
    assert after["stack_wp_cli_sha512"] == hashlib.sha512(b"the new wp-cli").hexdigest()
    assert after["stack_adminer_sha256"] == hashlib.sha256(b"the new adminer").hexdigest()
    ci = (checkout / ".github/workflows/ci.yml").read_text()
    assert f"uses: actions/checkout@{COMMIT} # v99.1" in ci
    assert "@v4" not in ci
    assert f"wordpress: {WORDPRESS} -> 99.1; its checksum was read at https://wordpress.org/" in said
    texts = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    status, said = run(checkout, server)
    assert (status, "->" in said) == (0, False), said
    assert {path: path.read_bytes() for path in texts} == texts


def test_only_looking_writes_nothing(checkout: Path, server: Server) -> None:
    newer(server)
    before = (checkout / DEFAULTS).read_bytes()
    assert run(checkout, server, check=True)[0] == 1
    assert (checkout / DEFAULTS).read_bytes() == before


@pytest.mark.parametrize(
    ("address", "page", "words"),
    [
        ("https://api.wordpress.org/core/version-check/1.7/", "<html>Sign in</html>", "says no offers.0.version"),
        ("https://api.wordpress.org/core/version-check/1.7/", {"offers": []}, "says no offers.0.version"),
        (
            "https://api.wordpress.org/core/version-check/1.7/",
            {"offers": [{"version": "99.1; rm -rf /"}]},
            "no release",
        ),
        ("https://api.wordpress.org/core/version-check/1.7/", {"offers": [{"version": "../../x"}]}, "no release"),
        ("https://wordpress.org/wordpress-99.1.tar.gz.sha1", "not found", "has no checksums (sha1)"),
        ("https://wordpress.org/wordpress-99.1.tar.gz.sha1", f"{'a' * 40} {'b' * 40}", "has 2 checksums"),
        ("https://wordpress.org/wordpress-99.1.tar.gz.sha1", "a" * 40, "says aaaaaaaaaaaaaaaa..."),
        ("https://wordpress.org/wordpress-99.1.tar.gz", b"spoiled", "has the checksum"),
    ],
)
def test_a_false_answer_changes_nothing_of_it_and_is_named(
    checkout: Path, server: Server, address: str, page: Any, words: str
) -> None:
    newer(server)
    server.put(address, page)
    status, said = run(checkout, server)
    assert status == 1
    [line] = [line for line in said.splitlines() if "STAYS AS IT IS" in line]
    assert line.startswith("wordpress: ")
    assert words in line
    before = yaml.safe_load((ROOT / DEFAULTS).read_text())
    after = settings(checkout)
    for name in ("stack_wordpress_archive_url", "stack_wordpress_archive_sha1"):
        assert after[name] == before[name]
    # The others do not wait for it.
    assert after["stack_wp_cli_url"].endswith("wp-cli-99.1.phar")


def test_an_older_release_is_no_news(checkout: Path, server: Server) -> None:
    newer(server, "0.0.1")
    before = (checkout / DEFAULTS).read_bytes()
    status, said = run(checkout, server)
    assert f"wordpress: {WORDPRESS} is the newest" in said
    assert (checkout / DEFAULTS).read_bytes() == before
    assert status == 0
    assert "is newer than 0.0.1" in said


def test_what_is_the_newest_gets_the_checksum_that_it_lacks(checkout: Path, server: Server) -> None:
    newer(server, WORDPRESS)
    status, said = run(checkout, server)
    assert "the sha256 is computed of it" in said
    after = settings(checkout)
    assert after["stack_wordpress_archive_url"].endswith(f"-{WORDPRESS}.tar.gz")
    assert after["stack_wordpress_archive_sha256"] == hashlib.sha256(b"the new wordpress").hexdigest()
    assert status == 0


def test_a_commit_that_is_none(checkout: Path, server: Server) -> None:
    newer(server)
    address = listed()["actions"]["commit"]["address"].format(action="actions/checkout", tag="v99.1")
    server.put(address, {"sha": "main"})
    status, said = run(checkout, server)
    assert status == 1
    assert "actions/checkout in ci.yml: STAYS AS IT IS" in said
    assert "actions/checkout@main" not in (checkout / ".github/workflows/ci.yml").read_text()


def test_who_does_not_answer_is_named(checkout: Path, server: Server) -> None:
    status, said = run(checkout, server)
    assert status == 1
    assert said.count("STAYS AS IT IS") == len(said.splitlines())


def test_all_that_is_pinned_in_the_defaults_is_in_the_list() -> None:
    text = (ROOT / DEFAULTS).read_text()
    named = str(listed())
    for name in [line.partition(":")[0] for line in text.splitlines() if line.startswith("stack_")]:
        if name.endswith(("_sha1", "_sha256", "_sha512", "_commit", "_archive_url")):
            assert name in named, f"{name} is pinned, and {pins.LIST} does not know of it"
