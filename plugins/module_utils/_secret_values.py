# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secret is declared to be, and its values. Private to this collection: it may change without notice.

No message of this file holds a value or a part of one.
"""

from __future__ import annotations

import math
import re
import secrets
import string
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils import _files

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
LOWER_HEX, UPPER_HEX = "0123456789abcdef", "0123456789ABCDEF"
PRINTABLE = string.ascii_letters + string.digits + string.punctuation
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
SHORTEST = 16
LONGEST = 4096
SMALLEST_ALPHABET = 16
LEAST_BITS = 80
LEAST_DIFFERENT = 8

SALTS = "wordpress_salts"
# The default length and alphabet of each kind that has them.
KINDS = {"password": (32, LETTERS_AND_DIGITS), "token": (64, LOWER_HEX)}

SALT_NAMES = [
    f"{purpose}_{kind}" for kind in ("KEY", "SALT") for purpose in ("AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE")
]
SALT_LENGTH = 64
# What PHP takes as it is between single quotes.
SALT_ALPHABET = "".join(character for character in PRINTABLE if character not in "'\\")
SALT_LINE = re.compile(r"define\('([A-Z_]+)', *'([ -&(-\[\]-~]{32,})'\);")


@dataclass(frozen=True)
class Secret:
    """A declared secret."""

    name: str
    kind: str
    length: int
    alphabet: str
    value: bytes | None = field(repr=False)

    @property
    def current(self) -> str:
        return f"{self.name}.txt"

    @property
    def next(self) -> str:
        return f"{self.name}.txt.next"

    @property
    def previous(self) -> str:
        return f"{self.name}.txt.previous"

    @property
    def files(self) -> tuple[str, str, str]:
        """All its files. Removed in this order, with the current one last, they are a sound secret at any moment."""
        return self.next, self.previous, self.current

    def new_value(self) -> bytes:
        """The value that was given, or else a random one."""
        if self.value is not None:
            return self.value
        while True:
            value = _salts() if self.kind == SALTS else _random(self.length, self.alphabet)
            # Chance may make a value that looks weak, of one digit again and again.
            if self.weakness(value) is None:
                return value

    def weakness(self, value: bytes) -> str | None:
        """Why a value of this kind is easy to guess, None when nothing is seen that speaks for it."""
        return _salts_weakness(value) if self.kind == SALTS else _weakness(value)


def _random(length: int, alphabet: str) -> bytes:
    return "".join(secrets.choice(alphabet) for dummy in range(length)).encode("ascii")


def _salts() -> bytes:
    """The lines that https://api.wordpress.org/secret-key/1.1/salt/ gives."""
    width = max(map(len, SALT_NAMES)) + len("'', ")
    lines = [
        "define(" + f"'{name}',".ljust(width) + f"'{_random(SALT_LENGTH, SALT_ALPHABET).decode('ascii')}');"
        for name in SALT_NAMES
    ]
    return "\n".join(lines).encode("ascii")


def _weakness(value: bytes) -> str | None:
    """A rough rule that knows no words: it finds what is hopeless, and takes the rest for random."""
    if len(value) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if len(set(value)) < LEAST_DIFFERENT:
        return f"has fewer than {LEAST_DIFFERENT} different characters"
    if len(value) * math.log2(_choice(value)) < LEAST_BITS:
        return f"has too few characters for their kind: fewer than {LEAST_BITS} bits even if it was made at random"
    return None


def _choice(value: bytes) -> int:
    """Of how many characters each one of a value was probably chosen."""
    used = set(value.decode("latin-1"))
    for alphabet in (string.digits, LOWER_HEX, UPPER_HEX):
        if used <= set(alphabet):
            return len(alphabet)
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation + " ")
    return sum(len(characters) for characters in classes if used & set(characters)) or len(used)


