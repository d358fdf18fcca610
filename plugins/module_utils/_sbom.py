# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images are made of: a bill of materials (SBOM) in CycloneDX's format, from the package managers' own lists.

Private to this collection. Nothing is run in a container: the engine hands the lists out, as files of the image.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.fortytwo.inception.plugins.module_utils import _engine
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem

FORMAT, VERSION_OF_FORMAT = "CycloneDX", "1.6"
PROJECT = "inception"
SERVICE = "com.docker.compose.service"
RELEASES = ("/usr/lib/os-release", "/etc/os-release")
DPKG, APK = "/var/lib/dpkg/status", ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
# What no package manager knows of: where it lies in an image, and how it tells its version.
UNPACKAGED = (("wordpress", "/usr/src/wordpress/wp-includes/version.php", r"\$wp_version\s*=\s*'([^']+)'"),)
# Where the names of the images' bills come from (uuid5): the same image has the same bill.
NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/fortytwo-inception/fortytwo.inception")

# An image may be a stranger's: what is no name or version to dpkg and apk is none here. A list of 1,000 packages
# has 1 MB.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,127}")
ADDRESS = re.compile(r"https?://[!-~]{1,500}")
VERSION = re.compile(r"[A-Za-z0-9.+:~_-]{1,127}")
MOST_BYTES, MOST_PACKAGES = 32_000_000, 20_000

Read = Callable[[str], str]


@dataclass(frozen=True)
class Package:
    """One package of an image; `source` is what it was built from."""

    name: str
    version: str
    architecture: str
    source: str
    homepage: str = ""

    def is_sound(self) -> bool:
        optional = (self.architecture, self.source)
        return bool(
            NAME.fullmatch(self.name)
            and VERSION.fullmatch(self.version)
            and all(not one or NAME.fullmatch(one) for one in optional)
        )


@dataclass
class Contents:
    """What is in an image: os-release's ID and VERSION_ID, the packages, and what no package manager knows of.

    `kind` is that of the packages' addresses (purl): deb or apk. `problem` says why nothing is known.
    """

    kind: str = ""
    system: str = ""
    release: str = ""
    packages: list[Package] = field(default_factory=list)
    unpackaged: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Contents:
        """As another machine tells it, which may be a stranger's: what is not sound is left out."""
        made = cls(problem=str(told.get("problem") or "")[:300])
        made.kind = "apk" if told.get("kind") == "apk" else "deb"
        made.system, made.release = (
            text if pattern.fullmatch(text := str(told.get(key) or "")) else ""
            for key, pattern in (("system", NAME), ("release", VERSION))
        )
        keys = ("name", "version", "architecture", "source", "homepage")
        packages = (Package(*(str(one.get(key) or "") for key in keys)) for one in told["packages"][:MOST_PACKAGES])
        made.packages = [one for one in packages if one.is_sound()]
        known = {name for name, *dummy in UNPACKAGED}
        made.unpackaged = {
            name: str(version)
            for name, version in told["unpackaged"].items()
            if name in known and VERSION.fullmatch(str(version))
        }
        return made


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a file such as dpkg's status, without their lines that are continued."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = (line.partition(":") for line in paragraph.splitlines() if line and not line[0].isspace())
        if found := {name: value.strip() for name, mark, value in fields if mark}:
            yield found


def of_dpkg(text: str) -> list[Package]:
    """What dpkg says is installed. A source with another version than the package's has it in brackets."""
    return [
        Package(
            one["Package"],
            one["Version"],
            one.get("Architecture", ""),
            one.get("Source", one["Package"]).partition(" ")[0],
            one.get("Homepage", ""),
        )
        for one in stanzas(text)
        if one.get("Status", "").endswith(" installed") and "Package" in one and "Version" in one
    ]


def of_apk(text: str) -> list[Package]:
    """What apk says is installed: P is the name, V the version, A the architecture, o the origin, U the address."""
    return [
        Package(one["P"], one["V"], one.get("A", ""), one.get("o", one["P"]), one.get("U", ""))
        for one in stanzas(text)
        if "P" in one and "V" in one
    ]


def os_release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value.strip("\"'") for name, mark, value in pairs if mark}


def component(package: Package, inside: Contents) -> dict[str, Any]:
    """A package as CycloneDX's component, with the address by which scanners know it (purl)."""
    about = {"arch": package.architecture, "distro": f"{inside.system}-{inside.release}"}
    if package.source != package.name:
        about["upstream"] = package.source
    version = quote(package.version, safe=":~")
    name = quote(package.name, safe="")
    purl = f"pkg:{inside.kind}/{inside.system}/{name}@{version}?{urlencode(about)}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    }
    if ADDRESS.fullmatch(package.homepage):
        made["externalReferences"] = [{"type": "website", "url": package.homepage}]
    return made


