# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds credentials in the text of a file. Private to this collection: it may change without notice.

A finding never holds the value, only what it belongs to and how long it is: reports get passed around.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace


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
    r"|var|env|id|algo(?:rithm)?|hashing|method|type|mode|enabled?|lifetime|expire[sd]?|timeout|required|reset|nag|plugin"
    r"|eval|command|cmd|script|tokens|tokenizer|count|s)$",
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
    r"(?:^|[/._-])(?:examples?|exemple|sample|template|dist|tmpl|tpl|default|skel(?:eton)?|pattern|demo|mock|ex)s?"
    r"(?:[/._-]|$)"
    r"|(?:example|sample|template)s?$|\.(?:j2|tpl|in)$",
    re.IGNORECASE,
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
# What a package manager writes: names of packages with their versions and checksums.
_MANIFEST = re.compile(
    r"(?:^|/)(?:package(?:-lock)?\.json|composer\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum|[\w.-]*\.lock(?:b|file)?)$"
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
# A database's client where a command stands, with its arguments: at its beginning, or behind exec and a container.
_CLIENT = re.compile(
    r"(?:^|[|;&({`]|\$\(|\b(?:then|do|else|if|while|until|exec|sudo|RUN|CMD|!)\s"
    r"|\bexec\s(?:-\S+\s+(?:\w+=\S+\s+)?)*[\w.${}()-]+\s)"
    r"\s*[\"']?(?:/\S*/)?(?:mysql|mariadb|mysqladmin|mariadb-admin|mysqldump|mariadb-dump)[\"']?\s(?P<rest>[^|;&\n]*)"
)
_CLIENT_PASSWORD = re.compile(r"(?:^|\s)(?P<name>-p)(?!rotocol\b)(?:" + _QUOTED.format("v") + ")")
_MYSQLADMIN = re.compile(
    r"\b(?:mysqladmin|mariadb-admin)\b[^|;&\n]*?\s(?P<name>password)\s+(?:" + _QUOTED.format("v") + ")"
)
_CHPASSWD = re.compile(
    r"(?:echo|printf)\s+(?:-\w+\s+)*[\"']?(?P<name>[\w${}-]+):(?P<vb>[^\s\"'|\\]+)(?:\\n)?[\"']?\s*\|\s*(?:sudo\s+)?(?:/\S*/)?chpasswd"
)
_CHPASSWD_HERE = re.compile(r"chpasswd\s*<<<\s*[\"']?(?P<name>[\w${}-]+):(?P<vb>[^\s\"'|]+)")
_PASSWD = re.compile(
    r"(?:echo|printf)\s+(?:-\w+\s+)*[\"']?(?P<vb>[^\s\"'|\\;]+)(?:\\n[^\"'|;]*)?[\"']?\s*\)?\s*\|\s*"
    r"(?:sudo\s+)?(?P<name>passwd)\b"
)
_OPENSSL_PASSWD = re.compile(
    r"openssl\s+(?P<name>passwd)\s+(?:-(?:[156]|apr1|crypt)\s+|-salt\s+\S+\s+)*(?!-)(?:" + _QUOTED.format("v") + ")"
)
_USERADD = re.compile(r"\b(?:useradd|usermod)\b[^|;&\n]*?\s(?P<name>-p|--password)[\s=](?:" + _QUOTED.format("v") + ")")
# A password's hash is one: a dump of the database holds those of its users.
_HASH = re.compile(
    r"\$[PH]\$[./0-9A-Za-z]{31}|\$(?:wp\$)?2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|\$[156]\$[^$\s'\"]{2,20}\$[./A-Za-z0-9]{22,86}"
    r"|(?<=['\"])\*[0-9A-F]{40}(?=['\"])"
)
# mysql://wil:value@host
_IN_ADDRESS = re.compile(r"\b[a-z][a-z0-9+]*://[^/\s:@\"']+:(?P<vb>[^@/\s\"']+)@[\w.-]")
_PASTE = re.compile(
    r"\b(?:curl|wget)\b[^\n]*?https?://(?:pastebin\.com|gist\.github(?:usercontent)?\.com|[\w.-]*paste[\w.-]*|transfer\.sh|0x0\.st"
    r"|ix\.io|termbin\.com)/\S+",
    re.IGNORECASE,
)
_SED = re.compile(r"\bs(?P<d>[|/#,@~!])(?:\\.|(?!(?P=d)).)*(?P=d)(?P<new>(?:\\.|(?!(?P=d)).)*)(?P=d)")
# Passwords in a document's sentences and tables.
_PROSE = re.compile(
    r"\b(?P<name>passwords?|passwd|pwd|pass|mot de passe|contraseña|senha|passwort)\b[`*_\"']*\s*(?:\([^)]*\)\s*)?"
    r"(?:is|est|:|=|->|→)\s*"
    r"[`*_\"']*(?P<vb>[^\s`*\"'|<>]+)",
    re.IGNORECASE,
)
# With its first line: programs have the words alone.
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+(?:[A-Za-z-]{2,40}: [^\n]{1,200}\s+){0,9}[A-Za-z0-9+/=]{16,}"
)
_TOKENS = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{50,}|glpat-[\w-]{20}|xox[abpr]-[\w-]{20,}|sk-(?:ant-|proj-)?[\w-]{32,})"
)
_COMMENT = re.compile(r"^\s*(?:#|//|--|;|/\*|\*|<!--)")
_CODE = re.compile(r"\.(?:js|mjs|ts|py|c|h|cpp|css|html?|go|rs|json|svg)$", re.IGNORECASE)
_LINE_LIMIT = 2000
# Longer than what a name and its value are
_OVERLAP = 256


