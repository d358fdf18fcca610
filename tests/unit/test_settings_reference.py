# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/settings.md says what the argument specs say."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _settings_specs as specs

from tests.unit import settings_reference


def test_the_page_is_up_to_date() -> None:
    assert settings_reference.PAGE.read_text() == settings_reference.page(), settings_reference.__doc__


def test_every_setting_is_in_it() -> None:
    page = settings_reference.page()
    assert [name for name in specs.options() if page.count(f"| `{name}` |") != 1] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("With O(inception_tls=provided), its key.", "With `inception_tls: provided`, its key."),
        (
            "V(false) leaves C(a.json) to M(x.y.z) and O(evaluate_source).",
            "`false` leaves `a.json` to `x.y.z` and `evaluate_source`.",
        ),
        ("is RV(a.b.c#module:vm).", "is `vm`."),
        ("as C({MARIADB_PORT: 3307}) or C(f(x))", "as `{MARIADB_PORT: 3307}` or `f(x)`"),
        ("see U(https://example.org/)", "see <https://example.org/>"),
    ],
)
def test_markup(text: str, expected: str) -> None:
    assert settings_reference.plain(text) == expected
