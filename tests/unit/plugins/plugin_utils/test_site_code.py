# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own themes and plugins: fetched at one commit, looked at, and laid out for the image."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _site_code as code

STYLE = "/*\nTheme Name: Mine\n*/\n"
PLUGIN = "<?php\n/* Plugin Name: Shop */\n"
THEME = {"style.css": STYLE, "index.php": "<?php\n"}


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=w", "-c", "user.email=w@example.org"]
    return subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True).stdout


def committed(folder: Path, files: dict[str, str]) -> str:
    """A commit with these files; its name."""
    if not (folder / ".git").exists():
        folder.mkdir(exist_ok=True)
        git(folder, "init", "--quiet")
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return git(folder, "rev-parse", "HEAD").strip()


def theme(**more: Any) -> dict[str, Any]:
    return {"kind": "theme", "name": "mine", **more}


def laid_out(folder: Path | None) -> dict[str, str]:
    assert folder is not None
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in files.items() if name != code.MANIFEST}


def refused(told: list[dict[str, Any]], cache: Path) -> str:
    with pytest.raises(code.CodeProblem) as problem:
        code.provide(told, cache)
    assert not list(cache.glob("sets/*")), "nothing is laid out of what is refused"
    return str(problem.value)


def test_a_commit_is_what_comes_and_no_later_one(tmp_path: Path) -> None:
    """From a folder of the repository, without what it leaves out of its archives and what begins with a dot."""
    repository = tmp_path / "repository"
    files = {f"theme/{name}": text for name, text in THEME.items()}
    more = {"theme/.env": "x", "theme/tests/x.php": "", ".gitattributes": "theme/tests export-ignore\n", "README": "x"}
    first = committed(repository, files | more)
    second = committed(repository, {"theme/index.php": "<?php // two\n"})
    told = theme(git=str(repository), commit=first, subfolder="theme", active=True)
    place = code.provide([told], tmp_path / "cache")
    assert laid_out(place) == {f"themes/mine/{name}": text for name, text in THEME.items()}
    assert place is not None
    [listed] = json.loads((place / code.MANIFEST).read_text())
    assert (listed["path"], listed["commit"], listed["active"]) == ("themes/mine", first, True)
    assert code.provide([told], tmp_path / "cache") == place, "the same again is the same folder"
    later = code.provide([{**told, "commit": second}], tmp_path / "cache")
    assert later != place
    assert "two" in laid_out(later)["themes/mine/index.php"]


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path) -> None:
    """A way back needs no repository."""
    repository = tmp_path / "repository"
    told = theme(git=f"file://{repository}", commit=committed(repository, THEME))
    place = code.provide([told], tmp_path / "cache")
    repository.rename(tmp_path / "gone")
    assert code.provide([told], tmp_path / "cache") == place


def test_a_server_that_gives_no_commit_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its branches are fetched then: an older git's server does not answer for a bare commit."""
    repository = tmp_path / "repository"
    first = committed(repository, THEME)
    committed(repository, {"index.php": "<?php // two\n"})
    for number, value in enumerate(["protocol.version", "0"]):
        monkeypatch.setenv(f"GIT_CONFIG_{'VALUE' if number else 'KEY'}_0", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "false")
    assert "themes/mine/style.css" in laid_out(
        code.provide([theme(git=f"file://{repository}", commit=first)], tmp_path / "c")
    )


