#!/usr/bin/python
# Copyright: (c) 2026, fortytwo.inception contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_delivery
short_description: Build images on the control node, and carry them to the managed host
version_added: "1.0.0"
author:
  - fortytwo.inception contributors (@fortytwo-inception)
description:
  - Decides where the images of a stack are built that the managed host has not. Where that is the control node, they
    are built there once, with C(buildah), and each host gets what it lacks of them over Ansible's own connection.
  - A layer that the host has is not carried. What arrived is checked by its digest, and loaded into Docker by
    C(docker load). A delivery that was cut off goes on where it was.
  - An image bears labels that say which files it was built from, and where.
  - Images that it leaves missing are built on the managed host by M(fortytwo.inception.stack_up).
extends_documentation_fragment:
  - fortytwo.inception._attributes
  - fortytwo.inception._images
attributes:
  check_mode:
    support: full
    description: Says which images are missing, builds nothing and carries nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    description: Linux with Docker 23 or later; the control node needs C(buildah) to be the builder.
options:
  base:
    description:
      - The base image, by C(reference), C(digest), and C(archive) on the control node where it came from no registry.
    type: dict
    default: {}
  builder:
    description:
      - Where images are built that are missing, V(control_node), V(managed_host), or the name of a host that has built
        them before (M(fortytwo.inception.image_build)). With V(auto) on the control node, where that is of the same
        architecture and not emulated, and the managed host is emulated or O(hosts) is more than one; else on the
        managed host.
    type: str
    default: auto
  hosts:
    description: How many managed hosts are deployed to in this run.
    type: int
    default: 1
  builds_itself:
    description:
      - Whether what cannot be built elsewhere is built on the managed host. A node of a cluster has nobody who does;
        there O(builder=auto) is the control node, and what cannot be built there is an error.
    type: bool
    default: true
  project:
    description: The compose project that the images belong to, by their label.
    type: str
    default: inception
  state:
    description: What the half on the managed host does; for the action plugin alone.
    type: str
    choices: [inspected, loaded]
    default: inspected
  images:
    description: What is loaded; for the action plugin alone.
    type: list
    elements: dict
    default: []
  parts_dir:
    description: Where it arrived; for the action plugin alone.
    type: path
"""

EXAMPLES = r"""
- name: Build what is missing, and bring it
  fortytwo.inception.image_delivery:
    services: "{{ rendered.services }}"
    files: "{{ rendered.files }}"
    base:
      reference: debian:bookworm
      digest: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
      archive: /home/wil/.cache/fortytwo.inception/base/debian-bookworm.image.tar
    cache_dir: /home/wil/.cache/fortytwo.inception
"""

RETURN = r"""
builder:
  description: Where the images that were missing are built, V(control_node), V(managed_host), or the builder's name.
  returned: success
  type: str
  sample: control_node
reason:
  description: Why there.
  returned: success
  type: str
  sample: wil is emulated
missing:
  description: The images that the managed host had not.
  returned: success
  type: list
  elements: str
  sample: ["nginx:0123456789ab"]
built:
  description: The services whose images were built now on the control node.
  returned: success
  type: list
  elements: str
  sample: [nginx]
delivered:
  description: The images that were brought.
  returned: success
  type: list
  elements: str
  sample: ["nginx:0123456789ab"]
carried:
  description: How many bytes went over the connection.
  returned: success
  type: int
  sample: 31337
