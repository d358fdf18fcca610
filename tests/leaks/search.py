# SPDX-License-Identifier: GPL-3.0-or-later
"""What is searched for, and how: the forms that a value takes, and one pass over a content for all of them.

Python's own library only, since it also runs on the machine.
"""

from __future__ import annotations

import base64
import bz2
import errno
import gzip
import html
import io
import json
import lzma
import os
import re
import sys
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

CHUNK = 1 << 20
WORD = 8
# So long a needle has a whole word in it, wherever it begins.
LONG = 2 * WORD - 1

COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b\x08": gzip.open, b"\xfd7zXZ\0": lzma.open, b"BZh": bz2.open}
NOT_COMPRESSED = (OSError, EOFError, lzma.LZMAError, zlib.error)


@dataclass(frozen=True)
class Needle:
    """One form of one value; the value itself is never printed."""

    value: str
    form: str
    content: bytes = field(repr=False)


def values_of(content: bytes) -> list[bytes]:
    """The values in a file of secrets/: a password is the whole, a key its first line, WordPress's salts eight."""
    text = content.decode("latin-1")
    if text.startswith("-----BEGIN "):
        # An EC key of 256 bits is in the first line, or most of it is; the last ones are its public half.
        return [text.splitlines()[1].encode("latin-1")]
    salts = re.findall(r"define\('\w+',\s*'([^']+)'\);", text)
    return [salt.encode("latin-1") for salt in salts] or [content.strip(b"\r\n")]


def base64_forms(value: bytes) -> Iterator[bytes]:
    """What is left of a value in the base64 of a longer text: it begins at the first, second or third byte of three."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value)
        # A character is six bits; those that the neighbors have a part in are left out.
        whole = encoded[-(-8 * before // 6) : 8 * (before + len(value)) // 6]
        # A long text is broken into lines: one of the two halves is not.
        half = len(whole) // 2
        for part in (whole[:half], whole[half:]) if half >= LONG else (whole,):
            yield part
            yield part.translate(bytes.maketrans(b"+/", b"-_"))


def escapes(text: str) -> Iterator[tuple[str, str]]:
    """How programs write a text that has more than letters and digits: the name of the form, and the text in it."""
    yield "as it is", text
    addressed = urllib.parse.quote(text, safe="", encoding="latin-1")
    yield "in an address", addressed
    yield "in an address", addressed.replace("%20", "+")
    yield "in an address", re.sub("%..", lambda code: code[0].lower(), addressed)
    quoted = json.dumps(text)[1:-1]
    yield "in JSON", quoted
    # As PHP writes it, and as Go does, which Docker is written in.
    yield "in JSON", quoted.replace("/", r"\/")
    yield "in JSON", quoted.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    yield "in HTML or XML", html.escape(text)
    yield "in HTML or XML", html.escape(text, quote=False)
    # In single quotes: of YAML and SQL, of Python and PHP, of a shell.
    for quote in ("''", r"\'", r"'\''", "'\"'\"'"):
        yield "in quotes", text.replace("'", quote)


def needles(name: str, value: bytes) -> list[Needle]:
    """A value in every form; each different one once."""
    unique: dict[bytes, str] = {}
    for form, text in escapes(value.decode("latin-1")):
        unique.setdefault(text.encode("latin-1"), form)
    for content in base64_forms(value):
        unique.setdefault(content, "in base64")
    return [Needle(name, form, content) for content, form in unique.items()]


class Searcher:
    """Finds any of many needles in one pass: it looks the content's words of eight bytes up in those of the needles."""

    def __init__(self, wanted: Iterable[Needle]) -> None:
        self._needles = list(wanted)
        self._short = [needle for needle in self._needles if len(needle.content) < LONG]
        self._words: dict[int, list[Needle]] = {}
        for needle in self._needles:
            for start in range(WORD if len(needle.content) >= LONG else 0):
                [word] = memoryview(needle.content[start : start + WORD]).cast("Q")
                self._words.setdefault(word, []).append(needle)
        self._overlap = max((len(needle.content) for needle in self._needles), default=1) - 1
        self._known = frozenset(self._words)

    def __call__(self, pieces: Iterable[bytes]) -> tuple[set[Needle], int]:
        """The needles that are in a content, which comes in pieces, and how many bytes it has."""
        found: set[Needle] = set()
        size = 0
        tail = b""
        for chunk in pieces:
            size += len(chunk)
            block = tail + chunk
            words = memoryview(block)[: len(block) // WORD * WORD].cast("Q")
            candidates = list(self._short)
            if not self._known.isdisjoint(words):
                for word in self._known.intersection(words):
                    candidates += self._words[word]
            found.update(needle for needle in candidates if needle.content in block)
            tail = block[-self._overlap :] if self._overlap else b""
        return found, size


def pieces(content: BinaryIO) -> Iterator[bytes]:
    """What a compressed content was before, any other as it is; it has to be one that can be read twice.

    One that is cut off or damaged is both: what comes out of it, and then itself.
    """
    start = content.read(8)
    content.seek(0)
    for magic, opener in COMPRESSED.items():
        if start.startswith(magic):
            try:
                with opener(content) as inside:
                    # All that comes out before the damage: read() would lose what it has when it fails.
                    while piece := inside.read1(CHUNK):
                        yield piece
                return
            except NOT_COMPRESSED:
                content.seek(0)
    yield from written(content)


def written(content: BinaryIO) -> Iterator[bytes]:
    """A content without what was never written: a file of a terabyte may be nothing but a hole."""
    try:
        status = os.fstat(content.fileno())
    except io.UnsupportedOperation:
        status = None
    if status is None or status.st_blocks * 512 >= status.st_size:
        while piece := content.read(CHUNK):
            yield piece
        return
    position = 0
    while (position := next_data(content.fileno(), position)) < status.st_size:
        end = os.lseek(content.fileno(), position, os.SEEK_HOLE)
        # Not by read(), whose buffer does not know that the position has changed.
        while position < end and (piece := os.pread(content.fileno(), min(CHUNK, end - position), position)):
            yield piece
            position += len(piece)
        position = end


def next_data(descriptor: int, position: int) -> int:
    """Where the next part that was written begins; the end, if there is none."""
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return sys.maxsize
