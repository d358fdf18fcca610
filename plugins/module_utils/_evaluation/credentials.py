# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds credentials in the text of a file. Private to this collection: it may change without notice.

A finding never holds the value, only what it belongs to and how long it is: reports get passed around.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Credential:
    """`certain`: no reasonable doubt; otherwise it may be an example, and a person has to look."""

    where: str
    text: str
    certain: bool


# What a credential is kept under: MYSQL_PASSWORD, dbpass, REDIS_PWD, AUTH_KEY, api-key, WP_ADMIN_PW, NONCE_SALT ...
_SECRET_NAME = re.compile(
    r"(?:passw(?:or)?d|passphrase|(?:^|[_.-]|db|user|root|admin|ftp)(?:pass|pwd|pw|psw|mdp)(?:$|[_.-]?\d|[_.-])|secret|token"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|(?:auth|secure_auth|logged_in|nonce)_(?:key|salt)|credential)",
    re.IGNORECASE,
)
# ... and what is only about one: MYSQL_PASSWORD_FILE, password_length, secret_name.
_ABOUT = re.compile(
    r"(?:files?|paths?|dir|folder|name|user|len(?:gth)?|size|min|max|url|host|hash|policy|prompt|label|field|regex"
    r"|var|env|id|lifetime|expire[sd]?|timeout|required|reset|nag|plugin|eval|command|cmd|script|tokens|tokenizer|type|count|s)$",
    re.IGNORECASE,
)
_WORDS_OF_EXAMPLES = re.compile(
    r"change|exampl|sample|your|todo|fixme|placeholder|dummy|replace|redact|fill|insert|put |_here|xxx|\*\*\*|\.\.\."
    r"|\bhere\b"
    r"|<|>|^(?:my|the|a|some)?[_-]?(?:super)?[_-]?"
    r"(?:secret|secure|strong|db|root|wp|user|admin|mysql|wordpress|ftp|redis)?[_-]?(?:password|passwd|pass|pwd|secret|value)$",
    re.IGNORECASE,
)
_NO_VALUE = re.compile(
    r"(?:true|false|yes|no|on|off|null|none|nil|undefined|\d{1,3}|-+|[,;)}\]({\[|&]+)$", re.IGNORECASE
)
_PATH = re.compile(r"(?:\.{0,2}|~)/[\w./-]+$|[\w./-]+\.(?:txt|sh|key|crt|pem|ya?ml|php)$")

