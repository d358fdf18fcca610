# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of another host takes the place of the one here, and the way back; what is none is refused before."""

from __future__ import annotations

import base64
import itertools
import re
import shlex
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.faults.bench import Bench
from tests.verify.support import Site, Stack

PLACE = "/var/tmp/verify-import"
# As long as this site's own name, so that what PHP has serialised stays whole.
FORMER = "my-old.fr"
WORDS = 'Größe, 日本語 und 😀; it\'s \\ "so"'
FILL = """
    require "/var/www/html/wp-load.php";
    $folder = wp_upload_dir("2024/05")["path"];
    @mkdir($folder, 0755, true);
    file_put_contents("$folder/ä picture.png", $argv[2]);
    $link = home_url("/wp-content/uploads/2024/05/x.png");
    wp_insert_post(wp_slash(["post_title" => $argv[1], "post_name" => $argv[2], "post_status" => "publish",
        "post_content" => "$argv[1] <a href=\\"$link\\">$argv[2]</a>"]));
    update_option("verify_import", ["url" => home_url("/x/"), "deep" => serialize([home_url()])]);
"""
# As a site is that people have written for years, in three languages.
YEARS = r"""
    require "/var/www/html/wp-load.php";
    $texts = ["Größe und Maß, 😀 „genau so“", "日本語の記事です 🗾 100%_\\\\ "];
    $texts[] = "كتابة عربية 🕌 & 'quotes' \"too\"";
    $folder = wp_upload_dir("2023/07")["path"];
    @mkdir($folder, 0755, true);
    wp_defer_term_counting(true);
    wp_suspend_cache_invalidation(true);
    for ($number = 0; $number < 1000; $number++) {
        $picture = "bild ü " . $number % 500 . ".png";
        if ($number < 500) {
            $drawn = imagecreatetruecolor(60, 40);
            imagefill($drawn, 0, 0, $number * 33333);
            imagestring($drawn, 3, 2, 2, "$argv[1] $number", 0xFFFFFF - $number * 33333 % 0xFFFFFF);
            imagepng($drawn, "$folder/$picture");
        }
        $text = $texts[$number % 3];
        $address = wp_upload_dir("2023/07")["url"] . "/" . rawurlencode($picture);
        $content = "<p>$text <b>$number</b> <a href=\"" . home_url("/?p=$number") . "\">$text</a>"
            . " <img src=\"$address\" alt=\"" . esc_attr($text) . "\"></p>";
        wp_insert_post(wp_slash(["post_title" => "$text $number", "post_name" => "$argv[1]-$number",
            "post_status" => "publish", "post_content" => $content]));
    }
    wp_suspend_cache_invalidation(false);
    wp_defer_term_counting(false);
    wp_cache_flush();
"""


# The same site, as MySQL 8 of another host would say it, and as it must not be
FOREIGN = r"""
import gzip, re, sys
source, target, former, domain, kind = sys.argv[1:]
body = gzip.open(source, "rt", encoding="utf-8", newline="").read().split("\n", 1)[1]
body = body.replace(domain, former).replace("`wp_", "`blog_")
body = re.sub(r"'wp_(user_roles|capabilities|user_level)'", r"'blog_\1'", body)
body = re.sub(r"utf8mb4_unicode(_520)?_ci", "utf8mb4_0900_ai_ci", body)
body = re.sub(r"(CREATE TABLE `blog_links`.*?)ENGINE=InnoDB", r"\1ENGINE=MyISAM", body, flags=re.DOTALL)
head = "-- MySQL dump 10.13  Distrib 8.0.36\nSET @@GLOBAL.GTID_PURGED='1';\nCREATE DATABASE `old`;\nUSE `old`;\n"
view = "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n"
view += "/*!50001 VIEW `blog_titles` AS select `post_title` from `blog_posts` */;\n"
# Of MySQL 5.5: a key that has no room for letters of four bytes in this format.
old = "CREATE TABLE `blog_old` (\n `name` varchar(255) NOT NULL,\n KEY `name` (`name`)\n) ENGINE=InnoDB "
old += "DEFAULT CHARSET=utf8mb3 ROW_FORMAT=COMPACT;\n"
text = head + body.replace("-- Dump completed", old + view + "-- Dump completed")
ENDS = 'a:1:{i:0;s:17:"ending/ending.php";}'
text = {
    "old": lambda: text,
    "cut": lambda: text[: len(text) // 2],
    "newer": lambda: re.sub(r"'db_version','\d+'", "'db_version','99999'", text),
    "network": lambda: text.replace("-- Dump", "CREATE TABLE `blog_blogs` (\n `i` int\n);\n-- Dump"),
    "other": lambda: text.replace("`blog_options`", "`blog_choices`"),
    # Of WordPress 5.7, as its number says it.
    "older": lambda: re.sub(r"'db_version','\d+'", "'db_version','49752'", text),
    "ending": lambda: re.sub(r"'active_plugins','a:.*?\}'", f"'active_plugins','{ENDS}'", text),
}[kind]()
gzip.open(target, "wt", encoding="utf-8", newline="").write(text)
"""
# A plugin that works where the site is made, and ends WordPress where it is in its place: only there is an NGINX.
ENDING = r"""
import io, sys, tarfile
source, target = sys.argv[1:]
text = b"<?php\n/* Plugin Name: Ending */\nif (gethostbyname('nginx') !== 'nginx') { exit(1); }\n"
with tarfile.open(source) as old, tarfile.open(target, "w:gz") as new:
    for member in old:
        new.addfile(member, old.extractfile(member) if member.isfile() else None)
    top = old.getnames()[0].split("/")[0]
    added = tarfile.TarInfo(f"{top}/plugins/ending/ending.php" if top == "wp-content" else "plugins/ending/ending.php")
    added.size = len(text)
    new.addfile(added, io.BytesIO(text))
"""
SET = "SELECT character_set_name FROM information_schema.columns WHERE table_name = 'wp_old'"
ENGINES = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
REFUSED = {
    "cut": "it is cut off",
    "newer": "written by a newer WordPress",
    "network": "network of sites",
    "other": "no dump of a WordPress",
}