def _salts_weakness(value: bytes) -> str | None:
    found = [SALT_LINE.fullmatch(line) for line in value.decode("latin-1").split("\n")]
    lines = {match[1]: match[2] for match in found if match}
    if len(found) != len(SALT_NAMES) or set(lines) != set(SALT_NAMES):
        return "is not the eight lines define('AUTH_KEY', '...'); and so on, each with 32 characters or more"
    if len(set(lines.values())) != len(lines) or any(_weakness(salt.encode("latin-1")) for salt in lines.values()):
        return "has a line that is easy to guess, or the same one twice"
    return None


def declared(options: list[dict[str, Any]]) -> list[Secret]:
    """The declared secrets, once they are known to be sound."""
    found = [_secret(option) for option in options]
    for secret in found:
        if problem := _value_problem(secret):
            raise _files.FileProblem(f"secrets: {secret.name!r}: {problem}")
    for name, count in Counter(s.name for s in found).items():
        if count > 1:
            raise _files.FileProblem(f"secrets: {name!r} is declared {count} times; give each secret a name of its own")
    return found


def _secret(option: dict[str, Any]) -> Secret:
    name, kind, length, alphabet, value = (option[key] for key in ("name", "kind", "length", "alphabet", "value"))
    default_length, default_alphabet = KINDS.get(kind, (SALT_LENGTH, SALT_ALPHABET))
    secret = Secret(
        name,
        kind,
        default_length if length is None else length,
        default_alphabet if alphabet is None else alphabet,
        None if value is None else str(value).encode("utf-8", "surrogateescape"),
    )
    problem = name_problem(name)
    if not isinstance(value, (str, type(None))):
        problem = problem or "the value is not a text; write it in quotes"
    if kind == SALTS and (length, alphabet) != (None, None):
        problem = problem or f"length and alphabet are not for the kind {SALTS}; leave them out"
    if problem := problem or _strength_problem(secret):
        raise _files.FileProblem(f"secrets: {name!r}: {problem}")
    return secret


def name_problem(name: str) -> str | None:
    if NAME.fullmatch(name):
        return None
    return "a name is lowercase letters, digits, _ and -, with a letter first; for example: db_password"


def _strength_problem(secret: Secret) -> str | None:
    if not SHORTEST <= secret.length <= LONGEST:
        return f"the length {secret.length} is not from {SHORTEST} to {LONGEST}; for example: 32"
    if not set(secret.alphabet) <= set(PRINTABLE):
        return "the alphabet has a character that is not printable ASCII; for example: abcdefghijkmnpqrstuvwxyz23456789"
    if len(set(secret.alphabet)) != len(secret.alphabet):
        return "the alphabet has a character twice, which would make it more frequent; name each once"
    if len(secret.alphabet) < SMALLEST_ALPHABET:
        return f"the alphabet has fewer than {SMALLEST_ALPHABET} characters; for example: {LOWER_HEX}"
    bits = math.log2(len(secret.alphabet))
    if secret.length * bits < LEAST_BITS:
        return (
            f"the length {secret.length} gives {secret.length * bits:.0f} bits with {len(secret.alphabet)} characters "
            f"to choose from, fewer than {LEAST_BITS}; a length of {math.ceil(LEAST_BITS / bits)} suffices"
        )
    return None


def _value_problem(secret: Secret) -> str | None:
    if secret.value is None:
        return None
    allowed = set(range(0x20, 0x7F)) | ({ord("\n")} if secret.kind == SALTS else set())
    if secret.value.endswith((b"\n", b"\r")):
        return "the value ends with a newline, which would be a part of it; in YAML, write it after |- or in quotes"
    if not set(secret.value) <= allowed:
        return "the value has a newline, a control character or one that is not ASCII; use letters, digits and signs"
    if len(secret.value) > LONGEST:
        return f"the value is longer than {LONGEST} characters"
    if problem := secret.weakness(secret.value):
        example = "leave it out, and the lines are made" if secret.kind == SALTS else "make one: openssl rand -hex 32"
        return f"the value {problem}; {example}"
    return None
