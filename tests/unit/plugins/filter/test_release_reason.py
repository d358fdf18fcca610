# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a stack is built on a release, also after the next one has come out."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.filter.penultimate_release import penultimate_release
from ansible_collections.fortytwo.inception.plugins.filter.release_reason import release_reason
from ansible_collections.fortytwo.inception.plugins.module_utils import _releases

LATER = "2027-09-01"


@pytest.fixture
def forky(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of a day on which Debian 14 is out."""
    table = (
        *_releases.RELEASES["debian"],
        _releases.Release("14", "forky", datetime.date(2027, 8, 1), datetime.date(2032, 6, 30)),
    )
    monkeypatch.setitem(_releases.RELEASES, "debian", table)


def test_today() -> None:
    said = release_reason("debian", "bookworm", date="2026-11-24")
    assert said == "the penultimate stable release, since debian 13 (trixie) came out on 2025-08-09"


@pytest.mark.usefixtures("forky")
def test_after_debian_14_what_runs_keeps_its_release_and_a_new_one_gets_the_penultimate() -> None:
    assert penultimate_release("debian", LATER) == "trixie"
    assert "the penultimate stable release, since debian 14 (forky)" in release_reason("debian", "trixie", date=LATER)
    said = release_reason("debian", "bookworm", kept=True, date=LATER)
    assert "what runs here keeps its release" in said
    assert said.endswith("inception_base_release: trixie")


@pytest.mark.usefixtures("forky")
def test_the_day_before_nothing_is_another_one() -> None:
    assert penultimate_release("debian", "2027-07-31") == "bookworm"


def test_a_date_alone_moves_nothing() -> None:
    """Only releases that exist are in the table: long after Debian 14's day, without its line, all is as it was."""
    assert penultimate_release("debian", "2030-01-01") == "bookworm"


def test_what_a_setting_says_is_said() -> None:
    said = release_reason("debian", "trixie", kept=False, date="2026-11-24")
    assert said.startswith("inception_base_release says so; the penultimate stable one is bookworm")


def test_a_version_is_named_once_and_wants_quotes() -> None:
    said = release_reason("alpine", "3.22", kept=True, date="2026-11-24")
    assert "since alpine 3.24 came out".lower() in said.lower()
    assert said.endswith("inception_base_release: '3.23'")


def test_bad_input() -> None:
    with pytest.raises(AnsibleFilterError, match="'suse' is not a base family"):
        release_reason("suse", "15")
