# SPDX-License-Identifier: GPL-3.0-or-later
"""The module secrets: what values are like, which ones are refused, and which ones it warns of."""

from __future__ import annotations

import base64
import os
import re
import string
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _secret_values
from ansible_collections.fortytwo.inception.plugins.modules import secrets

from tests.unit.plugins.modules.secrets.support import ONE, by_name, content, options, put, steps, warned

HEX = "0123456789abcdef"
NAMES = ["AUTH_KEY", "SECURE_AUTH_KEY", "LOGGED_IN_KEY", "NONCE_KEY"]
NAMES += [name.replace("KEY", "SALT") for name in NAMES]


def salts(lines: dict[str, str] | None = None, **changed: str) -> str:
    """Salts as somebody could have pasted them, with spaces in them."""
    random = {name: base64.b64encode(os.urandom(48)).decode()[:62] + " {" for name in NAMES}
    return "\n".join(f"define('{name}', '{salt}');" for name, salt in (lines or {**random, **changed}).items())


@pytest.mark.parametrize(
    ("declared", "length", "alphabet"),
    [
        ({}, 32, string.ascii_letters + string.digits),
        ({"kind": "password"}, 32, string.ascii_letters + string.digits),
        ({"length": 16}, 16, string.ascii_letters + string.digits),
        ({"length": 4096, "alphabet": HEX}, 4096, HEX),
        ({"kind": "token"}, 64, HEX),
        ({"kind": "token", "length": 20}, 20, HEX),
        ({"kind": "token", "alphabet": HEX.upper()}, 64, HEX.upper()),
    ],
)
def test_a_new_value(run_module: Any, folder: Path, declared: dict[str, Any], length: int, alphabet: str) -> None:
    steps(run_module, secrets, folder, options(folder, {"name": "one", **declared}, {"name": "two", **declared}))
    one, two = ((folder / f"{name}.txt").read_text("ascii") for name in ("one", "two"))
    assert len(one) == len(two) == length
    assert set(one) <= set(alphabet)
    assert one != two


@pytest.mark.parametrize("declared", [{}, {"kind": "token"}, {"alphabet": string.punctuation}])
def test_every_character_of_the_alphabet_is_used(run_module: Any, folder: Path, declared: dict[str, Any]) -> None:
    run_module(secrets, options(folder, {"name": "long", "length": 4096, **declared}))
    alphabet = declared.get("alphabet") or (HEX if declared else string.ascii_letters + string.digits)
    assert set((folder / "long.txt").read_text("ascii")) == set(alphabet)


def test_wordpress_salts(run_module: Any, folder: Path) -> None:
    steps(run_module, secrets, folder, options(folder, {"name": "salts", "kind": "wordpress_salts"}))
    value = (folder / "salts.txt").read_text("ascii")
    lines = [re.fullmatch(r"define\('([A-Z_]+)',( +)'([^'\\]{64})'\);", line) for line in value.split("\n")]
    found = [line for line in lines if line]
    assert [line[1] for line in found] == NAMES
    assert len(found) == len(lines)
    # As api.wordpress.org aligns them.
    assert {len(line[1] + line[2]) for line in found} == {len("SECURE_AUTH_SALT ")}
    assert len({line[3] for line in found}) == 8


def test_php_takes_every_character_of_the_salts_as_it_is() -> None:
    """What could end or change a PHP text between single quotes is a quote and a backslash, and nothing else."""
    assert set(_secret_values.SALT_ALPHABET) == set(string.ascii_letters + string.digits + string.punctuation) - {
        *"'\\"
    }


