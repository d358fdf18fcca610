# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter settings_warnings."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.filter.settings_warnings import settings_warnings

TODAY = "2026-11-24"


def forced(release: str, family: str = "debian", **more: Any) -> dict[str, Any]:
    return {
        "inception_base_family": family,
        "inception_base_release": release,
        "inception_base_release_forced": True,
        **more,
    }


@pytest.mark.parametrize(
    ("settings", "date", "said"),
    [
        ({}, TODAY, []),
        (forced("bookworm"), TODAY, []),
        (forced("trixie", inception_base_release_forced=False), TODAY, []),
        (forced("trixie"), TODAY, ["'trixie' is the newest stable release and is used because it is forced"]),
        (forced("sid"), TODAY, ["'sid' is not a stable release and is used because it is forced"]),
        (forced("bullseye", inception_base_release_forced="yes"), TODAY, ["is an older release"]),
        (forced("3.24", "alpine"), TODAY, ["expects the penultimate stable one, 3.23"]),
        (forced("nonsense"), TODAY, []),
        (forced("bookworm", "suse"), TODAY, []),
        ({}, "2028-06-01", ["knows is trixie of 2025-08-09; a newer one is probably out"]),
        ({"inception_htps_port": 1}, TODAY, ["inception_htps_port: there is no such setting"]),
        ({"inception_something_else": 1, "inception_login": "wil"}, TODAY, []),
    ],
)
def test_warnings(settings: dict[str, Any], date: str, said: list[str]) -> None:
    found = settings_warnings(settings, date)
    assert len(found) == len(said)
    for line, part in zip(found, said, strict=True):
        assert part in line
