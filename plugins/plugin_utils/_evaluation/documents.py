# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the project's documents say, by their headings and words. Private to this collection: it may change without
notice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ITALIC = re.compile(
    r"(?:(?:\*|_)(?![*_\s])|\*\*\*(?=\S)|_\*\*|\*\*_|<(?:em|i)>\s*)(?P<text>.+?)"
    r"(?<!\s)(?:\*{1,3}|_(?:\*\*)?|\s*</(?:em|i)>)\.?\s*(?:<br\s*/?>)?\s*$"
)
_CURRICULUM = re.compile(
    r"(?=.*\bcreated\b)(?=.*\bpart of\b)(?=.*\b42\b)(?=.*\bcurriculum\b).*\bby\s*:?\s+(?P<by>.+?)\.?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Section:
    """A heading with the text below it, down to the next heading of any level."""

    heading: str
    line: int
    text: str


# What only who edits a document reads.
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def shown(text: str) -> str:
    """A document as people read it, with its lines where they were."""
    return _UNSEEN.sub(lambda match: "\n" * match[0].count("\n"), text)


def sections(text: str) -> list[Section]:
    """A Markdown document in sections; what looks like a heading within code is none."""
    found: list[Section] = []
    heading, start = "", 1
    body: list[str] = []
    fence = ""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        marker = re.match(r"\s{0,3}(`{3,}|~{3,})", line)
        if marker:
            fence = "" if fence and marker[1].startswith(fence) else fence or marker[1]
        hashes = None if fence or marker else re.match(r"\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$", line[:500])
        underlined = (
            not fence and bool(re.fullmatch(r"\s{0,3}(?:={3,}|-{3,})\s*", line[:200])) and body and body[-1].strip()
        )
        html = None if fence else re.match(r"\s*<h[1-6][^>]*>(.*?)</h[1-6]>", line[:500], re.IGNORECASE)
        if hashes or underlined or html:
            title = body.pop().strip() if underlined else (hashes or html)[1]  # type: ignore[index]
            found.append(Section(heading, start, "\n".join(body)))
            heading, start, body = title, number, []
        else:
            body.append(line)
    found.append(Section(heading, start, "\n".join(body)))
    return [one for one in found if one.heading or one.text.strip()]


def first_line_problem(text: str) -> str:
    """What is wrong with a README's first line, "" if nothing."""
    first = text.partition("\n")[0].strip()[:500]
    italic = _ITALIC.match(first)
    if not first:
        return "the first line is empty"
    if not italic:
        said = _CURRICULUM.match(first.strip("#*_> "))
        return (
            "the first line is not in italics"
            if said
            else "the first line does not say who made it, as part of the 42 curriculum"
        )
    said = _CURRICULUM.match(italic["text"].strip("*_ "))
    if not said:
        return "the first line does not say that the project was created as part of the 42 curriculum by <login>"
    # A login may be a link, in brackets, or followed by a name.
    by = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", said["by"])
    if not re.search(r"\w", by) or re.search(r"\blogin\d?\b|\byour\b|\bx{3,}", by, re.IGNORECASE):
        return "the first line names no login"
    return ""


_HEADINGS = {
    "Description": re.compile(r"\bdescriptions?\b", re.IGNORECASE),
    "Instructions": re.compile(r"\binstructions?\b", re.IGNORECASE),
    "Resources": re.compile(r"\bress?ources?\b", re.IGNORECASE),
}
_AI = re.compile(r"\bA\.?I\.?\b|artificial intelligence|\bLLMs?\b|chat ?gpt|copilot|claude|gemini", re.IGNORECASE)
_COMPARED = {
    "virtual machines and Docker": (r"virtual machines?|\bVMs?\b", r"docker|containers?"),
    "secrets and environment variables": (r"secrets?", r"environment|env(?:ironment)? var|\benv\b"),
    "Docker network and host network": (
        r"docker'?s? networks?|bridge|docker network|networks?",
        r"host(?:'s)?[ -](?:network|mode)|network_mode|\bhost\b",
    ),
    "volumes and bind mounts": (r"volumes?", r"bind[ -]?mounts?|\bbinds?\b"),
}


def missing_from_readme(text: str) -> list[str]:
    """The sections and comparisons that are missing in a README."""
    text = shown(text)
    found = sections(text)
    absent = [
        f"the section {name}"
        for name, pattern in _HEADINGS.items()
        if not any(pattern.search(one.heading) for one in found)
    ]
    if not _AI.search(text):
        absent.append("how AI was used")
    for name, (one, other) in _COMPARED.items():
        # Both in one heading, or in one paragraph or list of a section.
        places = [section.heading for section in found]
        places += [
            block for section in found for block in re.split(r"\n\s*\n", f"{section.heading}\n{section.text}"[:20_000])
        ]
        places += [
            section.text[:20_000] for section in found if re.search(f"{one}|{other}", section.heading, re.IGNORECASE)
        ]
        if not any(re.search(one, place, re.IGNORECASE) and re.search(other, place, re.IGNORECASE) for place in places):
            absent.append(f"the comparison of {name}")
    return absent


# Words of which each has to be somewhere in the text, by what they stand for.
_USER_TOPICS: dict[str, tuple[str, ...]] = {
    "which services there are": (
        r"nginx|web ?server|reverse proxy|entry ?point|\bhttps\b",
        r"wordpress|web ?site|\bsite\b|\bCMS\b|\bblog\b|php-fpm",
        r"mariadb|mysql|database",
    ),
    "how to start and stop": (r"\b(?:start|launch|up|run|make)", r"\b(?:stop|down|shut)"),
    "how to reach the site": (r"https?://|\.42\.fr|\bbrowser\b",),
    "how to reach the administration": (
        r"wp-admin|wp-login|admin\w*[ -](?:panel|page|area|dashboard|interface|login|site)|dashboard|administration",
    ),
    "where credentials are": (r"credential|password|secret|\.env\b",),
    "how to check that all runs": (
        r"docker(?: compose|-compose)? (?:ps|logs)|make (?:ps|status|logs|check)|\bcurl\b.*https?://"
        r"|\b(?:check|v[eé]rif|contr[oô]ler|health|status)\w*",
    ),
}
_DEVELOPER_TOPICS: dict[str, tuple[str, ...]] = {
    "setting up from scratch": (
        r"prerequisit|(?<![/\w])requirements?(?![\w/])|set[ -]?(?:ting )?up|install|from scratch|\bclone",
    ),
    "build and launch": (r"\bmake\b|docker compose|docker-compose",),
    "commands for containers": (
        r"docker(?: compose|-compose)? (?:ps|logs|exec|stop|down|up|restart|container|inspect)"
        r"|make (?:ps|logs|down|stop|clean|re)|containers?\b.*`",
    ),
    "commands for volumes": (
        r"docker volume|volumes?\b.*(?:remove|inspect|list|prune|clean|-v\b)|(?:down|rm) (?:-v|--volumes)"
        r"|make \w*clean",
    ),
    "where the data is": (r"/home/|/data\b|~/data|\$HOME|/var/lib/|docker volume inspect|mountpoint",),
    "how the data lasts": (r"persist|surviv|outliv|\bkept\b|\bremains?\b|\blasts?\b|\bstays?\b|retain|not lost",),
}


def missing_from_user_doc(text: str) -> list[str]:
    return _missing(text, _USER_TOPICS)


def missing_from_developer_doc(text: str) -> list[str]:
    return _missing(text, _DEVELOPER_TOPICS)


def _missing(text: str, topics: dict[str, tuple[str, ...]]) -> list[str]:
    searched = shown(text[:100_000])
    return [name for name, words in topics.items() if not all(re.search(one, searched, re.IGNORECASE) for one in words)]
