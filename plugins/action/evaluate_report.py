# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of the module evaluate_report: the sheet, with which results become a report, is on the control node."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import Result
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import report
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.items import ITEMS, SECTIONS

SCREENSHOT = {
    "item": {"type": "int", "required": True},
    "title": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
}
EVALUATION = {
    "host": {"type": "str", "required": True},
    "login": {"type": "str", "default": ""},
    "domain": {"type": "str", "default": ""},
    "project": {"type": "str", "default": ""},
    "depth": {"type": "str", "choices": ["static", "runtime"], "default": "static"},
    "sections": {"type": "list", "elements": "str", "default": []},
    "sheet_version": {"type": "int", "choices": [3, 5], "default": 5},
    "started": {"type": "str", "default": ""},
    "seconds": {"type": "float", "default": 0.0},
    "error": {"type": "str", "default": ""},
    "static": {"type": "list", "elements": "dict", "default": []},
    "runtime": {"type": "list", "elements": "dict", "default": []},
    "images": {"type": "list", "elements": "dict", "default": []},
    "screenshots": {"type": "list", "elements": "dict", "default": [], "options": SCREENSHOT},
}


def evaluation(entry: dict[str, Any]) -> report.Evaluation:
    """An entry of the option, with its results, images and pictures as what they are.

    A host that answered anything else has no evaluation, and the others have theirs.
    """
    plain = {
        **entry,
        "static": [],
        "runtime": [],
        "images": [],
        "screenshots": [report.Screenshot(**one) for one in entry["screenshots"]],
    }
    try:
        results = {key: [Result.from_dict(one) for one in entry[key]] for key in ("static", "runtime")}
        unknown = {one.id for one in (*results["static"], *results["runtime"])} - set(ITEMS)
        if unknown:
            raise ValueError(f"there is no item {unknown.pop()!r}")
        return report.Evaluation(
            **{**plain, **results, "images": [report.Image.from_dict(one) for one in entry["images"]]}
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return report.Evaluation(**{**plain, "error": f"the host answered in no known form: {error!r}"})


def write(path: Path, text: str) -> None:
    """All of it or nothing: a browser that has the page open never gets half of one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def missing(folder: Path, files: dict[str, str]) -> list[str]:
    """The files that are not there as they shall be."""
    return [
        name
        for name, text in files.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8", errors="replace") != text
    ]


class ActionModule(ActionBase):
    """Writes the reports."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(
            {
                "path": {"type": "path", "required": True},
                "templates": {"type": "path", "required": True},
                "evaluations": {"type": "list", "elements": "dict", "required": True, "options": EVALUATION},
            }
        )
        folder = Path(options["path"])
        unknown = {one for entry in options["evaluations"] for one in entry["sections"]} - set(SECTIONS)
        if unknown:
            raise AnsibleActionFail(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
        try:
            files, documents = report.reports(map(evaluation, options["evaluations"]), options["templates"])
            changed = missing(folder, files)
            if not self._task.check_mode:
                folder.mkdir(parents=True, exist_ok=True)
                for name in changed:
                    write(folder / name, files[name])
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise AnsibleActionFail(f"the reports were not written to {folder}: {error}") from None
        return {
            "changed": bool(changed),
            "files": [str(folder / name) for name in sorted(files)],
            "table": report.table(documents),
            "hosts": {
                document["host"]: {"passed": report.passed(document), "headline": document["outcome"]["headline"]}
                for document in documents
            },
        }