@pytest.mark.parametrize("kind", ["password", "token"])
def test_a_random_value_that_looks_weak_is_made_again(
    run_module: Any, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter([b"0" * 64, b"01234567" * 4 + b"deadbeef" * 4])
    monkeypatch.setattr(_secret_values, "_random", lambda length, alphabet: next(made))
    run_module(secrets, options(folder, {"name": "one", "kind": kind}))
    assert (folder / "one.txt").read_text().startswith("0123")


LONG = "long-enough-0123"


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"length": 15}, "the length 15 is not from 16"),
        ({"length": 4097}, "the length 4097 is not from 16"),
        (
            {"length": 16, "alphabet": HEX},
            "16 gives 64 bits with 16 characters to .* a length of 20 suffices",
        ),
        ({"kind": "token", "length": 19}, "19 gives 76 bits .* a length of 20 suffices"),
        ({"alphabet": "0123456789"}, "fewer than 16 characters"),
        ({"alphabet": HEX + "f"}, "a character twice"),
        ({"alphabet": HEX + " "}, "not printable ASCII"),
        ({"alphabet": HEX + "é"}, "not printable ASCII"),
        ({"alphabet": ""}, "fewer than 16 characters"),
        ({"kind": "wordpress_salts", "length": 64}, "length and alphabet are not for the kind wordpress_salts"),
        ({"kind": "wordpress_salts", "alphabet": HEX}, "length and alphabet are not for the kind wordpress_salts"),
        ({"value": ""}, "the value is shorter than 16 characters; make one: openssl rand -hex 32"),
        ({"value": "a-short-value-0"}, "the value is shorter than 16 characters"),
        ({"value": "abcabcabcabcabcabcabcabcabc"}, "the value has fewer than 8 different characters"),
        ({"value": "01234567890123456789"}, "the value has too few characters for their kind: fewer than 80 bits"),
        ({"value": "0123456789abcdef"}, "the value has too few characters for their kind: fewer than 80 bits"),
        ({"value": "quickbrownfoxjum"}, "the value has too few characters for their kind: fewer than 80 bits"),
        ({"value": f"{LONG}\n"}, r"the value ends with a newline, .* write it after \|- or in quotes"),
        ({"value": f"{LONG}\r\n"}, "the value ends with a newline"),
        ({"value": f"{LONG}\n{LONG}"}, "the value has a newline, a control character or one that is not ASCII"),
        ({"value": f"{LONG}\t"}, "the value has a newline, a control character or one that is not ASCII"),
        ({"value": f"{LONG}\0"}, "the value has a newline, a control character or one that is not ASCII"),
        ({"value": f"{LONG}é"}, "the value has a newline, a control character or one that is not ASCII"),
        ({"value": f"{LONG}\x7f"}, "the value has a newline, a control character or one that is not ASCII"),
        ({"value": LONG * 257}, "the value is longer than 4096 characters"),
        ({"kind": "wordpress_salts", "value": LONG}, "the value is not the eight lines .*; leave it out"),
        ({"kind": "wordpress_salts", "value": salts() + "\n"}, "the value ends with a newline"),
        ({"kind": "wordpress_salts", "value": salts().split("\n", 1)[1]}, "the value is not the eight lines"),
        ({"kind": "wordpress_salts", "value": salts(NONCE_KEY="short")}, "the value is not the eight lines"),
        ({"kind": "wordpress_salts", "value": salts(NONCE_KEY="a" * 64)}, "the value has a line that is easy to guess"),
        ({"kind": "wordpress_salts", "value": salts(dict.fromkeys(NAMES, LONG * 4))}, "or the same one twice"),
        ({"kind": "wordpress_salts", "value": salts(NONCE_KEY=LONG * 4 + "\\")}, "the value is not the eight lines"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("state", ["present", "staged"])
def test_refused(
    run_module: Any,
    module_failed: Any,
    folder: Path,
    declared: dict[str, Any],
    message: str,
    check: bool,
    state: str,
) -> None:
    put(folder / "good.txt", ONE)
    with pytest.raises(module_failed) as failure:
        run_module(secrets, options(folder, "good", {"name": "bad", **declared}, state=state), check=check)
    assert re.match(f"secrets: 'bad': .*{message}", failure.value.msg)
    if len(value := declared.get("value", "")) > 2:
        assert value not in str(failure.value.result)
    assert content(folder) == {"good.txt": ONE}


@pytest.mark.parametrize(
    "value",
    [
        "xkcd correct horse battery",
        'it\'s "quoted" \\ $HOME `id` &<>/%',
        "Abcdefgh01234567",
        "0123456789abcdef0123",
        "01234567890123456789012345",
        HEX * 256,
    ],
)
def test_a_given_value_is_written_as_it_is(run_module: Any, folder: Path, value: str) -> None:
    steps(run_module, secrets, folder, options(folder, {"name": "one", "value": value}))
    assert content(folder) == {"one.txt": value}


def test_given_salts_are_written_as_they_are(run_module: Any, folder: Path) -> None:
    value = salts()
    steps(run_module, secrets, folder, options(folder, {"name": "one", "kind": "wordpress_salts", "value": value}))
    assert content(folder) == {"one.txt": value}


WEAK = [
    (b"short", "is shorter than 16 characters"),
    (b"password", "is shorter than 16 characters"),
    (b"passwordpassword", "has fewer than 8 different characters"),
    (b"12345678901234567890", "has too few characters for their kind"),
    (b"qwertzuiopasdfgh", "has too few characters for their kind"),
]


@pytest.mark.parametrize(("value", "message"), WEAK)
def test_a_weak_value_is_kept_with_a_warning(run_module: Any, folder: Path, value: bytes, message: str) -> None:
    put(folder / "mine.txt", value)
    result = steps(run_module, secrets, folder, options(folder, "mine", "other"), changes=True)
    assert by_name(result, "warnings")["other"] == []
    (warning,) = by_name(result, "warnings")["mine"]
    assert warning.startswith(f"{folder}/mine.txt holds a value that {message}")
    assert warning.endswith("; rotate it")
    assert warned(result) == [warning]
    assert (folder / "mine.txt").read_bytes() == value
    # It is no news, but still true: each run says it.
    assert warned(run_module(secrets, options(folder, "mine", "other"))) == [warning]


@pytest.mark.parametrize("value", [b"a good value of mine", b"p\xc3\xa4ssw\xc3\xb6rter gut", b"two\nlines are 0kay"])
def test_another_value_is_kept_without_a_warning(run_module: Any, folder: Path, value: bytes) -> None:
    put(folder / "mine.txt", value)
    result = run_module(secrets, options(folder, "mine"))
    assert not result["changed"]
    assert warned(result) == []
    assert (folder / "mine.txt").read_bytes() == value


def test_a_weak_value_that_is_replaced_needs_no_warning(run_module: Any, folder: Path) -> None:
    put(folder / "mine.txt", "short", 0o644)
    assert warned(run_module(secrets, options(folder, {"name": "mine", "value": ONE}))) == []


def test_salts_that_are_none_get_a_warning(run_module: Any, folder: Path) -> None:
    put(folder / "mine.txt", HEX * 4)
    (warning,) = warned(run_module(secrets, options(folder, {"name": "mine", "kind": "wordpress_salts"})))
    assert "is not the eight lines" in warning


@pytest.mark.parametrize("permissions", [0o404, 0o644, 0o602, 0o401])
def test_a_value_that_was_open_to_all(run_module: Any, folder: Path, permissions: int) -> None:
    put(folder / "mine.txt", ONE, permissions)
    would = run_module(secrets, options(folder, "mine"), check=True)
    (warning,) = by_name(would, "warnings")["mine"]
    assert f"(mode {permissions:04o}) and may have been read; rotate it" in warning
    result = run_module(secrets, options(folder, "mine"))
    assert warned(would) == warned(result) == by_name(result, "warnings")["mine"] == [warning]
    assert warned(run_module(secrets, options(folder, "mine"))) == []


def test_a_value_that_was_open_to_its_group(run_module: Any, folder: Path) -> None:
    """Who is in the group of a file was somebody's choice."""
    put(folder / "mine.txt", ONE, 0o640)
    result = run_module(secrets, options(folder, "mine"))
    assert (result["changed"], warned(result)) == (True, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_value_of_somebody_else(run_module: Any, folder: Path) -> None:
    put(folder / "mine.txt", ONE)
    os.chown(folder / "mine.txt", 1234, 0)
    assert warned(run_module(secrets, options(folder, "mine", owner="1234"))) == []
    assert warned(run_module(secrets, options(folder, "mine", owner="4321"))) == [
        f"{folder}/mine.txt belonged to the user with the number 1234, who may have read it; rotate it"
    ]
    assert warned(run_module(secrets, options(folder, "mine", owner="4321"))) == []
