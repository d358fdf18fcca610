# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for newer releases of all that is pinned, and pin those (make pins).

python -m tests.pins [--check] [--instead A=B]

pins.yml says what is pinned and whom to ask. What is newer is written only where its download has the checksum that
was read elsewhere; what has a false answer stays as it is, and is named.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
LIST = Path("tests/pins/pins.yml")
VERSION = re.compile(r"\d+(?:\.\d+)+")
COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS = 60
# No release of these is larger.
MOST = 256 << 20
LINE = 100


class FalseAnswer(Exception):
    """Somebody was asked, and the answer is none; the message says what was asked and why it is none."""


@dataclass
class Asker:
    """Asks addresses, some of them elsewhere."""

    instead: Mapping[str, str]

    def get(self, address: str) -> bytes:
        for prefix, other in self.instead.items():
            if address.startswith(prefix):
                address = other + address.removeprefix(prefix)
                break
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:
                if address.startswith("https:") and not answer.url.startswith("https:"):
                    raise FalseAnswer(f"{address} leads to {answer.url}, which anybody on the way could answer")
                data: bytes = answer.read(MOST + 1)
        except (OSError, ValueError) as error:
            raise FalseAnswer(f"{address}: {error}") from error
        if len(data) > MOST:
            raise FalseAnswer(f"{address} answers with more than {MOST >> 20} MB")
        return data

    def field(self, address: str, path: str) -> str:
        """A value of an answer in JSON, such as offers.0.version."""
        try:
            found: Any = json.loads(self.get(address))
            for name in path.split("."):
                found = found[int(name)] if isinstance(found, list) else found[name]
        except (ValueError, KeyError, IndexError, TypeError):
            raise FalseAnswer(f"{address} says no {path}") from None
        return str(found)

    def version(self, newest: Mapping[str, str], **more: str) -> tuple[str, str]:
        """The newest release, and the tag that it has."""
        address = newest["address"].format(**more)
        tag = self.field(address, newest["field"])
        version = tag.removeprefix("v")
        if not VERSION.fullmatch(version):
            raise FalseAnswer(f"{address} says {tag[:60]!r}, which is no release")
        return version, tag

    def commit(self, where: Mapping[str, str], **more: str) -> str:
        address = where["address"].format(**more)
        found = self.field(address, where["field"])
        if not COMMIT.fullmatch(found):
            raise FalseAnswer(f"{address} says {found[:60]!r}, which is no commit")
        return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def is_newer(version: str, than: str) -> bool:
    """An older one is no news, whoever says so."""
    return numbers(version) > numbers(than)


# ---- What is written ----


def setting(text: str, name: str) -> re.Match[str]:
    found = re.search(rf'(?m)^{name}: ("(?:[^"\\]|\\\n *)*"|\S+)$', text)
    if found is None:
        raise FalseAnswer(f"there is no setting {name}")
    return found


def with_setting(text: str, name: str, value: str) -> str:
    found = setting(text, name)
    if len(value) > LINE:
        half = len(value) // 2
        value = f'"{value[:half]}\\\n  {value[half:]}"'
    return text[: found.start(1)] + value + text[found.end(1) :]


