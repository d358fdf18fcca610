# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup service_names."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.fortytwo.inception.plugins.lookup.service_names import LookupModule


def test_names_of_several_folders(tmp_path: Path) -> None:
    for service in ("a/redis", "a/ftp", "b/redis", "b/mine"):
        (tmp_path / service).mkdir(parents=True)
        (tmp_path / service / "service.yml").touch()
    (tmp_path / "a/not-one").mkdir()
    (tmp_path / "a/service.yml").touch()
    assert LookupModule().run([str(tmp_path / "a"), str(tmp_path / "b")]) == ["ftp", "mine", "redis"]
    assert LookupModule().run([]) == []


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match=r"inception_service_dirs: .*/missing is not a folder"):
        LookupModule().run([str(tmp_path / "missing")])


def test_the_mandatory_services_are_found(repository: Path) -> None:
    names = LookupModule().run([str(repository / "roles/stack/templates/requirements")])
    assert {"mariadb", "nginx", "wordpress"} <= set(names)
