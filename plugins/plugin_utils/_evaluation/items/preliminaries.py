# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluation sheet: Preliminaries. Private to this collection: it may change without notice."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.credentials import BLOTTED, is_name
from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import (
    PASS,
    UNDETERMINED,
    WARNING,
    Evidence,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import compose
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.project import (
    COMPOSE_FILE,
    COMPOSE_NAMES,
    Project,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.services import MANDATORY
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation.sheet import Finding, Item, Section, judged


def _credentials(project: Project) -> Finding:
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
    tracked = [path for path in git["tracked"] if re.search(r"(?:^|/)\.env$", path)]
    for path in tracked:
        names = [name for name, value in compose.environment_file(project.text(path) or "").items() if value == BLOTTED]
        if names and not any(f" {path}:" in one.where for one, _certain in found):
            found.append((Evidence(path, f"is in git, and has {', '.join(names)}"), False))
    found += [(one, False) for one in _built_in(project)]
    packed = [path for path in git["tracked"] or project.entries if _PACKED.search(path)]
    found += [
        (Evidence(path, "is an archive by the name of credentials, and was not opened"), False) for path in packed
    ]
    return judged(
        (one for one, certain in found if certain), [*(one for one, certain in found if not certain), *limits], good
    )


_PACKED = re.compile(
    r"(?:^|/)\.?(?:(?:secrets?|credentials?|passwords?)[\w-]*|env)\.(?:zip|7z|rar|tar|tgz|tar\.\w+|gz|gpg)$",
    re.IGNORECASE,
)


def _built_in(project: Project) -> Iterator[Evidence]:
    """Passwords that a build is given and that stay in the image: whoever has it reads them by `docker inspect`."""
    for service in project.services.values():
        for owner, stage in project.builders(service):
            given = {name for one in stage.instructions if one.name == "ARG" for name in one.value.split()}
            for one in stage.instructions:
                for name, source in _ENV_OF.findall(one.value) if one.name == "ENV" else ():
                    if is_name(name) and source in given:
                        yield Evidence(project.where(owner, one), f"{name} of the build's {source} stays in the image")


_ENV_OF = re.compile(r"(?<!\w)(\w+)[=\s]+\"?\$\{?(\w+)")


def _layout(project: Project) -> Finding:
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
        others = [service.context for kind in MANDATORY if (service := project.of(kind)) and service.built]
        # Whether another name is the wrong one is for a person to say: it is mark 0.
        elsewhere = len(others) == len(MANDATORY) and all(
            one.startswith("srcs/") and project.is_folder(one) for one in others
        )
        told = f"is not there; the services are in {', '.join(others)}" if elsewhere else "is not there"
        (warnings if elsewhere else failures).append(Evidence("srcs/requirements", told))
    else:
        for role in MANDATORY:
            service = project.of(role)
            if project.is_folder(f"srcs/requirements/{role}"):
                continue
            if service and service.context.startswith("srcs/requirements/") and project.is_folder(service.context):
                warnings.append(Evidence(service.context, f"is the folder of {role} under another name"))
            else:
                failures.append(Evidence(f"srcs/requirements/{role}", "is not there"))
    if failures and (inside := _inner_project(project)):
        there = f"{project.snapshot['folder']}/{inside}"
        # Whether a project in a folder below is mark 0 is for a person to say.
        told = f"is there: name its folder in evaluate_project, {there}"
        warnings, failures = [Evidence(f"{inside}/Makefile", told), *failures, *warnings], []
    for path, entry in project.entries.items():
        if entry["type"] == "link" and project.resolved(path) is None and not path.startswith(".git/"):
            warnings.append(Evidence(path, f"leads out of the folder or nowhere: {entry['target']}"))
    return judged(failures, warnings, [Evidence("Makefile"), Evidence(COMPOSE_FILE), Evidence("srcs/requirements")])


def _inner_project(project: Project) -> str:
    """A folder below that looks like the project itself, "" where none does."""
    if project.is_file("Makefile"):
        return ""
    folders = (posixpath.dirname(path) for path in project.files() if posixpath.basename(path) == "Makefile")
    return next((folder for folder in folders if project.is_folder(f"{folder}/srcs")), "")


def _fresh_clone(project: Project) -> Finding:
    if project.cloned:
        return Finding(PASS, [Evidence("git clone", f"into the empty folder {project.snapshot['folder']}")])
    git = project.snapshot["git"]
    if git["state"] != "history" or not git["tracked"]:
        return Finding(UNDETERMINED)
    if not project.snapshot["limits"]:
        absent = [path for path in git["tracked"] if posixpath.normpath(path) not in project.entries]
        differs = [Evidence(path, "is in the last commit, and not in the folder") for path in absent[:20]]
        differs += [Evidence(path, "is not as in the last commit") for path in git.get("changed", [])[:20]]
        if differs:
            return Finding(WARNING, differs)
        if git.get("origin"):
            told = f"a clone of {git['origin']}, and {git['compared']} files are as in its last commit"
            return Finding(PASS, [Evidence(".git/logs/HEAD", told)])
    return Finding(UNDETERMINED)


def _ask_presence(_project: Project) -> tuple[str, str]:
    return "Is the evaluated person here?", "Only you can tell."


_ITEMS = (
    Item(
        1,
        "No credential in git",
        "No password, key or token is in the repository, in any file of any commit; else the mark is 0.",
        "Take the credential out of every commit (a new history, or git filter-repo), change it, and ignore the files "
        "that hold it (`srcs/.env`, `secrets/`) in `.gitignore`.",
        rules=("LAY-4", "IMG-5"),
        zero=True,
        static=_credentials,
        decided_by=(
            "values that are assigned to the name of a credential, private keys, well-known tokens, files of "
            "`secrets/`, and the real values of the machine's `.env` and `secrets/` wherever they turn up. "
            "Without a repository: what a first commit would hold"
        ),
    ),
    Item(
        2,
        "The evaluated person is present",
        "The evaluation only takes place with the evaluated person or group present.",
        "Make another appointment.",
        oral=True,
        ask=_ask_presence,
    ),
    Item(
        3,
        "The right files and folders",
        "The required files and folders are there, under the required names: `Makefile`, `srcs/docker-compose.yml`, "
        "`srcs/requirements/<service>/`; else the mark is 0.",
        "Give the files and folders the names and places of the exercise.",
        rules=("LAY-1", "LAY-2", "LAY-3"),
        zero=True,
        static=_layout,
        decided_by="names and places",
    ),
    Item(
        4,
        "Cloned into an empty folder",
        "What is evaluated is a fresh clone of the submitted repository in an empty folder of the station.",
        "Clone the repository again, into a new folder.",
        static=_fresh_clone,
        decided_by=(
            "whether the evaluation cloned it itself (`evaluate_source`), or git noted nothing in it but a clone and "
            "the files are as in its last commit; what git tracks and is not there or not the same is a warning"
        ),
    ),
)
SECTION = Section("Preliminaries", _ITEMS)
