# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/service-reference.md says what the schema says."""

from __future__ import annotations

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_schema as service_schema

from tests.unit import service_reference


def test_the_page_is_up_to_date() -> None:
    assert service_reference.PAGE.read_text() == service_reference.page(service_schema), service_reference.__doc__


def test_every_former_key_is_in_it_once() -> None:
    page = service_reference.page(service_schema)
    records = (service_schema.SERVICE, service_schema.SECRET, service_schema.CONTRIBUTION)
    assert [old for record in records for old in record.renamed if page.count(f"\n| `{old}` | ") != 1] == []
