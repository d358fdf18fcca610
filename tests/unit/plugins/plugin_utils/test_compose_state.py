# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker and compose say of a stack, judged."""

from __future__ import annotations

from typing import Any

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_state as compose_state

PROJECT = "com.docker.compose.project"


def labelled(name: str, **labels: str) -> dict[str, Any]:
    return {"Name": name, "Labels": {f"com.docker.compose.{key}": value for key, value in labels.items()}}


def test_what_is_left_is_the_projects_own_and_no_longer_named() -> None:
    engine = {
        "images": [
            {**labelled("old", project="inception", service="ftp"), "RepoTags": ["ftp:0123456789ab"]},
            {**labelled("used", project="inception", service="nginx"), "RepoTags": ["nginx:0123456789ab"]},
            {**labelled("others", project="other", service="ftp"), "RepoTags": ["ftp:0123456789ab"]},
            # Somebody else's project may have the same name: its images have other tags.
            {**labelled("foreign", project="inception", service="apache"), "RepoTags": ["inception-apache:latest"]},
            {**labelled("foreign too", project="inception", service="ftp"), "RepoTags": []},
            {"Name": "base", "Labels": None},
        ],
        "volumes": [
            labelled("inception_ftp", project="inception", volume="ftp"),
            labelled("inception_site", project="inception", volume="site"),
        ],
        "networks": [
            labelled("inception_backend", project="inception", network="backend"),
            labelled("inception_a-b", project="inception", network="a-b"),
            {"Name": "bridge", "Labels": {}},
        ],
    }
    kept = {"images": {"nginx"}, "volumes": {"site"}, "networks": {"a-b"}}
    found = compose_state.unused(engine, kept, "inception")
    assert {kind: [one["Name"] for one in objects] for kind, objects in found.items()} == {
        "images": ["old"],
        "volumes": ["inception_ftp"],
        "networks": ["inception_backend"],
    }


def test_an_engine_that_was_asked_for_less_has_nothing_left() -> None:
    kept: dict[str, set[str]] = {"images": set(), "volumes": set(), "networks": set()}
    assert compose_state.unused({"images": None}, kept, "inception") == {"images": [], "volumes": [], "networks": []}