def bring(stack: Stack, kind: str, place: str = PLACE) -> str:
    """A dump on the machine; its path."""
    assert len(stack.settings.domain) == len(FORMER)
    path = f"{place}/{kind}.sql.gz"
    stack.root(
        "python3 -c %s %s %s %s %s %s", FOREIGN, f"{place}/site.sql.gz", path, FORMER, stack.settings.domain, kind
    )
    return path


def written(stack: Stack, site: Site, word: str) -> tuple[dict[str, str], list[str]]:
    """The title and the text of each post, as visitors have them, and the digests of the pictures."""
    posts: dict[str, str] = {}
    for page in itertools.count(1):
        answer = site.get(f"/wp-json/wp/v2/posts?per_page=100&page={page}&orderby=id&order=asc")
        if answer.status != 200:
            break
        for post in answer.json():
            if post["slug"].startswith(word):
                posts[post["slug"]] = f"{post['title']['rendered']}\n{post['content']['rendered']}"
    folder = "wp-content/uploads/2023/07"
    listed = stack.execute("wordpress", "sh", "-c", f"[ ! -e {folder} ] || sha256sum {folder}/*")
    return posts, listed.stdout.splitlines()


@pytest.fixture(scope="module")
def stack(bench: Bench) -> Stack:
    return bench.stack


@pytest.fixture(scope="module")
def site(bench: Bench) -> Site:
    return bench.site


@pytest.fixture(scope="module")
def token(stack: Stack) -> Iterator[str]:
    """A post and a picture of the site, which is exported then; yields what they are known by."""
    made = uuid.uuid4().hex
    result = stack.execute("wordpress", "php", "-r", FILL, "--", WORDS, made)
    assert result.rc == 0, result.stderr
    stack.root("rm -rf %s && mkdir -m 700 %s && inception export-site %s", PLACE, PLACE, PLACE)
    yield made
    stack.root("rm -r %s", PLACE)


@pytest.mark.parametrize(("kind", "why"), REFUSED.items())
def test_what_is_no_site_is_refused_and_changes_nothing(stack: Stack, token: str, kind: str, why: str) -> None:
    """Before anything is stopped."""
    before = {name: one["Id"] for name, one in stack.containers().items()}
    refused = stack.host.run(f"inception import {bring(stack, kind)}")
    assert refused.rc == 1
    assert why in refused.stderr
    assert {name: one["Id"] for name, one in stack.containers().items()} == before
    assert ".restore" not in stack.root("ls -A %s", stack.settings.data).split()


def test_a_site_of_another_host_and_the_way_back(stack: Stack, site: Site, token: str) -> None:
    """Its texts, its pictures and its addresses, in place of what was here; and what was here when it is asked for."""
    path = bring(stack, "old")
    stack.root("inception db -e %s", f"DELETE FROM wp_posts WHERE post_name = '{token}'")
    stack.execute("wordpress", "rm", "-rf", "wp-content/uploads/2024")
    assert site.get(f"/{token}/").status == 404
    said = stack.root("inception import %s --files %s", path, f"{PLACE}/wp-content.tar.gz")
    assert f"which was https://{FORMER}" in said
    # A view of tables that have another name by now would end every backup.
    assert "the view blog_titles, which is of tables that are not there, was not brought" in said
    page = site.get(f"/{token}/")
    assert page.status == 200
    assert "Größe, 日本語 und 😀" in page.text
    assert FORMER not in page.text
    picture = shlex.quote("wp-content/uploads/2024/05/ä picture.png")
    assert stack.execute("wordpress", "sh", "-c", f"cat {picture}").stdout == token
    left = f"SELECT COUNT(*) FROM wp_options WHERE option_value LIKE '%{FORMER}%'"
    assert stack.sql(left) == [["0"]]
    assert stack.sql(ENGINES) == [["InnoDB"]]
    assert stack.sql(SET) == [["utf8mb4"]]
    stack.root("inception import --undo")
    assert site.get(f"/{token}/").status == 404
    stack.root("inception import --forget")
    assert not [name for name in stack.root("ls -A %s", stack.settings.data).split() if name.startswith(".")]


