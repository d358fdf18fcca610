# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who write while a machine has its faults, and what became of what they were told is there."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.bench import Bench
from tests.verify.support import Site


class Writer(threading.Thread):
    """Somebody who writes comments, and knows which of them the site has taken."""

    def __init__(self, visitor: Site, post: str) -> None:
        super().__init__(daemon=True)
        self.visitor, self.post, self.over = visitor, post, threading.Event()
        self.mark = f"Comment {time.time_ns():x}"
        self.taken: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.05):
            number += 1
            text = f"{self.mark}-{number}."
            fields = {"comment": text, "comment_post_ID": self.post, "comment_parent": "0"}
            try:
                page = self.visitor.post("/wp-comments-post.php", {**fields, "submit": "Post Comment"})
            except (OSError, http.client.HTTPException):
                continue
            if page.status == 302 and "#comment-" in page.location:
                self.taken.append(text)
            else:
                time.sleep(0.1)


@dataclass
class Written:
    """What became of the comments that the site had taken."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)


@contextmanager
def writers(bench: Bench, number: int = 1) -> Iterator[Written]:
    """So many write meanwhile. What they were told is there is looked for in the database."""
    post = str(bench.site.get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]["id"])
    password = bench.stack.secrets()["wp_admin_password.txt"]
    visitors = [bench.site.sign_in(bench.stack.settings.admin_user, password) for _one in range(number)]
    writers = [Writer(visitor, post) for visitor in visitors]
    written = Written()
    for writer in writers:
        writer.start()
    try:
        yield written
    finally:
        for writer in writers:
            writer.over.set()
        for writer in writers:
            writer.join()
    for writer in writers:
        query = f"SELECT comment_content FROM wp_comments WHERE comment_content LIKE '{writer.mark}-%'"
        there = [row[0] for row in bench.stack.sql(query)]
        written.acknowledged += len(writer.taken)
        written.lost += [text for text in writer.taken if there.count(text) != 1]
