# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs of today: large ones work one after the other, and what is too large is refused with a sentence."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.verify.changes import Editor
from tests.verify.support import Page, Secret, Settings, Site, Stack, wait_until

# What all of php-fpm's processes have in memory for themselves, in kB: the most of many looks, until the file is gone.
WATCH = """
    most=0; : >/tmp/verify-watch
    while [ -e /tmp/verify-watch ]; do
        sum=0
        for pid in $(cat /proc/1/task/1/children) 1; do
            while read -r name value _; do
                [ "$name" = RssAnon: ] && sum=$((sum + value))
            done <"/proc/$pid/status"
        done 2>/dev/null
        [ "$sum" -gt "$most" ] && most=$sum
        sleep 0.05
    done
    echo "$most"
"""


@pytest.fixture(scope="module")
def editor(site: Site, settings: Settings, secrets: dict[str, Secret]) -> Editor:
    return Editor(site.sign_in(settings.admin_user, secrets["wp_admin_password.txt"]))


@pytest.fixture
def sent(editor: Editor) -> Iterator[list[Page]]:
    """Answers to uploads; what came of them goes in the end."""
    answers: list[Page] = []
    yield answers
    for answer in answers:
        if answer.status == 201:
            editor.delete(f"media/{answer.json()['id']}?force=true").json()


def picture(stack: Stack, width: int, height: int, kind: str = "jpeg") -> bytes:
    """One of a single color, made where GD is."""
    draw = f'image{kind}(imagecreatetruecolor((int) $argv[1], (int) $argv[2]), "/tmp/verify-picture");'
    script = (
        f"php -d memory_limit=-1 -r '{draw}' -- {width} {height} && base64 /tmp/verify-picture; rm /tmp/verify-picture"
    )
    made = stack.execute("wordpress", "sh", "-c", script)
    assert made.rc == 0, made.stderr
    return base64.b64decode(made.stdout)


def upload(editor: Editor, content: bytes, kind: str = "jpeg") -> Page:
    headers = editor.headers | {
        "Content-Type": f"image/{kind}",
        "Content-Disposition": f'attachment; filename="verify.{kind}"',
    }
    return editor.visitor.request("POST", "/wp-json/wp/v2/media", content, headers)


def sizes(answer: Page) -> set[str]:
    assert answer.status == 201, answer.text[:500]
    return set(answer.json()["media_details"]["sizes"])


def watched(stack: Stack, work: Callable[[], None]) -> float:
    """What php-fpm had in memory at most while that was done, in MB."""
    most: list[float] = []

    def watch() -> None:
        most.append(int(stack.execute("wordpress", "sh", "-c", WATCH).stdout) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wait_until("somebody watches", lambda: stack.execute("wordpress", "test", "-e", "/tmp/verify-watch").rc == 0)
    try:
        work()
    finally:
        stack.execute("wordpress", "rm", "-f", "/tmp/verify-watch")
        watcher.join()
    return most[0]


def limit(stack: Stack) -> int:
    """Of the container, in MB."""
    described = stack.config()["services"]["wordpress"]["deploy"]["resources"]["limits"]
    return int(described["memory"]) // 1048576


LARGE = {"thumbnail", "medium", "medium_large", "large"}


@pytest.mark.parametrize(("megapixels", "width", "height"), [(24, 6000, 4000), (50, 8688, 5792)])
def test_a_photograph_has_all_its_sizes(
    stack: Stack,
    editor: Editor,
    sent: list[Page],
    figure: Callable[[str], None],
    megapixels: int,
    width: int,
    height: int,
) -> None:
    """As large as cameras and telephones make them today."""
    content = picture(stack, width, height)
    most = watched(stack, lambda: sent.append(upload(editor, content)))
    figure(f"a photograph of {megapixels} megapixels: php-fpm's processes had {most:.0f} MB at most")
    assert sizes(sent[0]) >= LARGE
    assert most < limit(stack) * 3 / 4


def test_three_at_once_are_worked_on_one_after_the_other(
    stack: Stack, editor: Editor, sent: list[Page], figure: Callable[[str], None]
) -> None:
    """All have their sizes, and none makes the container's memory too small."""
    content = picture(stack, 6000, 4000)

    def work() -> None:
        threads = [threading.Thread(target=lambda: sent.append(upload(editor, content))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    most = watched(stack, work)
    figure(f"three photographs of 24 megapixels at once: php-fpm's processes had {most:.0f} MB at most")
    assert [sizes(answer) >= LARGE for answer in sent] == [True] * 3
    assert most < limit(stack) / 2


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_what_is_too_large_is_refused_with_a_sentence(
    stack: Stack, editor: Editor, sent: list[Page], kind: str
) -> None:
    """A phone's 108 megapixels: nothing is kept of it, and its owner learns why."""
    before = editor.get("media?per_page=1&orderby=id")
    content = picture(stack, 12000, 9000, kind)
    most = watched(stack, lambda: sent.append(upload(editor, content, kind)))
    assert sent[0].status == 500
    assert "has 108 megapixels, and this site can work on pictures of up to" in sent[0].text
    assert most < limit(stack) / 2
    assert editor.get("media?per_page=1&orderby=id") == before


@pytest.mark.parametrize("kind", ["webp", "png", "gif"])
def test_other_kinds_have_their_sizes(stack: Stack, editor: Editor, sent: list[Page], kind: str) -> None:
    """Those that the base's PHP can make."""
    sent.append(upload(editor, picture(stack, 1600, 1200, kind), kind))
    assert sizes(sent[0]) >= LARGE
