# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/service-reference.md says what the schema says."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.fortytwo.inception.plugins.plugin_utils import _service_schema as service_schema
from ansible_collections.fortytwo.inception.tests.unit import reference


def test_the_reference_is_that_of_the_schema(repository: Path) -> None:
    """To write it anew: python -m tests.unit.reference >docs/service-reference.md"""
    assert (repository / "docs/service-reference.md").read_text() == reference.page(service_schema)
