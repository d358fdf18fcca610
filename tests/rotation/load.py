# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors of a site while a command runs, and what went wrong for them.

    python -m tests.rotation.load --inventory hosts.yml --host wil --port 8444 --ca ca.crt -- ansible-playbook ...

Strangers read the front page and a post. The author reads the own profile, for which one has to be signed in.
The administrator writes comments, each of which must be on the site exactly once in the end. A failure is any answer
but the right one. A session that ends is told of apart: with --sessions end it may. The status is 0 when nothing
failed, and the command did not.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import re
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.rotation.machine import add_machine_arguments, connect
from tests.verify.support import Page, Site, Stack

# More than php-fpm has workers, so that requests queue up.
STRANGERS = 8
# Before the command and after it, in seconds.
MARGIN = 3.0


class SessionEnded(Exception):
    """The site does not know a visitor any more."""


@dataclass
class Tally:
    """What the visitors saw."""

    started: float = field(default_factory=time.monotonic)
    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, action: Callable[[], None]) -> bool:
        """Do something as a visitor; whether the visitor is still known afterwards."""
        started = time.monotonic()
        try:
            action()
        except SessionEnded as ended:
            with self.lock:
                self.ended.append(f"{started - self.started:.1f} s: {who}: {ended}")
            return False
        except (AssertionError, OSError, http.client.HTTPException) as failure:
            with self.lock:
                self.failures.append(f"{started - self.started:.1f} s: {who}: {type(failure).__name__}: {failure}")
        else:
            with self.lock:
                self.answers[who] += 1
                self.slowest = max(self.slowest, time.monotonic() - started)
        return True

    def lines(self) -> list[str]:
        answers = ", ".join(f"{who} {count}" for who, count in sorted(self.answers.items()))
        return [
            f"{self.answers.total()} right answers ({answers}), the slowest after {self.slowest:.2f} s",
            f"{len(self.failures)} failed requests",
            *self.failures[:20],
            f"{len(self.ended)} lost sessions",
            *self.ended,
        ]


def expect(page: Page, status: int, text: str) -> None:
    if page.status in (301, 302) and "/wp-login.php" in page.location:
        raise SessionEnded("was sent to the login page")
    assert page.status == status, f"{page.status} instead of {status}: {page.text[:200]!r}"
    assert text in page.text, f"an answer without {text!r}: {page.text[:200]!r}"


class Load:
    """Visitors in threads, from the beginning of a `with` to its end."""

    def __init__(
        self, stack: Stack, site: Site, *, strangers: int = STRANGERS, pause: float = 0.0, strangers_alone: bool = False
    ) -> None:
        self.site, self.settings = site, stack.settings
        self.tally = Tally()
        self.over = threading.Event()
        # Where the site's visitors are not what is looked at, they leave the machine some time.
        strangers, self.pause = (2, 0.5) if strangers_alone else (strangers, pause)
        self.comments: list[str] = []
        post = site.get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]
        self.post, self.post_path = str(post["id"]), urllib.parse.urlsplit(post["link"]).path
        self.threads = [threading.Thread(target=self.stranger, args=(place,)) for place in range(strangers)]
        if not strangers_alone:
            secrets = stack.secrets()
            author = site.sign_in(self.settings.user, secrets["wp_user_password.txt"])
            admin = site.sign_in(self.settings.admin_user, secrets["wp_admin_password.txt"])
            self.threads += [
                threading.Thread(target=self.author, args=(author,)),
                threading.Thread(target=self.admin, args=(admin,)),
            ]

    def __enter__(self) -> Tally:
        for thread in self.threads:
            thread.start()
        return self.tally

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.comments:
            self.count_comments()

    def stranger(self, place: int) -> None:
        for path in itertools.islice(itertools.cycle(["/", self.post_path]), place, None):
            if self.over.wait(self.pause):
                return
            self.tally.note("stranger", lambda path=path: expect(self.site.own().get(path), 200, "</html>"))  # type: ignore[misc]

    def author(self, visitor: Site) -> None:
        def read() -> None:
            expect(visitor.get("/wp-admin/profile.php"), 200, 'id="your-profile"')

        while not self.over.wait(max(self.pause, 0.1)) and self.tally.note("author", read):
            pass

    def admin(self, visitor: Site) -> None:
        mark = f"{time.time_ns():x}"

        def write() -> None:
            text = f"Comment {mark}-{len(self.comments)} under load."
            fields = {"comment": text, "comment_post_ID": self.post, "comment_parent": "0", "submit": "Post Comment"}
            page = visitor.post("/wp-comments-post.php", fields)
            if page.status == 403:
                raise SessionEnded("may not comment any more")
            expect(page, 302, "")
            self.comments.append(text)

        while not self.over.wait(max(self.pause, 0.4)) and self.tally.note("administrator", write):
            pass

    def count_comments(self) -> None:
        """Each one is there once: none was lost, and none was written again by a request that was sent twice."""

        def count() -> None:
            text = "".join(
                self.site.get(f"/wp-json/wp/v2/comments?post={self.post}&per_page=100&page={page}&order=asc").text
                for page in range(
                    1,
                    2
                    + int(
                        self.site.get(f"/wp-json/wp/v2/comments?post={self.post}&per_page=100").headers[
                            "X-WP-TotalPages"
                        ]
                    ),
                )
            )
            found = Counter(re.findall(r"Comment [0-9a-f]+-\d+ under load\.", re.sub(r"<[^>]*>", "", text)))
            wrong = {comment: found[comment] for comment in self.comments if found[comment] != 1}
            assert not wrong, f"comments that are not there once: {wrong}"

        self.tally.note("the comments together", count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_machine_arguments(parser)
    parser.add_argument("--sessions", choices=["keep", "end"], default="keep", help="whether a session may end")
    parser.add_argument("--strangers", type=int, default=STRANGERS, help="how many read at once")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that each waits before the next page")
    parser.add_argument("command", nargs="+", help="what runs meanwhile, after --")
    arguments = parser.parse_args()

    with Load(*connect(arguments), strangers=arguments.strangers, pause=arguments.pause) as tally:
        time.sleep(MARGIN)
        started = time.monotonic()
        finished = subprocess.run(arguments.command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        seconds = time.monotonic() - started
        time.sleep(MARGIN)
    print(f"the command ended with {finished.returncode} after {seconds:.1f} s", *tally.lines(), sep="\n")
    wrong = bool(tally.failures) or (arguments.sessions == "keep" and bool(tally.ended))
    return 1 if wrong or finished.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
