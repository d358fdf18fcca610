# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several actions of the evaluation have. Private to this collection: it may change without notice."""

from __future__ import annotations

import datetime
from typing import Any

from ansible.errors import AnsibleActionFail


def as_day(value: Any) -> datetime.date:
    """The day of the evaluation; today when it is left out."""
    if value in (None, ""):
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise AnsibleActionFail(f"date: '{value}' is not a day; a good one is 2026-11-24") from None
