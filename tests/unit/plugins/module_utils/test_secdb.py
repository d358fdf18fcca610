# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CVEs Alpine's security database says a newer package mends, asked of a server on this machine."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _secdb
from ansible_collections.fortytwo.inception.plugins.module_utils import _updates as updates
from ansible_collections.fortytwo.inception.plugins.module_utils._updates import Package, Seen, Store

NGINX = {
    "1.26.2-r0": ["CVE-2024-0001"],
    "1.26.3-r0": ["CVE-2025-0002 XSA-1", "CVE-2025-0003 (+)"],
    # Named once more.
    "1.26.3-r1": ["CVE-2024-0001", "CVE-2026-0004"],
    "1.28.0-r0": ["CVE-2026-0005"],
    "0": ["CVE-2020-0006"],
    "-t /etc/passwd": ["CVE-2020-0007"],
    "1.26.3_by-mistake": ["CVE-2020-0008"],
    "1.26.1-r0": None,
}
MARIADB = {"11.4.5-r0": ["CVE-2025-21490"], "11.4.4-r1": ["GHSA-aaaa"]}


def said(**packages: Any) -> str:
    return json.dumps({"packages": [{"pkg": {"name": name, "secfixes": one}} for name, one in packages.items()]})


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the database answers, by path."""
    found = {"/v3.23/main.json": said(nginx=NGINX, musl=None), "/v3.23/community.json": said(mariadb=MARIADB)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in found else 404)
            self.end_headers()
            self.wfile.write(found.get(self.path, "").encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(_secdb, "ADDRESS", f"http://127.0.0.1:{server.server_port}")
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> updates.Asker:
    """Of a machine whose apk orders versions as Alpine's does; what it said is in `told`."""

    def docker(*argv: str, **options: Any) -> str:
        script, words = argv[argv.index("-c") + 1], argv[argv.index("sh", argv.index("-c")) + 1 :]
        if script != updates.ORDER:
            return "3.23.6\n"
        assert not [word for word in words if word.startswith("-") or " " in word]
        return "".join(f"{ordered(*pair)}\n" for pair in zip(words[::2], words[1::2], strict=True))

    def ordered(one: str, other: str) -> str:
        if "mistake" in one:
            return ""
        first, second = ([int(part) for part in word.replace("-r", ".").split(".")] for word in (one, other))
        return "<" if first < second else ">" if first > second else "="

    monkeypatch.setattr(updates, "docker", docker)
    return updates.Asker(Store(tmp_path), told.append)


told: list[str] = []


def read(asker: updates.Asker, *packages: Package) -> Seen:
    told.clear()
    seen = Seen(reference="mirror/alpine:3.23", family="alpine", services={"one": list(packages)})
    asker._read_changes(seen, {})
    return seen


@pytest.mark.parametrize(("release", "branch"), [("3.23.6\n", "v3.23"), ("3.24.0_alpha20260127\n", "edge")])
def test_a_branch_has_a_list_of_its_own(release: str, branch: str) -> None:
    assert _secdb.branch_of(release) == branch


@pytest.mark.parametrize(
    ("old", "new", "cves"),
    [
        ("1.26.2-r0", "1.26.3-r0", ["CVE-2025-0002", "CVE-2025-0003"]),
        # What the old one has mended already is not named, and what the new one does not have yet neither.
        ("1.26.2-r0", "1.26.3-r1", ["CVE-2025-0002", "CVE-2025-0003", "CVE-2026-0004"]),
        ("1.26.1-r0", "1.26.2-r5", ["CVE-2024-0001"]),
        ("1.28.0-r0", "1.28.0-r1", []),
    ],
)
def test_the_way_to_a_newer_version_mends_what_is_named_between(
    pages: dict[str, str], asker: updates.Asker, old: str, new: str, cves: list[str]
) -> None:
    package = Package("nginx", old, new, security=True)
    assert read(asker, package).cves.get(package.key, []) == cves


def test_a_package_has_what_its_source_is_said_to_mend(pages: dict[str, str], asker: updates.Asker) -> None:
    text = "(1/1) Upgrading mariadb-client (11.4.4-r1 -> 11.4.5-r0)\nHas mariadb-client 11.4.4-r1\n"
    [package], has = updates.read_answer(f"{text}Source mariadb-client mariadb\n")
    assert has == {"mariadb-client": "11.4.4-r1"}
    seen = read(asker, package)
    assert seen.lines([package]) == ["mariadb-client 11.4.4-r1 -> 11.4.5-r0 (CVE-2025-21490)"]


def test_what_it_does_not_name_is_asked_for_again(pages: dict[str, str], asker: updates.Asker) -> None:
    package = Package("nginx", "1.28.0-r0", "1.28.0-r1", security=True)
    assert package.key not in read(asker, package).cves
    pages["/v3.23/main.json"] = said(nginx={"1.28.0-r1": ["CVE-2026-0009"]})
    assert read(asker, package).cves == {package.key: ["CVE-2026-0009"]}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "main.json: Not Found"),
        ("<html>Sign in</html>", "has no list of packages"),
        ("[]", "has no list of packages"),
        ('{"packages": [{"pkg": {"secfixes": {}}}]}', "has no list of packages"),
        ('{"packages": [{"pkg": {"name": "nginx", "secfixes": ["1"]}}]}', "has no list of packages"),
        (" " * (1 << 17), "has more than 0 MiB"),
    ],
)
def test_an_answer_that_is_none_is_told_and_keeps_no_update_away(
    pages: dict[str, str], asker: updates.Asker, monkeypatch: pytest.MonkeyPatch, answer: str | None, why: str
) -> None:
    monkeypatch.setattr(_secdb, "MOST", 1 << 16)
    pages.pop("/v3.23/main.json")
    if answer is not None:
        pages["/v3.23/main.json"] = answer
    package = Package("nginx", "1.26.2-r0", "1.26.3-r0", security=True)
    seen = read(asker, package)
    assert seen.cves == {}
    assert seen.pending(updates.SECURITY) == {"one": [package]}
    assert "the changes could not be read: http://127.0.0.1" in told[-1]
    assert why in told[-1]


def test_who_does_not_reach_it_is_told(asker: updates.Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_secdb, "ADDRESS", "http://127.0.0.1:1")
    read(asker, Package("nginx", "1.26.2-r0", "1.26.3-r0", security=True))
    assert "main.json: [Errno 111] Connection refused" in told[-1]


def test_one_that_sends_for_ever_is_left(
    pages: dict[str, str], asker: updates.Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_secdb, "SECONDS", 0.0001)
    monkeypatch.setattr(_secdb.urllib.request, "urlopen", lambda address, timeout: Endless())
    read(asker, Package("nginx", "1.26.2-r0", "1.26.3-r0", security=True))
    assert "did not come within" in told[-1]


class Endless:
    """An answer that does not end."""

    def __enter__(self) -> Endless:
        return self

    def __exit__(self, *_arguments: object) -> None:
        pass

    @staticmethod
    def read1(number: int) -> bytes:
        return b"{"
