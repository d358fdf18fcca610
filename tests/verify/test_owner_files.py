# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner changed or removed in wp-content stays so; WordPress's own files go upward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.verify.support import Site, Stack

SITE = "/var/www/html"
# A package with a theme, a plugin of a folder and one of a file, and files of WordPress's own.
PACKAGE = """
    rm -rf {root}/source {root}/source.release
    mkdir {root}/source
    cd {root}/source
    mkdir -p wp-includes wp-admin/includes wp-content/themes/a wp-content/plugins/p/inc
    printf '<?php $wp_version = "%s"; $wp_db_version = %s;' {version} {number} >wp-includes/version.php
    printf '<?php global $_old_files; $_old_files = ["wp-includes/old.php", "wp-content/themes/mine/x"];' \
        >wp-admin/includes/update-core.php
    for file in index.php wp-content/index.php wp-content/themes/a/style.css wp-content/plugins/p/p.php \
        wp-content/plugins/p/inc/x.php wp-content/plugins/hello.php; do
        echo {version} >$file
    done
    echo {version} >{root}/source.release
"""


@dataclass(frozen=True)
class Volume:
    """A volume and packages that are brought into it, in a folder of the container's."""

    stack: Stack
    root: str = "/tmp/verify-files"

    def run(self, script: str) -> str:
        result = self.stack.execute("wordpress", "sh", "-euc", script)
        assert result.rc == 0, result.stdout + result.stderr
        return str(result.stdout)

    def bring(self, version: str, number: int = 1, database: int = 0, more: str = "") -> tuple[int, str]:
        """The exit code, and what was said."""
        package = PACKAGE.format(root=self.root, version=version, number=number) + more
        program = f"exec php /usr/local/lib/inception/files.php {self.root}/source {self.root}/site {database}"
        result = self.stack.execute("wordpress", "sh", "-euc", f"{package}\n{program}")
        return result.rc, result.stdout + result.stderr

    def change(self, script: str) -> None:
        self.run(f"cd {self.root}/site; {script}")

    def files(self) -> dict[str, str]:
        """What each has in it: the version that brought it, or what the owner wrote."""
        script = f'cd {self.root}/site && find . -type f ! -name ".*" ! -path "./wp-admin/*" -exec grep -H "" {{}} +'
        lines = self.run(script).splitlines()
        return {line.split(":", 1)[0].removeprefix("./"): line.split(":", 1)[1] for line in lines}


@pytest.fixture
def volume(stack: Stack) -> Iterator[Volume]:
    volume = Volume(stack)
    volume.run(f"rm -rf {volume.root}; mkdir -p {volume.root}/site")
    assert volume.bring("1.0") == (0, "Copying WordPress 1.0 into the volume.\n")
    yield volume
    volume.run(f"rm -rf {volume.root}")


CONTENT = ["index.php", "plugins/hello.php", "plugins/p/inc/x.php", "plugins/p/p.php", "themes/a/style.css"]


def content(volume: Volume) -> dict[str, str]:
    start = "wp-content/"
    return {name.removeprefix(start): text for name, text in volume.files().items() if name.startswith(start)}


def test_what_is_as_it_was_brought_is_renewed(volume: Volume) -> None:
    """Once, with one line of the log; the second start copies nothing."""
    assert content(volume) == dict.fromkeys(CONTENT, "1.0")
    rc, said = volume.bring("2.0")
    assert (rc, said) == (0, "Copying WordPress 2.0 into the volume.\n")
    assert content(volume) == dict.fromkeys(CONTENT, "2.0")
    assert volume.bring("2.0") == (0, "")


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("rm -r wp-content/plugins/p", {"plugins/p/p.php": None, "plugins/p/inc/x.php": None}),
        ("rm wp-content/plugins/hello.php", {"plugins/hello.php": None}),
        ("rm -r wp-content/themes/a", {"themes/a/style.css": None}),
        ("echo 9.9 >wp-content/themes/a/style.css", {"themes/a/style.css": "9.9"}),
        ("rm wp-content/plugins/p/inc/x.php", {"plugins/p/inc/x.php": None, "plugins/p/p.php": "1.0"}),
        (
            "echo more >wp-content/plugins/p/more.php",
            {"plugins/p/more.php": "more", "plugins/p/p.php": "1.0", "plugins/p/inc/x.php": "1.0"},
        ),
        ("echo mine >wp-content/index.php", {"index.php": "mine"}),
        (
            "rm -r wp-content/plugins; ln -s /nowhere wp-content/plugins",
            {name: None for name in CONTENT if "plug" in name},
        ),
        ("mkdir wp-content/themes/mine; echo x >wp-content/themes/mine/x", {"themes/mine/x": "x"}),
    ],
)
def test_what_the_owner_did_stays(volume: Volume, change: str, left: dict[str, str | None]) -> None:
    """Through two newer releases; all the rest is renewed."""
    volume.change(change)
    for version in ("2.0", "3.0"):
        rc, said = volume.bring(version)
        assert rc == 0, said
        expected = dict.fromkeys(CONTENT, version) | left
        assert content(volume) == {name: text for name, text in expected.items() if text is not None}


