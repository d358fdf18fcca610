# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at a project gives: verdicts with their evidence. Private to this collection.

A result has the number of its item and nothing else of the sheet, which is on the control node.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

PASS, WARNING, FAIL = "pass", "warning", "fail"
# Not asked for in this project, for example the bonus of a project that has none.
NOT_APPLICABLE = "not_applicable"
# This depth cannot tell, or a person has to.
UNDETERMINED = "undetermined"
# All of them, the worst first: where several looks tell of one item, the first of these stands.
VERDICTS = (FAIL, WARNING, PASS, NOT_APPLICABLE, UNDETERMINED)

# How much of a line, and of a script, is read; the collector says of which files something was cut off.
LINE = 2_000
SCRIPT_BYTES = 64 * 1024

# Evidence is for people: a longer text is a file of its own.
MAX_TEXT = 4000
_REMARK = 40


def worst(verdicts: Iterable[str]) -> str:
    """The one that stands."""
    return min(verdicts, key=VERDICTS.index)


def readable(text: object, limit: int = MAX_TEXT) -> str:
    """A text in which every character is seen: controls by pictures, what turns or hides others by its code."""
    whole = str(text)
    # What was cut once, with its remark, is not cut again.
    if len(whole) <= limit + _REMARK:
        return "".join(map(_seen, whole))
    return f"{''.join(map(_seen, whole[:limit]))}… ({len(whole) - limit} more characters)"


def one_line(text: object, limit: int = MAX_TEXT) -> str:
    """The same for what has one line, such as the name of a file."""
    return readable(text, limit).replace("\n", "␊").replace("\t", "␉")


def _seen(character: str) -> str:
    if character in "\n\t":
        return character
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return "␡" if code == 0x7F else chr(0x2400 + code)
    # Cc: other controls; Cf: bidirectional overrides, invisible ones; Cs: halves of surrogates; Cn, Co: no characters.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return character


@dataclass(frozen=True)
class Evidence:
    """`where` is a file with its line, a commit with its file, or a command; `text` is the line or the answer."""

    where: str
    text: str = ""


@dataclass
class Result:
    """What became of one item."""

    id: int
    verdict: str
    evidence: list[Evidence] = field(default_factory=list)
    seconds: float = 0.0
    question: str = ""
    answer: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"'{self.verdict}' is not a verdict; known ones: {', '.join(VERDICTS)}")
        self.evidence = [Evidence(one_line(one.where, 500), readable(one.text)) for one in self.evidence]
        self.question, self.answer = readable(self.question), readable(self.answer)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        evidence = [Evidence(**entry) for entry in values.get("evidence", [])]
        return cls(**{**values, "evidence": evidence})


def result(
    item: int,
    verdict: str,
    evidence: Iterable[Evidence] = (),
    *,
    seconds: float = 0.0,
    question: str = "",
    answer: str = "",
) -> Result:
    """A result in one call."""
    return Result(item, verdict, list(evidence), seconds, question, answer)
