# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip.py, which ansible-test takes from a host of its own: pip from Python itself, then from PyPI."""

from __future__ import annotations

import subprocess
import sys

wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "--upgrade", *wanted], check=False).returncode)
