# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot as the project that it is: its services, their Dockerfiles and scripts. Private to this collection: it may
change without notice.
"""

from __future__ import annotations

import datetime
import functools
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fortytwo.inception.plugins.module_utils._evaluation.results import LINE
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import compose, dockerfile, makefile, shell
from ansible_collections.fortytwo.inception.plugins.plugin_utils._evaluation import services as which

COMPOSE_FILE = "srcs/docker-compose.yml"
COMPOSE_NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_OVERRIDES = (
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
    "compose.override.yml",
    "compose.override.yaml",
)
# What the files of a service mention in nearly no other.
_MENTIONS = {
    "wordpress": re.compile(r"wordpress\.org|wp core|wp-cli|wp-config|wp-content", re.IGNORECASE),
    "adminer": re.compile(r"adminer", re.IGNORECASE),
}
_EXAMPLE_ENVIRONMENT = re.compile(
    r"(?:srcs/)?(?:\.?env[._-](?:example|sample|template|dist)|(?:example|sample)[._-]?\.?env)$"
)
_INSTALLERS = re.compile(r"(?:apt|apt-get|apk|aptitude|dpkg|yum|dnf)$")


@dataclass(frozen=True)
class Source:
    """A text of the project and where it is."""

    path: str
    text: str
    # The line of the file that the text begins at: a here-document stands within a Dockerfile.
    first_line: int = 1


# Longer than any that a person writes; the collector says of which files a line was cut off.
_PATH = 4_096


def _narrow(text: str) -> str:
    """A text without what is to the right of each line's limit."""
    if len(text) <= LINE:
        return text
    return "\n".join(line[:LINE] for line in text.split("\n"))


# ENTRYPOINT or CMD, its words or its text in the shell form, and where it stands.
Starter = tuple[str, "tuple[str, ...] | str", str]


