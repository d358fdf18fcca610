# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a change seen by the very next visitor, while many others read the site?

    python tests/bench/freshness.py --domain wil.42.fr --port 8444 --ca ca.crt --user wil --password-file password.txt

Each kind of change of tests/verify/changes.py is made --times times (100) through the dashboard's own interface, at a
site that is read by --readers visitors (16) all the time. The next request of a stranger has to show it, and so has the
one after that, which is answered from the cache. Prints one line of JSON: for each kind, how many of its changes were
seen, what the readers had meanwhile, and what was wrong. Ends with 1 when one was not seen, or a reader got an error.
It changes the site, and brings it back in the end: not for a site that somebody needs.

As a function, for another program: measure(site, editor, times, readers).
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.verify import changes
from tests.verify.support import Secret, Settings, Site

# What the readers read: the pages that the changes are seen on, and others.
READ = ("/", "/hello-world/", "/sample-page/", "/?utm_source=a", "/feed/", "/?s=world", "/nowhere/")


class Readers:
    """Visitors who read on until it is over, and count what they get."""

    def __init__(self, site: Site, count: int) -> None:
        self.answers: Counter[int] = Counter()
        self.kept: Counter[str] = Counter()
        self._site = site
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._read, args=(number,), daemon=True) for number in range(count)]

    def _read(self, number: int) -> None:
        while not self._over.is_set():
            try:
                page = self._site.get(READ[number % len(READ)])
                status, kept = page.status, page.headers.get("X-Page-Cache", "")
            except (OSError, http.client.HTTPException):
                status, kept = 0, ""
            with self._lock:
                self.answers[status] += 1
                self.kept[kept] += 1
            number += 1

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def measure(site: Site, editor: changes.Editor, times: int, readers: int) -> dict[str, Any]:
    """Of each kind of change, how many were seen; and what the readers had."""
    author = editor.first("posts")["author"]
    title, name = editor.get("settings")["title"], editor.get(f"users/{author}")["name"]
    seen: dict[str, dict[str, int]] = {}
    began = time.monotonic()
    try:
        with Readers(site, readers) as crowd:
            for kind, change in changes.KINDS.items():
                found = Counter({"at_once": 0, "from_the_cache": 0, "kept": 0})
                for _ in range(times):
                    word = changes.word()
                    path = change(editor, word)
                    first, second = site.get(path), site.get(path)
                    found["at_once"] += word in first.text
                    found["from_the_cache"] += word in second.text
                    found["kept"] += second.headers.get("X-Page-Cache") == "HIT"
                seen[kind] = dict(found)
                # A post for each change would make the next pages another site's.
                editor.clean()
    finally:
        changes.restore(editor, title, name)
    result = {
        "times": times,
        "readers": readers,
        "seconds": round(time.monotonic() - began, 1),
        "seen": seen,
        "answers": {str(status): count for status, count in sorted(crowd.answers.items())},
        "from": dict(crowd.kept),
    }
    return {**result, "wrong": wrong(result)}


def wrong(result: dict[str, Any]) -> list[str]:
    """What must not be."""
    found = [
        f"{kind}: {count[how]} of {result['times']} {how}"
        for kind, count in result["seen"].items()
        for how in ("at_once", "from_the_cache")
        if count[how] != result["times"]
    ]
    return found + [
        f"{count} answers {status}" for status, count in result["answers"].items() if status not in ("200", "404")
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--domain", required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--readers", type=int, default=16)
    given = parser.parse_args()
    settings = Settings(
        login=given.user,
        domain=given.domain,
        aliases=(),
        https_port=443,
        title="",
        admin_user=given.user,
        user="",
        base_family="debian",
        base_release=None,
        wordpress_source="package",
        address=given.address,
        forwarded_port=given.port,
    )
    site = Site(settings, given.ca)
    password = Secret(given.password_file.read_text(encoding="utf-8").rstrip("\r\n"))
    result = measure(site, changes.Editor(site.sign_in(given.user, password)), given.times, given.readers)
    print(json.dumps(result))
    for line in result["wrong"]:
        print(line, file=sys.stderr)
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
