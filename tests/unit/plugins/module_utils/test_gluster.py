# SPDX-License-Identifier: GPL-3.0-or-later
"""What GlusterFS says of a volume's copies."""

from __future__ import annotations

import pytest
from ansible_collections.fortytwo.inception.plugins.module_utils import _gluster

HEAL = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput><healInfo><bricks>
<brick hostUuid="1"><name>192.0.2.11:/bricks/x</name><file>/a</file>
<status>Connected</status><numberOfEntries>2</numberOfEntries></brick>
<brick hostUuid="-"><name>192.0.2.12:/bricks/x</name>
<status>Transport endpoint is not connected</status><numberOfEntries>-</numberOfEntries></brick>
</bricks></healInfo><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>
"""


def test_a_copy_that_is_away_and_what_it_has_not_yet() -> None:
    gluster = _gluster.Gluster(lambda words: (0, HEAL, ""))
    assert gluster.copies("x") == [
        {"host": "192.0.2.11", "there": True, "to_heal": 2},
        {"host": "192.0.2.12", "there": False, "to_heal": 0},
    ]
    assert gluster.away("x") == {"192.0.2.12:/bricks/x"}


def test_its_own_words_are_told() -> None:
    said = "<cliOutput><opRet>-1</opRet><opErrstr>Volume x does not exist</opErrstr></cliOutput>"
    with pytest.raises(_gluster.StorageProblem, match="gluster volume heal: Volume x does not exist"):
        _gluster.Gluster(lambda words: (1, said, "")).copies("x")


def test_no_answer_is_told() -> None:
    with pytest.raises(_gluster.StorageProblem, match="gluster peer status: Connection failed"):
        _gluster.Gluster(lambda words: (1, "", "Connection failed\n")).peers()
