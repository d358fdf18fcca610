# SPDX-License-Identifier: GPL-3.0-or-later
"""On Debian's WordPress: what the site's owner does with its files and its look.

Not collected by itself, since another WordPress comes after it: test_archive.py looks for it.
"""

from __future__ import annotations

from tests.verify.support import Stack

CONTENT = "/var/www/html/wp-content"
THEME = "themes/twentytwentythree/readme.txt"
PLUGIN = """<?php
/* Plugin Name: Mine */
add_action('wp_footer', static function () { echo '<p id="mine">mine is at work</p>'; });
"""
# A menu as Debian 12's WordPress has one, a template of the owner's, a widget, an option and a post that comes later.
LOOK = """
    require "/var/www/html/wp-load.php";
    require_once ABSPATH . "wp-admin/includes/plugin.php";
    wp_set_current_user(1);
    $ids = ["navigation" => wp_insert_post(["post_type" => "wp_navigation", "post_status" => "publish",
        "post_title" => "Mine", "post_content" => '<!-- wp:navigation-link {"label":"Mine","url":"/mine"} /-->'])];
    $ids["template"] = wp_insert_post(["post_type" => "wp_template_part", "post_status" => "publish",
        "post_name" => "footer", "post_title" => "Footer", "tax_input" => ["wp_theme" => ["twentytwentythree"],
        "wp_template_part_area" => ["footer"]],
        "post_content" => '<!-- wp:paragraph --><p>The footer is mine</p><!-- /wp:paragraph -->']);
    $ids["later"] = wp_insert_post(["post_status" => "future", "post_title" => "Later",
        "post_date" => gmdate("Y-m-d H:i:s", time() + 86400 * 365)]);
    update_option("mine", ["a" => ["b" => "ünï 🦀"]]);
    echo json_encode([$ids, activate_plugin("mine/mine.php")]);
"""


def test_the_owner_makes_it_his(stack: Stack) -> None:
    """A theme edited, a plugin removed, one of his own; a footer, a menu, an option, a post to come."""
    stack.wait_healthy()
    prepare = f"""
        echo 'mine' >>{CONTENT}/{THEME}
        rm -r {CONTENT}/plugins/akismet
        mkdir {CONTENT}/plugins/mine && cat >{CONTENT}/plugins/mine/mine.php
    """
    container = stack.containers()["wordpress"]["Id"]
    stack.root("printf %%s %s | docker exec -i %s sh -euc %s", PLUGIN, container, prepare)
    said = stack.execute("wordpress", "php", "-r", LOOK)
    assert (said.rc, said.stdout.endswith(",null]")) == (0, True), said.stdout + said.stderr
