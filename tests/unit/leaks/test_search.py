# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of a value, and the pass that looks for all of them."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import random
import string
import urllib.parse
from pathlib import Path

import pytest

from tests.leaks.search import CHUNK, LONG, Needle, Searcher, base64_forms, needles, pieces, values_of

PLAIN = b"Qm7XkP2vLr9TzW4cHs8NbJ5gYd3FaE6u"
SALT = b"""p&<k;a"v>W/2+U 'x=!@#$%^*()[]{}|~:?,.-_`\\Zq"""


def forms_in(content: bytes, value: bytes) -> set[str]:
    found, _ = Searcher(needles("a", value))(pieces(io.BytesIO(content)))
    return {needle.form for needle in found}


@pytest.mark.parametrize("value", [PLAIN, SALT])
@pytest.mark.parametrize("before", range(12))
@pytest.mark.parametrize("after", range(3))
def test_base64_is_found_wherever_it_begins(value: bytes, before: int, after: int) -> None:
    text = b"x" * before + value + b"y" * after
    assert "in base64" in forms_in(base64.b64encode(text), value)
    assert "in base64" in forms_in(base64.urlsafe_b64encode(text), value)


@pytest.mark.parametrize("before", range(100))
def test_base64_is_found_over_the_end_of_a_line(before: int) -> None:
    """MIME, PEM and the command base64 break their lines."""
    assert "in base64" in forms_in(base64.encodebytes(b"x" * before + PLAIN + b"y" * 60), PLAIN)


def test_base64_has_nothing_of_its_neighbors() -> None:
    """Each form is in the base64 of the value between any neighbors."""
    chosen = random.Random(42)
    for _ in range(200):
        value = chosen.randbytes(chosen.randint(12, 64))
        forms = list(base64_forms(value))
        for before in range(6):
            text = chosen.randbytes(before) + value + chosen.randbytes(5)
            encoded = {base64.b64encode(text), base64.urlsafe_b64encode(text)}
            assert any(form in content for form in forms for content in encoded)


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("as it is", SALT.decode()),
        ("in an address", urllib.parse.quote(SALT, safe="")),
        ("in an address", urllib.parse.quote_plus(SALT)),
        ("in an address", urllib.parse.quote(SALT, safe="").replace("%2F", "%2f").replace("%3C", "%3c")),
        ("in JSON", json.dumps({"a": SALT.decode()})),
        ("in JSON", json.dumps(SALT.decode()).replace("/", "\\/")),
        ("in JSON", json.dumps(SALT.decode()).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")),
        ("in HTML or XML", html.escape(SALT.decode())),
        ("in HTML or XML", html.escape(SALT.decode(), quote=False)),
        ("in quotes", "'" + SALT.decode().replace("'", "''") + "'"),
        ("in quotes", "'" + SALT.decode().replace("'", "'\\''") + "'"),
    ],
)
def test_what_programs_write_is_found(form: str, written: str) -> None:
    if "%2f" in written:
        written = "".join(part if part[0] != "%" else part.lower() for part in urllib_parts(written))
    assert form in forms_in(f"before {written} after".encode(), SALT)


def urllib_parts(text: str) -> list[str]:
    """The codes of an address, and what is between them."""
    parts, position = [], 0
    while position < len(text):
        length = 3 if text[position] == "%" else 1
        parts.append(text[position : position + length])
        position += length
    return parts


def test_a_form_that_is_no_other_is_sought_once() -> None:
    """Letters and digits are the same in an address and in JSON."""
    assert {needle.form for needle in needles("a", PLAIN)} == {"as it is", "in base64"}
    contents = [needle.content for needle in needles("a", SALT)]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("length", [1, 8, LONG - 1, LONG, 33, 64])
