# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that makes the page of the bonus service static, without an image around it."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import pytest

ROOM = Path(__file__).resolve().parents[3] / "roles/stack/templates/requirements/static"
MANDATORY = {"mariadb", "wordpress", "nginx"}
APT = """\
nginx:
  Installed: (none)
  Candidate: 1.22.1-9+deb12u2
  Version table:
     1.22.1-9+deb12u2 500
mariadb-server-core:
  Installed: (none)
  Candidate: 1:10.11.18-0+deb12u1
  Version table:
"""
APK = "nginx-1.26.3-r0\nphp84-fpm-8.4.13-r1\n"


@pytest.fixture(scope="module")
def generate() -> SimpleNamespace:
    """The program; it has nothing of a template in it."""
    names: dict[str, Any] = {"__name__": "generate"}
    exec(compile((ROOM / "tools/generate.py").read_text(encoding="utf-8"), "generate.py", "exec"), names)
    return SimpleNamespace(**names)


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("1.22.1-9+deb12u2", "1.22.1"),
        ("1:10.11.18-0+deb12u1", "10.11.18"),
        ("6.1.9+dfsg1-0+deb12u1", "6.1.9"),
        ("5:7.0.15-1~deb12u6", "7.0.15"),
        ("8.4.13-r1", "8.4.13"),
        ("1.7", "1.7"),
    ],
)
def test_the_version_of_the_program_and_not_of_the_package(
    generate: SimpleNamespace, package: str, version: str
) -> None:
    assert generate.upstream(package) == version


@pytest.mark.parametrize(
    ("version", "shown"), [("1.26.3", "1.26"), ("8.4.21", "8.4"), ("7", "7"), ("11.8.3-MariaDB", "11.8"), ("", "")]
)
def test_visitors_are_told_the_series(generate: SimpleNamespace, version: str, shown: str) -> None:
    assert generate.series(version) == shown


@pytest.mark.parametrize(
    ("family", "printed", "found"),
    [
        ("debian", APT, {"nginx": "1.22.1-9+deb12u2", "mariadb-server-core": "1:10.11.18-0+deb12u1"}),
        ("alpine", APK, {"nginx": "1.26.3-r0", "php84-fpm": "8.4.13-r1"}),
    ],
)
def test_what_the_distribution_offers(
    generate: SimpleNamespace, family: str, printed: str, found: dict[str, str]
) -> None:
    answer = subprocess.CompletedProcess([], 0, printed)
    with mock.patch.object(subprocess, "run", return_value=answer):
        assert generate.offered(sorted(found), family) == found


def test_every_choice_of_services_has_a_drawing(generate: SimpleNamespace) -> None:
    """Each is well-formed, names what is on and nothing else, and has all of it inside of its frame."""
    bonus = ("redis", "ftp", "static", "adminer", "analytics")
    for chosen in itertools.chain.from_iterable(itertools.combinations(bonus, count) for count in range(6)):
        services = MANDATORY | set(chosen)
        facts = {"domain": "wil.42.fr", "login": "wil", "family": "debian", "release": "bookworm"}
        filling = generate.index({**facts, "services": sorted(services)}, {name: {} for name in services})
        for kind in ("wide", "tall"):
            drawing = ElementTree.fromstring(filling[kind])
            _, _, width, height = (int(number) for number in drawing.attrib["viewBox"].split())
            texts = {text.text for text in drawing.iter("text")}
            shown = texts & {*MANDATORY, *bonus}
            assert shown == (services if kind == "wide" else services & {"nginx", "wordpress", "mariadb", "redis"})
            for rectangle in drawing.iter("rect"):
                x, y, wide, high = (int(rectangle.attrib[name]) for name in ("x", "y", "width", "height"))
                assert 0 <= x <= x + wide <= width, chosen
                assert 0 <= y <= y + high <= height, chosen


def test_a_name_of_somebody_elses_is_no_markup(generate: SimpleNamespace) -> None:
    assert "<b>" not in generate.card("<b>", {"<b>": "<b>"})
