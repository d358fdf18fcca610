#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: deployment
short_description: Take a stack into use as a transaction, one run at a time
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Calls the managed host's own program C(inception), which it brings there. That program decides by what runs. It
    tries the new images beside the old, takes over service by service, looks, and keeps the deployment or gives way
    to the former one, with the former images and the former project files.
  - While a run changes the stack, it has the lease of the managed host. Another one is told by whom and since when,
    and fails. A lease that was not renewed for 60 seconds is free, and at once that of a run that died on the same
    control node.
  - A service that is slow is waited for, as M(fortytwo.inception.stack_up) does it. A failure is told in less than 20
    lines.
  - The program goes on by itself when the connection is cut off.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
    description: What would be done is planned, and the lease is not taken.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    description: Linux, with C(docker) and its plugin C(compose).
options:
  state:
    description:
      - V(begun) takes the lease and brings the program. It comes before the first change of the project folder.
        With O(wanted) the run may be over with it.
      - V(taken) takes what the project folder says into use.
      - V(noted) writes down what a cluster runs, which M(fortytwo.inception.swarm_stack) has deployed, and gives the
        lease back. Backups are made by that.
      - V(ended) gives the lease back.
    type: str
    choices: [begun, taken, noted, ended]
    default: taken
  path:
    description: The project folder.
    type: path
    required: true
  manifest:
    description: The file in which the module M(fortytwo.inception.tree) remembers what it wrote there.
    type: path
    required: true
  project:
    description: The name of the compose project.
    type: str
    default: inception
  services:
    description: The services, as M(fortytwo.inception.stack_services) returns them. O(state=ended) needs none.
    type: list
    elements: dict
    default: []
  kind:
    description: What the run is, for the history and for who comes meanwhile.
    type: str
    default: deployment
  keep_lease:
    description: With O(state=taken), whether the lease stays the run's until O(state=ended).
    type: bool
    default: false
  patience:
    description: As of M(fortytwo.inception.stack_up).
    type: int
    default: 120
  timeout:
    description: As of M(fortytwo.inception.stack_up).
    type: int
    default: 3600
  trial_timeout:
    description: Seconds that a trial may take, and a container that takes over from another until it is healthy.
    type: int
    default: 300
  backup_before:
    description:
      - Whether a backup is made, where there are any, before a service with data of its own is built in another way.
        The deployment does not go on where that fails.
    type: bool
    default: true
  health:
    description:
      - With O(state=begun), how the managed host looks after itself from then on. Without it, that stays as it is.
    type: dict
    suboptions:
      enabled:
        description: Whether it does, once a minute.
        type: bool
        default: true
      renews:
        description: Whether it renews the certificate, which its own authority signs.
        type: bool
        default: false
      acme:
        description: Whether it asks an authority for the certificate, as M(fortytwo.inception.acme) has said.
        type: bool
        default: false
      ways:
        description: How a person is told of what is wrong.
        type: dict
        suboptions:
          mail:
            description: The address that is told by mail; none when empty.
            type: str
            default: ""
          mail_host:
            description: The relay that takes the mail.
            type: str
            default: ""
          mail_port:
            description: Its port.
            type: int
            default: 587
          mail_tls:
            description: Whether the connection is encrypted after its beginning, from its beginning, or not at all.
            type: str
            choices: [starttls, tls, none]
            default: starttls
          mail_user:
            description:
              - Its user, where it needs one. The password is read from C(secrets/mail_password.txt) in O(path) when
                it is needed.
            type: str
            default: ""
          mail_from:
            description: The address that the mail comes from.
            type: str
            default: ""
          webhook:
            description: An address to which JSON is sent; none when empty. Whoever knows it may write there.
            type: str
            default: ""
  wp_cli:
    description:
      - With O(state=begun), where the managed host fetches wp-cli when somebody asks for it.
        Without it, that stays as it is.
    type: dict
    suboptions:
      url:
        description: Its address.
        type: str
        required: true
      sha512:
        description: Its checksum.
        type: str
        required: true
  wanted:
    description:
      - With O(state=begun), all that the stack shall be. Where it is so already, and runs, RV(settled) says so, the
        lease is given back, and nothing is left to do. Where any of it is not, or was not seen, the run goes on.
      - Values of secrets have no place here. Who gives some has them compared by M(fortytwo.inception.secrets).
      - Not looked at in check mode.
    type: dict
    suboptions:
      src:
        description: As of M(fortytwo.inception.tree).
        type: str
      files:
        description: As of M(fortytwo.inception.tree); their digests are sent.
        type: list
        elements: dict
        default: []
      owner:
        description: The owner of the files, and of the secrets.
        type: str
      group:
        description: Their group.
        type: str
      secrets:
        description: The secrets, as of M(fortytwo.inception.secrets).
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: As of M(fortytwo.inception.secrets).
            type: str
            required: true
          kind:
            description: As of M(fortytwo.inception.secrets).
            type: str
            choices: [password, token, wordpress_salts]
            default: password
          length:
            description: As of M(fortytwo.inception.secrets).
            type: int
          alphabet:
            description: As of M(fortytwo.inception.secrets).
            type: str
      secrets_path:
        description: The folder of the secrets.
        type: path
        required: true
      revisions:
        description: As of M(fortytwo.inception.secrets).
        type: dict
      remove_undeclared:
        description: As of M(fortytwo.inception.secrets).
        type: bool
        default: false
      url:
        description: The address of the front page, which a visitor on the managed host gets.
        type: str
        required: true
      authority:
        description: The certificate of the authority that has signed the site's. Without it nobody is asked who has.
        type: path
  updates:
    description:
      - What the host brings into its images by itself, and how often. O(state=begun) writes it down.
      - Without it that stays as it was.
    type: dict
    suboptions:
      mode:
        description: Nothing, all that is newer where a security fix is among it, or all that is newer.
        type: str
        choices: [none, security, all]
        default: none
      schedule:
        description: How often it asks.
        type: str
        choices: [daily, weekly]
        default: daily
  cluster:
    description: With O(state=noted), what the cluster runs, and where. O(services) are needed too.
    type: dict
    suboptions:
      stack:
        description: The stack file, as M(fortytwo.inception.swarm_stack) returns it.
        type: dict
        required: true
      shared_dir:
        description: The folder that is the same on every node.
        type: path
        required: true
      shared:
        description: The volumes that lie there.
        type: list
        elements: str
        default: []
      timeout:
        description: Seconds until every service is to be well.
        type: int
        default: 1800
  src:
    description: With O(state=noted), as of M(fortytwo.inception.tree).
    type: str
  files:
    description: With O(state=noted), as of M(fortytwo.inception.tree); sent where another project is written down.
    type: list
    elements: dict
    default: []
  files_digest:
    description: What tells the files from others; made on the control node.
    type: str
    default: ""
  root:
    description: The folder below which the program and what it remembers lie.
    type: path
    default: /
  run:
    description: What tells this run from others; made on the control node.
    type: str
    default: ""
  who:
    description: Who deploys; made on the control node.
    type: str
    default: ""
  gone:
    description: A run that is known to have died; found out on the control node.
    type: str
    default: ""
  program_digest:
    description: What tells the managed host's program from another one; made on the control node.
    type: str
    default: ""
  program:
    description: The program, where the host has another one; made on the control node.
    type: str
