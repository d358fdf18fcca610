# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands for the site: whose words are whose, where wp-cli comes from, and what Site Health says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _places, _site
from ansible_collections.fortytwo.inception.plugins.module_utils._site import SiteProblem


@pytest.mark.parametrize(
    ("argv", "own", "words"),
    [
        (["wp", "plugin", "list"], ["wp"], ["plugin", "list"]),
        (["wp", "--info"], ["wp"], ["--info"]),
        (["wp", "--help"], ["wp"], ["--help"]),
        (["db"], ["db"], []),
        (["db", "-e", "SELECT 1"], ["db"], ["-e", "SELECT 1"]),
        (["--root", "/x", "wp", "db", "size"], ["--root", "/x", "wp"], ["db", "size"]),
        (["logs", "wp"], ["logs", "wp"], []),
        (["restore", "--table", "db"], ["restore", "--table", "db"], []),
        ([], [], []),
    ],
)
def test_words_are_whose_they_are(argv: list[str], own: list[str], words: list[str]) -> None:
    assert _site.words_of(argv) == (own, words)


@pytest.mark.parametrize(
    ("words", "is_so"),
    [
        (["db", "query", "SELECT 1"], True),
        (["--quiet", "db", "cli"], True),
        (["db", "--debug", "export"], True),
        (["db", "size"], False),
        (["db"], False),
        (["post", "create", "db", "query"], False),
    ],
)
def test_what_the_container_has_no_programs_for(words: list[str], is_so: bool) -> None:
    assert _site.of_the_client(words) is is_so


@pytest.fixture
def original(tmp_path: Path) -> Path:
    file = tmp_path / "published.phar"
    file.write_bytes(b"<?php wp-cli")
    return file


def told(root: Path, file: Path, sha512: str = "") -> str:
    """Where a file lies becomes where wp-cli comes from; returns its checksum."""
    digest = sha512 or hashlib.sha512(file.read_bytes()).hexdigest()
    _places.tell(root / _places.WP_CLI, {"url": file.as_uri(), "sha512": digest})
    return digest


def test_wp_cli_is_fetched_once(tmp_path: Path, original: Path) -> None:
    root, said = tmp_path / "root", list[str]()
    digest = told(root, original)
    found = _site.wp_cli(root, said.append)
    assert found.name == f"{digest}.phar"
    assert found.read_bytes() == original.read_bytes()
    assert (found.stat().st_mode & 0o777, (root / _places.WP_CLI).stat().st_mode & 0o777) == (0o400, 0o700)
    original.write_bytes(b"<?php newer")
    assert _site.wp_cli(root, said.append) == found
    assert said == [f"... fetching {original.as_uri()}"]
    # Another version takes its place.
    other = told(root, original)
    _site.wp_cli(root, said.append)
    assert [path.name for path in (root / _places.WP_CLI).glob("*.phar")] == [f"{other}.phar"]


def test_what_was_spoiled_is_fetched_again(tmp_path: Path, original: Path) -> None:
    told(tmp_path, original)
    found = _site.wp_cli(tmp_path, print)
    found.chmod(0o600)
    found.write_bytes(b"spoiled")
    assert _site.wp_cli(tmp_path, print).read_bytes() == original.read_bytes()


def test_another_file_than_was_promised_is_refused(tmp_path: Path, original: Path) -> None:
    told(tmp_path, original, "a" * 128)
    with pytest.raises(SiteProblem, match="is not what stack_wp_cli_sha512 says"):
        _site.wp_cli(tmp_path, print)
    assert [path.name for path in (tmp_path / _places.WP_CLI).iterdir()] == [_places.SETTINGS]


