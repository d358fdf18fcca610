#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_build
short_description: Build images on a machine of the inventory, and bring them to the control node
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Builds images that the control node's store has not, by the Docker of the machine that the task is delegated to.
    Each is built once, whoever else wants it, and its name is gone from that Docker then.
  - From the store, M(fortytwo.inception.image_delivery) carries them to the managed hosts.
  - A layer that the store has is not brought again.
extends_documentation_fragment:
  - fortytwo.inception._attributes
  - fortytwo.inception._images
attributes:
  check_mode:
    support: full
    description: Says whether images would be built.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    description: Linux with Docker 23 or later and buildx.
options:
  base:
    description:
      - The base image, by C(reference), C(digest), and C(archive) where it came from no registry. The builder has it,
        or the control node's O(cache_dir).
    type: dict
    required: true
  known:
    description: The layers that the control node has; for the action plugin alone.
    type: list
    elements: str
    default: []
  archive:
    description: The file for the built image; for the action plugin alone.
    type: path
seealso:
  - module: fortytwo.inception.image_delivery
"""

EXAMPLES = r"""
- name: Build what is missing on the fastest machine
  fortytwo.inception.image_build:
    services: "{{ rendered.services }}"
    files: "{{ rendered.files }}"
    base:
      reference: debian:bookworm
      digest: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
      archive: /var/lib/fortytwo.inception/base/debian-bookworm.image.tar
    cache_dir: /home/wil/.cache/fortytwo.inception
  delegate_to: forge
"""

RETURN = r"""
built:
  description: The services whose images were built now.
  returned: success
  type: list
  elements: str
  sample: [nginx]
architecture:
  description: What Docker calls the builder's architecture.
  returned: success
  type: str
  sample: amd64
"""

import json
import os
import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _image_build as image_build
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images


def inspected(docker: image_build.Docker, base: image_build.Base) -> dict[str, Any]:
    """What kind of a builder this is."""
    info = json.loads(image_build.output_of([docker.docker, "info", "--format", "{{json .}}"]))
    server = image_build.output_of([docker.docker, "version", "--format", "{{.Server.Arch}}"])
    return {
        "architecture": server.strip(),
        "has_base": docker.has_base(base),
        "free": shutil.disk_usage(info["DockerRootDir"]).free,
    }


def build(docker: image_build.Docker, options: dict[str, Any], base: image_build.Base) -> list[str]:
    [service] = options["services"]
    wanted = image_build.wanted_of(service, options["files"])
    docker.bring_base(base)
    docker.make(wanted, base)
    # The folder is the connection's user's: no link of theirs leads root elsewhere, and they can read what is in it.
    descriptor = os.open(options["archive"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        owner = os.stat(os.path.dirname(options["archive"]))
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        docker.save(wanted.image, file, options["known"])
    return [wanted.service]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "files": {"type": "list", "elements": "dict", "default": []},
            "base": {"type": "dict", "required": True},
            "cache_dir": {"type": "path"},
            "known": {"type": "list", "elements": "str", "default": []},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    options = module.params
    base = image_build.Base(**options["base"])
    try:
        docker = image_build.Docker.found()
        if docker is None:
            raise images.ImageProblem("there is no Docker with buildx that answers")
        built = build(docker, options, base) if options["archive"] and not module.check_mode else []
        module.exit_json(changed=bool(built), built=built, **inspected(docker, base))
    except (OSError, images.ImageProblem) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