_ENV_FILE = re.compile(r"(?:^|/)(?:\.env(?:\.[\w.-]+)?|[\w.-]*\.env(?:\.[\w-]+)?|env)$", re.IGNORECASE)
_EXAMPLE_FILE = re.compile(
    r"(?:^|[/._-])(?:example|sample|template|dist|tmpl|tpl|default|skel)s?(?:[._-]|$)|\.(?:j2|tpl|in)$", re.IGNORECASE
)
_SECRET_FILE = re.compile(
    r"(?:^|/)secrets?/(?:.*/)?[^/]+$|(?:^|/)[\w.-]*(?:passw(?:or)?d|credential)s?[\w-]*(?:\.txt|\.secret)?$",
    re.IGNORECASE,
)
_NO_SECRET_FILE = re.compile(
    r"(?:^|/)(?:\.git\w*|readme[\w.]*|\.?keep|makefile|dockerfile)$"
    r"|\.(?:md|sh|bash|py|php|js|ts|html|css|conf|cnf|ya?ml|toml|crt|cert|csr|c|h|cpp|gitkeep)$",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(r"\.(?:md|rst|adoc|html?|tex)$", re.IGNORECASE)
_FOREIGN_CODE = re.compile(
    r"(?:^|/)(?:node_modules|vendor|wp-admin|wp-includes|\.venv|site-packages)/|\.min\.(?:js|css)$"
)
_BINARY = re.compile(
    r"\.(?:png|jpe?g|gif|ico|webp|avif|svg|pdf|zip|gz|xz|bz2|tar|tgz|phar|jar|exe|so|o|a|mp[34]|mov|woff2?|ttf|otf|eot|iso|ova|vdi|qcow2|lock|map)$",
    re.IGNORECASE,
)

# name = value, name: value, name value (ENV), 'name' => 'value', define('name', 'value')
_QUOTED = r"\"(?P<{0}d>[^\"\n]*)\"|'(?P<{0}s>[^'\n]*)'|(?P<{0}b>[^\s\"'`;&|)]+)"
_ASSIGNMENT = re.compile(
    r"(?<![\w$%{-])[\"']?(?P<name>-{0,2}[A-Za-z_][\w.-]*)[\"']?(?:\]|\s)*(?:=>|[:?+]?=|:(?=\s)|:(?=[\"']))[ \t]*(?:"
    + _QUOTED.format("v")
    + ")"
)
_DEFINE = re.compile(r"define\(\s*[\"'](?P<name>\w+)[\"']\s*,\s*(?:" + _QUOTED.format("v") + r")\s*\)")
_DOCKER_ENV = re.compile(r"^\s*ENV\s+(?P<name>\w+)\s+(?:" + _QUOTED.format("v") + ")", re.IGNORECASE)
# ${MYSQL_PASSWORD:-literal}
_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?[-=](?P<vb>[^${}\s]+)\}")
_SQL = re.compile(
    r"(?P<name>IDENTIFIED\s+(?:VIA\s+\w+\s+)?(?:BY|USING)(?:\s+PASSWORD)?|\bPASSWORD(?=\s*\())\s*\(?\s*\\?(?:"
    + _QUOTED.format("v")
    + ")",
    re.IGNORECASE,
)
_REQUIREPASS = re.compile(r"(?:^|[\s\"'-])(?P<name>requirepass|masterauth)[\"',\s]+(?P<vb>[^\s\"',#]+)")
_MYSQL_P = re.compile(
    r"\b(?:mysql|mariadb|mysqladmin|mariadb-admin|mysqldump)\b[^|;&\n]*?\s(?P<name>-p)(?:" + _QUOTED.format("v") + ")"
)
_MYSQLADMIN = re.compile(
    r"\b(?:mysqladmin|mariadb-admin)\b[^|;&\n]*?\s(?P<name>password)\s+(?:" + _QUOTED.format("v") + ")"
)
_CHPASSWD = re.compile(
    r"echo\s+(?:-\w+\s+)*[\"']?(?P<name>[\w${}-]+):(?P<vb>[^\s\"'|]+)[\"']?\s*\|\s*(?:sudo\s+)?chpasswd"
)
_PEM = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=:, -]{16,}")
_TOKENS = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{50,}|glpat-[\w-]{20}|xox[abpr]-[\w-]{20,}|sk-(?:ant-|proj-)?[\w-]{32,})"
)
_COMMENT = re.compile(r"^\s*(?:#|//|--|;|/\*|\*|<!--)")
_LINE_LIMIT = 2000


def maybe_text(path: str) -> bool:
    """Whether a file of this name may hold a credential that a person wrote."""
    return not _BINARY.search(path) and not _FOREIGN_CODE.search(path)


def holds_credentials(path: str) -> bool:
    """Whether a file is a secret as a whole, by its name and place."""
    return bool(_SECRET_FILE.search(path)) and not _NO_SECRET_FILE.search(path) and not _EXAMPLE_FILE.search(path)


def _literal(value: str) -> bool:
    """Whether it is a value, and not a variable, a command, a template, a path or a switch."""
    if not value or value.startswith(("$", "`", "%", "{{", "{%", "@", "\\$", "\\", "(", "[", "{", "!", "/run/secrets")):
        return False
    # The name of a variable stands for its value.
    if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", value):
        return False
    return not (_NO_VALUE.match(value) or _PATH.match(value) or "$(" in value or "${" in value or value.startswith("."))


def _is_name(name: str) -> bool:
    bare = name.lstrip("-")
    return bool(_SECRET_NAME.search(bare)) and not _ABOUT.search(re.sub(r"(?i)pass$", "password", bare))


