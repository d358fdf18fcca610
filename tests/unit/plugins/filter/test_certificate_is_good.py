# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificate_is_good."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.filter import certificate_is_good as plugin

GOOD: dict[str, Any] = {
    "subject_alt_name": ["DNS:wil.42.fr"],
    "issuer": {"commonName": "Inception of wil"},
    "not_before": "20260101120000Z",
    "not_after": "20270101120000Z",
}


@pytest.mark.parametrize(
    ("changes", "now", "good"),
    [
        ({}, "2026-11-24", True),
        ({}, "2026-12-02T11:59:59", True),
        ({}, "2026-12-02T12:00:00", False),
        ({}, "2027-02-01", False),
        ({"subject_alt_name": ["DNS:other.42.fr"]}, "2026-11-24", False),
        ({"subject_alt_name": ["DNS:wil.42.fr", "DNS:www.wil.42.fr"]}, "2026-11-24", False),
        ({"subject_alt_name": None}, "2026-11-24", False),
        ({"issuer": {"commonName": "R11"}}, "2026-11-24", False),
        ({"issuer": {}}, "2026-11-24", False),
        ({"issuer": None}, "2026-11-24", False),
        # 366 days altogether, and the 397 of former releases.
        ({"not_before": "20251231120000Z"}, "2026-11-24", True),
        ({"not_before": "20251130120000Z"}, "2026-11-24", False),
    ],
)
def test_a_certificate(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], now: str, good: bool) -> None:
    moment = datetime.datetime.fromisoformat(now).replace(tzinfo=datetime.UTC)
    monkeypatch.setattr(plugin, "_now", lambda: moment)
    assert plugin.certificate_is_good({**GOOD, **changes}, ["wil.42.fr"], "Inception of wil") is good


def test_the_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_now", lambda: datetime.datetime(2026, 12, 31, tzinfo=datetime.UTC))
    judged = [plugin.certificate_is_good(GOOD, ["wil.42.fr"], "Inception of wil", days) for days in (1, 2)]
    assert judged == [True, False]


def test_all_of_the_names_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_now", lambda: datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC))
    of_two = {**GOOD, "subject_alt_name": ["DNS:www.wil.42.fr", "DNS:wil.42.fr"]}
    names = ["wil.42.fr", "www.wil.42.fr"]
    assert plugin.certificate_is_good(of_two, names, "Inception of wil")
    assert not plugin.certificate_is_good(GOOD, names, "Inception of wil")
    assert not plugin.certificate_is_good(of_two, names[:1], "Inception of wil")
