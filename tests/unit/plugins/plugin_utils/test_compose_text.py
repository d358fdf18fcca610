# SPDX-License-Identifier: GPL-3.0-or-later
"""An anchor is merged into the environment of a service, however its piece of the compose file writes it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _compose_text

HEAD = 'x: &inside\n  NO_PROXY: "localhost"\nservices:\n  a:\n'


@pytest.mark.parametrize(
    ("piece", "environment"),
    [
        ("    image: x\n", {}),
        ("    environment:\n      A: ${A}\n      B: 'x'\n    tmpfs: [/tmp]\n", {"A": "${A}", "B": "x"}),
        ("    environment:  # why\n\n      # a comment\n      A: b\n", {"A": "b"}),
        ("    tmpfs: [/tmp]\n    environment:\n      - A=b\n      - B=c=d\n", {"A": "b", "B": "c=d"}),
        ("    environment:\n    - A=b\n    tmpfs: [/tmp]\n", {"A": "b"}),
        ("    environment: {A: b, N: 5}\n    tmpfs: [/tmp]\n", {"A": "b", "N": 5}),
        ("    build:\n      environment:\n        A: b\n", {}),
    ],
)
def test_an_environment_of_any_form(piece: str, environment: dict[str, Any]) -> None:
    text = _compose_text.with_environment(piece, "inside")
    service = yaml.safe_load(HEAD + text)["services"]["a"]
    assert service["environment"] == {"NO_PROXY": "localhost", **environment}
    for line in piece.splitlines():
        if "tmpfs" in line or "# a comment" in line:
            assert line in text.splitlines()
