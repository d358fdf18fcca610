# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives on the managed host: checked by its digest, and handed to Docker without what it has already."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fortytwo.inception.plugins.action import image_delivery as action
from ansible_collections.fortytwo.inception.plugins.modules import image_delivery
from ansible_collections.fortytwo.inception.plugins.plugin_utils._image_store import Image, Layer

from tests.unit.programs import python_program

# `docker load` keeps what it was given; the rest answers from a file.
DOCKER = """\
import json, pathlib, sys, tarfile
here = pathlib.Path(__file__).parent
argv = sys.argv[1:]
if argv[0] == "load":
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    if "manifest.json" not in files:
        sys.exit("no manifest")
    (here / "loaded").write_text(json.dumps(sorted(files)))
    told = []
    for image in json.loads(files["manifest.json"]):
        config = json.loads(files[image["Config"]])
        told.append({"Config": config["config"], "RootFS": {"Layers": config["rootfs"]["diff_ids"]}})
    (here / "there.json").write_text(json.dumps(told))
elif argv[:2] == ["image", "inspect"]:
    print((here / "there.json").read_text())
elif argv[:2] == ["image", "rm"]:
    (here / "removed").write_text(argv[-1])
else:
    sys.exit("not foreseen: " + " ".join(argv))
"""


class Arrival:
    """A folder with parts, and a docker."""

    def __init__(self, folder: Path) -> None:
        self.parts = folder / "parts"
        self.parts.mkdir()
        self.folder = folder
        python_program(folder / "docker", DOCKER)
        self.images = [self.image("nginx:1", b"a" * 50, b"b" * 70), self.image("redis:1", b"a" * 50)]

    def layer(self, data: bytes) -> dict[str, Any]:
        pieces = [data[:30], data[30:]]
        for piece in pieces:
            (self.parts / hashlib.sha256(piece).hexdigest()).write_bytes(piece)
        return {
            "diff_id": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "parts": [[hashlib.sha256(piece).hexdigest(), len(piece)] for piece in pieces],
        }

    def image(self, name: str, *layers: bytes) -> dict[str, Any]:
        known = {"diff_id": "sha256:" + "0" * 64, "parts": []}
        all_layers = [known, *(self.layer(data) for data in layers)]
        config = {"config": {"Labels": {"a": "b"}}, "rootfs": {"diff_ids": [one["diff_id"] for one in all_layers]}}
        return {"name": name, "config": json.dumps(config), "layers": all_layers}

    def options(self) -> dict[str, Any]:
        return {"services": [], "state": "loaded", "images": self.images, "parts_dir": str(self.parts)}


@pytest.fixture
def arrival(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrival:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return Arrival(tmp_path)


def test_what_arrived_is_loaded_and_cleared_away(arrival: Arrival, run_module: Any) -> None:
    assert run_module(image_delivery, arrival.options())["changed"]
    loaded = json.loads((arrival.folder / "loaded").read_text())
    # Two configurations, two layers of which one is both images', and no layer that was known.
    assert len([name for name in loaded if name.endswith(".json")]) == 3
    assert len([name for name in loaded if name.endswith(".tar")]) == 2
    assert list(arrival.parts.iterdir()) == []


def part(arrival: Arrival, number: int) -> Path:
    return arrival.parts / arrival.images[0]["layers"][1]["parts"][number][0]


def link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(f"{path}.moved")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "another byte": lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
    "too short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "too long": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "gone": lambda path: path.unlink(),
    "a link to what is right": link,
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_never_loaded_and_goes(damage: str, number: int, arrival: Arrival, run_module: Any) -> None:
    path = part(arrival, number)
    DAMAGES[damage](path)
    result = run_module(image_delivery, arrival.options())
    assert result["damaged"] == path.name
    assert not result["changed"]
    assert not (arrival.folder / "loaded").exists()
    assert not path.is_symlink()
    assert not path.exists()
    # The others stay for the next attempt.
    assert len([one for one in arrival.parts.iterdir() if len(one.name) == 64]) == 3


def test_an_image_that_is_another_one_is_removed_again(arrival: Arrival, run_module: Any, module_failed: Any) -> None:
    (arrival.folder / "docker").write_text(
        (arrival.folder / "docker").read_text().replace('config["rootfs"]["diff_ids"]', '["sha256:other"]')
    )
    with pytest.raises(module_failed, match="not what was sent"):
        run_module(image_delivery, arrival.options())
    assert (arrival.folder / "removed").read_text() == "nginx:1"


def test_docker_s_words_are_handed_on(arrival: Arrival, run_module: Any, module_failed: Any) -> None:
    python_program(arrival.folder / "docker", "import sys\nsys.stdin.read()\nsys.exit('no space left')\n")
    with pytest.raises(module_failed, match="docker load: no space left"):
        run_module(image_delivery, arrival.options())


def test_a_name_that_was_not_unpacked_does_not_stay(arrival: Arrival, run_module: Any, module_failed: Any) -> None:
    """Containerd's store keeps it, and the next run would take the image for one that is there."""
    said = (
        "import pathlib, sys\n"
        "if sys.argv[1] == 'load':\n    sys.stdin.buffer.read()\n    sys.exit('failed to unpack')\n"
        "with (pathlib.Path(__file__).parent / 'removed').open('a') as file:\n    print(*sys.argv[1:], file=file)\n"
    )
    python_program(arrival.folder / "docker", said)
    with pytest.raises(module_failed, match="failed to unpack"):
        run_module(image_delivery, arrival.options())
    removed = (arrival.folder / "removed").read_text().splitlines()
    assert removed == ["image rm --force nginx:1", "image rm --force redis:1"]


def test_an_archive_is_one_for_every_tar(arrival: Arrival) -> None:
    stream = io.BytesIO()
    image_delivery.write_archive(stream, arrival.images, str(arrival.parts))
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        name = f"{hashlib.sha256(b'b' * 70).hexdigest()}.tar"
        assert archive.extractfile(name).read() == b"b" * 70  # type: ignore[union-attr]


# The layers of an image, what chains of layers the host has, and which layers it lacks.
CHAINS: dict[str, tuple[str, list[str], str]] = {
    "nothing is there": ("abc", [], "abc"),
    "the base is": ("abc", ["a"], "bc"),
    "another image on it": ("abc", ["abx"], "c"),
    "all of it": ("abc", ["abc"], ""),
    "all of it and more": ("abc", ["x", "abcd"], ""),
    "one that is on top of another base": ("abc", ["xb"], "abc"),
}


@pytest.mark.parametrize("name", CHAINS)
def test_only_layers_that_the_host_lacks_are_carried(name: str) -> None:
    own, chains, lacked = CHAINS[name]
    image = Image("nginx:1", "{}", tuple(Layer(one, ()) for one in own))
    assert [layer.diff_id for layer in action.lacking(image, [list(chain) for chain in chains])] == list(lacked)
