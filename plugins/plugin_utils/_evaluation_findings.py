# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the check of one item gives back. Private to this collection: it may change without notice."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import FAIL, PASS, WARNING, Evidence
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_project import Project

# More of the same says nothing new.
_MOST = 20


@dataclass
class Finding:
    """A verdict with its evidence."""

    verdict: str
    evidence: list[Evidence] = field(default_factory=list)


Check = Callable[[Project, datetime.date], Finding]


def judged(failures: Iterable[Evidence], warnings: Iterable[Evidence] = (), good: Iterable[Evidence] = ()) -> Finding:
    """The worst that was found, with its evidence; `good` is what a pass rests on."""
    for verdict, found in ((FAIL, list(failures)), (WARNING, list(warnings)), (PASS, list(good))):
        if found:
            return Finding(verdict, list(dict.fromkeys(found))[:_MOST])
    return Finding(PASS)
