# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials of an image, from the lists of its package manager."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _sbom
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
ALPINE = "ID=alpine\nVERSION_ID=3.23.0\n"
DPKG = """\
Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.17-1~deb12u2)
Version: 3.0.17-1~deb12u2+b1
Description: a library
 Version: 9.9
 .
Homepage: https://www.openssl.org/

Package: gone
Status: deinstall ok config-files
Version: 1

Package: mariadb-server
Status: hold ok installed
Architecture: amd64
Version: 1:10.11.14-0+deb12u2
Homepage: not an address
"""
APK = "C:Q1x=\nP:musl\nV:1.2.5-r21\nA:x86_64\nU:https://musl.libc.org/\no:musl\nF:lib\nR:ld-musl-x86_64.so.1\n\nP:musl-utils\nV:1.2.5-r21\nA:x86_64\no:musl\n"
IMAGE = {"Id": "sha256:" + "a" * 64, "RepoTags": ["nginx:0a1b2c"], "Architecture": "amd64", "Created": "2026-11-28"}


def bill(files: dict[str, str], service: str = "nginx") -> dict[str, Any]:
    return _sbom.bill(service, IMAGE, _sbom.contents(lambda path: files.get(path, "")))


def test_debian() -> None:
    made = bill({"/usr/lib/os-release": DEBIAN, _sbom.DPKG: DPKG})
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert made["metadata"]["component"]["name"] == "nginx"
    assert made["metadata"]["component"]["version"] == "0a1b2c"
    system, ssl, database = made["components"]
    assert (system["type"], system["name"], system["version"]) == ("operating-system", "debian", "12")
    assert ssl["version"] == "3.0.17-1~deb12u2+b1"
    # As purl's own table of examples has it: a colon stays, a plus does not.
    assert ssl["purl"] == ("pkg:deb/debian/libssl3@3.0.17-1~deb12u2%2Bb1?arch=amd64&distro=debian-12&upstream=openssl")
    assert ssl["externalReferences"] == [{"type": "website", "url": "https://www.openssl.org/"}]
    assert database["purl"] == "pkg:deb/debian/mariadb-server@1:10.11.14-0%2Bdeb12u2?arch=amd64&distro=debian-12"
    assert "externalReferences" not in database


def test_alpine() -> None:
    made = bill({"/etc/os-release": ALPINE, _sbom.APK[1]: APK})
    assert [one.get("purl") for one in made["components"]] == [
        None,
        "pkg:apk/alpine/musl@1.2.5-r21?arch=x86_64&distro=alpine-3.23.0",
        "pkg:apk/alpine/musl-utils@1.2.5-r21?arch=x86_64&distro=alpine-3.23.0&upstream=musl",
    ]


def test_what_no_package_manager_knows() -> None:
    files = {"/usr/lib/os-release": DEBIAN, _sbom.DPKG: DPKG}
    files["/usr/src/wordpress/wp-includes/version.php"] = "<?php\n$wp_version = '6.8.3';\n"
    found = bill(files, "wordpress")["components"][-1:]
    assert [one["purl"] for one in found] == ["pkg:generic/wordpress@6.8.3"]


@pytest.mark.parametrize(
    "files", [{}, {"/usr/lib/os-release": DEBIAN}, {_sbom.DPKG: DPKG}, {"/usr/lib/os-release": DEBIAN, _sbom.DPKG: "x"}]
)
def test_an_image_without_a_list_is_no_empty_bill(files: dict[str, str]) -> None:
    with pytest.raises(FileProblem, match="neither dpkg's nor apk's"):
        bill(files)


def test_the_same_image_has_the_same_bill() -> None:
    files = {"/usr/lib/os-release": DEBIAN, _sbom.DPKG: DPKG}
    assert json.dumps(bill(files)) == json.dumps(bill(files))


def test_several_as_one() -> None:
    files = {"/usr/lib/os-release": DEBIAN, _sbom.DPKG: DPKG}
    made = _sbom.whole([bill(files), bill(files, "redis")])
    assert [one["name"] for one in made["components"]] == ["nginx", "redis"]
    references = [one["bom-ref"] for of in made["components"] for one in (of, *of["components"])]
    assert len(references) == len(set(references)) == 8


def engine(monkeypatch: pytest.MonkeyPatch, containers: list[dict[str, Any]] | None) -> list[str]:
    """An engine with one image; what it is asked."""
    asked: list[str] = []
    files = {"/usr/lib/os-release": DEBIAN, _sbom.DPKG: DPKG}

    def ask(address: str, *unused: Any) -> Any:
        asked.append(address)
        return IMAGE if address.startswith("/images/") else containers

    def ask_bytes(address: str, *unused: Any, most: int = 0) -> bytes | None:
        asked.append(address)
        for path, text in files.items():
            if address.endswith(path.replace("/", "%2F")):
                packed = io.BytesIO()
                with tarfile.open(fileobj=packed, mode="w") as archive:
                    member = tarfile.TarInfo(path.rpartition("/")[2])
                    member.size = len(text)
                    archive.addfile(member, io.BytesIO(text.encode()))
                return packed.getvalue()
        return None

    monkeypatch.setattr(_engine, "ask", ask)
    monkeypatch.setattr(_engine, "ask_bytes", ask_bytes)
    return asked


def test_on_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    running = [{"Id": "c1", "ImageID": "sha256:1", "Labels": {_sbom.SERVICE: name}} for name in ("redis", "nginx")]
    asked = engine(monkeypatch, running)
    assert [one["metadata"]["component"]["name"] for one in _sbom.bills()] == ["nginx", "redis"]
    assert "inception" in asked[0]
    [one] = _sbom.bills("redis")
    assert len(one["components"]) == 3
    with pytest.raises(FileProblem, match="'ftp' is none of the services here; try one of nginx, redis"):
        _sbom.bills("ftp")


@pytest.mark.parametrize(("containers", "said"), [([], "nothing is deployed here"), (None, "engine does not answer")])
def test_without_containers(monkeypatch: pytest.MonkeyPatch, containers: Any, said: str) -> None:
    engine(monkeypatch, containers)
    with pytest.raises(FileProblem, match=said):
        _sbom.bills()
