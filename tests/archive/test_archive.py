# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of Debian's WordPress after today's came from its makers' archive: what is new, and what stays the owner's."""

from __future__ import annotations

import json
import re

from tests.archive.before import CONTENT, THEME
from tests.verify.support import Site, Stack

READ = """
    require "/var/www/html/wp-load.php";
    global $wp_db_version;
    echo json_encode([
        "version" => wp_get_wp_version(),
        "database" => (int) get_option("db_version") === $wp_db_version,
        "theme" => get_stylesheet(),
        "block theme" => wp_is_block_theme(),
        "option" => get_option("mine"),
        "later" => get_posts(["post_status" => "future", "title" => "Later", "fields" => "ids"]) !== [],
        "cache" => wp_using_ext_object_cache(),
        "php" => PHP_VERSION,
    ]);
"""


def test_it_is_today_s_wordpress(stack: Stack) -> None:
    """Of the archive's version, with a database of its own, Debian 12's PHP, and Redis behind it."""
    said = stack.execute("wordpress", "php", "-r", READ)
    assert said.rc == 0, said.stderr
    found = json.loads(said.stdout)
    archive = stack.execute("wordpress", "cat", "/usr/src/wordpress/wp-includes/version.php").stdout
    assert [found["version"]] == re.findall(r"(?m)^\$wp_version = '(.+)';", archive)
    assert int(found["version"].split(".")[0]) >= 7
    assert found["php"].startswith("8.2.")
    assert {name: found[name] for name in ("database", "block theme", "later", "cache")} == dict.fromkeys(
        ("database", "block theme", "later", "cache"), True
    )
    assert (found["theme"], found["option"]) == ("twentytwentythree", {"a": {"b": "ünï 🦀"}})


def test_the_owner_s_files_stay(stack: Stack) -> None:
    """The edited theme is as he left it, the plugin that he removed is not there, and his own is at work."""
    look = f"tail -n 1 {CONTENT}/{THEME}; ls {CONTENT}/plugins {CONTENT}/themes"
    seen = stack.execute("wordpress", "sh", "-c", look).stdout.split()
    assert seen[0] == "mine"
    assert "akismet" not in seen
    # What is new with it comes.
    assert {"mine", "twentytwentyfive"} <= set(seen)
    log = stack.root("docker logs %s 2>&1", stack.containers()["wordpress"]["Id"])
    assert "wp-content/plugins/akismet was removed on the site: it stays so." in log
    assert "wp-content/themes/twentytwentythree was changed on the site: it stays so." in log


def test_visitors_see_the_owner_s_site(site: Site) -> None:
    """His footer and his plugin, on a page that comes from the cache the second time."""
    assert site.get("/").status == 200
    page = site.get("/")
    assert page.headers["X-Page-Cache"] == "HIT"
    assert "The footer is mine" in page.text
    assert "mine is at work" in page.text


def test_the_dashboard_wants_no_update_of_the_database(stack: Stack, site: Site) -> None:
    """Who signs in is in the dashboard at once, and nothing that WordPress has outgrown is left of its programs."""
    visitor = site.sign_in(stack.settings.admin_user, stack.secrets()["wp_admin_password.txt"])
    page = visitor.get("/wp-admin/")
    assert page.status == 200
    assert "Database Update Required" not in page.text
    old = """
        require "/var/www/html/wp-admin/includes/update-core.php";
        echo json_encode(array_values(array_filter($_old_files, static fn ($file) =>
            strpos($file, "wp-content/") !== 0 && file_exists("/var/www/html/$file"))));
    """
    assert stack.execute("wordpress", "php", "-r", old).stdout == "[]"
