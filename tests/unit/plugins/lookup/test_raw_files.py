# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup raw_files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.fortytwo.inception.plugins.lookup.raw_files import LookupModule


def test_every_file_as_it_is(tmp_path: Path) -> None:
    binary = bytes(range(256))
    (tmp_path / "site/img").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text("{{ not_a_template }}\r\n")
    (tmp_path / "site/img/dot.png").write_bytes(binary)
    (tmp_path / "site/empty").touch()
    (tmp_path / "site/link.html").symlink_to("index.html")
    [found] = LookupModule().run([{"www": str(tmp_path / "site")}])
    assert {path: base64.b64decode(content) for path, content in found.items()} == {
        "www/index.html": b"{{ not_a_template }}\r\n",
        "www/img/dot.png": binary,
        "www/empty": b"",
        "www/link.html": b"{{ not_a_template }}\r\n",
    }


def test_nothing_to_read() -> None:
    assert LookupModule().run([{}]) == [{}]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="missing is not a folder on this computer"):
        LookupModule().run([{"site": str(tmp_path / "missing")}])
