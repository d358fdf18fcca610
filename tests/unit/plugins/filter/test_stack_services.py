# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rooms of services say, and what the compose file is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fortytwo.inception.plugins.filter.stack_services import stack_services

BASE = "sha256:0123"


def room(name: str = "cache", **description: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": {"about": "the cache", **description},
        "compose": "    environment: {}",
        "files": {"Dockerfile": "FROM debian:bookworm\n", "conf/cache.conf": "size = 1\n"},
    }


def test_a_service_is_complete() -> None:
    [service] = stack_services([room(secrets=[{"name": "word"}], files={"key": "tls.key"})], base=BASE)
    assert service["image"] == f"cache:{service['tag']}"
    assert service["context"] == "requirements/cache"
    assert service["secrets"] == [{"name": "word", "length": 32}]
    assert service["mounts"] == {"word": "word.txt", "key": "tls.key"}
    assert service["project_files"]["srcs/requirements/cache/conf/cache.conf"] == "size = 1\n"
    assert service["limits"]["memory"]
    assert "volume" not in service


def test_a_bonus_service_has_its_folder() -> None:
    [service] = stack_services([room()], bonus=["cache"], base=BASE)
    assert service["context"] == "requirements/bonus/cache"


def test_a_tag_changes_with_the_content_and_the_base_alone() -> None:
    def tag(base: str = BASE, **files: str) -> str:
        changed = room(about="something else")
        changed["files"].update(files)
        return str(stack_services([changed], base=base)[0]["tag"])

    assert tag() == stack_services([room()], base=BASE)[0]["tag"]
    assert len({tag(), tag(base="sha256:4567"), tag(Dockerfile="FROM debian:trixie\n"), tag(more="")}) == 4


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"about": ""}, "needs 'about'"),
        ({"port": 1}, "unknown key 'port'"),
        ({"waits_for": ["nobody"]}, "waits for 'nobody'"),
        ({"networks": {"outside": []}}, "wants the network 'outside'"),
    ],
)
def test_a_mistake_names_the_file(description: dict[str, Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"requirements/cache/service\.yml") as error:
        stack_services([room(**description)], base=BASE)
    assert said in str(error.value)
