# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of the module image_build: what its store has is not built, what was built comes there."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.fortytwo.inception.plugins.module_utils import _image_build as image_build
from ansible_collections.fortytwo.inception.plugins.module_utils import _images as images
from ansible_collections.fortytwo.inception.plugins.plugin_utils import _image_builder as image_builder

display = Display()


class ActionModule(ActionBase):
    """It runs on the builder, by delegate_to. Towards the one who builds, it is a tool (image_builder.Tool)."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False
    # One connection.
    at_once = 1

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self.variables = task_vars or {}
        self.place = str(self._task.delegate_to or self.variables.get("inventory_hostname", ""))
        self.folder = ""
        dummy, options = self.validate_argument_spec(
            {
                "services": {"type": "list", "elements": "dict", "required": True},
                "files": {"type": "list", "elements": "dict", "default": []},
                "base": {"type": "dict", "required": True},
                "cache_dir": {"type": "path", "required": True},
            }
        )
        cache = Path(options["cache_dir"])
        base = image_build.Base(**options["base"])
        wanted = [image_build.wanted_of(one, options["files"]) for one in options["services"]]
        self.contexts = {
            one["image"]: {
                "services": [one],
                "files": [file for file in options["files"] if file["path"].startswith(f"srcs/{one['context']}/")],
            }
            for one in options["services"]
        }
        try:
            self.found = self._module(base)
            self.builder = image_builder.Builder(cache, self.found["architecture"], self, self._tell)
            missing = [one for one in wanted if self.builder.store.find(one.image) is None]
            if not missing or self._task.check_mode:
                built = [one.service for one in missing]
            else:
                self._check_room()
                dummy, built = self.builder.provide(missing, base)
        except (OSError, images.ImageProblem) as error:
            raise AnsibleActionFail(
                f"inception_builder: {self.place} did not build: {error}\nFor example: inception_builder: auto"
            ) from None
        finally:
            self._clean()
        return {"changed": bool(built), "built": built, "architecture": self.found["architecture"]}

    def _tell(self, text: str) -> None:
        display.display(f"... {self.place}: {text}")

    def _module(self, base: image_build.Base, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(
            "fortytwo.inception.image_build",
            {"services": [], **arguments, "base": dataclasses.asdict(base)},
            task_vars=self.variables,
        )
        if found.get("failed"):
            raise images.ImageProblem(str(found.get("msg", found)))
        return found

    def _check_room(self) -> None:
        if self.found["free"] < image_build.ROOM:
            raise images.ImageProblem(
                f"its Docker has room for {self.found['free'] >> 20} MB, and building wants {image_build.ROOM >> 20} MB"
            )

    def _run(self, command: str) -> str:
        """On the builder, as the connection's user: files come and go as that one."""
        done: Mapping[str, Any] = self._low_level_execute_command(command, sudoable=False)
        if done["rc"] != 0:
            raise images.ImageProblem(f"{done['stderr'].strip()[-300:]}")
        return str(done["stdout"]).strip()

    def _inside(self, name: str) -> str:
        """A file in a folder on the builder that goes in the end."""
        if not self.folder:
            place = '"${XDG_CACHE_HOME:-$HOME/.cache}/fortytwo.inception"'
            # What was cut off long ago goes.
            old = f"find {place} -maxdepth 1 -name 'build.*' -mtime +1 -exec rm -rf {{}} +"
            self.folder = self._run(f"umask 077; mkdir -p {place} && {old} && mktemp -d {place}/build.XXXXXXXX")
        return f"{self.folder}/{name}"

    def _clean(self) -> None:
        if self.folder:
            self._run(f"rm -rf {shlex.quote(self.folder)}")

    # ---- what image_builder asks of a tool ----

    def bring_base(self, base: image_build.Base) -> None:
        if self.found["has_base"] or not base.archive:
            return
        archive = image_builder.cached_base(self.builder.cache, base.digest)
        if archive is None:
            raise images.ImageProblem(f"it has another base image, and the control node has not {base.digest[:19]}")
        self._tell("the base image is carried there")
        self._connection.put_file(str(archive), self._inside("base.tar"))

    def build(self, wanted: image_build.Wanted, base: image_build.Base, archive: Path) -> None:
        there = self._inside(f"{wanted.service}.tar")
        if not self.found["has_base"] and base.archive:
            base = dataclasses.replace(base, archive=self._inside("base.tar"))
        self._module(base, archive=there, known=self.builder.store.layers(), **self.contexts[wanted.image])
        self._connection.fetch_file(there, str(archive))
        self._run(f"rm -f {shlex.quote(there)}")
