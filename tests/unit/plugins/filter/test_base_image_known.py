# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine says of a base image: from an archive, from a registry, from both, without either, and not there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.filter.base_image_known import base_image_known

OTHER = {"Id": "sha256:0", "RepoTags": ["debian:trixie"], "RepoDigests": ["debian@sha256:f"], "Labels": None}
UNTAGGED = {"Id": "sha256:1", "RepoTags": None, "RepoDigests": None, "Labels": None}


def image(labels: dict[str, str] | None, digests: list[str] | None) -> dict[str, Any]:
    return {"Id": "sha256:9", "RepoTags": ["a:b", "debian:bookworm"], "Labels": labels, "RepoDigests": digests}


@pytest.mark.parametrize(
    ("found", "label", "digest", "content", "from_archive"),
    [
        (image({"inception.base": "abc", "x": "y"}, []), "abc", "abc", "abc", True),
        (image({"inception.base": "abc"}, ["debian@sha256:2"]), "abc", "abc", "abc", True),
        (image(None, ["m.example:5/debian@sha256:2", "debian@sha256:1"]), "", "sha256:1", "sha256:1", False),
        # One that somebody imported by hand.
        (image({"x": "y"}, None), "", "", "sha256:9", True),
    ],
)
def test_what_is_there(found: dict[str, Any], label: str, digest: str, content: str, from_archive: bool) -> None:
    assert base_image_known({"images": [UNTAGGED, OTHER, found]}, "debian:bookworm") == {
        "images": [found],
        "label": label,
        "digest": digest,
        "content": content,
        "from_archive": from_archive,
    }


def test_what_is_not_there() -> None:
    """Where it came from cannot be said then."""
    known = base_image_known({"images": [UNTAGGED, OTHER]}, "debian:bookworm")
    assert known == {"images": [], "label": "", "digest": "", "content": ""}
