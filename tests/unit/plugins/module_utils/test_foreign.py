# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site of another host brings: read to its end, mended where hosts differ, refused where it is hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _foreign, _import
from ansible_collections.fortytwo.inception.plugins.module_utils._backup_state import BackupProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._foreign import Layout

LIMIT = 1 << 20
NAMES = ("options", "posts", "postmeta", "users", "usermeta")


def tables(prefix: str, *more: str) -> str:
    return "".join(f"CREATE TABLE `{prefix}{name}` (\n  `id` int\n) ENGINE=InnoDB;\n" for name in (*NAMES, *more))


def dumped(path: Path, text: str, packed: bool = True) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


HEAD = "-- MySQL dump 10.13  Distrib 8.0.36\n-- Server version\t8.0.36\n"
END = "-- Dump completed on 2024-05-05\n"


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("/*M!999999\\- enable the sandbox mode */ \n", None),
        ("/*!999999\\- enable the sandbox mode */ \n", None),
        ("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `old` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n", None),
        ("/*!40000 DROP DATABASE IF EXISTS `old`*/;\n", None),
        ("USE `old`;\n", None),
        ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3E11FA47:1-5';\n", None),
        ("SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;\n", None),
        ("SET NAMES utf8mb4;\n", "SET NAMES utf8mb4;\n"),
        (
            "/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n",
            "/*!50013 SQL SECURITY DEFINER */\n",
        ),
        ("CREATE DEFINER=`a b`@`%` TRIGGER `t` BEFORE INSERT\n", "CREATE TRIGGER `t` BEFORE INSERT\n"),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`x`@`y`*/ /*!50003 TRIGGER t */;;\n",
            "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t */;;\n",
        ),
        (
            ") DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;\n",
            ") DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;\n",
        ),
        ("  `a` text COLLATE utf8mb4_0900_bin,\n", "  `a` text COLLATE utf8mb4_bin,\n"),
        # Data is nobody's statement.
        ("INSERT INTO `p` VALUES ('USE x; utf8mb4_0900_ai_ci DEFINER=`a`@`b`');\n", "same"),
        ("(1,'utf8mb4_0900_ai_ci'),\n", "same"),
        ("USER_IS_A_WORD\n", "same"),
    ],
)
def test_a_line_is_mended(line: str, made: str | None) -> None:
    expected = line if made == "same" else made
    assert _foreign.mended(line.encode()) == (expected.encode() if expected is not None else None)


def test_what_stands_in_a_text_stays(tmp_path: Path) -> None:
    """A text of several lines may have one that looks like a statement."""
    text = (
        HEAD + tables("wp_") + "INSERT INTO `wp_posts` VALUES (1,'one\nUSE x\nCREATE TABLE `wp_blogs` (\ntwo');\n" + END
    )
    target = io.BytesIO()
    dump = _foreign.read_dump(dumped(tmp_path / "d.sql.gz", text), LIMIT, target)
    assert target.getvalue().decode() == text
    assert _foreign.prefix_of(dump, "", "d") == "wp_"


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("prefix", ["wp_", "blog_", "wp_x1_", "a-b$_"])
def test_wordpress_is_known_by_its_tables(tmp_path: Path, packed: bool, prefix: str) -> None:
    dump = _foreign.read_dump(dumped(tmp_path / "d", HEAD + tables(prefix, "shop_orders") + END, packed), LIMIT)
    assert _foreign.prefix_of(dump, "", "d") == prefix
    assert dump.size == len(HEAD + tables(prefix, "shop_orders") + END)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (HEAD + tables("wp_"), "has no end: it is cut off"),
        (tables("wp_") + "INSERT INTO `wp_posts` VALUES (1,'half", "ends in the middle of a statement"),
        (HEAD + "CREATE TABLE `node` (\n);\n" + END, "no dump of a WordPress.*it has node"),
        (HEAD + tables("wp_", "blogs", "site") + END, "network of sites"),
        (HEAD + tables("a_") + tables("b_") + END, "several WordPresses: a_, b_; say which: PREFIX=a_"),
        ("PK\x03\x04...", "packed by zip; bring it as .sql or .sql.gz"),
        ("x" * (LIMIT + 1) + ";\n", "the disk has no room for it"),
    ],
)
def test_a_dump_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    path = dumped(tmp_path / "d.sql", text, packed=False)
    with pytest.raises(BackupProblem, match=said):
        _foreign.prefix_of(_foreign.read_dump(path, LIMIT), "", path.name)


@pytest.mark.parametrize(
    ("written", "is_of", "lossy"),
    [
        ("/*!40101 SET NAMES utf8 */;", "utf8mb4", True),
        ("SET NAMES 'utf8mb3';", "utf8mb4", True),
        ("/*!40101 SET NAMES utf8mb4 */;", "utf8mb4", False),
        # There was no room for one in the tables.
        ("/*!40101 SET NAMES utf8 */;", "utf8", False),
    ],
)
def test_emoji_that_a_dump_has_lost(tmp_path: Path, written: str, is_of: str, lossy: bool) -> None:
    """mysqldump of MySQL 5 and of MariaDB before 10.6 asks for utf8 unless it is told otherwise."""
    told = f"{HEAD}{written}\n" + tables("wp_").replace(";\n", f" DEFAULT CHARSET={is_of};\n")
    dump = _foreign.read_dump(
        dumped(tmp_path / "d", f"{told}INSERT INTO `wp_posts` VALUES ('SET NAMES utf8');\n{END}"), LIMIT
    )
    assert ["--default-character-set=utf8mb4" in line for line in dump.losses("d")] == [True] * lossy