class Project:
    """What the files of a project say; everything is worked out once, when it is asked for."""

    def __init__(
        self, snapshot: Mapping[str, Any], day: datetime.date, *, domain: str = "", cloned: bool = False
    ) -> None:
        self.snapshot = snapshot
        # The evaluation itself put a fresh clone there.
        self.cloned = cloned
        # The name of the site, "" where nobody told.
        self.domain = domain
        # By which the penultimate release is told.
        self.day = day
        self.entries: dict[str, dict[str, Any]] = {entry["path"]: entry for entry in snapshot["entries"]}
        # What is worked out of a line may cost the square of its length.
        self._texts: dict[str, str] = {path: _narrow(text) for path, text in snapshot["texts"].items()}

    @property
    def committed(self) -> datetime.date | None:
        """The day of the last commit, None where there is no history."""
        try:
            return datetime.date.fromisoformat(self.snapshot["git"].get("committed", ""))
        except ValueError:
            return None

    # --- Files ---

    def resolved(self, path: str) -> str | None:
        """A path with the symbolic links in it followed, None where they lead out of the folder or nowhere."""
        if len(path) > _PATH:
            return None
        path = posixpath.normpath(path)
        for _hop in range(10):
            for at in range(1, path.count("/") + 2):
                part = "/".join(path.split("/")[:at])
                entry = self.entries.get(part)
                if entry and entry["type"] == "link":
                    target = posixpath.join(posixpath.dirname(part), entry["target"])
                    path = posixpath.normpath(target + path[len(part) :])
                    break
            else:
                return path if path in self.entries or path == "." else None
            if path.startswith(("/", "../")):
                return None
        return None

    def text(self, path: str) -> str | None:
        found = self.resolved(path)
        return self._texts.get(found) if found else None

    def is_file(self, path: str) -> bool:
        found = self.resolved(path)
        return bool(found) and self.entries.get(found or "", {}).get("type") == "file"

    def is_folder(self, path: str) -> bool:
        found = self.resolved(path)
        return found == "." or (bool(found) and self.entries.get(found or "", {}).get("type") == "folder")

    def below(self, folder: str) -> list[str]:
        prefix = "" if folder in (".", "") else f"{folder}/"
        return [path for path in self.entries if path.startswith(prefix)]

    def files(self) -> list[str]:
        return [path for path, entry in self.entries.items() if entry["type"] in ("file", "link")]

    # --- Compose ---

    @functools.cached_property
    def compose_files(self) -> list[str]:
        """The compose files that plain `make` uses; the folder of the first one is compose's own."""
        named = [path for path in self._named_by_make(("-f", "--file")) if self.text(path) is not None]
        if named:
            return named
        for folder in ("srcs", "."):
            for name in COMPOSE_NAMES:
                path = posixpath.normpath(posixpath.join(folder, name))
                if self.text(path) is not None:
                    overrides = [posixpath.join(posixpath.dirname(path), one) for one in _OVERRIDES]
                    return [path, *(one for one in overrides if self.text(one) is not None)]
        return []

    def _named_by_make(self, options: tuple[str, ...]) -> Iterator[str]:
        """The files that plain make gives to compose by an option."""
        if not self.makefile or not self.makefile.default:
            return
        seen: list[str] = []
        for goal in self.makefile.reached(self.makefile.default):
            for _line, text in self.makefile.commands(goal):
                folder = "."
                for command in shell.parse(text).commands:
                    if command.name == "cd" and len(command.words) > 1:
                        folder = posixpath.join(folder, command.words[1])
                    if not is_compose(command.words):
                        continue
                    for at, word in enumerate(command.words):
                        option, equals, value = word.partition("=")
                        if option not in options or not (equals or at + 1 < len(command.words)):
                            continue
                        path = posixpath.normpath(posixpath.join(folder, value if equals else command.words[at + 1]))
                        if path not in seen:
                            seen.append(path)
                            yield path

    @functools.cached_property
    def variables(self) -> dict[str, str]:
        """What compose replaces variables by: the .env beside the compose file."""
        folder = posixpath.dirname(self.compose_files[0]) if self.compose_files else "srcs"
        named = [path for path in self._named_by_make(("--env-file",)) if self.text(path) is not None]
        found: dict[str, str] = {}
        for path in named or self._environment_files(folder):
            read = compose.environment_file(self.text(path) or "")
            # What an example leaves open is not known.
            found |= {name: value for name, value in read.items() if value or not _EXAMPLE_ENVIRONMENT.match(path)}
        if self.makefile:
            for path in self.makefile.includes:
                if path.rpartition("/")[2].startswith(".env") or path.endswith(".env"):
                    taken = compose.environment_file(self.text(path) or "")
                    self.makefile.variables = {**taken, **self.makefile.variables}
            # What make exports goes before what a file says.
            found |= self.makefile.environment()
        return found

    def _environment_files(self, folder: str) -> list[str]:
        """The .env beside the compose file; where git has none, the example that people make it of."""
        own = posixpath.normpath(posixpath.join(folder, ".env"))
        if self.text(own) is not None:
            return [own]
        return [path for path in self.files() if _EXAMPLE_ENVIRONMENT.match(path)][:1]

    @functools.cached_property
    def _loaded(self) -> tuple[compose.Located, str]:
        if not self.compose_files:
            return compose.Located(), f"there is no {COMPOSE_FILE}"
        try:
            return compose.load(self.compose_files, self.text, self.variables), ""
        except compose.ComposeError as error:
            return compose.Located(), str(error)

    @property
    def composition(self) -> compose.Located:
        return self._loaded[0]

    @property
    def compose_problem(self) -> str:
        """Why the compose file could not be read, "" if it could."""
        return self._loaded[1]

    @functools.cached_property
    def services(self) -> dict[str, compose.Service]:
        return compose.services(self.composition)

    @functools.cached_property
    def kinds(self) -> dict[str, str]:
        """What each service is, whatever it is called."""
        return which.kinds([self._traits(service) for service in self.services.values()])

    def of(self, kind: str) -> compose.Service | None:
        """The service of a kind, None where the project has none."""
        name = which.service_of(kind, self.kinds)
        return self.services[name] if name is not None else None

    def _traits(self, service: compose.Service) -> which.Traits:
        holds = {package for package, _where in self.packages(service)}
        holds |= {
            posixpath.basename(word) for _kind, words, _where in self.starters(service) for word in _called(words)
        }
        for source in self.start_scripts(service):
            holds |= {command.name for command in shell.parse(source.text).commands[-3:]}
        if not service.built and service.image:
            holds.add(posixpath.basename(bare_image(service.image)))
        texts = [self.text(self.dockerfile_path(service)) or ""] if service.built else []
        texts += [source.text for source in self.start_scripts(service)]
        mentions = {kind for kind, word in _MENTIONS.items() if any(word.search(text) for text in texts)}
        pages = service.built and any(path.endswith((".html", ".htm")) for path in self.below(service.context))
        return which.Traits(service.name, frozenset(holds), frozenset(mentions), pages)

    # --- Dockerfiles ---

    @functools.cached_property
    def dockerfiles(self) -> dict[str, dockerfile.Dockerfile]:
        """The Dockerfile of each service that builds, by the service's name; what cannot be read is left out."""
        found = {}
        for name, service in self.services.items():
            text = (
                service.inline
                if service.inline is not None
                else self.text(service.dockerfile)
                if service.built
                else None
            )
            if text is not None:
                found[name] = dockerfile.parse(text, service.arguments)
        return found

    def dockerfile_path(self, service: compose.Service) -> str:
        return service.where.rpartition(":")[0] if service.inline is not None else service.dockerfile

    def where(self, service: compose.Service, instruction: dockerfile.Instruction) -> str:
        """Where an instruction of a service's Dockerfile stands."""
        if service.inline is not None:
            return service.line("build")
        return f"{service.dockerfile}:{instruction.line}"

    @functools.cached_property
    def local_images(self) -> set[str]:
        """Images that the project builds itself, with their tags."""
        images = {reference(one.image) for one in self.services.values() if one.built and one.image}
        for source in self.scripts():
            for command in shell.parse(source.text).commands:
                if "docker" in command.words[:1] and "build" in command.words[:3]:
                    for at, word in enumerate(command.words[:-1]):
                        if word in ("-t", "--tag"):
                            images.add(reference(command.words[at + 1]))
        return images

    def builders(self, service: compose.Service) -> list[tuple[compose.Service, dockerfile.Stage]]:
        """The stages that make a service's image, those of the project's images that it is built on too."""
        found: list[tuple[compose.Service, dockerfile.Stage]] = []
        waiting, seen = [service], [service.name]
        while waiting:
            one = waiting.pop()
            file = self.dockerfiles.get(one.name)
            for stage in file.chain() if file else []:
                found.append((one, stage))
                for other in self.services.values():
                    if other.built and other.name not in seen and reference(stage.base) == reference(other.image):
                        seen.append(other.name)
                        waiting.append(other)
        return found

    def packages(self, service: compose.Service) -> list[tuple[str, str]]:
        """The packages that are installed into a service's image, with where."""
        found = []
        for owner, stage in self.builders(service):
            for one in stage.instructions:
                if one.name == "RUN":
                    for source in run_texts(one, ""):
                        for command in shell.parse(source.text).commands:
                            if _INSTALLERS.match(command.name) and {"install", "add"} & set(command.words[1:5]):
                                found += [
                                    (re.split(r"[=<>~]", w)[0], self.where(owner, one)) for w in command.words[2:]
                                ]
        return found

    # --- Scripts ---

    @functools.cached_property
    def makefile(self) -> makefile.Makefile | None:
        text = self.text("Makefile")
        return makefile.parse(text) if text is not None else None

    def is_script(self, path: str) -> bool:
        """Whether a file is a shell script, by its first line, or by its name."""
        text = self.text(path) or ""
        first = text.partition("\n")[0]
        if first.startswith("#!"):
            return bool(re.search(r"\b(?:ba|da|a|k|z)?sh\b", first))
        return path.endswith((".sh", ".bash", ".ash"))

    def scripts(self) -> list[Source]:
        """The Makefiles' recipes and all scripts of the project."""
        found = []
        for path in self.files():
            name = path.rpartition("/")[2]
            text = self.text(path)
            if text is None:
                continue
            if name in ("Makefile", "makefile", "GNUmakefile") or name.endswith(".mk"):
                read = makefile.parse(text)
                for goal in read.goals.values():
                    found += [Source(path, command, line) for line, command in read.commands(goal)]
        return found + self.shell_scripts()

    def shell_scripts(self) -> list[Source]:
        return [Source(path, self.text(path) or "") for path in self.files() if self.is_script(path)]

    def starters(self, service: compose.Service) -> list[Starter]:
        """What a container runs: ENTRYPOINT and CMD, or what the compose file says instead.

        Each with its kind, its words (or its text in the shell form), and where it stands.
        """
        found: list[Starter] = []
        by_image: dict[str, tuple[tuple[str, ...] | str, str]] = {}
        for owner, stage in self.builders(service):
            for name in ("ENTRYPOINT", "CMD"):
                one = stage.last(name)
                if one and name not in by_image:
                    # A CMD of the base does not outlive a new ENTRYPOINT.
                    if name == "CMD" and "ENTRYPOINT" in by_image and stage.last("ENTRYPOINT") is None:
                        continue
                    by_image[name] = (one.words if one.words is not None else one.value, self.where(owner, one))
        for key, name in (("entrypoint", "ENTRYPOINT"), ("command", "CMD")):
            value = service.raw.get(key)
            if value:
                words = tuple(str(word) for word in value) if isinstance(value, list) else _split(str(value))
                if name == "ENTRYPOINT":
                    by_image.pop("CMD", None)
                by_image[name] = (words, service.line(key))
        for name in ("ENTRYPOINT", "CMD"):
            if name in by_image and by_image[name][0] not in ((), "", "[]"):
                found.append((name, *by_image[name]))
        return found

    def start_scripts(self, service: compose.Service) -> list[Source]:
        """The scripts that a container's command runs, those that they call, and their texts."""
        copied = self._copied(service)
        waiting = [word for _kind, words, _where in self.starters(service) for word in _called(words)]
        found: dict[str, Source] = {}
        while waiting and len(found) < 50:
            name = posixpath.basename(waiting.pop(0))
            source = copied.get(name)
            if source is None or source.path + name in found:
                continue
            found[source.path + name] = source
            waiting += [
                word for one in shell.parse(source.text).commands for word in one.words if _FILE_WORD.match(word)
            ]
        return list(found.values())

    def _copied(self, service: compose.Service) -> dict[str, Source]:
        """The scripts in a service's image by their names in it, and those that are mounted."""
        found: dict[str, Source] = {}
        for owner, _stage in self.builders(service) or [(service, None)]:
            for path in self.below(owner.context) if owner.context else []:
                if self.is_script(path):
                    found.setdefault(posixpath.basename(path), Source(path, self.text(path) or ""))
        for owner, stage in self.builders(service):
            for one in stage.instructions:
                if one.name not in ("COPY", "ADD"):
                    continue
                words = one.words or tuple(one.value.split())
                target = words[-1] if words else ""
                for heredoc in one.heredocs:
                    name = posixpath.basename(target.rstrip("/")) if not target.endswith("/") else heredoc.name
                    if heredoc.text.startswith("#!") or name.endswith(".sh"):
                        found[name] = Source(self.dockerfile_path(owner), heredoc.text, heredoc.line)
                if len(words) == 2 and "--from" not in one.flags:
                    path = posixpath.normpath(posixpath.join(owner.context, words[0]))
                    if self.text(path) is not None and self.is_script(path):
                        found[posixpath.basename(target.rstrip("/"))] = Source(path, self.text(path) or "")
        for mount in service.mounts:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(service.raw.file), mount.source))
            if mount.kind == "bind" and self.text(path) is not None and self.is_script(path):
                found[posixpath.basename(mount.target)] = Source(path, self.text(path) or "")
        return found