@pytest.mark.parametrize("before", [0, 1, 7, 8, CHUNK - 70, CHUNK - 5, CHUNK - 1, CHUNK, 2 * CHUNK - 9])
def test_needle_is_found_wherever_it_is(length: int, before: int) -> None:
    """At each offset from a word, short and long, inside a chunk and over the end of one."""
    needle = Needle("a", "as it is", bytes(range(100, 100 + length)))
    for shift in range(9):
        content = b"." * (before + shift) + needle.content
        for after in (b"", b"...."):
            assert Searcher([needle])(pieces(io.BytesIO(content + after))) == ({needle}, len(content + after))


def test_nothing_is_found_where_nothing_is() -> None:
    """A part of it is not the value, not even one that begins and ends like it."""
    wanted = needles("a", PLAIN)
    for content in (b"", b"x", PLAIN[:-1], PLAIN[1:], PLAIN[:16] + b"x" + PLAIN[16:], PLAIN.lower() * 9):
        assert Searcher(wanted)(pieces(io.BytesIO(content))) == (set(), len(content))


def test_needles_are_told_apart() -> None:
    chosen = random.Random(1)
    values = ["".join(chosen.choices(string.ascii_letters, k=32)).encode() for _ in range(50)]
    wanted = [needle for number, value in enumerate(values) for needle in needles(f"value {number}", value)]
    found, _ = Searcher(wanted)(pieces(io.BytesIO(b" ".join(values[::7]))))
    assert {needle.value for needle in found} == {f"value {number}" for number in range(0, 50, 7)}


def test_a_needle_prints_no_value() -> None:
    assert PLAIN.decode() not in repr(needles("a", PLAIN))


@pytest.mark.parametrize("packer", [gzip, bz2, lzma])
def test_what_is_compressed_is_unpacked(packer: object) -> None:
    packed = packer.compress(b"before " + PLAIN * 9)  # type: ignore[attr-defined]
    assert PLAIN * 2 not in packed
    assert PLAIN in b"".join(pieces(io.BytesIO(packed)))


@pytest.mark.parametrize("packer", [gzip, bz2, lzma])
def test_what_is_cut_off_is_read_as_far_as_it_goes(packer: object) -> None:
    """And as it is: neither what comes out nor what follows the damage is passed over."""
    noise = random.Random(2).randbytes(1 << 20)
    packed = packer.compress(PLAIN * 9 + noise)[: 1 << 20] + SALT  # type: ignore[attr-defined]
    read = b"".join(pieces(io.BytesIO(packed)))
    assert PLAIN in read
    assert read.endswith(packed)


def test_what_was_never_written_is_not_read(tmp_path: Path) -> None:
    """A file of a terabyte with a piece at its beginning, amid it and at its end: each is read to its end."""
    piece = PLAIN * 40_000 + b"end"
    with (tmp_path / "hole").open("w+b") as content:
        for position in (0, 1 << 39, (1 << 40) - len(piece)):
            content.seek(position)
            content.write(piece)
    with (tmp_path / "hole").open("rb") as content:
        read = b"".join(pieces(content))
    assert read.count(piece) == 3
    assert len(read) < 4 * len(piece)
    with (tmp_path / "nothing").open("w+b") as content:
        content.truncate(1 << 40)
        assert b"".join(pieces(content)) == b""


@pytest.mark.parametrize("content", [b"", b"BZh", b"\x1f\x8b\x08 no archive", b"\xfd7zXZ\0", PLAIN])
def test_what_only_begins_like_it_is_read_as_it_is(content: bytes) -> None:
    assert b"".join(pieces(io.BytesIO(content))).endswith(content)


def test_values_of_a_file() -> None:
    """A password without the newline that a person may have left, a key's private line, the salts without their PHP."""
    key = "-----BEGIN PRIVATE KEY-----\nprivate\npublic\n-----END PRIVATE KEY-----\n"
    salts = "define('AUTH_KEY',         'one;');\ndefine('NONCE_SALT', 'two\"');"
    assert values_of(b"a password \n") == [b"a password "]
    assert values_of(key.encode()) == [b"private"]
    assert values_of(salts.encode()) == [b"one;", b'two"']