def maybe_text(path: str) -> bool:
    """Whether a file of this name may hold a credential that a person wrote."""
    return not (_BINARY.search(path) or _FOREIGN_CODE.search(path) or _MANIFEST.search(path))


def holds_credentials(path: str) -> bool:
    """Whether a file is a secret as a whole, by its name and place."""
    return bool(_SECRET_FILE.search(path)) and not _NO_SECRET_FILE.search(path) and not _EXAMPLE_FILE.search(path)


def _literal(value: str) -> bool:
    """Whether it is a value, and not a variable, a command, a template, a path or a switch."""
    value = value.strip("\"'")
    if not value or value.startswith(("$", "`", "%", "{{", "{%", "@", "\\$", "\\", "(", "[", "{", "!", "/run/secrets")):
        return False
    # A place that a script fills in: __DB_PASSWORD__, ##DB_PASSWORD##.
    place = re.fullmatch(r"(?P<mark>__|#{1,2}|~{1,2})(?P<name>[A-Za-z]\w*?)(?P=mark)", value)
    if place and (place["name"].isupper() or is_name(place["name"])):
        return False
    # The name of a variable stands for its value.
    if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", value):
        return False
    # The call of a function, and a pattern.
    if re.match(r"\w+\(", value) or re.search(r"\.[*+]|\[\^|\\[1-9]|\([^)]*\|", value):
        return False
    bare = value.rstrip(",")
    return bool(bare) and not (
        _NO_VALUE.match(bare) or _PATH.match(bare) or "$(" in value or "${" in value or value.startswith(".")
    )


def _long_enough(name: str, value: str) -> bool:
    """Whether it can be one: a password of three letters is one, a token of three is a word of the sentence."""
    return len(value) >= (3 if re.search(r"pass|pwd|psw|pw$|mdp|IDENTIFIED", name, re.IGNORECASE) else 6)


def is_name(name: str) -> bool:
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
            if is_name(name) and _literal(value):
                yield name, value
    if document:
        return
    yield from _commands(line)


def _commands(line: str) -> Iterator[tuple[str, str]]:
    """Passwords among the arguments of commands."""
    for pattern in (
        _SQL,
        _REQUIREPASS,
        _MYSQLADMIN,
        _CHPASSWD,
        _CHPASSWD_HERE,
        _PASSWD,
        _OPENSSL_PASSWD,
        _USERADD,
    ):
        for match in pattern.finditer(line):
            quoted = pattern is not _SQL or match.groupdict().get("vs") or match.groupdict().get("vd")
            if quoted and _literal(_value(match)):
                yield re.sub(r"\s+", " ", match["name"]), _value(match)
    for client in _CLIENT.finditer(line):
        for match in _CLIENT_PASSWORD.finditer(client["rest"]):
            if _literal(_value(match)):
                yield match["name"], _value(match)


