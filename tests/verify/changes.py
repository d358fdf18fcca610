# SPDX-License-Identifier: GPL-3.0-or-later
"""What an editor changes on the site through the dashboard's own interface, and where a visitor sees it.

A kind of change is a function of an editor and a word; it returns the path of a page that has the word on it from then
on.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import urllib.parse
from collections.abc import Callable
from typing import Any

from tests.verify.support import Page, Site


def word() -> str:
    """One that nobody has used; of letters, since WordPress breaks names at digits."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))


class Editor:
    """The administrator, signed in, at the interface that the editor and the dashboard use themselves."""

    def __init__(self, visitor: Site) -> None:
        self.visitor = visitor
        nonce = visitor.get("/wp-admin/admin-ajax.php?action=rest-nonce").text
        self.headers = {"X-WP-Nonce": nonce, "Content-Type": "application/json"}
        self._made: list[str] = []

    def get(self, path: str) -> Any:
        return self.visitor.get(f"/wp-json/wp/v2/{path}", self.headers).json()

    def post(self, path: str, **fields: Any) -> Any:
        return self.visitor.request("POST", f"/wp-json/wp/v2/{path}", json.dumps(fields), self.headers).json()

    def make(self, path: str, **fields: Any) -> Any:
        """The same of something new, which goes in the end."""
        made = self.post(path, **fields)
        self._made.append(f"{path}/{made['id']}?force=true")
        return made

    def delete(self, path: str) -> Page:
        return self.visitor.request("DELETE", f"/wp-json/wp/v2/{path}", headers=self.headers)

    def clean(self) -> None:
        """Remove what was made, the last first."""
        while self._made:
            self.delete(self._made.pop()).json()

    def first(self, kind: str) -> Any:
        """The oldest published post or page."""
        return self.get(f"{kind}?per_page=1&orderby=id&order=asc")[0]


def path_of(made: dict[str, Any]) -> str:
    return urllib.parse.urlsplit(made["link"]).path


def post_published(editor: Editor, word: str) -> str:
    editor.make("posts", title=f"Post {word}", status="publish")
    return "/"


def post_edited(editor: Editor, word: str) -> str:
    post = editor.first("posts")
    title = re.sub(r" ~\w+$", "", post["title"]["rendered"])
    editor.post(f"posts/{post['id']}", title=f"{title} ~{word}")
    return "/"


def page_edited(editor: Editor, word: str) -> str:
    page = editor.get("pages?per_page=1&orderby=id&order=asc&context=edit")[0]
    content = re.sub(r"\n<!-- wp:paragraph --><p>Changed \w+</p><!-- /wp:paragraph -->", "", page["content"]["raw"])
    content += f"\n<!-- wp:paragraph --><p>Changed {word}</p><!-- /wp:paragraph -->"
    editor.post(f"pages/{page['id']}", content=content)
    return path_of(page)


def comment_approved(editor: Editor, word: str) -> str:
    post = editor.first("posts")
    comment = editor.make("comments", post=post["id"], content=f"Comment {word}", status="hold")
    assert word not in Site(editor.visitor.settings, editor.visitor.ca).get(path_of(post)).text, (
        "seen before its approval"
    )
    editor.post(f"comments/{comment['id']}", status="approved")
    return path_of(post)


def menu_changed(editor: Editor, word: str) -> str:
    link = f'<!-- wp:navigation-link {{"label":"Menu {word}","url":"/","kind":"custom"}} /-->'
    menus = editor.get("navigation?per_page=1&status=publish")
    if menus:
        editor.post(f"navigation/{menus[0]['id']}", content=link)
    else:
        editor.make("navigation", title="Menu", status="publish", content=link)
    return "/"


def theme_changed(editor: Editor, word: str) -> str:
    """The colors of the site's theme, as its own editor stores them."""
    theme = editor.get("themes?status=active")[0]
    styles = urllib.parse.urlsplit(theme["_links"]["wp:user-global-styles"][0]["href"]).path.rsplit("/", 1)[1]
    value = {"color": {"palette": {"custom": [{"slug": word, "name": word, "color": "#424242"}]}}}
    editor.post(f"global-styles/{styles}", settings=value)
    return "/"


def option_changed(editor: Editor, word: str) -> str:
    title = re.sub(r" ~\w+$", "", editor.get("settings")["title"])
    editor.post("settings", title=f"{title} ~{word}")
    return "/"


def name_changed(editor: Editor, word: str) -> str:
    post = editor.first("posts")
    editor.post(f"users/{post['author']}", name=f"Author {word}")
    return path_of(post)


KINDS: dict[str, Callable[[Editor, str], str]] = {
    "post published": post_published,
    "post edited": post_edited,
    "page edited": page_edited,
    "comment approved": comment_approved,
    "menu changed": menu_changed,
    "theme changed": theme_changed,
    "option changed": option_changed,
    "user's name changed": name_changed,
}


def restore(editor: Editor, title: str, name: str) -> None:
    """The site as it was, but for the revisions that WordPress keeps."""
    editor.clean()
    post, page = editor.first("posts"), editor.get("pages?per_page=1&orderby=id&order=asc&context=edit")[0]
    editor.post(f"posts/{post['id']}", title=re.sub(r" ~\w+$", "", post["title"]["rendered"]))
    content = re.sub(r"\n<!-- wp:paragraph --><p>Changed \w+</p><!-- /wp:paragraph -->", "", page["content"]["raw"])
    editor.post(f"pages/{page['id']}", content=content)
    editor.post("settings", title=title)
    editor.post(f"users/{post['author']}", name=name)
    theme = editor.get("themes?status=active")[0]
    styles = urllib.parse.urlsplit(theme["_links"]["wp:user-global-styles"][0]["href"]).path.rsplit("/", 1)[1]
    editor.post(f"global-styles/{styles}", settings={})
