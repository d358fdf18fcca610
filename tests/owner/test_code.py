# SPDX-License-Identifier: GPL-3.0-or-later
"""Themes and plugins of the owner's own: deployed at a commit, changed, gone back with, refused while bad, and removed;
what the dashboard brought stays."""

from __future__ import annotations

import http.client
import itertools
import re
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bench import Bench, Deployed

CONTENT = "/var/www/html/wp-content"
STYLE = "/*\nTheme Name: Verify\n*/\n"
INDEX = """<!doctype html><html><head><?php wp_head(); ?></head>
<body><p>{word}</p><?php do_action('verify'); wp_footer(); ?></body></html>
"""
PLUGIN = (
    "<?php\n/* Plugin Name: Verify plugin */\nadd_action('verify', static function () { echo '<i>{word}</i>'; });\n"
)
# As somebody in the dashboard who has installed and chosen things.
DASHBOARD = """
    require "/var/www/html/wp-load.php";
    require_once ABSPATH . "wp-admin/includes/plugin.php";
    require_once ABSPATH . "wp-admin/includes/file.php";
"""


@dataclass
class Repository:
    """A repository of the control node's, with a theme in it and a plugin in another folder."""

    folder: Path
    words: list[str] = field(default_factory=list)

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=w", "-c", "user.email=w@example.org"]
        done = subprocess.run(["git", "-C", str(self.folder), *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, word: str, **more: str) -> str:
        files = {"theme/style.css": STYLE, "theme/index.php": INDEX.replace("{word}", word)}
        files |= {"plugin/verify.php": PLUGIN.replace("{word}", word)} | more
        if not self.folder.exists():
            self.folder.mkdir()
            self.git("init", "--quiet")
        for path, text in files.items():
            (self.folder / path).parent.mkdir(exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", word)
        return self.git("rev-parse", "HEAD")

    def items(self, commit: str, **more: Any) -> dict[str, Any]:
        both: dict[str, Any] = {"git": f"file://{self.folder}", "commit": commit, "active": True, **more}
        theme = {"kind": "theme", "name": "verify-theme", "subfolder": "theme"} | both
        plugin = {"kind": "plugin", "name": "verify-plugin", "subfolder": "plugin"} | both
        return {"inception_wordpress_code": [theme, plugin]}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("code") / "repository")


@pytest.fixture(scope="module", autouse=True)
def as_before(bench: Bench) -> Iterator[None]:
    """None of it is left, whatever became of it."""
    before = php(bench, "echo get_stylesheet();")
    yield
    good(bench.deploy())
    assert php(bench, "echo get_stylesheet();") == before
    assert "verify" not in files(bench)
    bench.settled()


def php(bench: Bench, script: str, *words: str) -> str:
    done = bench.stack.execute("wordpress", "php", "-r", DASHBOARD + script, "--", *words)
    assert done.rc == 0, done.stdout + done.stderr
    return str(done.stdout)


def files(bench: Bench) -> str:
    return str(
        bench.stack.execute("wordpress", "sh", "-c", f"cd {CONTENT}; ls -d themes/* plugins/* mu-plugins/*").stdout
    )


def good(done: Deployed) -> Deployed:
    assert done.status == 0, done.output[-4000:]
    return done


def refused(bench: Bench, settings: dict[str, Any], *words: str) -> None:
    """Nothing of the site is another one for it."""
    page, there = bench.site.get("/").text, files(bench)
    done = bench.deploy(settings)
    assert done.status != 0
    # A long sentence is on several lines.
    said = " ".join(done.screen().split())
    for word in words:
        assert word in said, done.output[-3000:]
    assert bench.site.get("/").text == page
    assert files(bench) == there
    assert not bench.unwell()


@contextmanager
def watched(bench: Bench, *words: str) -> Iterator[None]:
    """Pages that are made anew, one after the other: theme and plugin are in each, at one of their commits."""
    over, seen, wrong = threading.Event(), set(), []

    def look() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            try:
                page = bench.site.own().get(f"/?verify={number}")
            except (OSError, http.client.HTTPException) as failure:
                wrong.append(repr(failure))
                continue
            found = re.findall(r"<[pi]>(\w+)</[pi]>", page.text)
            seen.update(found)
            if page.status != 200 or len(found) != 2 or not set(found) <= set(words):
                wrong.append(f"{page.status}: {page.text[:300]}")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not wrong, wrong[:5]
    assert seen == set(words)


def shows(bench: Bench, word: str) -> bool:
    text = bench.site.get("/").text
    return f"<p>{word}</p>" in text and f"<i>{word}</i>" in text


def test_a_commit_another_one_and_the_way_back(bench: Bench, repository: Repository) -> None:
    """Each is seen by the next visitor, and by none a page that failed; the same again changes nothing."""
    one, two = repository.commit("one"), repository.commit("two")
    bench.site.get("/")
    with bench.visitors():
        good(bench.deploy(repository.items(one)))
        assert shows(bench, "one")
        again = good(bench.deploy(repository.items(one)))
        assert again.changed == 0, again.output[-3000:]
        with watched(bench, "one", "two"):
            good(bench.deploy(repository.items(two)))
            assert shows(bench, "two")
            assert shows(bench, "two"), "the kept page is of before"
            bench.root("inception rollback")
            assert shows(bench, "one")
    # What is handed in has it, and nothing of git's.
    listed = bench.root("find /home/wil/inception/srcs/requirements/wordpress/code -type f")
    assert "themes/verify-theme/index.php" in listed
    assert ".git" not in listed


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("theme/functions.php", "<?php verify_is_no_function();", "undefined function verify_is_no_function"),
        ("theme/functions.php", "<?php if (", "theme: functions.php, line 1"),
        ("plugin/verify.php", "<?php\n/* Plugin Name: V */\nwhile (true) {}", "was not made within"),
    ],
)
def test_a_bad_commit_never_comes(bench: Bench, repository: Repository, path: str, text: str, said: str) -> None:
    """It is tried on the site's own data before anything is replaced."""
    good(bench.deploy(repository.items(repository.commit("good"))))
    try:
        refused(bench, repository.items(repository.commit("bad", **{path: text})), said)
    finally:
        (repository.folder / path).unlink()
    good(bench.deploy(repository.items(repository.commit("again"))))
    assert shows(bench, "again")


