# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter evaluations."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.filter import evaluations as plugin

NOTHING = {
    "started": "2026-11-24 10:00 UTC",
    "seconds": 0.0,
    "static": [],
    "runtime": [],
    "images": [],
    "screenshots": [],
    "error": plugin.NOT_ENDED,
}
FOUND = {"id": "LAY-1", "verdict": "pass"}


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({}, {}),
        ({"__evaluate_started": 1795600000.5}, {"started": "2026-11-25 09:46 UTC"}),
        ({"__evaluate_started": "1795600000"}, {"started": "2026-11-25 09:46 UTC"}),
        ({"__evaluate_started": ""}, {}),
        ({"__evaluate_seconds": "12.5"}, {"seconds": 12.5}),
        ({"__evaluate_seconds": None}, {}),
        ({"__evaluate_static": [FOUND], "__evaluate_runtime": [FOUND]}, {"static": [FOUND], "runtime": [FOUND]}),
        ({"__evaluate_screenshots": ["/tmp/a.png"]}, {"screenshots": ["/tmp/a.png"]}),
        ({"__evaluate_error": ""}, {"error": ""}),
        ({"__evaluate_error": "unreachable"}, {"error": "unreachable"}),
        ({"__evaluate_subject": {"login": "wil", "domain": "wil.42.fr"}}, {"login": "wil", "domain": "wil.42.fr"}),
        ({"__evaluate_subject": None}, {}),
        ({"other": 1}, {}),
        ({"__evaluate_error": "", "__evaluate_runtime": "owned"}, {"error": plugin.NO_FORM}),
        ({"__evaluate_error": "", "__evaluate_runtime": [[1]]}, {"error": plugin.NO_FORM}),
        ({"__evaluate_error": "", "__evaluate_images": {"a": 1}}, {"error": plugin.NO_FORM}),
    ],
)
def test_what_was_noted(monkeypatch: pytest.MonkeyPatch, noted: dict[str, Any], expected: dict[str, Any]) -> None:
    monkeypatch.setattr(plugin, "_now", lambda: 1795514400.0)
    common = {"depth": "static", "sections": []}
    (found,) = plugin.evaluations({"wil": noted}, ["wil"], common)
    assert found == {"host": "wil", **common, **NOTHING, **expected}


def test_all_hosts_by_their_names() -> None:
    found = plugin.evaluations({"b": {}, "a": {}, "other": {}}, ["b", "a"])
    assert [one["host"] for one in found] == ["a", "b"]