"""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images

BLOCK = 1 << 20


def docker(*argv: str) -> str:
    done = subprocess.run(["docker", *argv], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise images.ImageProblem(f"docker {' '.join(argv[:2])}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


# ---- what is there ----


def inspected(services: list[dict[str, Any]]) -> dict[str, Any]:
    """Which images are missing, which layers there are, and what kind of a machine this is."""
    told = json.loads(docker("version", "--format", "{{json .Server}}"))
    ids = sorted(set(docker("image", "ls", "--quiet", "--no-trunc").split()))
    there = json.loads(docker("image", "inspect", *ids)) if ids else []
    contents = {
        tag: ((one.get("Config") or {}).get("Labels") or {}).get(images.CONTENT_LABEL)
        for one in there
        for tag in one.get("RepoTags") or []
    }
    info = json.loads(docker("info", "--format", "{{json .}}"))
    # With containerd's store, an image whose layers came with another one runs, and is not whole: all of it is carried.
    keeps_layers = "io.containerd.snapshotter" not in json.dumps(info.get("DriverStatus") or [])
    return {
        "missing": [one["image"] for one in services if contents.get(one["image"]) != one["content"]],
        # Docker knows a layer by those below it.
        "chains": [(one.get("RootFS") or {}).get("Layers") or [] for one in there if keeps_layers],
        "architecture": told["Arch"],
        "engine": told["Version"],
        "emulated": images.is_emulated(),
        "free": shutil.disk_usage(info["DockerRootDir"]).free,
    }


# ---- what arrived ----


class Damaged(Exception):
    """A part is not what it was when it left."""

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest


class Parts:
    """A layer that arrived in parts, as one file that is checked while it is read."""

    def __init__(self, folder: str, parts: list[list[Any]]) -> None:
        self.folder = folder
        self.left = [(str(digest), int(size)) for digest, size in parts]
        self.file: BinaryIO | None = None
        self.digest = hashlib.sha256()
        self.name = ""
        self.unread = 0

    def read(self, size: int = BLOCK, /) -> bytes:
        data = b""
        while len(data) < size:
            if self.file is None and not self.left:
                break
            file = self.file or self._open(*self.left.pop(0))
            block = file.read(min(size - len(data), self.unread))
            self.digest.update(block)
            self.unread -= len(block)
            data += block
            if not block or not self.unread:
                self._close()
        return data

    def _open(self, name: str, size: int) -> BinaryIO:
        # The folder is the connection's user's: no link of theirs leads root elsewhere.
        try:
            descriptor = os.open(os.path.join(self.folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise Damaged(name) from None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            os.close(descriptor)
            raise Damaged(name)
        self.file = os.fdopen(descriptor, "rb")
        self.digest, self.name, self.unread = hashlib.sha256(), name, size
        return self.file

    def _close(self) -> None:
        if self.file:
            self.file.close()
        self.file = None
        if self.digest.hexdigest() != self.name:
            raise Damaged(self.name)


def write_archive(stream: Any, wanted: list[dict[str, Any]], folder: str) -> None:
    """What `docker load` takes. Layers that it has are named in it, and not there."""
    written: set[str] = set()
    manifest = []
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for image in wanted:
            config = image["config"].encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            images.add_bytes(archive, config_name, config)
            names = []
            for layer in image["layers"]:
                name = f"{layer['diff_id'].split(':')[1]}.tar"
                names.append(name)
                if name in written or not layer["parts"]:
                    continue
                written.add(name)
                member = tarfile.TarInfo(name)
                member.size = sum(size for dummy, size in layer["parts"])
                archive.addfile(member, Parts(folder, layer["parts"]))
            manifest.append({"Config": config_name, "RepoTags": [image["name"]], "Layers": names})
        images.add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


def load(wanted: list[dict[str, Any]], folder: str) -> None:
    """Without its end, what is damaged is no archive, and nothing of it is loaded."""
    code, said = images.feed(["docker", "load", "--quiet"], lambda stream: write_archive(stream, wanted, folder))
    if code != 0:
        # Containerd's store keeps the name of an image that it could not unpack.
        for image in wanted:
            with contextlib.suppress(images.ImageProblem):
                docker("image", "rm", "--force", image["name"])
        raise images.ImageProblem(f"docker load: {said.strip()[-300:]}")


def check(wanted: list[dict[str, Any]]) -> None:
    """That Docker has what was meant."""
    told = json.loads(docker("image", "inspect", *(image["name"] for image in wanted)))
    for image, found in zip(wanted, told, strict=True):
        layers = [layer["diff_id"] for layer in image["layers"]]
        labels = json.loads(image["config"])["config"].get("Labels")
        if found["RootFS"]["Layers"] != layers or (found["Config"].get("Labels") or {}) != labels:
            docker("image", "rm", "--force", image["name"])
            raise images.ImageProblem(f"{image['name']} is not what was sent; it was removed again")


def loaded(wanted: list[dict[str, Any]], folder: str) -> dict[str, Any]:
    try:
        load(wanted, folder)
        check(wanted)
    except Damaged as error:
        _remove(folder, error.digest)
        return {"changed": False, "damaged": error.digest}
    for image in wanted:
        for layer in image["layers"]:
            for digest, dummy in layer["parts"]:
                _remove(folder, digest)
    return {"changed": True}


def _remove(folder: str, name: str) -> None:
    Path(folder, name).unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "files": {"type": "list", "elements": "dict", "default": []},
            "base": {"type": "dict", "default": {}},
            "builder": {"type": "str", "default": "auto"},
            "hosts": {"type": "int", "default": 1},
            "builds_itself": {"type": "bool", "default": True},
            "project": {"type": "str", "default": "inception"},
            "cache_dir": {"type": "path"},
            "state": {"type": "str", "choices": ["inspected", "loaded"], "default": "inspected"},
            "images": {"type": "list", "elements": "dict", "default": []},
            "parts_dir": {"type": "path"},
        },
        required_if=[("state", "loaded", ["parts_dir"])],
        supports_check_mode=True,
    )
    options = module.params
    try:
        if options["state"] == "inspected":
            module.exit_json(changed=False, **inspected(options["services"]))
        module.exit_json(**loaded(options["images"], options["parts_dir"]))
    except (OSError, images.ImageProblem) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
