# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: evaluations
short_description: What each host of a play was found to be, for the reports
version_added: "1.0.0"
author: fortytwo.inception contributors (@fortytwo-inception)
description:
  - Gathers what the role P(fortytwo.inception.evaluate#role) noted of each host, those too that could not be evaluated.
positional: hosts, common
options:
  _input:
    description: C(hostvars).
    type: dict
    required: true
  hosts:
    description: The names of the hosts.
    type: list
    elements: str
    required: true
  common:
    description: What is the same for all hosts, how far the evaluation went and so on.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Write the reports
  fortytwo.inception.evaluate_report:
    path: reports
    templates: templates
    evaluations: "{{ hostvars | fortytwo.inception.evaluations(ansible_play_hosts_all, {'sections': ['docker']}) }}"
"""

RETURN = r"""
_value:
  description: One entry for each host, by their names, as M(fortytwo.inception.evaluate_report) wants them.
  type: list
  elements: dict
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

NOT_ENDED = "the evaluation did not come to its end"
# A host may be a stranger's, root and all: what it answers is anything.
NO_FORM = "the host answered in no known form"
# Key of the entry: the fact of the role, and what it is where the role did not come so far.
NOTED = {
    "static": ("__evaluate_static", []),
    "runtime": ("__evaluate_runtime", []),
    "images": ("__evaluate_images", []),
    "screenshots": ("__evaluate_screenshots", []),
    "error": ("__evaluate_error", NOT_ENDED),
}


def _now() -> float:
    return datetime.datetime.now(tz=datetime.UTC).timestamp()


def _evaluation(host: str, noted: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """One entry. What the role knows of its subject goes over what is common to all."""
    found = {key: noted.get(fact, default) for key, (fact, default) in NOTED.items()}
    for key in ("static", "runtime", "images"):
        if not isinstance(found[key], list) or not all(isinstance(one, Mapping) for one in found[key]):
            found |= {key: [], "error": NO_FORM}
    started = datetime.datetime.fromtimestamp(float(noted.get("__evaluate_started") or _now()), tz=datetime.UTC)
    return {
        "host": host,
        **common,
        "started": f"{started:%Y-%m-%d %H:%M} UTC",
        "seconds": float(noted.get("__evaluate_seconds") or 0),
        **found,
        **(noted.get("__evaluate_subject") or {}),
    }


def evaluations(
    hostvars: Mapping[str, Any], hosts: list[str], common: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """One entry for each host, by their names."""
    return [_evaluation(host, hostvars[host], common or {}) for host in sorted(hosts)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"evaluations": evaluations}