def _value(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return next((groups[key] for key in ("vd", "vs", "vb") if groups.get(key)), "")


def _assignments(path: str, line: str) -> Iterator[tuple[str, str]]:
    """Names with their literal values in a line, as the kinds of files write them."""
    document = bool(_DOCUMENT.search(path))
    colons = re.search(r"\.(?:ya?ml|json|toml|ini|conf|cnf|properties|php|js|ts|py)$", path)
    code = re.search(r"\.(?:js|ts|py|c|h|cpp|css|html?|go|rs)$", path)
    for pattern in (_ASSIGNMENT, _DEFINE, _DOCKER_ENV, _DEFAULT):
        if pattern is _DOCKER_ENV and "dockerfile" not in path.lower():
            continue
        for match in pattern.finditer(line):
            name, value = match["name"], _value(match)
            # In a program only a string is a literal value.
            if pattern is _ASSIGNMENT and (code or path.endswith(".php")) and not (match["vd"] or match["vs"]):
                continue
            if pattern is _ASSIGNMENT and not colons and ":" in match.group(0).partition(name)[2][:3].replace(":=", ""):
                continue
            if _is_name(name) and _literal(value):
                yield name, value
    if document:
        return
    for pattern in (_SQL, _REQUIREPASS, _MYSQL_P, _MYSQLADMIN, _CHPASSWD):
        for match in pattern.finditer(line):
            quoted = pattern is not _SQL or match.groupdict().get("vs") or match.groupdict().get("vd")
            if quoted and _literal(_value(match)):
                yield re.sub(r"\s+", " ", match["name"]), _value(match)


def known_values(texts: Mapping[str, str]) -> dict[str, str]:
    """The real values in the folder's .env and secrets, with the name of what each belongs to.

    One that is an everyday word would be found in innocent places and is left out.
    """
    known: dict[str, str] = {}
    for path, text in texts.items():
        if holds_credentials(path):
            pairs = [(path, line.strip()) for line in text.splitlines()[:20]]
        elif _ENV_FILE.search(path) and not _EXAMPLE_FILE.search(path):
            pairs = [pair for line in text.splitlines() for pair in _assignments(path, line)]
        else:
            continue
        for name, value in pairs:
            if len(value) >= 8 and not value.isalpha() and not _WORDS_OF_EXAMPLES.search(value) and _literal(value):
                known.setdefault(value, name)
    return known


def without_values(path: str, text: str) -> str:
    """The text of an environment file with its credentials blotted out; other files as they are."""
    if not _ENV_FILE.search(path):
        return text
    return re.sub(
        r"(?m)^([\s#]*(?:export\s+)?([A-Za-z_]\w*)\s*=)(.+)$",
        lambda match: f"{match[1]}********" if _is_name(match[2]) else match[0],
        text,
    )


def _shown(name: str, value: str) -> str:
    return f"{name} = ******** ({len(value)} characters)"


def find_credentials(
    path: str, content: bytes, known: Mapping[str, str], *, place: str, note: str = ""
) -> list[Credential]:
    """The credentials in one file.

    `known` are real values by which others are found, `place` is how evidence names the file.
    """
    if b"\0" in content or not maybe_text(path):
        return []
    text = content.decode("utf-8", "replace")
    example = bool(_EXAMPLE_FILE.search(path))
    if holds_credentials(path):
        return _whole_file(text, f"{place}:1{note}", path)
    found: dict[int, Credential] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line[:_LINE_LIMIT]
        where = f"{place}:{number}{note}"
        for value, name in known.items():
            if value in line:
                found[number] = Credential(where, f"the value of {name} ({len(value)} characters)", True)
        if number in found:
            continue
        if token := _TOKENS.search(line):
            found[number] = Credential(where, _shown("token", token.group(0)), True)
            continue
        for name, value in _assignments(path, line):
            sure = not example and not _DOCUMENT.search(path) and not _COMMENT.match(line)
            likely = not _WORDS_OF_EXAMPLES.search(value)
            if _COMMENT.match(line) and not (likely and _ENV_FILE.search(path)):
                continue
            # A value that says of itself that it is none is none, except where it is put to use.
            if not likely and (
                not sure or re.search(r"(?i)change|your|<|>|xxx|here|example|todo|placeholder|\*\*|\.\.\.", value)
            ):
                continue
            found.setdefault(number, Credential(where, _shown(name.lstrip("-"), value), sure))
    for key in _PEM.finditer(text):
        number = text.count("\n", 0, key.start()) + 1
        found[number] = Credential(f"{place}:{number}{note}", "a private key", True)
    return [found[number] for number in sorted(found)][:20]


def _whole_file(text: str, where: str, path: str) -> list[Credential]:
    values = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not values:
        return []
    certain = not all(_WORDS_OF_EXAMPLES.search(value) for value in values)
    return [Credential(where, f"{path.rpartition('/')[2]} is a secret as a whole ({len(text)} characters)", certain)]
