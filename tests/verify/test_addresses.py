# SPDX-License-Identifier: GPL-3.0-or-later
"""After a change of its domain or port, no former address of the site is left, and nothing else was touched."""

from __future__ import annotations

import json

import pytest

from tests.verify.support import Site, Stack

# What somebody wrote while the site had the address https://former.example:8443; {} is what the site has now.
VALUES = [
    ('<a href="https://former.example:8443/page/">', '<a href="https://{}/page/">'),
    ("https://former.example:8443", "https://{}"),
    ("https://former.example/without-a-port", "https://{}/without-a-port"),
    ("http://former.example/without-tls", "https://{}/without-tls"),
    ("//former.example:8443/without-a-scheme", "//{}/without-a-scheme"),
    ("Look at https://former.example:8443. Or https://FORMER.example, or (https://former.example:443)", None),
    ('{"url":"https:\\/\\/former.example:8443\\/json"}', '{{"url":"https:\\/\\/{}\\/json"}}'),
    ("https://share.example/?u=https%3A%2F%2Fformer.example%2Fx", "https://share.example/?u=https%3A%2F%2F{}%2Fx"),
    ("https://former.example:8443?x#y", "https://{}?x#y"),
    # Not the site's.
    ("ftp://former.example/x", "ftp://former.example/x"),
    ("https://former.example:9000/another-service", "https://former.example:9000/another-service"),
    ("https://former.example:84430/", "https://former.example:84430/"),
    ("https://former.example.org/", "https://former.example.org/"),
    ("https://www.former.example/", "https://www.former.example/"),
    ("https://former.example-shop.com/", "https://former.example-shop.com/"),
    ("somebody@former.example", "somebody@former.example"),
    ("former.example is our name", "former.example is our name"),
    ("https://else.example/former.example", "https://else.example/former.example"),
]
SENTENCE = "Look at https://{}. Or https://{}, or (https://{})"

# Each value in each place where it may stand; serialised ones in an array, in an object, and twice.
MAKE = """
    require "/var/www/html/wp-load.php";
    $values = json_decode($argv[1], true);
    $wpdb->query("CREATE TABLE {$wpdb->prefix}verify (id INT PRIMARY KEY, word TEXT)");
    foreach ($values as $id => $value) {
        $wpdb->insert("{$wpdb->prefix}verify", ["id" => $id, "word" => $value]);
    }
    $object = new stdClass();
    $object->ä = $values;
    $all = ["array" => $values, "object" => $object, "twice" => serialize([serialize($values)]), "number" => 8443];
    update_option("verify_all", $all);
    // WordPress's own function would take backslashes away.
    $field = ["post_id" => 1, "meta_key" => "verify_all", "meta_value" => serialize($all)];
    $wpdb->insert($wpdb->postmeta, $field);
    $post = ["post_title" => "verify", "post_type" => "verify", "post_status" => "draft"];
    foreach (["post_content", "post_excerpt"] as $field) {
        $post[$field] = implode("\\n", $values);
    }
    $wpdb->insert($wpdb->posts, $post + ["guid" => "https://former.example:8443/?p=1"]);
    foreach (["home", "siteurl"] as $name) {
        $wpdb->update($wpdb->options, ["option_value" => "https://former.example:8443"], ["option_name" => $name]);
    }
"""
LOOK = """
    require "/var/www/html/wp-load.php";
    $post = $wpdb->get_row("SELECT * FROM $wpdb->posts WHERE post_type = 'verify'");
    $found = ["table" => $wpdb->get_col("SELECT word FROM {$wpdb->prefix}verify ORDER BY id")];
    foreach (["content", "excerpt"] as $field) {
        $found[$field] = explode("\\n", $post->{"post_$field"});
    }
    $places = ["option" => get_option("verify_all"), "field" => get_post_meta(1, "verify_all", true)];
    foreach ($places as $where => $all) {
        $found["$where, array"] = $all["array"];
        $found["$where, object"] = $all["object"]->ä;
        $found["$where, twice"] = unserialize(unserialize($all["twice"])[0]);
    }
    $home = $wpdb->get_var("SELECT option_value FROM $wpdb->options WHERE option_name = 'home'");
    echo json_encode(["found" => $found, "guid" => $post->guid, "home" => $home]);
"""
REMOVE = """
    require "/var/www/html/wp-load.php";
    $wpdb->query("DROP TABLE IF EXISTS {$wpdb->prefix}verify");
    $wpdb->delete($wpdb->posts, ["post_type" => "verify"]);
    delete_option("verify_all");
    delete_post_meta(1, "verify_all");
"""


