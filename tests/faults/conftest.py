# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of the scenario faults, and its visitors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.bench import Bench
from tests.verify.support import Site, Stack, read_settings


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    import os

    import testinfra

    folder = tmp_path_factory.mktemp("faults")
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory").resolve()
    host: Any = testinfra.get_host(f"ansible://wil?ansible_inventory={inventory}")
    settings = read_settings(host.ansible.get_variables(), None)
    stack = Stack(host, settings)
    authority = folder / "ca.crt"
    authority.write_text(stack.root("cat %s/secrets/ca.crt", settings.project), encoding="utf-8")
    return Bench(host, stack, Site(settings, authority), folder)