def test_one_of_several_is_chosen(tmp_path: Path) -> None:
    dump = _foreign.read_dump(dumped(tmp_path / "d", HEAD + tables("a_") + tables("b_") + END), LIMIT)
    assert _foreign.prefix_of(dump, "b_", "d") == "b_"
    with pytest.raises(BackupProblem, match="no WordPress with the prefix c_; there is a_, b_"):
        _foreign.prefix_of(dump, "c_", "d")


def test_a_packed_dump_that_is_cut_off(tmp_path: Path) -> None:
    path = dumped(tmp_path / "d.sql.gz", HEAD + tables("wp_") + "".join(map(str, range(9999))) + ";\n" + END)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-4] + b"\0\0\0\0", whole[:40] + b"\xff\xff" + whole[42:]):
        path.write_bytes(damaged)
        with pytest.raises(BackupProblem, match="cut off or damaged"):
            _foreign.read_dump(path, LIMIT)


# ---- Files ----


def packed(path: Path, *names: str, links: dict[str, str] | None = None, size: int = 3) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = 0 if name.endswith("/") else size
            archive.addfile(member, io.BytesIO(b"x" * member.size))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["uploads/2024/05/a.jpg"], Layout("")),
        (["./uploads/a.jpg"], Layout("")),
        (["wp-content/uploads/2024/a.jpg", "wp-content/themes/mine/style.css"], Layout("wp-content")),
        (["home/me/htdocs/wp-content/uploads/a.jpg", "home/me/htdocs/index.php"], Layout("home/me/htdocs/wp-content")),
        (["2024/05/a.jpg", "logo.png"], Layout("", "uploads")),
        (["backup/2024/05/a.jpg"], Layout("backup", "uploads")),
        (["logo.png"], Layout("", "uploads")),
        (["x/uploads/a.jpg", "x/plugins/p/p.php"], Layout("x")),
    ],
)
def test_where_the_files_lie(tmp_path: Path, names: list[str], layout: Layout) -> None:
    assert _foreign.read_files(packed(tmp_path / "f.tar.gz", *names), LIMIT).layout == layout


def test_what_is_brought_and_what_is_not(tmp_path: Path) -> None:
    names = ["wp-content/", "wp-content/uploads/", "wp-content/uploads/2024/ä.jpg", "wp-content/themes/mine/style.css"]
    left = [
        "wp-content/mu-plugins/host.php",
        "wp-content/object-cache.php",
        "wp-content/cache/a/b.html",
        "wp-config.php",
    ]
    links = {"wp-content/uploads/passwd": "/etc/passwd", "wp-content/uploads/2024/up": "../../.."}
    path = packed(tmp_path / "f.tar.gz", *names, *left, links=links)
    files = _foreign.read_files(path, LIMIT)
    assert (files.count, files.size, files.parts, files.wholes) == (2, 6, {"uploads", "themes"}, {"themes/mine"})
    assert files.left == {
        *("wp-content/mu-plugins", "wp-content/object-cache.php", "wp-content/cache", "wp-config.php"),
        *("wp-content/uploads/passwd (a link or a device)", "wp-content/uploads/2024/up (a link or a device)"),
    }
    target = tmp_path / "content"
    with path.open("rb") as raw:
        _foreign.unpack(raw, path.name, files, str(target))
    found = {str(one.relative_to(target)) for one in target.rglob("*") if not one.is_dir()}
    assert found == {"uploads/2024/ä.jpg", "themes/mine/style.css"}


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.jpg", "uploads/../../x", "uploads//x", "uploads/./x", "uploads/..", "x" * 250]
)
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackupProblem, match=r"which leads out of it|too long"):
        _foreign.read_files(packed(tmp_path / "f.tar.gz", "uploads/a.jpg", name), LIMIT)


def test_what_is_no_archive_or_too_much(tmp_path: Path) -> None:
    path = tmp_path / "f.tar.gz"
    for content, said in [
        (b"no archive", "no archive of tar"),
        (gzip.compress(b"no archive"), "no archive of tar"),
        (b"PK\x03\x04", "packed by zip"),
        (packed(path, "uploads/a.jpg", size=9999).read_bytes()[:50], "cut off, damaged"),
        (packed(path, "wp-content/cache/a").read_bytes(), "has no file of a website"),
        (packed(path, "uploads/a.jpg", size=LIMIT + 1).read_bytes(), "the disk has no room for it"),
    ]:
        path.write_bytes(content)
        with pytest.raises(BackupProblem, match=said):
            _foreign.read_files(path, LIMIT)


# ---- Addresses ----


@pytest.mark.parametrize(
    ("home", "siteurl", "url", "found"),
    [
        ("https://old.example", "https://old.example", "", ["https://www.old.example"]),
        ("https://www.old.example", "https://www.old.example", "", ["https://old.example"]),
        ("http://old.example", "http://old.example", "http://older.example/",
         ["http://older.example/", "http://www.older.example/", "http://www.old.example"]),
        ("https://old.example", "https://old.example/wp", "",
         ["https://new.fr/wp", "https://old.example/wp", "https://www.old.example/wp", "https://www.old.example"]),
        ("https://old.example/blog", "https://old.example/blog", "", ["https://www.old.example/blog"]),
        ("http://localhost:8080", "http://localhost:8080", "", []),
    ],
)  # fmt: skip
def test_addresses_of_the_same_site(home: str, siteurl: str, url: str, found: list[str]) -> None:
    """Longer ones come first; home itself is moved by WordPress's start."""
    assert _import.formers({"home": home, "siteurl": siteurl}, url, "https://new.fr") == found


@pytest.mark.parametrize("url", ["old.example", "ftp://old.example", "https://", "https://a@b.example", "https://x/?y"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(BackupProblem, match=r"a good one is https://old\.example"):
        _import.check_url(url)