def php(stack: Stack, code: str, *arguments: str) -> str:
    result = stack.execute("wordpress", "php", "-r", code, "--", *arguments)
    assert result.rc == 0, result.stdout + result.stderr
    return str(result.stdout)


def test_no_former_address_is_left(stack: Stack, site: Site) -> None:
    """In no table, no option and no field, however it is written; and the log says how many values were changed."""
    settings = stack.settings
    now = settings.url(settings.https_port).removeprefix("https://")
    expected = [(SENTENCE if after is None else after).format(now, now, now) for _, after in VALUES]
    try:
        php(stack, MAKE, json.dumps([before for before, _ in VALUES]))
        since = stack.root("date +%s").strip()
        stack.compose("restart wordpress")
        stack.wait_healthy()
        site.wait_answers()
        seen = json.loads(php(stack, LOOK))
        assert len(seen["found"]) == 9
        for where, values in seen["found"].items():
            assert values == expected, where
        assert seen["home"] == f"https://{now}"
        assert seen["guid"] == "https://former.example:8443/?p=1"
        log = stack.root("docker logs --since %s %s 2>&1", since, stack.containers()["wordpress"]["Id"])
        changed = sum(before != after for (before, _), after in zip(VALUES, expected, strict=True))
        # Each value of the table, the post's two fields, the option, the custom field.
        assert f"it was https://former.example:8443); {changed + 4} values that had the former one were changed" in log
    finally:
        php(stack, REMOVE)


@pytest.mark.parametrize(
    ("former", "new", "before", "after"),
    [
        ("https://a.example", "https://a.example:8443", "https://a.example/x", "https://a.example:8443/x"),
        ("https://a.example", "https://a.example:8443", "https://a.example:8443/x", "https://a.example:8443/x"),
        ("https://a.example:8443", "https://a.example", "https://a.example:8443/x", "https://a.example/x"),
        ("https://a.example:8443", "https://a.example:9443", "//a.example", "//a.example:9443"),
        ("http://a.example", "https://b.example", "u=http%3A%2F%2Fa.example%3A80%2F", "u=https%3A%2F%2Fb.example%2F"),
        (
            "https://a.example",
            "https://b.a.example",
            "https://b.a.example https://a.example",
            "https://b.a.example " * 2,
        ),
        ("https://a.example", "https://b.example", 's:99:"https://a.example";', 's:99:"https://a.example";'),
        ("https://a.example", "https://b.example", 'C:1:"X":21:{s:17:"//a.example/x_____"}', None),
        ("https://a.example", "https://b.example", 's:18:"s:11:"https://a.ex";', None),
    ],
)
def test_a_change_of_each_kind(stack: Stack, former: str, new: str, before: str, after: str | None) -> None:
    """Done twice it is the same as done once; what cannot be read stays."""
    code = """
        require "/var/www/html/wp-load.php";
        require "/usr/local/lib/inception/addresses.php";
        $addresses = new Addresses($argv[1], $argv[2]);
        echo json_encode([$addresses->in($argv[3]), $addresses->in($addresses->in($argv[3]))]);
    """
    expected = before if after is None else after.strip()
    assert json.loads(php(stack, code, former, new, before)) == [expected, expected]