def version_in(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise FalseAnswer(f"nothing here is like {pattern}")
    return found[1]


# ---- The kinds of pins ----


def archive(pin: Mapping[str, Any], text: str, asker: Asker) -> tuple[str, str]:
    """A file that is downloaded and has a checksum: the new text, and what to say."""
    address = setting(text, pin["url"])[1]
    now = version_in(address, pin["version"])
    version, dummy = asker.version(pin["newest"])
    computed = pin.get("computed")
    lacks = version == now and computed and setting(text, computed["setting"])[1] == '""'
    if not is_newer(version, now) and not lacks:
        return text, f"{now} is the newest"
    algorithm = pin["checksum"]["algorithm"]
    length = hashlib.new(algorithm).digest_size * 2
    where = pin["checksum"]["address"].format(version=version)
    said = asker.get(where).decode(errors="replace")
    found = set(re.findall(rf"\b[0-9a-f]{{{length}}}\b", said))
    if len(found) != 1:
        raise FalseAnswer(f"{where} has {len(found) or 'no'} checksums ({algorithm})")
    [checksum] = found
    download = pin["download"].format(version=version)
    data = asker.get(download)
    is_so = hashlib.new(algorithm, data).hexdigest()
    if is_so != checksum:
        raise FalseAnswer(f"{download} has the checksum {is_so[:16]}..., and {where} says {checksum[:16]}...")
    text = with_setting(text, pin["url"], download)
    text = with_setting(text, pin["checksum"]["setting"], checksum)
    said = f"its checksum was read at {where}, and the download has it"
    if computed:
        own = computed["algorithm"]
        text = with_setting(text, computed["setting"], hashlib.new(own, data).hexdigest())
        said += f"; the {own} is computed of it"
    if "read" in pin:
        text = re.sub(
            rf"(?m)^{re.escape(pin['read'])}.*(?:\n#.*)*$", lambda _: f"{pin['read']} of {version} {said}.", text
        )
    return text, f"{now} -> {version}; {said}" if version != now else f"{now} is the newest; {said}"


def action(name: str, pins: Mapping[str, Any], text: str, asker: Asker) -> tuple[str, str]:
    """An action of a workflow: pinned by its commit, with its release behind it."""
    used = re.compile(rf"(?m)(uses: {re.escape(name)}@)(\S+?)(?: # v?(\S+))?$")
    present = {found[2]: found[3] or found[2].removeprefix("v") for found in used.finditer(text)}
    version, tag = asker.version(pins["newest"], action=name)
    sure = all(COMMIT.fullmatch(one) for one in present)
    if sure and not any(is_newer(version, one) for one in present.values()):
        return text, f"{version} is the newest"
    if any(not is_newer(version, one) and one != version for one in present.values() if re.fullmatch(r"[\d.]+", one)):
        return text, f"{', '.join(present.values())} is newer than {version}"
    sha = asker.commit(pins["commit"], action=name, tag=tag)
    where = pins["commit"]["address"].format(action=name, tag=tag)
    before = ", ".join(sorted(set(present.values())))
    return used.sub(rf"\g<1>{sha} # {tag}", text), f"{before} -> {version}; its commit was read at {where}"


def works(listed: Mapping[str, Any], root: Path) -> Iterator[tuple[str, Path, Callable[[str, Asker], tuple[str, str]]]]:
    """Each pin: its name, its file, and what makes the file's new text."""
    for name, pin in listed.get("archives", {}).items():
        yield name, root / pin["file"], lambda text, asker, pin=pin: archive(pin, text, asker)  # type: ignore[misc]
    actions = listed.get("actions") or {"files": []}
    for file in actions["files"]:
        text = (root / file).read_text(encoding="utf-8")
        for name in sorted(set(re.findall(r"(?m)uses: ([\w.-]+/[\w./-]+)@", text))):
            yield (
                f"{name} in {Path(file).name}",
                root / file,
                lambda text, asker, name=name: action(name, actions, text, asker),  # type: ignore[misc]
            )


def run(root: Path, asker: Asker, check: bool, say: Callable[[str], object]) -> int:
    """1 where somebody gave a false answer or, when only looking, something is newer."""
    listed = yaml.safe_load((root / LIST).read_text(encoding="utf-8"))
    wrong = newer = False
    for name, path, work in works(listed, root):
        text = path.read_text(encoding="utf-8")
        try:
            after, said = work(text, asker)
        except FalseAnswer as error:
            say(f"{name}: STAYS AS IT IS: {error}")
            wrong = True
            continue
        say(f"{name}: {said}")
        newer |= after != text
        if after != text and not check:
            path.write_text(after, encoding="utf-8")
    return int(wrong or (check and newer))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pins", description="Newer releases of all that is pinned.")
    parser.add_argument("--check", action="store_true", help="only look; status 1 if something is newer")
    parser.add_argument("--instead", action="append", default=[], metavar="A=B", help="ask B where an address has A")
    asked = parser.parse_args()
    if any("=" not in one for one in asked.instead):
        parser.error("--instead wants two addresses, such as https://api.github.com=http://127.0.0.1:8000")
    instead = dict(one.split("=", 1) for one in asked.instead)
    return run(ROOT, Asker(instead), asked.check, print)


if __name__ == "__main__":
    sys.exit(main())
