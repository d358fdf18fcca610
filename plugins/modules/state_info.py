#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: state_info
short_description: Find what is missing on a managed host, in one go
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Inspects packages, services, users and files of a managed host, and returns those that are not as they shall be.
  - A role that looks once and then only calls the modules for what is missing is done with a finished host
    in the time of one module.
  - What it returns is what was found at that moment. Nothing is remembered from an earlier run.
extends_documentation_fragment:
  - fortytwo.inception._info_module
  - fortytwo.inception._attributes
attributes:
  platform:
    support: full
    description: Linux, with dpkg or apk as its package manager, and systemd or OpenRC for its services.
options:
  packages:
    description: Names of packages that shall be installed, in any version.
    type: list
    elements: str
    default: []
  services:
    description:
      - Names of services that shall run, and be started at boot.
      - On systemd, a name without an ending is that of a C(.service).
    type: list
    elements: str
    default: []
  users:
    description: Users that shall be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The login.
        type: str
        required: true
      groups:
        description: Groups that the user shall be a member of, among others.
        type: list
        elements: str
        default: []
  files:
    description: Files that shall be there. A symbolic link in the last place is looked at itself, and not followed.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the file is.
        type: path
        required: true
      type:
        description: What it is.
        type: str
        choices: [file, directory, link]
        default: file
      content:
        description: All of the text of a file, as UTF-8. Left out, any content will do.
        type: str
      contains:
        description: Lines that a file shall have, one after the other.
        type: str
      target:
        description: Where a link points to.
        type: str
      mode:
        description: The mode as a string of four octal digits. Left out, any mode will do.
        type: str
      owner:
        description: Name or number of the owner, who may be missing on the managed host. Left out, any owner will do.
        type: str
  nftables:
    description: Tables of nftables that the kernel shall have, just as a file describes them.
    type: list
    elements: dict
    default: []
    suboptions:
      family:
        description: The family of the table.
        type: str
        required: true
      name:
        description: The name of the table.
        type: str
        required: true
      file:
        description: The file, as C(nft -f) takes it.
        type: path
        required: true
  engine:
    description: Whether the Docker engine is asked too, by its socket.
    type: bool
    default: false
  engine_timeout:
    description: Seconds that it may take for an answer.
    type: int
    default: 60
  paths:
    description: Paths, in which C(*) and C(?) stand for any name and any letter, to look for.
    type: list
    elements: str
    default: []
  texts:
    description:
      - Files to read.
      - Do not name a secret here. What is read is returned.
    type: list
    elements: path
    default: []
  also:
    description:
      - What others want to know, in the same look; they believe it as long as nothing was changed since.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Who wants to know it.
        type: str
        required: true
      packages:
        description: As above.
        type: list
        elements: str
        default: []
      services:
        description: As above.
        type: list
        elements: str
        default: []
      users:
        description: As above.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: As above.
            type: str
            required: true
          groups:
            description: As above.
            type: list
            elements: str
            default: []
      engine:
        description: As above.
        type: bool
        default: false
      engine_timeout:
        description: As above.
        type: int
        default: 60
      paths:
        description: As above.
        type: list
        elements: str
        default: []
      files:
        description: As above.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: As above.
            type: path
            required: true
          type:
            description: As above.
            type: str
            choices: [file, directory, link]
            default: file
          content:
            description: As above.
            type: str
          contains:
            description: As above.
            type: str
          target:
            description: As above.
            type: str
          mode:
            description: As above.
            type: str
          owner:
            description: As above.
            type: str
      texts:
        description: As above.
        type: list
        elements: path
        default: []
"""

EXAMPLES = r"""
- name: Find what is missing
  fortytwo.inception.state_info:
    packages: [make, tzdata]
    services: [cron]
    users:
      - {name: wil, groups: [docker]}
    files:
      - path: /etc/localtime
        type: link
        target: /usr/share/zoneinfo/UTC
  register: found

- name: Install the packages
  ansible.builtin.package:
    name: "{{ found.missing.packages }}"
  when: found.missing.packages | length > 0