def test_what_is_new_in_a_package_comes(volume: Volume) -> None:
    """But not in the place of the owner's; and what he removes of it stays away."""
    volume.change("mkdir wp-content/themes/c; echo mine >wp-content/themes/c/style.css")
    more = "cd wp-content/themes; mkdir b c; echo new | tee b/x >c/style.css"
    volume.bring("2.0", more=more)
    found = content(volume)
    assert (found["themes/b/x"], found["themes/c/style.css"]) == ("new", "mine")
    volume.change("rm -r wp-content/themes/b")
    volume.bring("3.0", more=more)
    assert "themes/b/x" not in content(volume)


def test_a_volume_of_a_former_release_of_ours(volume: Volume) -> None:
    """Which did not note what it brought: what is there stays, what is not there was removed."""
    volume.change("rm -r .brought wp-content/plugins/p; echo 9.9 >wp-content/themes/a/style.css")
    volume.bring("2.0")
    assert content(volume) == {"index.php": "1.0", "plugins/hello.php": "1.0", "themes/a/style.css": "9.9"}
    # With the same package, what is as it came is known again.
    volume.change("rm .brought")
    volume.run(f"cp {volume.root}/source/wp-content/plugins/hello.php {volume.root}/site/wp-content/plugins/")
    volume.bring("2.0")
    volume.bring("3.0")
    assert content(volume) == {"index.php": "1.0", "plugins/hello.php": "3.0", "themes/a/style.css": "9.9"}


def test_a_copy_that_was_cut_off_is_made_again(volume: Volume) -> None:
    """Whatever of it was there already."""
    volume.change(
        "rm .release; rm -r wp-content/themes/a; mkdir -p wp-content/themes/.a.new; echo half >wp-includes/version.php"
    )
    rc, said = volume.bring("1.0")
    assert rc == 0, said
    assert volume.files()["wp-includes/version.php"].startswith("<?php $wp_version")


def test_its_own_files_go_upward(volume: Volume) -> None:
    """What it has no more goes, unless it is in wp-content; an older one changes nothing."""
    volume.change(
        "echo old >wp-includes/old.php; echo mine >robots.txt; cd wp-content/themes; mkdir mine; echo x >mine/x"
    )
    volume.bring("2.0")
    found = volume.files()
    assert (found["index.php"], found["robots.txt"], found["wp-content/themes/mine/x"]) == ("2.0", "mine", "x")
    assert "wp-includes/old.php" not in found
    rc, said = volume.bring("1.5")
    assert (rc, said) == (0, "WordPress 2.0 on the volume is newer than the image's 1.5: it stays.\n")
    assert volume.files() == found


@pytest.mark.parametrize("empty", [True, False])
def test_it_is_never_below_the_database(volume: Volume, empty: bool) -> None:
    """An image whose WordPress is older than what the database was written by is refused, and says so."""
    if empty:
        volume.run(f"rm -r {volume.root}/site; mkdir {volume.root}/site")
    before = {} if empty else volume.files()
    rc, said = volume.bring("2.0", number=5, database=6)
    assert rc == 1
    assert "db_version is 6" in said
    assert "inception_wordpress_source" in said
    if not empty:
        assert volume.files() == before
    assert volume.bring("2.0", number=6, database=6)[0] == 0


def test_on_the_site_itself(stack: Stack, site: Site) -> None:
    """Another release of the image's: a theme that was changed, a plugin that was removed, and a database of before."""
    content = f"{SITE}/wp-content"
    keep = "/var/www/html/wp-content/uploads/verify-files"
    # Of whichever theme this WordPress came with.
    [theme, *_] = stack.execute("wordpress", "sh", "-c", f"cd {content}; ls themes/*/readme.txt").stdout.split()
    prepare = f"""
        mkdir -p {keep}; cp -a {SITE}/.release {keep}/; cp -a {content}/{theme} {keep}/readme.txt
        [ ! -d {content}/plugins/akismet ] || mv {content}/plugins/akismet {keep}/akismet
        echo mine >{content}/{theme}; echo another >{SITE}/.release
    """
    restore = f"""
        if [ -d {keep} ]; then
            rm -rf {content}/plugins/akismet
            [ ! -d {keep}/akismet ] || mv {keep}/akismet {content}/plugins/akismet
            mv {keep}/readme.txt {content}/{theme}; mv {keep}/.release {SITE}/; rm -r {keep}
        fi
    """
    number = stack.sql("SELECT option_value FROM wp_options WHERE option_name = 'db_version'")[0][0]
    try:
        assert stack.execute("wordpress", "sh", "-euc", prepare).rc == 0
        program = f'require "{SITE}/wp-load.php"; update_option("db_version", $argv[1]);'
        assert stack.execute("wordpress", "php", "-r", program, str(int(number) - 1)).rc == 0
        stack.compose("restart wordpress")
        stack.wait_healthy()
        site.wait_answers()
        look = f"cat {content}/{theme}; ls {content}/plugins; cat {SITE}/.release"
        seen = stack.execute("wordpress", "sh", "-c", look).stdout.split()
        assert seen[0] == "mine"
        assert "akismet" not in seen
        assert seen[-1] != "another"
        assert stack.sql("SELECT option_value FROM wp_options WHERE option_name = 'db_version'") == [[number]]
    finally:
        assert stack.execute("wordpress", "sh", "-euc", restore).rc == 0
