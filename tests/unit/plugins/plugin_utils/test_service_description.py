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
        ("about: a\nsecrets:\n", "f:2: secrets: None is not a list"),
    ],
)
def test_what_is_no_description(text: str, said: str) -> None:
    [problem] = service_description.read("x", "f", text, text).problems
    assert problem.startswith(said)


BOMB = "".join(
    f"{one}: &{one} [{','.join(['*' + before] * 9)}]\n" for before, one in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"about: x\na: &a [x]\n{BOMB}", "no YAML: aliases that make more than 10000 pieces of it"),
        ("about: x\nenv: &e\n  A: *e\n", "no YAML: an alias for what it stands in"),
        ("about: &e [*e]\n", "no YAML: an alias for what it stands in"),
        ("about: x\nenv: {DAY: 2026-13-01}\n", "no YAML: month must be in 1..12"),
        ("about: caf\udce9\n", "no YAML: "),
    ],
)
def test_what_breaks_its_reader(text: str, said: str) -> None:
    [problem] = service_description.read("x", "f", text, text).problems
    assert said in problem


@pytest.mark.parametrize("written", ["1.10", "0755", "true", "yes", "22:22", "1_000", "2026-01-01", "7007", "a text"])
def test_a_value_of_env_is_what_was_written(written: str) -> None:
    text = f"about: x\nenv: {{V: {written}}}\ncontributes_to: {{nginx: {{env: {{W: {written}}}}}}}\n"
    found = service_description.read("x", "f", text, text)
    assert found.problems == ()
    assert [str(found.said["env"]["V"]), str(found.said["contributes_to"]["nginx"]["env"]["W"])] == [written] * 2


def test_anchors_are_good() -> None:
    text = "about: x\nlimits: &l {pids: 5}\ncontributes_to: {a: {env: &e {A: 1}}, b: {env: *e}}\n"
    assert service_description.read("x", "f", text, text).problems == ()


@pytest.mark.parametrize(
    "line",
    [
        'about: "two\\u2028lines"',
        'about: "a\\ab"',
        'env: {A: "two\\nlines"}',
        'env: {A: "a\\0b"}',
        "limits: {memory: 99999999999999999999G}",
        "limits: {memory: 1M}",
        "limits: {cpus: 0}",
        "volumes: [{name: a, path: /}]",
        "volumes: [{name: a, path: /a/../b}]",
        "volumes: [{name: a, path: '/$HOME'}]",
        "files: {a: ..}",
        'aliases: ["a b"]',
        'aliases: ["$X"]',
        'trial: ["a\\0b"]',
    ],
)
def test_what_docker_would_refuse(line: str) -> None:
    text = f"{line}\n" if line.startswith("about") else f"about: x\n{line}\n"
    [problem] = service_description.read("x", "f", text, text).problems
    assert " is not " in problem


@pytest.mark.parametrize(
    "line",
    [
        "limits: {memory: 6M, cpus: 0.01}",
        "limits: {memory: 1G, cpus: 2}",
        "volumes: [{name: a, path: /var/lib/.x/}]",
        "files: {a: tls.key}",
        'aliases: ["www.${DOMAIN}", other]',
    ],
)
def test_what_looks_alike(line: str) -> None:
    text = f"about: x é\n{line}\n"
    assert service_description.read("x", "f", text, text).problems == ()