"""

RETURN = r"""
missing:
  description: What is not as it shall be.
  returned: success
  type: dict
  contains:
    packages:
      description: Names out of O(packages).
      type: list
      elements: str
    services:
      description: Names out of O(services).
      type: list
      elements: str
    users:
      description: Names out of O(users).
      type: list
      elements: str
    files:
      description: Paths out of O(files).
      type: list
      elements: str
    nftables:
      description: Names out of O(nftables). What comes and goes in a set is not compared.
      type: list
      elements: str
  sample: {packages: [make], services: [], users: [], files: [/etc/localtime], nftables: []}
users:
  description: Who the users out of O(users) are, by name. One who is not there is left out.
  returned: success
  type: dict
  sample: {wil: {uid: 1000, gid: 1000, home: /home/wil}}
paths:
  description: What there is of O(paths), sorted.
  returned: success
  type: list
  elements: str
  sample: [/etc/cloud]
engine:
  description:
    - What the Docker engine says, by the names of its API, and of that what the roles ask for. A play carries it from
      task to task, and all of it is hundreds of kilobytes. Empty where it has no socket.
  returned: with O(engine=true)
  type: dict
  contains:
    host_info:
      description: The engine itself, C(CpuCfsQuota) and C(NCPU).
      type: dict
    images:
      description: Its images that have a name, each with C(Id), C(Labels), C(RepoDigests) and C(RepoTags).
      type: list
      elements: dict
    networks:
      description: Its networks, each with C(Labels) and C(Name).
      type: list
      elements: dict
    volumes:
      description: Its volumes, each with C(Labels), C(Name) and C(Options).
      type: list
      elements: dict
also:
  description: What was found of O(also), by name, each as all of this.
  returned: with O(also)
  type: dict
texts:
  description: The files out of O(texts), by path. One that is not there is left out.
  returned: success
  type: dict
  sample: {/etc/timezone: "Etc/UTC\n"}
"""

import contextlib
import errno
import glob
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _engine, _files

DPKG = Path("/var/lib/dpkg/status")
APK = Path("/lib/apk/db/installed")
SYSTEMD = Path("/run/systemd/system")
OPENRC_STARTED = Path("/run/openrc/started")
OPENRC_RUNLEVELS = Path("/etc/runlevels")
TYPES = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "link": stat.S_ISLNK}
MOST_BYTES = 1_000_000
MODE = re.compile(r"[0-7]{4}")
# Where the engine tells of it, and what of that is wanted.
ENGINE = {
    "host_info": ("/info", ("CpuCfsQuota", "NCPU")),
    "images": ("/images/json", ("Id", "Labels", "RepoDigests", "RepoTags")),
    "networks": ("/networks", ("Labels", "Name")),
    "volumes": ("/volumes", ("Labels", "Name", "Options")),
}
LABELS = ("com.docker.compose.", "inception.")


def dpkg_packages(status: str) -> set[str]:
    """The installed packages that dpkg's database tells of; of a removed one it keeps the settings in mind."""
    return {
        name
        for name, state in re.findall(r"^Package: (\S+)\n(?:.+\n)*?Status: (.+)$", status, re.MULTILINE)
        if state.endswith(" installed")
    }


def apk_packages(database: str) -> set[str]:
    """The packages that apk's database tells of."""
    return set(re.findall(r"^P:(\S+)$", database, re.MULTILINE))


def installed_packages() -> set[str]:
    for database, read in ((DPKG, dpkg_packages), (APK, apk_packages)):
        if database.exists():
            return read(database.read_text(encoding="utf-8", errors="replace"))
    return set()


def systemd_service_is_good(properties: str) -> bool:
    """Whether what systemctl show says of one service, lines of key=value, is that it runs and starts at boot."""
    return {"ActiveState=active", "UnitFileState=enabled"} <= set(properties.splitlines())


