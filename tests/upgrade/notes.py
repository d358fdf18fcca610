# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be the same before and after: digests and numbers, no value of a secret."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from tests.verify.support import Stack

# What people made and did; the site's own housekeeping (options, transients) may go on.
TABLES = {
    "posts": "SELECT ID, post_author, post_title, post_content, post_status, post_type, post_date_gmt FROM wp_posts "
    "WHERE post_type IN ('post', 'page', 'attachment') ORDER BY ID",
    "comments": "SELECT comment_ID, comment_post_ID, comment_author, comment_content, comment_approved "
    "FROM wp_comments ORDER BY comment_ID",
    "users": "SELECT ID, user_login, user_pass, user_email, display_name FROM wp_users ORDER BY ID",
    "files": "SELECT post_id, meta_key, meta_value FROM wp_postmeta WHERE meta_key = '_wp_attached_file' "
    "ORDER BY post_id",
    "title": "SELECT option_value FROM wp_options WHERE option_name = 'blogname'",
}


@dataclasses.dataclass(frozen=True)
class Notes:
    """Of a site in use."""

    picture: str
    post: str
    comment: str
    password: str
    rows: dict[str, int]
    digests: dict[str, str]

    def save(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Notes:
        assert path.exists(), f"{path} is not there: run before.py on the former release"
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def notes_path() -> Path:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "upgrade.json"


def digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def rows(stack: Stack) -> dict[str, list[list[str]]]:
    return {name: stack.sql(query) for name, query in TABLES.items()}


def digests(stack: Stack) -> dict[str, str]:
    """Of each table, each uploaded file, and each secret's value."""
    found = {f"table {name}": digest(json.dumps(table)) for name, table in rows(stack).items()}
    uploads = f"{stack.settings.data}/wordpress/wp-content/uploads"
    for line in stack.root("find %s -type f -exec sha256sum {} +", uploads).splitlines():
        value, path = line.split(maxsplit=1)
        found[f"upload {path.removeprefix(uploads)}"] = value
    homes = {name: value for name, value in stack.secrets().items() if name.endswith((".txt", ".key"))}
    return found | {f"secret {name}": digest(value) for name, value in homes.items()}
