# SPDX-License-Identifier: GPL-3.0-or-later
"""On the former release: people write, upload a picture, comment, and the user changes the password in the dashboard.

Not collected by itself, since the new release comes after it: test_kept.py looks for what is noted here.
"""

from __future__ import annotations

import json
import secrets as random
import urllib.parse
import zlib

from tests.upgrade.notes import Notes, digests, notes_path, rows
from tests.verify.changes import Editor
from tests.verify.support import Site, Stack, write


def picture() -> bytes:
    """A square of colors, as PNG; large enough for WordPress to make smaller ones of it."""
    size = 400
    lines = b"".join(b"\0" + bytes(value % 256 for x in range(size) for value in (x, y, x * y)) for y in range(size))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = size.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_people_use_the_site(stack: Stack, site: Site) -> None:
    """A post with a picture, a comment, an edited page, another title, and a password of the user's own."""
    stack.wait_healthy()
    written = write(stack, site, random.token_hex(8))
    assert written.missing(site) == []
    secrets, settings = stack.secrets(), stack.settings
    administrator = site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"])
    editor = Editor(administrator)
    nonce = administrator.get("/wp-admin/admin-ajax.php?action=rest-nonce").text
    about = {"X-WP-Nonce": nonce, "Content-Type": "image/png", "Content-Disposition": "attachment; filename=square.png"}
    made = administrator.request("POST", "/wp-json/wp/v2/media", picture(), about).json()
    path = urllib.parse.urlsplit(made["source_url"]).path
    post = editor.post("posts", title="Before the upgrade", content=f'<img src="{path}">', status="publish")
    editor.post("settings", title="The site's own title")

    password = random.token_urlsafe(18)
    user = Editor(site.sign_in(settings.user, secrets["wp_user_password.txt"]))
    user.post("users/me", password=password)
    site.sign_in(settings.user, password)

    counted = {name: len(table) for name, table in rows(stack).items()}
    assert counted["files"] == 1
    Notes(
        picture=path,
        post=urllib.parse.urlsplit(post["link"]).path,
        comment=json.dumps([written.comment_path, written.comment]),
        password=password,
        rows=counted,
        digests=digests(stack),
    ).save(notes_path())