def good_services(module: AnsibleModule, names: list[str]) -> set[str]:
    """Those of the services that run and start at boot."""
    if not names:
        return set()
    if not SYSTEMD.exists():
        return {
            name
            for name in names
            if (OPENRC_STARTED / name).exists() and any(OPENRC_RUNLEVELS.glob(f"*/{glob.escape(name)}"))
        }
    # It tells of them in the order of the names, with an empty line between two.
    show = ["systemctl", "show", "--property=ActiveState,UnitFileState", "--", *names]
    dummy, output, dummy = module.run_command(show, check_rc=True)
    return {name for name, told in zip(names, output.split("\n\n"), strict=True) if systemd_service_is_good(told)}


def found_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def group_names(user: pwd.struct_passwd) -> set[str]:
    """The names of the groups of a user, as the host knows them."""
    return {grp.getgrgid(number).gr_name for number in os.getgrouplist(user.pw_name, user.pw_gid)}


def owner_is(found: os.stat_result, owner: str) -> bool:
    if owner.isdecimal():
        return found.st_uid == int(owner)
    user = found_user(owner)
    return user is not None and user.pw_uid == found.st_uid


def read(path: str, links: int = 8) -> str | None:
    """The text of a file, or nothing when it is not there. Bytes that are no UTF-8 are never equal to a wanted text.

    What is no file, is reached by a link that another than root could set, or is larger than any that we read, is not
    there: root would read for somebody else.
    """
    name = os.path.basename(path)
    try:
        with _files.within(path) as folder:
            found = None if folder is None else _files.look(name, folder)
            if folder is None or found is None:
                return None
            if stat.S_ISLNK(found.st_mode) and links and _files.is_root_s_alone(os.fstat(folder)):
                target = os.path.join(os.path.dirname(path), os.readlink(name, dir_fd=folder))
                return read(target, links - 1)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            with _files.opened_file(name, folder, path) as descriptor:
                if descriptor is None or os.fstat(descriptor).st_size > MOST_BYTES:
                    return None
                return _files.read_all(descriptor).decode("utf-8", errors="replace")
    except _files.FileProblem:
        return None


def is_as_wanted(wanted: dict[str, Any]) -> bool:
    path = wanted["path"]
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (
        TYPES[wanted["type"]](found.st_mode)
        and (wanted["mode"] is None or stat.S_IMODE(found.st_mode) == int(wanted["mode"], 8))
        and (wanted["owner"] is None or owner_is(found, wanted["owner"]))
        and (wanted["target"] is None or os.readlink(path) == wanted["target"])
        and (wanted["content"] is None or read(path) == wanted["content"])
        and (wanted["contains"] is None or f"\n{wanted['contains'].strip()}\n" in f"\n{read(path)}\n")
    )


def table_of(module: AnsibleModule, command: list[str]) -> str | None:
    """What nft says of a table, without what comes and goes."""
    code, output, dummy = module.run_command(command, handle_exceptions=False)
    return re.sub(r"\n[ \t]*elements = \{[^}]*\}", "", output) if code == 0 else None


def is_in_kernel(module: AnsibleModule, table: dict[str, Any]) -> bool:
    """Whether the kernel has a table as its file describes it: the file is loaded where nobody meets it, and one
    program tells of both."""
    told = ["nft", "--stateless", "list", "table", table["family"], table["name"]]
    try:
        there = table_of(module, told)
        if there is None:
            return False
        aside = ["unshare", "--net", "sh", "-c", 'nft -f "$1" && shift && exec "$@"', "sh", table["file"], *told]
        return there == table_of(module, aside)
    except OSError:
        return False


def engine(timeout: float) -> dict[str, Any]:
    """What it says of itself and of what it has, where it has a socket; of that, what somebody asks for."""
    if not os.path.exists(_engine.SOCKET):
        return {}
    told = {kind: _engine.ask(address, timeout=timeout) for kind, (address, dummy) in ENGINE.items()}
    if any(one is None for one in told.values()):
        raise _engine.EngineProblem(
            f"the Docker engine does not answer at {_engine.SOCKET}; read its log (journalctl -u docker, or "
            "/var/log/docker.log)"
        )
    told["volumes"] = told["volumes"]["Volumes"] or []
    told["images"] = [one for one in told["images"] if one.get("RepoTags")]
    return {kind: only(of, ENGINE[kind][1]) for kind, of in told.items()}


