#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_archive
short_description: Make an image's archive of a root file system, the same image for the same files
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Writes an archive that C(docker load) takes. Unlike C(docker import), which notes the time, it makes the same image
    of the same file system wherever and whenever it is loaded, so that what is built on it is the same everywhere too.
  - The image has a label C(inception.base) with the digest of its file system.
extends_documentation_fragment:
  - fortytwo.inception._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    description: An archive that is newer than O(src) is left as it is.
  platform:
    support: full
    description: Any with Python; a file system that is compressed by zstd wants the program C(zstd).
options:
  src:
    description: The root file system as a tar archive, which may be compressed by gzip, bzip2, xz or zstd.
    type: path
    required: true
  dest:
    description: Where the image's archive is written.
    type: path
    required: true
  reference:
    description: The image's name with its tag.
    type: str
    required: true
  architecture:
    description: The processors that it is for, as Docker calls them.
    type: str
    choices: [amd64, arm64]
    required: true
  command:
    description: What a container of it runs by default.
    type: list
    elements: str
    required: true
  files:
    description:
      - Files of the root file system that have another text in the image, by their paths without a slash in front.
      - One that the root file system does not have is an error.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Pack the image
  fortytwo.inception.image_archive:
    src: /home/wil/.cache/fortytwo.inception/base/debian-bookworm.tar.zst
    dest: /home/wil/.cache/fortytwo.inception/base/debian-bookworm.image.tar
    reference: debian:bookworm
    architecture: amd64
    command: [bash]
  delegate_to: localhost

- name: Pack an image whose packages come from another mirror
  fortytwo.inception.image_archive:
    src: /home/wil/.cache/fortytwo.inception/base/alpine-3.23.tar.gz
    dest: /home/wil/.cache/fortytwo.inception/base/alpine-3.23.image.tar
    reference: alpine:3.23
    architecture: amd64
    command: [/bin/sh]
    files:
      etc/apk/repositories: |
        https://mirror.example.org/alpine/v3.23/main
        https://mirror.example.org/alpine/v3.23/community
  delegate_to: localhost
"""

RETURN = r"""
digest:
  description: The digest of the file system, which the image bears as its label C(inception.base).
  returned: success, unless it would only be made
  type: str
  sample: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images


def is_current(src: str, dest: str, reference: str) -> bool:
    """Whether the archive is there, was made after the file system, and has the name."""
    try:
        if os.stat(dest).st_mtime_ns < os.stat(src).st_mtime_ns:
            return False
        return reference in images.manifest_of(dest)["tags"]
    except (OSError, images.ImageProblem):
        return False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "reference": {"type": "str", "required": True},
            "architecture": {"type": "str", "choices": ["amd64", "arm64"], "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "files": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    options = module.params
    src, dest = options["src"], options["dest"]
    if not os.path.isfile(src):
        module.fail_json(msg=f"src: {src} is no file; for example: /home/wil/bookworm.tar.xz")
    if is_current(src, dest, options["reference"]):
        module.exit_json(changed=False, digest=images.base_digest_of(dest))
    if module.check_mode:
        module.exit_json(changed=True)
    try:
        digest = images.pack_base(
            src, dest, options["reference"], options["architecture"], options["command"], options["files"]
        )
    except (OSError, images.ImageProblem) as error:
        module.fail_json(msg=f"dest: {dest} could not be written: {error}")
    module.exit_json(changed=True, digest=digest)


if __name__ == "__main__":
    main()