def test_a_whole_site_page_by_page(stack: Stack, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand posts in three languages with emoji and five hundred pictures: each text and each picture is equal."""
    place, word = f"{PLACE}-whole", f"w{uuid.uuid4().hex[:8]}"
    filled = stack.execute("wordpress", "php", "-r", YEARS, "--", word)
    assert filled.rc == 0, filled.stderr
    before = posts, pictures = written(stack, site, word)
    assert (len(posts), len(pictures)) == (1000, 500)
    stack.root("mkdir -m 700 %s && inception export-site %s", place, place)
    stack.root("inception db -e %s", f"DELETE FROM wp_posts WHERE post_name LIKE '{word}%'")
    stack.execute("wordpress", "rm", "-rf", "wp-content/uploads/2023")
    assert written(stack, site, word) == ({}, [])
    began = time.monotonic()
    stack.root("inception import %s --files %s", bring(stack, "old", place), f"{place}/wp-content.tar.gz")
    with capsys.disabled():
        print(f"imported in {time.monotonic() - began:.0f} s")
    after = written(stack, site, word)
    assert after[0] == before[0]
    assert after[1] == before[1]
    for slug, text in list(posts.items())[::50]:
        page = site.get(f"/{slug}/")
        assert page.status == 200
        assert FORMER not in page.text
        [picture] = re.findall(r'src="https://[^/]+(/[^"]+)"', text)
        assert site.get(picture).status == 200
    stack.root("inception import --undo")
    assert written(stack, site, word) == ({}, [])
    stack.root("inception import --forget; rm -r %s", place)


def test_a_site_of_an_older_wordpress(stack: Stack, site: Site, token: str) -> None:
    """Its database is brought up to the files that are here, as the dashboard would."""
    current = stack.sql("SELECT option_value FROM wp_options WHERE option_name = 'db_version'")
    stack.root("inception import %s", bring(stack, "older"))
    assert stack.sql("SELECT option_value FROM wp_options WHERE option_name = 'db_version'") == current
    assert site.get("/").status == 200
    stack.root("inception import --undo")
    stack.root("inception import --forget")


def test_one_that_does_not_start_in_its_place_gives_way(stack: Stack, site: Site, token: str) -> None:
    """Beside, all was well: the former site is there again by itself, with what was written into it."""
    made = uuid.uuid4().hex
    assert stack.execute("wordpress", "php", "-r", FILL, "--", WORDS, made).rc == 0
    stack.root("python3 -c %s %s %s", ENDING, f"{PLACE}/wp-content.tar.gz", f"{PLACE}/ending.tar.gz")
    done = stack.host.run(f"inception import {bring(stack, 'ending')} --files {PLACE}/ending.tar.gz")
    assert done.rc == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert site.get(f"/{made}/").status == 200
    assert stack.execute("wordpress", "sh", "-c", "ls wp-content/plugins").stdout.split().count("ending") == 0
    assert stack.healthy()


def test_through_a_login_with_sudo(bench: Bench, stack: Stack, site: Site, token: str) -> None:
    """Whose own files nobody needs to read, and which reads none of the site's."""
    key = stack.root("cat /root/.ssh/authorized_keys").strip()
    stack.root("id op 2>/dev/null || useradd --create-home op")
    stack.root("install -d -m 700 -o op /home/op/.ssh && echo %s >/home/op/.ssh/authorized_keys", key)
    stack.root("chown op /home/op/.ssh/authorized_keys && echo 'op ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/op")
    # Both have one name, in two folders.
    brought, files = bench.folder / "database/old.gz", bench.folder / "files/old.gz"
    for place, path in ((brought, bring(stack, "old")), (files, f"{PLACE}/wp-content.tar.gz")):
        place.parent.mkdir()
        place.write_bytes(base64.b64decode(stack.root("base64 %s", path)))
    wanted = {"ansible_user": "op", "import_site": str(brought), "import_files": str(files)}
    done = bench.finish(bench.start(wanted, playbook="playbooks/import.yml"))
    assert done.status == 0, done.output[-3000:]
    assert f"which was https://{FORMER}" in done.output
    assert site.get(f"/{token}/").status == 200
    undone = bench.finish(bench.start({"ansible_user": "op", "import_undo": "yes"}, playbook="playbooks/import.yml"))
    assert undone.status == 0, undone.output[-3000:]
    assert not [name for name in stack.root("ls -A /var/lib/fortytwo.inception").split() if name.startswith("import.")]
    stack.root("inception import --forget; rm /etc/sudoers.d/op; userdel --force --remove op")