"""

EXAMPLES = r"""
- name: Begin the deployment
  fortytwo.inception.deployment:
    state: begun
    path: /home/wil/inception
    manifest: /var/lib/fortytwo.inception/wil.json
    services: "{{ rendered.services }}"

- name: Take it into use
  fortytwo.inception.deployment:
    path: /home/wil/inception
    manifest: /var/lib/fortytwo.inception/wil.json
    services: "{{ rendered.services }}"
"""

RETURN = r"""
number:
  description: The number of the deployment in the history.
  returned: success, with O(state=taken), not in check mode; with RV(settled)
  type: int
  sample: 4
done:
  description: What was done, or would have been in check mode.
  returned: success, with O(state=taken)
  type: list
  elements: str
  sample: [replace nginx]
settled:
  description: Whether all is as it is wanted, so that the run is over.
  returned: with O(wanted), not in check mode
  type: bool
  sample: true
runs:
  description: What runs now, the C(number) of its deployment and the C(version) of its images; empty where none.
  returned: with O(state=taken) and O(state=noted), not in check mode; with RV(settled)
  type: dict
  sample: {number: 4, version: 4f1c2d3e}
holder:
  description: Who has the lease.
  returned: when another run has it
  type: dict
service:
  description: The service that failed, as far as it is one.
  returned: failure
  type: str
told:
  description: The message is a whole screen, and says what is likely and what to do.
  returned: failure
  type: bool
