# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of a rendered description is a line of its template."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_description as service_description

SOURCE = """\
{# a comment #}
{# another #}
about: the cache
{% if copied %}
copied: {site: {{ folder }}}
{% endif %}
env:
  PORT: {{ port }}
{% for name in names %}
  NAME_{{ name }}: 1
{% endfor %}
secrets:
  - {name: word, lenght: 20}
ports:
  - published: {{ port }}
    forwarded: {{ inception_vm_port }}
"""
RENDERED = """\
about: the cache
env:
  PORT: 7000
  NAME_A: 1
  NAME_B: 1
secrets:
  - {name: word, lenght: 20}
ports:
  - published: 7000
    forwarded: 7001
"""


def test_the_line_is_that_of_the_template() -> None:
    found = service_description.read("cache", "my/cache/service.yml", SOURCE, RENDERED)
    assert found.problems == ("my/cache/service.yml:13: unknown key 'lenght'; did you mean 'length'?",)
    assert [found.at(place) for place in ((), ("env", "PORT"), ("secrets",), ("ports", 0, "forwarded"))] == [
        "my/cache/service.yml:3",
        "my/cache/service.yml:8",
        "my/cache/service.yml:12",
        "my/cache/service.yml:16",
    ]
    assert found.setting_of("ports", 0, "forwarded") == "inception_vm_port"
    assert found.setting_of("ports", 0, "published") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("about: [", "f:1: no YAML: "),
        ("about: a\nenv: {}\nenv: {}\n", "f:3: 'env' is there twice"),
        ("- about", "f:1: ['about'] is not a table"),
        ("", "f:1: 'about' is missing"),
        ("about: a\nsecrets:\n", "f:2: None is not a list"),
    ],
)
def test_what_is_no_description(text: str, said: str) -> None:
    [problem] = service_description.read("x", "f", text, text).problems
    assert problem.startswith(said)