def contents(read: Read) -> Contents:
    """What is in an image; `read` gives a file of it, or nothing."""
    system = os_release(next(filter(None, map(read, RELEASES)), ""))
    kind, packages = "deb", of_dpkg(read(DPKG))
    if not packages:
        kind, packages = "apk", of_apk(next(filter(None, map(read, APK)), ""))
    if not packages or "ID" not in system:
        raise FileProblem("its image has neither dpkg's nor apk's list of packages")
    unpackaged = {
        name: match[1] for name, path, pattern in UNPACKAGED if (match := re.search(pattern, read(path), re.MULTILINE))
    }
    packages = [one for one in packages[:MOST_PACKAGES] if one.is_sound()]
    return Contents(kind, system["ID"], system.get("VERSION_ID", ""), packages, unpackaged)


def components(inside: Contents) -> list[dict[str, Any]]:
    """All components of an image, the system first."""
    if not inside.packages:
        return []
    found = [{"type": "operating-system", "bom-ref": "system", "name": inside.system, "version": inside.release}]
    found += [component(one, inside) for one in sorted(inside.packages, key=lambda one: one.name)]
    for name, version in inside.unpackaged.items():
        purl = f"pkg:generic/{name}@{quote(version, safe='')}"
        found.append({"type": "application", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    return found


def bill(service: str, image: Mapping[str, Any], inside: Contents) -> dict[str, Any]:
    """The bill of one image, by what the engine says of it and what is in it."""
    tag = next(iter(image.get("RepoTags") or []), "").rpartition(":")[2]
    about = {"image": image["Id"], "architecture": image.get("Architecture", ""), "created": image.get("Created", "")}
    if inside.problem:
        about["problem"] = inside.problem
    return {
        "bomFormat": FORMAT,
        "specVersion": VERSION_OF_FORMAT,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMES, image['Id'])}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": service,
                "version": tag,
                "properties": [{"name": f"inception:{name}", "value": value} for name, value in about.items()],
            }
        },
        "components": components(inside),
    }


# ---- On this machine ----


def asked(address: str) -> Any:
    answer = _engine.ask(address)
    if answer is None:
        raise FileProblem(
            "the Docker engine does not answer; try: systemctl status docker (Alpine: rc-service docker status)"
        )
    return answer


def file_of(container: str) -> Read:
    def read(path: str) -> str:
        address = f"/containers/{container}/archive?{urlencode({'path': path})}"
        packed = _engine.ask_bytes(address, most=MOST_BYTES)
        if packed is None:
            return ""
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            # A link is told as one, and what it leads to stands in another of the places.
            member = next((one for one in archive if one.isreg()), None)
            content = archive.extractfile(member) if member else None
            return content.read().decode("utf-8", errors="replace") if content else ""

    return read


def bills(service: str | None = None) -> list[dict[str, Any]]:
    """Of each service that has a container here, or of one, in the order of their names."""
    label = json.dumps({"label": [f"{_engine.PROJECT}={PROJECT}"]})
    containers = asked(f"/containers/json?{urlencode({'all': 1, 'filters': label})}")
    places = {one["Labels"].get(SERVICE, ""): one for one in containers}
    if not places:
        raise FileProblem("nothing is deployed here, so there are no images to tell of")
    if service and service not in places:
        raise FileProblem(f"{service!r} is none of the services here; try one of {', '.join(sorted(places))}")
    names = [service] if service else sorted(places)
    return [
        bill(name, asked(f"/images/{places[name]['ImageID']}/json"), contents(file_of(places[name]["Id"])))
        for name in names
    ]


def whole(made: list[dict[str, Any]]) -> dict[str, Any]:
    """Several images as one bill: each is a component, with its own inside it."""
    if len(made) == 1:
        return made[0]
    images = []
    for one in made:
        image = one["metadata"]["component"]
        prefix = f"{image['name']}:"
        inside = [{**inner, "bom-ref": f"{prefix}{inner['bom-ref']}"} for inner in one["components"]]
        images.append({**image, "bom-ref": f"{prefix}{image['bom-ref']}", "components": inside})
    serial = uuid.uuid5(NAMES, " ".join(one["serialNumber"] for one in made))
    return {
        "bomFormat": FORMAT,
        "specVersion": VERSION_OF_FORMAT,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": PROJECT, "name": PROJECT}},
        "components": images,
    }
