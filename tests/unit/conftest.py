# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share: this checkout as the collection, and modules run in-process."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils import _internal
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

ROOT = Path(__file__).resolve().parents[2]

# The tests mean this checkout, whatever collection is installed beside it.
_collections = tempfile.TemporaryDirectory(prefix="inception-tests-")
_namespace = Path(_collections.name, "ansible_collections", "fortytwo")
_namespace.mkdir(parents=True)
(_namespace / "inception").symlink_to(ROOT)
sys.path.insert(0, _collections.name)


class ModuleFailed(Exception):
    """The module ended with fail_json; msg is its message, result all that it returned."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result.get("msg"))
        self.msg = str(result.get("msg"))
        self.result = result


RunModule = Callable[..., dict[str, Any]]


@contextlib.contextmanager
def _target() -> Iterator[None]:
    """As on a target: warnings go into the result, not to the display of a control node, and none is left over."""
    with (
        mock.patch.object(_internal, "is_controller", False),
        mock.patch.dict(warnings._global_warnings, clear=True),
        mock.patch.dict(warnings._global_deprecations, clear=True),
    ):
        yield


def _run_module(module: ModuleType, args: dict[str, Any], check: bool = False, diff: bool = False) -> dict[str, Any]:
    """Run a module as Ansible would and return what it prints, censored as Ansible would."""
    options = {**args, "_ansible_check_mode": check, "_ansible_diff": diff}
    printed = io.StringIO()
    with _target(), patch_module_args(options), contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(printed.getvalue())
    if result.get("failed"):
        raise ModuleFailed(result)
    return result


@pytest.fixture
def run_module() -> RunModule:
    """run_module(module, args, check=False, diff=False) -> result; raises ModuleFailed."""
    return _run_module


@pytest.fixture
def module_failed() -> type[ModuleFailed]:
    """The class of the error, for pytest.raises, since a conftest is not to be imported."""
    return ModuleFailed


@pytest.fixture
def repository() -> Path:
    """The root of this checkout."""
    return ROOT


@pytest.fixture
def collections_path() -> Path:
    """A folder for ANSIBLE_COLLECTIONS_PATH in which this checkout is the collection."""
    return Path(_collections.name)