def test_what_is_too_large_is_refused(tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(tmp_path, original)
    monkeypatch.setattr(_site, "LARGEST", 5)
    with pytest.raises(SiteProblem, match="and is no wp-cli"):
        _site.wp_cli(tmp_path, print)


@pytest.mark.parametrize("url", ["file:///nowhere/wp.phar", "http://127.0.0.1:9/wp.phar", "http://x y/", "nothing"])
def test_an_address_that_does_not_answer_is_named(tmp_path: Path, url: str) -> None:
    _places.tell(tmp_path / _places.WP_CLI, {"url": url, "sha512": "a" * 128})
    with pytest.raises(
        SiteProblem, match=f"stack_wp_cli_url names another place; or bring the file to .*/{'a' * 128}[.]phar"
    ):
        _site.wp_cli(tmp_path, print)


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"url": "x"}'])
def test_a_machine_that_was_told_nothing_says_so(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / _places.WP_CLI).mkdir(parents=True)
        (tmp_path / _places.WP_CLI / _places.SETTINGS).write_text(text)
    with pytest.raises(SiteProblem, match="`make deploy` tells it"):
        _site.wp_cli(tmp_path, print)


def test_what_is_written_down_is_a_change_once(tmp_path: Path) -> None:
    said = {"url": "https://x.example/wp.phar", "sha512": "a" * 128}
    assert _places.tell(tmp_path / _places.WP_CLI, said)
    assert not _places.tell(tmp_path / _places.WP_CLI, said)
    assert _places.tell(tmp_path / _places.WP_CLI, {**said, "sha512": "b" * 128})


def test_site_health_is_the_worst_first_and_of_strangers() -> None:
    found = [
        {"status": "critical", "label": "\x1b[31mBad\x1b[0m", "text": "It is.\nMore of it.\nError no \x07answer"},
        {"status": "recommended", "label": "Better", "text": "This is better.\nBecause."},
        {"status": "good", "label": "Good", "text": ""},
    ]
    assert _site.site_health_lines(found) == [
        "WordPress's Site Health: 1 critical, 1 recommended, 1 good",
        "critical: Bad",
        "    Error no answer",
        "recommended: Better",
        "    This is better.",
    ]


def test_a_word_stays_a_word_on_its_way(repository: Path, tmp_path: Path) -> None:
    """The script of the playbook ssh hands a line to ssh, which a shell on the managed host reads."""
    import jinja2

    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((repository / "playbooks/templates/ssh.sh.j2").read_text())
    script = tmp_path / "ssh.sh"
    facts = {
        "__ssh_way": "me@h",
        "inventory_hostname": "wil",
        "inception_login": "wil",
        "__ssh_backups": "/b",
        "groups": {},
    }
    (tmp_path / "ssh").write_text('#!/bin/sh\nfor line; do :; done\nexec sh -c "$line"\n')
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "sudo").write_text(
        '#!/bin/sh\nexec python3 -c "import json, sys; print(json.dumps(sys.argv[1:]))" "$@"\n'
    )
    (tmp_path / "sudo").chmod(0o755)
    script.write_text(template.render(**facts, __ssh_user="me"))
    words = ["wp", "it's", "''", "", "a  b", "$HOME", "`id`", "*", "x;y", "ä\udcff", "-n", "\\", "two\nlines\n", "\n"]
    done = subprocess.run(
        ["sh", script, "--inception", *words],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["/usr/local/sbin/inception", *words]


FOLLOWED = """
import sys
from ansible_collections.fortytwo.inception.plugins.module_utils import _site
print(_site._follow(["sleep", "600"], lambda: False), file=sys.stderr)
"""


def test_a_follower_ends_when_nobody_reads_it(collections_path: Path) -> None:
    """It has nothing to say, and so would never hear of it by itself."""
    environment = {**os.environ, "PYTHONPATH": str(collections_path)}
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWED], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        done.stdout.close()
        try:
            assert done.stderr.read() == "None\n"
        finally:
            done.kill()


def test_a_follower_that_ends_and_one_that_is_interrupted(tmp_path: Path) -> None:
    assert _site._follow(["sh", "-c", "exit 3"], lambda: False) == 3
    assert _site._follow(["sleep", "600"], lambda: True) is None
