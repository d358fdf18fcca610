# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's title and the user's password, which people have changed, are again those that the verification knows.

Not collected by itself, since the other tests look for what people have changed.
"""

from __future__ import annotations

from tests.verify.changes import Editor
from tests.verify.support import Site, Stack


def test_the_owner_takes_it_back(stack: Stack, site: Site) -> None:
    """In the dashboard."""
    settings, secrets = stack.settings, stack.secrets()
    editor = Editor(site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"]))
    editor.post("settings", title=settings.title)
    [user] = [found for found in editor.get("users?context=edit") if found["username"] == settings.user]
    editor.post(f"users/{user['id']}", password=secrets["wp_user_password.txt"])
    site.sign_in(settings.user, secrets["wp_user_password.txt"])
