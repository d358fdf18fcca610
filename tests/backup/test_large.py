# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of 2,000 posts and 2 GB of pictures, backed up while visitors look, and restored where nothing is left of it.

A part of `make test-backup-long`; it takes 9 GB of the disk.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import pytest

from tests.backup.test_backup import DATA, KEY, different, newest, whole
from tests.faults.bench import Bench
from tests.rotation.load import Tally
from tests.upgrade.notes import rows
from tests.verify.support import Stack

pytestmark = pytest.mark.long

PLACE = {"inception_backup_place": "/srv/large"}
POSTS, KIND = 2000, "large"
# Pictures that no program makes smaller, each on the list of the site's media and in a post.
FILL = """
    require "/var/www/html/wp-load.php";
    $folder = wp_upload_dir("2025/03")["path"];
    $address = wp_upload_dir("2025/03")["url"];
    @mkdir($folder, 0755, true);
    // Its clock would go on for minutes to look into each post for what to ping.
    remove_action("publish_post", "_publish_post_hook", 5);
    wp_defer_term_counting(true);
    wp_suspend_cache_invalidation(true);
    for ($number = (int) $argv[1]; $number < (int) $argv[2]; $number++) {
        file_put_contents("$folder/$number.jpg", "\\xff\\xd8\\xff\\xe0" . random_bytes(1 << 20));
        $post = ["post_title" => "large $number", "post_status" => "publish", "post_content" => str_repeat(
            "<p>Words of number $number. </p>", 40) . "<img src=\\"$address/$number.jpg\\">"];
        $made = wp_insert_post($post);
        $picture = ["post_mime_type" => "image/jpeg", "post_title" => "$number", "post_status" => "inherit"];
        wp_insert_attachment($picture, "$folder/$number.jpg", $made);
    }
    wp_suspend_cache_invalidation(false);
    wp_defer_term_counting(false);
    wp_cache_flush();
"""
# One in a hundred: another picture under the same name, and other words.
CHANGE = """
    require "/var/www/html/wp-load.php";
    remove_action("publish_post", "_publish_post_hook", 5);
    foreach (get_posts(["numberposts" => 20, "post_type" => "post", "s" => "large"]) as $post) {
        wp_update_post(["ID" => $post->ID, "post_content" => $post->post_content . "<p>Changed.</p>"]);
    }
    foreach (array_slice(glob(wp_upload_dir("2025/03")["path"] . "/*.jpg"), 0, 20) as $file) {
        file_put_contents($file, "\\xff\\xd8\\xff\\xe0" . random_bytes(1 << 20));
    }
"""
# What it took, with those of its processes; what the database's container does for it is not in it.
TIMED = """
import json, resource, subprocess, sys, time
began = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
# Of what no visitor writes.
CHECKSUMS = "CHECKSUM TABLE wp_postmeta, wp_terms, wp_term_taxonomy, wp_term_relationships, wp_termmeta, wp_links"


@dataclass
class Took:
    """Of one command on the machine."""

    seconds: float
    processor: float
    mebibytes: float

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s, {self.processor:.0f} s of the processors, {self.mebibytes:.0f} MiB of memory"


def took(stack: Stack, *command: str) -> Took:
    status, *figures = json.loads(stack.root("python3 -c %s" + " %s" * len(command), TIMED, *command))
    assert status == 0
    return Took(*figures)


def stored(bench: Bench) -> int:
    return int(bench.root("du --summarize --bytes /srv/large").split()[0]) >> 20


def comments(stack: Stack) -> list[list[str]]:
    return rows(stack)["comments"]


def run_php(stack: Stack, code: str, *words: str) -> None:
    done = stack.execute("wordpress", "php", "-d", "memory_limit=512M", "-r", code, "--", *words)
    assert done.rc == 0, done.stdout + done.stderr


def told(what: str, figures: Took, megabytes: int, tally: Tally) -> str:
    return f"{what}: {figures}; {megabytes} MiB more in the place; visitors: {'; '.join(tally.lines()[:2])}"


def test_a_large_site_under_load_and_on_a_machine_that_has_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = bench.stack
    bench.root("mkdir -p -m 0700 /srv/large")
    done = bench.deploy(PLACE)
    assert done.status == 0, done.output[-3000:]
    bench.root("systemctl stop inception-backup.timer")
    began, lines = time.monotonic(), []
    for first in range(0, POSTS, 500):
        run_php(stack, FILL, str(first), str(first + 500))
    lines.append(f"{POSTS} posts with pictures made in {time.monotonic() - began:.0f} s")
    began_with = stored(bench)
    with bench.visitors() as tally:
        figures = took(stack, "inception", "backup")
    lines.append(told("the first backup with all of it", figures, stored(bench) - began_with, tally))

    run_php(stack, CHANGE)
    before, had = comments(stack), stored(bench)
    with bench.visitors() as tally:
        figures = took(stack, "inception", "backup")
    lines.append(told("the second one, after 1 % had changed", figures, stored(bench) - had, tally))
    wanted, kept, sums, after = newest(bench), whole(bench), stack.sql(CHECKSUMS), comments(stack)
    assert len(after) > len(before), "nobody wrote meanwhile"
    assert sum(name.startswith("./wp-content/uploads/2025/03/") for name in kept) == POSTS

    key = bench.root(f"cat {KEY}")
    gone = bench.finish(
        bench.start({"inception_yes": True, "remove_without_backup": "yes"}, playbook="playbooks/remove.yml")
    )
    assert gone.status == 0, gone.output[-3000:]
    bench.root("rm -r /etc/fortytwo.inception; [ ! -e /home/wil/data/wordpress ] && [ ! -e /home/wil/inception ]")
    new = bench.deploy(PLACE)
    assert new.status == 0, new.output[-3000:]
    bench.root("systemctl stop inception-backup.timer")
    assert different(kept, whole(bench)) != []
    bench.host.ansible("ansible.builtin.copy", f"dest={KEY} mode=0400 content={json.dumps(key)}", check=False)
    figures = took(stack, "inception", "restore", wanted, "--adopt", "--without-backup")
    lines.append(f"restored where nothing was left: {figures}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    # Visitors wrote meanwhile: what they had written before is there, and nothing that they had not written.
    assert set(different(kept, whole(bench))) <= {"table comments"}
    assert stack.sql(CHECKSUMS) == sums
    there = comments(stack)
    assert [one for one in before if one not in there] == []
    assert [one for one in there if one not in after] == []
    assert "large 1" in bench.site.own().get("/?s=large").text
    assert not bench.unwell()
    bench.root("inception trial")
    bench.root(f"rm -r /srv/large {DATA}/wordpress/wp-content/uploads/2025/03")