_FILE_WORD = re.compile(r"[\w./${}-]*[\w-]+(?:\.\w+)?$")


def _called(words: tuple[str, ...] | str) -> list[str]:
    if isinstance(words, str):
        return [word for command in shell.parse(words).commands for word in command.words]
    if len(words) > 2 and posixpath.basename(words[0]) in shell.SHELLS and words[1].endswith("c"):
        return _called(words[2])
    return list(words)


def _split(text: str) -> tuple[str, ...]:
    """A compose command in one text as its words; compose runs no shell for it."""
    import shlex

    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def bare_image(image: str) -> str:
    """An image's name without tag and digest."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + compose.at_colons(tail)[0]


def reference(image: str) -> str:
    """An image's whole name with its tag, as docker completes it."""
    bare = bare_image(image)
    tag = image.partition("@")[0][len(bare) :] or ":latest"
    return re.sub(r"^(?:docker\.io/)?(?:library/)?", "", bare) + tag


def is_compose(words: tuple[str, ...]) -> bool:
    """Whether a command is docker compose, also as it stands in variables that are not known."""
    joined = " ".join(words[:4])
    return bool(
        re.search(
            r"docker[- ]compose\b|\$[({]?\w*COMPOSE\w*|(?:^|\s)docker\s+(?:-\S+\s+\S+\s+)?compose\b",
            joined,
            re.IGNORECASE,
        )
    )


def run_texts(instruction: dockerfile.Instruction, path: str) -> list[Source]:
    """What a RUN runs as shell text."""
    if instruction.words is not None:
        words = instruction.words
        if len(words) > 2 and posixpath.basename(words[0]) in shell.SHELLS and words[1].endswith("c"):
            return [Source(path, words[2], instruction.line)]
        return [Source(path, " ".join("'" + word.replace("'", "'\\''") + "'" for word in words), instruction.line)]
    if instruction.heredocs and re.match(r"<<", instruction.value):
        return [Source(path, one.text, one.line) for one in instruction.heredocs]
    return [Source(path, instruction.value, instruction.line)]
