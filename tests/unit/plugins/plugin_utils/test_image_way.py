# SPDX-License-Identifier: GPL-3.0-or-later
"""Where images are built, and why there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_way as image_way

HOST = {"architecture": image_way.own_architecture(), "engine": "26.1.5+dfsg1", "emulated": False}

# setting, hosts, what differs of the host, whether the control node is emulated, has buildah: the builder, and a word
CASES: dict[str, tuple[str, int, dict[str, Any], bool, bool, str, str]] = {
    "one host": ("auto", 1, {}, False, True, "managed_host", "as fast"),
    "an emulated one": ("auto", 1, {"emulated": True}, False, True, "control_node", "emulated"),
    "both emulated": ("auto", 1, {"emulated": True}, True, True, "managed_host", "as fast"),
    "several": ("auto", 3, {}, False, True, "control_node", "3 hosts"),
    "asked for": ("control_node", 1, {}, False, True, "control_node", "inception_builder"),
    "not asked for": ("managed_host", 3, {"emulated": True}, False, True, "managed_host", "inception_builder"),
    "a host of the inventory": ("forge", 1, {"architecture": "riscv64"}, False, False, "forge", "inception_builder"),
    "the builder itself": ("wil", 3, {"emulated": True}, False, True, "managed_host", "it is the builder"),
    "a host, and an old engine": ("forge", 1, {"engine": "20.10.24"}, False, True, "managed_host", "from version 23"),
    "no tool": ("auto", 1, {"emulated": True}, False, False, "managed_host", "no buildah"),
    "no tool, and asked for": ("control_node", 1, {}, False, False, "managed_host", "no buildah"),
    "another architecture": ("auto", 3, {"architecture": "riscv64"}, False, True, "managed_host", "riscv64"),
    "another one, asked for": ("control_node", 1, {"architecture": "s390x"}, False, True, "managed_host", "s390x"),
    "an old engine": ("auto", 2, {"engine": "20.10.24"}, False, True, "managed_host", "from version 23"),
    "an engine that tells no version": ("auto", 2, {"engine": "dev"}, False, True, "managed_host", "from version 23"),
}


# A node of a cluster, on which nobody builds: setting, whether there is a tool, the builder, and a word.
NODES: dict[str, tuple[str, bool, str, str]] = {
    "alone": ("auto", True, "control_node", "builds none itself"),
    "no tool": ("auto", False, "managed_host", "no buildah"),
    "not asked for": ("managed_host", True, "managed_host", "inception_builder"),
    "a host of the inventory": ("forge", False, "forge", "inception_builder"),
}


@pytest.mark.parametrize("name", NODES)
def test_the_way_of_a_node(name: str) -> None:
    """What is the managed host's here, the module refuses: there is nobody who would build it."""
    setting, has_tool, builder, word = NODES[name]
    way = image_way.choose(setting, "one", 1, HOST, False, has_tool, builds_itself=False)
    assert (way.builder, word in way.reason) == (builder, True)


@pytest.mark.parametrize("name", CASES)
def test_the_way_of_a_host(name: str) -> None:
    setting, hosts, differs, own_emulated, has_tool, builder, word = CASES[name]
    way = image_way.choose(setting, "wil", hosts, {**HOST, **differs}, own_emulated, has_tool)
    assert way.builder == builder
    assert word in way.reason
