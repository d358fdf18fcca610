# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module image_delivery: it decides, builds, and carries."""

from __future__ import annotations

import dataclasses
import shlex
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.fortytwo.inception.plugins.module_utils import _image_build as image_build
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_builder as image_builder
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_store as image_store
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_way as image_way

display = Display()

MB = 1_000_000
# Seconds between two lines of progress.
INTERVAL = 10.0
# Parts of fewer bytes go together.
SMALL = 1 << 20
# Where parts wait on the managed host until all of an image has come: where the connection's user can write.
PARTS_DIR = '"${XDG_CACHE_HOME:-$HOME/.cache}/fortytwo.inception/parts"'


def lacking(image: image_store.Image, chains: Iterable[Sequence[str]]) -> list[image_store.Layer]:
    """The layers that a host has not. It has one where it has it on top of the same layers."""
    known = {tuple(chain[:count]) for chain in chains for count in range(1, len(chain) + 1)}
    ids = [layer.diff_id for layer in image.layers]
    return [layer for number, layer in enumerate(image.layers, 1) if tuple(ids[:number]) not in known]


class ActionModule(ActionBase):
    """Decides, builds and carries."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self.variables = task_vars or {}
        self.host = str(self.variables.get("inventory_hostname", ""))
        dummy, options = self.validate_argument_spec(
            {
                "services": {"type": "list", "elements": "dict", "required": True},
                "files": {"type": "list", "elements": "dict", "default": []},
                "base": {
                    "type": "dict",
                    "required": True,
                    "options": {
                        "reference": {"type": "str", "required": True},
                        "digest": {"type": "str", "required": True},
                        "archive": {"type": "str", "default": ""},
                    },
                },
                "builder": {"type": "str", "default": "auto"},
                "hosts": {"type": "int", "default": 1},
                "builds_itself": {"type": "bool", "default": True},
                "project": {"type": "str", "default": "inception"},
                "cache_dir": {"type": "path", "required": True},
            }
        )
        wanted = [{key: one[key] for key in ("name", "image", "content")} for one in options["services"]]
        try:
            found = self._module(services=wanted)
        except images.ImageProblem as error:
            raise AnsibleActionFail(str(error)) from None
        result: dict[str, Any] = {
            "changed": False,
            "missing": found["missing"],
            "built": [],
            "delivered": [],
            "carried": 0,
        }
        services = [one for one in options["services"] if one["image"] in found["missing"]]
        cache = Path(options["cache_dir"])
        tool = image_builder.tool(cache)
        way = image_way.choose(
            options["builder"],
            self.host,
            options["hosts"],
            found,
            images.is_emulated(),
            tool is not None,
            options["builds_itself"],
        )
        result |= {"builder": way.builder, "reason": way.reason}
        if not services:
            return result
        if way.builder == image_way.MANAGED_HOST:
            if not options["builds_itself"]:
                # Who installs what builds them, where there is none.
                other = image_way.CONTROL_NODE if options["builder"] == image_way.AUTO else image_way.AUTO
                raise AnsibleActionFail(
                    f"inception_builder: {options['builder']}: {self.host} is a node of a cluster, where nobody builds "
                    f"its images: {way.reason}; for example: {other}"
                )
            if options["builder"] == image_way.CONTROL_NODE:
                raise AnsibleActionFail(
                    f"inception_builder: the control node cannot build for {self.host}: {way.reason}; for example: auto"
                )
            self._tell(f"builds its images itself: {way.reason}")
            return result | {"changed": self._task.check_mode}
        where = "the control node" if way.builder == image_way.CONTROL_NODE else way.builder
        self._tell(f"its images are built on {where} and carried: {way.reason}")
        if self._task.check_mode:
            return result | {"changed": True}
        try:
            return result | self._provide(
                services, options, found, tool if way.builder == image_way.CONTROL_NODE else None
            )
        except (OSError, images.ImageProblem) as error:
            return result | self._given_up(error, options["builder"], options["builds_itself"])

    def _given_up(self, error: Exception, setting: str, builds_itself: bool) -> dict[str, Any]:
        """What could not be built or carried is built where it is wanted, unless somebody else was asked for."""
        if not builds_itself:
            raise AnsibleActionFail(
                f"{error}\nNothing was brought to {self.host}, on which nobody builds: it is a node."
            )
        if setting != image_way.AUTO:
            raise AnsibleActionFail(
                f"{error}\nNothing was brought to {self.host}; inception_builder: managed_host builds there."
            )
        display.warning(f"{self.host} builds its images itself, since the control node could not: {error}")
        return {"builder": image_way.MANAGED_HOST, "reason": str(error)}

    def _tell(self, text: str) -> None:
        display.display(f"... {self.host}: {text}")

    def _module(self, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(
            "fortytwo.inception.image_delivery", {"services": [], **arguments}, task_vars=self.variables
        )
        if found.get("failed"):
            raise images.ImageProblem(str(found.get("msg", found)))
        return found

    def _provide(
        self,
        services: list[dict[str, Any]],
        options: Mapping[str, Any],
        found: Mapping[str, Any],
        tool: image_builder.Tool | None,
    ) -> dict[str, Any]:
        cache = Path(options["cache_dir"])
        builder = image_builder.Builder(cache, found["architecture"], tool, self._tell)
        wanted = [image_build.wanted_of(one, options["files"]) for one in services]
        if tool:
            provided, built = builder.provide(wanted, self._base(cache, **options["base"]))
        else:
            provided, built = (
                self._built_elsewhere(builder.store, wanted, options["builder"], found["architecture"]),
                [],
            )
        labels = {images.PROJECT_LABEL: options["project"]}
        provided = [dataclasses.replace(one, config=image_store.labelled(one.config, labels)) for one in provided]
        carried = self._carry(provided, found, builder.store)
        return {"changed": True, "built": built, "delivered": [one.name for one in provided], "carried": carried}

    def _built_elsewhere(
        self, store: image_store.Store, wanted: Sequence[image_build.Wanted], builder: str, architecture: str
    ) -> list[image_store.Image]:
        """What the module image_build has brought before."""
        found = [store.find(one.image) for one in wanted]
        names = ", ".join(one.service for one, image in zip(wanted, found, strict=True) if image is None)
        if names:
            raise images.ImageProblem(f"{builder} has built no image for {architecture} of {names}")
        return [image for image in found if image]

    def _base(self, cache: Path, reference: str, digest: str, archive: str) -> image_build.Base:
        """The base image, from where the control node has it, or else from the managed host."""
        if not archive:
            return image_build.Base(reference, digest, "")
        if found := image_builder.cached_base(cache, digest):
            return image_build.Base(reference, digest, str(found))
        folder = cache / "base"
        folder.mkdir(parents=True, exist_ok=True)
        brought = folder / f"{digest.rpartition(':')[2][:12]}-{self.host}.image.tar"
        self._tell("its base image is brought to the control node, which has another one")
        self._connection.fetch_file(archive, str(brought))
        if images.base_digest_of(str(brought)) != digest:
            brought.unlink(missing_ok=True)
            raise images.ImageProblem(f"{archive} on {self.host} is not the base image of its engine")
        return image_build.Base(reference, digest, str(brought))

    # ---- over the connection ----

    def _carry(self, wanted: list[image_store.Image], found: Mapping[str, Any], store: image_store.Store) -> int:
        layers = {image.name: lacking(image, found["chains"]) for image in wanted}
        parts = {part: size for missing in layers.values() for layer in missing for part, size in layer.parts}
        self._check_room(sum(parts.values()), found["free"])
        told = [
            {
                "name": image.name,
                "config": image.config,
                "layers": [
                    {
                        "diff_id": layer.diff_id,
                        "parts": [list(part) for part in layer.parts] if layer in layers[image.name] else [],
                    }
                    for layer in image.layers
                ],
            }
            for image in wanted
        ]
        carried = 0
        # What arrived damaged is gone there, and is sent once more.
        for _attempt in range(3):
            folder, there = self._arrived()
            carried += self._send(
                folder, {part: size for part, size in parts.items() if there.get(part) != size}, parts, store
            )
            self._tell(f"Docker takes in {len(wanted)} images")
            answer = self._module(state="loaded", images=told, parts_dir=folder)
            if "damaged" not in answer:
                return carried
            display.warning(f"{self.host}: {answer['damaged'][:12]} arrived damaged")
        raise images.ImageProblem("what was carried arrived damaged three times")

    def _check_room(self, size: int, free: int) -> None:
        # Compressed where it arrives and where Docker reads it from, and unpacked.
        wanted = size * 6
        if wanted > free:
            raise images.ImageProblem(
                f"{self.host} has room for {free // MB} MB, and its images want {wanted // MB} MB"
            )

    def _arrived(self) -> tuple[str, dict[str, int]]:
        """The folder for parts, and what a delivery that was cut off has left there."""
        # One that nobody has gone on with for a week goes.
        old = "find . -type f -mtime +6 -exec rm -f {} +"
        command = f"umask 077; mkdir -p {PARTS_DIR} && cd {PARTS_DIR} && {old} && pwd && ls -ln"
        done = self._low_level_execute_command(command, sudoable=False)
        lines = done["stdout"].splitlines()
        if done["rc"] != 0 or not lines:
            raise images.ImageProblem(f"{self.host}: no folder for what is carried: {done['stderr'].strip()}")
        words = [line.split() for line in lines[1:]]
        return lines[0].strip(), {one[8]: int(one[4]) for one in words if len(one) == 9 and one[4].isdecimal()}

    def _send(
        self, folder: str, parts: Mapping[str, int], all_parts: Mapping[str, int], store: image_store.Store
    ) -> int:
        total, left = sum(all_parts.values()), sum(parts.values())
        sent, looked = self._send_small(folder, [part for part, size in parts.items() if size < SMALL], store), 0.0
        for part, size in parts.items():
            if size < SMALL:
                continue
            if time.monotonic() - looked > INTERVAL:
                self._tell(f"{(total - left + sent) // MB} of {total // MB} MB carried")
                looked = time.monotonic()
            self._connection.put_file(str(store.part(part)), f"{folder}/{part}")
            sent += size
        self._tell(f"{total // MB} MB carried")
        return sent

    def _send_small(self, folder: str, parts: Sequence[str], store: image_store.Store) -> int:
        """Small parts in one file: each file costs a start of a program on the host, which an emulated one feels."""
        if not parts:
            return 0
        with tempfile.NamedTemporaryFile(suffix=".tar") as bundle:
            with tarfile.open(fileobj=bundle, mode="w") as archive:
                for part in parts:
                    archive.add(store.part(part), arcname=part)
            bundle.flush()
            self._connection.put_file(bundle.name, f"{folder}/small.tar")
        done = self._low_level_execute_command(
            f"cd {shlex.quote(folder)} && tar -xf small.tar && rm small.tar", sudoable=False
        )
        if done["rc"] != 0:
            raise images.ImageProblem(f"{self.host}: what was carried could not be unpacked: {done['stderr'].strip()}")
        return sum(store.part(part).stat().st_size for part in parts)
