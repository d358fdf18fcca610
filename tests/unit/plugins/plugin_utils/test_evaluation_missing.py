# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node without what evaluates: everything can be imported, and whoever evaluates is told what to install."""

from __future__ import annotations

import subprocess
import sys

# Each piece of the evaluation, without the packages of requirements-evaluate.txt.
IMPORT = """
import importlib, pkgutil, sys
for name in ("tree_sitter", "tree_sitter_bash", "playwright", "sslyze"):
    sys.modules[name] = None
from ansible_collections.fortytwo.inception.plugins.action import evaluate_read
for where in ("plugin_utils", "module_utils"):
    package = importlib.import_module(f"ansible_collections.fortytwo.inception.plugins.{where}._evaluation")
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(one.name)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import shell
print(shell.MISSING)
"""


def test_everything_is_imported_without_the_parser() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tree_sitter" in done.stdout
