# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a reboot: write something as people do, and note it for after.py.

Not collected by itself, since a reboot belongs between the two: pytest tests/verify/reboot/before.py, reboot,
pytest tests/verify/reboot/after.py, both with the same --hosts, --ansible-inventory and INCEPTION_VERIFY_STATE
(a folder on the control node).
"""

from __future__ import annotations

import secrets as random

import pytest

from tests.verify.reboot.notes import Notes, boot, notes_path
from tests.verify.support import Site, Stack, write


@pytest.mark.rule("VOL-3")
def test_people_write(stack: Stack, site: Site) -> None:
    """The user adds a comment and the administrator edits a page; a visitor sees both."""
    stack.wait_healthy()
    written = write(stack, site, random.token_hex(8))
    assert written.missing(site) == []
    containers = {name: container["Id"] for name, container in stack.containers().items()}
    Notes(written, boot(stack), containers).save(notes_path(stack))