def test_what_the_owner_chose_stays(bench: Bench, repository: Repository) -> None:
    """Turned off in the dashboard, it stays off through the next commit; what was changed on the site is put right."""
    good(bench.deploy(repository.items(repository.commit("mine"))))
    php(bench, 'deactivate_plugins("verify-plugin/verify.php");')
    bench.stack.execute("wordpress", "sh", "-c", f"echo x >{CONTENT}/themes/verify-theme/index.php")
    good(bench.deploy(repository.items(repository.commit("next"))))
    page = bench.site.get("/").text
    assert "<p>next</p>" in page
    assert "<i>next</i>" not in page


def test_one_of_the_dashboard_is_not_taken(bench: Bench, repository: Repository) -> None:
    """Unless it is said; and it is not updated, overwritten or deleted there while it is the owner's own."""
    good(bench.deploy())
    made = f"mkdir -p {CONTENT}/plugins/verify-plugin; echo theirs >{CONTENT}/plugins/verify-plugin/x.php"
    bench.stack.execute("wordpress", "sh", "-c", made)
    commit = repository.commit("taken")
    refused(bench, repository.items(commit), "verify-plugin: wp-content/plugins/verify-plugin is on the site already")
    good(bench.deploy(repository.items(commit, replace=True)))
    assert shows(bench, "taken")
    offered = '["response" => ["verify-plugin/verify.php" => 1, "o/o.php" => 2]]'
    php(bench, f'set_site_transient("update_plugins", (object) {offered});')
    left = php(bench, 'echo implode(" ", array_keys(get_site_transient("update_plugins")->response));')
    assert left == "o/o.php"
    php(bench, 'delete_site_transient("update_plugins");')
    said = bench.stack.execute("wordpress", "php", "-r", DASHBOARD + 'delete_plugins(["verify-plugin/verify.php"]);')
    assert "is deployed with this site" in said.stdout + said.stderr
    assert "plugins/verify-plugin" in files(bench)


def test_what_is_taken_out_goes_and_nothing_else(bench: Bench, repository: Repository) -> None:
    """The theme of before is active again; a plugin that came by the dashboard stays, and stays on."""
    other = f"theirs-{uuid.uuid4().hex[:8]}"
    text = "<?php\n/* Plugin Name: Theirs */\n"
    bench.stack.execute(
        "wordpress", "sh", "-c", f"mkdir {CONTENT}/plugins/{other}; echo '{text}' >{CONTENT}/plugins/{other}/x.php"
    )
    php(bench, "activate_plugin($argv[1]);", f"{other}/x.php")
    good(bench.deploy(repository.items(repository.commit("last"))))
    with bench.visitors():
        good(bench.deploy())
    assert "verify" not in files(bench)
    assert php(bench, 'echo implode(" ", get_option("active_plugins"));').split() == [f"{other}/x.php"]
    assert bench.site.get("/").status == 200
    php(bench, "deactivate_plugins($argv[1]); delete_plugins([$argv[1]]);", f"{other}/x.php")


def test_a_mu_plugin_of_a_folder(bench: Bench, tmp_path: Path) -> None:
    """It works, and goes."""
    (tmp_path / "ours.php").write_text("<?php add_action('wp_footer', static function () { echo 'verify-mu'; });\n")
    (tmp_path / ".env").write_text("KEY=1")
    item = {"kind": "mu-plugin", "name": "ours", "folder": str(tmp_path)}
    good(bench.deploy({"inception_wordpress_code": [item]}))
    assert "verify-mu" in bench.site.get("/").text
    assert ".env" not in bench.root("ls -A /home/wil/inception/srcs/requirements/wordpress/code/mu-plugins/ours")
    good(bench.deploy())
    assert "verify-mu" not in bench.site.get("/").text


def test_what_does_not_start_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    """Well where it is tried, it has come into the volume when it fails: what goes on has its own again, at once."""
    good(bench.deploy())
    # Of visitors, nobody is on the command line.
    ends = "<?php if (PHP_SAPI === 'cli' && strpos(WP_CONTENT_DIR, '/tmp') !== 0) { exit(1); }\n"
    (tmp_path / "ours.php").write_text(ends)
    item = {"kind": "mu-plugin", "name": "ours", "folder": str(tmp_path)}
    refused(bench, {"inception_wordpress_code": [item]}, "did not start beside the old one")
    assert php(bench, "echo 'begun';") == "begun"
    bench.settled()
