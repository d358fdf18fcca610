# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's addresses: after a change no former one is left; what is written through another port does not keep it."""

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
        $addresses = new Inception_Addresses($argv[1], $argv[2]);
        echo json_encode([$addresses->in($argv[3]), $addresses->in($addresses->in($argv[3]))]);
    """
    expected = before if after is None else after.strip()
    assert json.loads(php(stack, code, former, new, before)) == [expected, expected]


# A visit of the administrator's at $argv[1]; $argv[2] is where the site is.
VISIT = """
    $_SERVER["HTTP_HOST"] = $argv[1];
    $_SERVER["HTTPS"] = "on";
    $_SERVER["REQUEST_METHOD"] = "POST";
    require "/var/www/html/wp-load.php";
    wp_set_current_user(1);
    $at = $argv[1];
    $link = "<a href=\\"https://$at/x\\">https://$at/</a> <a href='https://$at:1/'>1</a> <code>&lt;a href=\\"https://$at\\"&gt;</code>"
        . "<!-- wp:image {\\"url\\":\\"https://$at/x.png\\"} --><style>b{background:url(//$at/b.png)}</style><a href=https://{$argv[2]}:9000/>9000</a>";
"""
# Each way of an editor's, and what the database has of it then.
WAYS = {
    "a post": """
        $answer = new WP_REST_Request("POST", "/wp/v2/posts");
        $answer->set_body_params(["title" => "verify", "content" => $link, "excerpt" => $link, "status" => "draft"]);
        $id = rest_do_request($answer)->data["id"];
        $kept = $wpdb->get_var("SELECT CONCAT(post_content, post_excerpt) FROM $wpdb->posts WHERE ID = $id");
        wp_delete_post($id, true);
    """,
    "a template part": """
        $answer = new WP_REST_Request("POST", "/wp/v2/template-parts/" . get_stylesheet() . "//header");
        $answer->set_body_params(["content" => $link]);
        $id = rest_do_request($answer)->data["wp_id"];
        $kept = $wpdb->get_var("SELECT post_content FROM $wpdb->posts WHERE ID = $id");
        wp_delete_post($id, true);
    """,
    "the menu of a block": """
        $answer = new WP_REST_Request("POST", "/wp/v2/navigation");
        $link = "<!-- wp:navigation-link {\\"label\\":\\"x\\",\\"url\\":\\"https://$at/x\\"} /-->";
        $answer->set_body_params(["title" => "verify", "content" => $link, "status" => "draft"]);
        $id = rest_do_request($answer)->data["id"];
        $kept = $wpdb->get_var("SELECT post_content FROM $wpdb->posts WHERE ID = $id");
        wp_delete_post($id, true);
    """,
    "a menu": """
        $menu = wp_create_nav_menu("verify");
        $item = ["menu-item-title" => "x", "menu-item-url" => "https://$at/x", "menu-item-status" => "publish"];
        $id = wp_update_nav_menu_item($menu, 0, $item);
        $where = "post_id = $id AND meta_key = '_menu_item_url'";
        $kept = $wpdb->get_var("SELECT meta_value FROM $wpdb->postmeta WHERE $where");
        wp_delete_nav_menu($menu);
    """,
    "a widget": """
        update_option("verify_widget", [2 => ["content" => $link], "url" => "https://$at/x"]);
        $kept = $wpdb->get_var("SELECT option_value FROM $wpdb->options WHERE option_name = 'verify_widget'");
        delete_option("verify_widget");
    """,
    "a builder's field": """
        update_post_meta(1, "verify_builder", wp_slash(json_encode(["html" => $link, "url" => "https://$at/x"])));
        $kept = $wpdb->get_var("SELECT meta_value FROM $wpdb->postmeta WHERE meta_key = 'verify_builder'");
        delete_post_meta(1, "verify_builder");
    """,
    "a comment": """
        $new = ["comment_post_ID" => 1, "comment_content" => wp_slash($link), "user_id" => 1];
        $new += ["comment_author" => "verify", "comment_author_email" => "", "comment_author_url" => "https://$at/"];
        $id = wp_new_comment($new);
        $both = "CONCAT(comment_content, comment_author_url)";
        $kept = $wpdb->get_var("SELECT $both FROM $wpdb->comments WHERE comment_ID = $id");
        wp_delete_comment($id, true);
    """,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_through_a_forwarded_port_does_not_keep_it(stack: Stack, way: str) -> None:
    """Addresses are kept as the site's own; text and code, another port, and what a block's text shows stay."""
    settings = stack.settings
    own = settings.url(settings.https_port).removeprefix("https://")
    at = f"{settings.domain}:4242"
    kept = php(stack, f"{VISIT}{WAYS[way]} echo $kept;", at, settings.domain).replace("\\/", "/")
    assert f'"https://{own}/x' in kept or kept == f"https://{own}/x"
    left = kept.replace(f">https://{at}/<", "").replace(f'&lt;a href="https://{at}"&gt;', "").replace(f"{at}:1/", "")
    assert at not in left
    if "9000" in kept:
        assert f"{settings.domain}:9000/" in kept


def test_a_page_through_a_forwarded_port(stack: Stack, site: Site) -> None:
    """Its links have the visitor's port; text, code, and the link to another port are as they were written."""
    settings = stack.settings
    own = settings.url(settings.https_port)
    other = f"https://{settings.domain}:9000/"
    words = f'<a href="{own}/x">{own}/</a> <a href="{other}">9000</a> <code>&lt;a href="{own}"&gt;</code>'
    visitor = site.sign_in(settings.admin_user, stack.secrets()["wp_admin_password.txt"])
    nonce = {"X-WP-Nonce": visitor.get("/wp-admin/admin-ajax.php?action=rest-nonce").text}

    def ask(method: str, path: str, **body: str) -> dict[str, dict[str, str]]:
        headers = nonce | {"Content-Type": "application/json"}
        answer: dict[str, dict[str, str]] = visitor.request(method, path, json.dumps(body), headers).json()
        return answer

    page = ask("POST", "/wp-json/wp/v2/pages", title="verify", content=words, status="publish")
    try:
        shown = site.get(f"/?page_id={page['id']}")
        shown = site.get(shown.location.removeprefix(site.url)) if shown.location else shown
        expected = words.replace(f'<a href="{own}/x', f'<a href="{site.url}/x')
        for text in (shown.text, page["content"]["raw"]):
            assert expected in text
        assert stack.sql(f"SELECT post_content FROM wp_posts WHERE ID = {page['id']}") == [[words]]
    finally:
        ask("DELETE", f"/wp-json/wp/v2/pages/{page['id']}?force=true")


