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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.fortytwo.inception.plugins.module_utils import _engine
from ansible_collections.fortytwo.inception.plugins.module_utils._files import FileProblem

FORMAT, VERSION = "CycloneDX", "1.6"
PROJECT = "inception"
SERVICE = "com.docker.compose.service"
RELEASES = ("/usr/lib/os-release", "/etc/os-release")
DPKG, APK = "/var/lib/dpkg/status", ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
# What no package manager knows of: where it lies in an image, and how it tells its version.
UNPACKAGED = (
    ("wordpress", "/usr/src/wordpress/wp-includes/version.php", r"\$wp_version\s*=\s*'([^']+)'"),
    ("redis-cache", "/usr/src/inception/redis-cache/redis-cache.php", r"^\s*\*?\s*Version:\s*(\S+)"),
)
# Where the names of the images' bills come from (uuid5): the same image has the same bill.
NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/fortytwo-inception/fortytwo.inception")

Read = Callable[[str], str]


@dataclass(frozen=True)
class Package:
    """One package of an image; `source` is what it was built from."""

    name: str
    version: str
    architecture: str
    source: str
    homepage: str = ""


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


def component(package: Package, kind: str, system: dict[str, str]) -> dict[str, Any]:
    """A package as CycloneDX's component, with the address by which scanners know it (purl)."""
    about = {"arch": package.architecture, "distro": f"{system.get('ID', '')}-{system.get('VERSION_ID', '')}"}
    if package.source != package.name:
        about["upstream"] = package.source
    version = quote(package.version, safe=":~")
    purl = f"pkg:{kind}/{system.get('ID', kind)}/{quote(package.name, safe='')}@{version}?{urlencode(about)}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    }
    if re.match(r"https?://\S+$", package.homepage):
        made["externalReferences"] = [{"type": "website", "url": package.homepage}]
    return made


def contents(read: Read) -> list[dict[str, Any]]:
    """All components of an image, the system first; `read` gives a file of it, or nothing."""
    system = os_release(next(filter(None, map(read, RELEASES)), ""))
    kind, packages = "deb", of_dpkg(read(DPKG))
    if not packages:
        kind, packages = "apk", of_apk(next(filter(None, map(read, APK)), ""))
    if not packages or "ID" not in system:
        raise FileProblem("its image has neither dpkg's nor apk's list of packages")
    release = system.get("VERSION_ID", "")
    found = [{"type": "operating-system", "bom-ref": "system", "name": system["ID"], "version": release}]
    found += [component(one, kind, system) for one in sorted(packages, key=lambda one: one.name)]
    for name, path, pattern in UNPACKAGED:
        if match := re.search(pattern, read(path), re.MULTILINE):
            purl = f"pkg:generic/{name}@{quote(match[1], safe='')}"
            found.append({"type": "application", "bom-ref": purl, "name": name, "version": match[1], "purl": purl})
    return found


def bill(service: str, image: dict[str, Any], read: Read) -> dict[str, Any]:
    """The bill of one image, by what the engine says of it."""
    tag = next(iter(image.get("RepoTags") or []), "").rpartition(":")[2]
    return {
        "bomFormat": FORMAT,
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMES, image['Id'])}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": service,
                "version": tag,
                "properties": [
                    {"name": "inception:image", "value": image["Id"]},
                    {"name": "inception:architecture", "value": image.get("Architecture", "")},
                    {"name": "inception:created", "value": image.get("Created", "")},
                ],
            }
        },
        "components": contents(read),
    }


# ---- On this machine ----


def asked(address: str) -> Any:
    answer = _engine.ask(address)
    if answer is None:
        raise FileProblem("the Docker engine does not answer; try: systemctl status docker")
    return answer


def file_of(container: str) -> Read:
    def read(path: str) -> str:
        packed = _engine.ask_bytes(f"/containers/{container}/archive?{urlencode({'path': path})}")
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
    return [bill(name, asked(f"/images/{places[name]['ImageID']}/json"), file_of(places[name]["Id"])) for name in names]


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
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": PROJECT, "name": PROJECT}},
        "components": images,
    }