def _told(line: str) -> Iterator[tuple[str, str]]:
    """Passwords in a sentence or a row of a document, as far as they do not read as a word."""
    pairs = [(match["name"], match["vb"].rstrip(".,;:)")) for match in _PROSE.finditer(line)]
    cells = [cell.strip().strip("`*_ ") for cell in line.split("|")]
    pairs += [(name, value) for name, value in itertools.pairwise(cells) if re.fullmatch(r"[\w -]{2,40}", name)]
    for name, value in pairs:
        says = is_name(name.replace(" ", "_")) or _PROSE.match(f"{name}: x")
        if says and _literal(value) and " " not in value and _reads_as_password(value):
            yield name.strip(), value


def _reads_as_password(value: str) -> bool:
    return (
        len(value) >= 5
        and bool(re.search(r"[A-Za-z]", value))
        and bool(re.search(r"[\d!@#$%^&*?]", value))
        and not re.search(r"[/{}<>()\[\]=\\]|^\W*\w+\.\w+$", value)
        and not _WORDS_OF_EXAMPLES.search(value)
    )


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
            if len(value) >= 8 and _singular(value) and not _WORDS_OF_EXAMPLES.search(value) and _literal(value):
                known.setdefault(value, name)
    return known


def _singular(value: str) -> bool:
    """Whether it turns up nowhere by chance: more than a word, and more than a name of this exercise."""
    left = re.sub(
        r"(?i)wordpress|mariadb|mysql|nginx|inception|docker|database|server|admin|user|site|data|root|test|port|42|wp|db|fr|[\W_]",
        "",
        value,
    )
    return not value.isalpha() and len(left) >= 4 and not left.isdigit()


BLOTTED = "********"


