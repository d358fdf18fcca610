# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items about the folder: git, layout, Makefile and documents. Private to this collection: it may change without
notice.
"""

from __future__ import annotations

import datetime
import posixpath
import re
from collections.abc import Callable

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation import (
    FAIL,
    UNDETERMINED,
    WARNING,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _evaluation_documents as documents
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _evaluation_shell as shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_findings import Check, Finding, judged
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation_project import (
    COMPOSE_FILE,
    COMPOSE_NAMES,
    ROLES,
    Project,
    is_compose,
)


def _credentials(project: Project, _date: datetime.date) -> Finding:
    git = project.snapshot["git"]
    if git["state"] == "unknown":
        return Finding(WARNING, [Evidence("git", f"the history could not be read: {git['note']}")])
    found = [(Evidence(one["where"], one["text"]), one["certain"]) for one in git["credentials"]]
    if git["state"] == "folder":
        # Without a repository nobody can tell whether .env and secrets/ would be committed.
        local = re.compile(r"(?:^|/)(?:\.env|secrets?/)")
        found = [(one, certain and not local.search(one.where)) for one, certain in found]
        good = [Evidence(".", "no repository here; what a first commit would hold has no credential")]
    else:
        good = [Evidence("git log --all", f"{git['commits']} commits, no credential in any")]
    limits = [Evidence("git", limit) for limit in git["limits"]]
    return judged(
        (one for one, certain in found if certain), [*(one for one, certain in found if not certain), *limits], good
    )


def _layout(project: Project, _date: datetime.date) -> Finding:
    failures: list[Evidence] = []
    warnings: list[Evidence] = []
    if not project.is_file("Makefile"):
        failures.append(Evidence("Makefile", "is not there"))
    if not project.is_folder("srcs"):
        failures.append(Evidence("srcs", "is not there"))
    if not project.is_file(COMPOSE_FILE):
        others = [f"srcs/{name}" for name in COMPOSE_NAMES if project.is_file(f"srcs/{name}")]
        (warnings if others else failures).append(
            Evidence(COMPOSE_FILE, f"is not there; there is {others[0]}" if others else "is not there")
        )
    if not project.is_folder("srcs/requirements"):
        failures.append(Evidence("srcs/requirements", "is not there"))
    else:
        for role in ROLES:
            service = project.roles.get(role)
            if project.is_folder(f"srcs/requirements/{role}"):
                continue
            if service and service.context.startswith("srcs/requirements/") and project.is_folder(service.context):
                warnings.append(Evidence(service.context, f"is the folder of {role} under another name"))
            else:
                failures.append(Evidence(f"srcs/requirements/{role}", "is not there"))
    for path, entry in project.entries.items():
        if entry["type"] == "link" and project.resolved(path) is None and not path.startswith(".git/"):
            warnings.append(Evidence(path, f"leads out of the folder or nowhere: {entry['target']}"))
    return judged(failures, warnings, [Evidence("Makefile"), Evidence(COMPOSE_FILE), Evidence("srcs/requirements")])


_CONFIGURATION = re.compile(
    r"(?:^|/)(?:Dockerfile[\w.-]*|[\w.-]+\.Dockerfile|(?:docker-)?compose[\w.-]*\.ya?ml|\.env|[\w.-]+\.(?:conf|cnf|ini|env))$",
    re.IGNORECASE,
)
_TOOLS = re.compile(r"(?:^|/)\.[\w-]+/|^(?:docs?|tests?|secrets?)/")


def _configuration(project: Project, _date: datetime.date) -> Finding:
    failures = [
        Evidence(path, "is outside srcs")
        for path in project.files()
        if not path.startswith("srcs/") and _CONFIGURATION.search(path) and not _TOOLS.search(path)
    ]
    failures += [
        Evidence(service.line("build"), f"{service.name} is built from outside srcs: {service.context}")
        for service in project.services.values()
        if service.built and not (service.context + "/").startswith("srcs/")
    ]
    warnings = []
    uses = any(
        "${" in (project.text(path) or "") or "env_file" in (project.text(path) or "") for path in project.compose_files
    )
    if project.compose_files and not uses and not project.is_file("srcs/.env"):
        warnings.append(Evidence("srcs/.env", "is not there, and the compose file uses no variable"))
    return judged(failures, warnings, [Evidence("srcs", "holds all configuration")])


def _makefile(project: Project, _date: datetime.date) -> Finding:
    if project.makefile is None:
        others = [name for name in ("makefile", "GNUmakefile") if project.is_file(name)]
        return Finding(
            FAIL, [Evidence("Makefile", f"is not there; there is {others[0]}" if others else "is not there")]
        )
    default = project.makefile.default
    if default is None:
        return Finding(FAIL, [Evidence("Makefile", "has no goal")])
    for goal in project.makefile.reached(default):
        for line, text in project.makefile.commands(goal):
            if _starts_compose(project, text):
                return judged([], [], [Evidence(f"Makefile:{line}", text[:200])])
    for goal in project.makefile.goals.values():
        for line, text in project.makefile.commands(goal):
            if _starts_compose(project, text):
                where = f"plain make makes '{default.name}'; it is '{goal.name}' that starts compose"
                return Finding(WARNING, [Evidence(f"Makefile:{line}", where)])
    return Finding(FAIL, [Evidence(f"Makefile:{default.line}", "no goal starts docker compose")])


def _starts_compose(project: Project, text: str, nested: int = 0) -> bool:
    """Whether a command starts docker compose, also by a script of the project."""
    for command in shell.parse(text).commands:
        if is_compose(command.words) and {"up", "build", "create", "start"} & set(command.words):
            return True
        for word in command.words:
            called = project.text(word.removeprefix("./")) if re.fullmatch(r"[\w./-]+\.sh", word) else None
            if called is not None and nested < 3 and _starts_compose(project, called, nested + 1):
                return True
    return False


# --- Documents ---


def _present(*names: str) -> Check:
    def check(project: Project, _date: datetime.date) -> Finding:
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


def _first_line(project: Project, _date: datetime.date) -> Finding:
    text = project.text("README.md")
    if text is None:
        return Finding(FAIL, [Evidence("README.md", "is not there")])
    problem = documents.first_line_problem(text)
    first = text.partition("\n")[0].strip()[:200]
    return judged(
        [Evidence("README.md:1", f"{problem}: {first}")] if problem else [], [], [Evidence("README.md:1", first)]
    )


def _says(name: str, missing: Callable[[str], list[str]]) -> Check:
    def check(project: Project, _date: datetime.date) -> Finding:
        text = project.text(name)
        if text is None:
            return Finding(FAIL, [Evidence(name, "is not there")])
        absent = ["anything"] if not text.strip() else missing(text)
        good = [Evidence(f"{name}:{one.line}", one.heading) for one in documents.sections(text) if one.heading]
        return judged([Evidence(name, f"does not say: {one}") for one in absent], [], good or [Evidence(name)])

    return check


def _fresh_clone(project: Project, _date: datetime.date) -> Finding:
    git = project.snapshot["git"]
    if git["state"] != "history" or not git["tracked"]:
        return Finding(UNDETERMINED)
    absent = [path for path in git["tracked"] if posixpath.normpath(path) not in project.entries]
    if absent and not project.snapshot["limits"]:
        return Finding(
            WARNING, [Evidence(path, "is in the last commit, and not in the folder") for path in absent[:20]]
        )
    return Finding(UNDETERMINED)


CHECKS: dict[int, Check] = {
    1: _credentials,
    3: _layout,
    4: _fresh_clone,
    5: _configuration,
    6: _makefile,
    21: _present("README.md"),
    22: _first_line,
    23: _says("README.md", documents.missing_from_readme),
    24: _present("USER_DOC.md", "DEV_DOC.md"),
    25: _says("USER_DOC.md", documents.missing_from_user_doc),
    26: _says("DEV_DOC.md", documents.missing_from_developer_doc),
}
