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


def info(*bricks: str) -> str:
    listed = "".join(f"<brick>{one}<name>{one}</name></brick>" for one in bricks)
    return f"<cliOutput><volInfo><volume><name>x</name><bricks>{listed}</bricks></volume></volInfo></cliOutput>"


def status(*nodes: tuple[str, str]) -> str:
    listed = "".join(
        f"<node><hostname>{one}</hostname><path>/bricks/x</path><status>{well}</status></node>" for one, well in nodes
    )
    return f"<cliOutput><volStatus>{listed}</volStatus></cliOutput>"


def test_a_copy_that_is_away_and_what_it_has_not_yet() -> None:
    there = info("192.0.2.11:/bricks/x", "192.0.2.12:/bricks/x")
    gluster = _gluster.Gluster(lambda words: (0, there if "info" in words[-2:-1] and "heal" not in words else HEAL, ""))
    assert gluster.copies("x") == [
        {"host": "192.0.2.11", "there": True, "to_heal": 2},
        {"host": "192.0.2.12", "there": False, "to_heal": 0},
    ]
    assert gluster.away("x") == {"192.0.2.12:/bricks/x"}


@pytest.mark.parametrize(
    ("nodes", "there"),
    [([("192.0.2.11", "1")], True), ([("192.0.2.11", "0")], False), ([], False)],
    ids=["well", "its process ended", "its node is away"],
)
def test_of_one_copy_nothing_is_to_heal(nodes: list[tuple[str, str]], there: bool) -> None:
    """As of one node or two: GlusterFS refuses to be asked for it."""
    asked: list[list[str]] = []

    def run(words: list[str]) -> tuple[int, str, str]:
        asked.append(words)
        return 0, info("192.0.2.11:/bricks/x") if "info" in words else status(*nodes), ""

    gluster = _gluster.Gluster(run)
    assert gluster.copies("x") == [{"host": "192.0.2.11", "there": there, "to_heal": 0}]
    assert gluster.away("x") == (set() if there else {"192.0.2.11:/bricks/x"})
    assert not [words for words in asked if "heal" in words]


def test_its_own_words_are_told() -> None:
    said = "<cliOutput><opRet>-1</opRet><opErrstr>Volume x does not exist</opErrstr></cliOutput>"
    with pytest.raises(_gluster.StorageProblem, match="gluster volume info: Volume x does not exist"):
        _gluster.Gluster(lambda words: (1, said, "")).copies("x")


def test_no_answer_is_told() -> None:
    with pytest.raises(_gluster.StorageProblem, match="gluster peer status: Connection failed"):
        _gluster.Gluster(lambda words: (1, "", "Connection failed\n")).peers()


def test_a_new_brick_gets_what_it_lacks() -> None:
    """Of this command alone the answer is no XML; asked for, it is text all the same."""
    said: list[list[str]] = []

    def run(words: list[str]) -> tuple[int, str, str]:
        said.append(words)
        return 0, "Launching heal operation to perform full self heal on volume x has been successful\n", ""

    _gluster.Gluster(run).heal("x")
    assert said == [["gluster", "--mode=script", "volume", "heal", "x", "full"]]
    with pytest.raises(_gluster.StorageProblem, match="gluster volume heal: Self-heal daemon is not running"):
        _gluster.Gluster(lambda words: (1, "", "Self-heal daemon is not running\n")).heal("x")
