# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders services and trees of templates on the control node: from settings and folders to files and tags.

It needs no managed host. What only a host can tell (a uid, the number of processors) is a variable like others, and
belongs into the project's own files, never into an image's build context.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible.errors import AnsibleError
from ansible.template import trust_as_template
from ansible_collections.fortytwo.inception.plugins.module_utils import _decided as decided
from ansible_collections.fortytwo.inception.plugins.plugin_utils import (
    _service_description as service_description,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import (
    _service_schema as service_schema,
)
from ansible_collections.fortytwo.inception.plugins.plugin_utils import (
    _stack_services as stack_services,
)

STACK_ROLE = Path(__file__).resolve().parents[2] / "roles" / "stack"
TEMPLATES = STACK_ROLE / "templates"
OUR_SERVICES = TEMPLATES / "requirements"
# Those that a cluster has besides whose database is on several nodes, and that no machine alone has.
CLUSTER_SERVICES = TEMPLATES / "cluster"
NO_CONTEXT = ("service.yml", "compose.yml")


class RenderingError(Exception):
    """What is wrong with folders and templates, a line for each mistake."""


class Renderer:
    """Renders a template as ansible.builtin.template does. That one copies all variables for each file, which for many
    files takes longer than all else; this one hands them on as they are."""

    def __init__(self, templar: Any, loader: Any, variables: Mapping[str, Any]) -> None:
        self.templar = templar
        self.loader = loader
        self.variables = variables
        self._imported = [
            folder
            for found in [*variables.get("ansible_search_path", []), str(STACK_ROLE)]
            for folder in (os.path.join(found, "templates"), found)
        ]

    def source(self, path: Path) -> str:
        try:
            path.read_bytes().decode()
            text: str = self.loader.get_text_file_contents(str(path))
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise RenderingError(
                f"{path}:{line}: no text in UTF-8, as a template is; what is to stay as it is comes from another "
                "folder by 'copied'"
            ) from None
        except OSError as error:
            raise RenderingError(f"{path}: cannot be read: {error.strerror}") from error
        return text

    def truth(self, name: str) -> bool:
        """Whether a variable is there and true."""
        templar = self.templar.copy_with_new_env(available_variables=self.variables)
        return bool(templar.template(trust_as_template(f"{{{{ {name} | default(false) | bool }}}}")))

    def text(self, path: Path, **more: Any) -> str:
        variables = {**self.variables, **more} if more else self.variables
        templar = self.templar.copy_with_new_env(
            searchpath=[str(path.parent), *self._imported], available_variables=variables
        )
        try:
            rendered: str = templar.template(
                trust_as_template(self.source(path)), escape_backslashes=False, overrides={"trim_blocks": True}
            )
        except AnsibleError as error:
            line = line_of(error, self.source(path))
            raise RenderingError(f"{path}{f':{line}' if line else ''}: {innermost(error)}") from error
        return "" if rendered is None else str(rendered)


def innermost(error: BaseException) -> str:
    """The reason of an error, without what was said on its way."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "message", error))


def line_of(error: BaseException | None, source: str) -> int | None:
    """The line of the template that an error comes from, as far as it can be known."""
    while error is not None:
        if isinstance(error, jinja2.TemplateSyntaxError):
            return error.lineno
        if name := re.fullmatch(r"'(\w+)' is undefined", str(getattr(error, "message", error))):
            word = re.compile(rf"\b{name[1]}\b")
            return next((number for number, line in enumerate(source.splitlines(), 1) if word.search(line)), None)
        error = error.__cause__
    return None


def unreadable_problems(renderer: Renderer, folder: Path) -> Iterator[str]:
    """The files of a folder that can be no templates, whatever the settings are."""
    jinja = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    for path in files_below(folder):
        try:
            text = renderer.source(folder / path)
            # Such a first line changes what begins a template.
            if not text.startswith("#jinja2:"):
                jinja.parse(text)
        except RenderingError as error:
            yield str(error)
        except jinja2.TemplateSyntaxError as error:
            yield f"{folder / path}:{error.lineno}: {error.message}"


def files_below(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise RenderingError(f"{folder} is not a folder on the control node; for example: templates/project of a role")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def tree(renderer: Renderer, folder: Path, **more: Any) -> dict[str, str]:
    """Every file below a folder, rendered, by its path; one that renders to nothing is not there."""
    return {path: text for path in files_below(folder) if (text := renderer.text(folder / path, **more))}


def raw_files(target: str, source: Path) -> dict[str, str]:
    """The files below a folder as they are, in base64, by their path in the tree. A link is followed to a file only.
    What git keeps there is nothing of it: its history may have more than shall be shown."""
    if not source.is_dir():
        raise RenderingError(f"{source} is not a folder on the control node; for example: /home/wil/site")
    return {
        f"{target}/{path.relative_to(source).as_posix()}": base64.b64encode(path.read_bytes()).decode()
        for path in sorted(source.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(source).parts
    }


class Services:
    """The services that have a folder, and those that are chosen, whose descriptions are rendered and read once."""

    def __init__(
        self,
        renderer: Renderer,
        directories: Iterable[str | Path] = (),
        bonus: Iterable[str] = (),
        env: Mapping[str, Any] | None = None,
    ) -> None:
        self.renderer = renderer
        self.env = dict(env or {})
        self.places: dict[str, Path] = {}
        # What is wrong with the folders as such.
        self.misplaced: list[str] = []
        ours = (OUR_SERVICES, *([CLUSTER_SERVICES] if renderer.truth("__inception_galera") else []))
        for directory in (*ours, *(Path(one) for one in directories)):
            if not directory.is_dir():
                self.misplaced.append(
                    f"inception_service_dirs: {directory} is not a folder; for example: /home/wil/services"
                )
            elif (directory / "service.yml").is_file():
                self.misplaced.append(
                    f"inception_service_dirs: {directory} is a service's own folder; name the one that it is in, "
                    f"for example: {directory.resolve().parent}"
                )
            for found in sorted(directory.glob("*/service.yml")):
                place = self.places.setdefault(found.parent.name, found.parent)
                if place.resolve() != found.parent.resolve():
                    self.misplaced.append(
                        f"{found}: there is a service '{place.name}' in {place} already; give this folder another name"
                    )
        self.mandatory = in_order(
            {name: said for name, place in self.places.items() if (said := self._mandatory(place)) is not None}
        )
        self.bonus = [name for name in bonus if name not in self.mandatory]
        self.names = [*self.mandatory, *(name for name in self.bonus if name in self.places)]
        self.descriptions = {name: self._described(name) for name in self.names}

    def _mandatory(self, place: Path) -> str | None:
        source = self._source(place)
        return source if re.search(r"(?mi)^mandatory:[ ]+(true|yes|on)[ ]*(#.*)?\r?$", source) else None

    def _source(self, place: Path) -> str:
        """A description before it is rendered; one that cannot be read says nothing until it is chosen."""
        try:
            return self.renderer.source(place / "service.yml")
        except RenderingError:
            return ""

    def _described(self, name: str) -> service_description.Description:
        path = self.places[name] / "service.yml"
        try:
            rendered = self.renderer.text(path)
        except RenderingError as error:
            return service_description.Description(name, str(path), {}, problems=(str(error),))
        return service_description.read(name, str(path), self.renderer.source(path), rendered)

    @property
    def available(self) -> list[str]:
        """What can be chosen."""
        return sorted(set(self.places) - set(self.mandatory))

    def outlined(self) -> list[stack_services.Folder]:
        """The folders with the names of their files, and without their content."""
        return [
            stack_services.Folder(description, files=dict.fromkeys(files_below(self.places[name]), ""))
            for name, description in self.descriptions.items()
        ]

    def off(self) -> list[stack_services.Folder]:
        """The folders that were not chosen, unread."""
        return [
            stack_services.Folder(
                service_description.Description(name, str(place), {}, source=tuple(self._source(place).splitlines()))
            )
            for name, place in self.places.items()
            if name not in self.names
        ]

    def problems(self) -> list[str]:
        """What is wrong, before anything else is rendered."""
        theirs = [*self.misplaced, *(line for name in self.names for line in self._user_problems(name))]
        found = stack_services.problems(self.outlined(), self.off() if self.env else (), self.env)
        return stack_services.unique([*theirs, *found])

    def _user_problems(self, name: str) -> Iterator[str]:
        """What is wrong with the files of a service that is not ours."""
        if self.places[name].is_relative_to(TEMPLATES):
            return
        description = self.descriptions[name]
        yield from unreadable_problems(self.renderer, self.places[name])
        copied = description.said.get("copied")
        for target, source in copied.items() if isinstance(copied, dict) else ():
            if isinstance(source, str) and source.startswith("/") and not Path(source).is_dir():
                yield (
                    f"{description.at(('copied', target))}: {source} is not a folder on the control node; "
                    "for example: /home/wil/site"
                )

    def outline(self) -> dict[str, Any]:
        """What can be said without rendering more than the descriptions."""
        wrong = self.problems()
        found = {} if wrong else stack_services.stack(self.outlined(), self.bonus, env=self.env)
        ports = found.get("ports", [])
        return {
            "problems": wrong,
            "available": self.available,
            "names": self.names,
            "ports": ports,
            "tcp_ports": stack_services.numbers(ports, "tcp"),
            "udp_ports": stack_services.numbers(ports, "udp"),
            "forwarded_ports": forwarded(ports),
            "secrets": sorted(secret["name"] for secret in found.get("secrets", [])),
            "volumes": found.get("volumes", []),
            "shared": found.get("shared_volumes", []),
            "networks": [network["name"] for network in found.get("networks", [])],
            "in_cluster": {one["name"]: one["in_cluster"] for one in found.get("services", [])},
        }

    def whole(self, base: str = "", packages: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The services with their files and tags; of those whose packages a machine has renewed, with those."""
        wrong = [
            *self.problems(),
            *(f"inception_bonus_services: there is no service '{name}'" for name in self._unknown()),
        ]
        if wrong:
            raise RenderingError("\n".join(wrong))
        stamps = packages or {}
        folders = [
            self._rendered(name, description, stamps.get(name, "")) for name, description in self.descriptions.items()
        ]
        return {"names": self.names, **stack_services.stack(folders, self.bonus, base, self.env)}

    def _unknown(self) -> list[str]:
        return [name for name in self.bonus if name not in self.places]

    def _rendered(self, name: str, description: service_description.Description, stamp: str) -> stack_services.Folder:
        said = description.said
        service = {
            **service_schema.DEFAULTS,
            **said,
            "name": name,
            "limits": {**service_schema.DEFAULTS["limits"], **said.get("limits", {})},
        }
        files = tree(self.renderer, self.places[name], service=service, service_names=self.names)
        if stamp and "Dockerfile" in files:
            files["Dockerfile"] = decided.stamped(files["Dockerfile"], stamp)
        raw = {
            path: content
            for target, source in (said.get("copied") or {}).items()
            for path, content in raw_files(target, Path(source)).items()
        }
        return stack_services.Folder(
            description,
            files.get("compose.yml", ""),
            {path: text for path, text in files.items() if path not in NO_CONTEXT},
            raw,
        )


def in_order(sources: Mapping[str, str]) -> list[str]:
    """Names, each behind those that it waits for, as its description has them in one line."""
    waits = {
        name: set(re.findall(r"[\w-]+", found[1]))
        if (found := re.search(r"(?m)^waits_for: \[(.*)\]", source))
        else set()
        for name, source in sources.items()
    }
    ordered: list[str] = []
    while left := [name for name in sorted(sources) if name not in ordered]:
        ready = [name for name in left if not (waits[name] & set(left)) - {name}]
        ordered.append((ready or left)[0])
    return ordered


def forwarded(ports: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The ports of the control node that lead into a virtual machine, one by one."""
    return [
        {
            "host_port": port["forwarded"] + step,
            "guest_port": port["first"] + step,
            "protocol": port["protocol"],
            "setting": port["forwarded_setting"],
        }
        for port in ports
        if port["forwarded"]
        for step in range(port["last"] - port["first"] + 1)
    ]