def test_a_deployment_from_a_hook_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment names the hook's own repository, which is not meant."""
    repository = tmp_path / "repository"
    commit = committed(repository, THEME)
    other = tmp_path / "other"
    committed(other, {"x": "y"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert "themes/mine/style.css" in laid_out(
        code.provide([theme(git=str(repository), commit=commit)], tmp_path / "c")
    )


def test_a_folder_of_the_control_node(tmp_path: Path) -> None:
    """As it is now, without its history, what else begins with a dot, and with links to its own files."""
    folder = write(tmp_path / "plugin", {"shop.php": PLUGIN, "inc/a.php": "<?php\n", ".git/HEAD": "x", ".env": "KEY=1"})
    (folder / "b.php").symlink_to("inc/a.php")
    place = code.provide([{"kind": "plugin", "name": "acme", "folder": str(folder)}], tmp_path / "cache")
    names = {"plugins/acme/shop.php", "plugins/acme/inc/a.php", "plugins/acme/b.php"}
    assert set(laid_out(place)) == names
    assert place is not None
    assert json.loads((place / code.MANIFEST).read_text())[0]["main"] == "acme/shop.php"


@pytest.mark.parametrize(
    ("kind", "files", "why"),
    [
        ("theme", {"index.php": ""}, "no style.css"),
        ("theme", {"style.css": "a {}", "index.php": ""}, "has 'Theme Name:'"),
        ("theme", {"style.css": STYLE}, "neither index.php nor templates/index.html"),
        ("theme", {f"src/{name}": text for name, text in THEME.items()}, "(subfolder: src)"),
        ("plugin", {"shop.php": "<?php\n"}, "no .php in it begins with"),
        ("plugin", {"a.php": PLUGIN, "b.php": PLUGIN}, "none of them is mine.php"),
        ("mu-plugin", {"shop.php": PLUGIN}, "it has no mine.php"),
        ("theme", THEME | {"x.png": "version https://git-lfs.github.com/spec/v1\noid"}, "large file storage"),
        ("theme", THEME | {"a\nb": ""}, "a name that not every system has"),
        ("theme", THEME | {"big": "x" * (code.LARGEST_FILE + 1)}, "'big' has 8 MiB"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, kind: str, files: dict[str, str], why: str) -> None:
    """From a repository and from a folder, with the same words."""
    repository = tmp_path / "repository"
    commit = committed(repository, files)
    for source in ({"git": str(repository), "commit": commit}, {"folder": str(repository)}):
        said = refused([{"kind": kind, "name": "mine", **source}], tmp_path / "cache")
        assert said.startswith(f"inception_wordpress_code: mine ({kind} from {repository}): ")
        assert why in said


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "missing", "inc"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    """Whose file would come into an image, and be handed in."""
    (tmp_path / "outside").write_text("secret")
    repository = write(tmp_path / "repository", THEME | {"inc/x": ""})
    (repository / "link").symlink_to(target)
    commit = committed(repository, {})
    for source in ({"git": str(repository), "commit": commit}, {"folder": str(repository)}):
        assert f"'link' is a link to '{target}'" in refused([theme(**source)], tmp_path / "cache")


def test_what_git_does_not_have(tmp_path: Path) -> None:
    """Each thing that is wrong in one report."""
    repository = tmp_path / "repository"
    commit = committed(repository, THEME)
    wrong = [
        theme(git=str(tmp_path / "nowhere"), commit=commit),
        {**theme(git=str(repository), commit="0" * 40), "name": "none"},
        {**theme(git=str(repository), commit=commit, subfolder="x"), "name": "below"},
    ]
    said = refused(wrong, tmp_path / "cache").splitlines()
    assert [line.split(": ")[1].split(" ")[0] for line in said] == ["mine", "none", "below"]
    # A long address is shortened, once.
    assert " gives nothing: fatal: " in said[0]
    assert "nowhere'" in said[0]
    assert f"the commit {'0' * 40} is on no branch" in said[1]
    assert "no folder 'x' in that commit" in said[2]


def test_a_submodule_is_named(tmp_path: Path) -> None:
    """Its folder would be empty, and nobody would know why."""
    inner = tmp_path / "inner"
    committed(inner, {"x": "y"})
    repository = tmp_path / "repository"
    committed(repository, THEME)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    commit = committed(repository, {})
    assert "'inner' is a submodule" in refused([theme(git=str(repository), commit=commit)], tmp_path / "cache")


def test_too_much_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of what most of it is."""
    folder = write(tmp_path / "folder", THEME | {f"node_modules/{number}.js": "x" for number in range(9)})
    monkeypatch.setattr(code, "MOST_FILES", 5)
    assert "most of them in 'node_modules'" in refused([theme(folder=str(folder))], tmp_path / "cache")
    monkeypatch.setattr(code, "MOST_FILES", 500)
    monkeypatch.setattr(code, "LARGEST", 5)
    assert "it has 0 MiB, 0 of them in mine" in refused([theme(folder=str(folder))], tmp_path / "cache")


def test_nobody_is_asked_and_nothing_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git may not ask at a terminal that nobody looks at; the address is not in the repository's configuration."""
    repository = tmp_path / "repository"
    commit = committed(repository, THEME)
    seen = tmp_path / "seen"
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "git"
    fake.write_text(f'#!/bin/sh\necho "$GIT_TERMINAL_PROMPT $GIT_SSH_COMMAND" >>{seen}\nexec /usr/bin/git "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    code.provide([theme(git=str(repository), commit=commit)], tmp_path / "cache")
    assert "0 ssh -o BatchMode=yes" in seen.read_text().splitlines()
    assert str(repository) not in "".join(path.read_text() for path in tmp_path.glob("cache/git/*/config"))
