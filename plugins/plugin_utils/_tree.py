# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a tree, as the module tree is given them, on the control node."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _rendering as rendering

MODE = "0644"


def files(action: ActionBase, options: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The templates of src, rendered as ansible.builtin.template does, and the files besides."""
    source, more = options.get("src"), options.get("files") or []
    return [*more] if source is None else [*_rendered(action, str(source), variables), *more]


def _rendered(action: ActionBase, source: str, variables: Mapping[str, Any]) -> list[dict[str, str]]:
    try:
        folder = Path(action._find_needle("templates", source))
        renderer = rendering.Renderer(action._templar, action._loader, variables)
        return [{"path": path, "content": text} for path, text in rendering.tree(renderer, folder).items()]
    except (AnsibleError, rendering.RenderingError) as error:
        raise AnsibleActionFail(f"src: {error}") from None


def digests(found: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The same files by what tells them from others; a hundredth of their size."""
    return [{"path": one["path"], "mode": one.get("mode") or MODE, "sha256": _digest(one)} for one in found]


def _digest(file: Mapping[str, Any]) -> str:
    text = str(file["content"])
    data = base64.b64decode(text) if file.get("encoding") == "base64" else text.encode("utf-8", "surrogateescape")
    return hashlib.sha256(data).hexdigest()