def without_values(path: str, text: str) -> str:
    """The text of an environment file with its credentials blotted out; other files as they are."""
    if not _ENV_FILE.search(path):
        return text
    return re.sub(
        r"(?m)^([ \t#]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=)(.+)$",
        lambda match: f"{match[1]}{BLOTTED}" if is_name(match[2]) else match[0],
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
    if not maybe_text(path):
        return []
    # What is no text may be one with a zero put into it: a shell reads over those.
    binary = b"\0" in content
    text = content.replace(b"\0", b"\n" if binary else b"").decode("utf-8", "replace")
    example = bool(_EXAMPLE_FILE.search(path))
    if holds_credentials(path):
        return _doubted(_whole_file(text, f"{place}:1{note}", path), binary)
    document = bool(_DOCUMENT.search(path))
    found: dict[int, Credential] = {}
    code = bool(_CODE.search(path))
    bad = frozenset(_shown_as_bad(text)) if document else frozenset()
    for number, line, first in _pieces(text):
        if number in found or number in bad or (binary and not _reads_as_text(line)):
            continue
        where = f"{place}:{number}{note}"
        for value, name in known.items():
            if value in line:
                found[number] = Credential(where, f"the value of {name} ({len(value)} characters)", True)
        if number in found:
            continue
        token = _TOKENS.search(line)
        # The well-known ones of documentations say so.
        if token and "EXAMPLE" not in token.group(0):
            found[number] = Credential(where, _shown("token", token.group(0)), not document)
            continue
        if (address := _IN_ADDRESS.search(line)) and _literal(address["vb"]):
            likely = not _WORDS_OF_EXAMPLES.search(address["vb"])
            sure = not (document or example or _COMMENT.match(line))
            if likely or (sure and not _NONE_BY_ITSELF.search(address["vb"])):
                found[number] = Credential(where, _shown("password in an address", address["vb"]), likely and sure)
            continue
        if hashed := _HASH.search(line):
            found[number] = Credential(where, _shown("a password's hash", hashed.group(0)), not (document or example))
            continue
        if _PASTE.search(line) and re.search(r"\.env|secret|credential|passw", line, re.IGNORECASE):
            found[number] = Credential(where, "credentials are fetched from where everybody reads them", False)
            continue
        # Far to the right a program has what another program wrote.
        for name, value in _assignments(path, _without_patterns(line)) if first or not code else ():
            sure = not example and not document and not _COMMENT.match(line)
            likely = not _WORDS_OF_EXAMPLES.search(value)
            if not _long_enough(name, value):
                continue
            if _COMMENT.match(line) and not (likely and _ENV_FILE.search(path) and _SWITCHED_OFF.match(line)):
                continue
            # A value that says of itself that it is none is none, except where it is put to use.
            if not likely and (not sure or _NONE_BY_ITSELF.search(value)):
                continue
            found.setdefault(number, Credential(where, _shown(name.lstrip("-"), value), sure))
        for name, value in _told(line) if document else ():
            found.setdefault(number, Credential(where, _shown(name, value), False))
    for key in itertools.islice(_PEM.finditer(text), _MOST):
        number = text.count("\n", 0, key.start()) + 1
        found[number] = Credential(f"{place}:{number}{note}", "a private key", not document)
    # The certain ones first: a cap hides what may be an example, and nothing else.
    told = _doubted((found[number] for number in sorted(found)), binary)
    return sorted(told, key=lambda one: not one.certain)[:_MOST]


# How a document shows what not to do: "# Bad" above a line of code.
_BAD = re.compile(r"[\s#/*>;`_-]*(?:❌|✗|🚫|(?:bad|wrong|incorrect|insecure)\b).{0,40}$", re.IGNORECASE)


def _shown_as_bad(text: str) -> Iterator[int]:
    """The lines below one that says that it is not done so, down to the next empty one."""
    bad = False
    for number, line in enumerate(text.splitlines(), 1):
        bad = bool(line.strip()) and (bad or bool(_BAD.match(line)))
        if bad:
            yield number


def _doubted(found: Iterable[Credential], binary: bool) -> list[Credential]:
    """In what is no text, all may be there by chance."""
    return [replace(one, certain=one.certain and not binary) for one in found]


def _reads_as_text(line: str) -> bool:
    """Whether somebody wrote it: among random bytes a name and a value stand by chance, between others."""
    strange = sum(not (one.isprintable() or one == "\t") or one == "\ufffd" for one in line)
    return strange * 10 <= len(line)


def _pieces(text: str) -> Iterator[tuple[int, str, bool]]:
    """Lines with their numbers, long ones in pieces that overlap; whether it is a line's first."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, line[:_LINE_LIMIT], True
        for start in range(_LINE_LIMIT - _OVERLAP, len(line) - _OVERLAP, _LINE_LIMIT - _OVERLAP):
            yield number, line[start : start + _LINE_LIMIT], False


_MOST = 100
_NONE_BY_ITSELF = re.compile(
    r"change|redact|masked|your|<|>|xxx|here|example|todo|placeholder|\*\*|\.\.\.", re.IGNORECASE
)
# An assignment that somebody switched off, and no heading.
_SWITCHED_OFF = re.compile(r"\s*#\s*(?:export\s+)?[A-Za-z_]\w*=\S+\s*$")


def _without_patterns(line: str) -> str:
    """A line in which an editor's commands are what they write, and not what they look for."""
    return _SED.sub(lambda match: f" {match['new']} ", line) if re.search(r"\bsed\b|^\s*-e\s", line) else line


def _whole_file(text: str, where: str, path: str) -> list[Credential]:
    """A file of secrets is one whatever its words are, unless it says plainly that it is to be filled in."""
    values = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    values = [value.partition("=")[2] if re.match(r"[A-Za-z_]\w*=", value) else value for value in values]
    if not any(values):
        return []
    certain = not all(_NONE_BY_ITSELF.search(value) for value in values if value)
    return [Credential(where, f"{path.rpartition('/')[2]} is a secret as a whole ({len(text)} characters)", certain)]