def only(told: Any, names: tuple[str, ...]) -> Any:
    """Of an object, or of each of a list, what is named; the labels by which somebody is told from others."""
    if isinstance(told, list):
        return [only(one, names) for one in told]
    found = {name: told[name] for name in names if name in told}
    if "Labels" in found:
        found["Labels"] = {name: of for name, of in (found["Labels"] or {}).items() if name.startswith(LABELS)}
    return found


def problems(files: list[dict[str, Any]]) -> Iterator[str]:
    for file in files:
        if file["mode"] is not None and not MODE.fullmatch(file["mode"]):
            yield (
                f"files: {file['path']}: mode: '{file['mode']}' is no string of four octal digits; for example: '0644'"
            )
        for option, kind in (("content", "file"), ("contains", "file"), ("target", "link")):
            if file[option] is not None and file["type"] != kind:
                yield f"files: {file['path']}: {option}: only a {kind} has one; for example: type: {kind}"


def look(module: AnsibleModule, wanted: dict[str, Any]) -> dict[str, Any]:
    installed = installed_packages() if wanted["packages"] else set()
    good = good_services(module, wanted["services"])
    users = {user["name"]: found for user in wanted["users"] if (found := found_user(user["name"]))}
    return {
        "missing": {
            "packages": [name for name in wanted["packages"] if name not in installed],
            "services": [name for name in wanted["services"] if name not in good],
            "users": [
                user["name"]
                for user in wanted["users"]
                if user["name"] not in users or not set(user["groups"]) <= group_names(users[user["name"]])
            ],
            "files": [file["path"] for file in wanted["files"] if not is_as_wanted(file)],
            "nftables": [table["name"] for table in wanted.get("nftables", []) if not is_in_kernel(module, table)],
        },
        "users": {name: {"uid": user.pw_uid, "gid": user.pw_gid, "home": user.pw_dir} for name, user in users.items()},
        "paths": sorted({path for pattern in wanted["paths"] for path in glob.glob(pattern)}),
        "texts": {path: text for path in wanted["texts"] if (text := read(path)) is not None},
        **({"engine": engine(wanted["engine_timeout"])} if wanted["engine"] else {}),
    }


def look_for_others(module: AnsibleModule) -> dict[str, dict[str, Any]]:
    """What is found for each. An engine that is down is no failure here: who starts it looks again."""
    found = {}
    for wanted in module.params["also"]:
        with contextlib.suppress(_engine.EngineProblem):
            found[wanted["name"]] = look(module, wanted)
    return found


NAMES: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
# What others may ask for too.
OPTIONS: dict[str, Any] = {
    "packages": NAMES,
    "services": NAMES,
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "groups": NAMES},
    },
    "engine": {"type": "bool", "default": False},
    "engine_timeout": {"type": "int", "default": 60},
    "paths": NAMES,
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "type": {"type": "str", "choices": list(TYPES), "default": "file"},
            "content": {"type": "str"},
            "contains": {"type": "str"},
            "target": {"type": "str"},
            "mode": {"type": "str"},
            "owner": {"type": "str"},
        },
    },
    "texts": {"type": "list", "elements": "path", "default": []},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            "nftables": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "family": {"type": "str", "required": True},
                    "name": {"type": "str", "required": True},
                    "file": {"type": "path", "required": True},
                },
            },
            "also": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, **OPTIONS},
            },
        },
        supports_check_mode=True,
    )
    asked = [module.params, *module.params["also"]]
    faults = [fault for one in asked for fault in problems(one["files"])]
    if faults:
        module.fail_json(msg="\n".join(faults))
    try:
        result = look(module, module.params)
        if module.params["also"]:
            result["also"] = look_for_others(module)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    except _engine.EngineProblem as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
