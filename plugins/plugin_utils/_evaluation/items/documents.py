# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Documents. Private to this collection: it may change without notice."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import FAIL, Evidence
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import documents
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import Project
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import (
    Check,
    Finding,
    Item,
    Section,
    judged,
)


def _present(*names: str) -> Check:
    def check(project: Project) -> Finding:
        failures = []
        for name in names:
            text = project.text(name)
            if not project.is_file(name):
                other = next((path for path in project.files() if path.lower() == name.lower()), "")
                failures.append(Evidence(name, f"is not there; there is {other}" if other else "is not there"))
            elif text is not None and not text.strip():
                failures.append(Evidence(name, "is empty"))
        return judged(failures, [], [Evidence(name) for name in names])

    return check


def _first_line(project: Project) -> Finding:
    text = project.text("README.md")
    if text is None:
        return Finding(FAIL, [Evidence("README.md", "is not there")])
    problem = documents.first_line_problem(text)
    first = text.partition("\n")[0].strip()[:200]
    return judged(
        [Evidence("README.md:1", f"{problem}: {first}")] if problem else [], [], [Evidence("README.md:1", first)]
    )


def _says(name: str, missing: Callable[[str], list[str]]) -> Check:
    def check(project: Project) -> Finding:
        text = project.text(name)
        if text is None:
            return Finding(FAIL, [Evidence(name, "is not there")])
        absent = ["anything"] if not text.strip() else missing(text)
        good = [Evidence(f"{name}:{one.line}", one.heading) for one in documents.sections(text) if one.heading]
        return judged([Evidence(name, f"does not say: {one}") for one in absent], [], good or [Evidence(name)])

    return check


_ITEMS = (
    Item(
        21,
        "README.md at the root",
        "`README.md` is at the root, in English.",
        "Write `README.md` at the root.",
        rules=("LAY-5",),
        later=True,
        static=_present("README.md"),
        decided_by="the file",
    ),
    Item(
        22,
        "The README's first line",
        "The README's first line, in italics, says that the project was created as part of the 42 curriculum, and by "
        "whom.",
        "Begin with: *This project has been created as part of the 42 curriculum by <login>.*",
        rules=("LAY-5",),
        later=True,
        static=_first_line,
        decided_by="its first line",
    ),
    Item(
        23,
        "The README's sections",
        "The README has the sections Description, Instructions and Resources (with how AI was used), and compares "
        "virtual machines and Docker, secrets and environment variables, Docker network and host network, volumes and "
        "bind mounts.",
        "Add the section or the comparison that is missing.",
        rules=("LAY-5",),
        stop=True,
        later=True,
        static=_says("README.md", documents.missing_from_readme),
        decided_by="headings outside of code, paragraphs, words",
    ),
    Item(
        24,
        "USER_DOC.md and DEV_DOC.md at the root",
        "`USER_DOC.md` and `DEV_DOC.md` are at the root, and not empty.",
        "Write both files.",
        rules=("LAY-5",),
        later=True,
        static=_present("USER_DOC.md", "DEV_DOC.md"),
        decided_by="the files",
    ),
    Item(
        25,
        "What USER_DOC.md says",
        "It says which services there are, how to start and stop them, how to reach the site and its administration, "
        "where credentials are and how to manage them, and how to check that everything runs.",
        "Add what is missing.",
        rules=("LAY-5",),
        later=True,
        static=_says("USER_DOC.md", documents.missing_from_user_doc),
        decided_by="headings outside of code, paragraphs, words",
    ),
    Item(
        26,
        "What DEV_DOC.md says",
        "It says how to set the project up from scratch, how to build and launch it, which commands manage containers "
        "and volumes, and where the data is and how it lasts.",
        "Add what is missing.",
        rules=("LAY-5",),
        stop=True,
        later=True,
        static=_says("DEV_DOC.md", documents.missing_from_developer_doc),
        decided_by="headings outside of code, paragraphs, words",
    ),
)
SECTION = Section("Documents", _ITEMS)