FOLDER = """
    function is_serialized($value) { return str_starts_with($value, "s:"); }
    require "/usr/local/lib/inception/addresses.php";
    $addresses = new Inception_Addresses("https://old.example/a/blog/", "https://new.example:8443");
    echo json_encode(array_map([$addresses, "in"], json_decode($argv[1])), JSON_UNESCAPED_SLASHES);
"""
IN_A_FOLDER = {
    "https://old.example/a/blog/x.png": "https://new.example:8443/x.png",
    "http://old.example:80/a/blog": "https://new.example:8443",
    "//old.example/a/blog?x": "//new.example:8443?x",
    "https:\\/\\/old.example\\/a\\/blog\\/x": "https:\\/\\/new.example:8443\\/x",
    "?u=https%3A%2F%2Fold.example%2Fa%2Fblog%2F": "?u=https%3A%2F%2Fnew.example%3A8443%2F",
    's:27:"https://old.example/a/blog/";': 's:25:"https://new.example:8443/";',
    # Somebody else's.
    "https://old.example/": "https://old.example/",
    "https://old.example/a/blogs/": "https://old.example/a/blogs/",
    "https://old.example/a/blog.html": "https://old.example/a/blog.html",
}


def test_of_a_site_in_a_folder_only_that_is_moved(stack: Stack) -> None:
    """What else has the former name is another site's."""
    result = stack.execute("wordpress", "php", "-r", FOLDER, "--", json.dumps(list(IN_A_FOLDER)))
    assert result.rc == 0, result.stderr
    assert json.loads(result.stdout) == list(IN_A_FOLDER.values())
