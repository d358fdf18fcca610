# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk under the database: writes are refused, pages are shown, it starts; and with room all is back by itself.

The disk is one of the test's own, under the database's folder.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.bench import Bench
from tests.verify.support import Page, Site, wait_until

DATA = "/home/wil/data/mariadb"
FULL = f"{DATA}/full"
MOUNT = f"""
docker stop inception-mariadb-1
mount --mkdir -t tmpfs -o size=400m disk {DATA}.new
cp -a {DATA}/. {DATA}.new/
chown --reference={DATA} {DATA}.new
chmod --reference={DATA} {DATA}.new
mount --move {DATA}.new {DATA} || mount --bind {DATA}.new {DATA}
docker start inception-mariadb-1
"""
UMOUNT = f"""
docker stop inception-mariadb-1
rm -f {FULL}
cp -a {DATA} /root/kept
umount {DATA}
cp -a /root/kept/. {DATA}/
rm -rf /root/kept
umount {DATA}.new || true
rmdir {DATA}.new
docker start inception-mariadb-1
"""


@contextmanager
def own_disk(bench: Bench) -> Iterator[None]:
    bench.root(f"bash -ec '{MOUNT}'")
    wait_until("all is well", lambda: not bench.unwell(), 120)
    try:
        yield
    finally:
        bench.root(f"bash -ec '{UMOUNT}'")
        wait_until("all is well", lambda: not bench.unwell(), 120)


def fresh(bench: Bench) -> Page:
    return bench.site.own().get(f"/?fresh={time.monotonic_ns()}", {"Cookie": "asked_by=tests"})


def comment(visitor: Site, post: str, text: str) -> Page:
    fields = {"comment": text, "comment_post_ID": post, "comment_parent": "0", "submit": "Post Comment"}
    return visitor.post("/wp-comments-post.php", fields)


def process(bench: Bench) -> str:
    return bench.root("docker inspect --format '{{.State.Pid}}' inception-mariadb-1").strip()


def restart(bench: Bench) -> None:
    """In order, and without a word."""
    bench.root("docker restart inception-mariadb-1")
    wait_until("the database is well", lambda: not bench.unwell(), 60)
    before = process(bench)
    bench.root(f"kill -KILL {before}")
    wait_until("it has another process", lambda: process(bench) not in (before, "0"), 60)
    wait_until("the database is well", lambda: not bench.unwell(), 60)


def test_a_full_disk_refuses_writes_shows_pages_and_lets_the_database_start(bench: Bench) -> None:
    post = str(bench.site.get("/wp-json/wp/v2/posts?per_page=1&orderby=id&order=asc").json()[0]["id"])
    visitor = bench.site.sign_in(bench.stack.settings.admin_user, bench.stack.secrets()["wp_admin_password.txt"])
    mark = f"{time.time_ns():x}"
    written: list[str] = []
    refused: list[str] = []
    with own_disk(bench):
        bench.root(f"dd if=/dev/zero of={FULL} bs=4k || true")
        for number in range(400):
            text = f"Comment {mark}-{number} on a full disk. {'x' * 20000}"
            page = comment(visitor, post, text)
            (written if page.status == 302 else refused).append(text)
            if page.status != 302:
                # A sentence, and no word of the database's.
                assert page.status in (500, 503), page.text[:300]
                assert not re.search(r"mysql|mariadb|sql|/var/", page.text, re.IGNORECASE), page.text[:600]
                if len(refused) == 5:
                    break
        assert len(refused) == 5
        # InnoDB may have ended in the middle of it: it comes back by itself.
        wait_until("pages are shown", lambda: fresh(bench).status == 200, 120)
        for _time in range(2):
            restart(bench)
            assert fresh(bench).status == 200
            assert comment(visitor, post, f"{mark} without room").status in (500, 503)
        assert "nothing is written until" in bench.root("docker logs inception-mariadb-1 2>&1")
        bench.root(f"rm {FULL}")
        # By itself.
        wait_until("it is written again", lambda: comment(visitor, post, f"{mark} with room").status == 302, 120)
        assert bench.stack.sql("SELECT @@read_only") == [["0"]]
        query = f"SELECT COUNT(*) FROM wp_comments WHERE comment_content LIKE 'Comment {mark}-%'"
        assert bench.stack.sql(query) == [[str(len(written))]]
    assert fresh(bench).status == 200
    bench.settled()