"""

import base64
import json
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import (
    _deployment,
    _history,
    _lease,
    _places,
    _program_file,
    _settled,
)
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem
from ansible_collections.fortytwo.inception.plugins.module_utils._history import Entry, File, History, Project
from ansible_collections.fortytwo.inception.plugins.module_utils._stack_start import (
    GivenUp,
    settle_environment,
    told,
)


def wish(module: AnsibleModule) -> _deployment.Wish:
    return _deployment.Wish(
        root=module.params["path"],
        manifest=module.params["manifest"],
        services=module.params["services"],
        project=module.params["project"],
        patience=module.params["patience"],
        timeout=module.params["timeout"],
        trial_seconds=module.params["trial_timeout"],
        backup_before=module.params["backup_before"],
    )


def below(module: AnsibleModule, place: str) -> Path:
    return Path(module.params["root"]) / place


def a_lease(module: AnsibleModule) -> _lease.Lease:
    return _lease.Lease(below(module, _places.LEASE))


def a_history(module: AnsibleModule) -> History:
    return History(below(module, _places.HISTORY))


def have_lease(module: AnsibleModule) -> None:
    """Takes the lease, or leaves."""
    try:
        a_lease(module).take(module.params["run"], module.params["who"], module.params["kind"], module.params["gone"])
    except _lease.Held as held:
        module.fail_json(
            msg=f"{platform.node()}: {held}. Wait until that has ended; nothing was changed.",
            told=True,
            holder=vars(held.holder),
            working=held.holder.at_work(),
        )


def begin(module: AnsibleModule) -> dict[str, Any]:
    """Takes the lease, and writes down what was there before."""
    if module.check_mode:
        return {"changed": False}
    history, wanted = a_history(module), wish(module)
    program, archive = below(module, _program_file.PLACE), module.params["program"]
    brought = not _program_file.is_current(program, sys.executable, module.params["program_digest"])
    if brought and archive is None:
        # The control node asks again, with it.
        return {"changed": False, "wants_program": True}
    have_lease(module)
    if said := _deployment.interrupted(history, Project(wanted.root, wanted.manifest)):
        module.warn(f"{said}: this run goes on from what it left.")
    _deployment.note_what_is_there(history, wanted, module.params["who"])
    if brought:
        _program_file.install(program, sys.executable, base64.b64decode(archive))
    changed = brought | set_wp_cli(module) | set_health(module)
    changed |= _program_file.install_units(Path(module.params["root"]), health_is_on(module)) | set_updates(module)
    answer = {"changed": changed}
    return answer | settle(module, history, wanted) if module.params["wanted"] else answer


def settle(module: AnsibleModule, history: History, wish: _deployment.Wish) -> dict[str, Any]:
    """Ends the run, where all is as it is wanted; the cheaper looks come first."""
    wanted = module.params["wanted"]
    asked = {key: wanted[key] for key in ("owner", "group", "secrets", "revisions", "remove_undeclared")}
    files = _settled.tree(Project(wish.root, wish.manifest), wanted["files"], wanted["owner"], wanted["group"])
    if not files or not _settled.secrets({**asked, "path": wanted["secrets_path"]}):
        return {"settled": False}
    # WordPress makes the page while Docker is asked; nobody waits for it where something is to be done.
    good = _settled.later(lambda: _settled.page(wanted["url"], wanted["authority"] or ""))
    number = _deployment.Deployment(wish, "", "", history, lambda line: None).settled()
    if not number or not good():
        return {"settled": False}
    if not module.params["keep_lease"]:
        a_lease(module).release(module.params["run"])
    return {"settled": True, "number": number, "runs": history.runs()}


def set_wp_cli(module: AnsibleModule) -> bool:
    """Writes down where wp-cli comes from. Whether that is new."""
    said = module.params["wp_cli"]
    return said is not None and _places.tell(below(module, _places.WP_CLI), said)


def set_updates(module: AnsibleModule) -> bool:
    """Writes down what the host updates by itself, and has it do so. Whether that is new."""
    said, root = module.params["updates"], Path(module.params["root"])
    if said is None:
        return False
    is_on = said["mode"] != _places.NO_UPDATES["mode"]
    changed = _places.tell_updates(root, said["mode"], said["schedule"])
    return _program_file.install_scheduled(root, "update", said["schedule"] if is_on else "") or changed


def health_is_on(module: AnsibleModule) -> bool:
    """What was said; or what is so, where nothing was."""
    said = module.params["health"]
    return bool(said["enabled"] if said is not None else _places.told(below(module, _places.HEALTH)))


def set_health(module: AnsibleModule) -> bool:
    """Writes down how the machine looks after itself, for root alone. Whether that is new."""
    said = module.params["health"]
    if said is None:
        return False
    # Only what is so is written down, so that what is there from before stays as it is.
    acme = {"acme": True} if said["acme"] else {}
    wanted = {"renews": said["renews"], **acme, "ways": said["ways"] or {}} if said["enabled"] else {}
    return _places.tell(below(module, _places.HEALTH), wanted)


def take(module: AnsibleModule) -> dict[str, Any]:
    wanted = wish(module)
    if module.check_mode:
        work = _deployment.Deployment(wanted, "", "", a_history(module), lambda line: None)
        done = work.plan()
        return {"changed": bool(done), "done": done}
    # What came before may have taken longer than a lease lasts.
    have_lease(module)
    work = _deployment.Deployment(wanted, module.params["who"], module.params["kind"], a_history(module), print)
    if number := work.settled():
        if not module.params["keep_lease"]:
            a_lease(module).release(module.params["run"])
        return {"changed": False, "number": number, "done": [], "runs": a_history(module).runs()}
    answer = asked(module, wanted)
    runs = a_history(module).runs()
    if answer.pop("failed", False):
        module.fail_json(**answer, runs=runs)
    for warning in answer.pop("warnings"):
        module.warn(warning)
    return answer | {"runs": runs}


def command(module: AnsibleModule, folder: str) -> list[str]:
    """The program, as something of its own, so that it ends its work whatever becomes of this one.

    Where there is systemd, it is a unit: killed, it starts again and goes on by what runs.
    """
    argv = [str(below(module, _program_file.PLACE)), "--root", module.params["root"], "deploy", f"{folder}/question"]
    if not Path("/run/systemd/system").is_dir():
        return argv
    properties = {
        "Restart": "on-abnormal",
        "RestartSec": "200ms",
        "StandardOutput": f"append:{folder}/words",
        "StandardError": f"append:{folder}/words",
    }
    return [
        *("systemd-run", "--quiet", "--wait", "--collect", f"--unit=inception-{Path(folder).name}"),
        *("--setenv=HOME=/root", f"--description=A deployment: {module.params['kind']}"),
        *(f"--property={name}={value}" for name, value in properties.items()),
        *argv,
    ]


def goes_on(module: AnsibleModule, folder: str) -> bool:
    """Whether the unit is at work, or about to start again, though who waited for it was killed."""
    if not Path("/run/systemd/system").is_dir():
        return False
    dummy, state, dummy = module.run_command(
        ["systemctl", "show", "--property=ActiveState", "--value", f"inception-{Path(folder).name}.service"]
    )
    return state.strip() in ("active", "activating", "deactivating")


def asked(module: AnsibleModule, wanted: _deployment.Wish) -> dict[str, Any]:
    """What the program answers. Its folder stays until it has: killed, it starts again and reads there."""
    program, place = below(module, _program_file.PLACE), below(module, _places.LEASE)
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(dir=place, prefix="run-")
    answered, words = Path(folder, "answer.json"), Path(folder, "words")
    question = {key: module.params[key] for key in ("run", "who", "keep_lease")}
    question |= {"what": module.params["kind"], "wish": vars(wanted), "answer": str(answered)}
    Path(folder, "question").write_text(json.dumps(question), encoding="utf-8")
    code = _program_file.follow(
        command(module, folder), words, lambda: answered.exists() or not goes_on(module, folder)
    )
    if not answered.exists():
        complaint = words.read_text(errors="replace")[-2000:] or f"it ended with {code}"
        module.fail_json(msg=f"{program} did not answer: {complaint}")
    answer: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    return answer


def note(module: AnsibleModule) -> dict[str, Any]:
    """Writes down what a cluster runs. That it does, whoever deployed it has seen."""
    cluster, history = module.params["cluster"], a_history(module)
    current = history.current()
    known = current is not None and current.digest == module.params["files_digest"]
    plan = {**vars(wish(module)), "cluster": {key: one for key, one in cluster.items() if key != "stack"}}
    if module.check_mode:
        return {"changed": not known}
    if not known and not module.params["files"]:
        # The control node asks again, with them.
        return {"changed": False, "wants_files": True}
    have_lease(module)
    if known and current is not None:
        history.replan(current.number, plan)
    else:
        files = {
            one["path"]: File(base64.b64decode(one["content"]), int(one["mode"], 8)) for one in module.params["files"]
        }
        images = {name: str(one["image"]) for name, one in sorted(cluster["stack"]["services"].items())}
        entry = Entry(history.next_number(), _lease.utc(), module.params["who"], module.params["kind"])
        entry.digest, entry.images = module.params["files_digest"], images
        entry.changed = _history.differences(history.files(current.number) if current else {}, files)
        history.add(entry, files, plan)
    a_lease(module).release(module.params["run"])
    return {"changed": not known, "runs": history.runs()}


def end(module: AnsibleModule) -> dict[str, Any]:
    if not module.check_mode:
        a_lease(module).release(module.params["run"])
    return {"changed": False}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["begun", "taken", "noted", "ended"], "default": "taken"},
            "path": {"type": "path", "required": True},
            "manifest": {"type": "path", "required": True},
            "project": {"type": "str", "default": "inception"},
            "services": {"type": "list", "elements": "dict", "default": []},
            "kind": {"type": "str", "default": "deployment"},
            "keep_lease": {"type": "bool", "default": False},
            "patience": {"type": "int", "default": 120},
            "timeout": {"type": "int", "default": 3600},
            "trial_timeout": {"type": "int", "default": 300},
            "backup_before": {"type": "bool", "default": True},
            "health": {
                "type": "dict",
                "options": {
                    "enabled": {"type": "bool", "default": True},
                    "renews": {"type": "bool", "default": False},
                    "acme": {"type": "bool", "default": False},
                    "ways": {
                        "type": "dict",
                        "options": {
                            "mail": {"type": "str", "default": ""},
                            "mail_host": {"type": "str", "default": ""},
                            "mail_port": {"type": "int", "default": 587},
                            "mail_tls": {
                                "type": "str",
                                "choices": ["starttls", "tls", "none"],
                                "default": "starttls",
                            },
                            "mail_user": {"type": "str", "default": ""},
                            "mail_from": {"type": "str", "default": ""},
                            "webhook": {"type": "str", "default": "", "no_log": True},
                        },
                    },
                },
            },
            "wanted": {
                "type": "dict",
                "options": {
                    "src": {"type": "str"},
                    "files": {"type": "list", "elements": "dict", "default": []},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    # Their names; a value has no place here.
                    "secrets": {
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "no_log": False,
                        "options": {
                            "name": {"type": "str", "required": True},
                            "kind": {
                                "type": "str",
                                "default": "password",
                                "choices": ["password", "token", "wordpress_salts"],
                            },
                            "length": {"type": "int"},
                            "alphabet": {"type": "str"},
                        },
                    },
                    "secrets_path": {"type": "path", "required": True, "no_log": False},
                    "revisions": {"type": "dict"},
                    "remove_undeclared": {"type": "bool", "default": False},
                    "url": {"type": "str", "required": True},
                    "authority": {"type": "path"},
                },
            },
            "updates": {
                "type": "dict",
                "options": {
                    "mode": {"type": "str", "choices": ["none", "security", "all"], "default": "none"},
                    "schedule": {"type": "str", "choices": ["daily", "weekly"], "default": "daily"},
                },
            },
            "wp_cli": {
                "type": "dict",
                "options": {
                    "url": {"type": "str", "required": True},
                    "sha512": {"type": "str", "required": True},
                },
            },
            "cluster": {
                "type": "dict",
                "options": {
                    "stack": {"type": "dict", "required": True},
                    "shared_dir": {"type": "path", "required": True},
                    "shared": {"type": "list", "elements": "str", "default": []},
                    "timeout": {"type": "int", "default": 1800},
                },
            },
            "src": {"type": "str"},
            "files": {"type": "list", "elements": "dict", "default": []},
            "files_digest": {"type": "str", "default": ""},
            "root": {"type": "path", "default": "/"},
            "run": {"type": "str", "default": ""},
            "who": {"type": "str", "default": ""},
            "gone": {"type": "str", "default": ""},
            "program_digest": {"type": "str", "default": ""},
            # No secret, and too long for a log.
            "program": {"type": "str", "no_log": True},
        },
        required_if=[("state", "noted", ["cluster", "files_digest"])],
        supports_check_mode=True,
    )
    settle_environment()
    try:
        result = {"begun": begin, "taken": take, "noted": note, "ended": end}[module.params["state"]](module)
    except GivenUp as error:
        message = told(error, below(module, _places.FAILURES), platform.node())
        module.fail_json(msg=message, told=True, service=error.service, runs=a_history(module).runs())
    except FileProblem as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params['path']}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
